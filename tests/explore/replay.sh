#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# What the explorer prints of a failing schedule leads to the same failure again.
set -u
explore=$1
bad=0

for name in $("$explore" --list | sed -n 's/^\(broken-[^ ]*\).*/\1/p'); do
	first=$("$explore" --scenario "$name")
	schedule=$(printf '%s\n' "$first" | sed -n "s/^replay with: .* --replay '\(.*\)'$/\1/p")
	why=$(printf '%s\n' "$first" | sed -n 's/^=> //p')
	again=$("$explore" --scenario "$name" --replay "$schedule" | sed -n 's/^=> //p')
	if [ -z "$why" ] || [ "$why" != "$again" ]; then
		echo "$name: found '$why', replayed '$again'" >&2
		bad=1
	fi
done

# A schedule that holds, one that isn't any, and one that names no memory.
"$explore" --scenario get-detach --replay '1x3 2x2' >/dev/null || bad=1
"$explore" --scenario get-detach --replay '1x3 @nobody:1' >/dev/null 2>&1 && bad=1
"$explore" --scenario no-such --replay '1x3' >/dev/null 2>&1 && bad=1
exit $bad
