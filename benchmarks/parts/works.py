"""What a gateway has to do beside audio, as often as a bad day has it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp

from benchmarks.parts.lines_house import LinesHouse
from skypechan.errors import LinkDownError, SkypechanError

Work = Callable[[LinesHouse, aiohttp.ClientSession], Awaitable[None]]

NOTHING = "nothing else"

_SHOWN = ("status", "lines", "calls", "records", "openapi.json")
_RELOADED = r"(! not reloaded.*|is read again)$"
_ANSWER_S = 30.0
_HAND_S = 0.001
"""How much earlier than the turn of the clock a wait may end."""


async def _nothing(_at: LinesHouse, _session: aiohttp.ClientSession) -> None:
    return


async def _call_set_up(at: LinesHouse, _session: aiohttp.ClientSession) -> None:
    await at.caller.ring()


async def _metrics(at: LinesHouse, session: aiohttp.ClientSession) -> None:
    await _get(at, session, "/metrics")


async def _page(at: LinesHouse, session: aiohttp.ClientSession) -> None:
    for path in ("/", *(f"/api/{name}" for name in _SHOWN)):
        await _get(at, session, path)


async def _reload(at: LinesHouse, _session: aiohttp.ClientSession) -> None:
    process = at.gateway.process
    mark = process.line_count
    process.signal(signal.SIGHUP)
    told = (await process.line(_RELOADED, since=mark))[1]
    if told.startswith("!"):
        raise SkypechanError(f"the gateway says: {told}")


async def _get(at: LinesHouse, session: aiohttp.ClientSession, path: str) -> None:
    async with session.get(at.gateway.url + path) as answer:
        await answer.read()


async def _all(at: LinesHouse, session: aiohttp.ClientSession) -> None:
    await asyncio.gather(
        _call_set_up(at, session), _metrics(at, session), _page(at, session)
    )


WORKS: dict[str, tuple[Work, float]] = {
    NOTHING: (_nothing, 1.0),
    "5 set-ups a second": (_call_set_up, 5.0),
    "2 scrapes a second": (_metrics, 2.0),
    "2 pages a second": (_page, 2.0),
    "a reload every 2 seconds": (_reload, 0.5),
    "all of it": (_all, 2.0),
}
"""Each kind of work, and how often a second."""


@asynccontextmanager
async def events_read(at: LinesHouse, readers: int) -> AsyncIterator[None]:
    """Follow the events so many times meanwhile, as open pages do.

    The block ends with an error if one of the readers does.
    """
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(_session(aiohttp.ClientTimeout()))
        url = f"{at.gateway.url}/api/events"
        answers = [
            await stack.enter_async_context(session.get(url)) for _ in range(readers)
        ]
        following = await stack.enter_async_context(asyncio.TaskGroup())
        tasks = [following.create_task(_follow(answer)) for answer in answers]
        yield
        for task in tasks:
            task.cancel()


def _session(timeout: aiohttp.ClientTimeout) -> aiohttp.ClientSession:
    """Return one to which an answer that says no is an error."""
    return aiohttp.ClientSession(timeout=timeout, raise_for_status=True)


async def _follow(answer: aiohttp.ClientResponse) -> None:
    async for _ in answer.content:
        pass
    raise LinkDownError("the gateway has left a reader of its events")


async def busy_with(at: LinesHouse, name: str, seconds: float) -> int:
    """Do a work for so long; return how often it was done."""
    work, a_second = WORKS[name]
    loop, done = asyncio.get_running_loop(), 0
    begun_s = loop.time()
    async with _session(aiohttp.ClientTimeout(total=_ANSWER_S)) as session:
        while loop.time() < begun_s + seconds - _HAND_S:
            await work(at, session)
            done += 1
            await asyncio.sleep(max(0.0, begun_s + done / a_second - loop.time()))
    return done
