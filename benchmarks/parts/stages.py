"""Where a frame's time goes in the engine, from the far end's send to its arrival."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from contextlib import ExitStack
from itertools import pairwise

import numpy as np

from benchmarks.parts.contenders import started
from benchmarks.parts.load import Load, Order
from benchmarks.parts.marks import MARKS
from skypechan.errors import SkypechanError

PIECE_MS = 10.0
"""What the Skype client gives at a time; two of them are a frame."""

WHOLE = "frame becomes whole"
STAGES = ("socket in", "until its turn", "DSP", "socket out")
PBX_RATE_HZ = 8_000  # what a phone on G.711 has
GAIN_DB = 1.0  # with 0 dB the engine would leave out what has nothing to do

_WAYS = {"to_pbx": "Skype - engine - Asterisk", "to_line": "Asterisk - engine - Skype"}
_WARM_UP_FRAMES = 50
_FRAMES_A_SECOND = 50
_SOON_NS = 1_000_000_000
_LEAST_SEEN = 0.5

Stages = dict[str, dict[str, list[float]]]
"""By direction and stage, milliseconds of each frame that was seen at every point."""


def measure_stages(seconds: float, seed: int) -> Stages:
    """Measure one call. Raises SkypechanError if most frames were not followed."""
    module = [sys.executable, "-m", "benchmarks.parts.staged_engine"]
    command = [*module, str(PBX_RATE_HZ), str(GAIN_DB)]
    with started(command) as engine, ExitStack() as stack:
        first, second, third = (int(port) for port in _line_of(engine).split())
        order = Order(
            calls=1,
            frames=round(seconds * _FRAMES_A_SECOND),
            warm_up_frames=_WARM_UP_FRAMES,
            pbx_rate_hz=PBX_RATE_HZ,
            piece_ms=round(PIECE_MS),
            gain_db=GAIN_DB,
            ports=(first, second, third),
            pid=engine.pid,
            seed=seed,
        )
        load = Load(order, stack)
        _line_of(engine)  # it is ready
        seen = _seen(load, engine)
    ends = {
        "to_pbx": (load.from_line[0].sent_ns, load.to_pbx[0].heard_ns),
        "to_line": (load.from_pbx[0].sent_ns, load.to_line[0].heard_ns),
    }
    return {
        name: _stages(seen[way], *ends[way], order, whole_ms=whole_ms)
        for (way, name), whole_ms in zip(_WAYS.items(), (PIECE_MS, 0.0), strict=True)
    }


def _seen(load: Load, engine: subprocess.Popen[str]) -> dict[str, list[list[int]]]:
    """Run the load; return what the probes saw, by direction."""
    try:
        load.run()
    except EOFError as error:
        raise SkypechanError(f"the engine with probes: {error}") from error
    told, _ = engine.communicate()
    if engine.returncode:
        raise SkypechanError(f"the engine with probes ended with {engine.returncode}")
    seen: dict[str, list[list[int]]] = json.loads(told)
    return seen


def _line_of(process: subprocess.Popen[str]) -> str:
    line = process.stdout.readline() if process.stdout else ""
    if not line:
        raise SkypechanError("the engine with probes has ended too soon")
    return line


def _stages(
    seen: list[list[int]],
    sent_ns: list[int],
    heard_ns: dict[int, int],
    order: Order,
    *,
    whole_ms: float,
) -> dict[str, list[float]]:
    by_mark: dict[int, list[list[int]]] = defaultdict(list)
    for mark, *stamps in seen:
        by_mark[mark].append(stamps)
    found: dict[str, list[float]] = {name: [] for name in (WHOLE, *STAGES)}
    for number in range(order.warm_up_frames, order.warm_up_frames + order.frames):
        gone_ns, came_ns = sent_ns[number], heard_ns.get(number)
        stamps = next(
            (x for x in by_mark[number % MARKS] if 0 <= x[-1] - gone_ns < _SOON_NS),
            None,
        )
        if stamps is None or came_ns is None:
            continue
        # What came in pieces is worked on before its reading has ended.
        points = [gone_ns, min(stamps[:2]), *stamps[1:], came_ns]
        found[WHOLE].append(whole_ms)
        for name, (before, after) in zip(STAGES, pairwise(points), strict=True):
            found[name].append((after - before) / 1e6)
    if len(found[WHOLE]) < order.frames * _LEAST_SEEN:
        seen_text = f"{len(found[WHOLE])} of {order.frames}"
        raise SkypechanError(f"only {seen_text} frames could be followed")
    return found


def stage_table(stages: Stages) -> str:
    """Return the medians as a Markdown table."""
    title = "median (p99), milliseconds"
    width = len(title)
    head = " | ".join(f"{name:>26}" for name in stages)
    lines = [
        f"| {title} | {head} |",
        f"|{'-' * (width + 2)}|" + "---------------------------:|" * len(stages),
    ]
    for stage in (WHOLE, *STAGES):
        show = _by_definition if stage == WHOLE else _cell
        cells = [show(way[stage]) for way in stages.values()]
        lines.append(f"| {stage:{width}} | {' | '.join(cells)} |")
    sums = [_cell(np.sum(list(way.values()), axis=0)) for way in stages.values()]
    lines.append(f"| {'all of it':{width}} | {' | '.join(sums)} |")
    return "\n".join(lines)


def _cell(times_ms: list[float]) -> str:
    median, p99 = np.percentile(times_ms, (50, 99))
    return f"{f'{median:.3f} ({p99:.3f})':>26}"


def _by_definition(times_ms: list[float]) -> str:
    return f"{f'by definition {times_ms[0]:g}':>26}"


def stages_as_json(stages: Stages) -> dict[str, dict[str, dict[str, float]]]:
    """Return figures of each stage, in milliseconds."""
    return {
        way: {
            stage: {
                name: round(float(np.percentile(times, percent)), 4)
                for name, percent in (("median", 50), ("p95", 95), ("p99", 99))
            }
            for stage, times in of_way.items()
        }
        for way, of_way in stages.items()
    }
