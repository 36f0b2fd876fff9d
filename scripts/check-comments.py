#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Comments that say who gives a reference back, or which other access an
ordering pairs with, name things that exist.

Looked at: "put by f()", "freed by f()", "closed by f()", "pairs with f()", and
kernel-doc lines "name() - ..." above declarations.
"""
import re
import subprocess
import sys

files = subprocess.run(["scripts/sources.sh", "*.c", "*.h", "*.S"], check=True, text=True,
                       stdout=subprocess.PIPE).stdout.split()
texts = {}
for path in files:
    with open(path) as file:
        texts[path] = file.read()

COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)
code = "\n".join(COMMENT.sub(" ", text) for text in texts.values())
known = set(re.findall(r"\w+", code))
# Of libc and the kernel, which the code needn't call itself.
known |= {"pthread_atfork", "process_vm_readv", "membarrier"}

bad = 0
for path, text in sorted(texts.items()):
    for match in COMMENT.finditer(text):
        comment = re.sub(r"\n\s*\*", " ", match.group(0))
        line = text.count("\n", 0, match.start()) + 1
        names = re.findall(r"(?:put|freed|closed|undone|given back) by (\w+)\(\)", comment)
        names += re.findall(r"pairs with (?:the \w+ in )?(\w+)\(\)", comment)
        names += re.findall(r"/\*\*\s+(?:struct |enum )?(\w+)(?:\(\))? - ", comment)
        for name in names:
            if name not in known:
                print(f"{path}:{line}: there is no {name}")
                bad += 1
sys.exit(bad > 0)
