"""The calls that are measured, and the ways that chirps take in them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

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


@dataclass(slots=True)
class Bench:
    """The house, the dice, how long each call speaks, and what has been measured."""

    house: House
    chance: random.Random
    seconds: float
    series: dict[str, Series]

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
        async with asyncio.TaskGroup() as speaking:
            speaking.create_task(_speak(bench, call))
            speaking.create_task(_play(bench, number))
        sent = await skype.sound(number, "sent")
        heard = await skype.sound(number, "heard")
    measure(bench.series[TO_LINE], sound_of(call.rtp.sent), heard)
    measure(bench.series[TO_PBX], sent, sound_of(call.rtp.received))
    await call.ended(_ANSWER_S)


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
