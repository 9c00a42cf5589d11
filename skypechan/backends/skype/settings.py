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
