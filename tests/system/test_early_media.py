"""The phone hears what a telephone's network plays before anybody has answered."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from skypechan.audio.probe import measured_tone, tone
from skypechan.demo.parts.asterisk import LocalAsterisk
from skypechan.demo.parts.emulated import Emulator
from skypechan.demo.parts.gateway import Gateway
from tests.doubles.rtp import sound_of
from tests.doubles.sip_agent import SipAgent
from tests.doubles.sip_call import Call
from tests.doubles.skype_transcript import SkypeTranscript
from tests.system.figures import MEASURED

pytestmark = pytest.mark.usefixtures("every_call_ends")

FORMS = ("prepare", "dial", "local")
RINGBACK_HZ = 425
VOICE_HZ = 440
RINGING_HZ = {440, 480}


@pytest.fixture
async def number(emulator: Emulator) -> str:
    """A telephone in a network that plays ringback; it answers when told."""
    number = "+49301000"
    await telephone(emulator, number, manner="manual")
    return number


async def telephone(emulator: Emulator, number: str, **fields: object) -> None:
    known = {"voice": f"tone:{VOICE_HZ}", **fields}
    await emulator.put(f"/contacts/{number}", known)


async def answer(emulator: Emulator) -> None:
    await emulator.post(f"/calls/{await emulator.newest()}/answer", {"by": "partner"})


async def hears(call: Call, hertz: float, packets: int = 15) -> None:
    """Waits until a tone, and nothing else, is in the last packets that came."""

    def is_heard() -> bool:
        if len(call.rtp.received) < packets:
            return False
        heard = measured_tone(sound_of(call.rtp.received[-packets:]).samples)
        return abs(heard.frequency_hz - hertz) < 3 and (
            -40 < heard.level_dbfs > heard.rest_dbfs + 20
        )

    await call.rtp.changes.until(is_heard, 5, "tone")


async def hears_ringing(call: Call) -> None:
    """Waits until the two tones of Asterisk's own ringing are the loudest."""

    def is_heard() -> bool:
        if len(call.rtp.received) < 15:  # 0.3 s, which both tones fit in
            return False
        sound = sound_of(call.rtp.received[-15:])
        spectrum = np.abs(np.fft.rfft(sound.samples))
        hertz = np.fft.rfftfreq(len(sound.samples), 1 / sound.rate_hz)
        return set(hertz[np.argsort(spectrum)[-2:]].round()) == RINGING_HZ

    await call.rtp.changes.until(is_heard, 5, "ringing")


@pytest.mark.parametrize("form", FORMS)
async def test_early_media_is_heard_before_the_answer_and_the_call_goes_on(
    phone: SipAgent,
    asterisk: LocalAsterisk,
    gateway: Gateway,
    skype: SkypeTranscript,
    emulator: Emulator,
    number: str,
    form: str,
) -> None:
    call = phone.call(f"{form}-30-{number}")
    rang = await call.response(183, 10)
    early = await skype.status("EARLYMEDIA", 2)
    await hears(call, RINGBACK_HZ)
    assert call.statuses == [100, 183]
    MEASURED.add(f"Skype EARLYMEDIA to 183, {form}", (rang.at_ns - early.at_ns) / 1e6)
    await answer(emulator)
    answered = await call.response(200, 5)
    in_progress = await skype.status("INPROGRESS", 2)
    delay_ms = (answered.at_ns - in_progress.at_ns) / 1e6
    MEASURED.add(f"Skype INPROGRESS to 200 after early media, {form}", delay_ms)
    assert delay_ms < 500
    await hears(call, VOICE_HZ)
    assert [live["state"] for live in await gateway.calls()] == ["established"]
    channels = (await asterisk.cli("core show channels concise")).splitlines()
    assert sum(line.startswith("AudioSocket/") for line in channels) == 1, channels
    await call.rtp.send_digits("5#")
    await skype.said(r"DTMF #", 5)
    assert [text[-1] for text in skype.commands(r"DTMF \S$")] == ["5", "#"]
    await emulator.post(f"/calls/{await emulator.newest()}/digits", {"digits": "7*"})
    assert await call.rtp.wait_for_digits(2, 5) == "7*"
    await call.hang_up()
    await skype.status("FINISHED", 2)


async def test_a_long_announcement_is_heard_without_a_gap(
    phone: SipAgent, emulator: Emulator, number: str, tmp_path: Path
) -> None:
    announcement = tmp_path / "announcement.wav"
    with wave.open(str(announcement), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(tone(VOICE_HZ, 8, 16_000).astype("<i2").tobytes())
    call = phone.call(f"dial-30-{number}")
    await call.response(183, 10)
    await hears(call, RINGBACK_HZ)
    sound = {"sound": f"wav:{announcement}"}
    await emulator.post(f"/calls/{await emulator.newest()}/play", sound)
    await hears(call, VOICE_HZ)  # the ringback is silent now, for four seconds
    begun = len(call.rtp.received)
    await call.rtp.wait_for_audio(140, 5)
    await call.cancel()
    await call.final_response(2)
    frames = sound_of(call.rtp.received[begun : begun + 140]).samples.reshape(140, -1)
    level = np.sqrt((frames.astype(float) ** 2).mean(axis=1))
    assert level.min() > 0.9 * level.max()


@pytest.mark.parametrize("form", FORMS)
async def test_without_sound_before_the_answer_the_caller_hears_asterisk_ring(
    phone: SipAgent, emulator: Emulator, number: str, form: str
) -> None:
    await emulator.post("/faults", {"refuse_sound": True})
    call = phone.call(f"{form}-30-{number}")
    await call.response(183, 10)
    await hears_ringing(call)
    await emulator.post("/faults", {"refuse_sound": False})
    await answer(emulator)
    await call.response(200, 5)
    await hears(call, VOICE_HZ)
    await call.hang_up()


@pytest.mark.parametrize("form", FORMS)
async def test_cancel_during_early_media_ends_the_skype_call(
    phone: SipAgent, skype: SkypeTranscript, number: str, form: str
) -> None:
    call = phone.call(f"{form}-30-{number}")
    await call.response(183, 10)
    await hears(call, RINGBACK_HZ)
    await call.cancel()
    assert (await call.final_response(2)).status == 487
    await skype.status("CANCELLED", 2)


@pytest.mark.parametrize("form", FORMS)
async def test_failure_after_an_announcement_has_its_true_cause(
    phone: SipAgent, gateway: Gateway, emulator: Emulator, number: str, form: str
) -> None:
    call = phone.call(f"{form}-30-{number}")
    await call.response(183, 10)
    await hears(call, RINGBACK_HZ)
    await emulator.post(f"/calls/{await emulator.newest()}/busy", {"by": "partner"})
    assert (await call.final_response(5)).status == 486
    assert [reason.cause for reason in call.reasons] == [17]
    record = await gateway.record(address=number, cause=17)
    assert record["status"] == "BUSY"
