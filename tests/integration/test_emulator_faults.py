"""Faults of the emulated client, switched while it runs, as applications meet them."""

from __future__ import annotations

import asyncio

import pytest

from skypechan.errors import DeadlineError, LinkDownError
from tests.doubles.emulated import SoundEnd, sound_of


@pytest.fixture
async def talking(application):
    number = int((await application.say("CALL tone")).split()[1])
    await application.hears(f"CALL {number} STATUS INPROGRESS")
    return number


async def test_a_client_that_hangs_answers_when_it_goes_on(emulator, application):
    await emulator.post("/faults", hang=True)
    waiting = asyncio.create_task(application.say("PING"))
    with pytest.raises(DeadlineError):
        await application.say("#2 PING", timeout_s=0.5)
    await emulator.post("/calls", **{"from": "echo"})
    assert not waiting.done()
    assert not any("RINGING" in line for line in application.heard)
    await emulator.post("/faults", hang=False)
    assert await waiting == "PONG"
    await application.ringing()


async def test_a_client_that_hangs_carries_no_sound(emulator, application, talking):
    async with sound_of(application, talking) as (_, from_partner):
        await from_partner.until(lambda: len(from_partner.content) > 3_200, "sound")
        await emulator.post("/faults", hang=True)
        before = len(from_partner.content)
        with pytest.raises(TimeoutError):
            await from_partner.until(
                lambda: len(from_partner.content) > before + 1_600, "silence", 0.5
            )
        await emulator.post("/faults", hang=False)
        await from_partner.until(
            lambda: len(from_partner.content) > before + 3_200, "sound again"
        )


async def test_a_slow_client_serves_in_order(emulator, application):
    await emulator.post("/faults", slow_s=0.3)
    start = asyncio.get_running_loop().time()
    replies = await asyncio.gather(*(application.say(f"#{n} PING") for n in range(5)))
    assert replies == [f"#{n} PONG" for n in range(5)]
    assert 0.3 <= asyncio.get_running_loop().time() - start < 1.0


async def test_a_doubled_reply_comes_as_a_notification_too(emulator, application):
    await emulator.post("/faults", double_replies=1)
    assert await application.say("#7 PING") == "#7 PONG"
    await application.hears("#7 PONG")
    assert await application.say("#8 PING") == "#8 PONG"
    assert "#8 PONG" not in application.heard


async def test_a_lost_notification_is_lost_once(emulator, application):
    await emulator.post("/faults", drop_notifications=1)
    await emulator.post("/notifications", text="USER a MOOD_TEXT one")
    await emulator.post("/notifications", text="USER a MOOD_TEXT two")
    await application.hears("USER a MOOD_TEXT two")
    assert "USER a MOOD_TEXT one" not in application.heard


async def test_a_bus_name_that_is_lost_comes_back(emulator, application):
    await emulator.post("/bus", name=False)
    with pytest.raises(LinkDownError):
        await application.say("PING")
    await emulator.post("/bus", name=True)
    assert await application.say("PING") == "PONG"


async def test_ten_thousand_notifications_a_second_all_arrive(emulator, application):
    text = "USER flood ONLINESTATUS AWAY"
    before = len(application.heard)
    await emulator.post("/notifications", text=text, per_s=10_000, for_s=0.5)
    await application._changes.until(
        lambda: len(application.heard) >= 5_000 + before, 30, "the flood"
    )
    assert application.heard.count(text) == 5_000
    assert await application.say("PING") == "PONG"


async def test_a_giant_notification_arrives_whole(emulator, application):
    text = "USER giant ABOUT "
    await emulator.post("/notifications", text=text, bytes=1_000_000)
    await application._changes.until(
        lambda: any(len(line) == 1_000_000 for line in application.heard), 20, "giant"
    )


async def test_a_refused_sound_port_is_error_589(emulator, application, talking):
    await emulator.post("/faults", refuse_sound=True)
    end = SoundEnd()
    port = await end.start()
    reply = await application.say(f'ALTER CALL {talking} SET_OUTPUT PORT="{port}"')
    assert reply.startswith("ERROR 589")
    await emulator.post("/faults", refuse_sound=False)
    reply = await application.say(f'ALTER CALL {talking} SET_OUTPUT PORT="{port}"')
    assert reply.startswith("ALTER CALL")
    await end.until(lambda: end.content, "sound")
    await end.stop()


async def test_sound_closed_in_the_middle_of_a_call(emulator, application, talking):
    async with sound_of(application, talking) as (to_partner, from_partner):
        path = f"/calls/{talking}/sound"
        await emulator.post(path, direction="OUTPUT", close=True)
        await from_partner.until(lambda: from_partner.closed, "end of the output")
        assert not to_partner.closed
        assert (await emulator.call(talking))["status"] == "INPROGRESS"
        assert await emulator.refused(path, direction="OUTPUT", close=True) == 409


async def test_half_open_sound_is_there_and_silent(emulator, application, talking):
    async with sound_of(application, talking) as (_, from_partner):
        await from_partner.until(lambda: len(from_partner.content) > 3_200, "sound")
        await emulator.post(f"/calls/{talking}/sound", half_open=True)
        before = len(from_partner.content)
        with pytest.raises(TimeoutError):
            await from_partner.until(
                lambda: len(from_partner.content) > before + 1_600, "silence", 0.4
            )
        assert not from_partner.closed
        await emulator.post(f"/calls/{talking}/sound", half_open=False)
        await from_partner.until(
            lambda: len(from_partner.content) > before + 3_200, "sound again"
        )


async def test_each_stream_has_its_own_clock(emulator, application, talking):
    async with sound_of(application, talking) as (_, from_partner):
        await from_partner.until(lambda: len(from_partner.content) > 3_200, "sound")
        await emulator.post(
            f"/calls/{talking}/sound", direction="OUTPUT", ppm=-500_000, lateness="well"
        )
        from_partner.content.clear()
        from_partner.stamps.clear()
        await from_partner.until(lambda: len(from_partner.stamps) > 40, "sound")
        seconds = (from_partner.stamps[-1] - from_partner.stamps[0]) / 1e9
        assert len(from_partner.content) / 32_000 / seconds == pytest.approx(
            1 / 1.5, abs=0.08
        )
        wrong = {"lateness": "never", "direction": "OUTPUT"}
        assert await emulator.refused(f"/calls/{talking}/sound", **wrong) == 400


async def test_digits_in_one_burst(emulator, application, talking):
    await emulator.post(f"/calls/{talking}/digits", digits="0123456789*#", gap_s=0)
    await application.hears(*(f"CALL {talking} DTMF {d}" for d in "0123456789*#"))
