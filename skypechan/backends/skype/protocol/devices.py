"""Audio devices of a call: the arguments of SET_INPUT, SET_OUTPUT, SET_CAPTURE_MIC."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Final

from skypechan.errors import LocalWireError, RemoteWireError

_FORBIDDEN: Final = re.compile("[\x00\r\n]")


@unique
class DeviceKind(StrEnum):
    """Where a call's audio can come from or go to."""

    SOUND_CARD = "SOUNDCARD"
    PORT = "PORT"
    FILE = "FILE"


@dataclass(frozen=True, slots=True)
class Device:
    """One audio device of a call, written KIND="value"."""

    kind: DeviceKind
    value: str


def sound_port(port: int) -> Device:
    """The TCP port on which the application listens for raw audio."""
    if not 1 <= port <= 65_535:
        raise LocalWireError(f"no TCP port: {port}")
    return Device(DeviceKind.PORT, str(port))


_DEVICE = re.compile(r'[\s,]*([A-Za-z_]+)="([^"]*)"')


def parse_devices(text: str) -> tuple[Device, ...]:
    """Device list of SET_INPUT and its kin; an empty list ends the redirection.

    Pairs of name="value" are parted by commas, spaces or both: working clients do
    either. Raises RemoteWireError for anything else and for a PORT that is none.
    """
    devices: list[Device] = []
    position = 0
    while found := _DEVICE.match(text, position):
        devices.append(_device(found[1].upper(), found[2]))
        position = found.end()
    if text[position:].strip(" ,\t"):
        raise RemoteWireError(f"no device list: {text[:80]!r}")
    return tuple(devices)


def _device(kind: str, value: str) -> Device:
    if kind not in DeviceKind.__members__.values():
        raise RemoteWireError(f"unknown device {kind[:40]!r}")
    device = Device(DeviceKind(kind), value)
    if device.kind is DeviceKind.PORT and not _is_port(value):
        raise RemoteWireError(f"no TCP port: {value[:40]!r}")
    return device


def _is_port(value: str) -> bool:
    return bool(re.fullmatch(r"[0-9]{1,5}", value)) and 1 <= int(value) <= 65_535


def format_devices(devices: Iterable[Device]) -> str:
    """Text of a device list; raises LocalWireError for a value it cannot quote."""
    parts = []
    for device in devices:
        if '"' in device.value or _FORBIDDEN.search(device.value):
            raise LocalWireError(f"device value not writable: {device.value!r}")
        parts.append(f'{device.kind.value}="{device.value}"')
    return ", ".join(parts)
