"""The AMI link: the only module that names panoramisk, and what guards against it.

panoramisk carries every action (`Manager.send_action`) and matches responses to them.
Its faults, seen in release 1.4, and what stands against each:

* A value with a line break becomes a header or an action: `headers_of` refuses it.
* Actions that were pending when the link broke are sent again after a reconnect, so a
  call may be placed twice: `_Protocol.close` fails them instead.
* It reconnects by itself, at a fixed pace, even after `close`, and never tells a
  refused login: `_Manager` does neither; `AmiLink.run` owns the connection, and a
  fresh manager each time.
* PlayDTMF, and Originate without an Async header, raise KeyError and drop the link;
  OriginateResponse is swallowed: `as_list=False` completes an action with its response
  and leaves the event to the events.
* An action without an answer waits for ever and stays in its table: `send` has a
  deadline and cleans up.
* An exception in a callback drops the link; one task for each event loses their order:
  `_Manager.dispatch` calls one plain function and catches.
* Each TCP chunk is decoded alone, so a character cut in two is lost: `data_received`
  decodes incrementally. The buffer has no limit: here it has.
* A peer that has fallen silent goes unnoticed: `AmiLink` pings with a deadline.
"""

from __future__ import annotations

import asyncio
import codecs
import itertools
import logging
import os
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

import panoramisk
from panoramisk.actions import Action as PanoramiskAction
from panoramisk.ami_protocol import AMIProtocol

from skypechan.asterisk.ami.messages import (
    Action,
    Event,
    Hangup,
    Login,
    Ping,
    Response,
    Status,
    headers_of,
    parse_event,
)
from skypechan.asterisk.settings import AsteriskSettings
from skypechan.clock import Backoff, Clock
from skypechan.errors import (
    CommandError,
    DeadlineError,
    LinkDownError,
    LinkError,
    LinkRefusedError,
)

_log = logging.getLogger(__name__)

_MOST_MESSAGE_CHARACTERS = 1 << 20
_MOST_UNSENT_BYTES = 1 << 20
_MISSED_PINGS = 2
_READ_BYTES = 2048  # some four events: half a millisecond of work
# An Asterisk that starts again is found within a second.
_RETRY_FIRST_S, _RETRY_MOST_S = 0.25, 1.0
BRIEF_S = 1.0
"""A link that was only dropped is back by then."""
_EVENT_CLASSES = "call,user,dtmf"
_FAR_FUTURE_S = 10**8
_LISTS = (Status,)
# Without a link a channel of ours is ended by its lease or its audio connection.
_NOW_OR_NEVER = (Hangup,)


class LinkState(StrEnum):
    """Where the AMI link stands."""

    DOWN = "down"
    REFUSED = "refused"
    UP = "up"


class _Protocol(AMIProtocol):  # type: ignore[misc]  # panoramisk has no types
    """panoramisk's protocol with whole characters, bounds and no second life."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        decoder = codecs.getincrementaldecoder("utf-8")
        self._characters = decoder(errors="replace")
        self.lost = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        super().data_received(self._characters.decode(data).encode())
        if self.queue and len(self.queue[0]) > _MOST_MESSAGE_CHARACTERS:
            _log.error("! AMI: a message without an end; the link is dropped")
            self.transport.abort()

    def handle_message(self, message: Any) -> None:
        try:
            super().handle_message(message)
        except Exception:  # noqa: BLE001 - panoramisk's matching may raise anything
            _log.exception("! AMI: a message that cannot be handled: %r", message)

    def connection_lost(self, exc: object) -> None:
        # First the loss, then who waits for an answer: he may ask again at once.
        if not self.lost.done():
            self.lost.set_result(exc)
        self.close()

    def close(self) -> None:
        for action in self.responses.values():
            if not action.future.done():
                action.future.set_exception(LinkDownError("the AMI link was lost"))
        self.responses.clear()
        if not self.closed:
            self.closed: bool = True
            self.transport.abort()


class _Manager(panoramisk.Manager):  # type: ignore[misc]  # panoramisk has no types
    """panoramisk's manager without its own reconnecting, replaying and pinging."""

    def __init__(self, on_event: Callable[[Any], None], **config: Any) -> None:
        super().__init__(protocol_factory=_Protocol, ping_delay=_FAR_FUTURE_S, **config)
        self._on_event = on_event

    def connection_made(self, f: asyncio.Future[Any]) -> None:
        # A failure is for whoever awaits `connect`.
        if not f.cancelled() and f.exception() is None:
            super().connection_made(f)
            self.pinger.cancel()
            # Events come in crowds; between reads the audio of calls has its turn.
            self.protocol.transport.max_size = _READ_BYTES

    def connection_lost(self, exc: object) -> None:
        """Do nothing: the link's owner sees the protocol's `lost`."""

    def dispatch(self, event: Any) -> list[str]:
        self._on_event(event)
        return []


