#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The device copies one page to another: os, fcntl, mmap and ctypes."""
import ctypes
import fcntl
import mmap
import os
import struct

DEVICES = "/sys/bus/pci/devices"
IOVA = 0x10000000


def call(fd, number, layout, *values):
    data = bytearray(struct.pack(layout, *values))
    fcntl.ioctl(fd, number, data)
    return struct.unpack(layout, data)


def region(device, index):
    return call(device, 0x3b6c, "IIIIQQ", 32, 0, index, 0, 0, 0)


def main():
    bdf = next(d for d in os.listdir(DEVICES)
               if open(f"{DEVICES}/{d}/vendor", encoding="ascii").read().strip() == "0x1234")
    cdev = os.listdir(f"{DEVICES}/{bdf}/vfio-dev")[0]
    device = os.open(f"/dev/vfio/devices/{cdev}", os.O_RDWR)
    iommu = os.open("/dev/iommu", os.O_RDWR)
    call(device, 0x3b76, "IIiI", 16, 0, iommu, 0)
    ioas = call(iommu, 0x3b81, "III", 12, 0, 0)[2]
    call(device, 0x3b77, "III", 12, 0, ioas)

    memory = mmap.mmap(-1, 8192)
    at = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    call(iommu, 0x3b85, "IIIIQQQ", 40, 7, ioas, 0, at, 8192, IOVA)
    memory[:4096] = bytes(i * 7 & 255 for i in range(4096))

    config = region(device, 7)[5]
    os.pwrite(device, struct.pack("H", 6), config + 4)
    bar = mmap.mmap(device, 4096, offset=region(device, 0)[5])
    # One by ctypes, the others as bytes.
    low = ctypes.c_uint32.from_buffer(bar, 0)
    command = ctypes.c_uint32.from_buffer(bar, 8)
    for page, run in ((0, 3), (1, 1)):
        low.value = IOVA + 4096 * page
        bar[4:8] = bytes(4)
        command.value = run
        while command.value & 1:
            pass
    assert memory[:4096] == memory[4096:], "not what was copied"
    print("copied")


main()
