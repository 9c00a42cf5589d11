"""What PESQ (ITU-T P.862, P.862.2) says of each stage, on recorded speech.

Scores are means over all clips. NB scores are at 8 kHz, WB at 16 kHz; the best there
is is 4.549 and 4.644. The stages run as in a call: 20 ms at a time, 16 bit in and out.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from benchmarks.parts.resamplers import OURS, SKYPIAX, Resampler
from benchmarks.parts.rows import Row, at_least
from benchmarks.parts.speech import RATE_HZ, Clip
from skypechan.audio.chain import ToLine, ToPbx
from skypechan.audio.concealment import Concealer
from skypechan.audio.pcm import ulaw_decode
from skypechan.errors import ConfigError
from tests.doubles.rtp import ulaw_encoded

NARROW_RATE_HZ = 8_000
WITHIN_NB, WITHIN_WB = 0.02, 0.05
LEAST_WIDE = 4.60
BOOST_DB, LEAST_BOOSTED = 20.0, 4.0
LOSSES = ((0.01, 3.95), (0.03, 2.95))

Int16 = NDArray[np.int16]

_ROW = np.zeros(1, np.intp)
_FRAME = 320
_OVERSAMPLED = 32
_SEEDS = 4
_DECAY = 0.7


def require_pesq() -> None:
    """Raise ConfigError where PESQ is not installed."""
    if importlib.util.find_spec("pesq") is None:
        raise ConfigError("PESQ is not installed (the extra `bench`; it needs gcc)")


def score(reference: Int16, heard: Int16, rate_hz: int) -> float:
    """PESQ of 16-bit sound: NB at 8 kHz, WB at 16 kHz."""
    from pesq import pesq

    mode = "nb" if rate_hz == NARROW_RATE_HZ else "wb"
    return float(pesq(rate_hz, reference, heard, mode))


def mean_score(pairs: Iterable[tuple[Int16, Int16]], rate_hz: int) -> float:
    """Return the mean over (reference, heard)."""
    return float(np.mean([score(*pair, rate_hz) for pair in pairs]))


def ideal_8k(samples: Int16) -> Int16:
    """16 to 8 kHz with a filter that ends at 4000 Hz, by the whole spectrum."""
    samples = samples[: len(samples) // 4 * 4]
    spectrum = np.fft.rfft(samples)
    half = np.fft.irfft(spectrum[: len(samples) // 4 + 1], len(samples) // 2) / 2
    return rounded(half)


def ulaw(samples: Int16) -> Int16:
    """Through G.711 mu-law and back."""
    return ulaw_decode(ulaw_encoded(samples))


def rounded(samples: NDArray[np.floating]) -> Int16:
    """To 16 bit, saturated."""
    return np.clip(np.rint(samples), -32768, 32767).astype(np.int16)


def rows(clips: list[Clip], rivals: list[Resampler], *, quick: bool) -> list[Row]:
    """Judge everything. Raises ConfigError where PESQ is not installed."""
    require_pesq()
    drifts_ppm = (200, -200) if quick else (200, -200, 1000, -1000)
    return [
        *_narrow(clips, rivals),
        _wide(clips),
        *(_drifting(clips, ppm) for ppm in drifts_ppm),
        *(_lossy(clips, share, least) for share, least in LOSSES),
        _boosted(clips),
    ]


def _down(resampler: Resampler, samples: Int16) -> Int16:
    process = resampler.make_int16(RATE_HZ, NARROW_RATE_HZ)
    pieces = [process(frame) for frame in samples.reshape(-1, _FRAME)]
    return np.concatenate(pieces)


def _narrow(clips: list[Clip], rivals: list[Resampler]) -> list[Row]:
    """Down to 8 kHz, without and with mu-law, against the ideal filter."""
    ideal = [ideal_8k(clip.samples) for clip in clips]
    found = []
    for name, code in (("16k -> 8k", rounded), ("16k -> 8k -> ulaw", ulaw)):
        direct = mean_score(((one, code(one)) for one in ideal), NARROW_RATE_HZ)
        scores = {
            resampler.name: mean_score(
                (
                    (one, code(_down(resampler, clip.samples)))
                    for one, clip in zip(ideal, clips, strict=True)
                ),
                NARROW_RATE_HZ,
            )
            for resampler in (OURS, *_immediate(rivals), SKYPIAX)
        }
        ours = scores.pop(OURS.name)
        scores = {"ideal filter": direct} | scores
        target = f"ideal filter - {WITHIN_NB:g}"
        met = ours >= direct - WITHIN_NB
        found.append(Row(f"PESQ {name}", "NB", target, ours, met, scores))
    return found


def _immediate(rivals: list[Resampler]) -> list[Resampler]:
    """Those that give back within a frame, as a call needs: speex."""
    return [one for one in rivals if one.name.startswith("speex")]


def _wide(clips: list[Clip]) -> Row:
    pairs = []
    for clip in clips:
        to_pbx, to_line, heard = ToPbx(1), ToLine(1), []
        for stage in (to_pbx, to_line):
            stage.reset(0, 0.0)
        for frame in clip.samples.reshape(-1, 1, _FRAME):
            middle, out = np.empty_like(frame), np.empty_like(frame)
            to_pbx.process(_ROW, frame, RATE_HZ, middle)
            to_line.process(_ROW, middle, RATE_HZ, out)
            heard.append(out[0])
        pairs.append((clip.samples, np.concatenate(heard)))
    ceiling = mean_score(((c.samples, c.samples) for c in clips), RATE_HZ)
    return at_least(
        "PESQ slin16 path, both directions one after the other",
        "WB",
        LEAST_WIDE,
        mean_score(pairs, RATE_HZ),
        {"unchanged": ceiling},
    )


def warped(samples: Int16, ratio: float) -> Int16:
    """The same played so that each sample becomes `ratio` samples, exactly."""
    count = len(samples)
    spectrum = np.fft.rfft(samples)
    fine = np.fft.irfft(spectrum, count * _OVERSAMPLED) * _OVERSAMPLED
    places = np.arange(int(count * ratio)) / ratio * _OVERSAMPLED
    return rounded(np.interp(places, np.arange(len(fine)), fine))


def matched(samples: Int16, ratio: float) -> Int16:
    """The same through the direction to the line at this drift."""
    to_line, heard = ToLine(1), []
    to_line.reset(0, 0.0)
    ratios = np.array([ratio])
    for frame in samples.reshape(-1, 1, _FRAME):
        out = np.empty((1, _FRAME + 8), np.int16)
        counts = to_line.process(_ROW, frame, RATE_HZ, out, ratios)
        heard.append(out[0, : counts[0]])
    return np.concatenate(heard)


def _drifting(clips: list[Clip], ppm: float) -> Row:
    ratio = 1 + ppm * 1e-6
    ceiling = mean_score(((c.samples, c.samples) for c in clips), RATE_HZ)
    ours = mean_score(
        ((warped(c.samples, ratio), matched(c.samples, ratio)) for c in clips), RATE_HZ
    )
    return Row(
        f"PESQ rate matched by {ppm:+g} ppm, reference warped",
        "WB",
        f"unchanged - {WITHIN_WB:g}",
        ours,
        ours >= ceiling - WITHIN_WB,
        {"unchanged": ceiling},
    )


def _zeros(frames: NDArray[np.int16], lost: NDArray[np.bool_]) -> Int16:
    return np.where(lost[:, None], 0, frames).astype(np.int16).ravel()


def _repeated(frames: NDArray[np.int16], lost: NDArray[np.bool_]) -> Int16:
    heard = frames.copy()
    for index in np.flatnonzero(lost).tolist():
        heard[index] = np.rint(heard[index - 1] * _DECAY)
    return heard.ravel()


def _concealed(frames: NDArray[np.int16], lost: NDArray[np.bool_]) -> Int16:
    concealer, heard = Concealer(RATE_HZ), []
    for frame, is_lost in zip(frames, lost.tolist(), strict=True):
        made = concealer.conceal(_FRAME) if is_lost else concealer.heard(frame)
        heard.append(made)
    return np.concatenate(heard)


_WAYS: dict[str, Callable[[NDArray[np.int16], NDArray[np.bool_]], Int16]] = {
    "ours": _concealed,
    "zeros": _zeros,
    "frame repeated": _repeated,
}


def _lossy(clips: list[Clip], share: float, least: float) -> Row:
    """The same frames lost for every way; the first frames are spared."""
    scores: dict[str, list[float]] = {name: [] for name in _WAYS}
    for number, clip in enumerate(clips):
        frames = clip.samples.reshape(-1, _FRAME)
        for seed in range(_SEEDS):
            lost = np.random.default_rng([number, seed]).random(len(frames)) < share
            lost[:5] = False
            for name, way in _WAYS.items():
                heard = way(frames, lost)
                scores[name].append(score(clip.samples, heard, RATE_HZ))
    means = {name: float(np.mean(values)) for name, values in scores.items()}
    what = f"PESQ {share:.0%} of 20 ms frames lost"
    return at_least(what, "WB", least, means.pop("ours"), means)


def _boosted(clips: list[Clip]) -> Row:
    pairs, clipped = [], []
    for clip in clips:
        to_pbx, heard = ToPbx(1), []
        to_pbx.reset(0, BOOST_DB)
        for frame in clip.samples.reshape(-1, 1, _FRAME):
            out = np.empty_like(frame)
            to_pbx.process(_ROW, frame, RATE_HZ, out)
            heard.append(out[0])
        pairs.append((clip.samples, np.concatenate(heard)))
        hard = rounded(clip.samples * 10 ** (BOOST_DB / 20))
        clipped.append((clip.samples, hard))
    return at_least(
        f"PESQ +{BOOST_DB:g} dB on speech at -26 dBov",
        "WB",
        LEAST_BOOSTED,
        mean_score(pairs, RATE_HZ),
        {"hard clip": mean_score(clipped, RATE_HZ)},
    )
