"""What the Asterisk that runs can do is used, and a dialplan that is not is told."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from skypechan.asterisk.versions import Version
from skypechan.demo.parts.asterisk import LocalAsterisk
from skypechan.demo.parts.gateway import Gateway
from tests.doubles.sip_agent import SipAgent
from tests.system.parts import CONTACT_UUID

pytestmark = pytest.mark.usefixtures("every_call_ends")

BARE = f"Dial,AudioSocket/${{SKYPECHAN_SOCKET}}/{CONTACT_UUID}"


@pytest.fixture
async def bare(asterisk: LocalAsterisk) -> AsyncIterator[str]:
    """An extension that dials a contact without naming a format."""
    await asterisk.cli(f"dialplan add extension bare,1,{BARE} into from-sipphone")
    yield "bare"
    await asterisk.cli("dialplan remove extension bare@from-sipphone")


async def test_status_tells_what_this_asterisk_cannot_do(
    gateway: Gateway, asterisk: LocalAsterisk
) -> None:
    [link] = (await gateway.get("/api/status"))["links"]
    told = await asterisk.cli("core show version")
    release = told.removeprefix("Asterisk ").split()[0]
    assert (link["state"], link["reason"]) == ("up", Version(release).limits)


async def test_a_dial_without_a_format_is_heard_and_told_once(
    gateway: Gateway, phone: SipAgent, bare: str
) -> None:
    call = phone.call(bare)
    await call.answered(5)
    await gateway.process.line("! Asterisk's audio is ulaw: dial .* with c")
    await call.rtp.wait_for_audio(50, 3)
    [live] = await gateway.calls()
    assert live["media"]["payload"] == "ulaw"
    assert live["media"]["to_line"]["frames"] > 25
    await call.hang_up()
    said = [line for line in gateway.process.lines if "Asterisk's audio is" in line]
    assert len(said) == 1
