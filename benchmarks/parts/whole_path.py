"""PESQ of everything together: Skype user - gateway - Asterisk - SIP phone, both ways.

The phone is baresip: its file is the microphone, its recording the ear. Beside it, in
the same run, the same phone hears itself by Asterisk's own Echo(), which has the same
codec in the way and no gateway.
"""

from __future__ import annotations

import asyncio
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.parts.chirps import write_wav
from benchmarks.parts.cuts import between_chirps, scores
from benchmarks.parts.house import TO_PHONE, Bridge, bridge
from benchmarks.parts.judged import NARROW_RATE_HZ, ideal_8k
from benchmarks.parts.rows import Row
from benchmarks.parts.speech import RATE_HZ, Clip
from skypechan.demo.parts.baresip import Baresip, EventType, SipAccount
from skypechan.demo.report import tell
from skypechan.desktop.users import give

Int16 = NDArray[np.int16]

CODECS = {"pcmu": NARROW_RATE_HZ, "g722/16000": RATE_HZ}
WITHIN = {"pcmu": 0.02, "g722/16000": 0.05}
ALONE = "phone - Asterisk Echo() - phone"
TO_PHONE_WAY = "Skype - gateway - phone"
TO_SKYPE_WAY = "phone - gateway - Skype"

_ANSWER_S, _CALM_S = 10.0, 1.5
_ECHO = "600"


@dataclass(frozen=True, slots=True)
class Judged:
    """The scores of one codec: for each way those of each clip, in PESQ's scale."""

    codec: str
    scores: dict[str, list[float]] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)

    def rows(self) -> list[Row]:
        """Return a row for each way through the gateway."""
        alone = float(np.mean(self.scores[ALONE]))
        scale = "NB" if CODECS[self.codec] == NARROW_RATE_HZ else "WB"
        within, found = WITHIN[self.codec], []
        for way in (TO_PHONE_WAY, TO_SKYPE_WAY):
            ours = float(np.mean(self.scores[way]))
            beside = {
                ALONE: alone,
                "our worst clip": min(self.scores[way]),
                "its worst clip": min(self.scores[ALONE]),
            }
            what = f"PESQ {way}, {self.codec.partition('/')[0]}"
            target = f"without gateway - {within:g}"
            met = ours >= alone - within
            found.append(Row(what, scale, target, ours, met, beside))
        return found


async def judge(clips: list[Clip], transport: str = "dbus") -> list[Judged]:
    """Make the calls. Raises SkypechanError and its like when one cannot be made."""
    async with bridge(transport) as at:
        return [await _judge(at, codec, clips) for codec in CODECS]


async def _judge(at: Bridge, codec: str, clips: list[Clip]) -> Judged:
    rate_hz = CODECS[codec]
    judged = Judged(codec)
    spoken = [_at_rate(clip.samples, rate_hz) for clip in clips]
    async with _phone(at, codec, between_chirps(spoken, rate_hz)) as phone:
        tell(f"quality: {codec}: {ALONE}")
        judged.scores[ALONE] = await _alone(phone, spoken, rate_hz)
        tell(f"quality: {codec}: through the gateway, both ways at once")
        judged.scores.update(await _through(at, phone, clips, spoken, rate_hz))
        judged.figures.update((await at.gateway.record())["audio"])
    return judged


@asynccontextmanager
async def _phone(at: Bridge, codec: str, speech: Int16) -> AsyncIterator[Baresip]:
    rate_hz = CODECS[codec]
    name = codec.partition("/")[0]
    played = at.folder / f"speech-{name}.wav"
    write_wav(played, speech, rate_hz)
    give(played, at.user)
    settings = at.asterisk.settings
    account = SipAccount(
        "sipphone", settings.sip_secret, settings.sip_port, codecs=(codec,)
    )
    longest_s = round(2 * len(speech) / rate_hz)
    folder = at.folder / f"phone-{name}"
    async with Baresip(
        folder, account, plays=played, longest_call_s=longest_s, user=at.user
    ) as phone:
        yield phone


async def _alone(phone: Baresip, spoken: list[Int16], rate_hz: int) -> list[float]:
    mark = len(phone.events)
    await phone.dial(_ECHO)
    await phone.event(EventType.ESTABLISHED, since=mark, within_s=_ANSWER_S)
    await asyncio.sleep(_seconds(spoken, rate_hz))
    await phone.hang_up()
    await phone.event(EventType.CLOSED, since=mark, within_s=_ANSWER_S)
    return scores(_recorded(phone.heard()), spoken, rate_hz)


async def _through(
    at: Bridge,
    phone: Baresip,
    clips: list[Clip],
    spoken: list[Int16],
    rate_hz: int,
) -> dict[str, list[float]]:
    mark = len(phone.events)
    number = await at.skype.ring(TO_PHONE, voice="silence")
    await at.skype.call(number, "INPROGRESS", _ANSWER_S)
    said = [clip.samples for clip in clips]
    file = at.folder / f"speech-skype-{number}.wav"
    write_wav(file, between_chirps(said, RATE_HZ), RATE_HZ)
    await at.skype.post(f"/calls/{number}/play", {"sound": f"wav:{file}"})
    await asyncio.sleep(_seconds(said, RATE_HZ))
    listened = (await at.skype.sound(number, "heard")).samples
    await at.skype.hang_up(number)
    await phone.event(EventType.CLOSED, since=mark, within_s=_ANSWER_S)
    await at.gateway.idle()
    heard = _recorded(phone.heard())
    return {
        TO_PHONE_WAY: scores(heard, spoken, rate_hz),
        TO_SKYPE_WAY: scores(listened, said, RATE_HZ, judged_hz=rate_hz),
    }


def _seconds(clips: list[Int16], rate_hz: int) -> float:
    return len(between_chirps(clips, rate_hz)) / rate_hz + _CALM_S


def _at_rate(samples: Int16, rate_hz: int) -> Int16:
    return samples if rate_hz == RATE_HZ else ideal_8k(samples)


def _recorded(path: Path) -> Int16:
    with wave.open(str(path), "rb") as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.int16)
