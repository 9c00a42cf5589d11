"""Checks of the lines: from the bus or display to the account."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator

from skypechan.backends.skype.inspection import Hurdle, Inspection, inspect
from skypechan.check.finding import Finding, failed, ok, warning
from skypechan.check.subject import CheckedLine, LineFact, Subject

_NAMES = {
    Hurdle.CLIENT: "client",
    Hurdle.PERMISSION: "permission",
    Hurdle.ACCOUNT: "account",
}
_FINDINGS = {
    "bus": "the client's D-Bus cannot be reached",
    "display": "the client's X display cannot be reached",
    "client": "no client runs there",
    "permission": "the client does not let us in",
    "account": "the account that should be signed in is not there",
}
_REMEDIES = {
    "bus": "start the client's D-Bus daemon, or correct dbus_address",
    "display": "start the client's X server, or correct display and xauthority",
    "client": "start the client on this {way}",
    "permission": "answer the client's question with Allow and Remember, or allow"
    " skypechan in its options under Public API",
    "account": "sign in on the client, or correct account",
}

_OF_STATE = {
    "waiting_for_client": Hurdle.CLIENT,
    "waiting_for_permission": Hurdle.PERMISSION,
    "refused": Hurdle.PERMISSION,
    "signed_out": Hurdle.ACCOUNT,
    "connecting": Hurdle.ACCOUNT,
    "degraded": Hurdle.CLIENT,
}
_NOBODY_THERE = "the client does not run"


async def lines(subject: Subject) -> AsyncIterator[Finding]:
    """Find out how far each line gets."""
    for line in subject.lines:
        running = subject.running
        if running is not None:
            fact = running.lines.get(line.name)
            yield _told(line, fact)
            if fact and fact.isolation_reason:
                yield _open(line, fact)
        elif line.programs:
            yield _startable(line)
        elif line.line.backend == "skype":
            yield _seen(line, await inspect(line.backend, subject.clock))
        else:
            yield ok(f"line {line.name}", "needs nothing outside")


def _open(line: CheckedLine, fact: LineFact) -> Finding:
    """Return that a client is kept apart less than it could be."""
    return warning(
        f"client {line.name}",
        "its client has no walls of namespaces around it",
        f"isolation is {fact.isolation}, says the gateway: {fact.isolation_reason}",
        "remove the reason, or have with isolation in the line's client table what"
        f" shall be; then: skypechan line restart {line.name}",
    )


def _startable(line: CheckedLine) -> Finding:
    """Find out whether the gateway could start a line's client."""
    missing = [program for program in line.programs if shutil.which(program) is None]
    if not missing:
        return ok(f"line {line.name}", "the gateway will start its client")
    return failed(
        f"client {line.name}",
        "the gateway cannot start the client",
        f"there is no program {', '.join(missing)}",
        "install it, or correct command in the line's client table",
    )


def _told(line: CheckedLine, fact: LineFact | None) -> Finding:
    """Return what the running gateway says of a line."""
    if fact is None:
        return failed(
            f"line {line.name}",
            "the running gateway has no such line",
            "its configuration is another one",
            "skypechan reload",
        )
    if fact.state == "ready":
        evidence = f"{fact.account} is signed in, says the gateway"
        return ok(f"line {line.name}", "is ready", evidence)
    hurdle = _OF_STATE.get(fact.state)
    if hurdle is None:
        return ok(f"line {line.name}", f"is {fact.state}", fact.reason)
    if line.programs and fact.state == "waiting_for_client":
        return failed(
            f"client {line.name}",
            "the client that the gateway starts is not there",
            f"{fact.reason}, says the gateway",
            f"look into its log; then: skypechan line restart {line.name} --now",
        )
    if hurdle is Hurdle.CLIENT and fact.state == "waiting_for_client":
        absent = fact.reason == _NOBODY_THERE
        hurdle = Hurdle.CLIENT if absent else Hurdle.TRANSPORT
    return _seen(line, Inspection(hurdle, f"{fact.reason}, says the gateway"))


def _seen(line: CheckedLine, inspection: Inspection) -> Finding:
    if inspection.hurdle is None:
        return ok(f"line {line.name}", "is ready", inspection.seen)
    way = {"dbus": "bus", "x11": "display"}[line.backend.transport]
    name = _NAMES.get(inspection.hurdle, way)
    return failed(
        f"{name} {line.name}",
        _FINDINGS[name],
        inspection.seen,
        _REMEDIES[name].format(way=way),
    )
