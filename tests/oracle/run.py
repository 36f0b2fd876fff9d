#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""run.py UIOMMU ORACLE [SEED...] - what Linux 7.3 answered, and what we do.

Runs every recorded sequence under `uiommu run --iommufd-test` and compares line
by line.  For each that differs the first difference is printed (what comes
after it may only follow from it), then how many sequences and lines agree.

With --status FILE the numbers must not be below the file's, which may only
rise, and every sequence must end.  With --seeds given by number only those run.
-v prints every line that differs, -o DIR keeps what was printed.
"""
import argparse
import concurrent.futures
import gzip
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent


# Those that came with the program, and a few that we made.
FOLDERS = ["recorded", "more"]


def paths():
    """{seed: its recording}."""
    found = [path for folder in FOLDERS for path in (HERE / folder).glob("seed-*.txt.gz")]
    return {int(path.name[5:].split(".")[0]): path for path in found}


def recording(seed):
    return gzip.open(paths()[seed], "rt").read().splitlines()


def recorded():
    return sorted(paths())


def run(args, seed):
    """The lines that were recorded, those that we print, and what went wrong."""
    want = recording(seed)
    command = [args.uiommu, "run", "--iommufd-test", "--", args.oracle, str(seed), str(len(want))]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, errors="replace",
                              timeout=args.timeout)
    except subprocess.TimeoutExpired as expired:
        return want, (expired.stdout or b"").decode(errors="replace").splitlines(), "hangs"
    fault = f"exit status {done.returncode}" if done.returncode else ""
    if done.stderr.strip():
        fault += " stderr: " + done.stderr.strip()[-400:]
    return want, done.stdout.splitlines(), fault.strip()


def agrees(want, got):
    """Recorded as root: another user may not set the option RLIMIT_MODE, and changes nothing."""
    if want == got:
        return True
    request, _, answer = got.partition(" -> ")
    return (os.geteuid() != 0 and answer == "-EPERM" and want.startswith(request + " -> ")
            and " OPTION opt=0 op=0 " in request)


def compare(args, seed, want, got, fault):
    """Prints; returns how many lines agree, and whether all do."""
    got = got + ["(nothing)"] * (len(want) - len(got))
    differ = [i for i, line in enumerate(want) if not agrees(line, got[i])]
    if args.output:
        (pathlib.Path(args.output) / f"{seed:04}.txt").write_text("\n".join(got) + "\n")
    if differ:
        print(f"seed {seed:04}: {len(differ)} lines differ, first:")
        for i in differ if args.verbose else differ[:1]:
            print(f"  Linux {want[i]}\n  ours  {got[i]}")
    if fault:
        print(f"seed {seed:04}: {fault}")
    return len(want) - len(differ), not differ and not fault and len(got) == len(want)


def below(path, now):
    """Complains about what is less than the file says."""
    bad = 0
    for line in pathlib.Path(path).read_text().splitlines():
        if line.startswith("#") or not line.strip():
            continue
        name, least = line.split()
        if now[name] < int(least):
            print(f"{name}: {now[name]}, but {path} says {least}")
            bad = 1
        elif now[name] > int(least):
            print(f"{name}: {now[name]}; raise the number in {path}")
    return bad


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("uiommu")
    parser.add_argument("oracle")
    parser.add_argument("seeds", nargs="*", type=int)
    parser.add_argument("--status")
    parser.add_argument("--timeout", type=float, default=60)
    parser.add_argument("-j", "--jobs", type=int, default=2)
    parser.add_argument("-o", "--output")
    parser.add_argument("-v", "--verbose", action="store_true")
    args = parser.parse_args()

    now = {"seeds": 0, "lines": 0}
    total = broken = 0
    seeds = args.seeds or recorded()
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for seed, (want, got, fault) in zip(seeds, pool.map(lambda s: run(args, s), seeds)):
            lines, same = compare(args, seed, want, got, fault)
            now["lines"] += lines
            now["seeds"] += same
            total += len(want)
            broken += bool(fault)
    print(f"{now['seeds']} of {len(seeds)} sequences agree, {now['lines']} of {total} lines")
    if args.status:
        return below(args.status, now) or broken > 0
    return now["seeds"] != len(seeds)


if __name__ == "__main__":
    sys.exit(main())
