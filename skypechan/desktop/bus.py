"""A private D-Bus message bus: no service of the machine can be started through it."""

from __future__ import annotations

from pathlib import Path

from skypechan.desktop.isolation import Isolation, Level, Room
from skypechan.desktop.process import Part, Process, Program
from skypechan.desktop.users import User, private_folder, write_anew

# dbus-daemon(1): without <servicedir> and <standard_session_servicedirs> nothing is
# activated. Any user may connect, root included, who would be refused otherwise; the
# folder decides who gets as far as the socket. The limit is that of a desktop's
# session bus (session.conf).
_CONFIGURATION = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
    <allow user="*"/>
  </policy>
  <limit name="max_replies_per_connection">50000</limit>
</busconfig>
"""


class PrivateBus(Part):
    """A `dbus-daemon` on a socket in `directory`, which only `user` can enter.

    Within the walls of an `isolation` its log is beside `directory`.
    """

    def __init__(
        self,
        directory: Path,
        *,
        user: User | None = None,
        isolation: Isolation | None = None,
    ) -> None:
        self._directory = directory
        self._isolation = isolation or Isolation(Level.USER, user)
        self._logs = directory.absolute().parent if isolation else None
        self._address = f"unix:path={directory.absolute() / 'bus'}"
        self._process: Process | None = None

    @property
    def address(self) -> str:
        """What a client connects to; the same after a restart."""
        return self._address

    @property
    def process(self) -> Process:
        """The daemon; only while it runs."""
        if self._process is None:
            message = "the bus was not started"
            raise RuntimeError(message)
        return self._process

    async def start(self) -> None:
        """Start the daemon and wait until it listens."""
        directory = private_folder(self._directory.absolute(), self._isolation.user)
        # A daemon that was killed leaves its socket in the way of the next.
        (directory / "bus").unlink(missing_ok=True)
        configuration = directory / "bus.conf"
        content = _CONFIGURATION.format(socket=directory / "bus").encode()
        write_anew(configuration, content, self._isolation.user)
        command = ("dbus-daemon", f"--config-file={configuration}", "--nofork")
        program = Program(
            "dbus-daemon",
            (*command, "--print-address=1"),
            directory,
            within=self._isolation.within(Room(writes=(directory,))),
            logs=self._logs,
            package="dbus",
        )
        self._process = await Process.start(program)
        await self._process.line("^unix:path=")

    async def stop(self) -> None:
        """Stop the daemon; every connection to it is lost."""
        if self._process is not None:
            await self._process.stop()
