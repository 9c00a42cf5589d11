"""The audio chain of a call in words: each stage, what it does, its counters, units."""

from __future__ import annotations

from collections.abc import Iterator

from skypechan.media.settings import EngineSettings
from skypechan.media.values import DirectionFigures, MediaFigures

_HOLD = "while the other end holds: the line's hold audio, cross-faded"


def audio_text(figures: MediaFigures | None, settings: EngineSettings) -> str:
    """Describe the chain: of a live or ended call, or with None what every call has.

    Lines of at most 88 characters, one stage each, in the order audio takes.
    """
    to_pbx = _to_pbx(figures.to_pbx if figures else None, settings)
    to_line = _to_line(figures, settings)
    lines = ["TO_PBX: the client speaks, the phone hears", *to_pbx, ""]
    lines += ["TO_LINE: the phone speaks, the client hears", *to_line]
    return "\n".join(lines) + "\n"


def _to_pbx(
    figures: DirectionFigures | None, settings: EngineSettings
) -> Iterator[str]:
    yield _stage("from the client", "16 kHz S16LE, any pieces, frames of 20 ms")
    yield from _arrival(figures)
    yield from _lateness(figures, settings)
    yield _stage("digits", "told by tones only: found and silenced, if the line wants")
    yield _stage("hold", _HOLD)
    yield from _gain(figures)
    yield _stage("rate", "16 kHz to the PBX's; 8 kHz: 256 taps, minimum phase, 0.26 ms")
    yield from _departure(figures, "one AudioSocket message of 20 ms, one send")


def _to_line(figures: MediaFigures | None, settings: EngineSettings) -> Iterator[str]:
    way = figures.to_line if figures else None
    yield _stage(
        "from Asterisk", "AudioSocket messages, the kind of each says its rate"
    )
    if figures:
        yield _counters(f"payload {figures.payload}", f"{figures.digits} digits")
    yield from _arrival(way)
    yield from _lateness(way, settings)
    yield _stage("hold", _HOLD)
    yield _stage("rate", "to 16 kHz; from 8 kHz: 256 taps, minimum phase, 0.26 ms")
    yield from _gain(way)
    if settings.follow_line_clock:
        what = "resampled to the client's clock, 14 or 48 taps, 0.2 ms"
    else:
        what = "the client's clock is not followed"
    yield _stage("clock", what)
    yield from _departure(way, f"at most {settings.line_queue_ms} ms unsent")


def _arrival(figures: DirectionFigures | None) -> Iterator[str]:
    yield _stage("arrival", "fit of the earliest arrivals of 60 s, once a second")
    if figures:
        yield _counters(
            f"{figures.frames} frames",
            f"clock {figures.drift_ppm:+.1f} ppm",
            f"{figures.late} late by > 10 ms",
        )


def _lateness(
    figures: DirectionFigures | None, settings: EngineSettings
) -> Iterator[str]:
    if figures is None:
        rule = f"held only where 0.5 % is later than {settings.rough_ms} ms"
    elif figures.smoothed:
        rule = "rough source: held, and gaps concealed by the last pitch period"
    else:
        rule = "well-behaved source: passed on when it comes"
    yield _stage("lateness", rule)
    if figures:
        yield _counters(
            f"delay {figures.delay_ms:.1f} ms",
            f"concealed {figures.concealed_ms:.0f} ms",
            f"skipped {figures.skipped_ms:.0f} ms",
        )
    yield _stage("pauses", f"silence in place of audio after {settings.gap_ms} ms")
    if figures:
        yield _counters(f"{figures.gaps} pauses", f"{figures.filled} frames of silence")


def _gain(figures: DirectionFigures | None) -> Iterator[str]:
    yield _stage("gain and limiter", "-40 to 40 dB, ramp 20 ms, ceiling -1 dBFS")
    if figures:
        level = figures.level
        yield _counters(
            f"level {level.level_dbfs:.1f} dBFS",
            f"peak {level.peak_dbfs:.1f} dBFS",
            f"{level.limited} samples limited",
            f"{level.clipped} clipped",
        )


def _departure(figures: DirectionFigures | None, how: str) -> Iterator[str]:
    yield _stage("departure", how)
    if figures:
        yield _counters(
            f"{figures.dropped} frames without room",
            f"{figures.queue_ms:.0f} ms unsent",
        )


def _stage(name: str, what: str) -> str:
    return f"  {name:<18} {what}"


def _counters(*words: str) -> str:
    return " " * 21 + ", ".join(words)
