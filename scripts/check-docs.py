#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the documents say exists, exists: links, `paths/in/backticks`, `make`
targets, functions in `backticks()`; each room is in docs/architecture.md; the
version is the same everywhere; man pages parse and name what is there.
"""
import pathlib
import re
import subprocess
import sys

bad = 0


def complain(text):
    global bad
    print(text)
    bad += 1


def read(path):
    return pathlib.Path(path).read_text()


def sources(*patterns):
    return subprocess.run(["scripts/sources.sh", *patterns], check=True, text=True,
                          stdout=subprocess.PIPE).stdout.split()


targets = set(re.findall(r"^([a-z]+):", read("Makefile"), flags=re.M))
words = set()
for source in sources("*.c", "*.h", "*.S"):
    words.update(re.findall(r"\w+", read(source)))
folders = {str(parent) for path in sources("*") for parent in pathlib.Path(path).parents}

for doc in sources("*.md"):
    text = read(doc)
    here = pathlib.Path(doc).parent
    for link in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", text):
        if not (here / link).exists():
            complain(f"{doc}: link to {link}")
    for code in re.findall(r"`([^`\n]+)`", text):
        match = re.fullmatch(r"(?:\.\./)?((?:lib|include|cli|preload|devices|examples|bench|tests|"
                             r"docs|man|scripts)/[\w./*{},-]*?)/?(?::\d+)?", code)
        if match and not any(c in match.group(1) for c in "*{"):
            path = match.group(1)
            if not pathlib.Path(path).exists() and path not in folders:
                complain(f"{doc}: no file {path}")
        match = re.fullmatch(r"make ([a-z]+)", code)
        if match and match.group(1) not in targets:
            complain(f"{doc}: no target '{code}'")
        match = re.fullmatch(r"((?:uiommu|ui|mm|iopt|core|iopf|iommufd|pci|vfio|shim|cli)_\w+)\(\)",
                             code)
        if match and match.group(1) not in words:
            complain(f"{doc}: no function {code}")

architecture = read("docs/architecture.md")
for room in sorted(pathlib.Path("lib").iterdir()):
    if room.is_dir() and any(room.glob("*.[ch]")) and f"lib/{room.name}" not in architecture:
        complain(f"docs/architecture.md: nothing about lib/{room.name}")

version = re.search(r"^\s*version: '([^']+)'", read("meson.build"), flags=re.M).group(1)
if f"## {version}" not in read("CHANGELOG.md"):
    complain(f"CHANGELOG.md: nothing about version {version}")
if f"UIOMMU_{version.rsplit('.', 1)[0]} " not in read("lib/libuiommu.map"):
    complain(f"lib/libuiommu.map: no version node for {version}")

for page in sorted(pathlib.Path("man").glob("*.[1-9]")):
    for name in re.findall(r"\b(uiommu_[a-z]\w+)\s*(?:\\fR)?\(", page.read_text()):
        if name not in words:
            complain(f"{page}: no function {name}")

sys.exit(bad > 0)
