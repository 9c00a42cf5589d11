"""The calls that are measured, and the ways that chirps take in them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from benchmarks.parts.bare import EXTENSION
from benchmarks.parts.chirps import (
    Samples,
    Series,
    measure,
    measure_chain,
    train,
    write_wav,
)
from benchmarks.parts.house import TO_PHONE, House
from skypechan.audio.probe import TimedSound
from skypechan.demo.report import tell
from skypechan.errors import DeadlineError, StepError
from tests.doubles.rtp import PTIME_S, RATE_HZ, sound_of
from tests.doubles.sip_call import Call

ASTERISK = "phone - Asterisk Echo() - phone"
BARE = "phone - Asterisk - bare AudioSocket echo - back"
LINE_ROUND = "Skype - gateway - Asterisk Echo() - back"
PHONE_ROUND = "phone - gateway - Skype echo - back"
PHONE_ROUND_BARE = "  less what the Skype echo holds"
IN_ECHO = "  of it held by the Skype echo"
TO_LINE = "phone - gateway - Skype"
TO_PBX = "Skype - gateway - phone"
ECHO_TO_LINE = "  of it phone - gateway - Skype"
ECHO_TO_PBX = "  of it Skype - gateway - phone"
WAYS = (
    ASTERISK,
    BARE,
    LINE_ROUND,
    PHONE_ROUND,
    ECHO_TO_LINE,
    IN_ECHO,
    ECHO_TO_PBX,
    PHONE_ROUND_BARE,
    TO_LINE,
    TO_PBX,
)

_SKYPE_RATE_HZ = 16_000
_ANSWER_S = 10.0
_LATE_S = 0.5  # for the last chirp to come back
_ADDS_UP = ("filled", "concealed_ms", "skipped_ms")
_AT_THE_END = ("smoothed", "delay_ms", "queue_ms")


@dataclass(frozen=True, slots=True)
class WayTold:
    """A way of one call: its chirps, and what the gateway did to it meanwhile.

    Delays stand as in `Series.delays_ms`: of the rising chirps, then of the falling.
    A step in the delays has its reason there: silence that was put in (`filled`), audio
    that was made up or cut out, or a source that came to be `smoothed`.
    """

    way: str
    delays_ms: list[float]
    gateway: dict[str, float | bool]

    def __str__(self) -> str:
        figures = ", ".join(f"{name} {value}" for name, value in self.gateway.items())
        least_ms = min(self.delays_ms, default=0)
        most_ms = max(self.delays_ms, default=0)
        return f"{self.way}: chirps {least_ms:.2f} to {most_ms:.2f} ms; {figures}"


@dataclass(slots=True)
class Bench:
    """The house, the dice, how long each call speaks, and what has been measured.

    `told` is of the calls in which both speak.
    """

    house: House
    chance: random.Random
    seconds: float
    series: dict[str, Series]
    told: list[WayTold]

    def chirps(self, rate_hz: int) -> Samples:
        """Return what one end of a call says."""
        return train(self.seconds, rate_hz, self.chance)


Path = Callable[[Bench], Awaitable[None]]


async def asterisk_alone(bench: Bench) -> None:
    """The phone hears itself by Asterisk's own echo: the baseline of the run."""
    async with _dialled(bench, "600") as call:
        await _speak(bench, call)
    measure(
        bench.series[ASTERISK], sound_of(call.rtp.sent), sound_of(call.rtp.received)
    )


async def bare_audiosocket(bench: Bench) -> None:
    """The phone hears itself by an echo behind Asterisk's channel alone."""
    async with _dialled(bench, EXTENSION) as call:
        await _speak(bench, call)
    measure(bench.series[BARE], sound_of(call.rtp.sent), sound_of(call.rtp.received))


async def line_to_echo(bench: Bench) -> None:
    """A Skype user hears himself by the same echo of Asterisk."""
    skype = bench.house.skype
    async with _called_by(bench, "bench.echo") as number:
        await _play(bench, number)
        sent = await skype.sound(number, "sent")
        heard = await skype.sound(number, "heard")
    measure(bench.series[LINE_ROUND], sent, heard)


async def phone_to_echo(bench: Bench) -> None:
    """The phone hears itself by the Skype user `echo`; every leg is seen."""
    skype = bench.house.skype
    async with _dialled(bench, "7echo") as call:
        number = await skype.newest()
        await _speak(bench, call)
        heard = await skype.sound(number, "heard")
        spoken = await skype.sound(number, "sent")
    measure_chain(
        [bench.series[way] for way in (ECHO_TO_LINE, IN_ECHO, ECHO_TO_PBX)],
        [sound_of(call.rtp.sent), heard, spoken, sound_of(call.rtp.received)],
        [bench.series[PHONE_ROUND], bench.series[PHONE_ROUND_BARE]],
    )


