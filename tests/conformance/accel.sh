#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# accel.sh UIOMMU - Debian's accel-config and what it finds of two accelerators.
set -u
uiommu=$1
found=$(mktemp)
trap 'rm -f "$found"' EXIT

"$uiommu" run -d dsa,driver=idxd -d dsa,driver=idxd,queues=dedicated,name=mine -- \
	accel-config list >"$found" 2>&1 || { cat "$found"; exit 1; }
# It prints what it couldn't read or write before the list.
/usr/bin/python3 - "$found" <<'END' || { cat "$found"; exit 1; }
import json
import sys

devices = json.load(open(sys.argv[1], encoding="utf-8"))
assert [d["dev"] for d in devices] == ["dsa0", "dsa1"], devices
queues = []
for device in devices:
    assert device["state"] == "enabled", device
    queues += [q for group in device["groups"] for q in group.get("grouped_workqueues", [])]
assert [(q["dev"], q["mode"], q["name"]) for q in queues] == [
    ("wq0.0", "shared", "uiommu"), ("wq0.1", "dedicated", "uiommu"),
    ("wq1.0", "dedicated", "mine")], queues
assert all(q["state"] == "enabled" and q["type"] == "user" for q in queues), queues
END
# What is enabled can't be changed, as in Linux.
if "$uiommu" run -d dsa,driver=idxd -- accel-config config-wq dsa0/wq0.0 -s 16 >"$found" 2>&1 ||
	! grep -q 'Operation not permitted' "$found"; then
	cat "$found"
	exit 1
fi
