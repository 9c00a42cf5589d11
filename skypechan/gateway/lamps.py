"""What a lamp shows of a line: its device state in Asterisk. Pure."""

from __future__ import annotations

from skypechan.asterisk.devices import DeviceState
from skypechan.backends.base import LineState
from skypechan.call.machine import CallState
from skypechan.call.record import Direction
from skypechan.gateway.line import Line
from skypechan.gateway.runner import CallRunner

_RINGS = (CallState.IDLE, CallState.OFFERED)


def device_state(line: Line, call: CallRunner | None) -> DeviceState:
    """Return the device state of a line and the call that has it.

    A line that the operator has paused is busy: it is well, and wants no calls. It
    rings while somebody calls it; when it calls, it is in use from the beginning.
    """
    if line.call_id is not None:
        return _in_use(call)
    if line.state is LineState.PAUSED:
        return DeviceState.BUSY
    return DeviceState.NOT_INUSE if line.is_idle else DeviceState.UNAVAILABLE


def _in_use(call: CallRunner | None) -> DeviceState:
    if call is None:
        return DeviceState.INUSE
    if call.record.direction is Direction.TO_PBX and call.state in _RINGS:
        return DeviceState.RINGING
    return DeviceState.ONHOLD if call.held_by else DeviceState.INUSE
