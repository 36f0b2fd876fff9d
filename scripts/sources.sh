#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# sources.sh PATTERN... - our files of these names, from git or from the folder.
# Without those that came with the recordings of Linux, which stay as they were.
set -eu
cd "$(dirname "$0")/.."
recordings()
{
	grep -v -e '^tests/oracle\(-vfio\)\?/\(recorded\|more\)/' \
		-e '^tests/oracle/\(oracle\.c\|iommufd_test_abi\.h\|compare\.sh\)$' \
		-e '^tests/oracle-vfio/\(voracle\.c\|vfio-facts\.md\)$' \
		-e '^tests/oracle\(-vfio\)\?/\(README\.md\|COVERAGE\.txt\)$' || :
}
if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
	# What is removed but not yet committed is no file any more.
	git ls-files --cached --others --exclude-standard -- "$@" | while read -r file; do
		[ ! -f "$file" ] || echo "$file"
	done | recordings
else
	for pattern in "$@"; do
		find . -name "$pattern" -type f -not -path './build*' | sed 's|^\./||'
	done | recordings
fi
