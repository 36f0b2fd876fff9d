#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# replay.sh REPLAY-IOMMUFD REPLAY-VFIO REPLAY-DSA RECORDING...: the first inputs, of these recordings.
set -eu
iommufd=$1
vfio=$2
dsa=$3
shift 3
seeds=$(mktemp -d)
trap 'rm -rf "$seeds"' EXIT
"$(dirname "$0")/seeds.py" "$seeds" "$@"
"$iommufd" "$seeds"/iommufd/*
"$vfio" "$seeds"/vfio/*
"$dsa" "$seeds"/dsa/*
