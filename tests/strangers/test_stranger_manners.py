"""The emulator before the best-known clients, each in its own manner.

Skype4Py: introspects, leaves the interface empty, takes the lowest free number as a
token, asks for the active calls before it calls, ends every call by END HANGUP.
skypopen: PROTOCOL 999, no tokens, both sound ports right after INPROGRESS, both verbs
to hang up, 0xFF as silence, small buffers.
skype-call-recorder: NAME with an hour's patience, PROTOCOL 5, sound doubled to a port
beside the sound card, PING each five seconds.

Written from the facts about the Skype API alone.
"""

from __future__ import annotations

import asyncio
import re
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator

import pytest

from skypechan.demo.parts.emulated import Emulator
from skypechan.desktop.bus import PrivateBus
from tests.strangers.application import Application
from tests.strangers.conftest import ACCOUNT, Join
from tests.strangers.dbus_wire import Bus, DbusWire
from tests.strangers.sound import PIECE, SoundPort, share_of, sine

FAILED = "ERROR 559 CALL: Action failed"
INVALID = "ERROR 556 CALL: Invalid call ID given"


class Skype4Py:
    """Commands by the lowest free number, over a proxy without an interface name."""

    def __init__(self, app: Application, wire: DbusWire) -> None:
        self.app = app
        self._wire = wire
        self._taken: set[int] = set()

    async def command(self, text: str) -> str:
        """The reply, by Invoke's return value or later by Notify."""
        number = min(set(range(len(self._taken) + 1)) - self._taken)
        self._taken.add(number)
        mark = self.app.heard.mark
        returned = await self._wire.invoke(f"#{number} {text}", 30)
        if not returned.startswith(f"#{number} "):
            pattern = rf"#{number} (?s:.*)"
            returned = (await self.app.heard.line(pattern, since=mark))[0]
        self._taken.discard(number)
        return returned.partition(" ")[2]

    async def place(self, target: str) -> int:
        """As PlaceCall does: an old client that answers OK tells no number."""
        before = await self._active()
        reply = await self.command(f"CALL {target}")
        if reply != "OK":
            match = re.fullmatch(r"CALL (\d+) STATUS \w+", reply)
            assert match, reply
            return int(match[1])
        (new,) = await self._active() - before
        return new

    async def alter(self, number: int, verb: str) -> None:
        """ALTER CALL; only the beginning of the reply counts."""
        reply = await self.command(f"ALTER CALL {number} {verb}")
        assert reply.startswith(f"ALTER CALL {number} {verb.split()[0]}"), reply

    async def _active(self) -> set[int]:
        reply = await self.command("SEARCH ACTIVECALLS")
        word, _, numbers = reply.partition(" ")
        assert word == "CALLS"
        return {int(number) for number in numbers.split(", ") if number}


@pytest.fixture
async def skype4py(skype: Emulator, skype_bus: PrivateBus) -> AsyncIterator[Skype4Py]:
    """Attached as Skype4Py attaches."""
    wire = DbusWire(await Bus.open(skype_bus.address), named=False)
    async with Application(wire) as app:
        node = ET.fromstring(await wire.introspect())  # noqa: S314 - our own emulator
        methods = {m.get("name") for m in node.iter("method")}
        assert "Invoke" in methods
        client = Skype4Py(app, wire)
        assert await client.command("NAME Skype4Py") == "OK"
        assert await client.command("PROTOCOL 5") == "PROTOCOL 5"
        assert await client.command("GET CURRENTUSERHANDLE") == (
            f"CURRENTUSERHANDLE {ACCOUNT}"
        )
        yield client


@pytest.fixture
async def skypopen(join: Join) -> Application:
    """Attached and set up as skypopen does, 20 ms between commands, without tokens."""
    app = await join()
    await app.answer_to("NAME skypopen", "OK")
    for command, reply in (
        ("PROTOCOL 999", r"PROTOCOL \d+"),
        ("SET AUTOAWAY OFF", "AUTOAWAY OFF"),
        ("SET WINDOWSTATE HIDDEN", "WINDOWSTATE HIDDEN"),
        ("SET USERSTATUS ONLINE", "USERSTATUS ONLINE"),
    ):
        await app.answer_to(command, reply)
        await asyncio.sleep(0.02)
    await app.heard.line(f"CURRENTUSERHANDLE {ACCOUNT}")
    return app


async def test_skype4py_calls_and_ends_with_end_hangup(skype4py: Skype4Py) -> None:
    number = await skype4py.place("echo")
    await skype4py.app.status(number, "INPROGRESS")
    assert await skype4py.command(f"GET CALL {number} PARTNER_HANDLE") == (
        f"CALL {number} PARTNER_HANDLE echo"
    )
    await skype4py.alter(number, "END HANGUP")
    await skype4py.app.status(number, "FINISHED")
    reply = await skype4py.command(f"ALTER CALL {number} END HANGUP")
    assert reply == FAILED


