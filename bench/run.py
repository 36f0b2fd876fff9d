#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs the benchmarks, writes BUILD/bench.json, and prints a table.

Times move from machine to machine; the ratios say more.  With valgrind here,
instructions are counted too, which repeat exactly; of a client they are counted
step by step, its signal handlers included.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

COUNTED = 1000  # bench.h
COUNT = {
    "bench-handle": ["handle.get_put", "handle.peek", "handle.burst", "handle.mutex",
                     "handle.rwlock", "handle.rcu"],
    "bench-core": ["core.attach_detach", "core.fault"],
    "bench-ioas": ["ioas.map_unmap.none", "ioas.map_unmap.4K", "ioas.map_unmap.2M",
                   "ioas.map_unmap.64M", "ioas.map_unmap.16G", "ioas.map.4096",
                   "ioas.access.64", "ioas.access.64K"],
    "bench-hwpt": ["hwpt.alloc_destroy", "hwpt.replace_twice", "hwpt.fault"],
    "bench-sva": ["sva.fault.write", "sva.fault.read"],
}
# Instructions of Linux 7.3.4 for the same, system call included.
LINUX = {
    "core.attach_detach": 12781,
    "ioas.map_unmap.none": 3795,
    "ioas.map_unmap.4K": 15093,
    "ioas.map_unmap.2M": 1099298,
    "ioas.map_unmap.64M": 20873112,
    "ioas.map.4096": 9186,
    "ioas.access.64": 1578,
    "ioas.access.64K": 200484,
    "hwpt.alloc_destroy": 40156,
    "hwpt.replace_twice": 18687,
    "hwpt.fault": 4779,
}
# what, of what: the table's second half
RATIOS = [
    ("handle.get_put", "handle.mutex"),
    ("handle.get_put", "handle.rwlock"),
    ("handle.get_put", "handle.rcu"),
    ("handle.get_put", "handle.bare"),
    ("handle.peek.2_threads_1_pasid", "handle.peek"),
    ("handle.get_put.2_threads_1_pasid", "handle.mutex.2_threads_1_pasid"),
    ("handle.get_put.2_threads_1_pasid", "handle.rcu.2_threads_1_pasid"),
    ("handle.burst", "handle.get_put"),
    ("core.get_put.million", "core.get_put.ten"),
    ("core.attach_detach.million", "core.attach_detach"),
    ("core.fault.thread", "core.wake.thread"),
    ("ioas.translate.million", "ioas.translate.ten"),
    ("ioas.lookup.million", "ioas.chase"),
    ("ioas.lookup.million", "ioas.chase.huge"),
    ("ioas.map_unmap.16G", "ioas.map_unmap.4K"),
    ("ioas.access.64K", "ioas.memcpy.64K"),
    ("hwpt.dirty.write", "hwpt.dirty.write.off"),
    ("hwpt.dirty.get.64G", "hwpt.dirty.get.1G"),
    ("sva.fault.write", "sva.touch.write"),
    ("sva.fault.read", "sva.touch.read"),
    ("iopf.asleep", "iopf.wake"),
    # How much of its bandwidth; more is better.
    ("dsa.memcpy.1M", "dsa.move.1M"),
    ("dsa.memcpy.1M.write", "dsa.move.1M.write"),
    ("dsa.memcpy.1M", "dsa.move.1M.alone"),
    ("shim.client.ioctl.libc", "plain.client.ioctl.libc"),
    ("shim.client.mmio.load", "plain.client.signal"),
    ("shim.client.mmio.store", "plain.client.signal"),
    ("shim.client.memory.bar", "plain.client.memory"),
    ("shim.client.memory.bar.load", "plain.client.memory.load"),
    ("start.uiommu_run_true", "start.true"),
]


def lines_of(command, prefix="", **env):
    out = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE,
                         env={**os.environ, **env}).stdout
    results = {}
    for line in out.splitlines():
        result = json.loads(line)
        results[prefix + result.pop("name")] = result
    return results


def least_of(results, more):
    for name, result in more.items():
        least = min(result["least"], results.get(name, result)["least"])
        results[name] = {**result, "least": least}


def clients(build):
    """The client plainly and under the shim, in turns: what the machine does meanwhile meets both."""
    client = str(build / "bench/bench-client")
    # The only VFIO device there is in a run with one.
    ways = {"plain.": ([], []),
            "shim.": ([str(build / "cli/uiommu"), "run", "-d", "ats-testdev,bar-shared=on", "--"],
                      ["/dev/vfio/devices/vfio0"])}
    results = {}
    for _ in range(3):
        for prefix, (before, after) in ways.items():
            least_of(results, lines_of([*before, client, *after], prefix))
    # A difference of a few ns is found by short runs, many, near to each other.
    for _ in range(25):
        for prefix, (before, _) in ways.items():
            for name, result in lines_of([*before, client, "calls"], prefix, BENCH_SHORT="1").items():
                results[name]["least"] = min(result["least"], results[name]["least"])
    for prefix, (before, after) in ways.items():
        steps = str(build / "bench/bench-steps")
        for name, result in lines_of([*before, steps, client, *after], prefix).items():
            results[name].update(result)
    return results


