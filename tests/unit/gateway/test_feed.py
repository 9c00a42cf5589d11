"""The event feed: who reads it hears everything, or that it does not."""

from __future__ import annotations

import asyncio
import logging
import threading

import pytest

from skypechan.backends.base import LineState
from skypechan.backends.echo.backend import EchoBackend
from skypechan.call.causes import HangupCause
from skypechan.call.record import CallRecord, Direction, Side
from skypechan.errors import CommandError
from skypechan.gateway.feed import Entry, Feed, Kind
from skypechan.gateway.line import Line
from skypechan.gateway.settings import LineSettings
from skypechan.gateway.snapshot import LinkSnapshot
from skypechan.log import trace, wire_log
from tests.doubles.clock import FakeClock, settle


@pytest.fixture
def feed() -> Feed:
    return Feed(FakeClock())


def texts(feed: Feed) -> list[str]:
    return [entry.text for entry in feed.entries()]


async def test_a_reader_gets_the_backlog_and_then_what_happens(feed: Feed) -> None:
    feed.note(Kind.LOG, "one")
    feed.note(Kind.LOG, "two")
    with feed.reader(feed.entries(most=1)) as reader:
        feed.note(Kind.LOG, "three")
        heard = [await reader.next(), await reader.next()]
        assert [entry and entry.text for entry in heard] == ["two", "three"]
        waiting = asyncio.create_task(reader.next())
        await settle()
        assert not waiting.done()
        feed.note(Kind.LOG, "four")
        assert await waiting == feed.entries()[-1]


async def test_a_reader_that_is_too_slow_is_lost_and_holds_nothing(feed: Feed) -> None:
    with feed.reader() as slow, feed.reader() as quick:
        for number in range(1_500):
            feed.note(Kind.LOG, str(number))
            assert await quick.next() is not None
        assert slow.lost
        assert not quick.lost
        assert not slow._waiting
        assert await slow.next() is None


async def test_a_reader_of_a_long_backlog_is_not_lost_by_it(feed: Feed) -> None:
    for number in range(1_000):
        feed.note(Kind.LOG, str(number))
    with feed.reader(feed.entries()) as reader:
        feed.note(Kind.LOG, "new")
        assert not reader.lost
        first = await reader.next()
        assert first is not None
        assert first.text == "0"


async def test_a_reader_that_is_stopped_waits_no_longer(feed: Feed) -> None:
    with feed.reader() as reader:
        waiting = asyncio.create_task(reader.next())
        await settle()
        reader.stop()
        assert await waiting is None
        assert not reader.lost


def test_readers_are_bounded_and_one_that_leaves_makes_room(feed: Feed) -> None:
    readers = [feed.reader() for _ in range(32)]
    for one in readers:
        one.__enter__()
    with pytest.raises(CommandError, match="32"), feed.reader():
        pass
    readers.pop().__exit__(None, None, None)
    with feed.reader():
        pass


async def test_numbers_grow_also_over_a_restart() -> None:
    clock = FakeClock()
    first = Feed(clock)
    first.note(Kind.LOG, "before")
    await clock.advance(1)
    second = Feed(clock)
    second.note(Kind.LOG, "after")
    (before,), (after,) = first.entries(), second.entries()
    assert after.number > before.number
    assert second.entries(after=before.number) == (after,)
    assert second.entries(after=after.number) == ()


def test_what_is_kept_is_bounded(feed: Feed) -> None:
    for _ in range(1_001):
        feed.note(Kind.MESSAGE, "x" * 5_000, more="y" * 5_000)
    assert len(feed.entries()) == 1_000
    newest = feed.entries()[-1]
    assert len(newest.text) == len(newest.details["more"]) == 1_000


def test_a_line_is_noted_when_its_state_is_another_and_only_then(feed: Feed) -> None:
    line = Line("first", LineSettings(), EchoBackend(), FakeClock())
    line.on_change = feed.line_changed
    line.line_changed(LineState.WAITING_FOR_CLIENT, "no bus", "")
    line.line_changed(LineState.READY, "", "echo")
    line.seize("call")
    line.free("call")
    assert texts(feed) == ["waiting for client: no bus", "ready"]
    newest = feed.entries()[-1]
    assert (newest.kind, newest.line) == (Kind.LINE, "first")
    assert newest.details == {"state": "ready", "reason": "", "account": "echo"}


def test_the_link_to_asterisk_is_noted_with_state_and_reason(feed: Feed) -> None:
    moment = FakeClock().wall()
    feed.link_changed(LinkSnapshot("asterisk", "link_down", "no answer", moment))
    (entry,) = feed.entries()
    assert (entry.kind, entry.text) == (Kind.LINK, "asterisk is link down: no answer")
    assert entry.details == {"state": "link_down", "reason": "no answer"}


def test_a_record_is_noted_with_its_cause(feed: Feed) -> None:
    record = CallRecord("c1", Direction.TO_LINE, line="first", caller="1001")
    record.address = "echo"
    record.end(Side.LINE, HangupCause.USER_BUSY, "busy", FakeClock().wall())
    feed.filed(record)
    (entry,) = feed.entries()
    assert (entry.kind, entry.call) == (Kind.RECORD, "c1")
    assert entry.text == "1001 called echo: BUSY, busy"
    assert entry.details["cause"] == "17"


async def noted(feed: Feed) -> list[Entry]:
    await settle()
    return list(feed.entries())


async def test_warnings_of_the_log_are_noted_and_what_is_usual_is_not(
    feed: Feed,
) -> None:
    log = logging.getLogger("skypechan.gateway.test")
    with feed.following_the_log():
        log.info("usual")
        log.warning("! strange", extra={"call_id": "c1", "line": "alice"})
        other = threading.Thread(target=log.error, args=("! from %s", "elsewhere"))
        other.start()
        other.join()
        first, second = await noted(feed)
    log.warning("nobody follows")
    assert (first.kind, first.text, first.call) == (Kind.LOG, "! strange", "c1")
    assert (first.line, second.line) == ("alice", "")
    assert second.text == "! from elsewhere"
    assert second.details == {"level": "error"}
    assert len(await noted(feed)) == 2


async def test_the_wire_of_a_traced_line_is_noted_under_its_name(feed: Feed) -> None:
    wire = wire_log("first")
    with feed.following_the_log():
        wire.debug("> PING")
        trace(wire, on=True)
        wire.debug("< PONG")
        trace(wire, on=False)
        wire.debug("> PING")
        (entry,) = await noted(feed)
    assert (entry.kind, entry.line, entry.text) == (Kind.WIRE, "first", "< PONG")
