"""What holds for the chain of each direction whatever comes: sound, gain, company."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skypechan.audio.chain import ToLine, ToPbx
from skypechan.audio.ratematch import MOST_PPM

CAPACITY = 4
FRAME = 320
SPARE = 16
RATES_HZ = (8_000, 16_000)
LOUD = 32_767


@st.composite
def sounds(draw: st.DrawFn) -> np.ndarray:
    """20 ms at 16 kHz: silence, full scale, noise, steps, clicks, tones."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    level = draw(st.sampled_from([0, 1, 100, 8_000, LOUD]))
    match draw(st.sampled_from(["steady", "noise", "square", "click", "tone"])):
        case "steady":
            return np.full(FRAME, level, np.int16)
        case "noise":
            return rng.integers(-level - 1, level + 1, FRAME).astype(np.int16)
        case "square":
            period = int(rng.integers(2, FRAME))
            sign = np.where(np.arange(FRAME) // period % 2, 1, -1)
            return (sign * level).astype(np.int16)
        case "click":
            frame = np.zeros(FRAME, np.int16)
            frame[rng.integers(FRAME)] = -level
            return frame
        case _:
            angle = rng.uniform(0, np.pi) * np.arange(FRAME)
            return np.rint(level * np.sin(angle)).astype(np.int16)


@st.composite
def calls(draw: st.DrawFn) -> list[tuple[np.ndarray, float, float]]:
    """Sound, gain in dB and ppm of each frame of a call."""
    gains = st.sampled_from([0.0, 0.0, 20.0, -13.0, 40.0, -40.0])
    ppm = st.floats(-MOST_PPM, MOST_PPM)
    frame = st.tuples(sounds(), gains, ppm)
    return draw(st.lists(frame, min_size=1, max_size=6))


class Played:
    """Both directions for some rows; everything that each row gave."""

    def __init__(self, rate_hz: int) -> None:
        self.to_pbx, self.to_line = ToPbx(CAPACITY), ToLine(CAPACITY)
        self.rate_hz = rate_hz
        for row in range(CAPACITY):
            self.to_pbx.reset(row, 0.0)
            self.to_line.reset(row, 0.0)
        self.pbx_heard: list[list[np.ndarray]] = [[] for _ in range(CAPACITY)]
        self.line_heard: list[list[np.ndarray]] = [[] for _ in range(CAPACITY)]

    def play(self, heard: dict[int, tuple[np.ndarray, float, float]]) -> None:
        rows = np.array(list(heard), np.intp)
        pcm = np.stack([sound for sound, _, _ in heard.values()])
        ratio = np.array([1 + ppm * 1e-6 for _, _, ppm in heard.values()])
        for row, (_, gain_db, _) in heard.items():
            self.to_pbx.gain.set(row, gain_db)
            self.to_line.gain.set(row, gain_db)
        thin = FRAME * self.rate_hz // 16_000
        out = np.zeros((len(rows), thin), np.int16)
        self.to_pbx.process(rows, pcm.copy(), self.rate_hz, out)
        wide = np.zeros((len(rows), FRAME + SPARE), np.int16)
        counts = self.to_line.process(
            rows, pcm[:, :thin].copy(), self.rate_hz, wide, ratio
        )
        for i, row in enumerate(rows.tolist()):
            self.pbx_heard[row].append(out[i])
            self.line_heard[row].append(wide[i, : counts[i]])


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@settings(max_examples=40, deadline=None)
@given(call=calls())
def test_no_sound_gives_what_is_none_and_none_goes_on_by_itself(
    rate_hz: int, call: list[tuple[np.ndarray, float, float]]
) -> None:
    played = Played(rate_hz)
    with np.errstate(all="raise", under="ignore"):  # NaN would be an error here
        for frame in call:
            played.play({0: frame})
        loudest = max(np.abs(f.astype(int)).max() for f, _, _ in call)
        silence = np.zeros(FRAME, np.int16)
        for _ in range(3):
            played.play({0: (silence, 0.0, 0.0)})
    for chain, heard in (
        (played.to_pbx, played.pbx_heard[0]),
        (played.to_line, played.line_heard[0]),
    ):
        assert not heard[-1].any()
        level = chain.meter.read(0)
        assert np.isfinite([level.peak_dbfs, level.average_dbfs]).all()
        if not loudest:
            assert not np.concatenate(heard).any()
    assert all(abs(len(frame) - FRAME) <= 2 for frame in played.line_heard[0])


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@settings(max_examples=15, deadline=None)
@given(
    all_calls=st.lists(calls(), min_size=CAPACITY, max_size=CAPACITY),
    chance=st.randoms(use_true_random=False),
)
def test_every_call_of_a_batch_sounds_as_it_does_alone(
    rate_hz: int,
    all_calls: list[list[tuple[np.ndarray, float, float]]],
    chance: object,
) -> None:
    together, alone = Played(rate_hz), Played(rate_hz)
    for row, call in enumerate(all_calls):
        for frame in call:
            alone.play({row: frame})
    left = {row: list(call) for row, call in enumerate(all_calls)}
    while left:
        size = chance.randint(1, len(left))  # type: ignore[attr-defined]
        chosen = chance.sample(list(left), size)  # type: ignore[attr-defined]
        together.play({row: left[row].pop(0) for row in chosen})
        left = {row: rest for row, rest in left.items() if rest}
    for row in range(CAPACITY):
        for ours, theirs in (
            (together.pbx_heard[row], alone.pbx_heard[row]),
            (together.line_heard[row], alone.line_heard[row]),
        ):
            apart = np.concatenate(ours).astype(int) - np.concatenate(theirs)
            assert np.abs(apart).max() <= 1  # a half may be rounded either way


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@settings(max_examples=40, deadline=None)
@given(
    frames=st.lists(sounds(), min_size=1, max_size=4),
    cuts=st.lists(st.integers(1, 160), max_size=12),
)
def test_any_cut_of_the_input_sounds_the_same(
    rate_hz: int, frames: list[np.ndarray], cuts: list[int]
) -> None:
    whole = np.concatenate(frames) // 4  # below what the limiter would act on
    row = np.zeros(1, np.intp)
    step = 16_000 // rate_hz  # samples of the line for one of the PBX

    def heard(edges: list[int]) -> np.ndarray:
        to_pbx, parts = ToPbx(1), []
        for begin, end in zip([0, *edges], [*edges, len(whole)], strict=True):
            if begin < end:
                out = np.zeros((1, (end - begin) // step), np.int16)
                to_pbx.process(row, whole[None, begin:end].copy(), rate_hz, out)
                parts.append(out[0])
        return np.concatenate(parts)

    edges = [e for e in (2 * np.cumsum(cuts)).tolist() if e < len(whole)]
    apart = heard(edges).astype(int) - heard([])
    assert np.abs(apart).max() <= 1
