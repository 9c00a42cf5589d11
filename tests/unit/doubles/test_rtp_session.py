from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator

import numpy as np
import pytest

from skypechan.audio.probe import measured_tone, tone
from tests.doubles.rtp import (
    DIGITS,
    Packet,
    RtpSession,
    sound_of,
    ulaw_decoded,
    ulaw_encoded,
)
from tests.doubles.stamped_udp import Address, StampedUdp

Pair = tuple[RtpSession, RtpSession]


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    one, two = RtpSession("127.0.0.1"), RtpSession("127.0.0.1")
    one.start(two.address, 101)
    two.start(one.address, 101)
    yield one, two
    one.close()
    two.close()


def test_known_ulaw_codes_are_those_of_g711() -> None:
    codes = bytes([0xFF, 0x7F, 0x80, 0x00, 0xD5, 0xE7])
    assert ulaw_decoded(codes).tolist() == [0, 0, 32124, -32124, 716, 260]


def test_ulaw_codes_survive_a_round_trip() -> None:
    codes = bytes(code for code in range(256) if code != 0x7F)  # minus zero
    assert ulaw_encoded(ulaw_decoded(codes)) == codes


def test_ulaw_error_is_within_half_a_step_over_the_whole_range() -> None:
    samples = np.arange(-32768, 32768, dtype=np.int32)
    back = ulaw_decoded(ulaw_encoded(samples.astype(np.int16))).astype(np.int32)
    error = np.abs(back - samples)
    # The widest step is 1024; beyond the last code the signal is clipped.
    inside = np.abs(samples) < 32636
    assert error[inside].max() <= 512
    assert error[np.abs(samples) < 32].max() <= 4


def test_time_of_a_sample_runs_within_its_packet() -> None:
    packets = [Packet(1_000, 1, 0, bytes(160)), Packet(30_000_000, 2, 160, bytes(80))]
    sound = sound_of(packets)
    assert sound.time_ns(0) == 1_000
    assert sound.time_ns(80) == 1_000 + 10_000_000
    assert sound.time_ns(160.5) == 30_000_000 + 62_500
    assert len(sound.samples) == 240


async def test_tone_arrives_as_played(pair: Pair) -> None:
    one, two = pair
    one.play(tone(1000, 0.4))
    await one.played(2)
    await two.wait_for_audio(1, 1)
    heard = measured_tone(sound_of(two.received).samples[320:2880])
    assert heard.frequency_hz == pytest.approx(1000, abs=0.5)
    assert heard.level_dbfs == pytest.approx(-12, abs=0.1)


async def test_every_digit_arrives_once_in_order_with_its_duration(pair: Pair) -> None:
    one, two = pair
    await one.send_digits(DIGITS, duration_ms=60, pause_ms=20)
    assert await two.wait_for_digits(16, 2) == DIGITS
    assert {digit.duration_ms for digit in two.digits} == {60}
    assert two.digits[0].ended_ns > two.digits[0].began_ns


async def test_packets_are_numbered_without_a_gap_across_digits(pair: Pair) -> None:
    one, two = pair
    await two.wait_for_audio(3, 2)
    await one.send_digits("5", duration_ms=60)
    await two.wait_for_audio(3, 2)
    stamps = [packet.timestamp for packet in two.received]
    steps = {(b - a) & 0xFFFFFFFF for a, b in itertools.pairwise(stamps)}
    assert steps == {160, 160 * 4}  # three packets of a digit between


async def test_paused_stream_sends_nothing(pair: Pair) -> None:
    one, two = pair
    await two.wait_for_audio(2, 1)
    one.paused = True
    sent = len(one.sent)
    await one.changes.until(lambda: len(one.received) > 15, 2, "packets the other way")
    assert len(one.sent) == sent


async def test_arrival_is_stamped_by_the_kernel_not_by_the_busy_loop() -> None:
    stamp: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def on_datagram(data: bytes, sender: Address, at_ns: int) -> None:
        stamp.set_result(at_ns)

    receiver = StampedUdp("127.0.0.1", on_datagram)
    sender = StampedUdp("127.0.0.1", on_datagram)
    sent_ns = sender.send(b"x", receiver.address)
    time.sleep(0.05)  # noqa: ASYNC251 - the loop is to be busy
    at_ns = await stamp
    receiver.close()
    sender.close()
    assert 0 <= at_ns - sent_ns < 20_000_000
