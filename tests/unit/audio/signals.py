"""Signals to try audio code with, and what is left when a tone is taken out."""

from __future__ import annotations

import numpy as np


def sine(hz: float, seconds: float, rate_hz: int = 16_000) -> np.ndarray:
    """A sine of amplitude 1."""
    time_s = np.arange(int(seconds * rate_hz)) / rate_hz
    return np.sin(2 * np.pi * hz * time_s).astype(np.float32)


def residue_db(heard: np.ndarray, hz: float, rate_hz: int) -> float:
    """What is not the sine of exactly this frequency, in dB below it."""
    angle = 2 * np.pi * hz * np.arange(len(heard)) / rate_hz
    waves = np.stack([np.sin(angle), np.cos(angle)], axis=1)
    fit, *_ = np.linalg.lstsq(waves, heard.astype(np.float64), rcond=None)
    rest = heard - waves @ fit
    return float(20 * np.log10(np.std(rest) / np.std(waves @ fit)))


def voice(seconds: float, rate_hz: int = 16_000, pitch_hz: float = 120) -> np.ndarray:
    """Something with a pitch and its overtones, int16, about -20 dBFS."""
    time_s = np.arange(int(seconds * rate_hz)) / rate_hz
    tones = sum(
        np.sin(2 * np.pi * k * pitch_hz * time_s + k * k) / k for k in range(1, 20)
    )
    return np.rint(tones / np.abs(tones).max() * 8_000).astype(np.int16)
