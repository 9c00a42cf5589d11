"""Commands about calls: GET, SET, ALTER and SEARCH, and the errors they meet.

Pure. A method returns the reply, or None when the reply comes later: from the call
engine, or from `sound_opened`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum, unique

from skypechan.backends.skype.protocol.commands import (
    Alter,
    GetProperty,
    SetProperty,
)
from skypechan.backends.skype.protocol.devices import DeviceKind, parse_devices
from skypechan.backends.skype.protocol.notifications import (
    AlterEcho,
    CallProperty,
    CallStatusChanged,
    Error,
    Notification,
    SearchResult,
)
from skypechan.backends.skype.protocol.values import DIGITS, CallStatus, ErrorNumber
from skypechan.emulator.calls import Call, Request
from skypechan.emulator.conference import join, participant
from skypechan.emulator.engine import CallEngine
from skypechan.emulator.transfer import Transfers
from skypechan.errors import RemoteWireError


@unique
class Direction(StrEnum):
    """A redirected stream of a call, named as its command is."""

    INPUT = "INPUT"  # application to partner
    OUTPUT = "OUTPUT"  # partner to application
    CAPTURE_MIC = "CAPTURE_MIC"  # the local microphone to the application


@dataclass(frozen=True, slots=True)
class OpenSound:
    """Connect to the application's port, then call `sound_opened`."""

    request: Request
    call_id: int
    direction: Direction
    port: int


@dataclass(frozen=True, slots=True)
class CloseSound:
    """Close this stream; the call goes on."""

    call_id: int
    direction: Direction


