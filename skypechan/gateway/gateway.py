"""The gateway: its parts joined together, and what an operator may ask of it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path

from skypechan.asterisk.click import Click, Clicked
from skypechan.asterisk.contacts import Contact
from skypechan.asterisk.pbx import PbxState
from skypechan.audio.gain import check_gain
from skypechan.call.causes import HangupCause
from skypechan.call.events import (
    Event,
    HangupRequested,
    HoldRequested,
    ResumeRequested,
)
from skypechan.call.record import CallRecord
from skypechan.call.routes import Route, Target
from skypechan.clock import Clock
from skypechan.errors import CallError, CommandError
from skypechan.gateway import snapshot
from skypechan.gateway.admission import Admission, Doors
from skypechan.gateway.exchanges import Exchange, Exchanges
from skypechan.gateway.feed import Feed
from skypechan.gateway.lamps import device_state
from skypechan.gateway.line import Line
from skypechan.gateway.lines import Lines
from skypechan.gateway.livecalls import LiveCalls
from skypechan.gateway.offers import Offers
from skypechan.gateway.paused import PausedLines
from skypechan.gateway.people import People
from skypechan.gateway.records import RecordBook
from skypechan.gateway.reloaded import Reloaded
from skypechan.gateway.requests import Requests
from skypechan.gateway.runner import CallRunner
from skypechan.gateway.screens import Screen
from skypechan.gateway.selftest import SelfTest, Verdict
from skypechan.gateway.snapshot import GatewaySnapshot
from skypechan.gateway.turnover import Turnover
from skypechan.media.engine import Engine

_DEVICES_TOLD_S = 0.5
_LOOK_S = 0.02


class Gateway:
    """Every line and every live call, and what can be done to them.

    `on_reload` reads the configuration again, where there is one.
    """

    def __init__(
        self,
        lines: Lines,
        exchanges: Sequence[Exchange],
        engine: Engine,
        routes: Sequence[Route],
        clock: Clock,
        records: RecordBook,
        paused: PausedLines,
    ) -> None:
        self.feed = Feed(clock)
        self.people = People(lines, self.feed, clock)
        self.stop_wanted = asyncio.Event()
        self.on_reload: Callable[[], Awaitable[Reloaded]] | None = None
        self.turnover = Turnover(lines, self._take_in, self._gone)
        self._lines = lines
        self._exchanges = Exchanges(exchanges)
        self._clock = clock
        self._records = records
        self._paused = paused
        self._engine = engine
        self._calls = LiveCalls(engine, clock, records, self._exchanges, self.feed)
        self._requests = {
            one.pbx: Requests(lines, partial(self._belongs, one), self._calls, clock)
            for one in self._exchanges
        }
        self._offers = Offers(self._exchanges, routes, self._calls, clock)
        doors = Doors(
            admit=self._offers.take,
            turn_away=self._offers.turn_away,
            call=self._calls.get,
            spawn=self._calls.spawn,
        )
        self._admission = Admission(lines, clock, doors)
        self._self_test = SelfTest(clock, self._offers.bring)

    async def run(self) -> None:
        """Serve until cancelled; then end every call and both kinds of leg."""
        for pbx, requests in self._requests.items():
            pbx.on_request = requests.take
            pbx.has_line = requests.has_line
        self._calls.on_change = self._call_changed
        self._calls.on_end = self._admission.ended
        for name in self._paused.read():
            if (line := self._lines.get(name)) is not None:
                line.pause()
        async with (
            self._records.kept(),
            self._paused.kept(),
            asyncio.TaskGroup() as tasks,
        ):
            self._calls.run_in(tasks)
            for one in self._exchanges:
                one.pbx.on_state = partial(self._pbx_changed, one)
                tasks.create_task(one.pbx.run(), name="pbx")
                tasks.create_task(one.devices.run(), name="device states")
            self.turnover.run_in(tasks)

    def _belongs(self, exchange: Exchange, line: Line) -> bool:
        return self._exchanges.of(line) is exchange

    def _take_in(self, line: Line) -> None:
        line.on_offer = self._admission.offered
        line.on_change = self._line_changed
        self._show(line)
        self.people.listen(line)
        if self._admission.closing:
            line.stop(self._admission.closing)

    def _line_changed(self, line: Line) -> None:
        self.feed.line_changed(line)
        self._show(line)
        self._keep_paused()

    def _gone(self, _: Line) -> None:
        self._keep_paused()

    def _keep_paused(self) -> None:
        self._paused.keep(line.name for line in self._lines if line.is_paused)

    def _call_changed(self, call: CallRunner) -> None:
        self._show(call.line)

    def _show(self, line: Line) -> None:
        """Let Asterisk's lamps show a line as it is now."""
        if self._lines.get(line.name) is line:  # that of the self-test is not
            call = self._calls.get(line.call_id or "")
            devices = self._exchanges.of(line).devices
            devices.show(line.name, device_state(line, call))

    def _pbx_changed(self, exchange: Exchange) -> None:
        self.feed.link_changed(snapshot.of_pbx(exchange.pbx))
        if exchange.pbx.state is PbxState.READY:
            exchange.devices.show_again()

    @property
    def is_idle(self) -> bool:
        """Tell whether no call lives."""
        return not self._calls

    async def drain(self, within_s: float) -> int:
        """Let no new call in, wait for the ends of the others, and want to stop.

        Returns how many have not ended in time: the stop ends them.
        """
        self._close("the gateway is drained")
        await self._last_call_ended(within_s)
        self.stop_wanted.set()
        return len(self._calls)

    async def release_all(self, reason: str, within_s: float) -> None:
        """End every live call, let no new one in, and wait for the ends."""
        self._close(reason)
        for call in self._calls:
            call.post(HangupRequested(HangupCause.NORMAL_CLEARING, reason))
        for pbx in self._requests:
            await pbx.clicks.end_all()
        await self._last_call_ended(within_s)
        told = (one.devices.all_told(_DEVICES_TOLD_S) for one in self._exchanges)
        await asyncio.gather(*told)

    def _close(self, reason: str) -> None:
        """Let no new call in."""
        self._admission.closing = reason
        for requests in self._requests.values():
            requests.closing = reason
        for line in self._lines:
            line.stop(reason)

    async def _last_call_ended(self, within_s: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self._calls:
                    await self._clock.sleep(_LOOK_S)

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

        A client that the gateway has started is started anew.
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
        call = self._calls.of_line(line)
        if call is not None and not when_idle:
            call.post(HangupRequested(HangupCause.NORMAL_CLEARING, why))
        return True

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
        self._set_gain_of_call(line)
        return True

    def _set_gain_of_call(self, line: Line) -> None:
        call = self._calls.of_line(line)
        if call is not None and call.media is not None:
            call.media.set_gain(line.playback_db, line.capture_db)

    # Another configuration.

    async def reload(self) -> Reloaded:
        """Read the configuration again and be as it says; calls go on untouched.

        Raises ConfigError, and then nothing has changed; CommandError for a gateway
        that has not begun to serve, or is about to stop.
        """
        if self.on_reload is None or not self.turnover.runs:
            raise CommandError("not now: the gateway starts")
        if self._admission.closing:
            raise CommandError(f"not now: {self._admission.closing}")
        return await self.on_reload()

    def set_line(self, new: Line) -> None:
        """Give a line the settings of a new one, gains at once, for its call too."""
        self.turnover.set(new)
        self._set_gain_of_call(self._lines[new.name])

    def set_places(
        self,
        lines: Sequence[str],
        routes: Sequence[Route],
        contacts: Mapping[str, Contact],
    ) -> None:
        """Have another order of lines, other routes and other contacts."""
        self._lines.arrange(lines)
        self._offers.routes = routes
        for exchange in self._exchanges:
            exchange.pbx.know(contacts)

    def screen(self, name: str) -> Screen:
        """Return the screen of a line's client.

        Raises CallError for a line that there is not, CommandError where it is kept.
        """
        line = self._lines.get(name)
        if line is None:
            raise CallError(HangupCause.NO_ROUTE, f"there is no line {name!r}")
        if line.screen is None:
            option = f"screen_in_page of [lines.{name}.client]"
            raise CommandError(f"the screen of line {name} is not shown: see {option}")
        return line.screen

    def hold_call(self, call_id: str) -> bool:
        """Ask a call's line leg to rest; False if there is no call that could."""
        return self._hold(call_id, HoldRequested())

    def resume_call(self, call_id: str) -> bool:
        """Ask a call's line leg to go on; False if there is no call that could."""
        return self._hold(call_id, ResumeRequested())

    def _hold(self, call_id: str, wish: Event) -> bool:
        call = self._calls.get(call_id)
        if call is None or not call.can_hold:
            return False
        call.post(wish)
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

    async def snapshot(self) -> GatewaySnapshot:
        """Return what the gateway looks like now.

        Each call and each line is seen at a moment of its own: the audio of calls
        passes in between.
        """
        calls_total = self._calls.totals.calls()
        calls, ended = await snapshot.of_calls(self._calls, self._calls.totals)
        return GatewaySnapshot(
            lines=await snapshot.of_lines(self._lines),
            calls=calls,
            links=tuple(snapshot.of_pbx(pbx) for pbx in self._requests),
            calls_total=calls_total,
            media_ended=ended,
            refused_sockets=self._refused_sockets(),
            records=snapshot.of_records(self._records),
            media_busy=round(self._engine.busy_share, 3),
        )

    def _refused_sockets(self) -> dict[str, int]:
        refused: Counter[str] = Counter()
        for pbx in self._requests:
            refused.update(pbx.refused_sockets)
        return dict(refused)

    async def click(self, selector: str, address: str, phone: Target | None) -> Clicked:
        """Ring `phone` and, when it answers, call an address on a line for it.

        Without `phone` the line's own target is rung. ANY, RR and LRU are lines of the
        first Asterisk. Raises CallError when no line can take the call, LinkError
        without Asterisk, CommandError when it refuses.
        """
        named = self._lines.get(selector)
        exchange = self._exchanges.of(named) if named else self._exchanges.first
        line = self._requests[exchange.pbx].select(selector, address)
        settings = line.settings
        click = Click(
            phone or settings.target, selector, address, settings.ring_seconds
        )
        return await exchange.pbx.clicks.ring(click)

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
