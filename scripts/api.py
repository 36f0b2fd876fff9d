#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The library's interface in its three places, which must agree: functions
marked UIOMMU_API in include/uiommu/, names in lib/libuiommu.map, symbols that
the built library exports (given as an argument).

  api.py headers             print the names in the headers
  api.py check [LIBRARY]     compare; exit 1 and say what differs
"""
import pathlib
import re
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent


def in_headers():
    names = set()
    for path in sorted((TOP / "include/uiommu").glob("*.h")):
        text = re.sub(r"/\*.*?\*/", " ", path.read_text(), flags=re.S)
        text = re.sub(r"^[ \t]*#.*?(?<!\\)$", "", text, flags=re.M)
        for decl in re.findall(r"\bUIOMMU_API\b([^;{]*);", text):
            name = re.search(r"(\w+)\s*\(", decl) or re.search(r"(\w+)\s*(?:\[[^]]*\])?$", decl)
            names.add(name.group(1))
    return names


def in_map():
    text = re.sub(r"/\*.*?\*/", " ", (TOP / "lib/libuiommu.map").read_text(), flags=re.S)
    names = set()
    for body in re.findall(r"global:(.*?)(?:local:|\})", text, flags=re.S):
        names.update(re.findall(r"([\w*]+)\s*;", body))
    return names


def in_library(path):
    out = subprocess.run(["nm", "-D", "--defined-only", path], check=True, text=True,
                         stdout=subprocess.PIPE).stdout
    # "A" is the version node itself.
    return {line.split()[-1].split("@")[0] for line in out.splitlines()
            if line.split()[-2] != "A"}


def differ(left, left_name, right, right_name):
    for name in sorted(left - right):
        print(f"{name}: in {left_name}, not in {right_name}")
    for name in sorted(right - left):
        print(f"{name}: in {right_name}, not in {left_name}")
    return left != right


def main():
    if sys.argv[1:] == ["headers"]:
        print("\n".join(sorted(in_headers())))
        return 0
    if len(sys.argv) < 2 or sys.argv[1] != "check" or len(sys.argv) > 3:
        print(__doc__, file=sys.stderr)
        return 2
    headers, mapped = in_headers(), in_map()
    if not headers:
        print("no function found in include/uiommu/")
        return 1
    bad = differ(headers, "the headers", mapped, "libuiommu.map")
    if len(sys.argv) == 3:
        bad |= differ(mapped, "libuiommu.map", in_library(sys.argv[2]), sys.argv[2])
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
