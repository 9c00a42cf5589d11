"""What is left of a call that has ended."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path

import pytest

from skypechan.asterisk.ami.link import AmiLink
from skypechan.asterisk.audiosocket.server import AudioSocketServer
from skypechan.asterisk.devices import Devices
from skypechan.asterisk.pbx import Pbx
from skypechan.asterisk.settings import AsteriskSettings
from skypechan.call.causes import HangupCause
from skypechan.call.record import CallRecord, Direction, Side
from skypechan.gateway.exchanges import Exchange, Exchanges
from skypechan.gateway.feed import Feed
from skypechan.gateway.livecalls import LiveCalls
from skypechan.gateway.records import RecordBook, RecordSettings
from skypechan.media.engine import Engine, EngineSettings
from tests.doubles.clock import FakeClock


async def test_what_a_caller_is_called_moves_no_cursor_of_who_reads_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "skypechan.gateway.livecalls")
    clock, name = FakeClock(), "The\x9b2J\u202eBöss"
    engine = Engine(asyncio.get_running_loop(), EngineSettings(most_calls=1))
    records = RecordBook(RecordSettings(), Path(), clock)
    settings = AsteriskSettings()
    link = AmiLink(settings, clock)
    pbx = Pbx(link, AudioSocketServer(settings, clock), clock)
    exchanges = Exchanges([Exchange(pbx, Devices(link, clock))])
    calls = LiveCalls(engine, clock, records, exchanges, Feed(clock))
    record = CallRecord("c1", Direction.TO_PBX, caller_name=name)
    calls.turn_away(record, Side.LINE, HangupCause.NORMAL_CLEARING, "")
    (line,) = caplog.messages
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line.removeprefix("record "))["caller_name"] == name
    engine.close()
