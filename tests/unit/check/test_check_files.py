from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from skypechan.asterisk.settings import AsteriskSettings
from skypechan.backends.skype.settings import SkypeSettings
from skypechan.check import files
from skypechan.check.finding import Finding, Status
from skypechan.check.lines import lines
from skypechan.check.run import CHECKS, passed, run
from skypechan.check.subject import (
    CheckedLine,
    LineFact,
    Running,
    SelfTestFact,
    Subject,
)
from skypechan.clock import SystemClock
from skypechan.errors import LinkDownError
from skypechan.gateway.settings import LineSettings
from skypechan.settings import Endpoint

HOST = "127.0.0.1"


async def _no_test() -> SelfTestFact:
    raise LinkDownError("the gateway went away")


def running(state: str, reason: str = "") -> Running:
    return Running({"one": LineFact(state, reason, "skypet123")}, _no_test)


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    return Subject(
        source=tmp_path / "skypechan.toml",
        # Port 9 is "discard": nobody answers there.
        asterisk=AsteriskSettings(ami=f"{HOST}:9", audiosocket_listen=f"{HOST}:0"),
        web=Endpoint(HOST, 0),
        lines=(CheckedLine("one", LineSettings(), SkypeSettings()),),
        targets=(),
        clock=SystemClock(),
    )


async def findings(
    check: Callable[[Subject], AsyncIterator[Finding]], subject: Subject
) -> list[Finding]:
    return [finding async for finding in check(subject)]


async def test_what_the_reader_was_not_sure_about_is_a_warning(
    subject: Subject,
) -> None:
    subject = replace(subject, warnings=("extensions was never an option",))
    (found,) = await findings(files.configuration, subject)
    assert found.status is Status.WARNING
    assert "never an option" in found.finding


@pytest.mark.parametrize(
    ("mode", "status"),
    [
        (0o600, Status.OK),
        (0o640, Status.OK),
        (0o644, Status.FAILED),
        (0o602, Status.FAILED),
    ],
)
async def test_secrets_are_for_owner_and_group(
    subject: Subject, mode: int, status: Status
) -> None:
    subject.source.write_text("")
    subject.source.chmod(mode)
    subject = replace(subject, secret_files=(subject.source,))
    (found,) = await findings(files.secrets, subject)
    assert found.status is status


async def test_a_taken_port_of_the_page_is_a_failure_only_without_our_gateway(
    subject: Subject,
) -> None:
    with socket.create_server((HOST, 0)) as other:
        subject = replace(subject, web=Endpoint(HOST, other.getsockname()[1]))
        (found,) = await findings(files.web, subject)
        assert found.status is Status.FAILED
        ours = replace(subject, running=running("ready"))
        (found,) = await findings(files.web, ours)
        assert found.status is Status.OK


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "no.such.invalid"])
async def test_an_address_of_another_machine_is_named(
    subject: Subject, host: str
) -> None:
    subject = replace(subject, web=Endpoint(host, 0))
    (found,) = await findings(files.web, subject)
    assert found.status is Status.FAILED
    assert found.evidence


async def test_sound_ports_that_are_picked_need_no_check(subject: Subject) -> None:
    assert await findings(files.sound_ports, subject) == []


@pytest.mark.parametrize(
    ("transport", "state", "reason", "name"),
    [
        ("dbus", "waiting_for_client", "no bus at x", "bus one"),
        ("x11", "waiting_for_client", "nobody listens", "display one"),
        ("dbus", "waiting_for_client", "the client does not run", "client one"),
        ("dbus", "waiting_for_permission", "must allow", "permission one"),
        ("dbus", "refused", "refuses us", "permission one"),
        ("x11", "signed_out", "other is signed in", "account one"),
        ("x11", "degraded", "does not answer", "client one"),
    ],
)
async def test_a_line_of_the_running_gateway_is_judged_by_its_state(
    subject: Subject, transport: str, state: str, reason: str, name: str
) -> None:
    line = CheckedLine("one", LineSettings(), SkypeSettings(transport=transport))
    subject = replace(subject, lines=(line,), running=running(state, reason))
    (found,) = await findings(lines, subject)
    assert (found.check, found.status) == (name, Status.FAILED)
    assert found.evidence == f"{reason}, says the gateway"
    assert found.remedy


@pytest.mark.parametrize("state", ["ready", "paused", "starting"])
async def test_a_line_that_works_or_is_paused_is_no_failure(
    subject: Subject, state: str
) -> None:
    (found,) = await findings(lines, replace(subject, running=running(state)))
    assert found.status is Status.OK


async def test_a_line_that_the_running_gateway_has_not_is_a_failure(
    subject: Subject,
) -> None:
    gateway = Running({}, _no_test)
    (found,) = await findings(lines, replace(subject, running=gateway))
    assert found.remedy == "skypechan reload"


@pytest.mark.parametrize(
    ("folder", "status", "word"),
    [
        (None, Status.OK, "in the log alone"),
        ("here", Status.OK, "can be written"),
        ("absent", Status.WARNING, "is not there"),
    ],
)
async def test_the_folder_of_the_records_must_be_there(
    subject: Subject, tmp_path: Path, folder: str | None, status: Status, word: str
) -> None:
    (tmp_path / "here").mkdir()
    where = tmp_path / folder if folder else None
    (found,) = await findings(files.records, replace(subject, records=where))
    assert (found.status, bool(found.remedy)) == (status, status is not Status.OK)
    assert word in found.finding


async def test_an_echo_line_needs_nothing(subject: Subject) -> None:
    line = CheckedLine("echo", LineSettings(backend="echo"), None)
    (found,) = await findings(lines, replace(subject, lines=(line,)))
    assert found.status is Status.OK


async def test_a_check_that_fails_itself_does_not_hide_the_others(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_: Subject) -> AsyncIterator[Finding]:
        yield Finding("x", Status.OK, "seen")
        raise LinkDownError("gone")

    echo = CheckedLine("echo", LineSettings(backend="echo"), None)
    monkeypatch.setitem(CHECKS, "the configuration", broken)
    found = await run(replace(subject, lines=(echo,)), lambda _: None)
    assert not passed(found)
    broke = next(one for one in found if one.evidence == "gone")
    assert (broke.check, broke.status) == ("the configuration", Status.FAILED)
    assert {"ami", "web"} <= {one.check for one in found}
