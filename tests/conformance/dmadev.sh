#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# dmadev.sh UIOMMU - dmadev_autotest of DPDK's dpdk-test, by its drivers of the accelerator:
# through VFIO, and by the queues that the kernel's driver shows (/dev/dsa/wqN.M).
#
# Each queue is a device of the test's; one more is DPDK's own, in software.
set -u
uiommu=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
device=0000:41:00.0
failed=0

# autotest NAME QUEUES SPEC EAL-OPTION...
autotest()
{
	name=$1
	queues=$2
	spec=$3
	shift 3
	# Said once for each queue.
	ours="[0-$((queues - 1))]"
	ran="DMA Dev $ours: Running (copy|burst capacity|error handling|fill) Tests"
	# dpdk-test reads its orders, and ends at "quit" or when there are no more.
	printf 'dmadev_autotest\nquit\n' | XDG_RUNTIME_DIR="$work" timeout 300 \
		"$uiommu" run -d "$spec" --log "$work/log" -- \
		dpdk-test --no-huge -m 512 "$@" >"$work/out" 2>&1
	status=$?
	tr '\r' '\n' <"$work/out" | grep -v '^Ops submitted' >"$work/said"
	tests=$(grep -cE "$ran" "$work/said")
	if [ $status -eq 0 ] && grep -q '^Test OK$' "$work/said" &&
		[ "$tests" -eq $((4 * queues)) ] &&
		! grep -E "DMA Dev $ours: .*skipping|^Failed *: *[1-9]" "$work/said"; then
		echo "dmadev_autotest, $name: $tests tests of $queues queues, all pass"
	else
		echo "dmadev_autotest, $name: status $status:"
		cat "$work/said"
		[ ! -f "$work/log" ] || cat "$work/log"
		failed=1
	fi
}

for mode in va pa; do
	autotest $mode 8 "dsa@$device" "--iova-mode=$mode" -a "$device"
done
# It takes dedicated queues whose name begins with "dpdk_", and their portals.
autotest /dev/dsa 2 "dsa,driver=idxd,queues=dedicated+dedicated,name=dpdk_queue,safe=on" --no-pci
exit $failed
