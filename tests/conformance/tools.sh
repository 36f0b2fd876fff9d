#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# tools.sh UIOMMU BUILD - a client under what people start their programs with: tracers, allocators and
# other libraries that are preloaded, tools that start programs.
set -u
uiommu=$(realpath "$1")
iopf=$(realpath "$2/examples/iopf")
copy=$(realpath "$2/examples/sva-copy")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
libs=/usr/lib/x86_64-linux-gnu
failed=0

# told NAME COMMAND...: it ends well, and so did the client
told()
{
	name=$1
	shift
	if out=$(timeout 120 "$@" 2>&1) && echo "$out" | grep -Eq "$last"; then
		echo "$name: works"
	else
		echo "$name: doesn't work: $out"
		failed=1
	fi
}

# both NAME COMMAND...: in the run, and around it
both()
{
	name=$1
	shift
	told "$name" "$uiommu" run -d ats-testdev -- "$@" "$iopf"
	told "$name around it" "$@" "$uiommu" run -d ats-testdev -- "$iopf"
}

last='its buffer is what it was'
both strace strace -f -o trace
both fakeroot fakeroot
both faketime faketime 2020-01-01
both stdbuf stdbuf -oL
told ltrace "$uiommu" run -d ats-testdev -- ltrace -o trace "$iopf"
for tool in callgrind cachegrind massif dhat helgrind drd; do
	told "valgrind's $tool" "$uiommu" run -d ats-testdev -- valgrind -q "--tool=$tool" "$iopf"
done
for library in libjemalloc.so.2 libtcmalloc_minimal.so.4 libmimalloc.so.2.0; do
	last='its buffer is what it was'
	both "$library" env "LD_PRELOAD=$libs/$library"
	last=Bandwidth
	told "$library, SVA" "$uiommu" run -d dsa,driver=idxd -- \
		env "LD_PRELOAD=$libs/$library" "$copy"
done
exit $failed
