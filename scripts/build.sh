#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# build.sh [--quiet] - sets $BUILD up with Meson if it isn't, and compiles.
# With --quiet it speaks only when something fails.
set -eu

cd "$(dirname "$0")/.."
build=${BUILD:-build}
quiet=
[ "${1-}" != --quiet ] || quiet=yes

say_on_failure()
{
	if [ -z "$quiet" ]; then
		"$@"
		return
	fi
	log=$(mktemp)
	if "$@" >"$log" 2>&1; then
		rm -f "$log"
	else
		rc=$?
		cat "$log" >&2
		rm -f "$log"
		return "$rc"
	fi
}

# A setup that was interrupted leaves a folder without a build.ninja.
if [ ! -f "$build/build.ninja" ]; then
	# shellcheck disable=SC2086 # options of the user
	say_on_failure meson setup "$build" ${MESON_SETUP-}
fi
say_on_failure ninja -C "$build"
