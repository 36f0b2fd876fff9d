#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Programs that know nothing of us: under the shim they say what they say without it, but for
# the devices.  Prints nothing if all is well.
set -u
bdf=0000:01:00.0
device=/sys/bus/pci/devices/$bdf
failed=0

fail()
{
	echo "unaffected.sh: $*" >&2
	failed=1
}

# same COMMAND...: the same output and status with and without the shim
same()
{
	with=$("$@" 2>&1)
	with_status=$?
	without=$(env -u LD_PRELOAD "$@" 2>&1)
	without_status=$?
	[ "$with" = "$without" ] && [ $with_status = $without_status ] ||
		fail "'$*' says '$with' ($with_status), not '$without' ($without_status)"
}

# says WANT COMMAND...
says()
{
	want=$1
	shift
	got=$("$@" 2>&1) && [ "$got" = "$want" ] || fail "'$*' says '$got', not '$want'"
}

same ls -l /usr /proc/self/ns/mnt /dev/null
same ls /sys
same ls -ld /sys /dev /sys/bus /sys/devices/system/cpu
same cat /sys/devices/system/cpu/online
same stat -c '%n %F %t %T %h %u %g %i' /dev/null /dev/zero /sys/class/net /sys/bus
same sh -c 'echo x > /dev/null; cd /sys/devices/system && ls'
same readlink -f /proc/self/cwd
same stat -f -c %T /sys /dev /proc
same cat /sys/no/such/file
for entry in /sys/bus/pci/devices/*; do
	[ "${entry##*/}" = $bdf ] && continue
	# The root port in front of it.
	[ -e "$entry/$bdf" ] && continue
	# The host's own devices, through links.
	[ -e "$entry/vendor" ] && same cat "$entry/vendor" && same readlink -f "$entry"
done

says 0x1234 cat $device/vendor
says 0x11e9 sh -c "read x < $device/device; echo \$x"
says /sys/kernel/iommu_groups/0 readlink -f $device/iommu_group
says "character special file" stat -c %F /dev/iommu
says 600 stat -c %a /dev/vfio/devices/vfio0
says sysfs stat -f -c %T $device
says vfio0 ls $device/vfio-dev
# shellcheck disable=SC2010 # what ls -l prints is the test
ls -l /sys/bus/pci/devices | grep -q " $bdf -> ../../../devices/pci" || fail "ls -l doesn't list $bdf"
[ -z "$(ls -l /sys/bus/pci/devices /dev/vfio /dev/vfio/devices /dev/iommu $device 2>&1 >/dev/null)" ] ||
	fail "ls -l complains"
find /sys/bus/pci/devices/ -name $bdf | grep -q . || fail "find doesn't find it"

if command -v python3 > /dev/null; then
	says "ok" python3 -c '
import os, subprocess, fcntl
fd = os.open("/dev/iommu", os.O_RDWR)
assert os.readlink("/proc/self/fd/%d" % fd) == "/dev/iommu"
assert "'$bdf'" in os.listdir("/sys/bus/pci/devices")
assert "vfio0" in [e.name for e in os.scandir("/dev/vfio/devices")]
assert open("'$device'/vendor").read() == "0x1234\n"
assert subprocess.run(["true"], close_fds=True).returncode == 0
assert subprocess.run(["cat", "'$device'/vendor"], capture_output=True).stdout == b"0x1234\n"
try:
    fcntl.ioctl(fd, 0x3b81, b"\0" * 12)
    raise SystemExit("an ioctl of size 0 went through")
except OSError as e:
    assert e.errno == 22, e
os.close(fd)
print("ok")'
fi
exit $failed
