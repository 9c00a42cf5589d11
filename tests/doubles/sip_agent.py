"""A small SIP user agent over UDP whose every event has an exact time.

    credentials = Credentials("sipphone", secret)
    async with SipAgent("127.0.0.1", asterisk, credentials) as phone:
        await phone.register()
        call = phone.call("600")
        await call.answered(5)
        await call.hang_up()

Times are ``time.monotonic_ns``; those of arrivals are the kernel's.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from types import TracebackType
from typing import Self

from tests.doubles.sip_call import Call, in_dialog
from tests.doubles.sip_messages import Credentials, Message, quoted
from tests.doubles.sip_subscription import ACCEPT, EVENT, Lamp
from tests.doubles.sip_transport import (
    Response,
    SipTransport,
    response_to,
    with_credentials,
)
from tests.doubles.sip_values import Behaviour, CallState
from tests.doubles.stamped_udp import Address

_ALLOW = "INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE, NOTIFY, INFO, REFER"

RINGS = Behaviour(answer_after_s=None)
ANSWERS = Behaviour()
BUSY = Behaviour(ring_after_s=None, reject=486)
DECLINES = Behaviour(reject=603)


class SipAgent:
    """One user agent: registers, calls, is called.

    ``behaviour`` says what happens to incoming calls; they stand in ``incoming``.
    """

    def __init__(self, host: str, peer: Address, credentials: Credentials) -> None:
        self.peer = peer
        self.credentials = credentials
        self.behaviour = ANSWERS
        self.incoming: asyncio.Queue[Call] = asyncio.Queue()
        self.transport = SipTransport(host, self._on_request)
        self._host = host
        self._calls: dict[str, Call] = {}
        self._lamps: dict[str, Lamp] = {}
        self._registered = False
        self._registration = f"{secrets.token_hex(8)}@{host}"
        self._cseq = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    @property
    def contact(self) -> str:
        """Our Contact."""
        host, port = self.transport.address
        return f"<sip:{self.credentials.username}@{host}:{port}>"

    @property
    def calls(self) -> list[Call]:
        """Calls that are not cleared yet."""
        return list(self._calls.values())

    async def register(self, expires_s: int = 120) -> Response:
        """Register (or with 0 unregister); raises TimeoutError, AssertionError."""
        answer = await self._register_once(expires_s)
        assert answer.status == 200, f"REGISTER: {answer.status} {answer.phrase}"
        self._registered = expires_s > 0
        return answer

    def call(
        self,
        extension: str,
        display_name: str | None = None,
        from_header: str | None = None,
        headers: tuple[tuple[str, str], ...] = (),
        offer: bool = True,
    ) -> Call:
        """Send an INVITE; the display name is escaped, ``from_header`` is not."""
        user = self.credentials.username
        own = f"<sip:{user}@{self.peer[0]}>"
        if display_name is not None:
            own = f"{quoted(display_name)} {own}"
        target = f"sip:{extension}@{self.peer[0]}:{self.peer[1]}"
        call = Call(self, self._host)
        self._calls[call.call_id] = call
        call.place(target, from_header or own, f"<{target}>", headers, offer)
        return call

    async def subscribe(self, extension: str, expires_s: int = 120) -> Lamp:
        """Subscribe to the state of an extension; raises AssertionError."""
        lamp = Lamp(f"{secrets.token_hex(8)}@{self._host}")
        self._lamps[lamp.call_id] = lamp
        target = f"sip:{extension}@{self.peer[0]}:{self.peer[1]}"
        own = f"<sip:{self.credentials.username}@{self.peer[0]}>"
        headers = (
            self.transport.via(),
            ("Max-Forwards", "70"),
            ("From", f"{own};tag={secrets.token_hex(6)}"),
            ("To", f"<{target}>"),
            ("Call-ID", lamp.call_id),
            ("CSeq", "1 SUBSCRIBE"),
            ("Contact", self.contact),
            ("Event", EVENT),
            ("Accept", ACCEPT),
            ("Expires", str(expires_s)),
        )
        request = Message(f"SUBSCRIBE {target} SIP/2.0", headers)
        answer = await self._authorised(request)
        assert answer.status == 200, f"SUBSCRIBE: {answer.status} {answer.phrase}"
        return lamp

    async def next_call(self, seconds: float) -> Call:
        """The next incoming call; raises TimeoutError."""
        try:
            async with asyncio.timeout(seconds):
                return await self.incoming.get()
        except TimeoutError:
            message = f"no incoming call within {seconds:g} s"
            raise TimeoutError(message) from None

    def forget(self, call: Call) -> None:
        """A call is cleared."""
        self._calls.pop(call.call_id, None)

    async def close(self) -> None:
        """End what runs, unregister, free the socket, whether Asterisk lives or not."""
        for call in self.calls:
            with contextlib.suppress(TimeoutError):
                if call.state is CallState.ANSWERED:
                    await call.hang_up(seconds=1)
                elif call.state is CallState.PLACED and call.ours:
                    await call.cancel(seconds=1)
                    await call.final_response(1)
            await call.close()
        if self._registered:
            self._registered = False
            with contextlib.suppress(TimeoutError):
                await self._register_once(0, seconds=1)
        self.transport.close()

    async def _register_once(self, expires_s: int, seconds: float = 5) -> Response:
        answer = await self._authorised(self._register_request(expires_s), seconds)
        self._cseq = max(self._cseq, answer.message.cseq)
        return answer

    async def _authorised(self, request: Message, seconds: float = 5) -> Response:
        """Send a request, with our credentials where they are asked for."""
        answer = await self.transport.answer_to(request, self.peer, seconds)
        if answer.status in (401, 407):
            again = with_credentials(
                request, answer.message, self.credentials, self.transport.via()
            )
            answer = await self.transport.answer_to(again, self.peer, seconds)
        return answer

    def _register_request(self, expires_s: int) -> Message:
        self._cseq += 1
        own = f"<sip:{self.credentials.username}@{self.peer[0]}>"
        headers = (
            self.transport.via(),
            ("Max-Forwards", "70"),
            ("From", f"{own};tag={secrets.token_hex(6)}"),
            ("To", own),
            ("Call-ID", self._registration),
            ("CSeq", f"{self._cseq} REGISTER"),
            ("Contact", self.contact),
            ("Expires", str(expires_s)),
        )
        return Message(f"REGISTER sip:{self.peer[0]}:{self.peer[1]} SIP/2.0", headers)

    def _on_request(self, request: Message, sender: Address, at_ns: int) -> None:
        call = self._calls.get(request.get("Call-ID"))
        lamp = self._lamps.get(request.get("Call-ID"))
        if lamp is not None and request.method == "NOTIFY":
            lamp.take(request)
        if call is not None:
            call.take_request(request, at_ns)
        elif request.method == "INVITE" and not in_dialog(request):
            self._take_call(request, at_ns)
        elif request.method != "ACK":
            known = request.method in ("OPTIONS", "NOTIFY")
            status, phrase = (200, "OK") if known else (481, "No Such Call")
            answer = response_to(request, status, phrase, extra=(("Allow", _ALLOW),))
            self.transport.send(answer, sender)

    def _take_call(self, invite: Message, at_ns: int) -> None:
        call = Call(self, self._host, invite.get("Call-ID"))
        self._calls[call.call_id] = call
        call.take_invite(invite, at_ns, self.behaviour)
        self.incoming.put_nowait(call)
