"""Hold from either end and by the operator: who hears what, and that it goes on."""

from __future__ import annotations

import wave
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from skypechan.audio.probe import measured_tone, tone
from skypechan.demo.parts.emulated import Emulator
from skypechan.demo.parts.gateway import Gateway
from skypechan.demo.parts.http import ask
from tests.doubles.rtp import sound_of
from tests.doubles.sip_agent import SipAgent
from tests.doubles.sip_call import Call
from tests.doubles.skype_transcript import SkypeTranscript
from tests.system import parts

MUSIC_HZ, VOICE_HZ, PHONE_HZ = 600, 440, 900
RATE_HZ = 16_000


@pytest.fixture(scope="module")
def line_settings(place: Path) -> str:
    """The line plays a tone to whoever is on hold."""
    music = place / "music.wav"
    with wave.open(str(music), "wb") as file:
        file.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
        file.writeframes(tone(MUSIC_HZ, 1, RATE_HZ).astype("<i2").tobytes())
    return f'hold_audio = "{music}"'


@pytest.fixture
async def call(
    phone: SipAgent, gateway: Gateway, emulator: Emulator
) -> AsyncIterator[Call]:
    """The phone talks with a contact; both say a tone of their own."""
    await emulator.put("/contacts/songbird", {"voice": f"tone:{VOICE_HZ}"})
    call = phone.call("dial-30-songbird")
    await call.answered(10)
    call.rtp.play(tone(PHONE_HZ, 30))
    await phone_hears(call, VOICE_HZ)
    yield call
    await call.hang_up()
    await gateway.idle()


def is_tone(samples: NDArray[np.int16], rate_hz: int, hertz: float) -> bool:
    """Whether they are that tone, as loud as all of them are here, and nothing else."""
    if len(samples) < rate_hz // 5 or not samples.any():
        return False
    heard = measured_tone(samples, rate_hz)
    is_pure = heard.rest_dbfs < heard.level_dbfs - 20
    return abs(heard.frequency_hz - hertz) < 3 and is_pure


async def phone_hears(call: Call, hertz: float) -> None:
    """Waits until a quarter of a second holds that tone and nothing else."""

    def heard() -> bool:
        return is_tone(sound_of(call.rtp.received[-12:]).samples, 8_000, hertz)

    await call.rtp.changes.until(heard, 5, f"{hertz} Hz")


async def skype_hears(emulator: Emulator, hertz: float) -> None:
    """Waits until a quarter of a second holds that tone and nothing else."""
    number = await emulator.newest()

    async def heard() -> bool:
        samples = (await emulator.sound(number, "heard")).samples
        return is_tone(samples[-RATE_HZ // 4 :], RATE_HZ, hertz)

    await parts.eventually(heard, 5, f"{hertz} Hz")


async def holders(gateway: Gateway) -> list[str]:
    return [holder for call in await gateway.calls() for holder in call["held_by"]]


async def test_a_phone_on_hold_leaves_the_skype_call_and_plays_music_to_it(
    call: Call, gateway: Gateway, emulator: Emulator, skype: SkypeTranscript
) -> None:
    await skype_hears(emulator, PHONE_HZ)
    await call.hold()
    await skype_hears(emulator, MUSIC_HZ)
    assert await holders(gateway) == ["pbx"]
    await call.resume()
    await skype_hears(emulator, PHONE_HZ)
    assert await holders(gateway) == []
    assert [status.status for status in skype.statuses] == []


@pytest.mark.parametrize("who", ["partner", "user"])
async def test_music_is_heard_at_the_phone_while_skype_holds(
    call: Call, gateway: Gateway, emulator: Emulator, who: str
) -> None:
    number = await emulator.newest()
    await emulator.post(f"/calls/{number}/hold", {"by": who})
    await phone_hears(call, MUSIC_HZ)
    assert await holders(gateway) == ["line"]
    await emulator.post(f"/calls/{number}/resume", {"by": who})
    await phone_hears(call, VOICE_HZ)
    assert await holders(gateway) == []


async def operate(gateway: Gateway, call: str, what: str) -> None:
    """Ask as the operator does."""
    url = f"{gateway.url}/api/calls/{call}/{what}"
    await ask("POST", url, None, {"Authorization": "Bearer tests"})


async def test_the_operator_holds_and_resumes_the_skype_side(
    call: Call, gateway: Gateway, skype: SkypeTranscript
) -> None:
    (live,) = await gateway.calls()
    await operate(gateway, live["call"], "hold")
    await skype.status("LOCALHOLD", 3)
    await phone_hears(call, MUSIC_HZ)
    assert await holders(gateway) == ["gateway"]
    await operate(gateway, live["call"], "resume")
    await skype.status("INPROGRESS", 3)
    await phone_hears(call, VOICE_HZ)
    assert await holders(gateway) == []
