"""Devices and links: shipped profiles, one YAML file each, every number with its source."""

from explorer.devices.cells import CELLS, Cell
from explorer.devices.deadline import Deadline
from explorer.devices.host import HOST, calibrate_host
from explorer.devices.loading import device_names, link_names, load_device, load_link
from explorer.devices.profiles import DeviceProfile, LinkProfile
from explorer.devices.protocols import PROTOCOLS, ProtocolName, WireProtocol
from explorer.devices.setting import Setting

__all__ = [
    "CELLS",
    "HOST",
    "PROTOCOLS",
    "Cell",
    "Deadline",
    "DeviceProfile",
    "LinkProfile",
    "ProtocolName",
    "Setting",
    "WireProtocol",
    "calibrate_host",
    "device_names",
    "link_names",
    "load_device",
    "load_link",
]
