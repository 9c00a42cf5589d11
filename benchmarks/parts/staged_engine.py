"""The media engine alone with one call, which tells when each frame came how far.

    python -m benchmarks.parts.staged_engine PBX_RATE_HZ GAIN_DB

At the end, as JSON: for each direction and each marked frame its mark, when it had been
read, and when the arithmetic began and ended, by CLOCK_REALTIME in nanoseconds. The
probes are round the engine's own methods, and cost a microsecond or two each.
"""

from __future__ import annotations

import asyncio
import functools
import json
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks.parts.accepting import accept_calls, until_load_ends
from benchmarks.parts.marks import mark_of
from skypechan.audio.chain import ToLine, ToPbx
from skypechan.gateway.housekeeping import settle
from skypechan.media.engine import Engine, EngineSettings, MediaStart
from skypechan.media.hotpath import HotPath

_BEFORE_END = 16  # samples: the filters have settled there
_Stamps = list[int]


class Probes:
    """What was seen, by the name of the direction."""

    def __init__(self) -> None:
        self.frames: dict[str, list[_Stamps]] = {"to_pbx": [], "to_line": []}
        self._read_ns = dict.fromkeys(self.frames, 0)

    def read(self, way: str, plain: Callable[..., Any]) -> Callable[..., Any]:
        """Take the time behind a method that reads a socket."""

        @functools.wraps(plain)
        def probed(*given: Any) -> Any:
            outcome = plain(*given)
            self._read_ns[way] = time.time_ns()
            return outcome

        return probed

    def process(self, way: str, plain: Callable[..., Any]) -> Callable[..., Any]:
        """Take the times round the arithmetic, and the mark of the frame."""

        @functools.wraps(plain)
        def probed(this: Any, rows: Any, pcm: Any, *given: Any) -> Any:
            mark = mark_of(int(pcm[0, -_BEFORE_END]))
            begun_ns = time.time_ns()
            outcome = plain(this, rows, pcm, *given)
            if mark is not None:
                times = [mark, self._read_ns[way], begun_ns, time.time_ns()]
                self.frames[way].append(times)
            return outcome

        return probed

    def attach(self) -> None:
        """Be round the methods of every engine from now on."""
        for kind, name, way, probe in (
            (HotPath, "receive_from_line", "to_pbx", self.read),
            (HotPath, "receive_from_pbx", "to_line", self.read),
            (ToPbx, "process", "to_pbx", self.process),
            (ToLine, "process", "to_line", self.process),
        ):
            setattr(kind, name, probe(way, getattr(kind, name)))


def _ignore(_: object) -> None:
    """Nobody asks."""


async def serve(pbx_rate_hz: int, gain_db: float) -> None:
    """Join one call until the load ends."""
    probes = Probes()
    probes.attach()
    ((from_line, to_line, pbx),) = accept_calls(1)
    engine = Engine(asyncio.get_running_loop(), EngineSettings(most_calls=1))
    engine.start(
        MediaStart(
            line_receive=from_line,
            line_send=to_line,
            pbx=pbx,
            pbx_rate_hz=pbx_rate_hz,
            playback_db=gain_db,
            capture_db=gain_db,
            on_digit=_ignore,
            on_closed=_ignore,
        )
    )
    settle()
    await until_load_ends()
    print(json.dumps(probes.frames))
    engine.close()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2])))
