"""A local Asterisk: its own folders, ports and configuration, nothing of the machine's.

The configuration is a folder of files as an operator would have them. Files ending in
`.in` are templates: the markers of `AsteriskSettings.markers` are replaced and the
ending is dropped; the rest is copied. `asterisk.conf` is written here, since it names
the folders.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from skypechan.demo.parts.ports import HOST, free_port, free_range
from skypechan.desktop.process import READY_S, Part, Process, Program
from skypechan.desktop.users import User, give, private_folder
from skypechan.errors import DeadlineError, LinkDownError

_FOLDERS = ("lib", "db", "spool", "run", "log")
_CLI_S = 10.0
_ASTERISK_CONF = """\
[directories]
astetcdir => {home}/etc
astmoddir => {modules}
astvarlibdir => {home}/lib
astdbdir => {home}/db
astkeydir => {home}/lib
astdatadir => {data}
astagidir => {data}/agi-bin
astspooldir => {home}/spool
astrundir => {home}/run
astlogdir => {home}/log

[options]
nocolor = yes
"""


@dataclass(frozen=True, slots=True)
class Installation:
    """An Asterisk that can be started: its command, folders, and version text."""

    command: tuple[str, ...]
    modules: Path
    data: Path
    version: str


def unpacked_installation(root: Path) -> Installation:
    """Return the Asterisk that docker/asterisk-root/build.sh unpacked under `root`.

    Its programs run through the loader and libraries of the same folder, so that
    the machine's own libraries do not matter. Raises LinkDownError if it is not there.
    """
    root = root.absolute()
    stamp = root / "VERSION"
    loaders = sorted(root.glob("usr/lib/*/ld-linux-*.so.*"))
    if not stamp.is_file() or not loaders:
        message = (
            f"no Asterisk in {root}: run docker/asterisk-root/build.sh, or use an"
            " installed one with ASTERISK=system"
        )
        raise LinkDownError(message)
    loader = loaders[0]
    libraries = f"{loader.parent}:{root / 'usr/lib'}"
    program = str(root / "usr/sbin/asterisk")
    return Installation(
        (str(loader), "--library-path", libraries, program),
        loader.parent / "asterisk/modules",
        root / "usr/share/asterisk",
        stamp.read_text().strip(),
    )


def system_installation() -> Installation:
    """Return the machine's own Asterisk. Raises LinkDownError if there is none."""
    program = shutil.which("asterisk", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    folders = [*Path("/usr/lib").glob("*/asterisk/modules")]
    folders += [Path("/usr/lib64/asterisk/modules"), Path("/usr/lib/asterisk/modules")]
    modules = next((folder for folder in folders if folder.is_dir()), None)
    if program is None or modules is None:
        message = "ASTERISK=system, but this machine has no Asterisk installed"
        raise LinkDownError(message)
    places = (Path("/usr/share/asterisk"), Path("/var/lib/asterisk"))
    data = next((place for place in places if (place / "sounds").is_dir()), places[0])
    answer = subprocess.run([program, "-V"], capture_output=True, check=False)
    return Installation((program,), modules, data, answer.stdout.decode().strip())


def installation(checkout: Path, environment: Mapping[str, str]) -> Installation:
    """Return the Asterisk to use: the unpacked one, or with ASTERISK=system that one.

    Raises LinkDownError if it is not there.
    """
    if environment.get("ASTERISK") == "system":
        return system_installation()
    return unpacked_installation(checkout / "var" / "asterisk-root")


@dataclass(frozen=True, slots=True)
class AsteriskSettings:
    """Ports and secrets of one instance; made by `usual` or `anywhere`."""

    ami_port: int
    sip_port: int
    rtp_ports: range
    ami_secret: str = field(repr=False)
    sip_secret: str = field(repr=False)

    @classmethod
    def usual(cls) -> Self:
        """Take the usual ports where they are free, and secrets of chance."""
        return cls._at(free_port(5038), free_port(5060), free_range(200, 10000))

    @classmethod
    def anywhere(cls) -> Self:
        """Take ports that nobody else goes for, as tests beside other tests must."""
        return cls._at(free_port(), free_port(), free_range(200))

    @classmethod
    def _at(cls, ami_port: int, sip_port: int, rtp_ports: range) -> Self:
        ami_secret, sip_secret = secrets.token_hex(16), secrets.token_hex(16)
        return cls(ami_port, sip_port, rtp_ports, ami_secret, sip_secret)

    def markers(self) -> dict[str, str]:
        """Return what stands for each marker of a template."""
        return {
            "@AMI_PORT@": str(self.ami_port),
            "@SIP_PORT@": str(self.sip_port),
            "@RTP_START@": str(self.rtp_ports.start),
            "@RTP_END@": str(self.rtp_ports.stop - 1),
            "@AMI_SECRET@": self.ami_secret,
            "@SIP_SECRET@": self.sip_secret,
        }


class LocalAsterisk(Part):
    """One instance below `directory`, which only `user` (None: the caller) can enter.

    `files` adds to or takes the place of files of the `configuration` folder, by
    their names without `.in`; markers are replaced in them too.
    """

    def __init__(
        self,
        installation: Installation,
        directory: Path,
        configuration: Path,
        *,
        settings: AsteriskSettings | None = None,
        files: Mapping[str, str] | None = None,
        user: User | None = None,
    ) -> None:
        self.installation = installation
        self.settings = settings or AsteriskSettings.anywhere()
        self.directory = directory.absolute()
        self._configuration = configuration
        self._files = dict(files or {})
        self._user = user
        self._process: Process | None = None

    @property
    def host(self) -> str:
        """The address that it listens on."""
        return HOST

    @property
    def process(self) -> Process:
        """The running program; only while it runs."""
        if self._process is None:
            message = "Asterisk was not started"
            raise RuntimeError(message)
        return self._process

    async def start(self) -> None:
        """Write the configuration, start, and wait until the manager port answers.

        Raises LinkDownError if it ends instead, DeadlineError if it takes too long.
        """
        self.write_configuration()
        program = Program("asterisk", self._command("-f"), self.directory, self._user)
        self._process = await Process.start(program)
        await self._process.line(r"Asterisk Ready\.")
        await self._greeted_by_manager()

    async def stop(self) -> None:
        """Stop it; calls in progress end."""
        if self._process is not None:
            await self._process.stop()

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.kill()

    async def cli(self, command: str) -> str:
        """Return what the console answers to `command`.

        Raises DeadlineError after ten seconds, LinkDownError if it cannot be reached.
        """
        child = await asyncio.create_subprocess_exec(
            *self._command("-rx", command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=self.directory,
        )
        try:
            async with asyncio.timeout(_CLI_S):
                answer, _ = await child.communicate()
        except TimeoutError:
            child.kill()
            await child.communicate()
            message = f"the console did not answer to {command!r} in {_CLI_S} s"
            raise DeadlineError(message) from None
        text = answer.decode("utf-8", "replace")
        if child.returncode != 0:
            raise LinkDownError(text.strip())
        return text

    def write_configuration(self) -> None:
        """Write the configuration folder anew, as `start` does.

        What was changed takes effect by a reload of the module, by `cli`.
        """
        private_folder(self.directory, self._user)
        for name in (*_FOLDERS, "etc"):
            private_folder(self.directory / name, self._user)
        for name, text in self._configuration_files().items():
            self._write(name, text)

    def replace_file(self, name: str, text: str) -> None:
        """Change one file of the configuration from now on, also over a restart."""
        self._files[name] = text
        self._write(name, self._filled(text))

    def _configuration_files(self) -> dict[str, str]:
        texts = {}
        for path in sorted(self._configuration.iterdir()):
            if path.suffix == ".in":
                texts[path.stem] = self._filled(path.read_text())
            elif path.suffix == ".conf":
                texts[path.name] = path.read_text()
        texts |= {name: self._filled(text) for name, text in self._files.items()}
        texts["asterisk.conf"] = _ASTERISK_CONF.format(
            home=self.directory,
            modules=self.installation.modules,
            data=self.installation.data,
        )
        return texts

    def _filled(self, text: str) -> str:
        for marker, value in self.settings.markers().items():
            text = text.replace(marker, value)
        return text

    def _write(self, name: str, text: str) -> None:
        path = self.directory / "etc" / name
        path.touch(mode=0o600)
        path.write_text(text)
        give(path, self._user)

    def _command(self, *options: str) -> tuple[str, ...]:
        configuration = str(self.directory / "etc" / "asterisk.conf")
        return (*self.installation.command, "-C", configuration, *options)

    async def _greeted_by_manager(self) -> None:
        port = self.settings.ami_port
        try:
            async with asyncio.timeout(READY_S):
                reader, writer = await asyncio.open_connection(HOST, port)
                greeting = await reader.readline()
                writer.close()
                await writer.wait_closed()
        except (OSError, TimeoutError) as error:
            message = f"Asterisk runs, but its manager port {port} does not answer"
            raise LinkDownError(message) from error
        if not greeting.startswith(b"Asterisk Call Manager"):
            message = f"what answers on port {port} is not Asterisk's manager"
            raise LinkDownError(message)
