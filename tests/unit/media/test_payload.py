"""160 bytes under kind 0x10 are told apart by how often they come."""

from __future__ import annotations

import numpy as np
import pytest

from skypechan.audio.pcm import alaw_decode, from_bytes, ulaw_decode
from skypechan.media.payload import AmbiguousPayload, PayloadDecoder
from skypechan.media.values import Payload


def encode(decode, pcm: np.ndarray) -> bytes:
    """The nearest code of each sample."""
    values = decode(bytes(range(256))).astype(int)
    return bytes(np.abs(values[:, None] - pcm[None, :]).argmin(axis=0).tolist())


def voice(samples: int) -> np.ndarray:
    time = np.arange(samples) / 8_000
    swell = 1 + np.sin(2 * np.pi * 4 * time)
    return 1500 * swell * np.sin(2 * np.pi * 200 * time)


def feed(payload: AmbiguousPayload, data: bytes, gap_s: float) -> list[np.ndarray]:
    heard = []
    for index, begin in enumerate(range(0, len(data), 160)):
        pcm = payload.decode(data[begin : begin + 160], index * gap_s)
        if pcm is not None:
            heard.append(pcm)
    return heard


@pytest.mark.parametrize(
    ("decode", "verdict"), [(ulaw_decode, Payload.ULAW), (alaw_decode, Payload.ALAW)]
)
def test_fifty_a_second_are_g711_of_the_law_that_sounds_like_speech(
    decode, verdict: Payload
) -> None:
    payload = AmbiguousPayload()
    data = encode(decode, voice(160 * 10))
    heard = feed(payload, data, 0.020)
    assert payload.verdict is verdict
    np.testing.assert_array_equal(heard[-1], decode(data[-160:]))


@pytest.mark.parametrize(
    ("idle", "verdict"), [(0xFF, Payload.ULAW), (0xD5, Payload.ALAW)]
)
def test_silence_tells_the_law_too(idle: int, verdict: Payload) -> None:
    payload = AmbiguousPayload()
    heard = feed(payload, bytes([idle]) * 1600, 0.020)
    assert payload.verdict is verdict
    assert np.abs(heard[-1]).max() <= 8


def test_a_hundred_a_second_are_slin_of_10_ms() -> None:
    payload = AmbiguousPayload()
    data = voice(80 * 10).astype("<i2").tobytes()
    heard = feed(payload, data, 0.010)
    assert payload.verdict is Payload.LINEAR
    np.testing.assert_array_equal(heard[-1], from_bytes(data[-160:]))


def test_nothing_is_heard_before_it_is_known_and_a_burst_tells_nothing() -> None:
    payload = AmbiguousPayload()
    assert feed(payload, bytes(160 * 50), 0.0) == []
    assert payload.verdict is None


@pytest.mark.parametrize(
    ("gap_s", "rate_hz", "note"),
    [(0.020, 16_000, Payload.UNTOLD_SLIN16), (0.040, 8_000, Payload.LINEAR)],
)
def test_640_bytes_are_of_the_rate_that_their_number_a_second_tells(
    gap_s: float, rate_hz: int, note: Payload
) -> None:
    decoder = PayloadDecoder(most_samples=640)
    heard = [
        one
        for number in range(20)
        for one in decoder.decode(8_000, bytes(640), number * gap_s)
    ]
    assert decoder.note is note
    assert [len(pcm) for _, pcm in heard] == [320] * 20
    assert {rate for rate, _ in heard[7:]} == {rate_hz}
    assert {rate for rate, _ in heard[:7]} == {8_000}
