"""The media engine alone in a process, for the capacity benchmark.

    python -m benchmarks.parts.engine_gateway CALLS PBX_RATE_HZ GAIN_DB

Everything is on that a call has by default: gain and limiter, meter, clocks followed,
lateness watched. At the end it tells, as JSON, what the engine did to the calls.
"""

from __future__ import annotations

import asyncio
import json
import sys

from benchmarks.parts.accepting import Trio, accept_calls, until_load_ends
from skypechan.gateway.housekeeping import settle
from skypechan.media.callmedia import CallMedia
from skypechan.media.engine import Engine, EngineSettings, MediaStart


async def serve(calls: list[Trio], pbx_rate_hz: int, gain_db: float) -> None:
    """Join all calls until the load ends."""
    settings = EngineSettings(most_calls=len(calls))
    engine = Engine(asyncio.get_running_loop(), settings)
    running = [
        engine.start(
            MediaStart(
                line_receive=from_line,
                line_send=to_line,
                pbx=pbx,
                pbx_rate_hz=pbx_rate_hz,
                playback_db=gain_db,
                capture_db=gain_db,
                on_digit=ignore,
                on_closed=ignore,
            )
        )
        for from_line, to_line, pbx in calls
    ]
    settle()
    await until_load_ends()
    print(json.dumps(told(running) | {"window_ms": 1000 * engine.window_s}))
    engine.close()


def ignore(_: object) -> None:
    """Nobody asks."""


def told(running: list[CallMedia]) -> dict[str, float]:
    """Return what the engine did besides passing on, of all calls together."""
    ways = [
        way
        for figures in (media.figures() for media in running)
        for way in (figures.to_pbx, figures.to_line)
    ]
    return {
        "dropped": sum(way.dropped for way in ways),
        "filled": sum(way.filled for way in ways),
        "taken_for_late": sum(way.late for way in ways),
        "smoothed": sum(way.smoothed for way in ways),
        "concealed_ms": sum(way.concealed_ms for way in ways),
        "skipped_ms": sum(way.skipped_ms for way in ways),
    }


def main() -> None:
    """Serve the calls that the arguments tell of."""
    count, rate_hz, gain_db = sys.argv[1:]
    calls = accept_calls(int(count))
    asyncio.run(serve(calls, int(rate_hz), float(gain_db)))


if __name__ == "__main__":
    main()