async def test_skype4py_cancels_and_rejects_with_end_hangup(
    skype4py: Skype4Py, skype: Emulator
) -> None:
    number = await skype4py.place("noanswer")
    await skype4py.app.status(number, "RINGING")
    await skype4py.alter(number, "END HANGUP")
    await skype4py.app.status(number, "CANCELLED")
    number = await skype.ring("bob")
    await skype4py.app.status(number, "RINGING")
    await skype4py.alter(number, "END HANGUP")
    await skype4py.app.status(number, "REFUSED")


async def test_skype4py_captures_to_a_port_and_takes_it_away_again(
    skype4py: Skype4Py, skype: Emulator
) -> None:
    number = await skype.ring("bob", voice="tone:700")
    await skype4py.app.status(number, "RINGING")
    await skype4py.alter(number, "ANSWER")
    await skype4py.app.status(number, "INPROGRESS")
    async with SoundPort() as speaker:
        device = f'port="{speaker.port}"'
        await skype4py.alter(number, f'SET_OUTPUT SOUNDCARD="default", {device}')
        pcm = await speaker.heard(16_000)
        assert share_of(pcm[-9600:], 700) > 0.9
        devices = await skype4py.command(f"GET CALL {number} OUTPUT")
        assert f'PORT="{speaker.port}"' in devices
        reply = await skype4py.command(f"ALTER CALL {number} SET_OUTPUT ")
        assert reply.startswith(f"ALTER CALL {number} SET_OUTPUT")
        stream = await speaker.connected()
        async with asyncio.timeout(5):
            await stream.ended.wait()
        reply = await skype4py.command(f"GET CALL {number} OUTPUT")
        assert reply.rstrip() == f"CALL {number} OUTPUT"
    assert skype4py.app.statuses(number)[-1] == "INPROGRESS"


async def skypopen_sound(
    app: Application, number: int, microphone: SoundPort, speaker: SoundPort
) -> None:
    """Give Skype both ports right after INPROGRESS."""
    command = f'ALTER CALL {number} SET_INPUT PORT="{microphone.port}"'
    mark = app.say(command)
    app.say(f'#output ALTER CALL {number} SET_OUTPUT PORT="{speaker.port}"')
    await app.heard.line(re.escape(command), since=mark)
    output = rf'#output ALTER CALL {number} SET_OUTPUT PORT="{speaker.port}"'
    await app.heard.line(output, since=mark)


async def skypopen_hang_up(app: Application, number: int, verbs: list[str]) -> None:
    """Send both verbs; the one that does not fit gives an error that is no harm."""
    mark = app.heard.mark
    for verb in verbs:
        app.say(f"ALTER CALL {number} {verb}")
    await app.heard.until(
        lambda: [
            line
            for line in app.heard.lines[mark:]
            if line in (FAILED, INVALID) or line.startswith("ERROR 24")
        ],
        "the error of the second verb",
        since=mark,
    )


@pytest.mark.parametrize(
    "verbs", [["HANGUP", "END HANGUP"], ["END HANGUP", "HANGUP"]], ids=str
)
async def test_skypopen_answers_talks_and_hangs_up_with_both_verbs(
    skypopen: Application, skype: Emulator, verbs: list[str]
) -> None:
    number = await skype.ring("bob", display_name="Bob", voice="tone:900")
    await skypopen.status(number, "RINGING")
    assert await skypopen.answer_to(
        f"GET CALL {number} PARTNER_DISPNAME", rf"CALL {number} PARTNER_DISPNAME .*"
    )
    await skypopen.answer_to(
        f"GET CALL {number} PARTNER_HANDLE", rf"CALL {number} PARTNER_HANDLE bob"
    )
    mark = skypopen.say(f"ALTER CALL {number} ANSWER")
    await skypopen.heard.line(f"CALL {number} STATUS INPROGRESS", since=mark)
    async with SoundPort(small=True) as microphone, SoundPort(small=True) as speaker:
        await skypopen_sound(skypopen, number, microphone, speaker)
        voice = await microphone.connected()
        await voice.play(b"\xff" * PIECE * 2 * 10, step_ms=20)
        await voice.play(sine(500, 0.5), step_ms=20)
        pcm = await speaker.heard(16_000)
        assert share_of(pcm[-9600:], 900) > 0.9
        await skypopen_hang_up(skypopen, number, verbs)
        await skypopen.status(number, "FINISHED")
        ear = await speaker.connected()
        async with asyncio.timeout(2):
            await ear.ended.wait()
            await voice.ended.wait()
    heard = await skype.get(f"/calls/{number}/heard.pcm")
    assert share_of(heard, 500) > 0.8
    assert len(microphone.streams) == len(speaker.streams) == 1


async def test_skypopen_calls_without_a_token(skypopen: Application) -> None:
    mark = skypopen.say("CALL echo")
    first = await skypopen.heard.line(r"CALL (\d+) STATUS (\w+)", since=mark)
    assert first[2] in ("UNPLACED", "ROUTING")
    number = int(first[1])
    await skypopen.status(number, "INPROGRESS")
    await skypopen_hang_up(skypopen, number, ["HANGUP", "END HANGUP"])
    await skypopen.status(number, "FINISHED")


