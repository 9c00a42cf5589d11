"""One call of the small SIP agent: the dialog, its times and its sound."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from typing import Protocol
from urllib.parse import quote

from tests.doubles.rtp import RtpSession
from tests.doubles.sip_messages import (
    Credentials,
    Message,
    Reason,
    Sdp,
    SipSyntaxError,
    parameter,
    parse_sdp,
    reasons_of,
    uri_of,
)
from tests.doubles.sip_transport import (
    T1_S,
    T2_S,
    Response,
    SipTransport,
    ack_of,
    cancel_of,
    response_to,
    with_credentials,
)
from tests.doubles.sip_values import Behaviour, CallState, EndedBy
from tests.doubles.stamped_udp import Address
from tests.doubles.waiting import Changes

_CHALLENGES = (401, 407)
_PHRASES = {
    100: "Trying",
    180: "Ringing",
    183: "Session Progress",
    200: "OK",
    404: "Not Found",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    486: "Busy Here",
    487: "Request Terminated",
    500: "Server Internal Error",
    603: "Decline",
}


class Owner(Protocol):
    """What a call needs of its agent."""

    transport: SipTransport
    peer: Address
    credentials: Credentials

    @property
    def contact(self) -> str:
        """Value of our Contact header."""

    def forget(self, call: Call) -> None:
        """The call has ended and been cleared."""


class Call:
    """One dialog, ours or theirs.

    ``responses`` holds what came for our INVITE (challenges left out), with times.
    """

    def __init__(self, owner: Owner, host: str, call_id: str = "") -> None:
        self.ours = False
        self.call_id = call_id or secrets.token_hex(12)
        self.state = CallState.PLACED
        self.responses: list[Response] = []
        self.placed_ns = 0
        self.answered_ns = 0
        self.ended_ns = 0
        self.cancelled_ns = 0
        self.ended_by: EndedBy | None = None
        self.reasons: tuple[Reason, ...] = ()
        self.transfer_status = 0
        self.invite: Message | None = None
        self.remote_direction = "sendrecv"
        self.changes = Changes()
        self.rtp = RtpSession(host)
        self.sdp = Sdp(*self.rtp.address)
        self._owner = owner
        self._tag = secrets.token_hex(6)
        self._local = self._remote = ""
        self._target = ""
        self._cseq = secrets.randbelow(1000)
        self._dialog_ready = False
        self._last_response: Message | None = None
        self._acknowledgement: Message | None = None
        self._timers: set[asyncio.TimerHandle] = set()
        self._hanging_up: asyncio.Task[Response] | None = None

    @property
    def statuses(self) -> list[int]:
        """Status codes of the responses in the order of arrival."""
        return [response.status for response in self.responses]

    @property
    def final(self) -> Response | None:
        """The final response to our INVITE, if it has come."""
        return next((r for r in self.responses if r.status >= 200), None)

    @property
    def caller(self) -> str:
        """The From header of the INVITE."""
        return self.invite.get("From") if self.invite else ""

    async def response(self, status: int, seconds: float) -> Response:
        """The first response with that status; raises TimeoutError."""
        await self.changes.until(
            lambda: status in self.statuses or self.final, seconds, f"{status}"
        )
        found = next((r for r in self.responses if r.status == status), None)
        if found is None:
            message = f"no {status} but {self.statuses}"
            raise AssertionError(message)
        return found

    async def final_response(self, seconds: float) -> Response:
        """The final response to our INVITE; raises TimeoutError."""
        await self.changes.until(lambda: self.final, seconds, "final response")
        assert self.final is not None
        return self.final

    async def answered(self, seconds: float) -> None:
        """Return once answered; raises TimeoutError, AssertionError at an end."""
        await self.changes.until(
            lambda: self.state is not CallState.PLACED, seconds, "answer"
        )
        assert self.answered_ns, f"not answered: {self.statuses}, {self.ended_by}"

    async def ended(self, seconds: float) -> None:
        """Return once the call is over; raises TimeoutError."""
        await self.changes.until(
            lambda: self.state is CallState.ENDED, seconds, "end of the call"
        )

    # Ours

    def place(
        self,
        target: str,
        local: str,
        remote: str,
        headers: tuple[tuple[str, str], ...] = (),
        offer: bool = True,
    ) -> None:
        """Send the INVITE."""
        self.ours = True
        self._target, self._remote = target, remote
        self._local = f"{local};tag={self._tag}"
        body = self.sdp.encoded() if offer else b""
        self.invite = self._in_dialog("INVITE", body, headers)
        self._send_invite(self.invite)

    async def cancel(self, seconds: float = 5) -> Response:
        """Send CANCEL once a provisional response is there; the answer to it."""
        await self.changes.until(lambda: self.responses, seconds, "response to INVITE")
        assert self.invite is not None
        request = cancel_of(self.invite)
        answer = await self._owner.transport.answer_to(
            request, self._owner.peer, seconds
        )
        self.cancelled_ns = answer.sent_ns
        return answer

    async def hang_up(self, seconds: float = 5) -> Response:
        """Send BYE; the answer to it.

        A 200 of ours has to be acknowledged first (RFC 3261 15): a BYE that
        overtakes it would be refused with 481, and the call go on.
        """
        await self.changes.until(
            lambda: self._last_response is None, seconds, "ACK of our 200"
        )
        self._end(EndedBy.US)
        answer = await self._request("BYE", seconds=seconds)
        self.ended_ns = answer.sent_ns
        self.clear()
        return answer

    async def hold(self, seconds: float = 5) -> Response:
        """Re-INVITE sendonly and stop sending sound."""
        self.rtp.paused = True
        return await self._renegotiate("sendonly", seconds)

    async def resume(self, seconds: float = 5) -> Response:
        """Re-INVITE sendrecv and send sound again."""
        self.rtp.paused = False
        return await self._renegotiate("sendrecv", seconds)

    async def transfer(self, target: str, seconds: float = 5) -> Response:
        """REFER (blind transfer) to a SIP URI; the answer to it.

        How the transfer went is told later, in ``transfer_status``; then it is ours
        to hang up (RFC 3515, RFC 5589).
        """
        refer = (("Refer-To", f"<{target}>"), ("Referred-By", f"<{self._own_uri()}>"))
        return await self._request("REFER", extra=refer, seconds=seconds)

    async def transfer_to(self, other: Call, seconds: float = 5) -> Response:
        """REFER (attended transfer) to whom we talk with in another call.

        Told as by `transfer`; both calls are then ended by the far end (RFC 5589 7.1).
        """
        return await self.transfer(other.replaced_uri(), seconds)

    def replaced_uri(self) -> str:
        """A URI whose INVITE takes our place in this call (RFC 3891 6.1)."""
        theirs = parameter(self._remote, "tag")
        dialog = f"{self.call_id};to-tag={theirs};from-tag={self._tag}"
        return f"{self._target}?Replaces={quote(dialog, safe='')}"

    def clear(self) -> None:
        """Stop timers and sound."""
        for timer in self._timers:
            timer.cancel()
        self.rtp.close()
        self._owner.forget(self)
        self.changes.notify()

    async def close(self) -> None:
        """Clear, and wait for what was under way."""
        self.clear()
        if self._hanging_up is not None:
            self._hanging_up.cancel()
            await asyncio.wait([self._hanging_up])

    # Theirs

    def take_invite(self, invite: Message, at_ns: int, behaviour: Behaviour) -> None:
        """A new incoming INVITE: follow ``behaviour``."""
        self.invite, self.placed_ns = invite, at_ns
        self._local = f"{invite.get('To')};tag={self._tag}"
        self._remote = invite.get("From")
        self._target = uri_of(invite.get("Contact"))
        self._dialog_ready = True
        self.respond(100, tagged=False)
        if behaviour.ring_after_s is not None:
            self._later(behaviour.ring_after_s, self._ring)
        if behaviour.answer_after_s is not None:
            self._later(behaviour.answer_after_s, self._conclude, behaviour)

    def respond(self, status: int, *, tagged: bool = True, body: bytes = b"") -> int:
        """Answer the incoming INVITE; returns when it left."""
        assert self.invite is not None
        extra = (("Contact", self._owner.contact),) if tagged else ()
        tag = self._tag if tagged else ""
        phrase = _PHRASES.get(status, "Status")
        message = response_to(self.invite, status, phrase, tag, extra, body)
        self._last_response = message
        return self._owner.transport.send(message, self._owner.peer)

    def take_request(self, request: Message, at_ns: int) -> None:
        """A request inside this call."""
        match request.method:
            case "INVITE":
                self._take_reinvite(request)
            case "ACK":
                self._acknowledged()
            case "CANCEL":
                self._take_cancel(request, at_ns)
            case "BYE":
                self._reply(request, 200)
                self.reasons = reasons_of(request)
                self._end(EndedBy.THEM, at_ns)
                self.clear()
            case "NOTIFY":
                self._reply(request, 200)
                self._take_notice(request)
            case _:
                self._reply(request, 200)

    # Inside

    def _ring(self) -> None:
        if self.state is CallState.PLACED:
            self.respond(180)

    def _conclude(self, behaviour: Behaviour) -> None:
        if self.state is not CallState.PLACED:
            return
        if behaviour.reject:
            self.respond(behaviour.reject)
            self._end(EndedBy.REJECTED)
            return
        self.answer()
        if behaviour.hang_up_after_s is not None:
            self._later(behaviour.hang_up_after_s, self._start_hang_up)

    def answer(self) -> None:
        """Send 200 to the incoming INVITE and start the sound."""
        assert self.invite is not None
        self._start_sound(self.invite.body)
        self.answered_ns = self.respond(200, body=self.sdp.encoded())
        self.state = CallState.ANSWERED
        self._repeat_until_acknowledged(T1_S)
        self.changes.notify()

    def _repeat_until_acknowledged(self, interval_s: float) -> None:
        self._later(interval_s, self._repeat_final, interval_s)

    def _repeat_final(self, interval_s: float) -> None:
        if self._last_response is None or self.state is CallState.ENDED:
            return
        self._owner.transport.send(self._last_response, self._owner.peer)
        self._repeat_until_acknowledged(min(interval_s * 2, T2_S))

    def _acknowledged(self) -> None:
        self._last_response = None
        self.changes.notify()
        if self.ended_by in (EndedBy.REJECTED, EndedBy.CANCELLED):
            self.clear()

    def _start_hang_up(self) -> None:
        if self.state is CallState.ANSWERED:
            self._hanging_up = asyncio.ensure_future(self.hang_up())

    def _take_reinvite(self, request: Message) -> None:
        if self.invite is not None and request.cseq == self.invite.cseq:
            if self._last_response is not None:  # a repetition
                self._owner.transport.send(self._last_response, self._owner.peer)
            return
        if request.body:
            self._start_sound(request.body)
        answer = {"sendonly": "recvonly", "inactive": "inactive"}
        direction = answer.get(self.remote_direction, "sendrecv")
        self.sdp = self.sdp.with_direction(direction)
        self._reply(request, 200, self.sdp.encoded())
        self.changes.notify()

    def _take_notice(self, request: Message) -> None:
        """A fragment tells how the transfer goes (RFC 3515 2.4.5)."""
        words = request.body.split()
        if "sipfrag" in request.get("Content-Type") and len(words) > 1:
            self.transfer_status = int(words[1])
            self.changes.notify()

    def _take_cancel(self, request: Message, at_ns: int) -> None:
        self._reply(request, 200)
        if self.state is CallState.PLACED:
            self.reasons = reasons_of(request)
            self.respond(487)
            self._end(EndedBy.CANCELLED, at_ns)

    def _reply(self, request: Message, status: int, body: bytes = b"") -> None:
        extra = (("Contact", self._owner.contact),)
        phrase = _PHRASES[status]
        message = response_to(request, status, phrase, self._tag, extra, body)
        self._owner.transport.send(message, self._owner.peer)

    def _send_invite(self, message: Message) -> None:
        self.invite = message
        self.placed_ns = self._owner.transport.request(
            message, self._owner.peer, lambda r: self._on_invite_response(message, r)
        )

    def _on_invite_response(self, invite: Message, response: Response) -> None:
        if response.status in _CHALLENGES and not _has_credentials(invite):
            self._acknowledge_refusal(invite, response)
            self._cseq += 1
            via = self._owner.transport.via()
            self._send_invite(
                with_credentials(invite, response.message, self._owner.credentials, via)
            )
            return
        if self.final is not None:
            self._acknowledge_again(invite, response)
            return
        self.responses.append(response)
        if response.status < 200:
            self._start_sound(response.message.body)  # early media, with a 183
        elif response.status < 300:
            self._on_answer(response)
        else:
            self._acknowledge_refusal(invite, response)
            self.reasons = reasons_of(response.message)
            self._end(EndedBy.REFUSED, response.at_ns)
            self.clear()
        self.changes.notify()

    def _on_answer(self, response: Response) -> None:
        self._remote = response.message.get("To")
        self._target = uri_of(response.message.get("Contact"))
        self._dialog_ready = True
        self.answered_ns = response.at_ns
        self.state = CallState.ANSWERED
        self._start_sound(response.message.body)
        self._acknowledge_answer(response.message)

    def _acknowledge_answer(self, answer: Message) -> None:
        self._acknowledgement = self._in_dialog("ACK", b"", cseq=answer.cseq)
        self._owner.transport.send(self._acknowledgement, self._owner.peer)

    def _acknowledge_again(self, invite: Message, response: Response) -> None:
        if 200 <= response.status < 300:
            if self._acknowledgement is not None:
                self._owner.transport.send(self._acknowledgement, self._owner.peer)
        elif response.status >= 300:
            self._acknowledge_refusal(invite, response)

    def _acknowledge_refusal(self, invite: Message, response: Response) -> None:
        self._owner.transport.send(ack_of(invite, response.message), self._owner.peer)

    async def _renegotiate(self, direction: str, seconds: float) -> Response:
        self.sdp = self.sdp.with_direction(direction)
        answer = await self._request("INVITE", self.sdp.encoded(), seconds=seconds)
        if 200 <= answer.status < 300:
            self._acknowledge_answer(answer.message)
            self._start_sound(answer.message.body)
        return answer

    async def _request(
        self,
        method: str,
        body: bytes = b"",
        extra: tuple[tuple[str, str], ...] = (),
        seconds: float = 5,
    ) -> Response:
        """Send a request in the dialog, with credentials if asked for them."""
        transport, peer = self._owner.transport, self._owner.peer
        request = self._in_dialog(method, body, extra)
        answer = await transport.answer_to(request, peer, seconds)
        if answer.status in _CHALLENGES:
            if method == "INVITE":
                self._acknowledge_refusal(request, answer)
            self._cseq += 1
            again = with_credentials(
                request, answer.message, self._owner.credentials, transport.via()
            )
            answer = await transport.answer_to(again, peer, seconds)
        if method == "INVITE" and answer.status >= 300:
            self._acknowledge_refusal(request, answer)
        return answer

    def _in_dialog(
        self,
        method: str,
        body: bytes = b"",
        extra: tuple[tuple[str, str], ...] = (),
        cseq: int | None = None,
    ) -> Message:
        if cseq is None:
            self._cseq += 1
            cseq = self._cseq
        headers = [
            self._owner.transport.via(),
            ("Max-Forwards", "70"),
            ("From", self._local),
            ("To", self._remote),
            ("Call-ID", self.call_id),
            ("CSeq", f"{cseq} {method}"),
            ("Contact", self._owner.contact),
            *extra,
        ]
        if body:
            headers.append(("Content-Type", "application/sdp"))
        return Message(f"{method} {self._target} SIP/2.0", tuple(headers), body)

    def _own_uri(self) -> str:
        return uri_of(self._owner.contact)

    def _start_sound(self, body: bytes) -> None:
        try:
            remote = parse_sdp(body)
        except SipSyntaxError:
            return
        self.remote_direction = remote.direction
        self.rtp.start((remote.host, remote.port), remote.event_payload_type)

    def _end(self, by: EndedBy, at_ns: int = 0) -> int:
        if self.state is not CallState.ENDED:
            self.state, self.ended_by = CallState.ENDED, by
            self.ended_ns = at_ns or self._now_ns()
        self.changes.notify()
        return self.ended_ns

    def _now_ns(self) -> int:
        return int(asyncio.get_running_loop().time() * 1e9)

    def _later(self, seconds: float, what: Callable[..., None], *args: object) -> None:
        loop = asyncio.get_running_loop()
        self._timers.add(loop.call_later(seconds, what, *args))


def _has_credentials(request: Message) -> bool:
    return bool(request.get("Authorization") or request.get("Proxy-Authorization"))


def in_dialog(request: Message) -> bool:
    """Whether a request belongs to a call that is there already."""
    return bool(parameter(request.get("To"), "tag"))
