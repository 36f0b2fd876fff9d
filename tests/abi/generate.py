#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Make the C file that compares lib/uapi/ with tests/abi-7.3.txt.

    generate.py ABI-FILE OUTPUT.c

Each number of the file becomes a _Static_assert, so a wrong declaration does
not compile.  What can't be parsed is an error, and so is a file with fewer
entries than it should have: a check that lost its input must not pass.
"""
import re
import sys

HEADERS = ('uapi/iommufd.h', 'uapi/vfio.h', 'uapi/vfio_other.h')

# More can be added, but the file never shrinks below what 7.3.4 has.
LEAST_STRUCTS = 90
LEAST_CONSTANTS = 318


class Member:
    """One member; a flexible one has no size to check, nor has one with size None."""

    def __init__(self, name, offset, size, flexible):
        self.name, self.offset, self.size, self.flexible = name, offset, size, flexible


class Struct:
    def __init__(self, name, size):
        self.name, self.size, self.members = name, size, []


def declarator(text):
    """'__u32 idr[6]' -> ('idr', False); 'struct x areas[]' -> ('areas', True)."""
    match = re.fullmatch(r'(?:struct )?\w+ \*?(\w+)(\[\d*\])?', text)
    if not match:
        raise ValueError(text)
    return match.group(1), match.group(2) == '[]'


def parse(path):
    """-> ([Struct], {constant: value}).

    A member is 'offset size type name'.  One that is itself a struct or a union
    opens a brace; a nested struct's inside is skipped (it has an entry of its
    own), a nameless union's members have no offset and lie at the union's.
    """
    structs, constants = [], {}
    # braces: of each open one, ('struct'|'union', offset, size)
    braces, reading_constants = [], False
    with open(path, encoding='utf-8') as file:
        for number, line in enumerate(file, 1):
            line = line.rstrip()
            try:
                if line == '# constants':
                    reading_constants = True
                elif not line or line.startswith('#'):
                    continue
                elif reading_constants:
                    name, value = line.split()
                    constants[name] = int(value, 16)
                elif line.startswith('struct '):
                    match = re.fullmatch(r'struct (\w+)  size (\d+)', line)
                    braces = []
                    structs.append(Struct(match.group(1), int(match.group(2))))
                else:
                    member_line(structs[-1], braces, line)
            except (ValueError, AttributeError, IndexError) as error:
                sys.exit(f'{path}:{number}: not understood: {line!r} ({error})')
    return structs, constants


def member_line(struct, braces, line):
    match = re.fullmatch(r'\s*(?:(\d+)\s+)?(\d+)\s+(.*)', line)
    closing = re.fullmatch(r'\s*\} (\w+)', line)
    nested = [b for b in braces if b[0] == 'struct']
    if closing:
        kind, offset, size = braces.pop()
        if kind != 'struct':
            raise ValueError('a named union')
        if not any(b[0] == 'struct' for b in braces):
            if braces:
                # In a union the columns of a struct mean nothing; its own entry has its size.
                offset, size = braces[-1][1], None
            struct.members.append(Member(closing.group(1), offset, size, False))
        return
    offset, size, text = match.groups()
    offset = None if offset is None else int(offset)
    if not nested and braces and offset is not None and not text.endswith('{'):
        # A nameless union has no closing line: a member with an offset ends it.
        braces.pop()
    if text == 'union {':
        braces.append(('union', offset, int(size)))
    elif re.fullmatch(r'struct \w+ \{', text):
        braces.append(('struct', offset, int(size)))
    elif not nested:
        name, flexible = declarator(text)
        if offset is None:
            offset = braces[-1][1]
        struct.members.append(Member(name, offset, int(size), flexible))


def assert_line(condition, what):
    return f'_Static_assert({condition}, "{what}");'


def struct_checks(struct):
    tag = f'struct {struct.name}'
    yield assert_line(f'sizeof({tag}) == {struct.size}', f'size of {tag}')
    for member in struct.members:
        place = f'{tag}, {member.name}'
        yield assert_line(f'offsetof({place}) == {member.offset}',
                          f'offset of {member.name} in {tag}')
        if not member.flexible and member.size is not None:
            yield assert_line(f'sizeof((({tag} *)0)->{member.name}) == {member.size}',
                              f'size of {member.name} in {tag}')


def constant_checks(name, value):
    # The file holds where strings happened to be when it was made.
    if name.endswith('_STRING'):
        return assert_line(f'sizeof("" {name}) > 1', f'{name} is a string')
    return assert_line(f'(unsigned long long)({name}) == {value:#x}ULL', name)


def main():
    structs, constants = parse(sys.argv[1])
    if len(structs) < LEAST_STRUCTS or len(constants) < LEAST_CONSTANTS:
        sys.exit(f'{sys.argv[1]}: only {len(structs)} structures, {len(constants)} constants')
    lines = ['/* Made by tests/abi/generate.py. */', '#include <stddef.h>', '#include <stdio.h>']
    lines += [f'#include "{header}"' for header in HEADERS]
    for struct in structs:
        lines += struct_checks(struct)
    lines += [constant_checks(name, value) for name, value in constants.items()]
    members = sum(len(struct.members) for struct in structs)
    lines += ['int main(void)', '{',
              f'\tputs("{len(structs)} structures with {members} members, '
              f'{len(constants)} constants");', '\treturn 0;', '}']
    with open(sys.argv[2], 'w', encoding='utf-8') as file:
        file.write('\n'.join(lines) + '\n')


if __name__ == '__main__':
    main()
