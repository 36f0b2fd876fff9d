#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The shim exports names of libc and no other: whatever else it exported could
take the place of a function of the program it is loaded into."""
import os
import subprocess
import sys


def exported(path):
    out = subprocess.run(["nm", "-D", "--defined-only", path], check=True, text=True,
                         stdout=subprocess.PIPE).stdout
    return {line.split()[-1].split("@")[0] for line in out.splitlines()}


def libc():
    out = subprocess.run(["ldd", "/bin/sh"], check=True, text=True, stdout=subprocess.PIPE).stdout
    return next(word for word in out.split() if word.startswith("/") and "libc.so" in word)


build = os.environ.get("BUILD", "build")
ours = exported(f"{build}/preload/libuiommu-preload.so")
if "ioctl" not in ours or "open" not in ours:
    print("the shim doesn't export ioctl and open: is this the shim?")
    sys.exit(1)
foreign = ours - exported(libc())
for name in sorted(foreign):
    print(f"libuiommu-preload.so exports {name}, which libc doesn't have")
sys.exit(bool(foreign))
