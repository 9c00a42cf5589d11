"""The emulated Skype client: accounts, attached applications, their commands.

Pure. Text of applications and acts of people go in; `effects` hands out, in order,
what has to be done outside: text to send, timers, sound sockets, signals to
partners at other emulators.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from skypechan.backends.skype.protocol.attachment import (
    Asked,
    ClientSession,
    NameAsked,
    Outgoing,
    Permission,
    Presence,
)
from skypechan.backends.skype.protocol.commands import (
    Alter,
    Command,
    Create,
    CreateChat,
    Delete,
    GetProperty,
    LeaveVoicemail,
    OtherCommand,
    Ping,
    PlaceCall,
    Search,
    SendChatMessage,
    SendMessage,
    SetProperty,
)
from skypechan.backends.skype.protocol.notifications import (
    CallStatusChanged,
    ConnectionStatusChanged,
    CurrentUserHandle,
    Error,
    Notification,
    Ok,
    Pong,
    UserProperty,
    UserStatusChanged,
)
from skypechan.backends.skype.protocol.values import (
    HIGHEST_LEVEL,
    ConnectionStatus,
    ErrorNumber,
    UserStatus,
)
from skypechan.emulator.book import (
    CREATE_FAILED,
    DELETE_FAILED,
    UNKNOWN_COMMAND,
    Book,
)
from skypechan.emulator.calls import Call, Request
from skypechan.emulator.chats import ChatBook
from skypechan.emulator.conference import place_several
from skypechan.emulator.desk import CallDesk, CloseSound, OpenSound
from skypechan.emulator.directory import Directory
from skypechan.emulator.engine import CallEngine
from skypechan.emulator.groups import GroupBook
from skypechan.emulator.outputs import (
    Ended,
    MessageToPartner,
    Output,
    Purpose,
    Reply,
    Signal,
    StartTimer,
    Told,
    ToPartner,
)
from skypechan.emulator.party import Person
from skypechan.emulator.texting import SmsBook
from skypechan.emulator.transfer import Target, Transfers
from skypechan.emulator.voicemails import VoicemailBook


@dataclass(frozen=True, slots=True)
class Send:
    """Text for one application."""

    key: str
    outgoing: Outgoing


@dataclass(frozen=True, slots=True)
class Prompt:
    """The user is asked about an application; `decide` answers."""

    key: str
    friendly: str


Effect = (
    Send
    | Prompt
    | OpenSound
    | CloseSound
    | StartTimer
    | Ended
    | ToPartner
    | MessageToPartner
)


class Client:
    """One running Skype client with one account, signed in or not.

    Guess: applications stay allowed while the user signs out and in again.
    """

    def __init__(
        self,
        account: str,
        people: Iterable[Person],
        *,
        permission: Permission = Permission.YES,
        engine: CallEngine | None = None,
        highest_level: int = HIGHEST_LEVEL,
        signed_in: bool = True,
        silent_mode: bool = False,
        voicemail: bool = False,
        forward_rules: str = "",
    ) -> None:
        self.permission = permission
        self.engine = engine or CallEngine()
        self.directory = Directory(
            people,
            silent_mode=silent_mode,
            voicemail=voicemail,
            forward_rules=forward_rules,
        )
        self.sessions: dict[str, ClientSession] = {}
        self.account = account
        self.signed_in = signed_in
        self.connection = ConnectionStatus.ONLINE if signed_in else _OUT[0]
        self.user_status = UserStatus.ONLINE if signed_in else _OUT[1]
        self.network_accounts: dict[str, Person] = {}
        self._highest_level = highest_level
        self._effects: list[Effect] = []
        self._transfers = Transfers(self.engine, self._target)
        self._desk = CallDesk(self.engine, self._transfers, self.directory.can_send_on)
        self.chats = ChatBook(self.engine, lambda: self.account, self.callee)
        self._voicemails = VoicemailBook(self.engine)
        self._sms = SmsBook(self.engine)
        self._books: dict[str, Book] = {
            **dict.fromkeys(("CHAT", "CHATMESSAGE", "MESSAGE"), self.chats),
            "VOICEMAIL": self._voicemails,
            "GROUP": GroupBook(self.engine, self.directory),
            "SMS": self._sms,
        }

    @property
    def presence(self) -> Presence:
        """The account as applications see it."""
        account = self.account if self.signed_in else ""
        return Presence(account, self.connection, self.user_status)

    def effects(self) -> list[Effect]:
        """What has to be done since the last call of this, in order."""
        self._settle()
        effects, self._effects = self._effects, []
        return effects

    def receive(self, key: str, text: str, now: int) -> int:
        """A line from the application `key`; returns the line's number.

        `now` is in unix seconds.
        """
        session = self.sessions.get(key)
        if session is None:
            session = self.sessions[key] = ClientSession(self._highest_level)
        number = session.receive(text, self.presence, self.permission)
        for event in session.events():
            match event:
                case NameAsked(friendly):
                    self._effects.append(Prompt(key, friendly))
                case Asked(request, command):
                    self._command((key, request), command, now)
        self._settle()
        return number

    def forget(self, key: str) -> None:
        """The application has gone."""
        self.sessions.pop(key, None)

    def decide(self, key: str, *, allowed: bool) -> None:
        """The user allows or refuses an application."""
        self.sessions[key].decide(allowed=allowed)

    def place_by_user(self, target: str, now: int) -> Call | None:
        """The user at the client calls; None when that is not possible now."""
        person = self.callee(target)
        if person is None or self.connection is not ConnectionStatus.ONLINE:
            return None
        remote = target.lower() in self.network_accounts
        call = self.engine.place(_NOBODY, person, now, remote=remote)
        if call is not None:
            self.tell(CallStatusChanged(call.call_id, call.status))
        return call

    def expired(self, ident: int, purpose: Purpose, now: int) -> None:
        """A timer that `StartTimer` asked for is over."""
        match purpose:
            case Purpose.SENT:
                self.chats.sent(ident)
            case Purpose.CHAT_REPLY:
                self.chats.reply_now(ident, now)
            case Purpose.SMS:
                self._sms.expired(ident)
            case Purpose.TRANSFER:
                if (call := self.engine.calls.get(ident)) and not call.ended:
                    self._transfers.expired(call)
            case _:
                self.engine.expired(ident, purpose)

    def partner(self, call: Call, signal: Signal, value: str = "") -> bool:
        """The partner, or the network, did this; False when it makes no sense."""
        match signal:
            case Signal.TRANSFERRED:
                return self._transfers.succeed(call, value)
            case Signal.TRANSFER_FAILED:
                return self._transfers.fail(call)
            case _:
                return self.engine.partner(call, signal, value)

    def meet(self, person: Person) -> Person:
        """Add or change a person; what others can see of the change is told."""
        before = self.directory.find(person.handle)
        person = self.directory.put(person)
        if before is not None and before.online != person.online:
            self._tell_user(person.handle, "ONLINESTATUS")
        if before is not None and before.buddy != person.buddy:
            self._tell_user(person.handle, "BUDDYSTATUS")
        return person

    def ask_contact(self, person: Person, text: str) -> None:
        """A person asks to be a contact; told twice, as clients do."""
        self.directory.put(replace(person, request=text))
        for _ in range(2):
            self._tell_user(person.handle, "RECEIVEDAUTHREQUEST")

    def _tell_user(self, handle: str, *names: str) -> None:
        for notification in self.directory.tell(handle, *names):
            self.tell(notification)

    def sign_out(self) -> None:
        """The user signs out; calls end."""
        if not self.signed_in:
            return
        self.engine.end_all()
        self._settle()
        self.signed_in = False
        self.connection, self.user_status = _OUT
        self.tell(UserStatusChanged(self.user_status))
        self.tell(ConnectionStatusChanged(self.connection))

    def sign_in(self, account: str = "") -> None:
        """A user signs in."""
        self.account = account or self.account
        self.signed_in = True
        self.tell(ConnectionStatusChanged(ConnectionStatus.CONNECTING))
        self.connection, self.user_status = ConnectionStatus.ONLINE, UserStatus.ONLINE
        self.tell(ConnectionStatusChanged(self.connection))
        self.tell(CurrentUserHandle(self.account))
        self.tell(UserStatusChanged(self.user_status))

    def connect(self, status: ConnectionStatus) -> None:
        """The network comes or goes while the user stays signed in."""
        self.connection = status
        self.tell(ConnectionStatusChanged(status))

    def tell(self, notification: Notification) -> None:
        """Notify every attached application."""
        for session in self.sessions.values():
            session.notify(notification)
        self._collect()

    def sound_opened(self, request: Request, *, connected: bool) -> None:
        """The outcome of `OpenSound`."""
        self._reply(request, self._desk.sound_opened(request, connected=connected))

    def callee(self, target: str) -> Person | None:
        """Who would answer at this target."""
        return self.network_accounts.get(target.lower()) or self.directory.callee(
            target
        )

    def _target(self, handle: str) -> Target | None:
        person = self.callee(handle)
        if person is None or person.handle.lower() == self.account.lower():
            return None
        return Target(person, person.handle.lower() in self.network_accounts)

    def _settle(self) -> None:
        """Turn what the engine said into text, keeping its order."""
        for output in self.engine.outputs():
            self._take(output)
        self._effects.extend(self._desk.effects)
        self._desk.effects.clear()
        self._collect()

    def _take(self, output: Output) -> None:
        match output:
            case Told(notification):
                self.tell(notification)
            case Reply(request, notification):
                self._reply(request, notification)
            case _:
                self._effects.append(output)

    def _reply(self, request: Request, notification: Notification) -> None:
        key, number = request
        if session := self.sessions.get(key):
            session.reply(number, notification)
        self._collect()

    def _collect(self) -> None:
        for key, session in self.sessions.items():
            self._effects.extend(Send(key, item) for item in session.outgoing())

    def _command(self, request: Request, command: Command, now: int) -> None:
        match command:
            case Ping():
                self._reply(request, Pong())
            case PlaceCall(targets):
                self._place(request, targets, now)
            case LeaveVoicemail() | SendMessage() | SendChatMessage() | CreateChat():
                self._reply_now(request, self._correspond(command, now))
            case GetProperty():
                self._reply(request, self._get(command))
            case SetProperty("CALL"):
                self._reply_now(request, self._desk.set(request, command))
            case SetProperty(kind) if kind in self._books:
                self._reply_now(request, self._books[kind].set(command, now))
            case SetProperty():
                self._set(request, command)
            case Alter(kind) if kind in self._books:
                self._reply_now(request, self._books[kind].alter(command, now))
            case Alter():
                self._reply_now(request, self._desk.alter(request, command))
            case Create() | Delete():
                self._reply_now(request, self._make(command, now))
            case Search(what, argument):
                self._reply(request, self._search(what, argument))
            case OtherCommand(text) if text.upper() in {"MINIMIZE", "FOCUS"}:
                self._reply(request, Ok())
            case _:
                self._reply(request, UNKNOWN_COMMAND)

    def _correspond(
        self,
        command: LeaveVoicemail | SendMessage | SendChatMessage | CreateChat,
        now: int,
    ) -> Notification:
        if self.connection is not ConnectionStatus.ONLINE:
            return _NOT_ONLINE
        match command:
            case LeaveVoicemail(target):
                return self._voicemails.leave(self.callee(target), now)
            case SendMessage(target, text):
                return self.chats.send_to(target, text, now)
            case SendChatMessage(chat, text):
                return self.chats.send_in(chat, text, now)
            case CreateChat(members):
                return self.chats.create_chat(members, now)

    def _make(self, command: Create | Delete, now: int) -> Notification:
        book = self._books.get(command.kind)
        match command:
            case Create():
                return book.create(command, now) if book else CREATE_FAILED
            case Delete():
                return book.delete(command) if book else DELETE_FAILED

    def _reply_now(self, request: Request, notification: Notification | None) -> None:
        """The reply goes before what the engine has still to tell."""
        if notification is not None:
            self._reply(request, notification)

    def _search(self, what: str, argument: str) -> Notification:
        if calls := self._desk.search(what, argument):
            return calls
        for book in dict.fromkeys(self._books.values()):
            if objects := book.search(what, argument):
                return objects
        return self.directory.search(what, argument)

    def _place(self, request: Request, targets: tuple[str, ...], now: int) -> None:
        found = [self._target(target) for target in targets]
        people = [target for target in found if target is not None]
        fault: Error | None = None
        if not targets:
            fault = Error(ErrorNumber.EMPTY_TARGET, "Empty target not allowed")
        elif self.connection is not ConnectionStatus.ONLINE:
            fault = _NOT_ONLINE
        elif len(people) < len(targets):
            number = ErrorNumber.UNRECOGNISED_IDENTITY
            fault = Error(number, "CALL: Unrecognised identity")
        elif any(target.person.blocked_here for target in people):
            fault = Error(ErrorNumber.USER_BLOCKED, "User is blocked")
        elif len(people) > 1:
            fault = place_several(self.engine, request, people, now)
        else:
            (target,) = people
            self.engine.place(request, target.person, now, remote=target.remote)
        if fault is not None:
            self._reply(request, fault)

    def _get(self, command: GetProperty) -> Notification:
        match command.kind:
            case "CALL":
                return self._desk.get(command)
            case "CONNSTATUS":
                return ConnectionStatusChanged(self.connection)
            case "USERSTATUS":
                return UserStatusChanged(self.user_status)
            case "CURRENTUSERHANDLE":
                return CurrentUserHandle(self.account)
            case kind if kind in self._books:
                return self._books[kind].get(command)
            case _:
                return self.directory.get(command)

    def _set(self, request: Request, command: SetProperty) -> None:
        """A change is told again after the reply, to the same client too."""
        if command.kind == "USERSTATUS":
            self._set_user_status(request, command.value.upper())
            return
        asked = self._asked_by(command)
        notification = self.directory.set(command)
        self._reply(request, notification)
        if isinstance(notification, Error):
            return
        if asked:
            self._tell_user(asked, "RECEIVEDAUTHREQUEST")
        self.tell(notification)
        if asked and command.value.upper() == "TRUE":
            self._welcome(asked)

    def _asked_by(self, command: SetProperty) -> str:
        """Who waits for this answer to a contact request; empty for nobody."""
        person = self.directory.find(command.ident)
        answers = (command.kind, command.name) == ("USER", "ISAUTHORIZED")
        return person.handle if answers and person and person.request else ""

    def _welcome(self, handle: str) -> None:
        """What is told of a new contact, the former presence at first (a capture)."""
        self._tell_user(handle, "ISBLOCKED", "BUDDYSTATUS")
        offline = UserStatus.OFFLINE.value
        self.tell(UserProperty(handle, "ONLINESTATUS", offline))
        self._tell_user(handle, "ONLINESTATUS")

    def _set_user_status(self, request: Request, word: str) -> None:
        if word not in UserStatus.__members__.values():
            error = Error(ErrorNumber.UNKNOWN_USER_STATUS, "Unknown userstatus")
            self._reply(request, error)
            return
        self.user_status = UserStatus(word)
        changed = UserStatusChanged(self.user_status)
        self._reply(request, changed)
        self.tell(UserProperty(self.account, "ONLINESTATUS", word))
        self.tell(changed)


_NOT_ONLINE = Error(ErrorNumber.NOT_ONLINE, "Not online")
_NOBODY: Request = ("", 0)
_OUT = (ConnectionStatus.LOGGED_OUT, UserStatus.LOGGED_OUT)
