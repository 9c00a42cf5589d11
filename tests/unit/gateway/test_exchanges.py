"""Which lines belong to which Asterisk."""

from __future__ import annotations

from skypechan.asterisk.ami.link import AmiLink
from skypechan.asterisk.audiosocket.server import AudioSocketServer
from skypechan.asterisk.devices import Devices
from skypechan.asterisk.pbx import Pbx
from skypechan.asterisk.settings import AsteriskSettings
from skypechan.backends.echo.backend import EchoBackend
from skypechan.gateway.exchanges import Exchange, Exchanges
from skypechan.gateway.line import Line
from skypechan.gateway.settings import LineSettings
from skypechan.gateway.snapshot import of_pbx
from tests.doubles.clock import FakeClock


def exchange(name: str, clock: FakeClock) -> Exchange:
    settings = AsteriskSettings()
    link = AmiLink(settings, clock)
    pbx = Pbx(link, AudioSocketServer(settings, clock), clock, name=name)
    return Exchange(pbx, Devices(link, clock))


async def test_a_line_belongs_to_the_asterisk_that_it_names_or_to_the_first() -> None:
    clock = FakeClock()
    first, branch = exchange("", clock), exchange("branch", clock)
    exchanges = Exchanges([first, branch])
    lines = [
        Line(where, LineSettings(asterisk=where), EchoBackend(), clock)
        for where in ("", "branch")
    ]
    assert [exchanges.of(line) for line in lines] == [first, branch]
    assert [of_pbx(one.pbx).name for one in exchanges] == [
        "asterisk",
        "asterisk branch",
    ]
