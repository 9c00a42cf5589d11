"""A Skype user calls the phone: Skype is answered when the phone is, and not before."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from skypechan.audio.probe import chirp, delays_ms, measured_tone, tone
from skypechan.demo.parts.emulated import Emulator
from skypechan.demo.parts.gateway import Gateway
from tests.doubles.rtp import sound_of
from tests.doubles.sip_agent import BUSY, DECLINES, RINGS, SipAgent
from tests.doubles.sip_values import Behaviour, EndedBy
from tests.doubles.skype_transcript import SkypeTranscript
from tests.system.figures import MEASURED

CHIRPS = 12

pytestmark = pytest.mark.usefixtures("every_call_ends")


async def test_skype_is_answered_only_after_the_phone(
    phone: SipAgent, skype: SkypeTranscript, emulator: Emulator
) -> None:
    phone.behaviour = Behaviour(ring_after_s=0.1, answer_after_s=0.8)
    number = await emulator.ring("to-phone-a", display_name="Alice")
    call = await phone.next_call(5)
    await call.answered(5)
    answered = await skype.status("INPROGRESS", 2)
    took = (answered.at_ns - call.answered_ns) / 1e6
    MEASURED.add("phone's 200 to Skype INPROGRESS", took)
    await call.hang_up()
    await emulator.call(number, "FINISHED")
    assert 0 < took < 500
    asked = (await skype.said(r"ANSWER|STATUS INPROGRESS", 1)).at_ns
    assert asked > call.answered_ns


async def test_sound_goes_both_ways(phone: SipAgent, emulator: Emulator) -> None:
    number = await emulator.ring("to-phone-b", voice="tone:500")
    call = await phone.next_call(5)
    await call.answered(5)
    await emulator.call(number, "INPROGRESS")
    call.rtp.play(tone(1200, 1.5))
    await call.rtp.wait_for_audio(60, 5)
    heard = measured_tone(sound_of(call.rtp.received[-25:]).samples)
    assert heard.frequency_hz == pytest.approx(500, abs=1)
    await emulator.post(f"/calls/{number}/hang_up")
    await call.ended(2)
    assert call.ended_by is EndedBy.THEM


@pytest.mark.parametrize(("behaviour", "cause"), [(BUSY, 17), (DECLINES, 21)])
async def test_phone_that_refuses_has_the_skype_caller_rejected(
    phone: SipAgent,
    emulator: Emulator,
    gateway: Gateway,
    behaviour: Behaviour,
    cause: int,
) -> None:
    phone.behaviour = behaviour
    number = await emulator.ring("to-phone-c")
    await phone.next_call(5)
    ended = await emulator.call(number, "REFUSED")
    assert not ended["answered"]
    record = await gateway.record(skype_call=str(number))
    assert record["cause"] == cause


async def test_caller_who_gives_up_has_the_phone_stop_ringing(
    phone: SipAgent, emulator: Emulator, gateway: Gateway
) -> None:
    phone.behaviour = RINGS
    number = await emulator.ring("to-phone-d")
    call = await phone.next_call(5)
    await emulator.post(f"/calls/{number}/hang_up")
    await call.ended(2)
    assert call.ended_by is EndedBy.CANCELLED
    record = await gateway.record(skype_call=str(number))
    assert record["status"] == "CANCEL"


async def test_digits_of_the_skype_caller_reach_the_phone_once(
    phone: SipAgent, emulator: Emulator
) -> None:
    number = await emulator.ring("to-phone-e")
    call = await phone.next_call(5)
    await call.answered(5)
    await emulator.call(number, "INPROGRESS")
    await emulator.post(f"/calls/{number}/digits", {"digits": "987#"})
    assert await call.rtp.wait_for_digits(4, 10) == "987#"
    await call.hang_up()
    assert len(call.rtp.digits) == 4


async def test_digits_of_the_phone_reach_the_skype_caller_once(
    phone: SipAgent, emulator: Emulator, skype: SkypeTranscript
) -> None:
    number = await emulator.ring("to-phone-f")
    call = await phone.next_call(5)
    await call.answered(5)
    await emulator.call(number, "INPROGRESS")
    await call.rtp.wait_for_audio(1, 5)
    await call.rtp.send_digits("42*")
    await skype.said(r"DTMF \*", 5)
    await call.hang_up()
    ended = await emulator.call(number, "FINISHED")
    assert ended["digits_heard"] == "42*"


async def test_digits_of_the_skype_caller_reach_an_ivr_and_come_back_once(
    emulator: Emulator,
) -> None:
    number = await emulator.ring("to-digits-g")
    await emulator.call(number, "INPROGRESS")
    await emulator.post(f"/calls/{number}/digits", {"digits": "1234*#"})
    ended = await emulator.call(number, "FINISHED", 15)
    assert ended["digits_heard"] == "1234*#"


async def test_round_trip_of_a_skype_caller_through_the_echo_of_asterisk(
    emulator: Emulator, tmp_path: Path
) -> None:
    number = await emulator.ring("somebody")
    await emulator.call(number, "INPROGRESS")
    chirps = [np.append(chirp(16000), np.zeros(2806, np.int16))] * CHIRPS
    with wave.open(str(tmp_path / "chirps.wav"), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(np.concatenate(chirps).tobytes())
    sound = f"wav:{tmp_path / 'chirps.wav'}"
    await emulator.post(f"/calls/{number}/play", {"sound": sound})
    await emulator.heard(number, 16000 * 5, 10)  # the chirps last 3.3 s
    sent = await emulator.sound(number, "sent")
    heard = await emulator.sound(number, "heard")
    await emulator.post(f"/calls/{number}/hang_up")
    delays = delays_ms(sent, heard)
    MEASURED.add("Skype to Asterisk's Echo() and back", *delays)
    assert len(delays) == CHIRPS
    assert np.median(delays) < 60, delays
