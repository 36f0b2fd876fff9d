#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# dmadev.sh UIOMMU - dmadev_autotest of DPDK's dpdk-test, by its driver of the accelerator.
#
# Each of the eight queues is a device of the test's; one more is DPDK's own, in software.
set -u
uiommu=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
device=0000:41:00.0
failed=0

# Said once for each queue.
ran='DMA Dev [0-7]: Running (copy|burst capacity|error handling|fill) Tests'

for mode in va pa; do
	# dpdk-test reads its orders, and ends at "quit" or when there are no more.
	printf 'dmadev_autotest\nquit\n' | XDG_RUNTIME_DIR="$work" timeout 300 \
		"$uiommu" run -d "dsa@$device" --log "$work/log" -- \
		dpdk-test --no-huge -m 512 "--iova-mode=$mode" -a "$device" >"$work/out" 2>&1
	status=$?
	tr '\r' '\n' <"$work/out" | grep -v '^Ops submitted' >"$work/said"
	tests=$(grep -cE "$ran" "$work/said")
	if [ $status -eq 0 ] && grep -q '^Test OK$' "$work/said" && [ "$tests" -eq 32 ] &&
		! grep -E 'DMA Dev [0-7]: .*skipping|^Failed *: *[1-9]' "$work/said"; then
		echo "dmadev_autotest, $mode: $tests tests of 8 queues, all pass"
	else
		echo "dmadev_autotest, $mode: status $status:"
		cat "$work/said"
		[ ! -f "$work/log" ] || cat "$work/log"
		failed=1
	fi
done
exit $failed
