"""The link to a real Asterisk: its rights, its loss, its return."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from skypechan.asterisk.ami.messages import Originate
from skypechan.asterisk.pbx import PbxState
from skypechan.call.causes import HangupCause
from skypechan.call.events import PbxAnswered, PbxReleased
from skypechan.call.routes import Target
from skypechan.demo.parts.asterisk import LocalAsterisk
from skypechan.errors import CallError
from tests.doubles.pbx_driver import AudioEnd, PbxDriver, running, settings_for
from tests.doubles.sip_agent import SipAgent
from tests.system.conftest import CHECKOUT

ECHO = Target("600", "from-skypechan")


@pytest.fixture
async def rights(asterisk: LocalAsterisk) -> AsyncIterator[LocalAsterisk]:
    """An Asterisk whose manager.conf is the sample's again after the test."""
    yield asterisk
    await set_rights(asterisk, "read", "call,user,dtmf")


async def set_rights(asterisk: LocalAsterisk, which: str, classes: str) -> None:
    sample = (CHECKOUT / "asterisk-conf/manager.conf.in").read_text()
    changed = re.sub(f"(?m)^{which} = .*", f"{which} = {classes}", sample)
    assert f"\n{which} = {classes}\n" in changed
    asterisk.replace_file("manager.conf", changed)
    await asterisk.cli("manager reload")


async def kicked(asterisk: LocalAsterisk, driver: PbxDriver) -> None:
    """Let Asterisk close the manager session."""
    shown = await asterisk.cli("manager show connected")
    # Name, address, start, seconds, file descriptor.
    sessions = re.findall(r"skypechan +\S+ +\d+ +\d+ +(\d+) ", shown)
    assert sessions, shown
    for descriptor in sessions:
        await asterisk.cli(f"manager kick session {descriptor}")
    await driver.state(PbxState.LINK_DOWN)


async def test_a_wrong_password_is_a_state_and_a_sentence(
    asterisk: LocalAsterisk,
) -> None:
    driver = PbxDriver(settings_for(asterisk, ami_secret="wrong"))
    task = asyncio.create_task(driver.pbx.run())
    await driver.state(PbxState.LINK_REFUSED)
    assert driver.pbx.reason.startswith(
        "AMI refuses the login of 'skypechan': Authentication failed; check"
    )
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_without_write_call_the_remedy_is_named(rights: LocalAsterisk) -> None:
    await set_rights(rights, "write", "originate")
    driver = PbxDriver(settings_for(rights))
    task = asyncio.create_task(driver.pbx.run())
    await driver.state(PbxState.NOT_READY)
    assert "the user of manager.conf needs write = call" in driver.pbx.reason
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_without_write_originate_no_call_reaches_the_pbx(
    rights: LocalAsterisk,
) -> None:
    await set_rights(rights, "write", "call")
    async with running(PbxDriver(settings_for(rights))) as driver:
        with pytest.raises(CallError, match="needs write = originate"):
            await driver.originate(target=ECHO)


async def test_without_read_user_no_request_comes(
    rights: LocalAsterisk, phone: SipAgent
) -> None:
    await set_rights(rights, "read", "call,dtmf")
    async with running(PbxDriver(settings_for(rights))) as driver:
        call = phone.call("dial-20-echo123")
        assert (await call.final_response(3)).status == 500
        assert not driver.has_request


async def test_without_read_call_the_end_of_a_call_goes_unseen(
    rights: LocalAsterisk, phone: SipAgent
) -> None:
    await set_rights(rights, "read", "user,dtmf")
    async with running(PbxDriver(settings_for(rights))) as driver:
        call = phone.call("dial-20-echo123")
        request, log = await driver.request()
        await request.leg.take()
        await call.cancel()
        with pytest.raises(TimeoutError):
            await log.until(PbxReleased, 1)
        await request.leg.release(HangupCause.NORMAL_CLEARING)


async def test_a_call_outlives_the_link_and_its_end_is_seen_after_it(
    asterisk: LocalAsterisk, phone: SipAgent
) -> None:
    async with running(PbxDriver(settings_for(asterisk))) as driver:
        kept, kept_log = await driver.originate(target=ECHO)
        lost, lost_log = await driver.originate()
        call = await phone.next_call(3)
        await kept_log.until(PbxAnswered)
        await lost_log.until(PbxAnswered)
        kept_audio = AudioEnd(await kept.audio())
        lost_audio = AudioEnd(await lost.audio())
        await kicked(asterisk, driver)
        assert await kept_audio.next() is not None
        await call.hang_up()
        await driver.state(PbxState.READY)
        await lost_log.until(PbxReleased)
        assert not kept_log.of(PbxReleased)
        await kept.release(HangupCause.NORMAL_CLEARING)
        await kept_log.until(PbxReleased)
        kept_audio.close()
        lost_audio.close()


async def test_a_killed_asterisk_releases_its_calls_and_is_found_again(
    asterisk: LocalAsterisk, tmp_path: Path
) -> None:
    other = LocalAsterisk(
        asterisk.installation, tmp_path / "asterisk", CHECKOUT / "asterisk-conf"
    )
    async with other, running(PbxDriver(settings_for(other))) as driver:
        leg, log = await driver.originate(target=ECHO)
        await log.until(PbxAnswered)
        audio = AudioEnd(await leg.audio())
        other.kill()
        await driver.state(PbxState.LINK_DOWN)
        await other.start()
        await driver.state(PbxState.READY, 20)
        released = await log.until(PbxReleased)
        assert isinstance(released, PbxReleased)
        assert "no link to Asterisk" in released.reason
        audio.close()
        again, log = await driver.originate(target=ECHO)
        await log.until(PbxAnswered)
        await again.release(HangupCause.NORMAL_CLEARING)
        await log.until(PbxReleased)


async def test_a_wideband_caller_gets_wideband_audio(
    asterisk: LocalAsterisk,
) -> None:
    async with running(PbxDriver(settings_for(asterisk))) as driver:
        # A Local channel of 16 kHz stands for a G.722 phone.
        originate = Originate(
            channel="Local/dial-20-echo123@from-sipphone",
            context="from-skypechan",
            extension="600",
            codecs="slin16",
            timeout_ms=5_000,
            unique_ids=("wideband-1", "wideband-2"),
        )
        await driver.link.send(originate)
        request, log = await driver.request()
        await request.leg.answer()
        await log.until(PbxAnswered)
        audio = AudioEnd(await request.leg.audio())
        assert audio.connection.rate_hz == 16_000
        message = await audio.next()
        assert message is not None
        assert message.rate_hz == 16_000
        await request.leg.release(HangupCause.NORMAL_CLEARING)
        await log.until(PbxReleased)
        audio.close()
