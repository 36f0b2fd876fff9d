#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# clang-tidy, with the checks of .clang-tidy, finds nothing in the product.
#
# By the flags of a build without tests: the explorer compiles much of the product
# a second time, and each flags' variant would be looked at.
build=${BUILD:-build}/check-tidy
[ -f "$build/compile_commands.json" ] ||
	meson setup -Dtests=disabled -Dbench=false "$build" >/dev/null || exit 1
scripts/sources.sh 'lib/*.c' 'devices/*.c' 'preload/*.c' 'cli/*.c' 'examples/*.c' |
	while read -r file; do
		# Only what is built: the others have no flags to be checked with.
		grep -qF "/$file\"" "$build/compile_commands.json" && echo "$file"
	done | xargs -n 4 -P 2 clang-tidy-14 -p "$build" --quiet
