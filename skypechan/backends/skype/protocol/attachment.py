"""Attachment: the two ends of a conversation between application and client.

`ControlSession` is the application's end, `ClientSession` the Skype client's end
for one attached application. Both are pure: text goes in, events and text come
out; they never wait, so deadlines and retries belong to the shell around them.

Handshake (Skype API: NAME, then PROTOCOL once the name is allowed, then unasked
CONNSTATUS, CURRENTUSERHANDLE, USERSTATUS). A command that comes too early gets
ERROR 68, which also means that the user refused.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum, unique
from typing import Final

from skypechan.backends.skype.protocol.commands import (
    Command,
    Name,
    SetProtocol,
    format_command,
    parse_command,
    split_token,
    with_token,
)
from skypechan.backends.skype.protocol.levels import at_level
from skypechan.backends.skype.protocol.notifications import (
    ConnectionStatusChanged,
    CurrentUserHandle,
    Error,
    Notification,
    Ok,
    Pong,
    ProtocolLevel,
    UserStatusChanged,
    format_notification,
    parse_notification,
)
from skypechan.backends.skype.protocol.values import (
    HIGHEST_LEVEL,
    ConnectionStatus,
    ErrorNumber,
    UserStatus,
)
from skypechan.errors import RemoteWireError

_FORGOTTEN_KEPT: Final = 256


@unique
class AttachState(Enum):
    """How far the application has come with the client."""

    DETACHED = "detached"
    ASKING = "asking"  # NAME sent; its user may be reading a prompt
    REFUSED = "refused"  # ERROR 68; a later OK still counts
    SIGNED_OUT = "signed out"  # nobody is signed in; ask again later
    NEGOTIATING = "negotiating"  # allowed; PROTOCOL sent
    ATTACHED = "attached"


@dataclass(frozen=True, slots=True)
class Replied:
    """The reply to the command that was sent with this token."""

    token: str
    notification: Notification


@dataclass(frozen=True, slots=True)
class LateReply:
    """The reply to a command whose sender has stopped waiting for it."""

    token: str
    notification: Notification


@dataclass(frozen=True, slots=True)
class Notified:
    """A line that answers nothing."""

    notification: Notification


@dataclass(frozen=True, slots=True)
class AttachChanged:
    """The state of the attachment is now this one."""

    state: AttachState


ControlEvent = Replied | LateReply | Notified | AttachChanged


class ControlSession:
    """The application's end.

    `begin` starts or restarts the handshake, `send` gives the text of a command,
    `receive` takes whatever the client says, in any order and any number of times:
    a reply may come as the return value of a call or as a notification, late,
    twice or never. `events` and `texts_to_send` hand out, once, what came of it.
    """

    def __init__(self, friendly_name: str, level: int = HIGHEST_LEVEL) -> None:
        self._name = Name(friendly_name)
        self._level_wanted = level
        self._state = AttachState.DETACHED
        self._next_token = 0
        self._open: set[str] = set()
        self._forgotten: deque[str] = deque(maxlen=_FORGOTTEN_KEPT)
        self._attach_token = ""
        self._events: list[ControlEvent] = []
        self._texts: list[str] = []
        self.level: int | None = None
        self.account = ""
        self.connection: ConnectionStatus | None = None
        self.user_status: UserStatus | None = None

    @property
    def state(self) -> AttachState:
        """How far the attachment has come."""
        return self._state

    @property
    def tokens_open(self) -> frozenset[str]:
        """Tokens whose replies are still awaited by a sender."""
        return frozenset(self._open)

    def begin(self) -> str:
        """Forget the previous attachment; returns the text to send first."""
        self.lost()
        self._enter(AttachState.ASKING)
        return self._attach(self._name)

    def lost(self) -> None:
        """The client went away: nothing that was asked will be answered."""
        for token in self._open:
            self._forgotten.append(token)
        self._open.clear()
        self._attach_token = ""
        self.level = None
        self.account = ""
        self.connection = None
        self.user_status = None
        self._enter(AttachState.DETACHED)

    def send(self, command: Command) -> tuple[str, str]:
        """Returns (token, text) of a command whose reply is awaited.

        Raises LocalWireError for a command that cannot be written.
        """
        text = format_command(command)
        token = self._new_token()
        self._open.add(token)
        return token, with_token(token, text)

    def abandon(self, token: str) -> None:
        """Stop waiting; a reply that still comes is a `LateReply`."""
        if token in self._open:
            self._open.remove(token)
            self._forgotten.append(token)

    def receive(self, text: str) -> None:
        """Take one line: a return value or a notification; empty is nothing."""
        token, rest = split_token(text)
        if not rest.strip():
            return
        notification = parse_notification(rest)
        if not token:
            self._receive_unasked(notification)
        elif token == self._attach_token:
            self._receive_attachment(notification)
        elif token in self._open:
            self._open.remove(token)
            self._note(notification)
            self._events.append(Replied(token, notification))
        elif token in self._forgotten:
            self._forgotten.remove(token)
            self._events.append(LateReply(token, notification))

    def events(self) -> tuple[ControlEvent, ...]:
        """What happened since the last call of this."""
        events, self._events = tuple(self._events), []
        return events

    def texts_to_send(self) -> tuple[str, ...]:
        """What the session itself wants to say since the last call of this."""
        texts, self._texts = tuple(self._texts), []
        return texts

    def _new_token(self) -> str:
        self._next_token += 1
        return f"#{self._next_token}"

    def _attach(self, command: Command) -> str:
        self._attach_token = self._new_token()
        return with_token(self._attach_token, format_command(command))

    def _enter(self, state: AttachState) -> None:
        if state is not self._state:
            self._state = state
            self._events.append(AttachChanged(state))

    def _receive_unasked(self, notification: Notification) -> None:
        if self._answers_handshake(notification):
            self._receive_attachment(notification)
        else:
            self._note(notification)
            self._events.append(Notified(notification))

    def _answers_handshake(self, notification: Notification) -> bool:
        """A client that ignores tokens answers the handshake with bare lines."""
        match notification:
            case Ok():
                return self._awaits_name()
            case ProtocolLevel():
                return self._state is AttachState.NEGOTIATING
            case Error(ErrorNumber.ACCESS_DENIED):
                return self._state is AttachState.ASKING
            case ConnectionStatusChanged(status):
                asking = self._state is AttachState.ASKING
                return asking and status is not ConnectionStatus.ONLINE
            case _:
                return False

    def _awaits_name(self) -> bool:
        return self._state in {AttachState.ASKING, AttachState.REFUSED}

    def _receive_attachment(self, notification: Notification) -> None:
        match notification:
            case Ok() if self._awaits_name():
                self._enter(AttachState.NEGOTIATING)
                self._texts.append(self._attach(SetProtocol(self._level_wanted)))
            case ProtocolLevel(level) if self._state is not AttachState.ATTACHED:
                self.level = level
                self._attach_token = ""
                self._enter(AttachState.ATTACHED)
            case Error(ErrorNumber.ACCESS_DENIED):
                self._enter(AttachState.REFUSED)
            case ConnectionStatusChanged(status) if status is ConnectionStatus.ONLINE:
                self._note(notification)
            case ConnectionStatusChanged() if self._state is AttachState.ASKING:
                self._enter(AttachState.SIGNED_OUT)
            case Error():
                self._enter(AttachState.REFUSED)
            case _:
                self._events.append(Notified(notification))

    def _note(self, notification: Notification) -> None:
        asking = self._state is AttachState.ASKING
        match notification:
            case ConnectionStatusChanged(status):
                self.connection = status
            case CurrentUserHandle(handle):
                self.account = handle
            case UserStatusChanged(status):
                self.user_status = status
            case Error(ErrorNumber.ACCESS_DENIED) if not asking:
                self._enter(AttachState.REFUSED)
            case Pong() if asking:  # only who is allowed gets one
                self._receive_attachment(Ok())
            case _:
                pass


@unique
class Permission(Enum):
    """What the client's user says to an application that gives its name."""

    YES = "yes"
    ASK = "ask"
    NO = "no"


