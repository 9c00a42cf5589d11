"""Lines in slices of 20 bytes: cut, garbled by the way, and joined again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skypechan.backends.skype.protocol.chunks import (
    MOST_BYTES,
    MOST_SENDERS,
    SLICE_BYTES,
    Chunk,
    Joiner,
    cut,
)
from skypechan.errors import LocalWireError

TEXTS = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=100
)
SWAPPED = "ERROR 92 CALL: Unrecognised identity"


def join(chunks, joiner=None, sender=1):
    joiner = joiner or Joiner()
    return [text for chunk in chunks for text in joiner.take(sender, chunk).texts]


def with_garbage(chunk, garbage):
    """As clients send it that do not clear the event between slices."""
    text, end, rest = chunk.content.partition(b"\0")
    return Chunk(chunk.first, text + end + garbage[: len(rest)])


@pytest.mark.parametrize(
    ("length", "slices"), [(0, 1), (1, 1), (19, 1), (20, 2), (21, 2), (39, 2), (40, 3)]
)
def test_text_of_whole_slices_needs_one_more_for_its_end(length, slices):
    chunks = list(cut("x" * length))
    assert len(chunks) == slices
    assert [chunk.first for chunk in chunks] == [True] + [False] * (slices - 1)
    assert all(len(chunk.content) == SLICE_BYTES for chunk in chunks)
    assert chunks[-1].content.endswith(b"\0")
    assert join(chunks) == ["x" * length]


@given(st.lists(TEXTS, max_size=5), st.binary(min_size=20, max_size=20))
def test_whatever_is_cut_is_joined_again_despite_garbage(texts, garbage):
    joiner = Joiner()
    heard = []
    for text in texts:
        chunks = list(cut(text))
        chunks[-1] = with_garbage(chunks[-1], garbage)
        heard += join(chunks, joiner)
    assert heard == texts


@given(st.lists(st.lists(TEXTS, max_size=4), min_size=1, max_size=4), st.randoms())
def test_senders_that_interleave_do_not_mix(lines, random):
    queues = [[chunk for text in texts for chunk in cut(text)] for texts in lines]
    joiner = Joiner()
    heard = [[] for _ in lines]
    while left := [sender for sender, queue in enumerate(queues) if queue]:
        sender = random.choice(left)
        heard[sender] += joiner.take(sender, queues[sender].pop(0)).texts
    assert heard == lines


@given(st.lists(TEXTS))
def test_first_two_slices_in_the_wrong_order_are_joined_each_time(texts):
    """A client that fails again and again swaps again and again."""
    chunks = []
    for text in texts:
        first, *others = cut(text)
        chunks += [*others[:1], first, *others[1:]]
    assert join(chunks) == texts


def test_error_92_with_swapped_halves_is_whole_and_the_next_line_too():
    first, second = cut(SWAPPED)
    assert join([second, first, *cut("CALL 1 STATUS FAILED, or so")]) == [
        SWAPPED,
        "CALL 1 STATUS FAILED, or so",
    ]


@given(st.lists(st.sampled_from([SWAPPED, "x" * 20, "y" * 75]), min_size=1))
def test_lost_beginning_spoils_nothing_after_a_short_line(texts):
    joiner = Joiner()
    lost, *others = (list(cut(text)) for text in texts)
    join(lost[1:] + [chunk for chunks in others for chunk in chunks], joiner)
    assert join(cut("PONG"), joiner) == ["PONG"]
    assert join([chunk for text in texts for chunk in cut(text)], joiner) == texts


def test_beginning_before_the_end_drops_the_unfinished_line_and_says_so():
    joiner = Joiner()
    first, _ = cut("CALL 17 DURATION 1234567890")
    joiner.take(1, first)
    joined = joiner.take(1, *cut("PONG"))
    assert joined.texts == ("PONG",)
    assert "unfinished" in joined.trouble


def test_orphan_is_dropped_by_a_line_that_is_whole():
    orphan = Chunk(first=False, content=b"ognised identity".ljust(20, b"\0"))
    assert join([orphan, *cut("PONG"), *cut("x" * 30)]) == ["PONG", "x" * 30]


def test_character_that_is_cut_in_two_is_whole_again():
    text = "x" * 19 + "ü" + "ñ" * 30
    assert join(cut(text)) == [text]


def test_bytes_that_are_no_text_are_replaced():
    assert join([Chunk(first=True, content=b"\xff\xfe\0".ljust(20))]) == [
        "\ufffd\ufffd"
    ]


def test_line_without_an_end_does_not_fill_the_memory():
    joiner = Joiner()
    joiner.take(1, Chunk(first=True, content=b"x" * 20))
    troubles = [
        joined.trouble
        for _ in range(MOST_BYTES // SLICE_BYTES + 50)
        if (joined := joiner.take(1, Chunk(first=False, content=b"x" * 20))).trouble
    ]
    assert troubles == [f"line over {MOST_BYTES} bytes dropped"]
    assert join(cut("PONG, after all that was wrong"), joiner) == [
        "PONG, after all that was wrong"
    ]


def test_orphans_without_an_end_do_not_fill_the_memory():
    joiner = Joiner()
    for _ in range(2 * MOST_BYTES // SLICE_BYTES):
        assert joiner.take(1, Chunk(first=False, content=b"x" * 20)).texts == ()
    (state,) = joiner._senders.values()
    assert len(state.orphans) <= MOST_BYTES + SLICE_BYTES


def test_more_senders_than_can_be_do_not_fill_the_memory():
    joiner = Joiner()
    for sender in range(2 * MOST_SENDERS):
        joiner.take(sender, Chunk(first=True, content=b"x" * 20))
    assert len(joiner._senders) == MOST_SENDERS


def test_sender_that_is_forgotten_starts_afresh():
    joiner = Joiner()
    joiner.take(1, Chunk(first=True, content=b"x" * 20))
    joiner.forget(1)
    joiner.forget(2)
    assert joiner.take(1, *cut("PONG")).trouble == ""


@given(st.lists(st.tuples(st.integers(0, 2), st.booleans(), st.binary(max_size=24))))
def test_no_sequence_of_slices_breaks_it(slices):
    joiner = Joiner()
    for sender, first, content in slices:
        joiner.take(sender, Chunk(first, content))
    assert joiner.take(0, *cut("PONG")).texts == ("PONG",)


@pytest.mark.parametrize("text", ["a\0b", "x" * (MOST_BYTES + 1)])
def test_text_that_cannot_be_carried_is_refused(text):
    with pytest.raises(LocalWireError):
        cut(text)


def test_longest_text_is_carried():
    assert join(cut("x" * MOST_BYTES)) == ["x" * MOST_BYTES]


def test_lone_surrogate_is_replaced():
    assert join(cut("caf\udce9")) == ["caf?"]
