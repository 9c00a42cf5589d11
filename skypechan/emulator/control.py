"""The control port: JSON over HTTP on loopback, for whoever plays the people.

Everything a person at the client or at the far end could do, faults on request, and
what was heard. Stamps are nanoseconds of the machine's monotonic clock.

    GET  /                         this list
    GET  /account[?network=NAME,NAME&timeout_s=T]   who is signed in, who is attached;
                                   once exactly these accounts are on the network
    POST /account                  {"signed_in": bool, "account": name,
                                    "connection": "ONLINE|OFFLINE|..."}
    POST /authorise                {"mode": "yes|ask|no"} for names to come
    POST /applications             {"allowed": bool[, "application": key]}: decide the
                                   prompts on the screen, or one application's lot
    GET  /contacts                 everyone known
    PUT  /contacts/HANDLE          fields of a script's contact: add or change
    POST /contact_requests         {"from": handle, "text"}: asks to be a contact
    GET  /messages[?until=N&timeout_s=T]   what was written, once there are N of them
    POST /messages                 {"from": handle, "text"}: writes to the account
    GET  /calls[?until=N&timeout_s=T]   all calls, once there are N of them
    POST /calls                    {"from": handle, "display_name", "voice",
                                    "give_up_s"}: someone calls the account
    POST /place                    {"to": target}: the user at the client calls
    GET  /calls/ID[?until=STATUS,STATUS&timeout_s=T]   one call, once in such a state
    POST /calls/ID/answer, hang_up, reject, busy, hold, resume   {"by": "partner|user"}
    POST /calls/ID/fail            {"failure_reason": N, "pstn_status": "6500 words"}:
                                   the network gives it up; both may be left out
    POST /calls/ID/digits          {"digits": "1234", "gap_s": 0.16}; gap 0: a burst
    POST /calls/ID/play            {"sound": "wav:PATH|tone:HZ|chirp|talk|...",
                                    "at_ns": stamp or 0}; 0 is now
    POST /calls/ID/voice           {"voice": choice}
    POST /calls/ID/mute            {"muted": bool}
    GET  /calls/ID/heard, sent     pieces as [stamp_ns, first_sample, samples], marks
    GET  /calls/ID/heard.wav, sent.wav, heard.pcm, sent.pcm
    GET  /faults    POST /faults   {"drop_replies": N, "drop_notifications": N,
                                    "double_replies": N, "reply_delay_s": S,
                                    "swap_slices": N, "slow_s": S, "hang": bool,
                                    "refuse_sound": bool, "sound_ppm": P,
                                    "sound_lateness":
                                    "none|well|burst40|full40|stall"}
    POST /calls/ID/sound           {"direction": "INPUT|OUTPUT|CAPTURE_MIC" (without:
                                    all), "ppm": P, "lateness": as above, "close":
                                    bool, "half_open": bool}: one stream's lot;
                                    half open it is there and carries nothing
    POST /notifications            {"text": line, "bytes": N, "per_s": N, "for_s": S}:
                                    any line to all, filled up to a size, again and
                                    again
    POST /bus                      {"name": bool}: the bus name is there, or lost
    GET  /display   POST /display  {"window": bool, "property": bool}: what can be
                                   found on the display; a property without its
                                   window is stale, a window that comes back is new
    POST /die                      the process ends at once, without a goodbye
    GET  /trace                    the last lines of the conversation
"""

from __future__ import annotations

import io
import json
import os
import wave
from collections.abc import Awaitable, Callable
from dataclasses import asdict, replace
from typing import Any, Final

from aiohttp import web

from skypechan.backends.skype.protocol.attachment import Permission
from skypechan.backends.skype.protocol.values import (
    END_STATUSES,
    CallStatus,
    ConnectionStatus,
)
from skypechan.emulator.calls import Call
from skypechan.emulator.control_texts import text_routes
from skypechan.emulator.control_trouble import trouble_routes
from skypechan.emulator.desk import Direction
from skypechan.emulator.host import DbusHost
from skypechan.emulator.host_x11 import X11Host
from skypechan.emulator.outputs import Ending, Signal
from skypechan.emulator.party import GIVE_UP_S, Person, stranger
from skypechan.emulator.program import DIGIT_S, Program
from skypechan.emulator.script import change_person
from skypechan.emulator.sound import Recording
from skypechan.emulator.voices import RATE_HZ, make_sound, make_voice
from skypechan.errors import ConfigError

