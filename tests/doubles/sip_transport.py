"""SIP over UDP: sending, retransmission, matching of responses (RFC 3261 17)."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from tests.doubles.sip_messages import (
    Credentials,
    Message,
    SipSyntaxError,
    authorization,
    challenge_of,
    parse,
)
from tests.doubles.stamped_udp import Address, StampedUdp

T1_S = 0.5
T2_S = 4.0
TRANSACTION_S = 64 * T1_S

OnRequest = Callable[[Message, Address, int], None]


@dataclass(frozen=True, slots=True)
class Response:
    """One response, when it came, and when the request first left."""

    status: int
    phrase: str
    at_ns: int
    message: Message
    sent_ns: int


OnResponse = Callable[[Response], None]


class SipTransport:
    """One socket with the client transactions that run over it."""

    def __init__(self, host: str, on_request: OnRequest, port: int = 0) -> None:
        self._on_request = on_request
        self._loop = asyncio.get_running_loop()
        self._udp = StampedUdp(host, self._on_datagram, port)
        self._open: dict[tuple[str, str], _Transaction] = {}
        self.trace: list[tuple[int, str, Message]] = []

    @property
    def address(self) -> Address:
        """Where we receive."""
        return self._udp.address

    def close(self) -> None:
        """Forget every transaction and close the socket."""
        for transaction in self._open.values():
            transaction.stop()
        self._open.clear()
        self._udp.close()

    def via(self) -> tuple[str, str]:
        """A Via header with a new branch."""
        host, port = self.address
        branch = f"z9hG4bK{secrets.token_hex(8)}"
        return "Via", f"SIP/2.0/UDP {host}:{port};branch={branch};rport"

    def send(self, message: Message, to: Address) -> int:
        """Send once; return when (monotonic ns)."""
        at_ns = self._udp.send(message.encoded(), to)
        self.trace.append((at_ns, ">", message))
        return at_ns

    def request(self, message: Message, to: Address, on_response: OnResponse) -> int:
        """Send with retransmission; ``on_response`` gets each response.

        Returns when the first copy left.
        """
        key = (message.branch, message.method)
        invite = message.method == "INVITE"
        transaction = _Transaction(
            self._loop, lambda: self.send(message, to), on_response, invite=invite
        )
        self._open[key] = transaction
        return transaction.start()

    async def answer_to(
        self, message: Message, to: Address, seconds: float = 5
    ) -> Response:
        """Send a request other than INVITE and return its final response.

        Raises TimeoutError.
        """
        final: asyncio.Future[Response] = self._loop.create_future()

        def on_response(response: Response) -> None:
            if response.status >= 200 and not final.done():
                final.set_result(response)

        self.request(message, to, on_response)
        try:
            async with asyncio.timeout(seconds):
                return await final
        except TimeoutError:
            text = f"no answer to {message.method} within {seconds:g} s"
            raise TimeoutError(text) from None

    def _on_datagram(self, data: bytes, sender: Address, at_ns: int) -> None:
        if not data.strip():
            return  # a keep-alive
        try:
            message = parse(data)
        except SipSyntaxError:
            return
        self.trace.append((at_ns, "<", message))
        if not message.status:
            self._on_request(message, sender, at_ns)
            return
        transaction = self._open.get((message.branch, message.method))
        if transaction is not None:
            transaction.take(message, at_ns)


class _Transaction:
    """Repeats one request until it is answered (timers A and E)."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        send: Callable[[], int],
        on_response: OnResponse,
        *,
        invite: bool,
    ) -> None:
        self._loop = loop
        self._send = send
        self._on_response = on_response
        self._invite = invite
        self._timer: asyncio.TimerHandle | None = None
        self._ends_at = loop.time() + TRANSACTION_S
        self._sent_ns = 0

    def start(self) -> int:
        self._timer = self._loop.call_later(T1_S, self._again, T1_S)
        self._sent_ns = self._send()
        return self._sent_ns

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def take(self, message: Message, at_ns: int) -> None:
        if message.status >= 200 or self._invite:
            self.stop()
        status, phrase = message.status, message.phrase
        self._on_response(Response(status, phrase, at_ns, message, self._sent_ns))

    def _again(self, interval_s: float) -> None:
        if self._loop.time() >= self._ends_at:
            return
        self._send()
        longer = interval_s * 2 if self._invite else min(interval_s * 2, T2_S)
        self._timer = self._loop.call_later(longer, self._again, longer)


def with_credentials(
    request: Message, response: Message, credentials: Credentials, via: tuple[str, str]
) -> Message:
    """The request again, in a new transaction, with the answer to a 401 or 407."""
    header = authorization(
        challenge_of(response), credentials, request.method, request.uri
    )
    kept = [
        (name, value)
        for name, value in request.headers
        if name not in ("Via", "CSeq", header[0])
    ]
    cseq = ("CSeq", f"{request.cseq + 1} {request.method}")
    return Message(request.start, (via, *kept, cseq, header), request.body)


def cancel_of(invite: Message) -> Message:
    """The CANCEL of an INVITE (RFC 3261 9.1)."""
    kept = ("Via", "From", "To", "Call-ID", "Max-Forwards")
    headers = [header for header in invite.headers if header[0] in kept]
    headers.append(("CSeq", f"{invite.cseq} CANCEL"))
    return Message(f"CANCEL {invite.uri} SIP/2.0", tuple(headers))


def ack_of(invite: Message, refusal: Message) -> Message:
    """The ACK of a final response that is no 2xx (RFC 3261 17.1.1.3)."""
    kept = ("Via", "From", "Call-ID", "Max-Forwards")
    headers = [header for header in invite.headers if header[0] in kept]
    headers.append(("To", refusal.get("To")))
    headers.append(("CSeq", f"{invite.cseq} ACK"))
    return Message(f"ACK {invite.uri} SIP/2.0", tuple(headers))


def response_to(
    request: Message,
    status: int,
    phrase: str,
    tag: str = "",
    extra: tuple[tuple[str, str], ...] = (),
    body: bytes = b"",
) -> Message:
    """A response with the headers that RFC 3261 8.2.6.2 has copied."""
    headers = [("Via", value) for value in request.all("Via")]
    headers += [("From", request.get("From")), ("To", _tagged(request, tag))]
    headers += [("Call-ID", request.get("Call-ID")), ("CSeq", request.get("CSeq"))]
    if body:
        headers.append(("Content-Type", "application/sdp"))
    return Message(f"SIP/2.0 {status} {phrase}", (*headers, *extra), body)


def _tagged(request: Message, tag: str) -> str:
    to = request.get("To")
    return f"{to};tag={tag}" if tag and ";tag=" not in to else to
