"""Calls through the emulator over a real bus: every contact, both directions."""

from __future__ import annotations

import asyncio
import json
import time

import numpy as np
import pytest

from skypechan.demo.parts.http import ask
from skypechan.errors import CommandError
from tests.doubles.emulated import (
    SoundEnd,
    application_at,
    emulator_at,
    level_dbfs,
    pitch_hz,
    sound_of,
)

TONE_SAMPLES = 16_000


def tone(hz=700, seconds=1.0, level_dbfs=-20.0):
    times = np.arange(int(seconds * 16_000)) / 16_000
    amplitude = np.sqrt(2) * 10 ** (level_dbfs / 20) * 32768
    return (amplitude * np.sin(2 * np.pi * hz * times)).astype(np.int16)


@pytest.fixture
async def talking(emulator, application):
    """The id of an answered call to a person who is silent and does as told."""
    await emulator.put("/contacts/bob", manner="answer", answer_s=0)
    call_id = await application.place("bob")
    await application.hears(f"CALL {call_id} STATUS INPROGRESS")
    return call_id


@pytest.mark.parametrize("target", ["echo123", "echo", "tone", "drugdiler", "advokat"])
async def test_contact_answers(application, target):
    call_id = await application.place(target)
    call = f"CALL {call_id}"
    await application.hears(
        f"{call} STATUS ROUTING",
        f"{call} STATUS ROUTING",
        f"{call} STATUS RINGING",
        f"{call} STATUS RINGING",
        f"{call} STATUS INPROGRESS",
    )
    assert await application.say(f"ALTER CALL {call_id} HANGUP") == (
        f"ALTER CALL {call_id} HANGUP"
    )
    await application.hears(f"{call} STATUS FINISHED")


@pytest.mark.parametrize(
    ("target", "lines"),
    [
        ("busy", ["STATUS BUSY"]),
        ("refuse", ["STATUS RINGING", "STATUS REFUSED"]),
        ("offline", ["FAILUREREASON 3", "STATUS FAILED"]),
        ("blocked", ["FAILUREREASON 9", "STATUS FAILED"]),
    ],
)
async def test_contact_does_not_answer(application, target, lines):
    call_id = await application.place(target)
    await application.hears(*(f"CALL {call_id} {line}" for line in lines))


async def test_nobody_answers_in_the_time_set(emulator, application):
    await emulator.put("/contacts/noanswer", no_answer_s=0.5)
    call_id = await application.place("noanswer")
    await application.hears(
        f"CALL {call_id} STATUS RINGING", f"CALL {call_id} STATUS MISSED"
    )


async def test_telephone_number_rings_in_early_media_then_answers(application):
    call_id = await application.place("+4930123456")
    await application.hears(f"CALL {call_id} STATUS EARLYMEDIA")
    async with sound_of(application, call_id) as (_, from_partner):
        await from_partner.until(lambda: len(from_partner.content) > 16_000, "ringback")
        early = from_partner.samples()[-4_000:]
        assert level_dbfs(early) == pytest.approx(-20, abs=0.5)
        assert pitch_hz(early) == pytest.approx(425, abs=5)
        await application.hears(f"CALL {call_id} STATUS INPROGRESS")
        await application.say(f"ALTER CALL {call_id} HANGUP")


async def test_duration_is_told_each_second(application, talking):
    await application.hears(
        f"CALL {talking} DURATION 1", f"CALL {talking} DURATION 2", seconds=5
    )


async def test_caller_is_shown_and_answered(emulator, application):
    call = await emulator.post(
        "/calls", **{"from": "+4989555", "display_name": "Bob, Uuid: x\nTo: y"}
    )
    call_id = await application.ringing()
    assert call["call"] == call_id
    for name, value in (
        ("TYPE", "INCOMING_PSTN"),
        ("PARTNER_HANDLE", "+4989555"),
        ("PARTNER_DISPNAME", "Bob, Uuid: x To: y"),
    ):
        reply = await application.say(f"GET CALL {call_id} {name}")
        assert reply == f"CALL {call_id} {name} {value}"
    await application.say(f"ALTER CALL {call_id} ANSWER")
    snapshot = await emulator.call(call_id, until="INPROGRESS")
    assert [status for _, status in snapshot["timeline"]] == ["RINGING", "INPROGRESS"]
    await emulator.post(f"/calls/{call_id}/hang_up")
    await application.hears(f"CALL {call_id} STATUS FINISHED")


