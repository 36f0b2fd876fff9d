#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# binding.sh CLIENT: drivers bound and unbound by programs that know nothing of us, each in a
# process of its own.  There are three devices: on vfio-pci, on none, on "other".  CLIENT opens
# /dev/vfio/devices/vfioN and says whether it could.
set -u
client=$1
one=0000:01:00.0
two=0000:02:00.0
three=0000:03:00.0
bus=/sys/bus/pci
vfio=$bus/drivers/vfio-pci
failed=0

fail()
{
	echo "binding.sh: $*" >&2
	failed=1
}

# is BDF DRIVER NODE: what every place says that tells it
is()
{
	driver=none
	[ ! -L "$bus/devices/$1/driver" ] || driver=$(basename "$(readlink "$bus/devices/$1/driver")")
	[ "$driver" = "$2" ] || fail "$1 is on $driver, not on $2"
	[ "$2" = none ] || [ "$(readlink -f "$bus/drivers/$2/$1")" = "$(readlink -f "$bus/devices/$1")" ] ||
		fail "$2 doesn't have $1"
	for other in vfio-pci other; do
		[ $other = "$2" ] || [ ! -e $bus/drivers/$other/"$1" ] || fail "$other has $1, too"
	done
	event=$(sed -n 's/^DRIVER=//p' "$bus/devices/$1/uevent")
	[ "${event:-none}" = "$2" ] || fail "uevent of $1 says '$event', not $2"
	if [ "$2" = vfio-pci ]; then
		[ -d "$bus/devices/$1/vfio-dev/$3" ] && [ -d "/sys/class/vfio-dev/$3" ] &&
			[ -c "/dev/vfio/devices/$3" ] || fail "$1 has no $3"
		number=$(cat "$bus/devices/$1/vfio-dev/$3/dev")
		[ -e "/sys/dev/char/$number/uevent" ] || fail "/sys/dev/char has no $number"
		"$client" "$3" || fail "$3 can't be opened"
	else
		[ ! -e "$bus/devices/$1/vfio-dev" ] && [ ! -e "/sys/class/vfio-dev/$3" ] &&
			[ ! -e "/dev/vfio/devices/$3" ] || fail "$1 still has its $3"
		! "$client" "$3" 2> /dev/null || fail "$3 of no driver can be opened"
	fi
}

# says TEXT COMMAND...: it fails, and says so on stderr
says()
{
	want=$1
	shift
	got=$("$@" 2>&1 > /dev/null) && fail "'$*' succeeds"
	case $got in
	*"$want"*) ;;
	*) fail "'$*' says '$got', not '$want'" ;;
	esac
}

# by HOW TEXT FILE: the ways in which programs write
by()
{
	case $1 in
	bash) bash -c "echo $2 > $3" ;;
	echo) /bin/echo "$2" > "$3" ;;
	tee) echo "$2" | tee "$3" ;;
	cat) echo "$2" > "$TMP" && cat "$TMP" > "$3" ;;
	dd) printf '%s' "$2" | dd of="$3" status=none ;;
	esac
}

TMP=$(mktemp) || exit 99
trap 'rm -f "$TMP"' EXIT

is $one vfio-pci vfio0
is $two none vfio1
is $three other vfio2

for way in bash echo tee cat dd; do
	by $way $one $vfio/unbind > /dev/null || fail "$way can't unbind"
	is $one none vfio0
	says "No such device" by $way $one $vfio/unbind
	by $way $one $vfio/bind > /dev/null || fail "$way can't bind"
	is $one vfio-pci vfio0
	says "busy" by $way $one $vfio/bind
done
# dash's own way of saying it
echo $one > $bus/devices/$one/driver/unbind || fail "sh can't unbind"
is $one none vfio0
! (echo $one > $vfio/unbind) 2> /dev/null || fail "sh can unbind what isn't bound"

# IDs: all devices without a driver are taken, others not.
says "No such device" by bash $two $vfio/bind
says "Invalid" by bash 1234 $vfio/new_id
says "Invalid" by bash "some text" $vfio/new_id
by bash "1234 11e9" $vfio/new_id || fail "no new ID"
is $two vfio-pci vfio1
is $three other vfio2
says "exists" by bash "1234 11e9" $vfio/new_id
says "exists" by bash "0x1234 0x11e9 1af4 1100" $vfio/new_id
by bash "1234 11e9" $vfio/remove_id || fail "the ID can't be removed"
says "No such device" by bash "1234 11e9" $vfio/remove_id
by bash $two $vfio/unbind
says "No such device" by bash $two $vfio/bind

# driver_override; the other driver has an ID of its own.
[ "$(cat $bus/devices/$two/driver_override)" = "(null)" ] || fail "an override from nowhere"
by bash vfio-pci $bus/devices/$two/driver_override
[ "$(cat $bus/devices/$two/driver_override)" = vfio-pci ] || fail "no override"
is $two none vfio1
by bash $two $bus/drivers_probe || fail "no probe"
is $two vfio-pci vfio1
by bash $two $vfio/unbind
by bash "" $bus/devices/$two/driver_override
[ "$(cat $bus/devices/$two/driver_override)" = "(null)" ] || fail "an override that stays"
by bash $two $bus/drivers/other/bind || fail "other doesn't take $two"
is $two other vfio1
by bash $three $bus/drivers/other/unbind
by bash $three $bus/drivers_probe
is $three other vfio2
says "No such device" by bash 0000:ff:00.0 $bus/drivers_probe

# Unplugged, and plugged in again: nobody has said anything about it then.
by bash $one $bus/drivers_probe
is $one vfio-pci vfio0
by bash 0 $bus/devices/$one/remove
is $one vfio-pci vfio0
says "Invalid" by bash x $bus/devices/$one/remove
by bash 1 $bus/devices/$one/remove
[ ! -e $bus/devices/$one ] && [ ! -L $bus/devices/$one ] && [ ! -e $vfio/$one ] || fail "it is still there"
says "No such device" by bash $one $vfio/bind
by bash 0 $bus/drivers_autoprobe
by bash 1 $bus/rescan
[ "$(cat $bus/drivers_autoprobe)" = 0 ] || fail "autoprobe says $(cat $bus/drivers_autoprobe)"
[ "$(cat $bus/devices/$one/driver_override)" = "(null)" ] || fail "it has memories"
is $one none vfio0

says "Invalid" by bash 2 $bus/devices/$one/reset
by bash 1 $bus/devices/$one/reset || fail "no reset"
says "denied" by bash x $bus/devices/$one/vendor
says "denied" cat $vfio/bind
[ "$(cat $bus/devices/$one/vendor)" = 0x1234 ] || fail "the files have changed"
[ ! -s $bus/devices/$one/uevent ] && fail "uevent is empty"
exit $failed
