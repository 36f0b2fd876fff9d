#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# sources.sh PATTERN... - our files of these names, from git or from the folder.
set -eu
cd "$(dirname "$0")/.."
if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
	# What is removed but not yet committed is no file any more.
	git ls-files --cached --others --exclude-standard -- "$@" | while read -r file; do
		[ ! -f "$file" ] || echo "$file"
	done
else
	for pattern in "$@"; do
		find . -name "$pattern" -type f -not -path './build*' | sed 's|^\./||'
	done
fi
