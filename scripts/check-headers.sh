#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Each public header compiles alone, twice in a row, in C and in C++, by gcc and
# clang; each header of the library compiles alone in C.
set -u

rc=0
alone()
{
	local header=$1
	shift
	printf '#include "%s"\n#include "%s"\n' "$header" "$header" |
		"$@" -Wall -Wextra -Werror -fsyntax-only - || {
		echo "$header: not alone by: $*"
		rc=1
	}
}

for path in include/uiommu/*.h; do
	header=${path#include/}
	for cc in gcc clang; do
		alone "$header" $cc -x c -std=c11 -pedantic -Iinclude
		alone "$header" $cc -x c -std=gnu17 -Iinclude
	done
	for cxx in g++ clang++; do
		alone "$header" $cxx -x c++ -std=c++11 -pedantic -Wno-c99-extensions -Iinclude
		alone "$header" $cxx -x c++ -std=c++20 -Iinclude
	done
done
for path in lib/*/*.h; do
	# Static functions that this one file doesn't use are no fault.
	alone "${path#lib/}" gcc -x c -std=gnu11 -D_GNU_SOURCE -Iinclude -Ilib \
		-Wno-unused-parameter -Wno-unused-function
done
exit $rc
