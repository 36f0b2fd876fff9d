#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Checks the schedules of the core for most of a minute: every scenario up to its
# bound, then further while there is time.  Prints how many were seen.
set -eu
cd "$(dirname "$0")/.."
exec "${BUILD:-build}/tests/explore/explore" --seconds 45
