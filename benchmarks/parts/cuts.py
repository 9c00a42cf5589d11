"""Clips between chirps, and the score of each clip in what was heard of them.

Before and behind each clip there is a chirp, so what was heard is cut exactly where the
clip lies. Matching the clocks of two ends warps time, which nobody hears and PESQ
charges dearly; so the reference is played at the speed that the two chirps tell, or at
a speed that is known. Cuts and gaps remain in what is judged.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from benchmarks.parts.judged import ideal_8k, score, warped
from skypechan.audio.probe import CHIRP_S, chirp, found_chirps
from skypechan.errors import DeadlineError

Int16 = NDArray[np.int16]

_LEAD_S, _PAUSE_S, _TAIL_S = 1.5, 0.3, 0.5
_MOST_WARP = 0.002
_MOST_TORN = 0.1


def between_chirps(clips: list[Int16], rate_hz: int) -> Int16:
    """Return the clips as they are to be said, with silence before and behind."""
    parts = [np.zeros(round(_LEAD_S * rate_hz), np.int16)]
    for samples in clips:
        parts += [chirp(rate_hz), np.zeros(round(_PAUSE_S * rate_hz), np.int16)]
        parts += [samples, np.zeros(round(_TAIL_S * rate_hz), np.int16)]
    tail = np.zeros(round(_LEAD_S * rate_hz), np.int16)
    return np.concatenate([*parts, chirp(rate_hz), tail])


def scores(
    heard: Int16,
    spoken: list[Int16],
    rate_hz: int,
    *,
    judged_hz: int | None = None,
    ratio: float | None = None,
) -> list[float]:
    """Score every clip in what was heard; without `ratio` the chirps tell the speed.

    The clips are there in order, however torn. Raises DeadlineError if one is not.
    """
    parts = list(_parts(heard, len(spoken[0]), rate_hz, ratio))
    if len(parts) != len(spoken):
        raise DeadlineError(f"{len(parts)} of {len(spoken)} clips were heard")
    return [
        _score(samples, *part, judged_hz or rate_hz, rate_hz)
        for samples, part in zip(spoken, parts, strict=True)
    ]


def _parts(
    heard: Int16, length: int, rate_hz: int, known: float | None
) -> Iterator[tuple[float, Int16]]:
    """Speed and sound of what lies between each chirp and the next."""
    before, behind = (CHIRP_S + _PAUSE_S) * rate_hz, _TAIL_S * rate_hz
    places = [found.position for found in found_chirps(heard, rate_hz)]
    for first, second in itertools.pairwise(places):
        told = (second - first) / (before + length + behind)
        if abs(told - 1) > _MOST_TORN:
            continue
        # More than clocks differ by: something was cut out or put in.
        ratio = known or (told if abs(told - 1) < _MOST_WARP else 1.0)
        begin = round(first + before * ratio)
        part = heard[begin : begin + round(length * ratio)]
        yield ratio, part


def _score(
    samples: Int16, ratio: float, part: Int16, judged_hz: int, rate_hz: int
) -> float:
    pair = warped(samples, ratio), part
    if judged_hz != rate_hz:
        pair = ideal_8k(pair[0]), ideal_8k(part)
    return score(*pair, judged_hz)
