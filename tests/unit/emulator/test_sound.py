from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skypechan.emulator.sound import CallSound, Piece
from skypechan.emulator.voices import PIECE_SAMPLES, Silence, make_voice

PIECE_NS = 10_000_000


def speak(sound, pieces, start_ns=0):
    """What is sent in this many pieces, ten milliseconds apart."""
    sent = [sound.speak(start_ns + place * PIECE_NS) for place in range(pieces)]
    return np.frombuffer(b"".join(sent), "<i2")


def test_piece_is_320_bytes_and_stamped():
    sound = CallSound(Silence())
    speak(sound, 3, start_ns=5)
    assert sound.sent.pieces == [
        Piece(5, 0, PIECE_SAMPLES),
        Piece(5 + PIECE_NS, PIECE_SAMPLES, PIECE_SAMPLES),
        Piece(5 + 2 * PIECE_NS, 2 * PIECE_SAMPLES, PIECE_SAMPLES),
    ]
    assert len(sound.sent.content()) == 3 * 320


def test_played_sound_starts_at_its_moment_to_the_sample():
    sound = CallSound(Silence())
    sound.play("mark", np.full(1_000, 7, np.int16), start_ns=2 * PIECE_NS + 1_000_000)
    sent = speak(sound, 20)
    first = 2 * PIECE_SAMPLES + 16
    assert sound.marks == [("mark", first)]
    assert np.flatnonzero(sent).tolist() == list(range(first, first + 1_000))


def test_played_sound_without_a_moment_starts_with_the_next_piece():
    sound = CallSound(Silence())
    speak(sound, 2)
    sound.play("mark", np.full(10, 7, np.int16))
    speak(sound, 1)
    assert sound.marks == [("mark", 2 * PIECE_SAMPLES)]


def test_digits_sound_one_after_another():
    sound = CallSound(Silence())
    sound.press("1")
    sound.press("2")
    sent = speak(sound, 40)
    sounding = np.abs(sent).reshape(40, -1).max(axis=1) > 1_000
    assert sounding.tolist() == (
        [True] * 10 + [False] * 6 + [True] * 10 + [False] * 6 + [False] * 8
    )
    assert [name for name, _ in sound.marks] == ["digits 1", "digits 2"]


@pytest.mark.parametrize("how", ["muted", "resting"])
def test_muted_or_held_call_sends_silence_at_the_same_pace(how):
    sound = CallSound(make_voice("tone"))
    setattr(sound, how, True)
    sent = speak(sound, 5)
    assert sent.size == 5 * PIECE_SAMPLES
    assert not sent.any()


def test_muted_microphone_is_heard_as_silence():
    sound = CallSound(Silence())
    sound.hear(1, b"\x01\x02" * 10, silent=True)
    assert sound.heard.content() == bytes(20)


@settings(deadline=None)
@given(st.binary(max_size=2_000), st.lists(st.integers(1, 700), max_size=20))
def test_any_cut_of_the_stream_is_heard_the_same(content, cuts):
    sound = CallSound(Silence())
    rest = content
    for stamp, cut in enumerate(cuts):
        sound.hear(stamp, rest[:cut])
        rest = rest[cut:]
    sound.hear(99, rest)
    whole = content[: len(content) & ~1]
    assert sound.heard.content() == whole
    assert sound.heard.samples == len(whole) // 2
    assert sum(piece.samples for piece in sound.heard.pieces) == len(whole) // 2


def test_recording_keeps_its_limit_and_counts_on():
    sound = CallSound(Silence(), kept_s=0.02)
    speak(sound, 10)
    assert sound.sent.samples == 10 * PIECE_SAMPLES
    assert len(sound.sent.content()) == 2 * 320
    assert len(sound.sent.pieces) == 2