async def test_skypopen_cancels_with_both_verbs(skypopen: Application) -> None:
    mark = skypopen.say("CALL noanswer")
    number = int(
        (await skypopen.heard.line(r"CALL (\d+) STATUS RINGING", since=mark))[1]
    )
    await skypopen_hang_up(skypopen, number, ["END HANGUP", "HANGUP"])
    await skypopen.status(number, "CANCELLED")


@pytest.mark.parametrize("verbs", [["HANGUP", "END HANGUP"], ["END HANGUP", "HANGUP"]])
async def test_skypopen_rejects_with_both_verbs(
    skypopen: Application, skype: Emulator, verbs: list[str]
) -> None:
    number = await skype.ring("bob")
    await skypopen.status(number, "RINGING")
    await skypopen_hang_up(skypopen, number, verbs)
    await skypopen.status(number, "REFUSED")


async def test_the_recorder_waits_for_permission_and_doubles_both_sides_of_a_call(
    skype: Emulator, skype_bus: PrivateBus
) -> None:
    await skype.post("/authorise", {"mode": "ask"})
    wire = DbusWire(await Bus.open(skype_bus.address), answers=True)
    async with Application(wire) as app:
        naming = asyncio.create_task(wire.invoke("NAME SkypeCallRecorder", 3600))
        assert await wire.invoke("PING", 2) == "ERROR 68"
        assert not naming.done()
        await skype.post("/applications", {"allowed": True})
        assert await naming == "OK"
        assert await wire.invoke("PROTOCOL 5") == "PROTOCOL 5"
        number = await skype.ring("bob", voice="tone:800")
        await app.status(number, "RINGING")
        await skype.post(f"/calls/{number}/answer", {"by": "user"})
        await app.status(number, "INPROGRESS")
        async with SoundPort() as theirs, SoundPort() as ours:
            for verb, devices in (
                ("SET_CAPTURE_MIC", f'PORT="{ours.port}"'),
                ("SET_OUTPUT", f'SOUNDCARD="default" PORT="{theirs.port}"'),
            ):
                reply = await wire.invoke(f"ALTER CALL {number} {verb} {devices}")
                assert reply.startswith("ALTER CALL ")
            assert await wire.invoke("PING", 2) == "PONG"
            heard = await theirs.heard(16_000)
            await ours.heard(16_000)
            assert share_of(heard[-9600:], 800) > 0.9
            await skype.hang_up(number)
            await app.status(number, "FINISHED")
            for port in (theirs, ours):
                stream = await port.connected()
                async with asyncio.timeout(2):
                    await stream.ended.wait()


async def test_sound_comes_in_pieces_of_ten_milliseconds(
    skypopen: Application, skype: Emulator
) -> None:
    number = await skype.ring("bob", voice="tone:1000")
    await skypopen.status(number, "RINGING")
    mark = skypopen.say(f"ALTER CALL {number} ANSWER")
    await skypopen.heard.line(f"CALL {number} STATUS INPROGRESS", since=mark)
    async with SoundPort() as speaker:
        skypopen.say(f'ALTER CALL {number} SET_OUTPUT PORT="{speaker.port}"')
        await speaker.heard(120 * PIECE)
        reads = (await speaker.connected()).reads
    sizes = [len(piece) for _, piece in reads]
    assert all(size % PIECE == 0 for size in sizes)
    assert sizes.count(PIECE) > 0.6 * len(sizes)  # TCP may merge them on a busy machine
    (first_s, first), (last_s, _) = reads[0], reads[-1]
    seconds = (sum(sizes) - len(first)) / (2 * 16_000)
    assert abs((last_s - first_s) - seconds) < 0.25


async def test_a_port_where_nobody_listens_is_error_589(
    skypopen: Application, skype: Emulator
) -> None:
    async with SoundPort() as gone:
        port = gone.port
    number = await skype.ring("bob")
    await skypopen.status(number, "RINGING")
    reply = await skypopen.ask(f'ALTER CALL {number} SET_INPUT PORT="{port}"')
    assert re.fullmatch("ERROR (559|41).*", reply)  # not before it is in progress
    mark = skypopen.say(f"ALTER CALL {number} ANSWER")
    await skypopen.heard.line(f"CALL {number} STATUS INPROGRESS", since=mark)
    for verb in ("SET_INPUT", "SET_OUTPUT"):
        reply = await skypopen.ask(f'ALTER CALL {number} {verb} PORT="{port}"')
        assert re.fullmatch("ERROR 589 ALTER CALL.*", reply)


async def test_all_three_at_once_hear_the_same_call(
    skype4py: Skype4Py, skypopen: Application, skype: Emulator
) -> None:
    number = await skype.ring("bob")
    for app in (skype4py.app, skypopen):
        await app.status(number, "RINGING")
    await skype4py.alter(number, "ANSWER")
    for app in (skype4py.app, skypopen):
        await app.status(number, "INPROGRESS")
    await skypopen_hang_up(skypopen, number, ["HANGUP", "END HANGUP"])
    for app in (skype4py.app, skypopen):
        await app.status(number, "FINISHED")
        assert app.statuses(number) == ["RINGING", "INPROGRESS", "FINISHED"]