class CallDesk:
    """Serves the call commands of all applications.

    `effects` collects the sound streams to open and to close; `can_send_on` tells
    whether the account has "voicemail", or somewhere to "forward" to.
    """

    def __init__(
        self,
        engine: CallEngine,
        transfers: Transfers,
        can_send_on: Callable[[str], bool],
    ) -> None:
        self._engine = engine
        self._transfers = transfers
        self._can_send_on = can_send_on
        self._opening: dict[Request, tuple[Call, Alter]] = {}
        self.effects: list[OpenSound | CloseSound] = []

    def get(self, command: GetProperty) -> Notification:
        """GET CALL."""
        if not _is_id(command.ident):
            return Error(ErrorNumber.GET_INVALID_CALL_ID, "Invalid call id")
        call = self._find(command.ident)
        if call is None:
            return Error(ErrorNumber.GET_UNKNOWN_CALL, "Unknown call")
        if command.name == "STATUS":
            return CallStatusChanged(call.call_id, call.status)
        if command.name.startswith("CAN_TRANSFER "):
            return self._transfers.answer_of(call, command.name)
        if command.name.startswith("CONF_PARTICIPANT "):
            return self._participant(call, command.name)
        value = call.property_value(command.name)
        if value is None:
            number = ErrorNumber.GET_INVALID_CALL_PROPERTY
            return Error(number, "GET: invalid PROP")
        name, _, _ = command.name.partition(" ")
        return CallProperty(call.call_id, name, value)

    def set(self, request: Request, command: SetProperty) -> Notification | None:
        """SET CALL, the old forms of the verbs among them."""
        if not _is_id(command.ident):
            return Error(ErrorNumber.SET_INVALID_CALL_ID, "Invalid call id")
        call = self._find(command.ident)
        if call is None:
            return Error(ErrorNumber.SET_UNKNOWN_CALL, "Unknown call")
        match command.name:
            case "STATUS":
                return self._set_status(call, command.value.strip().upper())
            case "DTMF":
                self._engine.digit(request, call, command.value.strip())
                return None
            case "JOIN_CONFERENCE":
                return join(self._engine, call, self._find(command.value.strip()))
            case "SEEN":
                self._engine.set_property(call, "SEEN", "TRUE")
                return CallProperty(call.call_id, "SEEN", "TRUE")
            case _:
                return _DISALLOWED

    def alter(self, request: Request, alter: Alter) -> Notification | None:
        """ALTER CALL."""
        if fault := _alter_fault(alter):
            return fault
        call = self._find(alter.ident)
        if call is None:
            return _INVALID_ID
        if alter.verb in _SOUND_VERBS:
            return self._redirect(request, call, alter)
        if alter.verb == "TRANSFER":
            return self._transfer(call, alter)
        if alter.verb == "JOIN_CONFERENCE":
            reply = join(self._engine, call, self._find(alter.arguments.strip()))
            return reply if isinstance(reply, Error) else _echo(alter)
        return self._act(call, alter)

    def search(self, what: str, argument: str) -> Notification | None:
        """SEARCH of calls; None for another word."""
        calls = self._engine.calls.values()
        match what:
            case "ACTIVECALLS":
                return _call_list(self._engine.live())
            case "CALLS" if "," in argument or " " in argument.strip():
                return _INVALID_TARGET
            case "MISSEDCALLS" if argument.strip():
                return _NO_TARGET
            case "CALLS":
                handle = argument.strip().lower()
                return _call_list(
                    call for call in calls if handle in {"", call.person.handle.lower()}
                )
            case "MISSEDCALLS":
                missed = CallStatus.MISSED
                return _call_list(call for call in calls if call.status is missed)
            case _:
                return None

    def sound_opened(self, request: Request, *, connected: bool) -> Notification:
        """The reply to the command that `OpenSound` came from."""
        call, alter = self._opening.pop(request)
        direction = _SOUND_VERBS[alter.verb]
        if not connected:
            # Guess: the text.
            text = "ALTER CALL: cannot connect to the port"
            return Error(ErrorNumber.SOUND_SOCKET, text)
        if call.ended:
            self.effects.append(CloseSound(call.call_id, direction))
            return _FAILED
        call.devices[direction] = parse_devices(alter.arguments)
        return _echo(alter)

    def _find(self, ident: str) -> Call | None:
        return self._engine.calls.get(int(ident)) if _is_id(ident) else None

    def _set_status(self, call: Call, word: str) -> Notification:
        match word:
            case CallStatus.FINISHED:
                done = self._engine.end(call)
                error = Error(ErrorNumber.CANNOT_HANG_UP, "Cannot hangup inactive call")
            case CallStatus.IN_PROGRESS:
                done = self._engine.answer(call) or self._engine.resume(call)
                error = Error(ErrorNumber.CANNOT_RESUME, "Cannot resume this call")
            case CallStatus.ON_HOLD | CallStatus.LOCAL_HOLD:
                done = self._engine.hold(call)
                error = Error(ErrorNumber.CANNOT_HOLD, "Cannot hold this call")
            case _:
                return _DISALLOWED
        return CallStatusChanged(call.call_id, call.status) if done else error

    def _act(self, call: Call, alter: Alter) -> Notification:
        """Carry out a verb; its echo, or 559 in a state that does not allow it."""
        match alter.verb, alter.arguments.strip().upper():
            case "ANSWER", _:
                done = self._engine.answer(call)
            case "HANGUP", _:
                done = self._engine.hang_up(call)
            case "END", "HANGUP":
                done = self._engine.end(call)
            case "END", where if where in _SENDS_ON:
                kind = _SENDS_ON[where]
                done = self._can_send_on(kind) and self._engine.send_on(call, kind)
            case "HOLD", _:
                done = self._engine.hold(call)
            case "RESUME", _:
                done = self._engine.resume(call)
            case "DTMF", digit if digit in DIGITS:
                done = self._engine.key(call, digit)
            case ("DTMF", _) | ("END", ""):
                return _BAD_ARGUMENTS
            case _:  # video: not possible here
                done = False
        return _echo(alter) if done else _FAILED

    def _participant(self, call: Call, name: str) -> Notification:
        first, _, place = name.partition(" ")
        words = participant(self._engine, call, name)
        if not words:
            return _NO_PARTICIPANT
        return CallProperty(call.call_id, first, f"{place} {words}")

    def _transfer(self, call: Call, alter: Alter) -> Notification:
        targets = [name.strip() for name in alter.arguments.split(",")]
        if self._transfers.begin(call, [name for name in targets if name]):
            return _echo(alter)
        # Guess: the text.
        return Error(ErrorNumber.TRANSFER, "ALTER CALL: transfer is not possible")

    def _redirect(
        self, request: Request, call: Call, alter: Alter
    ) -> Notification | None:
        """Guess: a held call takes a redirection as an active one does.

        Guess: FILE is refused as an action that failed; it is not emulated.
        """
        direction = _SOUND_VERBS[alter.verb]
        try:
            devices = parse_devices(alter.arguments)
        except RemoteWireError:
            return _BAD_ARGUMENTS
        ports = [device for device in devices if device.kind is DeviceKind.PORT]
        files = any(device.kind is DeviceKind.FILE for device in devices)
        if files or not (call.audible or call.established):
            return _FAILED
        if ports:
            self._opening[request] = (call, alter)
            port = int(ports[0].value)
            self.effects.append(OpenSound(request, call.call_id, direction, port))
            return None
        call.devices[direction] = devices
        self.effects.append(CloseSound(call.call_id, direction))
        return _echo(alter)


