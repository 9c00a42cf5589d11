"""The transcripts, from the client's side: the gateway understands what was said."""

from __future__ import annotations

import asyncio

import pytest

from skypechan.backends.base import LineState
from skypechan.call.events import (
    LineAnswered,
    LineDigit,
    LineEarlyMedia,
    LineReleased,
    LineRinging,
)
from skypechan.errors import CallError
from tests.doubles.clock import settle
from tests.doubles.line_observer import Events
from tests.doubles.scripted_client import ScriptedClient
from tests.doubles.transcripts import Transcript, transcripts, without_token

_HANDSHAKE = ("NAME", "PROTOCOL")


class Replay:
    """One transcript against one line."""

    def __init__(self, transcript: Transcript, bench) -> None:
        self.transcript = transcript
        self.bench = bench
        self.waiting: list[str] = []
        self.events = Events()
        self.leg = None
        self.doing: asyncio.Task | None = None
        self.requests: list[str] = []
        bench.backend.on_contact_request = lambda item: self.requests.append(item.who)
        self.client = ScriptedClient()
        if transcript.attaches:
            self.client.answers |= {"NAME skypechan": None, "PROTOCOL 8": None}
        for line in transcript.lines:
            words = without_token(line.text).split()
            if words[:1] == ["CALL"] and words[-2:] == ["STATUS", "RINGING"]:
                self.client.answers |= {
                    f"GET CALL {words[1]} TYPE": f"CALL {words[1]} TYPE INCOMING_P2P",
                    f"GET CALL {words[1]} PARTNER_HANDLE": (
                        f"CALL {words[1]} PARTNER_HANDLE {self.caller()}"
                    ),
                    f"GET CALL {words[1]} PARTNER_DISPNAME": (
                        f"CALL {words[1]} PARTNER_DISPNAME "
                    ),
                }

    def caller(self) -> str:
        offered = [x.text for x in self.transcript.lines if "offered" in x.text]
        return offered[0].split()[-1] if offered else "bob"

    async def run(self) -> None:
        await self.bench.start(self.client)
        for line in self.transcript.lines:
            match line.marker:
                case "->":
                    self.waiting.append(line.text)
                case "<=" | "<-" | "<~":
                    self.hear(line.text, line.marker)
                case "@":
                    await self.act(*line.text.split(" ", 1))
            await settle()

    def hear(self, text: str, marker: str) -> None:
        """A reply to what we have said as well reaches us as one, else it is news."""
        said = without_token(text)
        command = self.answered(text, marker)
        ours = [c for c in self.client._open if c == command]
        if command.split(" ")[0] in _HANDSHAKE:
            ours = [c for c in self.client._open if c.startswith(command.split(" ")[0])]
        if ours:
            self.client.answer(ours[0], said)
        else:
            self.client.say(said)

    def answered(self, text: str, marker: str) -> str:
        token = text.split(" ")[0] if text.startswith("#") else ""
        for command in self.waiting:
            has = command.split(" ")[0] if command.startswith("#") else ""
            if has == token and (token or marker != "<-"):
                self.waiting.remove(command)
                return without_token(command)
        return ""

    async def act(self, word: str, rest: str = "") -> None:
        match word:
            case "place":
                self.doing = asyncio.create_task(
                    self.bench.backend.place(rest, self.events)
                )
            case "offered":
                (offered,) = self.bench.observer.offers
                assert offered.offer.caller == rest
                self.leg, self.events = offered.offer.leg, offered.events
            case "answer":
                self.doing = asyncio.create_task(self.leg.answer())
            case "transfer":
                question = f"GET CALL {self.leg.leg_id} CAN_TRANSFER {rest}"
                self.client.answers[question] = "ERROR 13 GET: invalid PROP"
                self.doing = asyncio.create_task(self.leg.transfer(rest))
            case "release":
                leg = self.leg or await self.doing
                await leg.release()
            case "events":
                assert [named(event) for event in self.events.all] == rest.split()
                if self.doing is not None:
                    await self.doing
            case "refused":
                with pytest.raises(CallError) as raised:
                    await self.doing
                assert raised.value.cause == int(rest)
            case "asked":
                assert self.requests == [rest]
            case "state":
                assert self.bench.observer.state is LineState(rest)
            case "nothing":
                assert self.bench.observer.offers == []
            case _:
                pytest.fail(f"the gateway cannot {word}")


def named(event: object) -> str:
    match event:
        case LineRinging():
            return "ringing"
        case LineEarlyMedia():
            return "early"
        case LineAnswered():
            return "answered"
        case LineDigit(digit):
            return f"digit:{digit}"
        case LineReleased(cause):
            return f"released:{int(cause)}"
    return str(event)


@pytest.mark.parametrize("transcript", transcripts(), ids=lambda item: item.name)
async def test_gateway_understands_what_the_client_said(bench, transcript):
    await Replay(transcript, bench).run()
