"""Recorded voices through everything: no worse than the same phone without a gateway.

Emulated Skype client, gateway, Asterisk, baresip with a file as microphone and a
recording as ear, both ways at once, at 8 and 16 kHz, judged by PESQ. It takes minutes,
voices of Debian's packages and the extra `bench`, so only `make drill` does it; `-s`
shows the scores.
"""

from __future__ import annotations

import os

import pytest

from benchmarks.parts.judged import require_pesq
from benchmarks.parts.speech import Clip, clips
from benchmarks.parts.whole_path import judge
from skypechan.errors import SkypechanError

_CLIPS = 5
# A stall of a shared machine within a clip costs half a point of its score; the
# targets of the benchmark are for a machine of its own.
_MOST_LOST = 0.15

pytestmark = pytest.mark.skipif(
    "SKYPECHAN_DRILL_MINUTES" not in os.environ, reason="a part of make drill"
)


@pytest.fixture
def speech() -> list[Clip]:
    """Clips of several voices."""
    try:
        require_pesq()
        return clips(1)[:_CLIPS]
    except SkypechanError as error:
        pytest.skip(str(error))


async def test_the_gateway_costs_no_quality(speech: list[Clip]) -> None:
    rows = [row for judged in await judge(speech) for row in judged.rows()]
    assert len(rows) == 4
    for row in rows:
        print(f"{row.what}: {row.ours:.3f} {row.unit}, {row.beside}")  # noqa: T201
    for row in rows:
        alone = next(iter(row.beside.values()))
        assert row.ours >= alone - _MOST_LOST, row
