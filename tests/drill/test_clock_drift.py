"""A Skype client whose sound clock is off, through Asterisk: delay does not grow.

Half way each program in turn, Asterisk, gateway and client, is stopped for 100 ms, as a
busy machine does it: what the two others send meanwhile must not become delay.

Both ends say chirps now and then; what counts is the least delay of each time they do,
and of a minute the median of those: what stays, and not what one late packet had. The
delay towards the phone is that on the wire. The delay towards the client includes what
waits at the client: its sound device plays by its own clock whatever has come, and
waits where nothing has; that queue is computed from the stamps of what came. Beside it
stands what it would be had the phone's packets gone there as they were: "left alone".

It may grow by 1 ms. Where the machine made a program of ours late so often that frames
are smoothed, it may grow by what the gateway holds back and tells. And where the
machine let the client stand still for less than two frames without being asked to, it
may grow by as long, at most a frame: nobody can tell such a client from one that has
taken in time what it was sent. A pause between two pieces of its sound shows it.

In full
(`make drill MINUTES=10`) the calls last MINUTES, a fast and a slow clock side by side;
`-s` shows the figures. A dozen seconds, with three stops among them, tell no more than
which clock is the fast one, and that nothing piles up: there delay may grow by 100 ms
more than left alone.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from benchmarks.parts.chirps import train, write_wav
from benchmarks.parts.house import TO_PHONE, House, house
from skypechan.audio.probe import TimedSound, delays_ms
from tests.doubles.rtp import RATE_HZ as PHONE_RATE_HZ
from tests.doubles.rtp import sound_of
from tests.doubles.sip_call import Call

_FULL = "SKYPECHAN_DRILL_MINUTES" in os.environ
_CALL_S = float(os.environ.get("SKYPECHAN_DRILL_MINUTES", 0)) * 60 if _FULL else 12.0
_CHIRPS_S = 2.0
_EVERY_S = 6.0 if _FULL else _CALL_S - 2 * _CHIRPS_S
_MINUTE_S = 60.0 if _FULL else _EVERY_S
_PPM = 200.0 if _FULL else 500.0
_EQUAL_MS = 1.0
_SURE_PPM = 20.0
_PILED_MS = 100.0
_ALONE_SHARE = 0.8
_PIECE_MS, _FRAME_MS = 10.0, 20.0
_STOOD_MS = 1.2 * _PIECE_MS
_LATE_S = 0.6
_STOPPED_S = 0.1
_BETWEEN_STOPS_S = 0.5
_LINE_RATE_HZ = 16_000
_ANSWER_S = 10.0
_STORE_S = 30.0


@dataclass(frozen=True, slots=True)
class Delays:
    """Delays in milliseconds at one time of the call."""

    at_s: float
    to_pbx_ms: float
    to_line_ms: float
    left_alone_ms: float

    def __str__(self) -> str:
        return (
            f"  {self.at_s:6.1f} s: to phone {self.to_pbx_ms:.2f},"
            f" to client {self.to_line_ms:.2f}, left alone {self.left_alone_ms:.2f}"
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """The delays of each minute of a call, and what excuses growth.

    `figures` are the gateway's; `stood_ms` is how long the client may have stood still
    without anybody seeing it.
    """

    minutes: list[Delays]
    figures: dict[str, Any]
    stood_ms: float

    def grown_ms(self, way: str) -> float:
        """How much longer the last delay is than the first."""
        first, last = (getattr(self.minutes[i], way) for i in (0, -1))
        return float(last - first)

    def held_ms(self, way: str) -> float:
        """What a machine that is late too often makes the gateway hold, and tell."""
        told = self.figures[way]
        return float(told["delay_ms"]) if told["smoothed"] else 0.0


def between(sound: TimedSound, begin_ns: int, end_ns: int) -> TimedSound:
    """What passed in a span of time."""
    first, last = np.searchsorted(sound.at_ns, [begin_ns, end_ns]).tolist()
    starts = np.append(sound.starts, len(sound.samples))
    samples = sound.samples[starts[first] : starts[last]]
    at_ns = sound.at_ns[first:last]
    return TimedSound(samples, starts[first:last] - starts[first], at_ns, sound.rate_hz)


def as_played(heard: TimedSound, ppm: float) -> TimedSound:
    """When the client's sound device, whose clock is fast by `ppm`, plays it."""
    lengths = np.diff(heard.starts, append=len(heard.samples))
    took_ns = lengths * (1e9 / (heard.rate_hz * (1 + ppm * 1e-6)))
    free_ns, played_ns = 0.0, np.empty(len(took_ns))
    for index, came_ns in enumerate(heard.at_ns.tolist()):
        played_ns[index] = max(came_ns, free_ns)
        free_ns = played_ns[index] + took_ns[index]
    at_ns = played_ns.astype(np.int64)
    return TimedSound(heard.samples, heard.starts, at_ns, heard.rate_hz)


