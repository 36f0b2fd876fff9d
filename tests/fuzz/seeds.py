#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""
seeds.py OUT [RECORDING...] - first inputs of the harnesses

OUT/iommufd comes from the recordings.  One is cut into windows; each comes with the
operations before it that made what it names, so that it stands alone.  Recordings have
no DMA: devices write to and read from each map that they reach.  Without recordings: all
in tests/oracle/recorded.  OUT/text has a few specs, manifests and instructions; OUT/vfio
a device that is opened, bound and attached; OUT/dsa an accelerator that is used.
"""
import gzip
import os
import re
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
REF_TAG = 0xfeed << 48
VA_TAG = 0xb0ff << 48
WINDOW = 20
MAX_OPS = 56
FRAMES = ['', 'short', 'bigz', 'bignz', 'badptr', 'null', 'cross', 'ro', 'min']
# Several operations of the recordings are one here.
SAME = {'FAULT_READ': 'READ', 'VEVENT_READ': 'READ', 'FAULT_WRITE': 'WRITE',
        'VEVENT_WRITE': 'WRITE', 'FAULT_POLL': 'POLL', 'VEVENT_POLL': 'POLL',
        'FAULT_CLOSE': 'CLOSE', 'VEVENT_CLOSE': 'CLOSE', 'ACCESS_CLOSE': 'CLOSE'}
# Their eight buffers are five here: writable, read-only, of a file.
BUFFERS = {0: 0, 1: 1, 2: 0, 3: 1, 4: 0, 5: 2, 6: 2, 7: 3}
OBJECTS = ('IOAS', 'STDEV', 'IDEV', 'HWPT', 'FAULT', 'VIOMMU', 'VDEV', 'VEVQ', 'HWQ')
RAW = {'0x96': 0x3b96, '0x9f': 0x3b9f, '0xa1': 0x3ba1, '0xff': 0x3bff, '0x00': 0x3b00,
       '0x7f': 0x3b7f, '103': 0x3b67, '117': 0x3b75, 'iowr-0x81': 0xc00c3b81,
       'iow-0x80': 0x40083b80, '<0x81': 0x3c81}


def shapes(name):
    kinds = {}
    text = open(os.path.join(HERE, name)).read()
    for i, m in enumerate(re.finditer(r'^OP\((\w+), "([^"]*)", "([^"]*)"\)', text, re.M)):
        kinds[m[1]] = (i, *([a.split(':') for a in part.split()] for part in (m[2], m[3])))
    return kinds


def number(text):
    m = re.match(r'b(\d)\+(\w+)', text)
    if m:
        return VA_TAG | BUFFERS[int(m[1])] << 40 | int(m[2], 0)
    if re.match(r'm\d', text):
        return int(text[1:])
    try:
        return int(text.split(',')[0], 0) & (2**64 - 1)
    except ValueError:
        return 0


def pairs(words):
    found = {}
    for word in words:
        if '=' in word:
            key, value = word.split('=', 1)
            found[key.strip('{}')] = value.strip('{}')
        elif re.match(r'acc#\d+', word):
            found['acc'] = word[4:]
    return found


class Recording:
    def __init__(self, kinds):
        self.kinds = kinds
        self.ops = []    # (bytes, operations that it names)
        self.objects = {}
        self.fds = {}    # of an object's number, or of an access's
        self.items = {}
        self.tables = {}    # of a page table's number: its IOAS's
        self.attached = {}  # of an IOAS's number: a device's reference

    def refer(self, kind, value, args, names):
        n = number(value)
        if kind == 'FD':
            at = self.fds.get(('acc', n) if 'acc' in args else n)
        elif kind == 'ITEM':
            at = self.items.get((number(args['acc']), n))
        elif kind in OBJECTS or kind in ('PT', 'ANY'):
            at = self.objects.get(n)
        else:
            at = None
        if at is None:
            return n
        names.add(at[0])
        return REF_TAG | at[0] << 8 | at[1]

    def special(self, name, args, line, values):
        if name == 'ALLOW_IOVAS':
            ranges = re.findall(r'(0x\w+|\d+)-(0x\w+|\d+)', line.split('->')[0])[:2]
            values[1] = len(ranges)
            for i, (start, last) in enumerate(ranges):
                values[2 + 2 * i:4 + 2 * i] = [int(start, 0), int(last, 0)]
        elif name == 'HWPT_INVALIDATE':
            entries = re.findall(r'(\w+)/(\w+)', line.split('->')[0])[:2]
            for i, (a, b) in enumerate(entries):
                values[4 + i] = int(a, 0) | int(b, 0) << 32
        elif name == 'WRITE':
            for i, m in enumerate(list(re.finditer(r'cookie=(\d+) code=(\d+)', line))[:2]):
                values[2 + i] = int(m[1]) | int(m[2]) << 32
        elif name == 'HWPT_ALLOC' and 'data' in args:
            parts = args['data'].split(',')
            values[5] = number(parts[0]) | (number(parts[1]) << 32 if len(parts) > 1 else 0)
        elif name == 'MD_DIRTY':
            values[4] = 0x5a5a1234a5a50f0f
        elif name == 'RAW_IOCTL':
            values[0] = RAW.get(args.get('nr'), 0x3bff)

    def results(self, name, at, args, line):
        what, _, out = line.partition('->')
        if not out or out.strip().startswith('-'):
            return
        told = pairs(out.split())
        for i, (key, kind) in enumerate(self.kinds[name][2]):
            if kind in OBJECTS and key in told:
                n = number(told[key])
                # A page table that was there before is found, not made.
                if key == 'id' or n not in self.objects:
                    self.objects[n] = (at, i)
            elif kind == 'FD' and 'acc' in told:
                self.fds[('acc', number(told['acc']))] = (at, i)
            elif kind == 'FD' and 'id' in told:
                self.fds[number(told['id'])] = (at, i)
            elif kind == 'ITEM' and 'item' in told:
                self.items[(number(args['acc']), number(told['item']))] = (at, i)
        if name == 'DESTROY':
            self.objects.pop(number(args['id']), None)

    def follow(self, name, at, args, told):
        """Which device is on which IOAS, as far as that is simple."""
        if name == 'HWPT_ALLOC' and 'id' in told:
            pt = number(args['pt'])
            self.tables[number(told['id'])] = self.tables.get(pt, pt)
        elif name in ('MOCK_DOMAIN', 'MOCK_DOMAIN_FLAGS'):
            device = (at, 0)
        elif name == 'MOCK_DOMAIN_REPLACE':
            device = self.objects.get(number(args['st']))
        else:
            return
        if name != 'HWPT_ALLOC' and device:
            pt = number(args['pt'])
            self.attached[self.tables.get(pt, pt)] = device

    def dma(self, at, args):
        """A device writes to what was mapped just now, and reads it."""
        device = self.attached.get(number(args.get('ioas', args.get('dst', '0'))))
        if not device:
            return
        values = [REF_TAG | device[0] << 8 | device[1], 0, REF_TAG | at << 8,
                  min(number(args['len']), 0x3000), at & 255, 0, 0]
        for name in ('DMA_WRITE', 'DMA_READ'):
            kind = self.kinds[name][0]
            self.ops.append((struct.pack('<BBBBI7Q', kind, 0, 0, 0, 0, *values),
                             {device[0], at}))

    def add(self, line):
        words = line.split()
        name = SAME.get(words[1], words[1])
        if name not in self.kinds:
            return
        kind, shape, _ = self.kinds[name]
        frame, frame_arg = 0, 0
        m = re.search(r'\[(\w+)\+(\d+)\]', line)
        if m and m[1] in FRAMES:
            frame, frame_arg = FRAMES.index(m[1]), int(m[2]) & 255
        args = pairs(line.split('->')[0].split()[2:])
        names = set()
        values = [0] * 7
        for i, (key, what) in enumerate(shape):
            if key in args:
                values[i] = self.refer(what, args[key], args, names)
            elif key == 'acc' or (what == 'FD' and 'acc' in args):
                values[i] = self.refer('FD', args.get('acc', '0'), args, names)
        self.special(name, args, line, values)
        self.ops.append((struct.pack('<BBBBI7Q', kind, 0, frame, frame_arg, 0, *values), names))
        at = len(self.ops) - 1
        self.results(name, at, args, line)
        _, _, out = line.partition('->')
        if not out or out.strip().startswith('-'):
            return
        self.follow(name, at, args, pairs(out.split()))
        if name in ('IOAS_MAP', 'IOAS_MAP_FILE', 'IOAS_COPY'):
            self.dma(at, args)

    def window(self, first, last):
        """The operations [first, last), and what they need, renumbered."""
        wanted = set(range(first, min(last, len(self.ops))))
        todo = list(wanted)
        while todo:
            for other in self.ops[todo.pop()][1]:
                if other not in wanted:
                    wanted.add(other)
                    todo.append(other)
        order = sorted(wanted)[:MAX_OPS]
        new = {old: i for i, old in enumerate(order)}
        out = b''
        for old in order:
            head, *values = struct.unpack('<Q7Q', self.ops[old][0])
            for i, value in enumerate(values):
                if value >> 48 == 0xfeed:
                    at = value >> 8 & 0xffffffffff
                    values[i] = REF_TAG | new.get(at, 4095) << 8 | value & 255
            out += struct.pack('<Q7Q', head, *values)
        return out


TEXTS = [
    b'\0ats-testdev', b'\0ats-testdev,msix=4,pasid=on@0000:41:00.0',
    b'\0ats-testdev,intx=on,msi=on,pm=on,group=a,class=0x20000', b'\0ats-testdev,driver=none',
    b'\1uiommu 1\ndevice 0000:01:00.0 group=0 vfio=0 major=511 spec=ats-testdev\n'
    b'node /dev/iommu 10:127\nmerge /sys/bus/pci\ndir /dev/vfio\n',
]
# mov, movzx, add, lock xadd, cmpxchg, rep movs, push, movups, vmovups, movdir64b, ...
CODES = ['8b00', '8900', '8a4708', '0fb603', '0fbf4608', '480107', 'f0480fc107', 'f0480fb10f',
         '83470401', 'f3a4', 'f348ab', 'f3a6', 'f2ae', 'ff37', '8f07', '0f1000', '0f1100',
         'c5fc1000', 'c5fd6f07', 'c5fe7f07', '62f17c481000', '660f38f807', '0f38f907', 'f20f38f807',
         '480fc70f', '0fba2f03', '0fa307', 'f7270000', 'f63f', 'd127', '0f94c0', '0f9407',
         'c747040100', '0f18', '660fefc0', '660f6e07', 'f30f7e07', 'f20f1007', 'f20f5807', 'c4e279180f', '0fae07']


def write(folder, name, data):
    with open(os.path.join(folder, name), 'wb') as f:
        f.write(data)


def text_seeds(folder):
    os.makedirs(folder, exist_ok=True)
    for i, text in enumerate(TEXTS):
        write(folder, 'text-%d' % i, text)
    for i, code in enumerate(CODES):
        for seed in (0xff, 0x3f):
            write(folder, 'insn-%d-%d' % (i, seed), bytes([2, seed]) + bytes.fromhex(code))


def op(kinds, name, *args, fail=0):
    values = list(args) + [0] * (7 - len(args))
    return struct.pack('<BBBBI7Q', kinds[name][0], fail, 0, 0, 0, *values)


def ref(at, result=0):
    return REF_TAG | at << 8 | result


def hand_seeds(folder):
    """What a recording happens not to have, and chance would take long to find."""
    kinds = shapes('ops.def')
    base, va = 0x1000000, VA_TAG
    # Mapped anew, read-only, beside another: what is dirty, and what a device may do.
    dirty = [op(kinds, 'IOAS_ALLOC'), op(kinds, 'MOCK_DOMAIN', ref(0)),
             op(kinds, 'HWPT_ALLOC', ref(1, 2), ref(0), 2),
             op(kinds, 'MOCK_DOMAIN_REPLACE', ref(1), ref(2)),
             op(kinds, 'SET_DIRTY_TRACKING', ref(2), 1),
             op(kinds, 'IOAS_MAP', ref(0), 7, va, 0x800, base),
             op(kinds, 'IOAS_MAP', ref(0), 7, va + 0x1000, 0x2000, base + 0x800),
             op(kinds, 'MD_DIRTY', ref(2), base + (1 << 35), 0x4000, 0x800, 2),
             op(kinds, 'DMA_WRITE', ref(1), 0, base + 0x400, 0x2000, 1),
             op(kinds, 'MD_DIRTY', ref(2), base, 0x4000, 0x800, 0x15),
             op(kinds, 'IOAS_UNMAP', ref(0), base, 0x800),
             op(kinds, 'IOAS_MAP', ref(0), 5, va, 0x800, base),
             op(kinds, 'DMA_WRITE', ref(1), 0, base, 0x800, 1),
             op(kinds, 'DMA_READ', ref(1), 0, base, 0x800),
             op(kinds, 'GET_DIRTY_BITMAP', ref(2), 0, base, 0x2800, 0x800)]
    # Holes that come and go below what was chosen before; the last is of one byte.
    holes = [op(kinds, 'IOAS_ALLOC')]
    for pages in (1, 2, 1, 4, 1):
        holes.append(op(kinds, 'IOAS_MAP', ref(0), 6, va, pages * 0x1000))
    for at, pages in ((1, 1), (3, 1), (2, 2)):
        holes.append(op(kinds, 'IOAS_UNMAP', ref(0), ref(at), pages * 0x1000))
    for pages in (1, 2, 1):
        holes.append(op(kinds, 'IOAS_MAP', ref(0), 6, va, pages * 0x1000))
    byte = [op(kinds, 'IOAS_ALLOC'), op(kinds, 'ALLOW_IOVAS', ref(0), 1, base, base + 1),
            op(kinds, 'IOAS_MAP', ref(0), 7, va, 1, base + 1),
            op(kinds, 'IOAS_MAP', ref(0), 6, va, 1)]
    # Two allowed ranges that are one; and a copy of two areas, which memory ends in.
    near = [op(kinds, 'IOAS_ALLOC'),
            op(kinds, 'ALLOW_IOVAS', ref(0), 2, base, base + 0xfff, base + 0x1000, base + 0x1fff),
            op(kinds, 'IOAS_MAP', ref(0), 6, va, 0x2000)]
    undo = [op(kinds, 'IOAS_ALLOC'), op(kinds, 'IOAS_ALLOC'),
            op(kinds, 'IOAS_MAP_FILE', ref(0), 7, 0, 0, 0x1000, base),
            op(kinds, 'IOAS_MAP', ref(0), 7, va, 0x1000, base + 0x1000)]
    undo += [op(kinds, 'IOAS_COPY', ref(1), ref(0), 6, 0x2000, 0, base, fail=nth)
             for nth in range(1, 12)]
    # So many maps that the tree grows, each of which is first tried without enough memory.
    for nth in range(2, 6):
        ops = [op(kinds, 'IOAS_ALLOC')]
        for i in range(27):
            args = ref(0), 7, va, 0x1000, base + i * 0x1000
            ops += [op(kinds, 'IOAS_MAP', *args, fail=nth), op(kinds, 'IOAS_MAP', *args)]
        write(folder, 'grow-%d' % nth, b''.join(ops))
    for name, ops in (('dirty', dirty), ('holes', holes), ('byte', byte), ('near', near),
                      ('undo', undo)):
        write(folder, name, b''.join(ops))


def vfio_seeds(folder):
    """By the character device, and by group and container; each then uses the device."""
    os.makedirs(folder, exist_ok=True)
    kinds = shapes('vfio_ops.def')
    cdev = [op(kinds, 'OPEN', 0), op(kinds, 'IOAS_ALLOC'), op(kinds, 'BIND', ref(0), 0, 0, 0),
            op(kinds, 'ATTACH', ref(0), ref(1)),
            op(kinds, 'MAP', ref(1), 7, VA_TAG, 0x10000, 0x100000)]
    group = [op(kinds, 'OPEN', 2), op(kinds, 'OPEN', 4), op(kinds, 'SET_CONTAINER', ref(0), ref(1)),
             op(kinds, 'SET_IOMMU', ref(1), 3), op(kinds, 'GET_DEVICE_FD', ref(0), 0),
             op(kinds, 'DMA_MAP', ref(1), 3, VA_TAG, 0x100000, 0x10000)]
    for name, ops, device in (('cdev', cdev, 0), ('group', group, 4)):
        at = len(ops)
        ops += [op(kinds, 'CONFIG_COMMAND', ref(device), 7),
                op(kinds, 'MMAP', ref(device), 0, 0x1000, 3),
                op(kinds, 'RUN_DEVICE', ref(at + 1), 0x100000, 2),
                op(kinds, 'SET_IRQS', ref(device), 2, 0, 2, 0x24, 0x10),
                op(kinds, 'RUN_DEVICE', ref(at + 1), 0x101000, 4),
                op(kinds, 'INFO', ref(device), 1, 7, 64), op(kinds, 'RESET', ref(device))]
        write(folder, name, b''.join(ops))


def dsa_seeds(folder):
    """Each operation, whole and over a page that is missing; batches; what waits and is ended."""
    os.makedirs(folder, exist_ok=True)
    kinds = shapes('dsa_ops.def')
    page, rec, missing, some = 0x1000, 0x20000, 15 * 0x1000 + 0xff0, 8 << 60

    def do(name, *args):
        return op(kinds, name, *args)

    def post(opcode, flags=0, src=0, dst=8 * page, size=64, record=rec, portal=0, name='POST'):
        return do(name, portal, opcode, flags, src, dst, size, record)

    start = [do('SET_UP', 0)]
    inputs = {}
    for opcode in range(10):
        inputs['op-%d' % opcode] = start + [
            do('OWN', 0, 0, 1, 0), post(opcode), do('OWN', 0, 0, 2, 5 * page),
            post(opcode, src=missing), do('OWN', 0, 0, 3, 6 * page),
            post(opcode, dst=missing, size=some | 9000), do('OWN', 0, 0, 1, missing),
            post(opcode, flags=2, src=missing, size=some | 5000), do('ANSWER', 0, 0, 1),
            do('ANSWER', 0, 0, 1), do('ANSWER', 0, 2, 0), do('ANSWER', 0, 0, 1),
            post(opcode, flags=2, dst=24 * page - 16), do('ANSWER', 0, 3, 0)]
        inputs['flags-%d' % opcode] = start + [
            part for bit in range(24) for part in (do('NEXT', 0, 32 + bit), post(opcode))]
        # The same bytes but for the last; then the second page of what is written is refused,
        # and that of what is read is missing, too.
        source, target = 15 * page + 0xf00, 8 * page + 0xf80
        inputs['refused-%d' % opcode] = start + [
            do('MEMORY', source, 129, 7), do('MEMORY', target, 128, 7), do('OWN', 0, 0, 2, 0),
            post(opcode, src=source, dst=target, size=129), do('PAGES', 0, 9, 0, 0),
            do('OWN', 0, 0, 2, 0), post(opcode, 2, source, target, some | 4000)] + 4 * [
                do('ANSWER', 0, 2, 0)]
        inputs['shared-%d' % opcode] = start + [
            do('OWN', 1, 0, 1, 0), post(opcode, name='ENQUEUE', portal=4),
            do('OWN', 2, 0, 1, 0), post(opcode, name='ENQUEUE', portal=5), do('ATTACH', 2, 1),
            do('OWN', 2, 0, 1, 0),
            post(opcode, flags=2, src=missing, name='ENQUEUE', portal=4), do('DETACH', 2),
            post(opcode, portal=8)]
    # A page that is asked about while it's missing comes, and is in the middle of the next one.
    inputs['came'] = start + [post(0), do('PAGES', 0, 16, 0, 3),
                              post(0, 0, 15 * page, size=some | 5000)]
    for flags in (0, 2):
        batch = start + [do('DESC', i, i % 10, flags, i * 256, missing if i == 9 else 8 * page,
                            64, rec + 64 + 32 * i) for i in range(12)]
        inputs['batch-%d' % flags] = batch + [
            post(1, flags, size=12), do('ANSWER', 0, 0, 1), post(1, flags, size=12),
            do('ANSWER', 0, 2, 0), do('NEXT', 0, 32), do('DESC', 11, 7, 0, 0, 0, 0, rec),
            post(1, flags, size=12)]
        # Itself, each other, and a list whose end is missing.
        inputs['lists-%d' % flags] = start + [
            do('DESC', 0, 1, 0, 0, 0, 2, rec + 32), do('DESC', 1, 2, 0, 7, 60 * page, 128, rec),
            post(1, flags, size=4), do('PAGES', 0, 61, 0, 0), post(1, flags, src=60, size=9),
            do('ANSWER', 0, 0, 0), do('ANSWER', 0, 0, 1), post(1, flags, record=61 * page, size=2),
            do('ANSWER', 0, 2, 0)]
    wait = start + [post(0, 2, missing), post(2, dst=page), post(2, dst=2 * page)]
    for name, then in {
            'drain': [do('COMMAND', 8, 1), do('COMMAND', 3, 0), do('ANSWER', 0, 0, 1)],
            'disable': [do('COMMAND', 39, 1), do('CONFIG', 0, 3, 0), do('ANSWER', 0, 2, 0)],
            'abort': [do('COMMAND', 9, 1), do('ANSWER', 0, 0, 1), post(0)],
            'abort-pasid': [do('COMMAND', 12, 0), do('COMMAND', 12, 1), do('ANSWER', 0, 0, 1)],
            'reset': [do('COMMAND', 5, 0), do('ANSWER', 0, 0, 1), do('SET_UP', 0), post(0)],
            'flr': [do('RESET'), do('ANSWER', 0, 0, 1), do('SET_UP', 0), post(0)],
            'master': [do('MASTER', 0), do('ANSWER', 0, 0, 1), do('MASTER', 1), post(0),
                       do('SET_UP', 0), post(0)],
            'detach': [do('DETACH', 0), do('ATTACH', 0, 1), post(0)],
            'full': 10 * [post(2)] + 6 * [post(0, 2, missing, name='ENQUEUE', portal=4)] +
                    [do('ANSWER', 0, 0, 1)]}.items():
        inputs['wait-' + name] = wait + then
    # Pages that were there, and then weren't, and were again; and the other PASID's.
    inputs['stale'] = start + [
        part for rights in (0, 1, 3) for opcode in (0, 2, 3, 5, 6)
        for part in (do('PAGES', 0, 8, 1, rights), do('OWN', 0, 0, 2, 0),
                     post(opcode, 0, 3 * page, 8 * page + 0xf00, some | 5000))]
    inputs['records'] = start + [post(7, flags, record=at) for flags in (0, 2)
                                 for at in (24 * page, 16 * page, 7 << 60 | 0x8001, 14 << 60)]
    inputs['interrupts'] = start + [
        part for handle in (0, 1, 8, 9, 0xffff)
        for part in (do('OWN', 0, handle, 0, 0), post(7, 16), do('REGISTER', 5, 2, 2, 4))]
    # Errors that no record tells, and privileged ones; what portals refuse; where addresses end.
    inputs['unrecorded'] = start + [
        part for bit in (31, 30, 32 + 6, 48) for opcode in (0, 1, 2, 7)
        for part in (do('NEXT', 0, bit), post(opcode, 0x40, dst=16 * page, size=2),
                     do('REGISTER', 2, 0, 2, 3))]
    inputs['portals'] = [do('REGISTER', 4, 6, 2, 2**32 - 1)] + start + [
        part for portal in (0, 1, 4, 5, 8, 12, 31) for name in ('POST', 'ENQUEUE')
        for part in (post(7, portal=portal, name=name), do('REGISTER', 2, 0, 2, 3))] + [
            post(0, 2, missing, portal=4, name='ENQUEUE')] + 3 * [
                post(7, portal=5, name='ENQUEUE')]
    inputs['ends'] = start + [post(opcode, src=15 << 60 | 64, dst=15 << 60 | 32)
                              for opcode in (0, 5, 6)] + [post(0, size=some | 17000, portal=8)]
    inputs['vectors'] = start + [do('REGISTER', 5, 4, 2, 1 << 12 | 8)] + [
        part for pasid in (0, 1, 2)
        for part in (do('OWN', pasid, 2, 0, 0), post(7, 16, portal=4, name='ENQUEUE'))]
    inputs['two-pasids'] = start + [do('ATTACH', 2, 0)] + [
        part for pasid in (1, 2, 1, 2)
        for part in (do('OWN', pasid, 0, 0, 0), post(0, 2, missing, portal=4, name='ENQUEUE'))] + [
            do('COMMAND', 12, 2), do('ANSWER', 0, 0, 1), do('ANSWER', 0, 0, 1)]
    inputs['late'] = wait + [do('COMMAND', 9, 1), post(0, 2, missing), do('ANSWER', 0, 2, 0),
                             do('ANSWER', 0, 0, 1)]
    for name, ops in inputs.items():
        write(folder, name, b''.join(ops))


def main():
    out = os.path.join(sys.argv[1], 'iommufd')
    folder = os.path.join(HERE, '..', 'oracle', 'recorded')
    files = sys.argv[2:] or sorted(os.path.join(folder, f) for f in os.listdir(folder))
    os.makedirs(out, exist_ok=True)
    kinds = shapes('ops.def')
    count = 0
    for path in files:
        recording = Recording(kinds)
        with gzip.open(path, 'rt') as lines:
            for line in lines:
                recording.add(line)
        stem = os.path.basename(path).split('.')[0]
        for first in range(0, len(recording.ops), WINDOW):
            write(out, '%s-%03d' % (stem, first), recording.window(first, first + WINDOW))
            count += 1
    hand_seeds(out)
    text_seeds(os.path.join(sys.argv[1], 'text'))
    vfio_seeds(os.path.join(sys.argv[1], 'vfio'))
    dsa_seeds(os.path.join(sys.argv[1], 'dsa'))
    print('%d inputs from %d recordings' % (count, len(files)))


main()
