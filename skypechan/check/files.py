"""Checks of this machine's side: the configuration's files and our ports."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import AsyncIterator

from skypechan.check.finding import Finding, failed, ok, skipped, warning
from skypechan.check.subject import Subject
from skypechan.settings import Endpoint


async def configuration(subject: Subject) -> AsyncIterator[Finding]:
    """Report what the reader of the file was not sure about."""
    for text in subject.warnings:
        yield warning("configuration", text, str(subject.source), "correct the file")
    if not subject.warnings:
        lines = ", ".join(line.name for line in subject.lines)
        yield ok("configuration", f"lines: {lines}", str(subject.source))


async def secrets(subject: Subject) -> AsyncIterator[Finding]:
    """Find files that let everybody read a secret."""
    for path in subject.secret_files:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & (stat.S_IROTH | stat.S_IWOTH):
            yield failed(
                "secrets",
                f"everybody can read the secrets in {path}",
                f"mode {mode:04o}",
                f"chmod 640 {path}, or keep them in files: ami_secret_file, token_file",
            )
        else:
            yield ok("secrets", f"{path} is for its owner and group", f"{mode:04o}")
    if not subject.secret_files:
        yield ok("secrets", "no secret stands in the configuration itself")


async def records(subject: Subject) -> AsyncIterator[Finding]:
    """Find out whether call records can be written."""
    folder = subject.records
    if folder is None:
        yield ok("records", "call records are kept in the log alone")
    elif not folder.is_dir():
        yield warning(
            "records",
            "call records wait: their folder is not there",
            str(folder),
            "create it for the user of the gateway, or correct [records] folder",
        )
    elif not os.access(folder, os.W_OK | os.X_OK):
        yield warning(
            "records",
            "call records wait: their folder cannot be written",
            f"{folder}, mode {stat.S_IMODE(folder.stat().st_mode):04o}",
            "give it to the user of the gateway",
        )
    else:
        yield ok("records", "call records can be written", str(folder))


async def web(subject: Subject) -> AsyncIterator[Finding]:
    """Find out whether the page can be served, or is."""
    if subject.running is not None:
        yield ok("web", "the gateway runs and has its port", str(subject.web))
    elif error := taken(subject.web):
        yield failed(
            "web",
            f"{subject.web} cannot be had",
            error,
            "stop the program that has it, or choose another [web] listen",
        )
    else:
        yield ok("web", f"{subject.web} is free")


async def sound_ports(subject: Subject) -> AsyncIterator[Finding]:
    """Find out whether the lines' own ports are free."""
    for line in subject.lines:
        check = f"sound-ports {line.name}"
        for key in ("sound_port_to_skype", "sound_port_from_skype"):
            port = getattr(line.backend, key, 0)
            if not port:
                continue
            if subject.running is not None:
                yield skipped(check, f"port {port} is the running gateway's to take")
            elif error := taken(Endpoint("127.0.0.1", port)):
                yield failed(
                    check,
                    f"sound port {port} cannot be had",
                    error,
                    f"stop the program that has it, or set {key} to 0 or another port",
                )
            else:
                yield ok(check, f"port {port} is free")


def taken(endpoint: Endpoint) -> str:
    """Return why an address cannot be listened on, empty if it can."""
    family = socket.AF_INET6 if ":" in endpoint.host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as listener:
            # As the gateway does; beside another listener it does not help.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((endpoint.host, endpoint.port))
            listener.listen()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return "another program listens there"
        return error.strerror or str(error)
    return ""