@dataclass(frozen=True, slots=True)
class Presence:
    """The account as the client shows it; an empty `account` is nobody."""

    account: str
    connection: ConnectionStatus
    user_status: UserStatus


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Text for the application; `request` numbers the line that it answers."""

    text: str
    request: int | None = None


@dataclass(frozen=True, slots=True)
class NameAsked:
    """The application waits for the user's decision on this name."""

    friendly: str


@dataclass(frozen=True, slots=True)
class Asked:
    """An allowed application's command; answer it with `reply`."""

    request: int
    command: Command


ClientEvent = NameAsked | Asked


class ClientSession:
    """The Skype client's end, one for each attached application.

    `receive` numbers the line; the reply to it leaves as an `Outgoing` with that
    number, at once or later, so that a transport can tie it to its own reply.
    `highest_level` is the client's own protocol level.
    """

    def __init__(self, highest_level: int = HIGHEST_LEVEL) -> None:
        self._highest_level = highest_level
        self._requests = 0
        self._tokens: dict[int, str] = {}
        self._undecided: list[int] = []
        self._outgoing: list[Outgoing] = []
        self._events: list[ClientEvent] = []
        self.friendly_name = ""
        self.allowed = False
        self.level = 1

    @property
    def undecided(self) -> bool:
        """True while the user has a prompt for this application on the screen."""
        return bool(self._undecided)

    def receive(self, text: str, presence: Presence, permission: Permission) -> int:
        """Take one line; returns its number."""
        self._requests += 1
        request = self._requests
        self._tokens[request], rest = split_token(text)
        try:
            command = parse_command(rest)
        except RemoteWireError:
            self.reply(request, self._fault(rest))
            return request
        match command:
            case Name(friendly):
                self._receive_name(request, friendly, presence, permission)
            case _ if not self.allowed:
                self.reply(request, Error(ErrorNumber.ACCESS_DENIED))
            case SetProtocol(level):
                self._receive_level(request, level, presence)
            case _:
                self._events.append(Asked(request, command))
        return request

    def decide(self, *, allowed: bool) -> None:
        """The user has answered the prompt, or changed its mind later."""
        self.allowed = allowed
        undecided, self._undecided = self._undecided, []
        for request in undecided:
            self.reply(request, Ok() if allowed else Error(ErrorNumber.ACCESS_DENIED))

    def reply(self, request: int, notification: Notification) -> None:
        """Answer a line; a second answer to the same line is not sent.

        Guess: what the application's level has no word for is an invalid property.
        """
        if request not in self._tokens:
            return
        said = at_level(notification, self.level) or _NOT_AT_THIS_LEVEL
        text = with_token(self._tokens.pop(request), format_notification(said))
        self._outgoing.append(Outgoing(text, request))

    def notify(self, notification: Notification) -> None:
        """Tell an allowed application, in the words of its level."""
        said = at_level(notification, self.level) if self.allowed else None
        if said is not None:
            self._outgoing.append(Outgoing(format_notification(said)))

    def events(self) -> tuple[ClientEvent, ...]:
        """What the application asked since the last call of this."""
        events, self._events = tuple(self._events), []
        return events

    def outgoing(self) -> tuple[Outgoing, ...]:
        """What to send, in order, since the last call of this."""
        outgoing, self._outgoing = tuple(self._outgoing), []
        return outgoing

    def _fault(self, text: str) -> Error:
        if not self.allowed:
            return Error(ErrorNumber.ACCESS_DENIED)
        if text.upper().startswith("PROTOCOL"):
            return Error(ErrorNumber.INVALID_VERSION, "PROTOCOL: invalid version")
        return Error(ErrorNumber.SYNTAX, "General syntax error")

    def _receive_name(
        self, request: int, friendly: str, presence: Presence, permission: Permission
    ) -> None:
        self.friendly_name = friendly
        if not presence.account:
            self.reply(request, ConnectionStatusChanged(ConnectionStatus.OFFLINE))
        elif self.allowed or permission is Permission.YES:
            self.allowed = True
            self.reply(request, Ok())
        elif permission is Permission.NO:
            self.reply(request, Error(ErrorNumber.ACCESS_DENIED))
        else:
            self._undecided.append(request)
            self._events.append(NameAsked(friendly))

    def _receive_level(self, request: int, level: int, presence: Presence) -> None:
        self.level = max(1, min(level, self._highest_level))
        self.reply(request, ProtocolLevel(self.level))
        self.notify(ConnectionStatusChanged(presence.connection))
        self.notify(CurrentUserHandle(presence.account))
        self.notify(UserStatusChanged(presence.user_status))


_NOT_AT_THIS_LEVEL: Final = Error(
    ErrorNumber.GET_INVALID_CALL_PROPERTY, "GET: invalid PROP"
)
