"""The phone calls a Skype user: what it hears of ringing, answer and refusal, when."""

from __future__ import annotations

import asyncio
import wave
from pathlib import Path

import numpy as np
import pytest

from skypechan.audio.probe import chirp, delays_ms, measured_tone, tone
from skypechan.demo.parts.emulated import Emulator
from skypechan.demo.parts.gateway import Gateway
from tests.doubles.rtp import RATE_HZ, sound_of
from tests.doubles.sip_agent import SipAgent
from tests.doubles.sip_call import Call
from tests.doubles.sip_values import EndedBy
from tests.doubles.sipp import Sipp
from tests.doubles.skype_transcript import SkypeTranscript
from tests.system.figures import MEASURED

pytestmark = pytest.mark.usefixtures("every_call_ends")

FORMS = ("prepare", "dial", "local")
CHIRPS = 12
SKYPE_RATE_HZ = 16000


async def connected(phone: SipAgent, extension: str) -> Call:
    call = phone.call(extension)
    await call.answered(10)
    await call.rtp.wait_for_audio(1, 5)
    return call


def milliseconds(from_ns: int, to_ns: int) -> float:
    return (to_ns - from_ns) / 1e6


async def moment_ns(skype: SkypeTranscript, emulator: Emulator, status: str) -> int:
    """When the client had that status: no later than it says, and than was overheard.

    Both stamps are taken a little after the truth, by a process that may have to wait.
    """
    overheard = await skype.status(status, 2)
    return min(overheard.at_ns, await emulator.moment_ns(overheard.call_id, status))


@pytest.mark.parametrize("form", FORMS)
async def test_180_once_skype_rings_and_200_once_it_answers(
    phone: SipAgent, skype: SkypeTranscript, emulator: Emulator, form: str
) -> None:
    call = phone.call(f"{form}-30-echo")
    answered = await call.response(200, 10)
    rang = await call.response(180, 1)
    await call.hang_up()
    assert call.statuses == [100, 180, 200]
    ringing = milliseconds(await moment_ns(skype, emulator, "RINGING"), rang.at_ns)
    answer = milliseconds(
        await moment_ns(skype, emulator, "INPROGRESS"), answered.at_ns
    )
    MEASURED.add(f"Skype RINGING to 180, {form}", ringing)
    MEASURED.add(f"Skype INPROGRESS to 200, {form}", answer)
    assert 0 < ringing < 200
    assert 0 < answer < 500


@pytest.mark.parametrize("form", FORMS)
async def test_sipp_sees_180_once_skype_rings_and_200_once_it_answers(
    sipp: Sipp, skype: SkypeTranscript, emulator: Emulator, form: str
) -> None:
    run = await sipp("answered", f"{form}-30-echo")
    assert run.passed, run.complaint
    ringing = await moment_ns(skype, emulator, "RINGING")
    answer = await moment_ns(skype, emulator, "INPROGRESS")
    assert 0 < milliseconds(ringing, run.received_ns(180)) < 200
    assert 0 < milliseconds(answer, run.received_ns(200)) < 500


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("contact", "seconds", "status", "cause"),
    [
        ("busy", 30, 486, 17),
        ("refuse", 30, 403, 21),
        ("noanswer", 2, 480, 19),
        ("nobody-of-this-name", 30, 404, 1),
    ],
)
async def test_failure_has_the_true_status_and_cause(
    phone: SipAgent,
    gateway: Gateway,
    form: str,
    contact: str,
    seconds: int,
    status: int,
    cause: int,
) -> None:
    call = phone.call(f"{form}-{seconds}-{contact}")
    final = await call.final_response(10)
    assert final.status == status, call.statuses
    assert [reason.cause for reason in call.reasons] == [cause]
    record = await gateway.record(address=contact, cause=cause)
    assert record["direction"] == "to_line"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("scenario", "contact", "seconds"),
    [("busy", "busy", 30), ("refused", "refuse", 30), ("no_answer", "noanswer", 2)],
)
async def test_sipp_sees_the_true_status(
    sipp: Sipp, form: str, scenario: str, contact: str, seconds: int
) -> None:
    run = await sipp(scenario, f"{form}-{seconds}-{contact}")
    assert run.passed, run.complaint


async def test_no_answer_takes_as_long_as_was_said(phone: SipAgent) -> None:
    call = phone.call("dial-3-noanswer")
    final = await call.final_response(10)
    assert 3 <= (final.at_ns - call.placed_ns) / 1e9 < 4


async def test_busy_is_never_said_to_ring(phone: SipAgent) -> None:
    call = phone.call("dial-30-busy")
    await call.final_response(10)
    assert call.statuses == [100, 486]


