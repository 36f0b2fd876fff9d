#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What "make install" puts somewhere works there: the command finds its shim,
# and a program builds, links and runs by what pkg-config says.
set -eu
build=${BUILD:-build}
dest=$(mktemp -d)
trap 'rm -rf "$dest"' EXIT

DESTDIR=$dest meson install -C "$build" --no-rebuild --quiet
prefix=$(meson introspect --buildoptions "$build" |
	python3 -c 'import json, sys
print(next(o["value"] for o in json.load(sys.stdin) if o["name"] == "prefix"))')
uiommu=$dest$prefix/bin/uiommu
"$uiommu" --version
"$uiommu" run --device ats-testdev -- true
[ -f "$dest$prefix/share/man/man1/uiommu.1" ]

pc=$(dirname "$(find "$dest" -name uiommu.pc)")
export PKG_CONFIG_PATH=$pc PKG_CONFIG_SYSROOT_DIR=$dest
version=$(pkg-config --modversion uiommu)
# shellcheck disable=SC2046 # flags
gcc -o "$dest/program" -DUIOMMU_VERSION="\"$version\"" tests/headers/test_link.c \
	$(pkg-config --cflags --libs uiommu)
libdir=$(dirname "$(find "$dest" -name libuiommu.so)")
LD_LIBRARY_PATH=$libdir "$dest/program"
