"""The chain in words: every counter with its unit, in the order audio takes."""

from __future__ import annotations

import dataclasses

from skypechan.audio.meter import Level
from skypechan.media.describe import audio_text
from skypechan.media.settings import EngineSettings
from skypechan.media.values import DirectionFigures, MediaFigures, Payload

WAY = DirectionFigures(
    frames=1_001,
    dropped=2,
    gaps=3,
    filled=44,
    queue_ms=5.4,
    level=Level(-26.1, -27.0, -3.2, clipped=6, limited=77),
    delay_ms=42.3,
    drift_ppm=-199.96,
    late=88,
    concealed_ms=60.0,
    skipped_ms=20.0,
    smoothed=True,
)
CALM = dataclasses.replace(WAY, smoothed=False, delay_ms=0.0)


def test_a_call_s_counters_stand_beside_their_stages() -> None:
    text = audio_text(MediaFigures(WAY, CALM, Payload.ULAW, digits=9), EngineSettings())
    to_pbx, to_line = text.split("\n\n")
    for words in (
        "1001 frames, clock -200.0 ppm, 88 late by > 10 ms",
        "rough source",
        "delay 42.3 ms, concealed 60 ms, skipped 20 ms",
        "3 pauses, 44 frames of silence",
        "level -26.1 dBFS, peak -3.2 dBFS, 77 samples limited, 6 clipped",
        "2 frames without room, 5 ms unsent",
    ):
        assert words in to_pbx
    assert "payload ulaw, 9 digits" in to_line
    assert "passed on when it comes" in to_line
    assert "resampled to the client's clock" in to_line


def test_without_a_call_the_chain_is_described_without_counters() -> None:
    text = audio_text(None, EngineSettings(follow_line_clock=False, rough_ms=25))
    assert "later than 25 ms" in text
    assert "not followed" in text
    assert "frames without" not in text
    order = [
        "from Asterisk",
        "arrival",
        "lateness",
        "rate",
        "gain",
        "clock",
        "departure",
    ]
    places = [text.index(f"  {word}", text.index("TO_LINE")) for word in order]
    assert places == sorted(places)


def test_no_line_is_longer_than_a_terminal() -> None:
    text = audio_text(MediaFigures(WAY, WAY, Payload.LINEAR, 0), EngineSettings())
    assert max(map(len, text.splitlines())) <= 88
