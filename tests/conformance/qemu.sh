#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# qemu.sh UIOMMU BUILD - Debian's QEMU gives a device of ours to a Linux guest, which tests it.
#
# The guest is Debian's kernel for clouds, unpacked into BUILD, and a process 1 of our own
# (qemu/).  It runs twice: without an IOMMU, and with VFIO behind the IOMMU that QEMU plays.  A QEMU
# that has iommufd (9.0 and later) gives the device to two more in that way.
set -u
uiommu=$1
build=$2
here=$(dirname "$0")/qemu
device=0000:41:00.0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# skip REASON: for a kernel that can't be had
skip()
{
	echo "$1"
	exit 77
}

# unpack_kernel: the newest that Debian offers, or what was unpacked before
unpack_kernel()
{
	for kernel in "$build"/guest-kernel/boot/vmlinuz-*; do
		[ -e "$kernel" ] && return
	done
	package=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null |
		sed -n 's/^ *Depends: \(linux-image-[^ ]*\)$/\1/p' | head -n 1)
	[ -n "$package" ] || skip "apt-get offers no linux-image-cloud-amd64"
	(cd "$work" && apt-get -q download "$package" >log 2>&1) ||
		skip "$package can't be downloaded: $(tail -n 1 "$work/log")"
	rm -rf "$build/guest-kernel.new"
	dpkg-deb -x "$work"/linux-image-*.deb "$build/guest-kernel.new" || exit 1
	rm -rf "$build/guest-kernel"
	mv "$build/guest-kernel.new" "$build/guest-kernel"
	kernel=$(echo "$build"/guest-kernel/boot/vmlinuz-*)
}

# initramfs NAME MODULE...: to be loaded in this order
initramfs()
{
	name=$1
	shift
	mkdir -p "$work/$name/modules"
	cp "$work/guest" "$work/$name/init"
	number=1
	for module; do
		cp "$build"/guest-kernel/lib/modules/*/kernel/"$module.ko" \
			"$work/$name/modules/$number-$(basename "$module").ko" || exit 1
		number=$((number + 1))
	done
	(cd "$work/$name" && find . | cpio --quiet -o -H newc -R 0:0) >"$work/$name.cpio"
}

# passes NAME INITRAMFS KERNEL-OPTIONS QEMU-OPTIONS...
passes()
{
	name=$1
	initrd=$2
	append=$3
	shift 3
	timeout 400 "$uiommu" run -d "ats-testdev,bar-shared=on,msi=on,msix=5@$device" -- \
		qemu-system-x86_64 -accel tcg -smp 2 -m 128 -nodefaults -display none -serial stdio \
		-kernel "$kernel" -initrd "$work/$initrd.cpio" \
		-append "console=ttyS0 quiet panic=-1 no_timer_check $append" "$@" >"$work/out" 2>&1
	if grep -q '^guest: passed' "$work/out"; then
		echo "$name: passed"
	else
		echo "$name: failed:"
		cat "$work/out"
		failed=1
	fi
}

unpack_kernel
gcc -O1 -Wall -Wextra -static -o "$work/guest" "$here"/*.c || exit 1
initramfs plain drivers/uio/uio drivers/uio/uio_pci_generic
initramfs vfio virt/lib/irqbypass drivers/vfio/vfio_virqfd drivers/vfio/vfio \
	drivers/vfio/vfio_iommu_type1 drivers/vfio/pci/vfio-pci-core drivers/vfio/pci/vfio-pci

iommu="-machine q35,kernel-irqchip=split -device intel-iommu,intremap=on,caching-mode=on"
passes container plain test=plain,peers -device "vfio-pci,host=$device"
# shellcheck disable=SC2086 # a list of options
passes "container, guest with an IOMMU" vfio "test=vfio intel_iommu=on" $iommu \
	-device "vfio-pci,host=$device"
if qemu-system-x86_64 -object help | grep -q '^ *iommufd$'; then
	# There BARs are no memory for DMA.
	passes iommufd plain test=plain -object iommufd,id=fd0 \
		-device "vfio-pci,host=$device,iommufd=fd0"
	# shellcheck disable=SC2086
	passes "iommufd, guest with an IOMMU" vfio "test=vfio intel_iommu=on" $iommu \
		-object iommufd,id=fd0 -device "vfio-pci,host=$device,iommufd=fd0"
fi
exit $failed
