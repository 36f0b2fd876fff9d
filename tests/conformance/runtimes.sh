#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# runtimes.sh UIOMMU - clients in several languages, and programs that can't be clients.
set -u
uiommu=$1
here=$(dirname "$0")/runtimes
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Nothing of the user's: neither caches nor other compilers than the system's.
export GOCACHE="$work/cache" GO111MODULE=off PATH="/usr/bin:$PATH"
failed=0

# works NAME COMMAND...
works()
{
	name=$1
	shift
	if out=$(timeout 60 "$uiommu" run -d ats-testdev@beef:01:00.0 -- "$@" 2>&1) &&
		[ "$out" = copied ]; then
		echo "$name: works"
	else
		echo "$name: doesn't work: $out"
		failed=1
	fi
}

# refused WHAT COMMAND...: by a line that has this in it, and nothing was started
refused()
{
	what=$1
	shift
	out=$("$uiommu" run -d ats-testdev -- "$@" 2>&1)
	rc=$?
	if [ $rc -eq 125 ] && echo "$out" | grep -q "$what"; then
		echo "$(basename "$1"): refused"
	else
		echo "$(basename "$1"): not refused ($rc): $out"
		failed=1
	fi
}

# built COMMAND...
built()
{
	"$@" >"$work/log" 2>&1 && return
	cat "$work/log"
	failed=1
	return 1
}

built g++ -std=c++17 -O2 -o "$work/c++" "$here/client.cc" && works C++ "$work/c++"
built rustc -O -o "$work/rust" "$here/client.rs" && works Rust "$work/rust"
works Python /usr/bin/python3 "$here/client.py"
built go build -o "$work/cgo" "$here/client.go" && works cgo "$work/cgo" beef:01:00.0
built go build -race -o "$work/cgo-race" "$here/client.go" &&
	works 'cgo with -race' "$work/cgo-race" beef:01:00.0

printf 'package main\nfunc main() { println("started") }\n' >"$work/plain.go"
if built go build -o "$work/plain-go" "$work/plain.go"; then
	refused 'Go program without cgo' "$work/plain-go"
	printf '#!/usr/bin/env -S %s\n' "$work/plain-go" >"$work/script-for-go"
	chmod +x "$work/script-for-go"
	refused 'Go program without cgo' "$work/script-for-go"
fi
printf 'int main(void) { return 0; }\n' >"$work/main.c"
built gcc -static -o "$work/static" "$work/main.c" && refused 'statically linked' "$work/static"
built gcc -static-pie -o "$work/static-pie" "$work/main.c" &&
	refused 'statically linked' "$work/static-pie"
exit $failed
