#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""run.py UIOMMU FOLLOWER [SEED...] - VFIO as Linux 7.3 recorded it, and ours.

Only episodes of character devices are compared, each by itself (see
make_follow.py): there are no groups and containers yet, so operations on these
are left out.  A recording whose device had what ours has not (its first line) is
left out too: there is no bus to reset.

With --status FILE the numbers must not be below the file's, which may only
rise.  -v prints every line that differs.
"""
import argparse
import gzip
import os
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
BDF = "0000:01:00.0"
# What gives ats-testdev the interrupts of a profile, by its words.
OPTIONS = {"none": "", "intx": "", "msi": "msi=on", "msix": "msix=1", "msix4": "msix=8"}
OTHERS = set("""OPEN_CONTAINER OPEN_GROUP CLOSE_CONTAINER CLOSE_GROUP GROUP_GET_STATUS
GROUP_SET_CONTAINER GROUP_UNSET_CONTAINER GROUP_GET_DEVICE_FD GET_API_VERSION CHECK_EXTENSION
SET_IOMMU IOMMU_GET_INFO MAP_DMA UNMAP_DMA DIRTY_PAGES VFIO_IOAS""".split())


def episodes(lines):
    """(number, lines) of those on a character device."""
    number, i = 0, 1
    while i < len(lines):
        j = i + 1
        while j < len(lines) and not lines[j].startswith("#"):
            j += 1
        if lines[i] == "# cdev" and j > i + 1:
            yield number, lines[i + 1:j]
        number, i = number + 1, j


def comparable(lines):
    """Those that need neither a group nor a container."""
    by_group = set()
    for line in lines:
        op = line.split()[1]
        handle = re.search(r"\b(h\d)\b", line)
        handle = handle.group(1) if handle else None
        if op == "GROUP_GET_DEVICE_FD" and "-> 0" in line:
            by_group.add(handle)
        if op == "OPEN_CDEV" and "-> 0" in line:
            by_group.discard(handle)
        if op in OTHERS or handle in by_group:
            continue
        if op == "RAW_IOCTL" and re.search(r" (c\d|i\d|group) ", line):
            continue
        yield line


def device(profile):
    """The device that has a profile, or None."""
    words = profile.split()
    if not set(words) <= set(OPTIONS):
        return None
    # A BAR0 of 4 KiB has lines of its own in the oracle.
    options = ["bar0=128K", "intx=on" if "intx" in words else "intx=off"]
    return ",".join(["ats-testdev", *options, *filter(None, (OPTIONS[w] for w in words))])


def run(args, seed, path, number, lines):
    """{number of a line: what we print}, and what went wrong."""
    env = dict(os.environ, RECORDING=path, START=str(int(lines[0][:4])), EPISODE=str(number))
    try:
        done = subprocess.run([args.uiommu, "run", "-d", args.device, "--", args.follower, BDF,
                               str(seed), str(int(lines[-1][:4]) + 1)], env=env, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=60)
    except subprocess.TimeoutExpired:
        return {}, "hangs"
    got = {line[:4]: line for line in done.stdout.splitlines() if line[:1].isdigit()}
    return got, f"exit status {done.returncode} {done.stderr[-300:]}" if done.returncode else ""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("uiommu")
    parser.add_argument("follower")
    parser.add_argument("seeds", nargs="*", type=int)
    parser.add_argument("--status")
    parser.add_argument("-v", "--verbose", action="store_true")
    args = parser.parse_args()
    same = total = broken = 0
    for packed in sorted((HERE / "recorded").glob("visible-*.txt.gz")):
        seed = int(packed.name[8:12])
        text = gzip.open(packed, "rt").read()
        args.device = device(text.split("\n")[0].removeprefix("# profile: "))
        if (args.seeds and seed not in args.seeds) or not args.device:
            continue
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as plain:
            plain.write(text)
            plain.flush()
            for number, lines in episodes(text.splitlines()):
                got, fault = run(args, seed, plain.name, number, lines)
                if fault:
                    print(f"seed {seed:04}, episode {number}: {fault}")
                    broken += 1
                first = True
                for want in comparable(lines):
                    total += 1
                    ours = got.get(want[:4], "(nothing)")
                    same += ours == want
                    if ours != want and (first or args.verbose):
                        print(f"seed {seed:04}, episode {number}:\n  Linux {want}\n  ours  {ours}")
                        first = False
    print(f"{same} of {total} lines agree")
    if not args.status:
        return same != total
    least = int(re.search(r"^lines (\d+)", pathlib.Path(args.status).read_text(), re.M).group(1))
    if same < least:
        print(f"but {args.status} says {least}")
    elif same > least:
        print(f"raise the number in {args.status}")
    return same < least or broken > 0


if __name__ == "__main__":
    sys.exit(main())
