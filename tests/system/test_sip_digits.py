"""Digits through the whole way, typed fast: each once, in order, tones or none."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from skypechan.audio.dtmf import digit_tones
from skypechan.audio.pcm import Float32, to_int16
from skypechan.demo.parts.emulated import Emulator
from skypechan.demo.parts.gateway import Gateway
from tests.doubles.sip_agent import SipAgent
from tests.doubles.skype_transcript import SkypeTranscript

pytestmark = pytest.mark.usefixtures("every_call_ends")

KEYS = "0123456789*#"
RATE_HZ = 16_000


@pytest.fixture(scope="module")
def line_settings() -> str:
    """The gateway listens for digits, too, in what the line's far end says."""
    return "inband_digits = true"


def as_pcm(samples: Float32) -> bytes:
    pcm = np.zeros(len(samples), "<i2")
    to_int16(samples.copy(), pcm)
    return pcm.tobytes()


async def test_keys_typed_fast_at_the_phone_reach_skype(
    phone: SipAgent, skype: SkypeTranscript
) -> None:
    call = phone.call("dial-30-silent")
    await call.answered(10)
    await call.rtp.wait_for_audio(1, 5)
    await call.rtp.send_digits(KEYS, duration_ms=60, pause_ms=40)
    await skype.said(r"DTMF #", 5)
    await call.hang_up()
    assert [text[-1] for text in skype.commands(r"DTMF \S$")] == list(KEYS)


async def test_digits_of_skype_in_one_burst_reach_the_phone_once_though_they_sound(
    phone: SipAgent, gateway: Gateway, emulator: Emulator
) -> None:
    call = phone.call("dial-30-silent")
    await call.answered(10)
    await call.rtp.wait_for_audio(1, 5)
    burst = {"digits": KEYS, "gap_s": 0}
    await emulator.post(f"/calls/{await emulator.newest()}/digits", burst)
    assert await call.rtp.wait_for_digits(len(KEYS), 10) == KEYS
    await call.hang_up()
    assert len(call.rtp.digits) == len(KEYS)
    await gateway.record(address="silent", digits_to_pbx=len(KEYS))


async def test_digits_that_are_tones_only_reach_the_phone(
    phone: SipAgent, emulator: Emulator, tmp_path: Path
) -> None:
    tones = tmp_path / "tones.wav"
    samples = digit_tones(KEYS, RATE_HZ)
    with wave.open(str(tones), "wb") as file:
        file.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
        file.writeframes(as_pcm(samples))
    call = phone.call("dial-30-silent")
    await call.answered(10)
    await call.rtp.wait_for_audio(1, 5)
    sound = {"sound": f"wav:{tones}"}
    await emulator.post(f"/calls/{await emulator.newest()}/play", sound)
    assert await call.rtp.wait_for_digits(len(KEYS), 10) == KEYS
    await call.hang_up()
    assert len(call.rtp.digits) == len(KEYS)


async def test_an_ivr_hears_what_skype_types_and_types_it_back(
    emulator: Emulator,
) -> None:
    number = await emulator.ring("to-digits-ivr")
    await emulator.call(number, "INPROGRESS")
    await emulator.post(f"/calls/{number}/digits", {"digits": "159*#"})
    ended = await emulator.call(number, "FINISHED", 12)
    assert ended["digits_heard"] == "159*#"
