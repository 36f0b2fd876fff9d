#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# table.sh PROGRAM DOCUMENT - does the document's table say what the decoder does?
set -eu

want=$(mktemp)
trap 'rm -f "$want"' EXIT
sed '1,/^<!-- table -->$/d' "$2" >"$want"
if ! "$1" --table | diff -u "$want" -; then
	echo "table.sh: bring $2 up to date with: $1 --table" >&2
	exit 1
fi
