#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# devbind.sh UIOMMU - Debian's dpdk-devbind.py lists three devices of ours and moves them from
# driver to driver.  It only knows devices of some classes, network cards among them.
set -u
uiommu=$1
script=$(mktemp)
trap 'rm -f "$script"' EXIT

cat > "$script" <<'END'
set -u
failed=0

# lists SECTION DEVICE REST: what it says of a device, and in which part of its list
lists()
{
	said=$(dpdk-devbind.py --status-dev net 2> /dev/null |
		awk -v section="$1" '/^[A-Z]/ {part = index($0, section) == 1} part' | grep "^$2 ")
	case $said in
	*"$3"*) ;;
	*)
		echo "of $2 it says '$said', not '$3', under '$1'"
		failed=1
		;;
	esac
}

does()
{
	dpdk-devbind.py "$@" 2> /dev/null && return
	echo "dpdk-devbind.py $* fails"
	failed=1
}

compatible="Network devices using DPDK-compatible"
lists "$compatible" beef:01:00.0 "drv=vfio-pci unused=uio_pci_generic"
lists "Other Network" beef:02:00.0 "unused=vfio-pci,uio_pci_generic"
lists "$compatible" beef:03:00.0 "drv=uio_pci_generic unused=vfio-pci"
does -b vfio-pci beef:02:00.0 beef:03:00.0
lists "$compatible" beef:02:00.0 drv=vfio-pci
lists "$compatible" beef:03:00.0 drv=vfio-pci
does -u beef:01:00.0
lists "Other Network" beef:01:00.0 unused=vfio-pci
does -b uio_pci_generic beef:02:00.0
lists "$compatible" beef:02:00.0 drv=uio_pci_generic
does -b vfio-pci beef:01:00.0
for device in 1 2 3; do
	[ $device != 2 ] && want=yes || want=no
	[ -d /sys/bus/pci/devices/beef:0$device:00.0/vfio-dev ] && has=yes || has=no
	[ $has = $want ] && continue
	echo "beef:0$device:00.0 has a node: $has, not $want"
	failed=1
done
exit $failed
END
c=class=0x020000
PATH=$PATH:/usr/sbin "$uiommu" run -d ats-testdev,$c@beef:01:00.0 \
	-d ats-testdev,driver=none,$c@beef:02:00.0 \
	-d ats-testdev,driver=uio_pci_generic,$c@beef:03:00.0 -- sh "$script"
