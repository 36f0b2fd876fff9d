#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""run.py UIOMMU VORACLE [SEED...] - VFIO as Linux 7.3 recorded it, and ours.

Each recording is made anew with a device of its profile and compared line by line.
What the program does next depends on results before, so of each only the lines up to the
first difference count.  --recorded FOLDER: other recordings than those here.

With --status FILE the numbers must not be below the file's, which may only rise.
"""
import argparse
import gzip
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
# Behind a port of its own, and on a root bus, which can't be reset.
PORT, ROOT = "0000:01:00.0", "0000:00:1a.0"
# What gives ats-testdev the interrupts of a profile, by its words.
OPTIONS = {"msi": "msi=on", "msix": "msix=1", "msix4": "msix=8"}


def run(args, seed, profile, nr):
    """What we print, and what went wrong."""
    words = profile.split()
    bdf = PORT if "hr" in words else ROOT
    # A BAR0 of 4 KiB has lines of its own in the oracle.
    options = ["bar0=128K", "intx=on" if "intx" in words else "intx=off"]
    device = ",".join(["ats-testdev", *options, *(OPTIONS[w] for w in words if w in OPTIONS)])
    try:
        done = subprocess.run([args.uiommu, "run", "-d", f"{device}@{bdf}", "--", args.voracle, bdf,
                               str(seed), str(nr), "+".join(words)], text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=120)
    except subprocess.TimeoutExpired:
        return [], "hangs"
    fault = f"exit status {done.returncode} {done.stderr[-300:]}" if done.returncode else ""
    return done.stdout.splitlines(), fault


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("uiommu")
    parser.add_argument("voracle")
    parser.add_argument("seeds", nargs="*", type=int)
    parser.add_argument("--recorded", type=pathlib.Path, default=HERE / "recorded")
    parser.add_argument("--status")
    args = parser.parse_args()
    same = total = broken = 0
    for packed in sorted(args.recorded.glob("visible-*.txt.gz")):
        seed = int(packed.name[8:12])
        if args.seeds and seed not in args.seeds:
            continue
        want = gzip.open(packed, "rt").read().splitlines()
        got, fault = run(args, seed, want[0].removeprefix("# profile: "),
                         1 + max(int(line[:4]) for line in want if line[0] != "#"))
        if fault:
            print(f"seed {seed:04}: {fault}")
            broken += 1
        agree = 0
        while agree < len(want) and agree < len(got) and want[agree] == got[agree]:
            agree += 1
        same += agree
        total += len(want)
        if agree < len(want) or len(got) > len(want):
            theirs = want[agree] if agree < len(want) else "(nothing)"
            ours = got[agree] if agree < len(got) else "(nothing)"
            print(f"seed {seed:04}:\n  Linux {theirs}\n  ours  {ours}")
    print(f"{same} of {total} lines agree")
    if not args.status:
        return same != total or broken > 0
    least = int(re.search(r"^lines (\d+)", pathlib.Path(args.status).read_text(), re.M).group(1))
    if same < least:
        print(f"but {args.status} says {least}")
    elif same > least:
        print(f"raise the number in {args.status}")
    return same < least or broken > 0


if __name__ == "__main__":
    sys.exit(main())
