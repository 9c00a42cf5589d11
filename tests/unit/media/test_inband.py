"""Digits told by tones only: found each once, and their tones silenced."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skypechan.audio.dtmf import digit_tones
from skypechan.audio.pcm import to_int16
from skypechan.audio.probe import tone
from skypechan.media.inband import InBandDigits

RATE_HZ, FRAME = 16_000, 320


def pcm(digits: str) -> NDArray[np.int16]:
    samples = np.concatenate(
        [np.zeros(FRAME, np.float32), digit_tones(digits, RATE_HZ)]
    )
    samples = np.pad(samples, (0, FRAME - len(samples) % FRAME))
    out = np.zeros(len(samples), np.int16)
    to_int16(samples, out)
    return out


def heard(said: NDArray[np.int16], listened_to: bool = True) -> tuple[str, NDArray]:
    """The digits found in what one of two calls says, and what goes on of it."""
    in_band, found = InBandDigits(2), ""

    def take(digit: str) -> None:
        nonlocal found
        found += digit

    if listened_to:
        in_band.listen(1, take)
    rows, passed = np.array([0, 1], np.intp), []
    for frame in said.reshape(-1, FRAME):
        both = np.stack([frame, frame])
        in_band.hear(rows, both)
        assert np.array_equal(both[0], frame)  # nobody listens to the other call
        passed.append(both[1])
    in_band.forget(1)
    assert not in_band
    return found, np.concatenate(passed)


def test_every_digit_is_found_once_and_in_order() -> None:
    assert heard(pcm("1234567890*#ABCD1199"))[0] == "1234567890*#ABCD1199"


def test_of_a_digit_only_what_is_too_short_to_be_one_is_passed_on() -> None:
    said = pcm("5")
    _, passed = heard(said)
    loud_ms = np.count_nonzero(np.abs(passed.astype(int)) > 300) / 16
    assert loud_ms < 50
    assert heard(np.concatenate([passed, np.zeros(FRAME, np.int16)]))[0] in ("", "5")


def test_a_call_that_nobody_listens_to_is_left_as_it_is() -> None:
    said = pcm("159")
    found, passed = heard(said, listened_to=False)
    assert (found, passed.tolist()) == ("", said.tolist())


def test_speech_around_the_digits_is_left_as_it_is() -> None:
    said = tone(440, 1, RATE_HZ)
    found, passed = heard(said)
    assert (found, passed.tolist()) == ("", said.tolist())