class AmiLink:
    """One connection to AMI that comes back for as long as `run` lives.

    `on_event` gets the events in order, `on_state` is told of each change of state;
    both are called in the event loop and must return at once.
    """

    def __init__(self, settings: AsteriskSettings, clock: Clock) -> None:
        self.state = LinkState.DOWN
        self.reason = "not connected yet"
        self.since: datetime = clock.wall()
        self.on_event: Callable[[Event], None] | None = None
        self.on_state: Callable[[], None] | None = None
        self._settings = settings
        self._clock = clock
        self._endpoint = settings.ami_endpoint()
        self._manager: _Manager | None = None
        self._ids = itertools.count(1)
        self._is_up = asyncio.Event()
        self._lost_s: float | None = None

    @property
    def username(self) -> str:
        """Whom we log in as."""
        return self._settings.ami_username

    async def run(self) -> None:
        """Connect, and connect again, until cancelled."""
        backoff = Backoff(_RETRY_FIRST_S, _RETRY_MOST_S)
        try:
            while True:
                await self._clock.sleep(await self._session(backoff))
        finally:
            self._set_state(LinkState.DOWN, "stopped")

    async def send(self, action: Action, seconds: float | None = None) -> Response:
        """Let Asterisk do something and return its answer.

        For a link that was lost just now this waits a moment. Raises LinkDownError
        without a link or when it breaks, DeadlineError when no answer comes in time,
        CommandError when Asterisk says no, LocalWireError for an action that must not
        be sent.
        """
        if not self._is_up.is_set() and not isinstance(action, _NOW_OR_NEVER):
            await self._wait_for_return()
        if not self._is_up.is_set():
            raise LinkDownError(f"no AMI link: {self.reason}")
        return await self._send(action, seconds)

    async def _wait_for_return(self) -> None:
        """Wait for a link that was lost just now, as long as it may take."""
        lost_s = self._lost_s
        if lost_s is not None:
            left_s = lost_s + BRIEF_S - self._clock.monotonic_s()
            waits = {
                asyncio.create_task(wait, name="AMI outage")
                for wait in (self._is_up.wait(), self._clock.sleep(max(left_s, 0)))
            }
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()
                await asyncio.gather(*waits, return_exceptions=True)

    async def _send(self, action: Action, seconds: float | None = None) -> Response:
        manager = self._manager
        if manager is None or manager.protocol is None or manager.protocol.closed:
            raise LinkDownError("the AMI link was lost")
        if manager.protocol.transport.get_write_buffer_size() > _MOST_UNSENT_BYTES:
            raise LinkDownError("Asterisk does not read from the AMI link")
        action_id = f"skypechan-{next(self._ids)}"
        request = PanoramiskAction(_merged(headers_of(action, action_id)))
        as_list = None if isinstance(action, _LISTS) else False
        deadline_s = seconds or self._settings.action_seconds
        _log.debug("> %s %s", action.name, action_id)
        try:
            async with asyncio.timeout(deadline_s):
                answer = await manager.send_action(request, as_list=as_list)
        except TimeoutError:
            raise DeadlineError(
                f"Asterisk did not answer {action.name} within {deadline_s:g} s"
            ) from None
        finally:
            manager.protocol.responses.pop(action_id, None)
        return _response(action, answer)

    # The life of one connection.

    async def _session(self, backoff: Backoff) -> float:
        """Live through one connection; return when to try again, in seconds."""
        manager = _Manager(
            self._take_event, host=self._endpoint.host, port=self._endpoint.port
        )
        try:
            await self._connect(manager)
            self._manager = manager
            await self._log_in()
            backoff.reset()
            manager.protocol.lost.add_done_callback(self._note_loss)
            self._set_state(LinkState.UP, "")
            self._set_state(LinkState.DOWN, await self._watch(manager.protocol))
        except LinkRefusedError as error:
            self._set_state(LinkState.REFUSED, str(error))
            _log.error("! %s", error)  # each time: nothing works until this is mended
            return self._settings.refused_retry_seconds
        except LinkError as error:
            self._set_state(LinkState.DOWN, str(error))
        finally:
            self._manager = None
            manager.close()
        return backoff.next_s()

    async def _connect(self, manager: _Manager) -> None:
        try:
            async with asyncio.timeout(self._settings.action_seconds):
                await manager.connect()
        except TimeoutError:
            raise LinkDownError(f"no answer from AMI at {self._endpoint}") from None
        except OSError as error:
            raise LinkDownError(
                f"no AMI at {self._endpoint}: {_why(error)}; does Asterisk run, and is"
                " manager.conf enabled with this address?"
            ) from error

    async def _log_in(self) -> None:
        settings = self._settings
        try:
            await self._send(
                Login(settings.ami_username, settings.ami_secret, _EVENT_CLASSES)
            )
        except CommandError as error:
            raise LinkRefusedError(
                f"AMI refuses the login of {settings.ami_username!r}: {error}; check "
                "ami_username, ami_secret and Asterisk's manager.conf"
            ) from error

    async def _watch(self, protocol: _Protocol) -> str:
        """Ping until the connection ends; return why it did."""
        pings = asyncio.create_task(self._ping_until_silent(), name="AMI ping")
        try:
            await asyncio.wait(
                {pings, protocol.lost}, return_when=asyncio.FIRST_COMPLETED
            )
            if protocol.lost.done():
                return "Asterisk closed the AMI link"
            return "Asterisk does not answer on the AMI link"
        finally:
            pings.cancel()
            await asyncio.gather(pings, return_exceptions=True)

    async def _ping_until_silent(self) -> None:
        missed = 0
        while missed < _MISSED_PINGS:
            await self._clock.sleep(self._settings.ping_seconds)
            try:
                await self._send(Ping(), self._settings.ping_seconds)
                missed = 0
            except CommandError:
                missed = 0  # a refusal is a sign of life too
            except LinkError:
                missed += 1

    def _note_loss(self, _: object = None) -> None:
        self._is_up.clear()
        self._lost_s = self._clock.monotonic_s()

    def _set_state(self, state: LinkState, reason: str) -> None:
        if (state, reason) == (self.state, self.reason):
            return
        changed = state is not self.state
        if self.state is LinkState.UP and changed:
            self._note_loss()
        self.state, self.reason = state, reason
        if state is LinkState.UP:
            self._is_up.set()
        if changed:
            self.since = self._clock.wall()
        level = logging.INFO if state is LinkState.UP else logging.WARNING
        _log.log(level, "= AMI link %s%s", state.value, reason and f": {reason}")
        if self.on_state is not None:
            self.on_state()

    def _take_event(self, message: Mapping[str, Any]) -> None:
        event = parse_event(_plain(message))
        if event is None or self.on_event is None:
            return
        try:
            self.on_event(event)
        except Exception:  # noqa: BLE001 - the next events must still arrive
            _log.exception("! AMI: an event was not handled: %s", event)


