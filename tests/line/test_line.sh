#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# test_line.sh UIOMMU IOPF CLIENT [WRAPPER...] - through every room, from a
# program's ioctls to a device's DMA, and back.  A wrapper (valgrind, gdb) runs
# the example only.
set -u

uiommu=$(realpath "$1")
iopf=$(realpath "$2")
client=$(realpath "$3")
shift 3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/tmp"
export TMPDIR=$work/tmp
cd "$work" || exit 1

failed=0
fail()
{
	echo "FAILED: $*"
	failed=$((failed + 1))
}

# Nothing of a run is left: no file, no process.
leftovers()
{
	[ -z "$(ls "$TMPDIR")" ] || fail "$1: left behind: $(ls "$TMPDIR")"
}

# ---- the example

check_example()
{
	local words
	for words in "device reads 0x1000 bytes" "device writes 0x1000 bytes" \
		"page request: read at 0x10000000" "page request: write at 0x20000000" \
		"answered SUCCESS, the device is done" "all bytes came back" \
		"answered INVALID, the device gave up" "its buffer is what it was"; do
		grep -q "$words" out || fail "$1: no '$words' in: $(cat out)"
	done
}

if [ $# -gt 0 ]; then
	"$uiommu" run -d ats-testdev -- "$@" "$iopf" >out 2>err </dev/null ||
		fail "$*: status $?: $(cat err)"
	check_example "$*"
	case "$*" in
	*valgrind*--leak-check*)
		grep -q 'ERROR SUMMARY: 0 errors' err || fail "valgrind: $(cat err)"
		;;
	esac
	leftovers "$*"
	[ "$failed" -eq 0 ]
	exit
fi

"$uiommu" run -d ats-testdev -- "$iopf" >out 2>err || fail "iopf: status $?: $(cat err)"
[ ! -s err ] || fail "iopf: on stderr: $(cat err)"
check_example iopf
"$uiommu" run -d ats-testdev@0000:70:00.0 -d ats-testdev@0000:71:00.0 -- "$iopf" 0000:71:00.0 \
	>out 2>&1 || fail "the second device: $(cat out)"
check_example "the second device"
"$uiommu" run -- "$iopf" >out 2>&1 && fail "without a device"
grep -q 'no device 1234:11e9' out || fail "without a device: $(cat out)"
leftovers iopf

# ---- the cases, and the events they leave

# events CASE COUNT PATTERN
run_case()
{
	"$uiommu" run -d ats-testdev@0000:70:00.0 --log log -- "$client" "$1" 0000:70:00.0 \
		>out 2>err || fail "$1: status $?: $(cat err)"
	[ ! -s out ] || fail "$1: on stdout: $(cat out)"
	[ "$(grep -c 0000:70:00.0 log)" -eq "$2" ] ||
		fail "$1: not $2 events: $(cat log)"
	[ "$2" -eq 0 ] || grep -Eq "$3" log || fail "$1: no '$3' in: $(cat log)"
	leftovers "$1"
}

run_case nowhere 1 '0000:70:00.0.*0x40000000'
run_case readonly 1 '0000:70:00.0.*0x40000000'
run_case no-master 1 '0000:70:00.0'
run_case answers 0
run_case again 0
run_case detach 0
run_case dups 0
run_case forks 0

# A program that is killed, or dies of its own fault, says so, and leaves nothing.
for pair in killed:KILL segv:SEGV; do
	(ulimit -c 0; exec "$uiommu" run -d ats-testdev@0000:70:00.0 -- "$client" "${pair%:*}" \
		0000:70:00.0 >out 2>err)
	got=$?
	[ $got -eq $((128 + $(kill -l "${pair#*:}"))) ] || fail "$pair: status $got: $(cat err)"
	leftovers "$pair"
done

[ "$failed" -eq 0 ]
