"""A Skype client whose sound clock is off, through Asterisk: delay does not grow.

Both ends say chirps now and then; what counts is the least delay of a minute. The
delay towards the phone is that on the wire. The delay towards the client includes what
waits at the client: its sound device plays by its own clock whatever has come, and
waits where nothing has; that queue is computed from the stamps of what came. Beside it
stands what it would be had the phone's packets gone there as they were: "left alone".
In full
(`make drill MINUTES=10`) the calls last MINUTES, a fast and a slow clock side by side;
`-s` shows the figures.
"""

from __future__ import annotations

import asyncio
import os
import random
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
_PPM = 200.0 if _FULL else 1000.0
# Seconds tell little of delay, where each stall of the machine counts.
_EQUAL_MS = 1.0 if _FULL else 40.0
_SURE_PPM = 20.0 if _FULL else 250.0
_ALONE_SHARE = 0.8
_LATE_S = 0.6
_LINE_RATE_HZ = 16_000
_ANSWER_S = 10.0
_STORE_S = 30.0


@dataclass(frozen=True, slots=True)
class Window:
    """Delays in milliseconds of the chirps said at one time of the call."""

    at_s: float
    to_pbx_ms: list[float]
    to_line_ms: list[float]
    left_alone_ms: list[float]

    def __str__(self) -> str:
        ways = (
            ("to phone", self.to_pbx_ms),
            ("to client", self.to_line_ms),
            ("left alone", self.left_alone_ms),
        )
        told = [f"{name} {min(d):.2f} (median {np.median(d):.2f})" for name, d in ways]
        return f"  {self.at_s:6.1f} s: {', '.join(told)}"


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


def both_kinds_ms(sent: TimedSound, received: TimedSound) -> list[float]:
    """Delays of rising and falling chirps."""
    return delays_ms(sent, received, up=True) + delays_ms(sent, received, up=False)


class DriftingCall:
    """One call with a client whose clock is fast by `ppm`."""

    def __init__(self, at: House, ppm: float, chance: random.Random) -> None:
        self._at = at
        self._ppm = ppm
        self._chance = chance
        self._marks_ns: list[int] = []

    async def run(self) -> tuple[list[Window], dict[str, Any]]:
        """Speak, and return each window's delays and the call's figures."""
        skype = self._at.skype
        await skype.post("/faults", {"sound_ppm": self._ppm})
        number = await skype.ring(TO_PHONE, voice="silence")
        call = await self._at.phone.next_call(_ANSWER_S)
        await skype.call(number, "INPROGRESS", _ANSWER_S)
        await call.rtp.wait_for_audio(25, _ANSWER_S)
        began_s = asyncio.get_running_loop().time()
        for due_s in np.arange(0, _CALL_S - _CHIRPS_S, _EVERY_S).tolist():
            waiting_s = began_s + due_s - asyncio.get_running_loop().time()
            await asyncio.sleep(max(waiting_s, 0))
            await self._speak(number, call)
        figures = await self._figures()
        windows = await self._measured(number, call)
        await skype.hang_up(number)
        await call.ended(_ANSWER_S)
        await self._at.gateway.idle()
        return windows, figures

    async def _speak(self, number: int, call: Call) -> None:
        self._marks_ns.append(time.monotonic_ns())
        samples = train(_CHIRPS_S, _LINE_RATE_HZ, self._chance)
        file = self._at.folder / f"chirps-{len(self._marks_ns)}.wav"
        write_wav(file, samples, _LINE_RATE_HZ)
        call.rtp.play(train(_CHIRPS_S, PHONE_RATE_HZ, self._chance))
        await self._at.skype.post(f"/calls/{number}/play", {"sound": f"wav:{file}"})
        await call.rtp.played(_CHIRPS_S * 2 + _ANSWER_S)
        await asyncio.sleep(_LATE_S)

    async def _figures(self) -> dict[str, Any]:
        (call,) = await self._at.gateway.calls()
        media: dict[str, Any] = call["media"]
        return media

    async def _measured(self, number: int, call: Call) -> list[Window]:
        async with asyncio.timeout(_STORE_S):
            spoken = await self._at.skype.sound(number, "sent")
            heard = await self._at.skype.sound(number, "heard")
        played = as_played(heard, self._ppm)
        said, listened = sound_of(call.rtp.sent), sound_of(call.rtp.received)
        alone = as_played(said, self._ppm)
        windows = []
        for mark_ns in self._marks_ns:
            end_ns = mark_ns + round((_CHIRPS_S * 2 + _LATE_S) * 1e9)
            spoken_now, heard_now, said_now, played_now, alone_now = (
                between(sound, mark_ns, end_ns)
                for sound in (spoken, listened, said, played, alone)
            )
            windows.append(
                Window(
                    at_s=(mark_ns - self._marks_ns[0]) / 1e9,
                    to_pbx_ms=both_kinds_ms(spoken_now, heard_now),
                    to_line_ms=both_kinds_ms(said_now, played_now),
                    left_alone_ms=both_kinds_ms(said_now, alone_now),
                )
            )
        return windows


async def drifting_call(
    ppm: float, chance: random.Random
) -> tuple[list[Window], dict[str, Any]]:
    async with house("dbus", recorded_s=_CALL_S + 60) as at:
        return await DriftingCall(at, ppm, chance).run()


def by_minute(windows: list[Window]) -> list[Window]:
    """The windows of each minute as one."""
    minutes: dict[int, list[Window]] = {}
    for window in windows:
        minutes.setdefault(int((window.at_s + 1) / _MINUTE_S), []).append(window)
    return [
        Window(
            at_s=minute[0].at_s,
            to_pbx_ms=[delay for one in minute for delay in one.to_pbx_ms],
            to_line_ms=[delay for one in minute for delay in one.to_line_ms],
            left_alone_ms=[delay for one in minute for delay in one.left_alone_ms],
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
    results = {}
    for ppm, task in tasks.items():
        windows, figures = task.result()
        minutes = results[ppm] = by_minute(windows), figures
        lines = [f"{ppm:+g} ppm, least delay of each time in milliseconds:"]
        lines += [str(minute) for minute in minutes[0]]
        print("\n".join([*lines, f"  {figures}"]))  # noqa: T201
    for ppm, (minutes, figures) in results.items():
        assert figures["to_pbx"]["drift_ppm"] == pytest.approx(ppm, abs=_SURE_PPM)
        first, last = minutes[0], minutes[-1]
        grown_ms = min(last.to_pbx_ms) - min(first.to_pbx_ms)
        assert grown_ms <= _EQUAL_MS + held_ms(figures["to_pbx"])
        grown_ms = min(last.to_line_ms) - min(first.to_line_ms)
        assert grown_ms <= _EQUAL_MS + held_ms(figures["to_line"])
    slow = results[-_PPM][0]
    grown_ms = min(slow[-1].left_alone_ms) - min(slow[0].left_alone_ms)
    assert grown_ms >= _ALONE_SHARE * _PPM * 1e-3 * (slow[-1].at_s - slow[0].at_s)


def held_ms(figures: dict[str, Any]) -> float:
    """What a machine that is late too often makes us hold back, and tell."""
    return float(figures["delay_ms"]) if figures["smoothed"] else 0.0
