#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""names.py CC PRELOAD NAMES [PROGRAM...] - is any name of libc's missing in the shim?

Two lists of names must be taken over or stand, with a reason, in NAMES:
 - of libc's headers, each function that has a descriptor or a path among its arguments
 - of libc's symbols, each that is a variant (64, fortified, underscores, ...) of one that is
   taken over, in whatever version
 - what a PROGRAM or a library that it's linked with imports, if it's one of the former.
"""
import pathlib
import re
import subprocess
import sys

# All of libc's that declare such functions.
HEADERS = """aio assert dirent dlfcn execinfo fcntl fts ftw glob libgen mntent mqueue poll pty sgtty
signal spawn stdio stdlib termios unistd utime utmp utmpx netinet/in sys/acct sys/epoll sys/eventfd sys/fanotify sys/file sys/inotify sys/ioctl sys/mman sys/mount
sys/pidfd sys/quota sys/resource sys/select sys/sendfile sys/shm sys/signalfd sys/socket sys/stat
sys/statfs sys/statvfs sys/swap sys/syscall sys/time sys/timerfd sys/uio sys/xattr""".split()
# How glibc calls such parameters.
PARAMETERS = re.compile(r"__(\w*fd\d?|fildes|path\w*|file|file_?name)\b")
ATTRIBUTE = re.compile(r"__attribute__\s*\(\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)\)")
PROTOTYPE = re.compile(r"\bextern\b[^;{}()]*?\b([a-z_]\w*)\s*\(([^;{}]*)\)[^;(){}]*"
                       r"(?:__asm__[^;]*)?;")


def symbols(option, path):
    """[(name, version)] of a program's or library's dynamic symbols."""
    out = subprocess.run(["nm", "-D", option, path], stdout=subprocess.PIPE, check=True,
                         text=True).stdout
    found = []
    for line in out.splitlines():
        name, _, version = line.split()[-1].partition("@")
        found.append((name, version.lstrip("@")))
    return found


def linked(path):
    """Where the libraries are that a program or library is linked with."""
    out = subprocess.run(["ldd", path], stdout=subprocess.PIPE, check=True, text=True).stdout
    return re.findall(r"=> (/\S+)", out)


def declared(compiler):
    """Names of functions that have a descriptor or a path."""
    source = "".join(f"#if __has_include(<{name}.h>)\n#include <{name}.h>\n#endif\n"
                     for name in HEADERS)
    text = subprocess.run([*compiler.split(), "-D_GNU_SOURCE", "-U_FORTIFY_SOURCE", "-E", "-P",
                           "-"], input=source, stdout=subprocess.PIPE, check=True,
                          text=True).stdout
    return {match[1] for match in PROTOTYPE.finditer(ATTRIBUTE.sub("", text))
            if PARAMETERS.search(match[2])}


def stem(name):
    """What variants have in common."""
    name = re.sub(r"(_chk|_nocancel)$", "", name.lstrip("_"))
    return re.sub(r"(_2|v2)$", "", name.replace("64", ""))


def main():
    compiler, preload, names, *programs = sys.argv[1:]
    ours = {name for name, _ in symbols("--defined-only", preload)}
    libc = next(path for path in linked(preload) if "/libc.so" in path)
    public = {name for name, version in symbols("--defined-only", libc)
              if version != "GLIBC_PRIVATE"}
    passed, lines = set(), pathlib.Path(names).read_text().splitlines()
    for line in lines:
        if not line.startswith("#"):
            passed.update(line.split())

    stems = {stem(name) for name in ours}
    concerned = declared(compiler) & public
    if len(concerned) < 150:
        sys.exit(f"names.py: only {len(concerned)} functions found in libc's headers")
    wanted = {name: "takes a descriptor or a path" for name in concerned}
    wanted |= {name: "is a variant of one that is taken over" for name in public
               if stem(name) in stems}
    importers = set(programs).union(*map(linked, programs)) - {libc}
    for program in sorted(importers):
        for name, _ in symbols("--undefined-only", program):
            if name in public and (name in concerned or stem(name) in stems):
                wanted[name] = f"is called by {program}"

    failed = False
    for name in sorted(set(wanted) - ours - passed):
        print(f"names.py: '{name}' {wanted[name]}, and is neither taken over nor in {names}",
              file=sys.stderr)
        failed = True
    for name in sorted(passed & ours):
        print(f"names.py: '{name}' is taken over, but in {names}", file=sys.stderr)
        failed = True
    for name in sorted(passed - public):
        print(f"names.py: '{name}' of {names} is no name of libc's", file=sys.stderr)
        failed = True
    return failed


sys.exit(main())
