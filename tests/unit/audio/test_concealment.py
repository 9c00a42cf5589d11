"""Gaps are bridged with the voice's own pitch, cuts leave no edge."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skypechan.audio.concealment import Concealer, pitch_period, skipped, spliced
from tests.unit.audio.signals import voice

RATES_HZ = [8_000, 16_000]


def steepest(pcm: np.ndarray) -> int:
    return int(np.abs(np.diff(pcm.astype(int))).max())


def fed(concealer: Concealer, pcm: np.ndarray, frame: int) -> None:
    for begin in range(0, len(pcm), frame):
        concealer.heard(pcm[begin : begin + frame])


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("pitch_hz", [80, 120, 210, 350])
def test_the_pitch_is_found(pitch_hz: float, rate_hz: int) -> None:
    history = voice(0.06, rate_hz, pitch_hz).astype(np.float32)
    periods = pitch_period(history, rate_hz) / (rate_hz / pitch_hz)
    assert periods == pytest.approx(round(periods), abs=0.06)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("pitch_hz", [80, 120, 210])
def test_a_gap_begins_as_the_voice_would_have_gone_on(
    pitch_hz: float, rate_hz: int
) -> None:
    whole = voice(0.3, rate_hz, pitch_hz)
    concealer, gap = Concealer(rate_hz), int(0.2 * rate_hz)
    fed(concealer, whole[:gap], rate_hz // 50)
    made = concealer.conceal(rate_hz // 50)
    length = rate_hz // 100
    error = made[:length].astype(float) - whole[gap : gap + length]
    assert np.std(error) < 0.25 * np.std(whole)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_a_gap_and_the_return_from_it_have_no_edges(rate_hz: int) -> None:
    whole, frame = voice(0.5, rate_hz), rate_hz // 50
    concealer = Concealer(rate_hz)
    played = []
    for turn, begin in enumerate(range(0, len(whole), frame)):
        if turn in (5, 9, 10, 14, 15, 16, 17, 18):
            played.append(concealer.conceal(frame))
        else:
            played.append(concealer.heard(whole[begin : begin + frame]))
    assert steepest(np.concatenate(played)) <= 1.5 * steepest(whole)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_a_gap_is_silent_after_60_ms_and_stays_so(rate_hz: int) -> None:
    concealer, frame = Concealer(rate_hz), rate_hz // 50
    fed(concealer, voice(0.2, rate_hz), frame)
    for _ in range(3):
        assert not concealer.is_silent
        assert concealer.conceal(frame).any()
    assert concealer.is_silent
    for _ in range(100):
        assert not concealer.conceal(frame).any()


@given(pieces=st.lists(st.integers(0, 700), min_size=1, max_size=12))
def test_a_gap_is_filled_alike_whatever_the_pieces_were(pieces: list[int]) -> None:
    whole = voice(0.06 + sum(pieces) / 16_000)
    in_pieces, at_once = Concealer(16_000), Concealer(16_000)
    at = 960
    in_pieces.heard(whole[:at])
    for length in pieces:
        in_pieces.heard(whole[at : at + length])
        at += length
    at_once.heard(whole[:at][-960:])
    assert (in_pieces.conceal(320) == at_once.conceal(320)).all()


def test_what_stands_in_for_silence_is_silence() -> None:
    concealer = Concealer(16_000)
    fed(concealer, np.zeros(1_600, np.int16), 320)
    assert not concealer.conceal(320).any()


def test_concealment_grows_no_louder_than_what_was_heard() -> None:
    rng = np.random.default_rng(2)
    for _ in range(50):
        concealer = Concealer(16_000)
        noise = rng.integers(-10_000, 10_000, 1_600).astype(np.int16)
        fed(concealer, noise, 320)
        made = concealer.conceal(1_280)
        assert np.abs(made).max() <= 32_000
        assert np.std(made) <= 1.2 * np.std(noise)


def test_full_scale_does_not_wrap_around() -> None:
    concealer = Concealer(16_000)
    square = np.where(np.arange(1_600) // 70 % 2, 32_767, -32_768).astype(np.int16)
    fed(concealer, square, 320)
    made = concealer.conceal(320)
    assert (np.sign(made[40:140]) != 0).all()
    assert np.count_nonzero(np.diff(np.sign(made[:160]))) <= 4


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("pitch_hz", [100, 170, 230])
def test_a_splice_takes_out_whole_periods(pitch_hz: float, rate_hz: int) -> None:
    whole = voice(0.06, rate_hz, pitch_hz)
    shorter = spliced(whole, rate_hz)
    periods = (len(whole) - len(shorter)) / (rate_hz / pitch_hz)
    assert periods == pytest.approx(round(periods), abs=0.05)
    assert 0.0025 <= (len(whole) - len(shorter)) / rate_hz <= 0.0125
    assert steepest(shorter) <= 1.1 * steepest(whole)


def test_a_splice_leaves_alone_what_has_no_two_places_alike() -> None:
    noise = np.random.default_rng(0).integers(-9_000, 9_000, 640).astype(np.int16)
    assert len(spliced(noise, 16_000)) == 640
    assert len(spliced(noise, 16_000, anyhow=True)) < 640
    assert len(spliced(np.zeros(640, np.int16), 16_000)) < 640
    assert len(spliced(np.zeros(200, np.int16), 16_000)) == 200


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("skip_s", [0.005, 0.080, 0.300])
def test_a_skip_goes_on_from_where_it_began(skip_s: float, rate_hz: int) -> None:
    whole, length = voice(0.4, rate_hz), int(skip_s * rate_hz)
    shorter = skipped(whole, length, rate_hz)
    assert abs(len(whole) - length - len(shorter)) <= 0.0125 * rate_hz
    assert shorter[0] == pytest.approx(whole[0], abs=0.2 * np.abs(whole).max())
    assert steepest(shorter) <= 1.3 * steepest(whole)


def test_a_skip_of_all_there_is_leaves_the_seam() -> None:
    assert len(skipped(np.ones(100, np.int16), 100, 16_000)) <= 100
    assert len(skipped(np.ones(4_000, np.int16), 4_000, 16_000)) <= 264
