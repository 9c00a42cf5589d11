"""The agent that measures is measured: against Asterisk alone, without a gateway."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from skypechan.audio.probe import chirp, delays_ms, measured_tone, tone
from tests.doubles.rtp import PTIME_S, sound_of
from tests.doubles.sip_agent import BUSY, DECLINES, RINGS, SipAgent
from tests.doubles.sip_values import Behaviour, EndedBy
from tests.system.figures import MEASURED


async def test_echo_call_is_answered_and_heard_back(phone: SipAgent) -> None:
    call = phone.call("600")
    await call.answered(5)
    assert call.statuses == [100, 200]
    call.rtp.play(tone(850, 1.0, level_dbfs=-12))
    await call.rtp.played(3)
    heard = sound_of(call.rtp.received[10:45])
    found = measured_tone(heard.samples)
    assert found.frequency_hz == pytest.approx(850, abs=1)
    assert found.level_dbfs == pytest.approx(-12, abs=0.2)
    answer = await call.hang_up()
    assert answer.status == 200


async def test_echo_delay_is_under_the_known_figure(phone: SipAgent) -> None:
    call = phone.call("600")
    await call.answered(5)
    for _ in range(8):
        call.rtp.play(np.concatenate([chirp(), np.zeros(1403, np.int16)]))
    await call.rtp.played(5)
    await call.rtp.wait_for_audio(2, 1)
    delays = delays_ms(sound_of(call.rtp.sent), sound_of(call.rtp.received))
    await call.hang_up()
    MEASURED.add("Asterisk Echo(), round trip", *delays)
    assert len(delays) == 8
    assert np.median(delays) < 3, delays  # 0.43 ms where the machine is idle


async def test_sound_is_sent_on_absolute_deadlines(phone: SipAgent) -> None:
    call = phone.call("600")
    await call.answered(5)
    await call.rtp.wait_for_audio(100, 5)
    times = np.array([p.at_ns for p in call.rtp.sent]) / 1e9
    await call.hang_up()
    late = times - times[0] - PTIME_S * np.arange(len(times))
    # Deadlines that drift would be late by far more after a hundred packets.
    assert np.median(np.abs(late)) < 0.005


async def test_digits_come_back_once_and_in_order(phone: SipAgent) -> None:
    call = phone.call("610")
    await call.answered(5)
    await call.rtp.send_digits("1234*#")
    assert await call.rtp.wait_for_digits(6, 15) == "1234*#"
    await call.ended(10)
    assert len(call.rtp.digits) == 6
    assert call.ended_by is EndedBy.THEM


async def test_cancel_ends_a_ringing_call_with_487(phone: SipAgent) -> None:
    call = phone.call("test-ring")
    await call.response(180, 5)
    assert (await call.cancel()).status == 200
    final = await call.final_response(5)
    assert final.status == 487
    assert (final.at_ns - call.cancelled_ns) / 1e6 < 500


@pytest.mark.parametrize(
    ("cause", "status"),
    [(17, 486), (21, 403), (19, 480), (1, 404), (38, 500)],
)
async def test_cause_becomes_the_status(
    phone: SipAgent, cause: int, status: int
) -> None:
    call = phone.call(f"test-cause-{cause}")
    assert (await call.final_response(5)).status == status
    assert [reason.cause for reason in call.reasons] == [cause]


async def test_far_hang_up_is_seen_with_its_cause(phone: SipAgent) -> None:
    call = phone.call("test-hang-up")
    await call.answered(5)
    await call.ended(5)
    assert call.ended_by is EndedBy.THEM
    assert [reason.cause for reason in call.reasons] == [16]


async def test_wrong_password_is_refused(phone: SipAgent) -> None:
    phone.credentials = type(phone.credentials)("sipphone", "wrong")
    call = phone.call("600")
    assert (await call.final_response(5)).status == 401


async def test_hold_stops_and_resume_restores_the_sound(phone: SipAgent) -> None:
    call = phone.call("600")
    await call.answered(5)
    await call.rtp.wait_for_audio(10, 2)
    assert (await call.hold()).status == 200
    assert call.remote_direction == "recvonly"
    held = len(call.rtp.received)
    await asyncio.sleep(0.3)
    assert len(call.rtp.received) - held <= 2
    assert (await call.resume()).status == 200
    assert call.remote_direction == "sendrecv"
    await call.rtp.wait_for_audio(10, 2)
    await call.hang_up()


async def test_incoming_call_rings_and_is_answered_on_time(phone: SipAgent) -> None:
    phone.behaviour = Behaviour(ring_after_s=0.1, answer_after_s=0.4)
    out = phone.call("test-back")
    incoming = await phone.next_call(5)
    await out.answered(5)
    await incoming.answered(5)
    assert out.statuses == [100, 180, 200]
    took = (incoming.answered_ns - incoming.placed_ns) / 1e6
    assert 400 <= took < 500
    assert out.answered_ns > incoming.answered_ns
    incoming.rtp.play(tone(440, 0.6))
    await incoming.rtp.played(2)
    heard = measured_tone(sound_of(out.rtp.received[5:25]).samples)
    assert heard.frequency_hz == pytest.approx(440, abs=2)
    await incoming.hang_up()
    await out.ended(2)


@pytest.mark.parametrize(
    ("behaviour", "status"), [(BUSY, 486), (DECLINES, 403), (RINGS, 480)]
)
async def test_incoming_call_is_turned_away_as_told(
    phone: SipAgent, behaviour: Behaviour, status: int
) -> None:
    phone.behaviour = behaviour
    out = phone.call("test-back")
    incoming = await phone.next_call(5)
    assert (await out.final_response(15)).status == status
    await incoming.ended(2)
    wanted = EndedBy.CANCELLED if behaviour is RINGS else EndedBy.REJECTED
    assert incoming.ended_by is wanted


async def test_incoming_call_hangs_up_when_told(phone: SipAgent) -> None:
    phone.behaviour = Behaviour(hang_up_after_s=0.3)
    out = phone.call("test-back")
    incoming = await phone.next_call(5)
    await out.ended(5)
    assert incoming.ended_by is EndedBy.US
    talked = (incoming.ended_ns - incoming.answered_ns) / 1e6
    assert 300 <= talked < 400
