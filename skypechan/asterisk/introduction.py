"""What Asterisk and the gateway learn of each other when the AMI link comes up."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from skypechan.asterisk import dialplan
from skypechan.asterisk.ami.link import AmiLink
from skypechan.asterisk.ami.messages import CoreSettings, Getvar, Setvar
from skypechan.asterisk.versions import Version
from skypechan.errors import CommandError

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Presence:
    """This gateway at an Asterisk that may have others too.

    `process` names this very one: a caller who waits for another gives up. `login` is
    its section of manager.conf, `socket` where it takes audio.
    """

    process: str
    login: str
    socket: str

    def of_channel(self) -> dict[str, str]:
        """Return what a channel must know that it has taken, as variables."""
        return {
            dialplan.TAKEN_BY: self.process,
            dialplan.AMI_USER: self.login,
            dialplan.SOCKET: self.socket,
        }

    def of_all(self) -> dict[str, str]:
        """Return what every channel must know, as global variables."""
        return {
            dialplan.SOCKET: self.socket,
            f"{dialplan.SOCKET}_{self.login}": self.socket,
            f"{dialplan.GATEWAY}_{self.login}": self.process,
        }


async def learn_version(link: AmiLink) -> Version:
    """Return the release of this Asterisk. Raises LinkError."""
    with suppress(CommandError):
        if text := (await link.send(Getvar("VERSION()"))).value:
            return Version(text)
    # Without func_version, if our rights allow it.
    try:
        told = (await link.send(CoreSettings())).headers
        return Version(told.get("asteriskversion", ""))
    except CommandError as error:
        _log.warning("! the release of Asterisk is not known: %s", error)
        return Version("")


async def check_dialplan(link: AmiLink) -> None:
    """Raise CommandError, with the remedy, unless our dialplan is loaded."""
    for place in ("skypechan,prepare,1", "skypechan-inbound,s,1"):
        function = f"DIALPLAN_EXISTS({place})"
        if (await link.send(Getvar(function))).value != "1":
            raise CommandError(
                "skypechan.conf is not in Asterisk's dialplan: #include it in "
                "extensions.conf and load func_dialplan"
            )


async def tell(link: AmiLink, values: Mapping[str, str]) -> None:
    """Set global variables. Raises LinkError, CommandError."""
    for name, value in values.items():
        await link.send(Setvar("", name, value))
