"""People of a script: they write, leave the call, have voicemail, speak and pause."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack

import pytest

from skypechan.desktop.bus import PrivateBus
from tests.doubles.emulated import (
    application_at,
    emulator_at,
    level_dbfs,
    sound_of,
)
from tests.integration.test_emulator_calls import tone

SCRIPT = {
    "silent_mode": True,
    "contacts": [
        {"handle": "poly", "reply": "{text}!", "reply_s": 0.1},
        {"handle": "brief", "answer_s": 0.2, "hang_up_s": 0.5, "voice": "announce"},
        {"handle": "pauser", "answer_s": 0.2, "voice": "pauses:1"},
    ],
    "messages": [{"at_s": 0.1, "from": "poly", "text": "good morning"}],
}


@pytest.fixture
async def world(tmp_path):
    script = tmp_path / "script.json"
    script.write_text(json.dumps(SCRIPT))
    async with AsyncExitStack() as stack:
        bus = await stack.enter_async_context(PrivateBus(tmp_path / "bus"))
        emulator = await stack.enter_async_context(
            emulator_at(bus.address, "-c", str(script))
        )
        application = await stack.enter_async_context(application_at(bus.address))
        await application.attach()
        yield emulator, application


async def test_script_s_people_write_and_write_back(world):
    emulator, application = world
    (morning,) = await emulator.get("/messages?until=1&timeout_s=10")
    assert (morning["from"], morning["text"]) == ("poly", "good morning")
    await application.say("MESSAGE poly hello")
    messages = await emulator.get("/messages?until=3&timeout_s=10")
    assert [item["text"] for item in messages[1:]] == ["hello", "hello!"]
    await application.hears(f"CHATMESSAGE {messages[2]['message']} STATUS RECEIVED")
    assert await application.say("SET SILENT_MODE ON") == "SILENT_MODE ON"


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("/messages", {"from": "poly"}),
        ("/messages", {"from": "poly", "text": 5}),
        ("/messages", {"from": "no name!", "text": "x"}),
        ("/messages", {"from": "poly", "text": "x", "loud": True}),
        ("/contact_requests", {"text": "x"}),
    ],
)
async def test_control_port_explains_what_is_wrong(world, path, content):
    emulator, _ = world
    assert await emulator.refused(path, **content) == 400


async def test_presence_changed_over_the_control_port_is_told(world):
    emulator, application = world
    await emulator.put("/contacts/poly", online="AWAY")
    await application.hears("USER poly ONLINESTATUS AWAY")


async def test_voicemail_greets_in_words_then_records_what_is_said(world):
    emulator, application = world
    call_id = await application.place("voicemail")
    await application.hears(f"CALL {call_id} STATUS VM_PLAYING_GREETING")
    async with sound_of(application, call_id) as (to_partner, from_partner):
        await to_partner.write(tone(700))
        greeting = from_partner.samples()[:8_000]
        assert level_dbfs(greeting) > -35
        await application.hears(f"CALL {call_id} STATUS VM_RECORDING")
        await application.hears(f"CALL {call_id} VM_DURATION 1")
        await application.say(f"ALTER CALL {call_id} HANGUP")
        await application.hears(f"CALL {call_id} STATUS VM_SENT")
    heard = await emulator.get(f"/calls/{call_id}/heard")
    assert heard["samples"] > 8_000


async def test_person_answers_says_something_and_leaves(world):
    _, application = world
    call_id = await application.place("brief")
    await application.hears(
        f"CALL {call_id} STATUS INPROGRESS", f"CALL {call_id} STATUS FINISHED"
    )
