"""Runs sipp, an independent SIP program, through one scenario of tests/data/sipp."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tests.doubles.sip_messages import Message, SipSyntaxError, parse
from tests.doubles.stamped_udp import Address

SCENARIOS = Path(__file__).parents[1] / "data" / "sipp"
_TIMEOUT_S = 15
# One entry of sipp's message log: a rule with the time, who sent it, the text.
_ENTRY = re.compile(
    r"^-+ (\d{4}-\d\d-\d\d[ \t]\d\d:\d\d:\d\d\.\d+).*?\n"
    r"UDP message (sent|received) [^\n]*\n\n",
    re.MULTILINE,
)


Sipp = Callable[[str, str], Awaitable["SippRun"]]
"""Runs a scenario against an extension, as the fixture of the system tests does."""


@dataclass(frozen=True, slots=True)
class Stamped:
    """One message of a run; the time is on the clock of ``time.monotonic_ns``."""

    at_ns: int
    sent: bool
    message: Message


@dataclass(frozen=True, slots=True)
class SippRun:
    """How a scenario went: 0 is as written; what sipp complained of; the messages."""

    returncode: int
    complaint: str
    messages: tuple[Stamped, ...]

    @property
    def passed(self) -> bool:
        """Whether the scenario went as written."""
        return self.returncode == 0

    @property
    def statuses(self) -> list[int]:
        """Responses to the INVITE that had credentials, in order."""
        return [
            m.message.status
            for m in self.messages
            if not m.sent and m.message.get("CSeq") == "2 INVITE"
        ]

    def sent_ns(self, method: str) -> int:
        """When the last request of that method left."""
        return [
            m.at_ns for m in self.messages if m.sent and m.message.method == method
        ][-1]

    def received_ns(self, status: int, method: str = "INVITE") -> int:
        """When the first response of that status to that method came."""
        return next(
            m.at_ns
            for m in self.messages
            if not m.sent and m.message.status == status and m.message.method == method
        )


async def run_scenario(
    scenario: str,
    extension: str,
    server: Address,
    password: str,
    ports: range,
    folder: Path,
) -> SippRun:
    """Run one scenario as the caller; ``ports``: one for SIP, then two for sound.

    A run that takes over 15 s counts as failed.
    """
    log, errors = folder / f"{scenario}.log", folder / f"{scenario}.errors"
    command = [
        *("sipp", f"{server[0]}:{server[1]}", "-sf", f"{SCENARIOS / scenario}.xml"),
        *("-s", extension, "-au", "sipphone", "-ap", password),
        *("-m", "1", "-nostdin", "-timeout", str(_TIMEOUT_S), "-timeout_error"),
        *("-i", server[0], "-p", str(ports[0])),
        *("-mi", server[0], "-mp", str(ports[2])),
        *("-trace_msg", "-message_file", str(log)),
        *("-trace_err", "-error_file", str(errors)),
    ]
    for old in (log, errors):
        old.unlink(missing_ok=True)
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, said = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    complaint = said.decode(errors="replace")
    return await asyncio.to_thread(
        _read, process.returncode or 0, complaint, log, errors
    )


def _read(returncode: int, complaint: str, log: Path, errors: Path) -> SippRun:
    if errors.exists():
        complaint += errors.read_text(errors="replace")
    return SippRun(returncode, complaint, tuple(_messages(log)))


def _messages(log: Path) -> list[Stamped]:
    offset_ns = time.time_ns() - time.monotonic_ns()
    text = log.read_text(errors="replace") if log.exists() else ""
    entries = list(_ENTRY.finditer(text))
    ends = [entry.start() for entry in entries[1:]] + [len(text)]
    found = []
    for entry, end in zip(entries, ends, strict=True):
        raw = text[entry.end() : end].replace("\r\n", "\n").replace("\n", "\r\n")
        try:
            message = parse(raw.encode())
        except SipSyntaxError:
            continue
        at = datetime.strptime(entry[1].replace("\t", " "), "%Y-%m-%d %H:%M:%S.%f")  # noqa: DTZ007 - sipp writes local time
        at_ns = round(at.timestamp() * 1e6) * 1000 - offset_ns
        found.append(Stamped(at_ns, entry[2] == "sent", message))
    return found
