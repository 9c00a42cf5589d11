"""The service manager above us, told how we are: sd_notify(3), without its library.

The protocol is one datagram of `NAME=value` lines to the socket that the environment
names. Where there is no service manager nothing is said, and nothing can fail: a
manager that has gone, or that does not read, never holds up a call.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ServiceManager:
    """Whom to tell: the address of a Unix socket, `@` for an abstract one, or nobody.

    `watchdog_s` is how long it waits for `alive` before it kills us; None: for ever.
    """

    address: str = ""
    watchdog_s: float | None = None

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> ServiceManager:
        """Return the one that has started this process, and what it expects."""
        address = environment.get("NOTIFY_SOCKET", "")
        # sd_watchdog_enabled(3): what a parent left in the environment is not for us.
        meant = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        usec = environment.get("WATCHDOG_USEC", "")
        if not (address and meant and usec.isdecimal() and int(usec)):
            return cls(address)
        return cls(address, int(usec) / 1e6)

    def ready(self) -> None:
        """Say that we serve, or do so again after `reloading`."""
        self._say("READY=1")

    def status(self, text: str) -> None:
        """Say in one line how we are: what `systemctl status` shows."""
        self._say(f"STATUS={' '.join(text.split())}")

    def alive(self) -> None:
        """Put the watchdog off for another `watchdog_s`."""
        self._say("WATCHDOG=1")

    def reloading(self, monotonic_s: float) -> None:
        """Say that the configuration is read anew; `ready` says that it has been."""
        self._say(f"RELOADING=1\nMONOTONIC_USEC={round(monotonic_s * 1e6)}")

    def stopping(self) -> None:
        """Say that we have begun to stop."""
        self._say("STOPPING=1")

    def _say(self, state: str) -> None:
        if not self.address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            address = self.address
            if address.startswith("@"):
                address = "\0" + address[1:]
            try:
                sock.sendto(state.encode(), address)
            except OSError as error:
                _log.debug("! the service manager was not told: %s", error)