async def both_speak(bench: Bench) -> None:
    """A Skype user and the phone speak at the same time."""
    skype, phone = bench.house.skype, bench.house.phone
    async with _called_by(bench, TO_PHONE) as number:
        call = await phone.next_call(_ANSWER_S)
        await _settle(bench, call)
        before = await _media(bench)
        async with asyncio.TaskGroup() as speaking:
            speaking.create_task(_speak(bench, call))
            speaking.create_task(_play(bench, number))
        sent = await skype.sound(number, "sent")
        heard = await skype.sound(number, "heard")
        after = await _media(bench)
    await call.ended(_ANSWER_S)
    spoken, received = sound_of(call.rtp.sent), sound_of(call.rtp.received)
    _tell_way(bench, TO_LINE, (spoken, heard), _done(before, after, "to_line"))
    _tell_way(bench, TO_PBX, (sent, received), _done(before, after, "to_pbx"))


async def _media(bench: Bench) -> dict[str, Any]:
    """What the gateway tells of both ways of the one call that lives."""
    live = await bench.house.gateway.calls()
    if len(live) != 1 or live[0]["media"] is None:
        raise StepError("the call has ended before it was to be hung up")
    media: dict[str, Any] = live[0]["media"]
    return media


def _done(
    before: dict[str, Any], after: dict[str, Any], way: str
) -> dict[str, float | bool]:
    """What was done to a way between two looks, and how it is at the second."""
    added = {name: round(after[way][name] - before[way][name], 1) for name in _ADDS_UP}
    return added | {name: after[way][name] for name in _AT_THE_END}


def _tell_way(
    bench: Bench,
    way: str,
    sounds: tuple[TimedSound, TimedSound],
    gateway: dict[str, float | bool],
) -> None:
    """Measure one way of a call, and tell what the gateway did to it."""
    series = Series()
    measure(series, *sounds)
    bench.series[way].extend(series)
    delays_ms = [round(float(delay), 3) for delay in series.delays_ms()]
    told = WayTold(way, delays_ms, gateway)
    bench.told.append(told)
    tell(f"latency: {told}")


PATHS: tuple[Path, ...] = (
    asterisk_alone,
    bare_audiosocket,
    line_to_echo,
    phone_to_echo,
    both_speak,
)


@asynccontextmanager
async def _dialled(bench: Bench, extension: str) -> AsyncIterator[Call]:
    """A call of the phone that is up; afterwards no call is left."""
    call = bench.house.phone.call(extension)
    await call.answered(_ANSWER_S)
    await _settle(bench, call)
    yield call
    await call.hang_up()
    await bench.house.gateway.idle()


@asynccontextmanager
async def _called_by(bench: Bench, handle: str) -> AsyncIterator[int]:
    """A call of a Skype user that is up; afterwards no call is left."""
    skype = bench.house.skype
    number = await skype.ring(handle, voice="silence")
    try:
        await skype.call(number, "INPROGRESS", _ANSWER_S)
    except DeadlineError as error:
        record = await bench.house.gateway.record(skype_call=str(number))
        raise StepError(f"{error}: {record['reason']}") from error
    await asyncio.sleep(bench.chance.uniform(0, PTIME_S))
    yield number
    await skype.hang_up(number)
    await bench.house.gateway.idle()


async def _settle(bench: Bench, call: Call) -> None:
    """Give the phone's frame clock any phase: its start would follow the answer."""
    await call.rtp.wait_for_audio(1, _ANSWER_S)
    call.rtp.shift(bench.chance.uniform(0, PTIME_S))
    await call.rtp.wait_for_audio(10, _ANSWER_S)


async def _speak(bench: Bench, call: Call) -> None:
    """Let the phone say its chirps; return when the last has had time to arrive."""
    call.rtp.play(bench.chirps(RATE_HZ))
    await call.rtp.played(bench.seconds * 2 + _ANSWER_S)
    await asyncio.sleep(_LATE_S)


async def _play(bench: Bench, number: int) -> None:
    """Let a Skype user say his chirps; return when the last has had time to arrive."""
    samples = bench.chirps(_SKYPE_RATE_HZ)
    file = bench.house.folder / f"chirps-{number}.wav"
    write_wav(file, samples, _SKYPE_RATE_HZ)
    wish = {"sound": f"wav:{file}"}
    await bench.house.skype.post(f"/calls/{number}/play", wish)
    await asyncio.sleep(len(samples) / _SKYPE_RATE_HZ + _LATE_S)
