#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# pyudev.sh UIOMMU - what Debian's pyudev (libudev) finds of three devices of ours, beside those
# of the machine, which must be what they are without us.
set -u
uiommu=$1
look=$(mktemp)
trap 'rm -f "$look"' EXIT

# Debian's python has Debian's modules; another may come first in PATH.
host=$(/usr/bin/python3 -c '
import pyudev
for d in pyudev.Context().list_devices(subsystem="pci"):
    print(d.sys_path, d.driver, d.attributes.asstring("vendor"))' | sort) || exit 1

cat > "$look" <<'END'
import os
import sys
import pyudev

OURS = {"beef:01:00.0": "vfio-pci", "beef:02:00.0": None, "beef:03:00.0": "other"}
context = pyudev.Context()
found = {d.sys_name: d for d in context.list_devices(subsystem="pci")}
for name, driver in OURS.items():
    d = found[name]
    assert d.driver == driver, (name, d.driver)
    assert d.attributes.asstring("vendor") == "0x1234"
    assert d.properties["PCI_ID"] == "1234:11E9" and d.properties["PCI_SLOT_NAME"] == name
    # libudev takes that property from the link; the file says it too.
    assert d.properties.get("DRIVER") == driver
    event = d.attributes.asstring("uevent").splitlines()
    said = [line for line in event if line.startswith("DRIVER=")]
    assert said == (["DRIVER=" + driver] if driver else []), event
    assert d.parent.subsystem == "pci" and d.parent.driver == "pcieport", d.parent
    assert d.sys_path == os.path.realpath("/sys/bus/pci/devices/" + name)
    assert pyudev.Devices.from_name(context, "pci", name) == d
    nodes = [c for c in context.list_devices(parent=d) if c.subsystem == "vfio-dev"]
    assert len(nodes) == (driver == "vfio-pci"), nodes
    for node in nodes:
        assert node.device_node == "/dev/vfio/devices/" + node.sys_name
        assert os.stat(node.device_node).st_rdev == node.device_number
        assert pyudev.Devices.from_device_file(context, node.device_node) == node
        assert node.parent == d
assert len(list(context.list_devices(subsystem="vfio-dev"))) >= 1
# As iommutests do: an ID for the driver, and the device is the driver's.
with open("/sys/bus/pci/drivers/vfio-pci/new_id", "w") as f:
    f.write("1234 11e9")
again = pyudev.Devices.from_name(context, "pci", "beef:02:00.0")
assert again.driver == "vfio-pci" and again.properties["DRIVER"] == "vfio-pci"
assert len(list(context.list_devices(subsystem="vfio-dev", parent=again))) == 1
want = set(sys.argv[1].splitlines())
have = {f"{d.sys_path} {d.driver} {d.attributes.asstring('vendor')}" for d in found.values()}
assert want <= have, want - have
END
"$uiommu" run -d ats-testdev@beef:01:00.0 -d ats-testdev,driver=none@beef:02:00.0 \
	-d ats-testdev,driver=other@beef:03:00.0 -- /usr/bin/python3 "$look" "$host"
