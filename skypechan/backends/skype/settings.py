"""What an operator may set of a line that is a Skype client."""

from __future__ import annotations

from dataclasses import dataclass

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
        "the client's X display; empty is $DISPLAY. localhost:11.0 is TCP port 6011, "
        "or the local socket :11 where TCP is refused",
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
