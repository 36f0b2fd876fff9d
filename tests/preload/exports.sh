#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# exports.sh PRELOAD SOURCE-FOLDER: the shim exports libc's names and no other, and each
# name that a wrapper was written for.
set -u
preload=$1
sources=$2
failed=0

exported=$(nm -D --defined-only "$preload" | awk '{print $3}' | sort -u)
libc=$(ldd "$preload" | awk '$1 ~ /^libc\.so/ {print $3}')
# Also those that only old programs ask for: nm shows them with one "@".
known=$(nm -D --defined-only "$libc" | awk '{sub(/@.*/, "", $3); print $3}' | sort -u)
[ -n "$exported" ] && [ -n "$known" ] || exit 99

for name in $exported; do
	echo "$known" | grep -qx "$name" || {
		echo "exports.sh: '$name' is no name of libc's" >&2
		failed=1
	}
done
for name in $(cat "$sources"/*.c | tr -d '\n' |
	grep -oE '(SHIM_WRAP\([^,()]*,|SHIM_ALIAS\(|WRAP_PATH\([^,]*,)[[:space:]]*[a-z_0-9]+' |
	grep -oE '[a-z_0-9]+$' | sort -u); do
	[ "$name" = name ] && continue
	echo "$exported" | grep -qx "$name" || {
		echo "exports.sh: '$name' is written, but not in preload.map" >&2
		failed=1
	}
done
exit $failed
