"""The gateway: admits calls from both sides and keeps the live ones."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from skypechan.asterisk.channel import PbxLeg
from skypechan.asterisk.click import Click, Clicked
from skypechan.asterisk.devices import Devices
from skypechan.asterisk.dialplan import Origination
from skypechan.asterisk.pbx import Pbx, PbxRequest, PbxState
from skypechan.audio.gain import check_gain
from skypechan.backends.base import Offer
from skypechan.call.causes import HangupCause
from skypechan.call.events import (
    Event,
    HangupRequested,
    HoldRequested,
    LineOffered,
    PbxOffered,
    ResumeRequested,
)
from skypechan.call.machine import CallState
from skypechan.call.record import CallRecord, Direction, Side
from skypechan.call.routes import Incoming, Route, Target, find
from skypechan.clock import Clock
from skypechan.errors import CallError, CommandError, SkypechanError
from skypechan.gateway import snapshot
from skypechan.gateway.admission import Admission, Doors
from skypechan.gateway.feed import Feed
from skypechan.gateway.lamps import device_state
from skypechan.gateway.lines import SELECTORS, Line, Lines
from skypechan.gateway.people import People
from skypechan.gateway.records import RecordBook
from skypechan.gateway.runner import CallLimits, CallRunner
from skypechan.gateway.selftest import SelfTest, Verdict
from skypechan.gateway.snapshot import GatewaySnapshot
from skypechan.gateway.totals import Totals
from skypechan.media.engine import Engine

_log = logging.getLogger(__name__)

_DEVICES_TOLD_S = 0.5
_MOST_NAME = 256  # characters kept of what strangers call themselves
# When there is something new to say in Asterisk's call details.
_DETAILED = (
    CallState.PLACING,
    CallState.ANSWERING_LINE,
    CallState.ANSWERING_PBX,
    CallState.ESTABLISHED,
    CallState.RELEASING_PBX,
    CallState.RELEASING_BOTH,
)


class Gateway:
    """Every line, every live call, and the rules of who is let in."""

    def __init__(
        self,
        lines: Lines,
        pbx: Pbx,
        engine: Engine,
        routes: Sequence[Route],
        clock: Clock,
        records: RecordBook,
        devices: Devices,
    ) -> None:
        self._lines = lines
        self._pbx = pbx
        self._engine = engine
        self._routes = routes
        self._clock = clock
        self._calls: dict[str, CallRunner] = {}
        self._records = records
        self._devices = devices
        self._totals = Totals()
        self.feed = Feed(clock)
        self.people = People(lines, self.feed, clock)
        self._tasks: asyncio.TaskGroup | None = None
        doors = Doors(self._admit, self._turn_offer_away, self._calls.get, self._spawn)
        self._admission = Admission(lines, clock, doors)
        self._self_test = SelfTest(clock, self._offer)

    async def run(self) -> None:
        """Serve until cancelled; then end every call and both kinds of leg."""
        self._pbx.on_request = self._requested
        self._pbx.on_state = self._pbx_changed
        for line in self._lines:
            self._take_in(line)
        async with self._records.kept(), asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            tasks.create_task(self._pbx.run(), name="pbx")
            tasks.create_task(self._devices.run(), name="device states")
            for line in self._lines:
                tasks.create_task(line.serve(), name=f"line {line.name}")

    def _take_in(self, line: Line) -> None:
        line.on_offer = self._admission.offered
        line.on_change = self._line_changed
        self._show(line)
        self.people.listen(line)

    def _line_changed(self, line: Line) -> None:
        self.feed.line_changed(line)
        self._show(line)

    def _show(self, line: Line) -> None:
        """Let Asterisk's lamps show a line as it is now."""
        if self._lines.get(line.name) is line:  # that of the self-test is not
            call = self._calls.get(line.call_id or "")
            self._devices.show(line.name, device_state(line, call))

    def _pbx_changed(self) -> None:
        self.feed.link_changed(snapshot.of_pbx(self._pbx))
        if self._pbx.state is PbxState.READY:
            self._devices.show_again()

    async def release_all(self, reason: str, within_s: float) -> None:
        """End every live call, let no new one in, and wait for the ends."""
        self._admission.closing = reason
        for call in list(self._calls.values()):
            call.post(HangupRequested(HangupCause.NORMAL_CLEARING, reason))
        await self._pbx.clicks.end_all()
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self._calls:
                    await self._clock.sleep(0.02)
        for line in self._lines:
            line.stop(reason)
        await self._devices.all_told(_DEVICES_TOLD_S)

    def hangup(self, call_id: str) -> bool:
        """Ask a live call to end; False if there is no such call."""
        call = self._calls.get(call_id)
        if call is not None:
            call.post(HangupRequested())
        return call is not None

    def pause(self, name: str, *, when_idle: bool = True) -> bool:
        """Let a line take no more calls; False if there is no such line.

        A call that has it may go on, but without `when_idle` it is ended.
        """
        return self._operate(name, Line.pause, "the line is paused", when_idle)

    def resume(self, name: str) -> bool:
        """Let a paused line take calls again; False if there is no such line."""
        return self._operate(name, Line.resume, "", True)

    def restart(self, name: str, *, when_idle: bool = True) -> bool:
        """Attach a line to its client anew; False if there is no such line.

        A call that has it may first go on, but without `when_idle` it is ended.
        """
        return self._operate(name, Line.restart, "the line is restarted", when_idle)

    def _operate(
        self, name: str, what: Callable[[Line], None], why: str, when_idle: bool
    ) -> bool:
        line = self._lines.get(name)
        if line is None:
            return False
        what(line)
        call = self._call_of(line)
        if call is not None and not when_idle:
            call.post(HangupRequested(HangupCause.NORMAL_CLEARING, why))
        return True

    def _call_of(self, line: Line) -> CallRunner | None:
        """Return the call of a line; one that it only rests for is of another."""
        call = self._calls.get(line.call_id or "")
        return call if call is not None and call.line is line else None

    def set_gain(
        self,
        name: str,
        *,
        playback_db: float | None = None,
        capture_db: float | None = None,
    ) -> bool:
        """Set a line's gains until the next start, those of its call at once.

        `playback_db` acts towards the line, `capture_db` from it; None leaves one as
        it is. False if there is no such line; CommandError beyond -40 to 40 dB.
        """
        line = self._lines.get(name)
        if line is None:
            return False
        wanted = (
            line.playback_db if playback_db is None else playback_db,
            line.capture_db if capture_db is None else capture_db,
        )
        try:
            for gain_db in wanted:
                check_gain(gain_db)
        except ValueError as error:
            raise CommandError(str(error)) from error
        line.playback_db, line.capture_db = wanted
        call = self._call_of(line)
        if call is not None and call.media is not None:
            call.media.set_gain(*wanted)
        return True

    def hold_call(self, call_id: str) -> bool:
        """Ask a call's line leg to rest; False if there is no call that could."""
        call = self._calls.get(call_id)
        if call is None or not call.can_hold:
            return False
        call.post(HoldRequested())
        return True

    def resume_call(self, call_id: str) -> bool:
        """Ask a call's line leg to go on; False if there is no call that could."""
        call = self._calls.get(call_id)
        if call is None or not call.can_hold:
            return False
        call.post(ResumeRequested())
        return True

    def audio_text(self, call_id: str) -> str | None:
        """Describe the audio chain of a live call; None if there is no such call."""
        call = self._calls.get(call_id)
        return call.audio_text() if call is not None else None

    def tap(self, call_id: str, path: Path | None, seconds: float = 600) -> bool:
        """Record both directions of a live call to a new WAV file; None ends it.

        False if there is no such call. Raises OSError when the file exists or cannot
        be created, CallError before the audio is joined.
        """
        call = self._calls.get(call_id)
        if call is not None:
            call.tap(path, seconds)
        return call is not None

    def records(
        self, since: datetime | None = None, call: str = ""
    ) -> Sequence[CallRecord]:
        """Return the records of the last calls, newest last.

        With `since` only of calls that ended then or later, with `call` only of one.
        """
        return self._records.find(since, call)

    def snapshot(self) -> GatewaySnapshot:
        """Return what the gateway looks like now."""
        return GatewaySnapshot(
            lines=tuple(snapshot.of_line(line) for line in self._lines),
            calls=tuple(snapshot.of_call(call) for call in self._calls.values()),
            links=(snapshot.of_pbx(self._pbx),),
            calls_total=self._totals.calls(),
            media_ended=self._totals.media(self._calls.values()),
            refused_sockets=dict(self._pbx.refused_sockets),
            records=snapshot.of_records(self._records),
        )

    async def click(self, selector: str, address: str, phone: Target | None) -> Clicked:
        """Ring `phone` and, when it answers, call an address on a line for it.

        Without `phone` the line's own target is rung. Raises CallError when no line
        can take the call, LinkError without Asterisk, CommandError when it refuses.
        """
        line = self._select(selector, address)
        settings = line.settings
        click = Click(
            phone or settings.target, selector, address, settings.ring_seconds
        )
        return await self._pbx.clicks.ring(click)

    @property
    def last_self_test(self) -> Verdict | None:
        """The verdict of the last self-test, if there was one."""
        return self._self_test.last

    async def self_test(self) -> Verdict:
        """Make a call to Asterisk's echo and judge it; some four seconds.

        Raises CommandError while another one runs.
        """
        if self._self_test.running:
            raise CommandError("a self-test runs already")
        return await self._self_test.run()

    # Calls from the line to the PBX.

    def _turn_offer_away(
        self, line: Line, offer: Offer, side: Side, cause: HangupCause, reason: str
    ) -> None:
        self._turn_away(self._record_of(line, offer), side, cause, reason)

    def _admit(self, line: Line, offer: Offer) -> CallRunner:
        facts = Incoming(line.name, line.account, offer.caller, offer.kind)
        target = find(self._routes, facts, line.settings.target)
        return self._offer(line, offer, target)

    def _record_of(self, line: Line, offer: Offer) -> CallRecord:
        return CallRecord(
            call=str(uuid.uuid4()),
            direction=Direction.TO_PBX,
            line=line.name,
            caller=offer.caller[:_MOST_NAME],
            caller_name=offer.caller_name[:_MOST_NAME],
            line_call=offer.leg.leg_id,
            placed=self._clock.wall(),
        )

    def _offer(self, line: Line, offer: Offer, target: Target) -> CallRunner:
        record = self._record_of(line, offer)
        record.address = str(target)
        settings = line.settings
        call = self._new_call(record, line, settings.ring_seconds)
        call.line_leg = offer.leg

        async def originate() -> PbxLeg:
            leg = await self._pbx.originate(
                Origination(
                    target=target,
                    call=record.call,
                    line=line.name,
                    account=line.account,
                    caller=record.caller,
                    caller_name=record.caller_name,
                    kind=offer.kind,
                    language=settings.language,
                    ring_seconds=settings.ring_seconds,
                ),
                call.post,
            )
            self._spawn(self._detail_when_born(leg, record), record.call)
            return leg

        call.originate = originate
        self._start(call, LineOffered())
        return call

    # Calls from the PBX to a line.

    def _requested(self, request: PbxRequest) -> None:
        record = CallRecord(
            # A contact's UUID serves many calls; any other is of one call only.
            call=str(uuid.uuid4()) if request.contact else request.uuid,
            direction=Direction.TO_LINE,
            line=request.line,
            address=request.address,
            caller=request.caller[:_MOST_NAME],
            caller_name=request.caller_name[:_MOST_NAME],
            uuid=request.uuid,
            uniqueid=request.uniqueid,
            linkedid=request.linkedid,
            sip_call_id=request.sip_call_id,
            placed=self._clock.wall(),
        )
        try:
            line = self._select(request.line, request.address)
        except CallError as error:
            cause = HangupCause.of(error.cause)
            self._turn_away(record, Side.GATEWAY, cause, error.reason)
            self._spawn(self._refuse(request, cause, error.reason), record.call)
            return
        self._lines.took(line)
        record.line = line.name
        ring_s = min(
            request.ring_seconds or line.settings.ring_seconds,
            line.settings.ring_seconds,
        )
        call = self._new_call(record, line, ring_s)
        call.pbx_leg = request.leg
        call.addresses = request.addresses
        if request.line in SELECTORS:
            call.next_line = partial(self._next_line, call, request.line, set())
        request.leg.ring_seconds = ring_s
        request.leg.report_to(call.post)
        self._start(call, PbxOffered())

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
            line = self._lines.select(selector, call.record.address, tried)
        except CallError:
            return None
        call.line.free(call.record.call)
        line.seize(call.record.call)
        self._lines.took(line)
        return line

    def _select(self, selector: str, address: str) -> Line:
        if closing := self._admission.closing:
            raise CallError(HangupCause.NETWORK_OUT_OF_ORDER, closing)
        return self._lines.select(selector, address)

    async def _refuse(
        self, request: PbxRequest, cause: HangupCause, reason: str
    ) -> None:
        with suppress(SkypechanError):
            await request.leg.release(cause, reason)

    # Both ways.

    def _new_call(self, record: CallRecord, line: Line, ring_s: float) -> CallRunner:
        limits = CallLimits(ring_s, line.settings.max_call_seconds)
        call = CallRunner(record, line, self._engine, self._clock, limits)
        call.on_change = self._changed
        return call

    def _changed(self, call: CallRunner) -> None:
        self.feed.call_changed(call)
        self._records.update()
        if call.pbx_leg is not None and call.state in _DETAILED:
            self._pbx.details.write(call.pbx_leg.channels, call.record)
        self._show(call.line)

    async def _detail_when_born(self, leg: PbxLeg, record: CallRecord) -> None:
        await leg.wait_for_birth()
        self._pbx.details.write(leg.channels, record)

    def _start(self, call: CallRunner, first: Event) -> None:
        call_id = call.record.call
        self._calls[call_id] = call
        call.line.seize(call_id)
        self._records.begin(call.record)
        call.post(first)
        self._spawn(self._live(call), call_id)

    async def _live(self, call: CallRunner) -> None:
        """Run one call to its end. Nothing that goes wrong in it goes further."""
        try:
            await call.run()
        except Exception:  # noqa: BLE001 - its legs are still to be released
            _log.exception("! call %s was lost", call.record.call)
            await call.abandon("a fault in the gateway")
        finally:
            self._calls.pop(call.record.call, None)
            call.line.free(call.record.call)
            self._admission.ended(call.record.call)
            # Only of a call that our own end has cut short.
            cause, reason = HangupCause.NORMAL_CLEARING, "the gateway stopped"
            call.record.end(Side.GATEWAY, cause, reason, self._clock.wall())
            self._file(call.record)

    def _turn_away(
        self, record: CallRecord, side: Side, cause: HangupCause, reason: str
    ) -> None:
        record.end(side, cause, reason, self._clock.wall())
        self._file(record)

    def _file(self, record: CallRecord) -> None:
        self._records.file(record)
        self._totals.add(record)
        self.feed.filed(record)
        _log.info("record %s", json.dumps(record.as_json(), ensure_ascii=False))

    def _spawn(self, work: Coroutine[Any, Any, None], call_id: str) -> None:
        if self._tasks is None:
            work.close()
            raise CallError(HangupCause.TEMPORARY_FAILURE, "the gateway is not running")
        guarded = self._guarded(work)
        try:
            self._tasks.create_task(guarded, name=f"call {call_id}")
        except RuntimeError:  # the gateway goes down, and every leg with it
            guarded.close()
            work.close()

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        """Let a fault in the work on one call go no further."""
        try:
            await work
        except Exception:  # noqa: BLE001 - a lost call never stops the gateway
            _log.exception("! the work on a call was lost")