_FAILED = Error(ErrorNumber.CALL_ACTION_FAILED, "CALL: Action failed")
_INVALID_ID = Error(ErrorNumber.CALL_INVALID_ID, "CALL: Invalid call ID given")
_BAD_ARGUMENTS = Error(
    ErrorNumber.CALL_BAD_ARGUMENTS, "CALL: Missing or invalid arguments"
)
_INVALID_TARGET = Error(
    ErrorNumber.SEARCH_CALLS_INVALID_TARGET, "SEARCH CALLS: invalid target"
)
_NO_TARGET = Error(
    ErrorNumber.SEARCH_MISSED_TARGET, "SEARCH MISSEDCALLS: no target allowed"
)
_NO_PARTICIPANT = Error(
    ErrorNumber.INVALID_PARTICIPANT, "Invalid conference participant number"
)
_DISALLOWED = Error(
    ErrorNumber.SET_DISALLOWED_PROPERTY, "Unknown or disallowed call property"
)
_SENDS_ON = {"REDIRECT_TO_VOICEMAIL": "voicemail", "FORWARD_CALL": "forward"}
_SOUND_VERBS = {f"SET_{direction.value}": direction for direction in Direction}
_VERBS = {
    *_SOUND_VERBS,
    "ANSWER",
    "DTMF",
    "END",
    "HANGUP",
    "HOLD",
    "JOIN_CONFERENCE",
    "RESUME",
    "START_VIDEO_RECEIVE",
    "START_VIDEO_SEND",
    "STOP_VIDEO_RECEIVE",
    "STOP_VIDEO_SEND",
    "TRANSFER",
}


def _is_id(ident: str) -> bool:
    return ident.isascii() and ident.isdecimal() and len(ident) <= 18


def _alter_fault(alter: Alter) -> Error | None:
    if not alter.kind:
        return Error(ErrorNumber.ALTER_WITHOUT_TYPE, "ALTER: no object type given")
    if alter.kind != "CALL":
        return Error(ErrorNumber.ALTER_UNKNOWN_TYPE, "ALTER: unknown object type")
    if not alter.ident:
        return Error(ErrorNumber.CALL_WITHOUT_ID, "CALL: No call ID given")
    if not _is_id(alter.ident):
        return _INVALID_ID
    if not alter.verb:
        return Error(ErrorNumber.CALL_WITHOUT_ACTION, "CALL: No action given")
    if alter.verb not in _VERBS:
        return Error(ErrorNumber.CALL_UNKNOWN_ACTION, "CALL: Unknown action")
    return None


def _echo(alter: Alter) -> AlterEcho:
    return AlterEcho(alter.kind, alter.ident, alter.verb, alter.arguments)


def _call_list(calls: Iterable[Call]) -> SearchResult:
    return SearchResult("CALLS", tuple(str(call.call_id) for call in calls))
