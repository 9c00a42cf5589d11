"""Calls from the PBX to the lines: what a dialplan has asked for becomes a call."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from skypechan.asterisk.pbx import PbxRequest
from skypechan.call.causes import HangupCause
from skypechan.call.events import PbxOffered
from skypechan.call.record import MOST_NAME, CallRecord, Direction, Side
from skypechan.clock import Clock
from skypechan.errors import CallError, SkypechanError
from skypechan.gateway.line import Line
from skypechan.gateway.lines import SELECTORS, Lines
from skypechan.gateway.livecalls import LiveCalls
from skypechan.gateway.runner import CallRunner


class Requests:
    """Gives each request a line, or says why not.

    `belongs` tells which lines are those of the Asterisk whose requests come here;
    `closing` says why there is none any more.
    """

    def __init__(
        self,
        lines: Lines,
        belongs: Callable[[Line], bool],
        calls: LiveCalls,
        clock: Clock,
    ) -> None:
        self.closing = ""
        self._lines = lines
        self._belongs = belongs
        self._calls = calls
        self._clock = clock

    def take(self, request: PbxRequest) -> None:
        """Begin the call, or refuse it with its cause."""
        record = self._record_of(request)
        try:
            line = self.select(request.line, request.address)
        except CallError as error:
            cause = HangupCause.of(error.cause)
            self._calls.turn_away(record, Side.GATEWAY, cause, error.reason)
            self._calls.spawn(_refuse(request, cause, error.reason), record.call)
            return
        self._lines.took(line)
        record.line = line.name
        ring_s = min(
            request.ring_seconds or line.settings.ring_seconds,
            line.settings.ring_seconds,
        )
        call = self._calls.new(record, line, ring_s)
        call.pbx_leg = request.leg
        call.addresses = request.addresses
        if request.line in SELECTORS:
            call.next_line = partial(self._next_line, call, request.line, set())
        request.leg.ring_seconds = ring_s
        request.leg.report_to(call.post)
        self._calls.start(call, PbxOffered())

    def has_line(self, name: str) -> bool:
        """Tell whether a line of this name is here."""
        line = self._lines.get(name)
        return line is not None and self._belongs(line)

    def select(self, selector: str, address: str) -> Line:
        """Return the line for a call. Raises CallError with the cause if none is."""
        if self.closing:
            raise CallError(HangupCause.NETWORK_OUT_OF_ORDER, self.closing)
        if selector not in SELECTORS and not self.has_line(selector):
            raise CallError(HangupCause.NO_ROUTE, f"there is no line {selector!r}")
        return self._lines.select(selector, address, self._elsewhere())

    def _elsewhere(self) -> set[Line]:
        return {line for line in self._lines if not self._belongs(line)}

    def _record_of(self, request: PbxRequest) -> CallRecord:
        return CallRecord(
            # A contact's UUID serves many calls; any other is of one call only.
            call=str(uuid.uuid4()) if request.contact else request.uuid,
            direction=Direction.TO_LINE,
            line=request.line,
            address=request.address,
            caller=request.caller[:MOST_NAME],
            caller_name=request.caller_name[:MOST_NAME],
            uuid=request.uuid,
            uniqueid=request.uniqueid,
            linkedid=request.linkedid,
            sip_call_id=request.sip_call_id,
            placed=self._clock.wall(),
        )

    def _next_line(
        self, call: CallRunner, selector: str, tried: set[Line], error: CallError
    ) -> Line | None:
        """Return another line for a call whose line turns out to be in use.

        It is so without us: by a person at its client, or by a caller whose call we
        have not been offered yet.
        """
        tried.add(call.line)
        if error.cause != HangupCause.CONGESTION:
            return None
        try:
            besides = tried | self._elsewhere()
            line = self._lines.select(selector, call.record.address, besides)
        except CallError:
            return None
        call.line.free(call.record.call)
        line.seize(call.record.call)
        self._lines.took(line)
        return line


async def _refuse(request: PbxRequest, cause: HangupCause, reason: str) -> None:
    with suppress(SkypechanError):
        await request.leg.release(cause, reason)
