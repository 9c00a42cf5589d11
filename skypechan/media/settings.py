"""What an operator may set of the audio, and the checks of it; needs no numpy."""

from __future__ import annotations

import wave
from dataclasses import dataclass
from pathlib import Path

from skypechan.errors import ConfigError
from skypechan.settings import setting

SILENCE = "silence"
MOST_HOLD_S = 600  # of a longer file that much is played
_LEAST_HOLD_S = 0.1
_SAMPLE_BYTES = 2
_RATE_STEP_HZ = 100  # any multiple of it can be brought to the line's rate


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """How the engine treats silence, lateness, clocks and receivers that lag."""

    most_calls: int = setting(
        500,
        "calls whose audio is joined at once; one more is refused, and so is one"
        " while audio takes all of a core",
        least=1,
    )
    gap_ms: int = setting(
        60, "after this much nothing from one side the other gets silence", least=20
    )
    line_queue_ms: int = setting(
        240, "audio that may wait unsent for the client before frames are dropped"
    )
    follow_line_clock: bool = setting(
        True, "the client plays by the clock it records by: write as much as is read"
    )
    rough_ms: int = setting(
        15, "a source of which 0.5 % comes later than this is smoothed", least=5
    )
    backlog_ms: int = setting(
        40,
        "of what a stall held back, so much more than was missing is passed on",
        least=20,
    )
    stall_seconds: float = setting(
        10.0, "a receiver that takes no audio for so long has ended the call", least=1
    )


def check_hold_audio(text: str) -> None:
    """Be content with "silence" or a WAV file that can be played, else ConfigError."""
    if text == SILENCE:
        return
    try:
        with wave.open(str(Path(text)), "rb") as file:
            width, rate_hz = file.getsampwidth(), file.getframerate()
            seconds = file.getnframes() / rate_hz
    except (OSError, EOFError, wave.Error) as error:
        raise ConfigError(f"{text} is no WAV file that can be read: {error}") from error
    if width != _SAMPLE_BYTES or rate_hz % _RATE_STEP_HZ:
        raise ConfigError(f"{text} is no 16-bit PCM of a usual rate")
    if seconds < _LEAST_HOLD_S:
        raise ConfigError(f"{text} is shorter than {_LEAST_HOLD_S:g} s")
