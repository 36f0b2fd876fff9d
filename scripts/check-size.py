#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""No C file is longer than 800 lines, no function of the product longer than 60."""
import subprocess
import sys

FILE_MAX = 800
FUNCTION_MAX = 60

bad = 0
files = subprocess.run(["scripts/sources.sh", "*.c", "*.h"], check=True, text=True,
                       stdout=subprocess.PIPE).stdout.split()
for path in files:
    with open(path) as file:
        lines = file.read().split("\n")
    if len(lines) - 1 > FILE_MAX:
        print(f"{path}: {len(lines) - 1} lines")
        bad += 1
    if path.startswith("tests/"):
        continue
    # By our style a function, and nothing else, opens with a lone "{".
    start = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = number
        elif line == "}" and start:
            if number - start - 1 > FUNCTION_MAX:
                print(f"{path}:{start}: a function of {number - start - 1} lines")
                bad += 1
            start = None
sys.exit(bad > 0)
