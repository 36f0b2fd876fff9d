#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# fuzz.sh [RECORDING...] - builds the harnesses of tests/fuzz and runs them.
#
# FUZZ_SECONDS (600) is for all of them together.  What is worth keeping of the inputs
# stays in FUZZ_BUILD ($BUILD/fuzz), so the next run begins where this one ended; an
# input that fails is in its found/.  The first inputs are made of the recordings named,
# or of all.  docs/testing.md has the rest.
set -eu

cd "$(dirname "$0")/.."
build=${FUZZ_BUILD:-${BUILD:-build}/fuzz}
seconds=${FUZZ_SECONDS:-600}

if [ ! -f "$build/build.ninja" ]; then
	CC=clang meson setup "$build" -Dwerror=true -Dfuzz=true -Dbench=false --buildtype=debug \
		-Doptimization=1 -Db_ndebug=false -Db_sanitize=address,undefined -Db_lundef=false
fi
ninja -C "$build" tests/fuzz/fuzz-iommufd tests/fuzz/fuzz-vfio tests/fuzz/fuzz-dsa tests/fuzz/fuzz-text

[ -d "$build/seeds" ] || tests/fuzz/seeds.py "$build/seeds" "$@"

failed=0
# run NAME PERCENT
run()
{
	inputs=$build/inputs/$1
	found=$build/found/$1
	mkdir -p "$inputs" "$found"
	# Few inputs are as good as the best of those that reach the rare places: no entropic.
	if ! UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 "$build/tests/fuzz/fuzz-$1" \
		-entropic=0 -max_len=4096 -timeout=20 -verbosity=0 -print_final_stats=1 \
		-max_total_time=$((seconds * $2 / 100)) -artifact_prefix="$found/" \
		"$inputs" "$build/seeds/$1" >"$found/log" 2>&1; then
		tail -n 60 "$found/log"
		echo "fuzz-$1: failed; see $found"
		failed=1
		return
	fi
	sed -n 's/^stat::number_of_executed_units: *\(.*\)/fuzz-'"$1"': \1 inputs, and all hold/p' \
		"$found/log"
}

run iommufd 45
run vfio 20
run dsa 20
run text 15
exit "$failed"
