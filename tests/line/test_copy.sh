#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# test_copy.sh UIOMMU SVA_COPY - the example of shared virtual addressing, by each way to
# submit there is.
set -u

uiommu=$(realpath "$1")
copy=$(realpath "$2")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/tmp"
export TMPDIR=$work/tmp
# It would touch what malloc() gives.
unset MALLOC_PERTURB_
cd "$work" || exit 1

failed=0
fail()
{
	echo "FAILED: $*"
	failed=$((failed + 1))
}

# run_copy QUEUE HOW DEVICE
run_copy()
{
	local words
	"$uiommu" run -d "dsa,driver=idxd$3" --log log -- "$copy" "/dev/dsa/$1" >out 2>err ||
		fail "$1$3: status $?: $(cat err)"
	[ ! -s err ] || fail "$1$3: on stderr: $(cat err)"
	for words in "^/dev/dsa/$1 is a $2.$" \
		"^Copied 262144 bytes .*: [1-9][0-9]* page faults told in" \
		"^Copied 4194304 bytes .* \([1-9][0-9]*\) pages weren't there, and" \
		"^Copied 1048576 bytes to a mapped file; read() gives them back" \
		"^Copied 524288 of 1048576 bytes: one write was refused, at 0x[0-9a-f]*000, a page" \
		"^Bandwidth, .*: [0-9.]* GB/s, memcpy() [0-9.]* GB/s"; do
		grep -q "$words" out || fail "$1$3: no '$words' in: $(cat out)"
	done
	# As many as weren't there.
	[ "$(sed -n "s/.* \([0-9]*\) pages weren't there, and/\1/p" out)" = \
		"$(sed -n 's/^\([0-9]*\) were served.*/\1/p' out)" ] ||
		fail "$1$3: faults and pages: $(cat out)"
	[ -z "$(ls "$TMPDIR")" ] || fail "$1$3: left behind: $(ls "$TMPDIR")"
}

run_copy wq0.0 "shared queue; descriptors go there by enqcmd" ,safe=on
run_copy wq0.1 "dedicated queue; descriptors go there by movdir64b" ,safe=on
# Without the capability for portals, or with it.
run_copy wq0.0 "shared queue; descriptors go there by \(enqcmd\|write()\)" ""
run_copy wq0.0 "dedicated queue; descriptors go there by \(movdir64b\|write()\)" ,queues=dedicated

"$uiommu" run -d dsa -- "$copy" >out 2>err && fail "without the driver"
grep -q 'try: uiommu run' err || fail "without the driver: $(cat err)"

[ "$failed" -eq 0 ]