@pytest.mark.parametrize("form", FORMS)
async def test_cancel_ends_the_skype_call_within_a_second(
    phone: SipAgent, skype: SkypeTranscript, form: str
) -> None:
    call = phone.call(f"{form}-30-noanswer")
    await call.response(180, 5)
    await call.cancel()
    final = await call.final_response(2)
    gone = await skype.status("CANCELLED", 2)
    assert final.status == 487
    took = milliseconds(call.cancelled_ns, gone.at_ns)
    MEASURED.add(f"CANCEL to Skype CANCELLED, {form}", took)
    assert 0 < took < 1000


@pytest.mark.parametrize("form", FORMS)
async def test_sipp_cancel_ends_the_skype_call_within_a_second(
    sipp: Sipp, skype: SkypeTranscript, form: str
) -> None:
    run = await sipp("cancelled", f"{form}-30-noanswer")
    assert run.passed, run.complaint
    gone = await skype.status("CANCELLED", 2)
    assert 0 < milliseconds(run.sent_ns("CANCEL"), gone.at_ns) < 1000


async def test_cancel_before_skype_rings_leaves_no_call(
    phone: SipAgent, skype: SkypeTranscript
) -> None:
    call = phone.call("dial-30-noanswer")
    await call.response(100, 5)
    await call.cancel()
    assert (await call.final_response(2)).status == 487


async def test_plain_form_is_answered_at_once_and_talks(phone: SipAgent) -> None:
    call = await connected(phone, "559")
    assert call.statuses == [100, 200]
    await hears_itself(call)
    await call.hang_up()


@pytest.mark.parametrize("form", FORMS)
async def test_phone_hears_its_voice_back_from_an_echoing_contact(
    phone: SipAgent, form: str
) -> None:
    call = await connected(phone, f"{form}-30-echo")
    await hears_itself(call)
    await call.hang_up()


async def hears_itself(call: Call) -> None:
    """Plays a tone until it comes back."""
    call.rtp.play(tone(700, 4, level_dbfs=-15))

    def came_back() -> bool:
        last = sound_of(call.rtp.received[-15:]).samples
        if len(last) < RATE_HZ // 5:
            return False
        heard = measured_tone(last)
        return abs(heard.frequency_hz - 700) < 3 and heard.level_dbfs > -18

    await call.rtp.changes.until(came_back, 5, "tone heard back")


async def test_phone_hears_the_contact_at_the_right_pitch_and_level(
    phone: SipAgent,
) -> None:
    call = await connected(phone, "dial-30-tone")
    await call.rtp.wait_for_audio(50, 5)
    heard = measured_tone(sound_of(call.rtp.received[-25:]).samples)
    await call.hang_up()
    assert heard.frequency_hz == pytest.approx(440, abs=1)
    assert heard.rest_dbfs < heard.level_dbfs - 30


async def test_delay_from_the_phone_to_skype(
    phone: SipAgent, skype: SkypeTranscript, emulator: Emulator
) -> None:
    call = await connected(phone, "dial-30-echo")
    number = (await skype.status("INPROGRESS", 2)).call_id
    await hears_itself(call)
    await call.rtp.played(5)
    begun = len(call.rtp.sent)
    for _ in range(CHIRPS):
        call.rtp.play(np.concatenate([chirp(), np.zeros(1403, np.int16)]))
    await call.rtp.played(10)
    await call.rtp.wait_for_audio(25, 2)
    sent, heard = sound_of(call.rtp.sent[begun:]), await emulator.sound(number, "heard")
    await call.hang_up()
    delays = delays_ms(sent, heard)
    MEASURED.add("delay, phone to Skype", *delays)
    assert len(delays) == CHIRPS
    assert np.median(delays) < 30, delays