def least_ms(sent: TimedSound, received: TimedSound) -> float:
    """The least delay of rising and falling chirps."""
    found = delays_ms(sent, received, up=True) + delays_ms(sent, received, up=False)
    return min(found)


def stood_ms(spoken: TimedSound) -> float:
    """How long the client may have stood still so that nobody could see it."""
    apart_ms = np.diff(spoken.at_ns) / 1e6
    brief = apart_ms[(apart_ms > _STOOD_MS) & (apart_ms < 2 * _FRAME_MS)]
    return min(float(brief.max(initial=0)), _FRAME_MS)


class DriftingCall:
    """One call with a client whose clock is fast by `ppm`."""

    def __init__(self, at: House, ppm: float, chance: random.Random) -> None:
        self._at = at
        self._ppm = ppm
        self._chance = chance
        self._marks_ns: list[int] = []

    async def run(self) -> Outcome:
        """Speak, and tell what became of it."""
        skype = self._at.skype
        await skype.post("/faults", {"sound_ppm": self._ppm})
        number = await skype.ring(TO_PHONE, voice="silence")
        call = await self._at.phone.next_call(_ANSWER_S)
        await skype.call(number, "INPROGRESS", _ANSWER_S)
        await call.rtp.wait_for_audio(25, _ANSWER_S)
        began_s = asyncio.get_running_loop().time()
        dues_s = np.arange(0, _CALL_S - _CHIRPS_S, _EVERY_S).tolist()
        for turn, due_s in enumerate(dues_s, 1):
            waiting_s = began_s + due_s - asyncio.get_running_loop().time()
            await asyncio.sleep(max(waiting_s, 0))
            await self._speak(number, call)
            if turn == len(dues_s) // 2:
                await self._stop_each()
        figures = await self._figures()
        outcome = await self._measured(number, call, figures)
        await skype.hang_up(number)
        await call.ended(_ANSWER_S)
        await self._at.gateway.idle()
        return outcome

    async def _speak(self, number: int, call: Call) -> None:
        self._marks_ns.append(time.monotonic_ns())
        samples = train(_CHIRPS_S, _LINE_RATE_HZ, self._chance)
        file = self._at.folder / f"chirps-{len(self._marks_ns)}.wav"
        write_wav(file, samples, _LINE_RATE_HZ)
        call.rtp.play(train(_CHIRPS_S, PHONE_RATE_HZ, self._chance))
        await self._at.skype.post(f"/calls/{number}/play", {"sound": f"wav:{file}"})
        await call.rtp.played(_CHIRPS_S * 2 + _ANSWER_S)
        await asyncio.sleep(_LATE_S)

    async def _stop_each(self) -> None:
        at = self._at
        # The client last: what its stop has left, that of another might cure.
        for program in (at.asterisk, at.gateway, at.skype):
            program.process.signal(signal.SIGSTOP)
            await asyncio.sleep(_STOPPED_S)
            program.process.signal(signal.SIGCONT)
            await asyncio.sleep(_BETWEEN_STOPS_S)

    async def _figures(self) -> dict[str, Any]:
        (call,) = await self._at.gateway.calls()
        media: dict[str, Any] = call["media"]
        return media

    async def _measured(
        self, number: int, call: Call, figures: dict[str, Any]
    ) -> Outcome:
        async with asyncio.timeout(_STORE_S):
            spoken = await self._at.skype.sound(number, "sent")
            heard = await self._at.skype.sound(number, "heard")
        played = as_played(heard, self._ppm)
        said, listened = sound_of(call.rtp.sent), sound_of(call.rtp.received)
        alone = as_played(said, self._ppm)
        times = []
        for mark_ns in self._marks_ns:
            end_ns = mark_ns + round((_CHIRPS_S * 2 + _LATE_S) * 1e9)
            spoken_now, heard_now, said_now, played_now, alone_now = (
                between(sound, mark_ns, end_ns)
                for sound in (spoken, listened, said, played, alone)
            )
            times.append(
                Delays(
                    at_s=(mark_ns - self._marks_ns[0]) / 1e9,
                    to_pbx_ms=least_ms(spoken_now, heard_now),
                    to_line_ms=least_ms(said_now, played_now),
                    left_alone_ms=least_ms(said_now, alone_now),
                )
            )
        return Outcome(by_minute(times), figures, stood_ms(spoken))


