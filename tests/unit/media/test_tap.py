"""A tap writes what both sides heard, so much and no more, and hurts no call."""

from __future__ import annotations

import os
import wave
from pathlib import Path

import numpy as np
import pytest

from skypechan.media.tap import Tap, Taps
from tests.doubles.media_talk import StartTalk
from tests.doubles.pcm_peers import message


def content(path: Path) -> np.ndarray:
    """`[n, 2]` of a stereo file at 16 kHz."""
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getframerate()) == (2, 16_000)
        data = file.readframes(file.getnframes())
    return np.frombuffer(data, "<i2").reshape(-1, 2)


async def test_both_directions_of_a_call_are_in_the_file(
    start_talk: StartTalk, tmp_path: Path
) -> None:
    talk, path = start_talk(), tmp_path / "call.wav"
    left = np.arange(5 * 320).astype("<i2")
    right = -left
    talk.media.tap(path)
    for begin in range(0, len(left), 320):
        await talk.line.send(left[begin : begin + 320].tobytes())
        await talk.pbx.send(message(0x12, right[begin : begin + 320].tobytes()))
        await talk.pbx.audio()
        await talk.line.receive(640)
    talk.media.tap(None)
    written = content(path)
    np.testing.assert_array_equal(written[80:, 0], left[80:])
    np.testing.assert_array_equal(written[80:, 1], right[80:])
    assert path.stat().st_mode & 0o077 == 0


async def test_a_call_that_ends_closes_its_tap(
    start_talk: StartTalk, tmp_path: Path
) -> None:
    talk, path = start_talk(), tmp_path / "call.wav"
    talk.media.tap(path)
    await talk.line.send(b"\x01\x01" * 320)
    await talk.pbx.audio()
    talk.media.stop()
    assert len(content(path)) == 0  # the other side has said nothing yet
    talk.media.tap(tmp_path / "late.wav")
    assert not (tmp_path / "late.wav").exists()


def test_a_tap_is_full_after_its_time(tmp_path: Path) -> None:
    tap = Tap(tmp_path / "a.wav", most_s=1.0)
    while not tap.is_full:
        tap.to_pbx(np.ones(320, np.int16))
        tap.to_line(np.ones(320, np.int16))
    tap.close()
    assert len(content(tap.path)) == 16_000


def test_a_side_that_lags_gets_silence(tmp_path: Path) -> None:
    tap = Tap(tmp_path / "a.wav", most_s=10.0)
    for _ in range(100):
        tap.to_line(np.ones(320, np.int16))
    tap.close()
    written = content(tap.path)
    assert len(written) >= 24_000
    assert not written[:, 0].any()
    assert written[:, 1].all()


def test_a_file_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_text("precious")
    with pytest.raises(FileExistsError):
        Taps().open(0, path, 10)
    assert path.read_text() == "precious"


def test_a_disk_that_refuses_ends_the_tap_and_nothing_else(tmp_path: Path) -> None:
    taps, row = Taps(), np.array([3])
    taps.open(3, tmp_path / "a.wav", 60)
    os.close(taps._taps[3]._file.fileno())
    second = np.ones((1, 16_000), np.int16)
    for _ in range(20):
        taps.to_pbx(row, second)
        taps.to_line(row, second, [16_000])
    assert not taps
