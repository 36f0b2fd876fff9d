#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# lspci.sh UIOMMU - what Debian's lspci prints of three devices of ours.
#
# Two functions of one slot and a device by itself, each slot behind a root port; in a domain
# of their own, so that what the machine has is beside them and nothing of it in between.
set -u
uiommu=$1
devices="-d ats-testdev,msi=on,msix=9,pasid=on,pm=on@beef:01:00.0
	-d ats-testdev,intx=off,ats=off@beef:01:00.1 -d ats-testdev,group=lone@beef:41:00.0"
out=$(mktemp)
trap 'rm -f "$out"' EXIT
failed=0

# lists OPTIONS...: what lspci says goes to $out.
lists()
{
	# shellcheck disable=SC2086 # lists of options
	"$uiommu" run $devices -- lspci "$@" >"$out" 2>/dev/null || {
		echo "lspci $* fails"
		failed=1
	}
	shown="lspci $*"
}

# has PATTERN...: each is in the output.
has()
{
	for pattern; do
		grep -qE -e "$pattern" "$out" && continue
		echo "$shown doesn't say: $pattern"
		failed=1
	done
}

# lacks PATTERN
lacks()
{
	grep -qE -e "$1" "$out" || return
	echo "$shown says: $1"
	failed=1
}

lists -D -nn
has '^beef:00:01.0 PCI bridge \[0604\]: .*\[1b36:000c\]' \
	'^beef:00:02.0 PCI bridge \[0604\]' \
	'^beef:01:00.0 Unclassified device \[00ff\]: Device \[1234:11e9\] \(rev 02\)' \
	'^beef:01:00.1 Unclassified' '^beef:41:00.0 Unclassified'
for device in /sys/bus/pci/devices/*; do
	if [ -e "$device/vendor" ]; then
		has "^${device##*/} "
	fi
done

lists -t
has '\[beef:00\]-\+-01\.0-\[01\]--\+-00\.0' '[ |]+\\-00\.1' '\\-02\.0-\[41\]----00\.0'

lists -vvv -s beef:01:00.0
has 'Interrupt: pin A routed to IRQ [1-9]' 'IOMMU group: [0-9]' 'Kernel driver in use: vfio-pci' \
	'Region 0: Memory at [0-9a-f]+ \(64-bit, non-prefetchable\) \[size=4K\]' 'Region 2: Memory' \
	'Control: I/O- Mem\+ BusMaster-' 'Express \(v2\) Endpoint' 'FLReset\+' \
	'Power Management version 3' 'Status: D0 NoSoftRst-' \
	'MSI: Enable- Count=1/8 Maskable\+ 64bit\+' 'MSI-X: Enable- Count=9 Masked-' \
	'Vector table: BAR=2 offset=00000000' 'PBA: BAR=2 offset=00000800' \
	'Address Translation Service \(ATS\)' 'ATSCtl:.Enable\+' 'Page Request Interface \(PRI\)' \
	'Page Request Capacity: 00000800' 'PASIDCap: .*Max PASID Width: 14' 'PASIDCtl: Enable\+'
lacks 'access denied|Unknown|<chain|!!!'

lists -vvv -s beef:01:00.1
has 'Express'
lacks 'pin A|ATS|MSI-X|access denied'

lists -vvv -s beef:00:01.0
has 'Bus: primary=00, secondary=01, subordinate=01' 'Root Port \(Slot\+\)' \
	'Prefetchable memory behind bridge: [0-9a-f]+-[0-9a-f]+fffff' 'Access Control Services' \
	'IOMMU group: [0-9]' 'Kernel driver in use: pcieport' 'PresDet\+'
lacks 'access denied|!!!'

# What setpci writes is there for the next one, who can be another program.
# shellcheck disable=SC2086
"$uiommu" run $devices -- sh -c 'setpci -s beef:41:00.0 COMMAND INTERRUPT_LINE=55 COMMAND=6:6 &&
	setpci -s beef:41:00.0 COMMAND INTERRUPT_LINE && lspci -xxx -s beef:41:00.0' \
	>"$out" 2>/dev/null
shown=setpci
has '^0002$' '^0006$' '^55$' '^00: 34 12 e9 11 06 00 ' '^30: .* 55 01 00 00$'

# What a user may read is the header.
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
	chmod 644 "$out"
	# shellcheck disable=SC2086
	TMPDIR=/tmp setpriv --reuid 65534 --clear-groups "$uiommu" run $devices -- \
		lspci -vv -s beef:01:00.0 >"$out" 2>/dev/null
	shown="lspci of a user"
	has 'Capabilities: <access denied>' 'Region 0: Memory'
fi
exit $failed
