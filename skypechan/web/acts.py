"""What is done: to lines, to calls, to people. Each act is noted, and who did it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPMethod, HTTPStatus
from pathlib import Path
from typing import Any

from aiohttp import web

from skypechan.call import address as addresses
from skypechan.call.routes import Target
from skypechan.gateway.reloaded import Reloaded
from skypechan.gateway.selftest import Verdict
from skypechan.gateway.snapshot import LineSnapshot, as_json
from skypechan.web.audit import note
from skypechan.web.fields import Field, Kind
from skypechan.web.operations import Answer, Asked, Operation, json_response
from skypechan.web.view import GatewayView

_MOST_GAIN_DB = 40
_MOST_TAP_S = 36_000
_USUAL_TAP_S = 600
_MOST_DRAIN_S = 86_400
_USUAL_DRAIN_S = 3_600

_WHEN_IDLE = Field(
    "when_idle",
    Kind.FLAG,
    "let the line's call end by itself first (default), or end it",
)
_DRAIN = Field(
    "timeout_s",
    Kind.NUMBER,
    "how long calls may go on, in seconds; 3600 if it is not said",
    least=0,
    most=_MOST_DRAIN_S,
)
_WHO = Field("who", Kind.TEXT, "who wants to be a contact", needed=True)
_ADDRESS = Field("address", Kind.TEXT, "somebody's address", needed=True)
_CALL = (
    Field("line", Kind.TEXT, "a line, or ANY, RR, LRU", needed=True),
    Field("address", Kind.TEXT, "who is called on the line", needed=True),
    Field(
        "to",
        Kind.TEXT,
        "EXTEN@CONTEXT that is rung, any of the dialplan; else the line's own target",
    ),
)
_TAP = (
    Field("path", Kind.TEXT, "a new file, an absolute path; without it the tap ends"),
    Field("seconds", Kind.NUMBER, "the longest recording", least=1, most=_MOST_TAP_S),
)
_GAIN = (
    Field(
        "playback_db",
        Kind.NUMBER,
        "gain towards the line, dB",
        least=-_MOST_GAIN_DB,
        most=_MOST_GAIN_DB,
    ),
    Field(
        "capture_db",
        Kind.NUMBER,
        "gain from the line, dB",
        least=-_MOST_GAIN_DB,
        most=_MOST_GAIN_DB,
    ),
)


@dataclass(frozen=True, slots=True)
class TheCall:
    """The call that an act was about."""

    call: str


@dataclass(frozen=True, slots=True)
class Rung:
    """An extension that rings and will call; the record will have the `uniqueid`."""

    line: str
    address: str
    to: str
    uniqueid: str


@dataclass(frozen=True, slots=True)
class Drained:
    """The gateway stops; so many calls had not ended and are ended with it."""

    calls_ended: int


@dataclass(frozen=True, slots=True)
class Reply:
    """What the line's client answered."""

    reply: str


@dataclass(frozen=True, slots=True)
class Balance:
    """The credit of an account; an empty `currency` is not known."""

    amount: str
    currency: str


@dataclass(frozen=True, slots=True)
class Found:
    """The addresses of who was found."""

    found: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Decided:
    """What was answered to a contact request."""

    who: str
    accepted: bool


