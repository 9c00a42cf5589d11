"""A gateway that stands still: fixed lines, calls and records to show."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from skypechan.asterisk.click import Click, Clicked
from skypechan.audio.meter import Level
from skypechan.backends.echo.backend import EchoBackend
from skypechan.call.causes import DialStatus, HangupCause
from skypechan.call.record import CallRecord, Direction, Side
from skypechan.call.routes import Target
from skypechan.errors import CallError, CommandError, SkypechanError
from skypechan.gateway.feed import Feed
from skypechan.gateway.line import Line
from skypechan.gateway.lines import Lines
from skypechan.gateway.people import People
from skypechan.gateway.reloaded import Change, LineOutcome, Reloaded
from skypechan.gateway.selftest import Verdict
from skypechan.gateway.settings import LineSettings
from skypechan.gateway.snapshot import (
    CallSnapshot,
    GatewaySnapshot,
    LineSnapshot,
    LinkSnapshot,
)
from skypechan.gateway.totals import Totals
from skypechan.media.values import DirectionFigures, MediaFigures, Payload
from tests.doubles.clock import FakeClock
from tests.doubles.talkative import TalkativeBackend

HOSTILE = "</script><img src=x onerror=alert(1)>\u202e\"'\n{{7*7}}\ud800" + "A" * 2_000


def at(second: int) -> datetime:
    return datetime(2026, 1, 2, 3, 4, second, tzinfo=UTC)


def figures(queue_ms: float = 12.5, level_dbfs: float = -23.4) -> MediaFigures:
    to_pbx = DirectionFigures(
        frames=500,
        dropped=0,
        gaps=1,
        filled=3,
        queue_ms=0.0,
        level=Level(level_dbfs, -25.0, -9.0, clipped=2, limited=7),
        delay_ms=42.0,
        drift_ppm=-200.0,
        late=6,
        concealed_ms=40.0,
        skipped_ms=20.0,
        smoothed=True,
    )
    to_line = DirectionFigures(
        frames=498,
        dropped=4,
        gaps=2,
        filled=5,
        queue_ms=queue_ms,
        level=Level(-100.0, -100.0, -100.0, clipped=0, limited=0),
    )
    return MediaFigures(to_pbx, to_line, Payload.LINEAR, digits=0)


def live_call(call: str, media: MediaFigures | None = None) -> CallSnapshot:
    return CallSnapshot(
        call=call,
        line="skypeclient",
        direction=Direction.TO_PBX,
        state="established" if media else "offered",
        address="600@from-skypechan",
        caller="bob",
        caller_name=HOSTILE,
        placed=at(1),
        ringing=at(2) if media else None,
        answered=at(4) if media else None,
        held_by=(),
        media=media,
    )


def record(call: str, second: int = 9) -> CallRecord:
    return CallRecord(
        call=call,
        direction=Direction.TO_LINE,
        line="skypeclient",
        address="echo123",
        caller="1001",
        caller_name=HOSTILE,
        placed=at(1),
        ended=at(second),
        cause=HangupCause.USER_BUSY,
        status=DialStatus.BUSY,
        reason="busy",
        released_by=Side.LINE,
    )


def line(name: str, state: str = "ready", reason: str = "") -> LineSnapshot:
    return LineSnapshot(name, "skype", state, reason, at(0), "skypet123", None, 3)


def link(state: str = "up", reason: str = "") -> LinkSnapshot:
    return LinkSnapshot("asterisk", state, reason, at(0))


def gateway_of(
    lines: tuple[LineSnapshot, ...] = (line("skypeclient"),),
    calls: tuple[CallSnapshot, ...] = (),
    links: tuple[LinkSnapshot, ...] = (link(),),
    calls_total: dict[str, int] | None = None,
    refused_sockets: dict[str, int] | None = None,
    media_ended: dict[str, float] | None = None,
) -> GatewaySnapshot:
    return GatewaySnapshot(
        lines,
        calls,
        links,
        calls_total or {},
        refused_sockets or {},
        Totals().media() | (media_ended or {}),
    )


class FixedScreen:
    """A screen that shows one picture and remembers what was done on it."""

    def __init__(self) -> None:
        self.shown = b"a picture"
        self.worked: list[tuple[object, ...]] = []
        self.refusal: SkypechanError | None = None

    async def picture(self) -> bytes:
        self._work()
        return self.shown

    async def click(self, x: int, y: int, button: int) -> None:
        self._work("click", x, y, button)

    async def type(self, text: str) -> None:
        self._work("type", text)

    async def press(self, key: str) -> None:
        self._work("press", key)

    def _work(self, *what: object) -> None:
        if self.refusal:
            raise self.refusal
        if what:
            self.worked.append(what)


class FixedGateway:
    """Shows what it was given and remembers what was asked of it.

    Of the lines, `skypeclient` has a client that can do all that concerns people, and
    `dumb` one that can do nothing of it.
    """

    def __init__(
        self,
        now: GatewaySnapshot | None = None,
        ended: Sequence[CallRecord] = (),
    ) -> None:
        self.now = now or gateway_of()
        self.ended = list(ended)
        self.hung_up: list[str] = []
        self.acts: list[tuple[object, ...]] = []
        self.clicks: list[Click] = []
        self.refusal: SkypechanError | None = None
        self.verdict: Verdict | None = None
        self.glass = FixedScreen()
        clock = FakeClock()
        self.client = TalkativeBackend()
        lines = Lines(
            Line(name, LineSettings(), backend, clock)
            for name, backend in (
                ("skypeclient", self.client),
                ("dumb", EchoBackend()),
            )
        )
        self.feed = Feed(clock)
        self.people = People(lines, self.feed, clock)
        for one in lines:
            self.people.listen(one)

    async def snapshot(self) -> GatewaySnapshot:
        return self.now

    def records(
        self, since: datetime | None = None, call: str = ""
    ) -> Sequence[CallRecord]:
        return tuple(
            one
            for one in self.ended
            if (not since or (one.ended and one.ended >= since))
            and (not call or one.call == call)
        )

    def hangup(self, call_id: str) -> bool:
        self.hung_up.append(call_id)
        return self._has_call(call_id)

    def screen(self, name: str) -> FixedScreen:
        if name not in {line.name for line in self.now.lines}:
            raise CallError(HangupCause.NO_ROUTE, f"there is no line {name!r}")
        if name != "skypeclient":
            raise CommandError(f"the screen of line {name} is not shown")
        return self.glass

    def hold_call(self, call_id: str) -> bool:
        return self._on_call("hold", call_id)

    def resume_call(self, call_id: str) -> bool:
        return self._on_call("resume", call_id)

    def tap(self, call_id: str, path: Path | None, seconds: float = 600) -> bool:
        return self._on_call("tap", call_id, path, seconds)

    def audio_text(self, call_id: str) -> str | None:
        return "TO_PBX: all of it\n" if self._has_call(call_id) else None

    def _on_call(self, act: str, call_id: str, *more: object) -> bool:
        if self.refusal:
            raise self.refusal
        live = {one.call: one.media for one in self.now.calls}
        if live.get(call_id) is None:
            return False
        self.acts.append((act, call_id, *more))
        return True

    def _has_call(self, call_id: str) -> bool:
        return any(call.call == call_id for call in self.now.calls)

    def pause(self, name: str, *, when_idle: bool = True) -> bool:
        return self._on_line("pause", name, when_idle)

    def resume(self, name: str) -> bool:
        return self._on_line("resume", name)

    def restart(self, name: str, *, when_idle: bool = True) -> bool:
        return self._on_line("restart", name, when_idle)

    def set_gain(
        self,
        name: str,
        *,
        playback_db: float | None = None,
        capture_db: float | None = None,
    ) -> bool:
        return self._on_line("gain", name, playback_db, capture_db)

    def _on_line(self, act: str, name: str, *more: object) -> bool:
        if name not in {line.name for line in self.now.lines}:
            return False
        self.acts.append((act, name, *more))
        return True

    async def click(self, selector: str, address: str, phone: Target | None) -> Clicked:
        if self.refusal:
            raise self.refusal
        click = Click(phone or Target("600", "from-skypechan"), selector, address, 60)
        self.clicks.append(click)
        return Clicked(click, "skypechan-1")

    async def drain(self, within_s: float) -> int:
        self.acts.append(("drain", within_s))
        return len(self.now.calls)

    async def reload(self) -> Reloaded:
        if self.refusal:
            raise self.refusal
        self.acts.append(("reload",))
        replaced = LineOutcome("skypeclient", Change.REPLACE, ("display",), True)
        return Reloaded(
            (replaced, LineOutcome("dumb", Change.KEEP)),
            restart=("[web] listen",),
            warnings=("line 3 is odd",),
        )

    async def self_test(self) -> Verdict:
        if self.refusal:
            raise self.refusal
        self.verdict = Verdict(passed=True, reason="", figures={"chirps_heard": 5})
        return self.verdict

    @property
    def last_self_test(self) -> Verdict | None:
        return self.verdict
