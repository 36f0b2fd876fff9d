#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""selftests.py BUILD [PROGRAM...] - the kernel's own tests of iommufd, on ours.

Takes tools/testing/selftests/iommu out of Debian's linux-source-6.12, builds it
in BUILD against our declarations of the ABI, runs it under `uiommu run
--iommufd-test`, and prints a table of what passed, failed and was skipped.

Our model is 7.3 and the tests are 6.12's: tests/conformance/selftests.txt names
each test that doesn't pass, with the reason.  One that isn't named fails the
comparison, and so does one that is named and passes.

SOURCE in the environment: an unpacked tree to take the tests from instead.
"""
import os
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
TARBALL = pathlib.Path("/usr/src/linux-source-6.12.tar.xz")
MEMBERS = ["tools/testing/selftests/iommu", "tools/testing/selftests/kselftest.h",
           "tools/testing/selftests/kselftest_harness.h", "drivers/iommu/iommufd/iommufd_test.h"]
PROGRAMS = ["iommufd", "iommufd_fail_nth"]
# Debian's tests came from later trees than the header that they include.
MISSING = ["-DMOCK_FLAGS_DEVICE_PASID=4", "-DMOCK_PASID_WIDTH=20"]
TIMEOUT = 400
HUGE = pathlib.Path("/proc/sys/vm/nr_hugepages")
# What the largest of the tests has at one time, and some.
HUGE_PAGES = 100


def unpack(build):
    """The folder of the tests."""
    if "SOURCE" in os.environ:
        return pathlib.Path(os.environ["SOURCE"]) / MEMBERS[0]
    tree = build / "linux-6.12"
    done = tree / ".unpacked"
    if not done.exists():
        tree.mkdir(parents=True, exist_ok=True)
        subprocess.run(["tar", "-xJf", str(TARBALL), "-C", str(tree), "--strip-components=1"] +
                       [f"{TARBALL.name.split('.tar')[0]}/{name}" for name in MEMBERS], check=True)
        done.touch()
    return tree / MEMBERS[0]


def compile_test(folder, build, name):
    program = build / "conformance" / name
    program.parent.mkdir(exist_ok=True)
    subprocess.run([os.environ.get("CC", "gcc"), "-O2", "-w", "-D_GNU_SOURCE", *MISSING,
                    f"-I{TOP}/tests/uapi", f"-I{TOP}/lib", "-o", str(program),
                    str(folder / f"{name}.c")], check=True)
    return program


def run(build, program):
    """{test: (word, reason)} in the order of the output, and how the program ended."""
    try:
        done = subprocess.run([str(build / "cli/uiommu"), "run", "--iommufd-test", "--",
                               str(program)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=TIMEOUT)
        output, end = done.stdout, f"exit status {done.returncode}"
    except subprocess.TimeoutExpired as expired:
        output, end = expired.stdout or b"", f"did not end within {TIMEOUT} s"
    results, said, planned = {}, [], None
    for line in output.decode(errors="replace").splitlines():
        match = re.match(r"(not ok|ok) \d+ (?:- )?(\S+)(?:.*# SKIP ?(.*))?", line)
        if re.match(r"1\.\.\d+", line):
            planned = int(line[3:])
        if line.startswith("#  RUN"):
            said = []
        if not match:
            said.append(line.lstrip("# "))
            continue
        ok, name, skip = match.groups()
        reason = skip or ""
        if ok == "not ok":
            reason = next((s for s in said if re.match(r"\S+\.[ch]:\d+:", s)),
                          said[-1] if said else "").split("/")[-1]
        results[name] = ("skipped" if skip is not None else "passed" if ok == "ok" else "failed",
                         " ".join(reason.split()))
    if planned is None or len(results) != planned:
        end += f", {len(results)} of {planned} tests ran"
    else:
        end = ""
    return results, end


def listed(program):
    """What selftests.txt says: {test: reason}."""
    reasons = {}
    for line in (HERE / "selftests.txt").read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            name, reason = line.split(None, 1)
            which, _, test = name.partition(":")
            if which == program:
                reasons[test] = reason
    return reasons


def reserve(pages):
    """Makes the machine have that many huge pages; what it had, or None if it won't."""
    had = int(HUGE.read_text())
    try:
        HUGE.write_text(f"{max(pages, had)}\n")
    except OSError:
        pass
    return had if int(HUGE.read_text()) >= pages else None


def reserve_back(had):
    try:
        HUGE.write_text(f"{had}\n")
    except OSError:
        pass


def excuse(results, reasons, huge):
    """Without huge pages, those that need them can't have been meant; with them there's no excuse."""
    for test, (word, reason) in results.items():
        why = reasons.get(test) or reasons.get(any_variant(test))
        if why == "hugepages" and huge is None and word == "failed":
            results[test] = ("skipped", "no huge pages can be reserved here")
    if huge is not None:
        for test in [test for test, why in reasons.items() if why == "hugepages"]:
            del reasons[test]


def any_variant(test):
    """fixture.*.test"""
    return re.sub(r"^([^.]+)\.[^.]+\.([^.]+)$", r"\1.*.\2", test)


def report(name, results, end, huge):
    """Prints the table; whether all is as it should be."""
    reasons, used, bad = listed(name), set(), bool(end)
    excuse(results, reasons, huge)
    count = {word: sum(1 for w, _ in results.values() if w == word)
             for word in ("passed", "failed", "skipped")}
    print(f"{name}: " + ", ".join(f"{n} {word}" for word, n in count.items()) +
          f" of {len(results)}" + (f"; {end}" if end else ""))
    for test, (word, reason) in results.items():
        keys = [test, any_variant(test)]
        key = next((k for k in keys if k in reasons), None)
        used.update([key] if word != "passed" else [])
        if word == "passed":
            if keys[0] in reasons:
                print(f"  PASSED  {test}: strike it from selftests.txt")
                bad = True
            continue
        bad = bad or key is None
        print(f"  {word:<7} {test}: {reason[:200]}\n          " +
              (f"because: {reasons[key]}" if key else "NOT EXPECTED"))
    for test in set(reasons) - used - {t for t, why in reasons.items() if why == "hugepages"}:
        print(f"  {test} is in selftests.txt and was not run, or passed in every variant")
        bad = True
    return not bad


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    folder = unpack(build)
    good, huge = True, reserve(HUGE_PAGES)
    try:
        for name in sys.argv[2:] or PROGRAMS:
            results, end = run(build, compile_test(folder, build, name))
            good = report(name, results, end, huge) and good
    finally:
        if huge is not None:
            reserve_back(huge)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