_LONGEST_WAIT_S: Final = 600.0
_DIE_STATUS: Final = 70

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ControlPort:
    """The HTTP server of one emulator."""

    def __init__(
        self,
        program: Program,
        x11: X11Host | None = None,
        bus: DbusHost | None = None,
    ) -> None:
        self._program = program
        self._x11 = x11
        self._bus = bus
        self._runner: web.AppRunner | None = None

    async def start(self, port: int) -> int:
        """Listen on 127.0.0.1; 0 picks a port. Returns the port; OSError if taken."""
        application = web.Application(middlewares=[_local_only, _report_faults])
        application.add_routes(self._routes())
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port, shutdown_timeout=0.5)
        await site.start()
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Stop listening and end what waits."""
        if self._runner is not None:
            await self._runner.cleanup()

    def _routes(self) -> list[web.RouteDef]:
        return [
            web.get("/", self._describe),
            web.get("/account", self._get_account),
            web.post("/account", self._set_account),
            web.post("/authorise", self._authorise),
            web.post("/applications", self._decide),
            web.get("/contacts", self._contacts),
            web.put("/contacts/{handle}", self._put_contact),
            *text_routes(self._program),
            *trouble_routes(self._program, self._bus),
            web.get("/calls", self._calls),
            web.post("/calls", self._ring),
            web.post("/place", self._place),
            web.get("/calls/{call}", self._call),
            web.post("/calls/{call}/digits", self._digits),
            web.post("/calls/{call}/play", self._play),
            web.post("/calls/{call}/voice", self._voice),
            web.post("/calls/{call}/mute", self._mute),
            web.get("/calls/{call}/{which:heard|sent}", self._pieces),
            web.get("/calls/{call}/{which:heard|sent}.{form:wav|pcm}", self._sound),
            web.post("/calls/{call}/{act}", self._act),
            web.get("/display", self._get_display),
            web.post("/display", self._set_display),
            web.post("/die", self._die),
            web.get("/trace", self._trace),
        ]

    async def _describe(self, _: web.Request) -> web.Response:
        return web.Response(text=__doc__)

    async def _get_account(self, request: web.Request) -> web.Response:
        if "network" in request.query:
            wanted = set(request.query["network"].split(",")) - {""}
            client = self._program.client
            await self._program.until(
                lambda: set(client.network_accounts) == wanted, _timeout(request)
            )
        return self._account()

    async def _set_account(self, request: web.Request) -> web.Response:
        wish = await _body(request, signed_in=bool, account=str, connection=str)
        client = self._program.client
        if wish.get("signed_in") is False:
            client.sign_out()
        elif wish.get("signed_in") or wish.get("account"):
            client.sign_in(wish.get("account", ""))
        if "connection" in wish:
            client.connect(ConnectionStatus(wish["connection"]))
        self._program.settle()
        return self._account()

    async def _authorise(self, request: web.Request) -> web.Response:
        wish = await _body(request, mode=str)
        self._program.client.permission = Permission(wish["mode"])
        return self._account()

    async def _decide(self, request: web.Request) -> web.Response:
        wish = await _body(request, allowed=bool, application=str)
        client = self._program.client
        for key, session in list(client.sessions.items()):
            if key == wish.get("application", key if session.undecided else None):
                client.decide(key, allowed=wish["allowed"])
        self._program.settle()
        return self._account()

    async def _contacts(self, _: web.Request) -> web.Response:
        people = self._program.client.directory.people
        return web.json_response([asdict(person) for person in people])

    async def _put_contact(self, request: web.Request) -> web.Response:
        handle = request.match_info["handle"]
        directory = self._program.client.directory
        known = directory.find(handle) or Person(handle=handle)
        person = self._program.client.meet(change_person(known, await _json(request)))
        self._program.settle()
        return web.json_response(asdict(person))

    async def _calls(self, request: web.Request) -> web.Response:
        calls = self._program.client.engine.calls
        if "until" in request.query:
            wanted = int(request.query["until"])
            await self._program.until(lambda: len(calls) >= wanted, _timeout(request))
        return web.json_response([self._snapshot(call) for call in calls.values()])

    async def _ring(self, request: web.Request) -> web.Response:
        wish = await _body(
            request, **{"from": str}, display_name=str, voice=str, give_up_s=float
        )
        if not self._program.client.signed_in:
            raise web.HTTPConflict(text="nobody is signed in")
        directory = self._program.client.directory
        person = directory.find(wish["from"])
        if person is None:
            person = directory.put(stranger(wish["from"]))
        if "display_name" in wish:
            person = directory.put(replace(person, display_name=wish["display_name"]))
        if "voice" in wish:
            make_voice(wish["voice"])
            person = replace(person, voice=wish["voice"])
        call = self._program.ring(person, wish.get("give_up_s", GIVE_UP_S))
        return web.json_response(self._snapshot(call), status=201)

    async def _place(self, request: web.Request) -> web.Response:
        wish = await _body(request, to=str)
        call = self._program.place(wish["to"])
        if call is None:
            raise web.HTTPConflict(text="the client cannot place this call now")
        return web.json_response(self._snapshot(call), status=201)

    async def _call(self, request: web.Request) -> web.Response:
        call = self._find(request)
        if "until" in request.query:
            words = request.query["until"].split(",")
            wanted = {CallStatus(word) for word in words} | END_STATUSES
            await self._program.until(lambda: call.status in wanted, _timeout(request))
        return web.json_response(self._snapshot(call))

    async def _act(self, request: web.Request) -> web.Response:
        call = self._find(request)
        wish = await _body(request, by=str) if request.can_read_body else {}
        act, who = request.match_info["act"], wish.get("by", "partner")
        if who == "partner" and act in _PARTNER_ACTS:
            done = self._program.partner(call, *_PARTNER_ACTS[act])
        elif who == "user" and act in _USER_ACTS:
            done = getattr(self._program.client.engine, _USER_ACTS[act])(call)
            self._program.settle()
        else:
            raise web.HTTPNotFound(text=f"nobody can {act!r} as {who!r}")
        if not done:
            raise web.HTTPConflict(text=f"not while {call.status.value}")
        return web.json_response(self._snapshot(call))

    async def _digits(self, request: web.Request) -> web.Response:
        call = self._find(request)
        wish = await _body(request, digits=str, gap_s=float)
        if not call.established:
            raise web.HTTPConflict(text=f"not while {call.status.value}")
        if not set(wish["digits"]) <= set("0123456789*#"):
            raise web.HTTPBadRequest(text="digits are 0 to 9, * and #")
        self._program.press(call, wish["digits"], wish.get("gap_s", DIGIT_S))
        return web.json_response(self._snapshot(call))

    async def _play(self, request: web.Request) -> web.Response:
        sound = self._program.sound(self._find(request))
        wish = await _body(request, sound=str, at_ns=int)
        name, _, argument = wish["sound"].partition(":")
        samples = make_sound(name, argument)
        sound.play(wish["sound"], samples, wish.get("at_ns", 0))
        answer = {"samples": samples.size, "now_ns": self._program.ports.now_ns()}
        return web.json_response(answer)

    async def _voice(self, request: web.Request) -> web.Response:
        call = self._find(request)
        wish = await _body(request, voice=str)
        self._program.sound(call).voice = make_voice(wish["voice"])
        return web.json_response(self._snapshot(call))

    async def _mute(self, request: web.Request) -> web.Response:
        call = self._find(request)
        wish = await _body(request, muted=bool)
        self._program.sound(call).muted = wish["muted"]
        return web.json_response(self._snapshot(call))

    async def _pieces(self, request: web.Request) -> web.Response:
        recording = self._recording(request)
        pieces = [
            (piece.stamp_ns, piece.first_sample, piece.samples)
            for piece in recording.pieces
        ]
        answer: dict[str, Any] = {"rate_hz": RATE_HZ, "samples": recording.samples}
        answer["pieces"] = pieces
        if request.match_info["which"] == "sent":
            answer["marks"] = self._program.sound(self._find(request)).marks
        return web.json_response(answer)

    async def _sound(self, request: web.Request) -> web.Response:
        content = self._recording(request).content()
        if request.match_info["form"] == "pcm":
            return web.Response(body=content, content_type="application/octet-stream")
        return web.Response(body=_wav(content), content_type="audio/wav")

    async def _get_display(self, _: web.Request) -> web.Response:
        host = self._host()
        answer = {
            "window": host.window_there,
            "property": host.property_there,
            "number": host.window,
        }
        return web.json_response(answer)

    async def _set_display(self, request: web.Request) -> web.Response:
        host = self._host()
        wish = await _body(request, window=bool, property=bool)
        host.show(
            window=wish.get("window", host.window_there),
            instance=wish.get("property", host.property_there),
        )
        await host.link.sync()  # others may look as soon as this is answered
        self._program.settle()
        return await self._get_display(request)

    def _host(self) -> X11Host:
        if self._x11 is None:
            raise web.HTTPNotFound(text="this client is on no display")
        return self._x11

    async def _die(self, _: web.Request) -> web.Response:
        os._exit(_DIE_STATUS)

    async def _trace(self, _: web.Request) -> web.Response:
        return web.json_response(list(self._program.trace))

    def _find(self, request: web.Request) -> Call:
        ident = request.match_info["call"]
        call = None
        if ident.isascii() and ident.isdecimal():
            call = self._program.client.engine.calls.get(int(ident))
        if call is None:
            raise web.HTTPNotFound(text=f"no call {ident}")
        return call

    def _recording(self, request: web.Request) -> Recording:
        sound = self._program.sound(self._find(request))
        return sound.heard if request.match_info["which"] == "heard" else sound.sent

    def _account(self) -> web.Response:
        client = self._program.client
        applications = [
            {
                "application": key,
                "name": session.friendly_name,
                "allowed": session.allowed,
                "undecided": session.undecided,
                "level": session.level,
            }
            for key, session in client.sessions.items()
        ]
        answer = {
            "account": client.account,
            "signed_in": client.signed_in,
            "connection": client.connection.value,
            "user_status": client.user_status.value,
            "authorise": client.permission.value,
            "applications": applications,
            "network": sorted(client.network_accounts),
        }
        return web.json_response(answer)

    def _snapshot(self, call: Call) -> dict[str, Any]:
        sound = self._program.sounds.get(call.call_id)
        ports = self._program.ports
        timeline = self._program.timelines.get(call.call_id, [])
        return {
            "call": call.call_id,
            "partner": call.person.handle,
            "display_name": call.person.display_name,
            "type": call.call_type.value,
            "status": call.status.value,
            "answered": call.answered,
            "ended": call.ended,
            "sent_on": call.sent_on,
            "failure_reason": int(call.properties.get("FAILUREREASON", "0")),
            "duration_s": call.duration_s,
            "digits_heard": call.digits_to_partner,
            "digits_sent": call.digits_from_partner,
            "timeline": [[stamp, status.value] for stamp, status in timeline],
            "input_open": ports.is_open(call.call_id, Direction.INPUT),
            "output_open": ports.is_open(call.call_id, Direction.OUTPUT),
            "heard_samples": sound.heard.samples if sound else 0,
            "sent_samples": sound.sent.samples if sound else 0,
            "muted": sound.muted if sound else False,
        }


_PARTNER_ACTS: Final = {
    "answer": (Signal.ANSWER, ""),
    "hang_up": (Signal.END, Ending.FINISHED.value),
    "reject": (Signal.END, Ending.REFUSED.value),
    "busy": (Signal.END, Ending.BUSY.value),
    "hold": (Signal.HOLD, ""),
    "resume": (Signal.RESUME, ""),
}
_USER_ACTS: Final = {
    "answer": "answer",
    "hang_up": "end",
    "reject": "end",
    "hold": "hold",
    "resume": "resume",
}


@web.middleware
async def _local_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Web pages have no business here, under whatever name they found the port."""
    host, _, _ = request.host.partition(":")
    if "Origin" in request.headers or host not in {"127.0.0.1", "localhost"}:
        raise web.HTTPForbidden(text="only programs of this machine")
    return await handler(request)


