#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# deps.sh PURPOSE - installs the Debian packages that a make target lacks.
#
# As root it installs them with apt-get; as another user it prints the command
# and fails.  When all is there it asks dpkg once and is done.
set -eu

build="meson ninja-build pkgconf libc6-dev linux-libc-dev liburcu-dev libisal-dev libzydis-dev libcmocka-dev"
check="g++ clang clang-14 clang-format-14 clang-tidy-14 cppcheck codespell shellcheck
	valgrind libasan8 libtsan2 libclang-rt-14-dev"

# The newest headers of a 6.12 kernel that Debian offers, or those installed.
kernel_headers()
{
	found=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' 'linux-headers-6.12*-common' \
		2>/dev/null | sed -n 's/^ii *//p' | sort -V | tail -n 1)
	[ -n "$found" ] || found=$(apt-cache search --names-only \
		'^linux-headers-6\.12\..*deb12-common$' 2>/dev/null |
		sed 's/ .*//' | sort -V | tail -n 1)
	# Before the first apt-get update there is no list to look into.
	echo "${found:-linux-headers-6.12-common}"
}

case ${1-} in
build | run | test) packages=$build ;;
bench) packages="$build valgrind" ;;
check) packages="$build $check" ;;
fuzz) packages="$build clang libclang-rt-14-dev" ;;
conformance) packages="$build linux-source-6.12 xz-utils g++ rustc golang-go python3 pciutils
	python3-pyudev accel-config strace ltrace valgrind fakeroot faketime libjemalloc2
	libgoogle-perftools4 libmimalloc2.0 qemu-system-x86 cpio dpdk dpdk-dev libdpdk-dev
	librte-dma-idxd23 librte-mempool-ring23" ;;
*)
	echo "usage: deps.sh build|run|test|bench|check|fuzz|conformance" >&2
	exit 2
	;;
esac

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
	echo "deps.sh: not a Debian system; 'make $1' needs what these packages have:" "$packages" >&2
	exit 0
fi

missing_of()
{
	have=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' "$@" 2>/dev/null |
		sed -n 's/^ii *//p') || true
	for package in "$@"; do
		case "
$have
" in
		*"
$package
"*) ;;
		*) printf ' %s' "$package" ;;
		esac
	done
}

lists_are_there()
{
	for list in /var/lib/apt/lists/*_Packages* /var/lib/apt/lists/*_Packages.lz4; do
		[ -e "$list" ] && return 0
	done
	return 1
}

updated=
update()
{
	apt-get -q update >&2
	updated=yes
}

root=
[ "$(id -u)" -ne 0 ] || root=yes

# shellcheck disable=SC2086 # a list of names
missing=$(missing_of $packages)
if [ "$1" = conformance ]; then
	[ -z "$root" ] || lists_are_there || update
	# shellcheck disable=SC2046
	missing="$missing$(missing_of $(kernel_headers))"
fi
[ -n "$missing" ] || exit 0

if [ -z "$root" ]; then
	{
		echo "'make $1' needs packages that are not installed.  As root, run:"
		echo
		echo "    apt-get update && apt-get install -y --no-install-recommends$missing"
		echo
		echo "and then 'make $1' again."
	} >&2
	exit 1
fi

echo "installing what 'make $1' needs:$missing" >&2
export DEBIAN_FRONTEND=noninteractive
[ -n "$updated" ] || lists_are_there || update
# shellcheck disable=SC2086 # a list of names
if ! apt-get -qq install -y --no-install-recommends $missing >&2 </dev/null; then
	# Lists that are older than the mirror name files that are gone.
	[ -z "$updated" ] || exit 1
	update
	apt-get -qq install -y --no-install-recommends $missing >&2 </dev/null
fi
