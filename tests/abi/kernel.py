#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compare lib/uapi/ with the headers of a real kernel, in what both have.

    kernel.py ABI-FILE LIB-FOLDER [UAPI-FOLDER]

UAPI-FOLDER is a kernel's include/uapi; without it, that of Debian's
linux-headers-6.12*-common is used.  Of what the ABI file lists, the names that
the kernel's headers know are printed by two programs, one compiled with each
side's headers, and the outputs are compared.  A structure may have grown since:
its size is compared if both have the same members.  So may a count of indexes.

Exit status: 0 alike, 1 not, 77 no such headers here.
"""
import glob
import os
import re
import subprocess
import sys
import tempfile

import generate

KERNEL = ('linux/iommufd.h', 'linux/vfio.h')
# What both sides should have in common at the least; less means that the
# headers were not understood.
LEAST_SHARED = 500


def default_folder():
    found = sorted(glob.glob('/usr/src/linux-headers-6.12*-common/include/uapi'))
    return found[-1] if found else None


def compiler():
    return os.environ.get('CC', 'cc').split()


# Before installation the kernel's headers have this annotation.
FLAGS = ['-D__user=']


def includes(folder):
    # By path: only these are the kernel's, the types that they include are libc's.
    return [f'"{folder}/{header}"' for header in KERNEL]


def preprocess(folder, options):
    source = ''.join(f'#include {header}\n' for header in includes(folder))
    return subprocess.run(compiler() + ['-E', '-P', *options, *FLAGS, '-x', 'c', '-'],
                          input=source, capture_output=True, text=True, check=True).stdout


def scan(folder):
    """-> ({struct: {member}}, {constant}) of the kernel's headers."""
    constants = set(re.findall(r'^#define (\w+)\b(?!\()', preprocess(folder, ['-dM']), re.M))
    tokens = re.findall(r'\w+|[{}\[\];,=]', preprocess(folder, []))
    structs, stack = {}, []
    for i, token in enumerate(tokens):
        if token == '{':
            # "struct NAME {", "enum NAME {", "union {", ...
            head = tokens[i - 2:i] if i >= 2 and tokens[i - 1] not in ('struct', 'enum', 'union') \
                else [tokens[i - 1], None]
            stack.append(tuple(head))
            if head[0] == 'struct' and head[1]:
                structs.setdefault(head[1], set())
        elif token == '}':
            stack.pop()
        elif not stack:
            continue
        elif stack[-1][0] == 'enum':
            if tokens[i - 1] in ('{', ','):
                constants.add(token)
        elif re.match(r'\w', token) and tokens[i + 1] in (';', '['):
            owner = next((name for kind, name in reversed(stack) if kind == 'struct' and name),
                         None)
            if owner:
                structs[owner].add(token)
    return structs, constants


def program(structs, constants, headers):
    lines = ['#include <stddef.h>', '#include <stdio.h>', '#include <sys/ioctl.h>']
    lines += [f'#include {header}' for header in headers]
    lines += ['int main(void)', '{']
    for name, members, whole in structs:
        if whole:
            lines.append(f'\tprintf("struct {name} size %zu\\n", sizeof(struct {name}));')
        for member, flexible in members:
            size = '(size_t)0' if flexible else f'sizeof(((struct {name} *)0)->{member})'
            lines.append(f'\tprintf("struct {name} {member} at %zu size %zu\\n", '
                         f'offsetof(struct {name}, {member}), {size});')
    for name in constants:
        if name.endswith('_STRING'):
            lines.append(f'\tprintf("{name} %s\\n", {name});')
        else:
            lines.append(f'\tprintf("{name} %#llx\\n", (unsigned long long)({name}));')
    return '\n'.join(lines + ['\treturn 0;', '}']) + '\n'


def run(source, options):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'print')
        subprocess.run(compiler() + ['-std=gnu11', '-w', *options, '-x', 'c', '-', '-o', path],
                       input=source, text=True, check=True)
        return subprocess.run([path], capture_output=True, text=True, check=True).stdout


def grown(ours, real):
    """How many kinds of something there are may have become more."""
    name, value = ours.split()[0], ours.split()[-1]
    return bool(re.search(r'_NUM_|_NR$', name)) and int(value, 0) > int(real.split()[-1], 0)


def main():
    abi, lib = sys.argv[1:3]
    folder = sys.argv[3] if len(sys.argv) > 3 else default_folder()
    if not folder or not os.path.exists(os.path.join(folder, KERNEL[0])):
        print('skipped: no headers of a real kernel here '
              '(Debian: linux-headers-6.12*-common, in bookworm-backports)')
        return 77
    structs, constants = generate.parse(abi)
    theirs, their_constants = scan(folder)
    shared = []
    for struct in structs:
        if struct.name in theirs:
            ours = {member.name for member in struct.members}
            both = [(m.name, m.flexible) for m in struct.members if m.name in theirs[struct.name]]
            shared.append((struct.name, both, ours == theirs[struct.name]))
    names = [name for name in constants if name in their_constants]
    mine = run(program(shared, names, [f'"{header}"' for header in generate.HEADERS]),
               ['-I', lib]).splitlines()
    kernel = run(program(shared, names, includes(folder)), FLAGS).splitlines()
    if len(mine) < LEAST_SHARED:
        print(f'only {len(mine)} numbers in common with {folder}: not understood')
        return 1
    wrong = [(a, b) for a, b in zip(mine, kernel) if a != b and not grown(a, b)]
    for ours, real in wrong:
        print(f'ours:   {ours}\nkernel: {real}')
    print(f'{len(mine)} numbers in common with {folder}, {len(wrong)} differ')
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
