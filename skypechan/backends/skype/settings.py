"""What an operator may set of a line that is a Skype client."""

from __future__ import annotations

from dataclasses import dataclass

from skypechan.backends.skype.causes import OCCASIONS, Parting
from skypechan.call.causes import HangupCause
from skypechan.settings import setting


@dataclass(frozen=True, slots=True)
class SkypeSettings:
    """One Skype client: how it is reached, and where its sound connects to."""

    account: str = setting(
        "", "the Skype name that must be signed in; empty takes whoever is"
    )
    transport: str = setting(
        "dbus", "how the client is reached", choices=("dbus", "x11")
    )
    dbus_address: str = setting(
        "", "address of the client's D-Bus; empty is the session bus"
    )
    display: str = setting(
        "",
        "the client's X display, to reach it by x11 or for its screen in the page; "
        "empty is $DISPLAY. localhost:11.0 is TCP port 6011, or the local socket :11 "
        "where TCP is refused; unix:/PATH is a socket elsewhere",
    )
    xauthority: str = setting(
        "", "file with the display's cookie; empty is $XAUTHORITY or ~/.Xauthority"
    )
    sound_port_to_skype: int = setting(
        0, "TCP port for sound to Skype; 0 picks a free one", least=0, most=65_535
    )
    sound_port_from_skype: int = setting(
        0, "TCP port for sound from Skype; 0 picks a free one", least=0, most=65_535
    )
    user_status: str = setting(
        "ONLINE",
        "what the account shows itself as",
        choices=("keep", "ONLINE", "AWAY", "NA", "DND", "INVISIBLE", "SKYPEME"),
    )
    hide_window: bool = setting(True, "have the client hide its window")
    silent_mode: bool = setting(
        False, "have the client show no call windows; old Linux clients cannot"
    )
    live_calls: str = setting(
        "end",
        "calls found in the client when the gateway comes",
        choices=("end", "leave"),
    )
    voicemail: str = setting(
        "refuse",
        "when the callee's voicemail takes a call: end it, or let the caller speak",
        choices=("refuse", "answer"),
    )
    when_busy: str = setting(
        Parting.REJECT.value,
        "what a Skype caller gets when the phone, or the line, is busy: is rejected; "
        "hears it ring on until he or a person at the client ends it, while the client "
        "may refuse to place other calls; is sent to the account's voicemail; is "
        "forwarded by its rules. What the client cannot do becomes a rejection",
        choices=tuple(Parting),
    )
    when_no_answer: str = setting(
        Parting.REJECT.value,
        "the same when nobody answers in time",
        choices=tuple(Parting),
    )
    when_refused: str = setting(
        Parting.REJECT.value,
        "the same when the phone, the dialplan or the operator refuses the call",
        choices=tuple(Parting),
    )
    when_unreachable: str = setting(
        Parting.REJECT.value,
        "the same when the phone is not there, or Asterisk cannot reach it",
        choices=tuple(Parting),
    )
    messages: str = setting(
        "report",
        "written messages: report them, or only mark them as seen",
        choices=("report", "ignore"),
    )
    contact_requests: str = setting(
        "ask",
        "who wants to be a contact: ask the operator, or refuse",
        choices=("ask", "refuse"),
    )
    contacts_allowed: tuple[str, ...] = setting(
        (), "Skype names that are accepted as contacts without asking"
    )
    raw_commands: tuple[str, ...] = setting(
        (),
        "beginnings of Skype commands that an operator may send, such as "
        '"GET PROFILE"; none allows none',
    )

    def parting(self, cause: HangupCause) -> Parting:
        """Return what a Skype caller gets whom nobody answered for this cause."""
        return Parting(getattr(self, OCCASIONS[cause].value))
