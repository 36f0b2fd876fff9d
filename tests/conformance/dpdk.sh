#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# dpdk.sh UIOMMU - DPDK's EAL: dpdk-test starts and ends on a device, and a client of its VFIO.
set -u
uiommu=$1
here=$(dirname "$0")/dpdk
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
device=0000:41:00.0
failed=0

# What it says of the machine, and no complaint.
plain='^EAL: Detected |^EAL: Multi-process socket |^EAL: Selected IOVA mode |^EAL: VFIO support initialized$|^EAL: Physical addresses are unavailable, selecting IOVA as VA mode\.$|^APP: HPET is not enabled, using TSC as default timer$|^RTE>>|^EAL: Using IOMMU type 1 \(Type 1\)$|^copied$|^TELEMETRY: No legacy callbacks, legacy socket not created$'

# eal NAME COMMAND...: ends well, with nothing else to say
eal()
{
	name=$1
	shift
	if out=$(echo quit | XDG_RUNTIME_DIR="$work" timeout 120 \
		"$uiommu" run -d "ats-testdev@$device" -- "$@" 2>&1) &&
		echo "$out" | grep -q '^EAL: VFIO support initialized$' &&
		! echo "$out" | tr -d '\r' | grep -Ev "$plain|^$"; then
		echo "$name: works"
	else
		echo "$name: doesn't work:"
		echo "$out"
		failed=1
	fi
}

# shellcheck disable=SC2046 # lists of options
gcc -O1 $(pkg-config --cflags libdpdk) -o "$work/client" "$here/client.c" \
	$(pkg-config --libs libdpdk) || exit 1
for mode in va pa; do
	eal "dpdk-test, $mode" dpdk-test --no-huge -m 512 "--iova-mode=$mode" -a "$device"
	eal "client, $mode" "$work/client" "$device" --no-huge -m 64 "--iova-mode=$mode" -a "$device" \
		--no-telemetry
done
exit $failed