@web.middleware
async def _report_faults(request: web.Request, handler: Handler) -> web.StreamResponse:
    """What the sender did wrong comes back as status 400 with the reason."""
    try:
        return await handler(request)
    except (ConfigError, ValueError, TypeError) as error:
        raise web.HTTPBadRequest(text=str(error)) from error
    except KeyError as error:
        raise web.HTTPBadRequest(text=f"{error} is missing") from error


async def _json(request: web.Request) -> dict[str, Any]:
    content = json.loads(await request.text() or "{}")
    if not isinstance(content, dict):
        raise TypeError("a JSON object is needed")
    return content


async def _body(request: web.Request, **kinds: type) -> dict[str, Any]:
    """The JSON object sent, of known keys and kinds; whole numbers are floats too."""
    content = await _json(request)
    for key, value in content.items():
        if key not in kinds:
            raise ValueError(f"unknown key {key!r}")
        kind = kinds[key]
        if kind is float and type(value) is int:
            content[key] = float(value)
        elif type(value) is not kind:
            raise TypeError(f"{key!r} has to be a {kind.__name__}")
    return content


def _timeout(request: web.Request) -> float:
    return min(float(request.query.get("timeout_s", "10")), _LONGEST_WAIT_S)


def _wav(content: bytes) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(RATE_HZ)
        writer.writeframes(content)
    return file.getvalue()
