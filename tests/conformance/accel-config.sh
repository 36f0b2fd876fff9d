#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# accel-config.sh UIOMMU SVA-COPY - Debian's accel-config configures our accelerator
#
# It lists what there is, saves it, changes it by hand and by a file, and enables and disables it,
# each time in a process of its own; SVA-COPY then uses the queues that came of it.  What it prints
# is compared.  Then the configurations that come with the package are loaded.
set -u
uiommu=$1
copy=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat >"$work/session" <<'END'
said()
{
	want=$1
	shift
	got=$("$@" 2>&1) || got="$got; status $?"
	[ "$got" = "$want" ] && return
	echo "$*: it says"
	echo "$got"
	echo "and not"
	echo "$want"
	failed=1
}

# Only what a line says of these keys, in one line.
listed()
{
	accel-config list | sed -n 's/^ *"\(dev\|mode\|size\|priority\|threshold\|type\|name\|state\|clients\)":"\{0,1\}\([^",]*\).*/\1=\2/p' |
		tr '\n' ' '
}

failed=0
cd "$1" || exit 1
copy=$2

said "dev=dsa0 state=enabled clients=0 dev=group0.0 \
dev=wq0.0 mode=shared size=64 priority=10 type=user name=uiommu threshold=64 state=enabled clients=0 \
dev=wq0.1 mode=dedicated size=64 priority=10 type=user name=uiommu threshold=0 state=enabled clients=0 \
dev=engine0.0 dev=engine0.1 dev=engine0.2 dev=engine0.3 dev=group0.1 dev=group0.2 dev=group0.3 " listed

# What is saved can be loaded again, and is then the same.
accel-config save-config -s first.json || failed=1
said "disabled 1 device(s) out of 1" accel-config disable-device dsa0
said "" listed
said "" accel-config load-config -c first.json
said "enabled 1 device(s) out of 1" accel-config enable-device dsa0
said "enabled 2 wq(s) out of 2" accel-config enable-wq dsa0/wq0.0 dsa0/wq0.1
accel-config save-config -s second.json || failed=1
said "" cmp first.json second.json
"$copy" >/dev/null || failed=1

# By hand, and by mistake.
said "libaccfg: accfg_wq_set_size: wq0.0: size attribute write failed: Operation not permitted; status 1" \
	accel-config config-wq dsa0/wq0.0 -s 8
exec 7<>/dev/dsa/wq0.0
said "libaccfg: accfg_wq_control: wq has clients: 1.
libaccfg: accfg_wq_control:  wq disable refused.
failed in dsa0/wq0.0
disabled 0 wq(s) out of 1; status 1" accel-config disable-wq dsa0/wq0.0
exec 7>&-
said "disabled 1 wq(s) out of 1" accel-config disable-wq dsa0/wq0.0
said "disabled 1 device(s) out of 1" accel-config disable-device dsa0
said "" accel-config config-engine dsa0/engine0.1 -g 2
said "" accel-config config-wq dsa0/wq0.3 -g 2 -s 32 -m dedicated -p 7 -b 1 -y user -n mine -d user \
	-x 1048576 -c 64
said "enabled 1 device(s) out of 1" accel-config enable-device dsa0
said "enabled 1 wq(s) out of 1" accel-config enable-wq dsa0/wq0.3
said "dev=dsa0 state=enabled clients=0 dev=group0.0 dev=group0.1 dev=group0.2 \
dev=wq0.3 mode=dedicated size=32 priority=7 type=user name=mine threshold=0 state=enabled clients=0 \
dev=engine0.1 dev=group0.3 dev=engine0.0 dev=engine0.2 dev=engine0.3 " listed
[ -c /dev/dsa/wq0.3 ] || failed=1
exit $failed
END

"$uiommu" run -d dsa,driver=idxd --log "$work/log" -- bash "$work/session" "$work" "$copy"
status=$?
if [ $status -ne 0 ]; then
	[ ! -f "$work/log" ] || cat "$work/log"
	exit 1
fi
# Another one has queues of its own.
got=$("$uiommu" run -d dsa,driver=idxd -d dsa,driver=idxd,queues=dedicated,name=mine -- accel-config list |
	sed -n 's/^ *"\(dev\|name\)":"\(dsa.*\|wq.*\|mine\|uiommu\)".*/\2/p' | tr '\n' ' ')
if [ "$got" != "dsa0 wq0.0 uiommu wq0.1 uiommu dsa1 wq1.0 mine " ]; then
	echo "accel-config list, of two: $got"
	exit 1
fi
# profile NAME QUEUES: one with kernel queues isn't here, for there are none.
for profile in "app wq0.0 wq0.1" "net wq0.0 wq0.1 wq0.2 wq0.3" "storage wq0.0 wq0.1"; do
	# shellcheck disable=SC2086 # words
	set -- $profile
	name=$1
	shift
	# shellcheck disable=SC2016 # expanded there
	got=$("$uiommu" run -d dsa,driver=idxd,queues=none -- sh -c 'accel-config load-config -e -c "$1" \
		>&2 && echo $(ls /dev/dsa)' sh /etc/accel-config/contrib/configs/"$name"_profile.conf 2>"$work/err")
	if [ "$got" != "$*" ]; then
		echo "accel-config load-config of ${name}_profile.conf:"
		cat "$work/err"
		exit 1
	fi
done
echo "accel-config: list, save-config, load-config, config-wq, config-engine, enable and disable agree"
