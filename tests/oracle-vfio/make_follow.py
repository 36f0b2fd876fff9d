#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""make_follow.py VORACLE.C FOLLOW.C - the program of the recordings, led by one.

voracle's choices depend on the results before.  Changed so that it starts at any
episode of a recording, prints our results, and goes on as if they had been those
recorded: then an episode can be compared though the one before it can't be made.
RECORDING, START and EPISODE in the environment say where.
"""
import sys

LEAD = r'''
static char *recorded_line[4096];

/* The result that the recording has for this operation. */
static bool recorded(long *v)
{
	char *p = nops < 4096 && recorded_line[nops] ? strstr(recorded_line[nops], " -> ") : NULL;

	if (!p)
		return false;
	p += 4;
	if (p[0] != '-') {
		*v = atol(p);
		return p[0] >= '0' && p[0] <= '9';
	}
	for (int e = 1; e < 200; e++) {
		size_t l = strlen(en(e));

		if (!strncmp(p + 1, en(e), l) && (!p[1 + l] || p[1 + l] == ' ' || p[1 + l] == '\n')) {
			*v = -e;
			return true;
		}
	}
	return false;
}

/* A descriptor where the recording has one, none where it has none. */
static int as_recorded(int fd)
{
	long v;

	if (!recorded(&v))
		return fd;
	if (v < 0) {
		if (fd >= 0)
			close(fd);
		errno = (int)-v;
		return -1;
	}
	return fd >= 0 ? fd : open("/dev/null", O_RDWR | O_CLOEXEC);
}

static void lead(void)
{
	static char b[4096];
	FILE *f = fopen(getenv("RECORDING"), "r");

	while (f && fgets(b, sizeof(b), f))
		if (*b >= '0' && *b <= '9')
			recorded_line[atoi(b)] = strdup(b);
	if (f)
		fclose(f);
}

static long res(long r)
{
	long v;

	if (recorded(&v)) {
'''

CHANGES = [
    ("static long res(long r)\n{\n", LEAD.lstrip() +
     '\t\tif (r < 0)\n\t\t\tL(" -> -%s", en(errno));\n\t\telse\n\t\t\tL(" -> %ld", r);\n'
     "\t\treturn v;\n\t}\n"),
    ('open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);',
     'as_recorded(open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC));'),
    ("open(p_group, O_RDWR | O_CLOEXEC);", "as_recorded(open(p_group, O_RDWR | O_CLOEXEC));"),
    ("ioctl(G, VFIO_GROUP_GET_DEVICE_FD, v == 11 ? (void *)BAD : b);",
     "as_recorded(ioctl(G, VFIO_GROUP_GET_DEVICE_FD, v == 11 ? (void *)BAD : b));"),
    # Refused because of a group that isn't really open.
    ("long r = res(ioctl(H[h].fd, VFIO_DEVICE_BIND_IOMMUFD, v == 13 ? (void *)BAD : x));",
     "long rv;\n\tbool busy = G >= 0 && recorded(&rv) && rv == -EBUSY;\n\terrno = EBUSY;\n"
     "\tlong r = res(busy ? -1 : ioctl(H[h].fd, VFIO_DEVICE_BIND_IOMMUFD, "
     "v == 13 ? (void *)BAD : x));"),
    ("\tputs(hdr);\n\n\tfor (", "\tputs(hdr);\n\tlead();\n\tnops = atoi(getenv(\"START\"));\n"
     "\tep_no = atoi(getenv(\"EPISODE\"));\n\n\tfor ("),
]

with open(sys.argv[1]) as source:
    text = source.read()
for old, new in CHANGES:
    if text.count(old) != 1:
        sys.exit(f"make_follow.py: {text.count(old)} times in {sys.argv[1]}: {old!r}")
    text = text.replace(old, new)
with open(sys.argv[2], "w") as out:
    out.write(text)
