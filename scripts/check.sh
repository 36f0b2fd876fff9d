#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# check.sh [NAME...] - what "make check" checks; all of it, or the named ones.
#
# Each prints "PASS name" or "FAIL name" with its output in front; all are run,
# whatever fails.  scripts/check-NAME.sh or .py is one, and says what it checks;
# those with a build of their own are the first names below.
set -u
cd "$(dirname "$0")/.." || exit 1
export BUILD="${BUILD:-build}"

builds="gcc-debug gcc-release clang-debug clang-release asan tsan"
scripts="explore fuzz format spdx headers size comments docs shell spelling cppcheck tidy preload install"

log=$(mktemp)
trap 'rm -f "$log"' EXIT

# with_build NAME CC SUITES MESON_OPTIONS... : compiles with -Werror, and tests.
with_build()
{
	dir=$BUILD/check-$1
	compiler=$2
	suites=$3
	shift 3
	if [ ! -f "$dir/build.ninja" ]; then
		CC=$compiler meson setup "$dir" -Dwerror=true "$@" || return 1
	fi
	ninja -C "$dir" || return 1
	# shellcheck disable=SC2086 # a list of options
	meson test -C "$dir" --no-rebuild --print-errorlogs -t 5 $suites
}

# Sanitizers belong to whole programs: the rooms' own tests, and of those of the shim, which is
# loaded into programs without one, the storm.
run_check()
{
	case $1 in
	gcc-debug) with_build "$1" gcc "" --buildtype=debug -Db_ndebug=false ;;
	gcc-release) with_build "$1" gcc "" --buildtype=release ;;
	clang-debug) with_build "$1" clang "" --buildtype=debug -Db_ndebug=false ;;
	clang-release) with_build "$1" clang "" --buildtype=release ;;
	asan)
		UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 with_build "$1" gcc \
			"--suite unit --suite stress --suite storm" --buildtype=debug -Db_ndebug=false \
			-Db_sanitize=address,undefined \
			-Db_lundef=false -Dbench=false
		;;
	tsan)
		TSAN_OPTIONS=halt_on_error=1 with_build "$1" gcc "--suite unit --suite stress" \
			-Db_ndebug=false -Ddebug=true -Doptimization=1 -Db_sanitize=thread \
			-Db_lundef=false -Dbench=false
		;;
	*)
		if [ -f "scripts/check-$1.sh" ]; then
			"scripts/check-$1.sh"
		elif [ -f "scripts/check-$1.py" ]; then
			"scripts/check-$1.py"
		else
			echo "no such check"
			false
		fi
		;;
	esac
}

[ $# -gt 0 ] || {
	# shellcheck disable=SC2086 # lists
	set -- $scripts $builds
}

failed=0
for name in "$@"; do
	start=$(date +%s)
	if run_check "$name" >"$log" 2>&1 </dev/null; then
		# How many tests a build ran belongs to the account.
		grep -E '^(Ok|Expected Fail|Skipped): +[1-9]|^[0-9]+ schedules' "$log"
		echo "PASS $name ($(($(date +%s) - start)) s)"
	else
		# The end is where the reason is.
		tail -n 120 "$log"
		echo "FAIL $name ($(($(date +%s) - start)) s)"
		failed=$((failed + 1))
	fi
done
[ "$failed" -eq 0 ] || echo "make check: $failed failed"
[ "$failed" -eq 0 ]