def spawn_time(command, runs=61):
    times = []
    for _ in range(runs):
        start = time.perf_counter_ns()
        pid = os.posix_spawn(command[0], command, os.environ)
        os.waitpid(pid, 0)
        times.append(time.perf_counter_ns() - start)
    return {"ns": statistics.median(times), "runs": runs}


def count(program, name):
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            ["valgrind", "--tool=callgrind", "--toggle-collect=bench_counted",
             f"--callgrind-out-file={folder}/out", program],
            env={**os.environ, "BENCH_COUNT": name}, stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL, text=True, check=True)
        match = re.search(r"Collected : (\d+)", done.stderr)
        return int(match.group(1)) / COUNTED


def explain(results):
    bare = results["plain.client.signal"]["least"]
    print(f"\nA trap of this machine is {bare:.0f} ns: a fault, and a handler that returns.  Ours, all in "
          "all:")
    for name in ("load", "store"):
        trap = results[f"shim.client.mmio.{name}"]
        print(f"{'trapped ' + name:<66} {trap['least']:>6.0f} {trap['instructions']:>13.1f}")
    if "dsa.move.1M.alone" not in results:
        return
    undefined = results["plain.client.undefined"]["ns"]
    cold = (results["plain.client.undefined.memcpy.1M"]["ns"] - undefined
            - results["plain.client.memcpy.1M"]["ns"])
    print(f"An undefined instruction, as movdir64b is where the processor has none, is {undefined:.0f} ns by "
          f"itself,\nand memcpy() of 1 MiB after it takes {cold:.0f} ns longer than otherwise: that much of "
          "dsa.move.1M.alone is\nthe machine's.  dsa.move.1M.write is the same move without a trap.")
    lookup = results["ioas.lookup.million"]["ns"]
    print("ioas.chase is one load, dependent on the one before, from as much memory as a million areas take, "
          "and .huge the same\n"
          "in huge pages: what any look-up there costs at least.  ioas.lookup.million is "
          f"{lookup / results['ioas.chase']['ns']:.2f} and {lookup / results['ioas.chase.huge']['ns']:.2f} "
          "of them\n(under 1, for a part of it is in the processor's caches).")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build")
    build = pathlib.Path(parser.parse_args().build).resolve()
    uiommu = str(build / "cli/uiommu")
    true = shutil.which("true")

    results = {}
    for program in COUNT:
        results.update(lines_of([str(build / "bench" / program)]))
    results.update(clients(build))
    results.update(lines_of([uiommu, "run", "--iommufd-test", "--",
                             str(build / "bench/bench-iopf")]))
    results.update(lines_of([uiommu, "run", "-d", "dsa", "--", str(build / "bench/bench-dsa"),
                             "/dev/vfio/devices/vfio0"]))
    results.update(lines_of([uiommu, "run", "-d", "dsa,driver=idxd", "--",
                             str(build / "bench/bench-dsa"), "/dev/dsa/wq0.0"]))
    results["start.true"] = spawn_time([true])
    results["start.uiommu_run_true"] = spawn_time([uiommu, "run", "--", true])
    results["start.uiommu_run_d_true"] = spawn_time([uiommu, "run", "-d", "ats-testdev", "--",
                                                     true])
    if shutil.which("valgrind"):
        for program, names in COUNT.items():
            for name in names:
                results[name]["instructions"] = count(str(build / "bench" / program), name)
    for name, instructions in LINUX.items():
        results[name]["linux_instructions"] = instructions

    (build / "bench.json").write_text(json.dumps(results, indent=1) + "\n")
    print(f"{'what':<42} {'median':>12} {'instructions':>13} {'Linux':>10}")
    for name, result in results.items():
        instructions = result.get("instructions")
        line = f"{name:<42} {result['ns']:>9.1f} {result.get('unit', 'ns'):<2}"
        line += f" {'' if instructions is None else format(instructions, '13.1f')}"
        if "linux_instructions" in result:
            line += f" {result['linux_instructions']:>10}"
        print(line)
    print(f"\n{'ratio':<77} {'time':>6}")
    for name, other in RATIOS:
        if name in results and other in results:
            print(f"{name + ' / ' + other:<77} "
                  f"{results[name]['ns'] / results[other]['ns']:>6.2f}")
    print(f"\n{'what the shim adds to a call that is not its own (least of all runs)':<66} "
          f"{'ns':>6} {'instructions':>13} {'calls':>6}")
    for name in results:
        plain = results.get(name.replace("shim.", "plain."))
        if name.startswith(("shim.client.call.", "shim.client.ioctl.")) and plain:
            what = name.removeprefix("shim.client.")
            # open_close is two entry points.
            entries = 1 + what.count("_")
            print(f"{what:<66}" + "".join(
                f" {(results[name][key] - plain[key]) / entries:>{width}.1f}"
                for key, width in (("least", 6), ("instructions", 13), ("calls", 6))))
    explain(results)
    extra = results["start.uiommu_run_true"]["ns"] - results["start.true"]["ns"]
    print(f"\n'uiommu run -- true' costs {extra / 1e6:.2f} ms more than 'true'.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
