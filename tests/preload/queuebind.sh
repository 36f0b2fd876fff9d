#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# queuebind.sh CLIENT: an accelerator is unbound from idxd, and bound to it again.  CLIENT uses
# its queues.
set -u
client=$1
device=0000:01:00.0
bus=/sys/bus/pci
failed=0
opened=$(mktemp)
trap 'rm -f "$opened"' EXIT

fail()
{
	echo "queuebind.sh: $*" >&2
	failed=1
}

# What there is of it: all, or nothing.
has()
{
	for place in /dev/dsa/wq0.0 /dev/dsa/wq0.1 /sys/bus/dsa/devices/dsa0 /sys/bus/dsa/devices/wq0.7/mode \
		'/sys/bus/dsa/devices/dsa!wq0.1/dev' /sys/bus/dsa/drivers/user/wq0.0 \
		/sys/bus/dsa/drivers/idxd/dsa0 $bus/devices/$device/dsa0/group0.0 "$char"; do
		if [ "$1" = yes ]; then
			[ -e "$place" ] || fail "no $place"
		else
			[ ! -e "$place" ] && [ ! -L "$place" ] || fail "there is $place"
		fi
	done
	[ "$(find /dev/dsa -name 'wq*' | wc -l)" = "$2" ] || fail "in /dev/dsa: $(ls /dev/dsa)"
}

char=/sys/dev/char/$(cat '/sys/bus/dsa/devices/dsa!wq0.1/dev')
has yes 2
echo $device > $bus/drivers/idxd/unbind || fail "unbind"
has no 0
! cat /dev/dsa/wq0.0 2> /dev/null || fail "a queue of no driver can be opened"
echo vfio-pci > $bus/devices/$device/driver_override
echo $device > $bus/drivers_probe || fail "no probe"
[ -c /dev/vfio/devices/vfio0 ] || fail "vfio-pci has no node"
has no 0
echo $device > $bus/drivers/vfio-pci/unbind
echo > $bus/devices/$device/driver_override
echo $device > $bus/drivers/idxd/bind || fail "bind"
[ ! -e /dev/vfio/devices/vfio0 ] || fail "vfio-pci has a node"
has yes 2
"$client" safe || fail "the queues don't work"
# The driver turns on what it needs.
printf '\000\000' | dd of=$bus/devices/$device/config bs=2 seek=2 conv=notrunc status=none
[ "$(dd if=$bus/devices/$device/config bs=2 skip=2 count=1 status=none | od -An -tx1)" = ' 00 00' ] ||
	fail "COMMAND isn't 0"
echo 1 > $bus/devices/$device/reset
"$client" safe || fail "the queues don't work after a reset, and without bus mastering"

# Who has it open is waited for.
(
	exec 7<> /dev/dsa/wq0.0
	echo open
	sleep 1
	[ -e /dev/dsa/wq0.0 ] || fail "taken away"
) > "$opened" &
holder=$!
while [ ! -s "$opened" ]; do
	kill -0 $holder || break
done
echo $device > $bus/drivers/idxd/unbind
! kill -0 $holder 2> /dev/null || fail "unbound while it's open"
wait $holder || fail "the holder"
has no 0
exit $failed
