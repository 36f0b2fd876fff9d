#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# check-fuzz.sh - a short run of the fuzzers, from a few recordings and in a folder of
# its own; "make fuzz" is the long one.
set -eu

cd "$(dirname "$0")/.."
# shellcheck disable=SC2046 # names without spaces
FUZZ_SECONDS=50 FUZZ_BUILD="${BUILD:-build}/check-fuzz" exec scripts/fuzz.sh \
	$(find tests/oracle/recorded -name '*.gz' | LC_ALL=C sort | sed -n '1~6p')