async def test_delay_from_skype_to_the_phone(
    phone: SipAgent, skype: SkypeTranscript, emulator: Emulator, tmp_path: Path
) -> None:
    call = await connected(phone, "dial-30-silent")
    number = (await skype.status("INPROGRESS", 2)).call_id
    chirps = [np.append(chirp(16000), np.zeros(2806, np.int16))] * CHIRPS
    with wave.open(str(tmp_path / "chirps.wav"), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(np.concatenate(chirps).tobytes())
    sound = f"wav:{tmp_path / 'chirps.wav'}"
    told = await emulator.post(f"/calls/{number}/play", {"sound": sound})
    await call.rtp.wait_for_audio(told["samples"] // 320 + 25, 10)
    sent, heard = await emulator.sound(number, "sent"), sound_of(call.rtp.received)
    await call.hang_up()
    delays = delays_ms(sent, heard)
    MEASURED.add("delay, Skype to phone", *delays)
    assert len(delays) == CHIRPS
    assert np.median(delays) < 40, delays


async def test_every_digit_of_the_phone_reaches_skype_once_and_in_order(
    phone: SipAgent, skype: SkypeTranscript
) -> None:
    call = await connected(phone, "dial-30-echo")
    await call.rtp.send_digits("1234*#")
    await skype.said(r"DTMF #", 5)
    await call.hang_up()
    await skype.status("FINISHED", 2)
    digits = [command.split()[-1] for command in skype.commands(r"DTMF \S$")]
    assert digits == list("1234*#")


async def test_every_digit_of_skype_reaches_the_phone_once_and_in_order(
    phone: SipAgent, skype: SkypeTranscript, emulator: Emulator
) -> None:
    call = await connected(phone, "dial-30-echo")
    number = (await skype.status("INPROGRESS", 2)).call_id
    await emulator.post(f"/calls/{number}/digits", {"digits": "1234*#"})
    assert await call.rtp.wait_for_digits(6, 10) == "1234*#"
    await call.hang_up()
    assert len(call.rtp.digits) == 6


async def test_far_hang_up_ends_the_call_at_the_phone(
    phone: SipAgent, skype: SkypeTranscript, emulator: Emulator
) -> None:
    call = await connected(phone, "dial-30-echo")
    number = (await skype.status("INPROGRESS", 2)).call_id
    await emulator.post(f"/calls/{number}/hang_up")
    await call.ended(2)
    assert call.ended_by is EndedBy.THEM
    finished = await skype.status("FINISHED", 1)
    MEASURED.add("Skype FINISHED to BYE", milliseconds(finished.at_ns, call.ended_ns))
    assert [reason.cause for reason in call.reasons] == [16]


async def test_phone_hang_up_ends_the_skype_call_within_a_second(
    phone: SipAgent, skype: SkypeTranscript
) -> None:
    call = await connected(phone, "dial-30-echo")
    await call.hang_up()
    finished = await skype.status("FINISHED", 2)
    took = milliseconds(call.ended_ns, finished.at_ns)
    MEASURED.add("BYE to Skype FINISHED", took)
    assert took < 1000


async def test_held_call_lives_in_silence_and_talks_again(
    phone: SipAgent, skype: SkypeTranscript, emulator: Emulator, gateway: Gateway
) -> None:
    call = await connected(phone, "dial-30-echo")
    number = (await skype.status("INPROGRESS", 2)).call_id
    await hears_itself(call)
    assert (await call.hold()).status == 200
    held = (await emulator.get(f"/calls/{number}"))["heard_samples"]
    await asyncio.sleep(1.5)  # longer than any gap of sound that could end a call
    heard = await emulator.sound(number, "heard")
    assert len(heard.samples) - held > SKYPE_RATE_HZ
    assert not heard.samples[held + SKYPE_RATE_HZ // 4 :].any()
    assert len(await gateway.calls()) == 1
    assert (await call.resume()).status == 200
    await hears_itself(call)
    await call.hang_up()


async def test_call_held_by_the_skype_user_lives_and_talks_again(
    phone: SipAgent, skype: SkypeTranscript, emulator: Emulator, gateway: Gateway
) -> None:
    call = await connected(phone, "dial-30-tone")
    number = (await skype.status("INPROGRESS", 2)).call_id
    await emulator.post(f"/calls/{number}/hold")
    await skype.status("REMOTEHOLD", 1)
    held_ns = call.rtp.received[-1].at_ns
    await asyncio.sleep(1.0)
    assert len(await gateway.calls()) == 1
    quiet = call.rtp.sound_since(held_ns + 300_000_000)
    assert not quiet.samples.any()
    await emulator.post(f"/calls/{number}/resume")
    await call.rtp.wait_for_audio(40, 3)
    heard = measured_tone(sound_of(call.rtp.received[-15:]).samples)
    assert heard.frequency_hz == pytest.approx(440, abs=2)
    await call.hang_up()


async def test_blind_transfer_leaves_the_skype_user_with_the_new_party(
    phone: SipAgent,
    skype: SkypeTranscript,
    emulator: Emulator,
    gateway: Gateway,
) -> None:
    call = await connected(phone, "dial-30-tone")
    number = (await skype.status("INPROGRESS", 2)).call_id
    host, port = phone.peer
    assert (await call.transfer(f"sip:600@{host}:{port}")).status == 202
    await call.changes.until(lambda: call.transfer_status == 200, 5, "transfer")
    await call.hang_up()
    before = (await emulator.get(f"/calls/{number}"))["heard_samples"]
    await asyncio.sleep(0.5)
    after = await emulator.get(f"/calls/{number}")
    assert after["status"] == "INPROGRESS"
    assert after["heard_samples"] - before > SKYPE_RATE_HZ * 0.4
    assert len(await gateway.calls()) == 1
    await emulator.post(f"/calls/{number}/hang_up")
