"""A gateway that stands still: fixed lines, calls and records to show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from skypechan.asterisk.click import Click, Clicked
from skypechan.audio.meter import Level
from skypechan.call.causes import DialStatus, HangupCause
from skypechan.call.record import CallRecord, Direction, Side
from skypechan.call.routes import Target
from skypechan.errors import SkypechanError
from skypechan.gateway.selftest import Verdict
from skypechan.gateway.snapshot import (
    CallSnapshot,
    GatewaySnapshot,
    LineSnapshot,
    LinkSnapshot,
)
from skypechan.gateway.totals import Totals
from skypechan.media.values import DirectionFigures, MediaFigures, Payload

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
        Totals().media([]) | (media_ended or {}),
    )


@dataclass
class FixedGateway:
    """Shows what it was given and remembers which calls were to end."""

    now: GatewaySnapshot = field(default_factory=gateway_of)
    ended: list[CallRecord] = field(default_factory=list)
    hung_up: list[str] = field(default_factory=list)

    clicks: list[Click] = field(default_factory=list)
    refusal: SkypechanError | None = None
    verdict: Verdict | None = None

    def snapshot(self) -> GatewaySnapshot:
        return self.now

    def records(self) -> Sequence[CallRecord]:
        return tuple(self.ended)

    def hangup(self, call_id: str) -> bool:
        self.hung_up.append(call_id)
        return any(call.call == call_id for call in self.now.calls)

    async def click(self, selector: str, address: str, phone: Target | None) -> Clicked:
        if self.refusal:
            raise self.refusal
        click = Click(phone or Target("600", "from-skypechan"), selector, address, 60)
        self.clicks.append(click)
        return Clicked(click, "skypechan-1")

    async def self_test(self) -> Verdict:
        if self.refusal:
            raise self.refusal
        self.verdict = Verdict(passed=True, reason="", figures={"chirps_heard": 5})
        return self.verdict

    @property
    def last_self_test(self) -> Verdict | None:
        return self.verdict