async def drifting_call(ppm: float, chance: random.Random) -> Outcome:
    async with house("dbus", recorded_s=_CALL_S + 60) as at:
        return await DriftingCall(at, ppm, chance).run()


def by_minute(times: list[Delays]) -> list[Delays]:
    """What stayed for each minute."""
    minutes: dict[int, list[Delays]] = {}
    for one in times:
        minutes.setdefault(int((one.at_s + 1) / _MINUTE_S), []).append(one)
    return [
        Delays(
            at_s=minute[0].at_s,
            to_pbx_ms=float(np.median([one.to_pbx_ms for one in minute])),
            to_line_ms=float(np.median([one.to_line_ms for one in minute])),
            left_alone_ms=float(np.median([one.left_alone_ms for one in minute])),
        )
        for minute in minutes.values()
    ]


async def test_delay_does_not_grow_with_a_clock_that_is_off(
    chance: random.Random,
) -> None:
    seeds = [random.Random(chance.random()) for _ in range(2)]
    async with asyncio.TaskGroup() as calls:
        tasks = {
            ppm: calls.create_task(drifting_call(ppm, seed))
            for ppm, seed in zip((_PPM, -_PPM), seeds, strict=True)
        }
    outcomes = {ppm: task.result() for ppm, task in tasks.items()}
    for ppm, outcome in outcomes.items():
        lines = [f"{ppm:+g} ppm, milliseconds of delay:"]
        lines += [str(minute) for minute in outcome.minutes]
        lines += [f"  may have stood still for {outcome.stood_ms:.1f} ms"]
        print("\n".join([*lines, f"  {outcome.figures}"]))  # noqa: T201
    for ppm, outcome in outcomes.items():
        (check_in_full if _FULL else check_in_short)(outcome, ppm)


def check_in_full(outcome: Outcome, ppm: float) -> None:
    """The clock is known, and delay is what it was."""
    drift_ppm = outcome.figures["to_pbx"]["drift_ppm"]
    assert drift_ppm == pytest.approx(ppm, abs=_SURE_PPM)
    most_ms = _EQUAL_MS + outcome.held_ms("to_pbx")
    assert outcome.grown_ms("to_pbx_ms") <= most_ms
    most_ms = _EQUAL_MS + outcome.held_ms("to_line") + outcome.stood_ms
    assert outcome.grown_ms("to_line_ms") <= most_ms
    if ppm < 0:  # a slow device has to be seen to lag where it is left alone
        lasted_s = outcome.minutes[-1].at_s - outcome.minutes[0].at_s
        least_ms = _ALONE_SHARE * -ppm * 1e-3 * lasted_s
        assert outcome.grown_ms("left_alone_ms") >= least_ms


def check_in_short(outcome: Outcome, ppm: float) -> None:
    """The clock is known to be fast or slow, and nothing has piled up."""
    assert outcome.figures["to_pbx"]["drift_ppm"] * ppm > 0
    assert outcome.grown_ms("to_pbx_ms") <= _PILED_MS
    alone_ms = max(outcome.grown_ms("left_alone_ms"), 0)
    assert outcome.grown_ms("to_line_ms") <= alone_ms + _PILED_MS