def _why(error: OSError) -> str:
    """Return the system's word for a failed connection, without asyncio's around it."""
    return os.strerror(error.errno) if error.errno else str(error)


def _merged(pairs: list[tuple[str, str]]) -> dict[str, str | list[str]]:
    """Return headers as panoramisk takes them: a list where a name is repeated."""
    merged: dict[str, str | list[str]] = {}
    for key, value in pairs:
        present = merged.get(key)
        if present is None:
            merged[key] = value
        elif isinstance(present, list):
            present.append(value)
        else:
            merged[key] = [present, value]
    return merged


def _plain(message: Mapping[str, Any]) -> dict[str, str]:
    """Return headers with names in lower case; of a repeated one the first value.

    Asterisk writes its own headers before those of a dialplan's UserEvent.
    """
    return {
        key.lower(): str(value[0] if isinstance(value, list) else value)
        for key, value in message.items()
    }


def _response(action: Action, answer: Any) -> Response:
    first, *rest = answer if isinstance(answer, list) else [answer]
    response = Response(_plain(first), tuple(_plain(item) for item in rest))
    if first.success:
        return response
    if response.message == "Permission denied":
        raise CommandError(
            f"Asterisk denies {action.name}: the user of manager.conf needs "
            f"write = {action.right}"
        )
    raise CommandError(response.message or f"Asterisk refused {action.name}")