async def test_caller_is_rejected(emulator, application):
    await emulator.post("/calls", **{"from": "echo"})
    call_id = await application.ringing()
    await application.say(f"ALTER CALL {call_id} END HANGUP")
    assert (await emulator.call(call_id, until="REFUSED"))["status"] == "REFUSED"


async def test_caller_gives_up(emulator, application):
    await emulator.post("/calls", **{"from": "echo", "give_up_s": 0.2})
    call_id = await application.ringing()
    await application.hears(f"CALL {call_id} STATUS MISSED")


async def test_user_at_the_client_calls_and_answers(emulator, application):
    call = await emulator.post("/place", to="echo")
    await application.hears(f"CALL {call['call']} STATUS UNPLACED")
    await emulator.post(f"/calls/{call['call']}/hang_up", by="user")
    await application.hears(f"CALL {call['call']} STATUS CANCELLED")
    await emulator.post("/calls", **{"from": "echo"})
    call_id = await application.ringing()
    await emulator.post(f"/calls/{call_id}/answer", by="user")
    await application.hears(f"CALL {call_id} STATUS INPROGRESS")


async def test_partner_acts_by_hand(emulator, application):
    await emulator.put("/contacts/bob", manner="manual")
    call_id = await application.place("bob")
    await application.hears(f"CALL {call_id} STATUS RINGING")
    await emulator.post(f"/calls/{call_id}/answer")
    await emulator.post(f"/calls/{call_id}/hold")
    await emulator.post(f"/calls/{call_id}/resume")
    await application.hears(
        f"CALL {call_id} STATUS INPROGRESS",
        f"CALL {call_id} STATUS REMOTEHOLD",
        f"CALL {call_id} STATUS INPROGRESS",
    )
    assert await emulator.refused(f"/calls/{call_id}/answer") == 409