class Acts:
    """Lets one gateway be operated."""

    def __init__(self, view: GatewayView) -> None:
        self._view = view

    def operations(self) -> Iterator[Operation]:
        """Yield what can be done."""
        yield from self._of_calls()
        yield from self._of_lines()

    def _of_calls(self) -> Iterator[Operation]:
        post, accepted = HTTPMethod.POST, HTTPStatus.ACCEPTED
        call = "/api/calls/{id}"
        yield Operation(
            post, "/api/calls", self._call, Rung, status=accepted, body=_CALL
        )
        yield Operation(HTTPMethod.DELETE, call, self._hangup, TheCall, status=accepted)
        yield Operation(post, f"{call}/hold", self._hold, TheCall, status=accepted)
        yield Operation(
            post, f"{call}/resume", self._resume_call, TheCall, status=accepted
        )
        yield Operation(post, f"{call}/tap", self._tap, TheCall, body=_TAP)
        yield Operation(post, "/api/self-test", self._self_test, Verdict)
        yield Operation(post, "/api/drain", self._drain, Drained, body=(_DRAIN,))
        yield Operation(post, "/api/reload", self._reload, Reloaded)

    def _of_lines(self) -> Iterator[Operation]:
        text = Field("text", Kind.TEXT, "what to write", needed=True)
        words = Field("words", Kind.TEXT, "what to look for", needed=True)
        command = Field("command", Kind.TEXT, "a command of the client", needed=True)
        on = Field("on", Kind.FLAG, "begin or end it", needed=True)
        acts: tuple[tuple[str, Answer, Any, tuple[Field, ...]], ...] = (
            ("pause", self._pause, LineSnapshot, (_WHEN_IDLE,)),
            ("resume", self._resume, LineSnapshot, ()),
            ("restart", self._restart, LineSnapshot, (_WHEN_IDLE,)),
            ("gain", self._gain, LineSnapshot, _GAIN),
            ("trace", self._trace, LineSnapshot, (on,)),
            ("send", self._send, Reply, (command,)),
            ("message", self._message, Reply, (_ADDRESS, text)),
            ("presence", self._presence, Reply, (_ADDRESS,)),
            ("balance", self._balance, Balance, ()),
            ("find", self._find, Found, (words,)),
            ("accept", self._accept, Decided, (_WHO,)),
            ("refuse", self._refuse, Decided, (_WHO,)),
        )
        for name, answer, answers, body in acts:
            path = f"/api/lines/{{name}}/{name}"
            yield Operation(HTTPMethod.POST, path, answer, answers, body=body)

    # Calls.

    async def _call(self, asked: Asked) -> web.Response:
        """Ring an extension that then calls an address on a line.

        It is answered when the extension rings.
        """
        address = addresses.decode(addresses.encode(asked["address"]))
        phone = Target.parse(asked["to"]) if asked.get("to") else None
        rung = await self._view.click(asked["line"], address, phone)
        line = asked["line"]
        self._note(asked, f"rings {rung.click.phone} to call {address}", line=line)
        shown = Rung(line, address, str(rung.click.phone), rung.uniqueid)
        return json_response(as_json(shown), HTTPStatus.ACCEPTED)

    async def _hangup(self, asked: Asked) -> web.Response:
        """Ask a call to end; it is gone from the calls when it has."""
        return await self._act_on_call(asked, self._view.hangup, "ends the call")

    async def _hold(self, asked: Asked) -> web.Response:
        """Put the line leg of a call on hold."""
        return await self._act_on_call(asked, self._view.hold_call, "holds the call")

    async def _resume_call(self, asked: Asked) -> web.Response:
        """Take the line leg of a call from hold."""
        return await self._act_on_call(
            asked, self._view.resume_call, "resumes the call"
        )

    async def _act_on_call(
        self, asked: Asked, act: Callable[[str], bool], what: str
    ) -> web.Response:
        call = asked["id"]
        if not act(call):
            raise await self._no_call(call)
        self._note(asked, what, call=call)
        return json_response(as_json(TheCall(call)), HTTPStatus.ACCEPTED)

    async def _no_call(self, call: str) -> web.HTTPException:
        now = await self._view.snapshot()
        if all(one.call != call for one in now.calls):
            return web.HTTPNotFound(text="there is no live call of this id")
        return web.HTTPConflict(text="the call cannot do that now")

    async def _tap(self, asked: Asked) -> web.Response:
        """Record both directions of a call to a new WAV file, or end that.

        Left is what goes to the PBX, right what goes to the line. A path is taken
        over the control socket only.
        """
        call, words = asked["id"], asked.get("path", "")
        path = Path(words) if words else None
        if path is not None and asked.request.remote:
            raise web.HTTPForbidden(text="a file is named over the control socket only")
        if path is not None and not path.is_absolute():
            raise web.HTTPBadRequest(text="path must be absolute")
        try:
            found = self._view.tap(call, path, asked.get("seconds", _USUAL_TAP_S))
        except (OSError, ValueError) as error:
            raise web.HTTPConflict(text=f"{words}: {error}") from error
        if not found:
            raise await self._no_call(call)
        self._note(asked, f"taps the call: {path or 'no longer'}", call=call)
        return json_response(as_json(TheCall(call)))

    async def _self_test(self, asked: Asked) -> web.Response:
        """Make a test call, which takes some seconds, and return the verdict."""
        self._note(asked, "has a self-test made")
        return json_response(as_json(await self._view.self_test()))

    async def _drain(self, asked: Asked) -> web.Response:
        """Let no new call in, and stop the gateway when the last one has ended.

        It is answered then, or when the time is up.
        """
        self._note(asked, "drains the gateway")
        left = await self._view.drain(asked.get("timeout_s", _USUAL_DRAIN_S))
        return json_response(as_json(Drained(left)))

    async def _reload(self, asked: Asked) -> web.Response:
        """Read the configuration again and be as it says, without touching calls.

        Lines come, go and change; those in use when their calls have ended. One with a
        fault changes nothing.
        """
        self._note(asked, "reloads the configuration")
        return json_response(as_json(await self._view.reload()))

    # Lines.

    async def _pause(self, asked: Asked) -> web.Response:
        """Let a line take no more calls."""
        name, when_idle = asked["name"], asked.get("when_idle", True)
        done = self._view.pause(name, when_idle=when_idle)
        return await self._line(asked, done, "pauses the line")

    async def _resume(self, asked: Asked) -> web.Response:
        """Let a paused line take calls again."""
        done = self._view.resume(asked["name"])
        return await self._line(asked, done, "resumes the line")

    async def _restart(self, asked: Asked) -> web.Response:
        """Attach a line to its client anew; one of the gateway's own starts anew."""
        name, when_idle = asked["name"], asked.get("when_idle", True)
        done = self._view.restart(name, when_idle=when_idle)
        return await self._line(asked, done, "restarts the line")

    async def _gain(self, asked: Asked) -> web.Response:
        """Set the gains of a line until the next start, those of its call at once."""
        given = {name: asked[name] for name in asked.values if name != "name"}
        if not given:
            raise web.HTTPBadRequest(text="playback_db or capture_db is needed")
        done = self._view.set_gain(asked["name"], **given)
        shown = ", ".join(f"{name} {value:g}" for name, value in given.items())
        return await self._line(asked, done, f"sets {shown}")

    async def _trace(self, asked: Asked) -> web.Response:
        """Log what a line and its client say to each other, or no longer."""
        on = asked["on"]
        self._view.people.trace(asked["name"], on=on)
        return await self._line(
            asked, True, f"traces the line{'' if on else ' no longer'}"
        )

    async def _line(self, asked: Asked, done: bool, what: str) -> web.Response:
        name = asked["name"]
        now = await self._view.snapshot()
        lines = {line.name: line for line in now.lines}
        if not done or name not in lines:
            raise web.HTTPNotFound(text=f"there is no line {name!r}")
        self._note(asked, what, line=name)
        return json_response(as_json(lines[name]))

    # People.

    async def _send(self, asked: Asked) -> web.Response:
        """Send one of the client's own commands, if the settings allow it."""
        name, command = asked["name"], asked["command"]
        reply = await self._view.people.send_raw(name, command)
        self._note(asked, f"sends {command}", line=name)
        return json_response(as_json(Reply(reply)))

    async def _message(self, asked: Asked) -> web.Response:
        """Write to somebody; the reply is the client's number of the message."""
        name, address = asked["name"], asked["address"]
        reply = await self._view.people.send_message(name, address, asked["text"])
        self._note(asked, f"writes to {address}", line=name)
        return json_response(as_json(Reply(reply)))

    async def _presence(self, asked: Asked) -> web.Response:
        """Ask how reachable somebody is."""
        presence = await self._view.people.presence(asked["name"], asked["address"])
        return json_response(as_json(Reply(presence)))

    async def _balance(self, asked: Asked) -> web.Response:
        """Ask for the credit of a line's account."""
        money = await self._view.people.balance(asked["name"])
        return json_response(as_json(Balance(str(money.amount), money.currency)))

    async def _find(self, asked: Asked) -> web.Response:
        """Search the directory of a line's client; this may take ten seconds."""
        found = await self._view.people.find(asked["name"], asked["words"])
        return json_response(as_json(Found(found)))

    async def _accept(self, asked: Asked) -> web.Response:
        """Accept somebody as a contact."""
        return await self._decide(asked, accept=True)

    async def _refuse(self, asked: Asked) -> web.Response:
        """Refuse somebody as a contact."""
        return await self._decide(asked, accept=False)

    async def _decide(self, asked: Asked, *, accept: bool) -> web.Response:
        name, who = asked["name"], asked["who"]
        await self._view.people.decide_contact(name, who, accept=accept)
        self._note(asked, f"{'accepts' if accept else 'refuses'} {who}", line=name)
        return json_response(as_json(Decided(who, accept)))

    def _note(self, asked: Asked, what: str, *, line: str = "", call: str = "") -> None:
        note(self._view.feed, asked, what, line=line, call=call)
