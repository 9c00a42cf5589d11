"""Spectrograms: what two ways of going from 16 to 8 kHz leave of a sweep."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.parts.quality_report import Results
from benchmarks.parts.resamplers import OURS, SKYPIAX, Resampler

_RATE_HZ, _NARROW_HZ = 16_000, 8_000
_SWEEP_S = 4.0
_FLOOR_DB, _TOP_DB = -110, 0
_WINDOW, _HOP = 512, 64
_DPI = 110
_LEAST_DRAWN_MS = 0.01


def can_plot() -> bool:
    """Tell whether matplotlib is there."""
    return importlib.util.find_spec("matplotlib") is not None


def sweep() -> NDArray[np.float32]:
    """Return a tone that rises from 100 to 7900 Hz at half of full scale."""
    time_s = np.arange(round(_SWEEP_S * _RATE_HZ)) / _RATE_HZ
    turns = 100 * time_s + (7900 - 100) / _SWEEP_S * time_s**2 / 2
    return (0.5 * np.sin(2 * np.pi * turns)).astype(np.float32)


def spectrogram_db(samples: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return `[frequency, time]` in dB, 0 dB the level of the sweep."""
    windows = np.lib.stride_tricks.sliding_window_view(samples, _WINDOW)[::_HOP]
    shape = np.blackman(_WINDOW)
    spectrum = np.abs(np.fft.rfft(windows * shape, axis=1)) / (0.25 * shape.sum())
    return 20 * np.log10(np.maximum(spectrum.T, 1e-9))


def _heard(resampler: Resampler) -> NDArray[np.float32]:
    stream, piece = resampler.make(_RATE_HZ, _NARROW_HZ), _RATE_HZ // 50
    tone = sweep()
    pieces = [tone[at : at + piece] for at in range(0, len(tone), piece)]
    return np.concatenate([np.array(stream.process(one)) for one in pieces])


def write_spectrogram(file: Path) -> None:
    """Draw the sweep, and what skypiax's decimation and ours make of it."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    panels = (
        ("a tone from 100 to 7900 Hz, 16 kHz", sweep(), _RATE_HZ),
        ("every other sample kept, as skypiax did", _heard(SKYPIAX), _NARROW_HZ),
        ("ours", _heard(OURS), _NARROW_HZ),
    )
    figure, axes = plt.subplots(1, 3, figsize=(13, 4.4), layout="constrained")
    for axis, (title, samples, rate_hz) in zip(axes, panels, strict=True):
        image = axis.imshow(
            spectrogram_db(samples),
            origin="lower",
            aspect="auto",
            extent=(0, len(samples) / rate_hz, 0, rate_hz / 2000),
            vmin=_FLOOR_DB,
            vmax=_TOP_DB,
            cmap="magma",
        )
        axis.set(title=title, xlabel="seconds", ylim=(0, 8))
    axes[0].set_ylabel("kHz")
    figure.colorbar(image, ax=axes, label="dB")
    figure.savefig(file, dpi=_DPI)
    plt.close(figure)


def write_figures(results: Results, file: Path) -> None:
    """Draw PESQ of ours and others, and rejection against delay of the resamplers."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(
        1, 2, figsize=(14, 6.5), layout="constrained", width_ratios=(3, 2)
    )
    rows = [row for section in results.sections.values() for row in section]
    scores = [row for row in rows if row.what.startswith("PESQ")]
    for place, row in enumerate(scores):
        left.plot(row.ours, place, "o", color="C0" if row.met else "C3", ms=9)
        others = {n: v for n, v in row.beside.items() if not n.endswith("worst clip")}
        for index, (name, value) in enumerate(others.items()):
            left.plot(value, place, "|", color="0.4", ms=14, mew=2)
            left.annotate(
                name.removeprefix("phone - "),
                (value, place),
                (0, -14 if index % 2 else 9),
                textcoords="offset points",
                ha="center",
                fontsize=6,
            )
    left.set_yticks(range(len(scores)), [row.what[5:] for row in scores], fontsize=8)
    left.set(title="PESQ: ours (red: target missed) and others", xlim=(None, 4.8))
    left.invert_yaxis()
    left.grid(alpha=0.3)
    for name, pair in results.resamplers.items():
        for response, mark in zip(pair, "v^", strict=True):
            delay_ms = max(response.delay_ms + response.held_ms, _LEAST_DRAWN_MS)
            style = "C0" if name == "ours" else "0.4"
            right.plot(delay_ms, response.rejection_db, mark, color=style)
        right.annotate(
            name,
            (delay_ms, response.rejection_db),
            (4, -10),
            textcoords="offset points",
            fontsize=8,
        )
    right.set(
        title="resamplers: 16k to 8k (down), 8k to 16k (up)",
        xscale="log",
        xlabel=f"delay with what is held back, ms (0 stands at {_LEAST_DRAWN_MS})",
        xlim=(_LEAST_DRAWN_MS / 2, 1000),
        ylabel="rejection from 4000 Hz, dB",
    )
    right.grid(alpha=0.3)
    figure.savefig(file, dpi=_DPI)
    plt.close(figure)
