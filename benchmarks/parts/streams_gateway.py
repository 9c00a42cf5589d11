"""A gateway in the usual Python way: asyncio streams, two tasks a call.

    python -m benchmarks.parts.streams_gateway CALLS PBX_RATE_HZ

`readexactly`, a filter of numpy a frame, `write` and `drain`. It has the filter of
`relay.c` and, as that, neither gain nor limiter nor any care for clocks and pauses.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from asyncio import StreamReader, StreamWriter
from collections.abc import Awaitable

import numpy as np
import numpy.typing as npt

from benchmarks.parts.accepting import Trio, accept_calls, until_load_ends

Samples = npt.NDArray[np.float64]
_TAPS = 47
_FRAME = 320  # samples of 20 ms at 16 kHz
_KINDS = {8000: 0x10, 16000: 0x12}


def half_band() -> Samples:
    """Return a windowed sinc (Blackman) that passes a quarter of the rate."""
    at = np.arange(_TAPS) - _TAPS // 2
    taps: Samples = np.sinc(at / 2) / 2 * np.blackman(_TAPS + 2)[1:-1]
    return taps


def to_pcm(samples: Samples) -> bytes:
    """Return samples as bytes."""
    return np.clip(np.rint(samples), -32768, 32767).astype("<i2").tobytes()


async def to_pbx(reader: StreamReader, writer: StreamWriter, rate_hz: int) -> None:
    """Pass a line's audio on to the PBX until it ends."""
    taps, history, kind = half_band(), np.zeros(_TAPS - 1), _KINDS[rate_hz]
    while True:
        pcm = await reader.readexactly(2 * _FRAME)
        if rate_hz == 8000:
            samples = np.concatenate([history, np.frombuffer(pcm, "<i2")])
            history = samples[_FRAME:]
            pcm = to_pcm(np.convolve(samples, taps, "valid")[::2])
        writer.write(bytes([kind]) + len(pcm).to_bytes(2, "big") + pcm)
        await writer.drain()


async def to_line(reader: StreamReader, writer: StreamWriter) -> None:
    """Pass the PBX's audio on to a line until it ends."""
    taps, history = 2 * half_band(), np.zeros(_TAPS - 1)
    while True:
        header = await reader.readexactly(3)
        pcm = await reader.readexactly(int.from_bytes(header[1:], "big"))
        if header[0] == _KINDS[8000]:
            spread = np.zeros(len(pcm))
            spread[::2] = np.frombuffer(pcm, "<i2")
            samples = np.concatenate([history, spread])
            history = samples[len(spread) :]
            pcm = to_pcm(np.convolve(samples, taps, "valid"))
        writer.write(pcm)
        await writer.drain()


async def serve(calls: list[Trio], rate_hz: int) -> None:
    """Join all calls until the load ends."""
    async with contextlib.AsyncExitStack() as stack:
        tasks: list[asyncio.Task[None]] = []
        for trio in calls:
            streams = [await asyncio.open_connection(sock=sock) for sock in trio]
            (line, _), (_, at_line), (pbx, at_pbx) = streams
            for _, writer in streams:
                stack.callback(writer.close)
            ways = (to_pbx(line, at_pbx, rate_hz), to_line(pbx, at_line))
            tasks += [asyncio.create_task(until_closed(way)) for way in ways]
        await until_load_ends()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def until_closed(way: Awaitable[None]) -> None:
    """Be content with an end of the stream."""
    with contextlib.suppress(OSError, EOFError):
        await way


def main() -> None:
    """Serve the calls that the arguments tell of."""
    count, rate_hz = (int(argument) for argument in sys.argv[1:])
    asyncio.run(serve(accept_calls(count), rate_hz))


if __name__ == "__main__":
    main()