async def test_sound_comes_at_its_pace_and_stops_with_the_call(
    emulator, application, talking
):
    async with sound_of(application, talking) as (to_partner, from_partner):
        await from_partner.until(
            lambda: len(from_partner.content) > 64_000, "two seconds of sound"
        )
        seconds = (from_partner.stamps[-1] - from_partner.stamps[0]) / 1e9
        assert len(from_partner.content) / 32_000 == pytest.approx(seconds, abs=0.1)
        assert sorted(from_partner.sizes)[len(from_partner.sizes) // 2] == 320
        snapshot = await emulator.call(talking)
        assert snapshot["input_open"]
        assert snapshot["output_open"]
        await emulator.post(f"/calls/{talking}/hang_up")
        await to_partner.until(lambda: to_partner.closed, "end of the input")
        await from_partner.until(lambda: from_partner.closed, "end of the output")


async def test_sound_clock_can_run_fast(emulator, application, talking):
    await emulator.post("/faults", sound_ppm=100_000.0)
    async with sound_of(application, talking) as (_, from_partner):
        await from_partner.until(
            lambda: len(from_partner.content) > 64_000, "two seconds of sound"
        )
        seconds = (from_partner.stamps[-1] - from_partner.stamps[0]) / 1e9
        played_s = len(from_partner.content) / 32_000
        assert played_s / seconds == pytest.approx(1.1, abs=0.05)


async def test_redirection_may_be_repeated(emulator, application, talking):
    """The newest port counts; the earlier ones are closed."""
    ends = [SoundEnd() for _ in range(3)]
    commands = [
        f'ALTER CALL {talking} SET_OUTPUT PORT="{await end.start()}"' for end in ends
    ]
    replies = await asyncio.gather(*(application.say(text) for text in commands))
    assert replies == commands
    for end in ends[:-1]:
        await end.until(lambda end=end: end.closed, "end of an earlier stream")
    await ends[-1].until(lambda: len(ends[-1].content) > 3_200, "sound")
    for end in ends:
        await end.stop()


async def test_tone_comes_back_from_the_echoing_contact(application, emulator):
    call_id = await application.place("echo")
    await application.hears(f"CALL {call_id} STATUS INPROGRESS")
    async with sound_of(application, call_id) as (to_partner, from_partner):
        await to_partner.write(tone())
        heard = from_partner.samples()
        loud = heard[abs(heard) > 300]
        assert level_dbfs(loud) == pytest.approx(-20, abs=2)
        assert pitch_hz(heard[-8_000:-3_200]) == pytest.approx(700, abs=5)
    pieces = await emulator.get(f"/calls/{call_id}/heard")
    assert pieces["samples"] == TONE_SAMPLES
    stamps = [stamp for stamp, _, _ in pieces["pieces"]]
    assert stamps == sorted(stamps)
    assert 0 <= time.monotonic_ns() - stamps[-1] < 10_000_000_000
    raw = await emulator.get(f"/calls/{call_id}/heard.pcm")
    assert raw == tone().astype("<i2").tobytes()
    assert (await emulator.get(f"/calls/{call_id}/sent.wav"))[:4] == b"RIFF"


async def test_sound_test_greets_records_and_plays_back(application):
    call_id = await application.place("echo123")
    await application.hears(f"CALL {call_id} STATUS INPROGRESS")
    async with sound_of(application, call_id) as (to_partner, from_partner):
        await to_partner.write(tone(seconds=9.0))
        heard = from_partner.samples()
        greeting, listening = heard[8_000:32_000], heard[48_000:112_000]
        assert level_dbfs(greeting) > -35
        assert level_dbfs(listening) < -100
        played = heard[int(7.8 * 16_000) : int(8.8 * 16_000)]
        assert pitch_hz(played) == pytest.approx(700, abs=5)


async def test_sound_said_at_a_moment_begins_at_that_moment(
    emulator, application, talking, tmp_path
):
    async with sound_of(application, talking) as (_, from_partner):
        await from_partner.until(lambda: len(from_partner.content) > 6_400, "sound")
        moment = time.monotonic_ns() + 300_000_000
        await emulator.post(f"/calls/{talking}/play", sound="tone:1000", at_ns=moment)
        await from_partner.until(lambda: len(from_partner.content) > 32_000, "sound")
        sent = await emulator.get(f"/calls/{talking}/sent")
        ((name, first),) = sent["marks"]
        assert name == "tone:1000"
        (piece,) = (p for p in sent["pieces"] if p[1] <= first < p[1] + p[2])
        began_ns = piece[0] + (first - piece[1]) * 62_500
        assert began_ns == pytest.approx(moment, abs=2_000_000)
        heard = from_partner.samples()
        assert abs(heard[:first]).max() == 0
        assert abs(heard[first + 1 : first + 40]).max() > 500


async def test_muted_partner_is_silent(emulator, application):
    await emulator.put("/contacts/tone", answer_s=0)
    call_id = await application.place("tone")
    await application.hears(f"CALL {call_id} STATUS INPROGRESS")
    async with sound_of(application, call_id) as (_, from_partner):
        await from_partner.until(lambda: len(from_partner.content) > 16_000, "tone")
        assert pitch_hz(from_partner.samples()) == pytest.approx(440, abs=5)
        await emulator.post(f"/calls/{call_id}/mute", muted=True)
        already = len(from_partner.content)
        await from_partner.until(
            lambda: len(from_partner.content) > already + 16_000, "silence"
        )
        assert level_dbfs(from_partner.samples()[-4_000:]) == -200


async def test_held_call_is_silent(emulator, application):
    call_id = await application.place("tone")
    await application.hears(f"CALL {call_id} STATUS INPROGRESS")
    async with sound_of(application, call_id) as (_, from_partner):
        await application.say(f"ALTER CALL {call_id} HOLD")
        already = len(from_partner.content)
        await from_partner.until(
            lambda: len(from_partner.content) > already + 16_000, "silence"
        )
        assert level_dbfs(from_partner.samples()[-4_000:]) == -200


async def test_partners_digits_are_told_and_heard(emulator, application, talking):
    async with sound_of(application, talking) as (_, from_partner):
        await emulator.post(f"/calls/{talking}/digits", digits="1234*#")
        await application.hears(*(f"CALL {talking} DTMF {d}" for d in "1234*#"))
        await from_partner.until(
            lambda: abs(from_partner.samples()).max(initial=0) > 5_000, "a digit's tone"
        )
        assert (await emulator.call(talking))["digits_sent"] == "1234*#"


async def test_burst_of_digits_is_told_at_once(emulator, application, talking):
    await emulator.post(f"/calls/{talking}/digits", digits="0123456789", gap_s=0)
    await application.hears(*(f"CALL {talking} DTMF {d}" for d in "0123456789"))
    digits = [line[-1] for line in application.heard if " DTMF " in line]
    assert "".join(digits) == "0123456789"


async def test_our_digits_reach_the_partner_once_and_in_order(
    emulator, application, talking
):
    for digit in "1234*#":
        reply = await application.say(f"SET CALL {talking} DTMF {digit}")
        assert reply == f"SET CALL {talking} DTMF {digit}"
    assert (await emulator.call(talking))["digits_heard"] == "1234*#"


async def test_port_that_does_not_listen_is_error_589(application, talking):
    end = SoundEnd()
    port = await end.start()
    await end.stop()
    reply = await application.say(f'ALTER CALL {talking} SET_INPUT PORT="{port}"')
    assert reply.startswith("ERROR 589 ALTER CALL")


async def test_call_survives_a_sound_port_closed_early(emulator, application, talking):
    async with sound_of(application, talking) as (_, from_partner):
        await from_partner.until(lambda: from_partner.content, "sound")
    assert (await emulator.call(talking))["status"] == "INPROGRESS"
    async with sound_of(application, talking) as (_, from_partner):
        await from_partner.until(lambda: from_partner.content, "sound again")


async def test_application_that_does_not_read_does_not_stop_others(
    emulator, application, talking, daemon
):
    writers = []
    server = await asyncio.start_server(
        lambda _, writer: writers.append(writer), "127.0.0.1", 0, limit=1
    )
    port = server.sockets[0].getsockname()[1]
    await application.say(f'ALTER CALL {talking} SET_OUTPUT PORT="{port}"')
    assert await application.say("PING") == "PONG"
    await emulator.post(f"/calls/{talking}/hang_up")
    await application.hears(f"CALL {talking} STATUS FINISHED")
    for writer in writers:
        writer.close()
        await writer.wait_closed()
    server.close()
    await server.wait_closed()


async def test_script_rings_and_presses_keys(daemon, tmp_path):
    script = tmp_path / "script.json"
    content = {
        "account": "dora",
        "contacts": [{"handle": "boss", "display_name": "The Boss"}],
        "incoming": [{"at_s": 0.5, "from": "boss", "digits": "42"}],
    }
    script.write_text(json.dumps(content))
    async with (
        emulator_at(daemon.address, "-c", str(script)),
        application_at(daemon.address) as application,
    ):
        await application.attach()
        call_id = await application.ringing()
        await application.say(f"ALTER CALL {call_id} ANSWER")
        await application.hears(f"CALL {call_id} DTMF 4", f"CALL {call_id} DTMF 2")


@pytest.mark.parametrize(
    ("path", "content", "status"),
    [
        ("/calls", {"from": "two words"}, 400),
        ("/calls", {}, 400),
        ("/calls", {"from": "bob", "voice": "opera"}, 400),
        ("/calls", {"from": "bob", "moon": 1}, 400),
        ("/calls/999/hang_up", {}, 404),
        ("/calls/x/hang_up", {}, 404),
        ("/faults", {"drop_replies": "many"}, 400),
        ("/authorise", {"mode": "perhaps"}, 400),
        ("/account", {"connection": "MOON"}, 400),
        ("/place", {"to": "nobody"}, 409),
        ("/moon", {}, 404),
    ],
)
async def test_control_port_explains_a_bad_request(emulator, path, content, status):
    assert await emulator.refused(path, **content) == status


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://evil.example"}, {"Host": "evil.example"}]
)
async def test_control_port_serves_no_web_page(emulator, headers):
    with pytest.raises(CommandError) as refusal:
        await ask("POST", f"{emulator.url}/die", {}, headers)
    assert refusal.value.code == 403
    assert (await emulator.get("/account"))["signed_in"]
