"""Recorded speech of several voices, from Debian's packages of Asterisk's prompts.

The packages `asterisk-core-sounds-*-g722` are fetched by apt into var/bench/speech
without being installed. The recordings are G.722 at 64 kbit/s and are decoded by
libspandsp, which Debian's baresip brings. So what stands for perfect sound here has
been through G.722 once: 50 to 7000 Hz.
"""

from __future__ import annotations

import ctypes
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skypechan.demo.report import tell
from skypechan.errors import LinkDownError

RATE_HZ = 16_000
CLIP_S = 8.0
ACTIVE_DBOV = -26.0

Int16 = NDArray[np.int16]

_SHELF = Path(__file__).resolve().parents[2] / "var" / "bench" / "speech"
_LIBRARY = "libspandsp.so.2"
_BIT_RATE = 64_000
_VOICES = {
    "en": "Allison",
    "fr": "June",
    "it": "Carlo",
    "ru": "IvrvoiceRU",
    "es": "Allison",
}
_RECORDINGS = ("demo-instruct", "demo-congrats", "priv-callee-options")
_SKIPPED_S = 0.2
_FRAME = 320
_QUIET_DB = 30.0  # below the loudest frames: a pause
_PROCESS_S = 120.0


@dataclass(frozen=True, slots=True)
class Clip:
    """8 s of somebody speaking at -26 dBov: `[128000]` at 16 kHz."""

    name: str
    samples: Int16


def clips(per_voice: int) -> list[Clip]:
    """Return so many of each voice, in an order that changes voices.

    Raises LinkDownError where the packages or the library cannot be had.
    """
    voices = [_voice(language)[:per_voice] for language in _VOICES]
    return [clip for turn in zip(*voices, strict=False) for clip in turn]


@cache
def _voice(language: str) -> tuple[Clip, ...]:
    found: list[Clip] = []
    (folder,) = _unpacked(language).glob("usr/share/asterisk/sounds/*")
    name = f"{_VOICES[language]} ({language})"
    for recording in _RECORDINGS:
        samples = _decoded((folder / f"{recording}.g722").read_bytes())
        samples = samples[round(_SKIPPED_S * RATE_HZ) :]
        length = round(CLIP_S * RATE_HZ)
        for begin in range(0, len(samples) - length + 1, length):
            part = samples[begin : begin + length]
            found.append(Clip(f"{name} {len(found) + 1}", levelled(part)))
    return tuple(found)


def _unpacked(language: str) -> Path:
    folder = _SHELF / language
    if not (folder / "usr").is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        package = f"asterisk-core-sounds-{language}-g722"
        tell(f"quality: fetching {package} ...")
        _run(["apt-get", "download", package], folder)
        for file in folder.glob("*.deb"):
            _run(["dpkg-deb", "-x", file.name, "."], folder)
            file.unlink()
    return folder


def _run(command: list[str], folder: Path) -> None:
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=_PROCESS_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LinkDownError(f"{' '.join(command)}: {error}") from error
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["no reason given"]
        raise LinkDownError(f"{' '.join(command)}: {said[-1]}")


def _decoded(content: bytes) -> Int16:
    """G.722 to 16 kHz."""
    try:
        library = ctypes.CDLL(_LIBRARY)
    except OSError as error:
        raise LinkDownError(f"{_LIBRARY} (Debian's libspandsp2): {error}") from error
    library.g722_decode_init.restype = ctypes.c_void_p
    state = ctypes.c_void_p(library.g722_decode_init(None, _BIT_RATE, 0))
    out = np.zeros(2 * len(content), np.int16)
    target = out.ctypes.data_as(ctypes.c_void_p)
    made = library.g722_decode(state, target, content, len(content))
    library.g722_decode_free(state)
    return out[:made]


def active_rms(samples: NDArray[np.generic]) -> float:
    """RMS of the frames in which somebody speaks, full scale 1.0."""
    whole = samples[: len(samples) // _FRAME * _FRAME].astype(np.float64) / 32768
    power = (whole.reshape(-1, _FRAME) ** 2).mean(axis=1)
    loud = power > np.percentile(power, 95) * 10 ** (-_QUIET_DB / 10)
    return float(np.sqrt(power[loud].mean()))


def levelled(samples: Int16, dbov: float = ACTIVE_DBOV) -> Int16:
    """The same with this active level."""
    gain = 10 ** (dbov / 20) / active_rms(samples)
    scaled = np.rint(samples.astype(np.float64) * gain)
    return np.clip(scaled, -32768, 32767).astype(np.int16)
