"""Checks of Asterisk: login, rights, release, modules, dialplan, events.

All is measured by harmless actions that the gateway's own rights allow.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

from skypechan.asterisk.ami.messages import (
    Action,
    Getvar,
    Hangup,
    Originate,
    PlayDtmf,
    Redirect,
    Setvar,
)
from skypechan.asterisk.dialplan import SOCKET
from skypechan.asterisk.versions import ADVISED, Version
from skypechan.check import audio
from skypechan.check.contexts import contexts
from skypechan.check.finding import Finding, Status, failed, ok, skipped, warning
from skypechan.check.modules import modules, no_module
from skypechan.check.session import Session, logged_in
from skypechan.check.subject import Subject
from skypechan.errors import CommandError

_DENIED = "Asterisk denies"
_UNKNOWN = "Invalid/unknown command"

# Each is refused for want of a channel, if not for want of the right.
_HARMLESS: tuple[Action, ...] = (
    Getvar("EPOCH"),
    Setvar("", "", ""),
    Redirect("", "", ""),
    Hangup("", 16),
    PlayDtmf("skypechan-nobody", "1", 100),
    Originate("", "", "", "slin", 1, ("", "")),
)

_PLACES = (
    ("skypechan", "prepare"),
    ("skypechan", "dial"),
    ("skypechan-inbound", "s"),
    ("skypechan-audio", "s"),
    ("skypechan-click", "s"),
    ("skypechan-test", "tell"),
)


async def asterisk(subject: Subject) -> AsyncIterator[Finding]:
    """Find out whether each Asterisk is as the gateway needs it."""
    for name, settings in {"": subject.asterisk, **subject.asterisks}.items():
        lines = tuple(x for x in subject.lines if x.line.asterisk == name)
        targets = () if name else subject.targets
        one = replace(subject, asterisk=settings, lines=lines, targets=targets)
        async for finding in _asterisk(one, is_first=not name):
            check = finding.check + (name and f" of {name}")
            yield replace(finding, check=check)


async def _asterisk(subject: Subject, *, is_first: bool) -> AsyncIterator[Finding]:
    async with logged_in(subject.asterisk, subject.clock) as session:
        yield _login(session)
        if not session.is_up:
            yield skipped("asterisk", "nothing more to see without a login")
            return
        rights = [finding async for finding in _rights(session)]
        for finding in rights:
            yield finding
        if any(_stands_against(finding, "ami-rights") for finding in rights):
            yield skipped("asterisk", "nothing more to see without these rights")
            return
        version = Version(await session.value_of("VERSION()"))
        yield _release(version)
        places = [finding async for finding in _dialplan(session)]
        for finding in places:
            yield finding
        async for finding in _extensions(subject, session):
            yield finding
        async for finding in contexts(subject, session):
            yield finding
        yield await _lamps(session)
        yield await _socket(subject, session)
        if any(_stands_against(finding, "dialplan") for finding in places):
            yield skipped("modules", "only with skypechan.conf")
            yield skipped("audio", "only with skypechan.conf")
            return
        for finding in await modules(session, version):
            yield finding
        if is_first or subject.running is None:  # the self-test is for the first one
            yield await audio.audio(subject, session)


def _stands_against(finding: Finding, check: str) -> bool:
    return finding.check == check and finding.status is Status.FAILED


def _login(session: Session) -> Finding:
    endpoint = session.settings.ami
    if session.is_up:
        user = session.settings.ami_username
        return ok("ami", f"{user} is logged in at {endpoint}")
    if session.is_refused:
        return failed(
            "ami",
            "Asterisk refuses the login",
            session.link.reason,
            "let ami_username and ami_secret agree with a section of manager.conf"
            " whose permit covers this machine, then `manager reload`",
        )
    return failed(
        "ami",
        f"nobody answers at {endpoint}",
        session.link.reason,
        "start Asterisk; set enabled = yes, port and bindaddr in manager.conf, or"
        " correct [asterisk] ami",
    )


async def _rights(session: Session) -> AsyncIterator[Finding]:
    lacking: dict[str, list[str]] = {}
    for action in _HARMLESS:
        try:
            await session.link.send(action)
        except CommandError as error:
            if str(error).startswith(_DENIED):
                lacking.setdefault(action.right, []).append(action.name)
            elif str(error).startswith(_UNKNOWN) and action.name == PlayDtmf.name:
                yield no_module("app_senddtmf", str(error), "digits from the line")
    user = session.settings.ami_username
    for right, names in lacking.items():
        yield failed(
            "ami-rights",
            f"{user} may not {', '.join(names)}",
            "Permission denied, says Asterisk",
            f"add {right} to write = of [{user}] in manager.conf, then"
            " `manager reload`",
        )
    if not lacking:
        yield ok("ami-rights", f"{user} may do all that the gateway does")


def _release(version: Version) -> Finding:
    limits, text = version.limits, version.text
    if version.is_too_old:
        return failed("version", limits, text, f"use Asterisk {ADVISED}")
    if not text:
        return warning(
            "version", limits, "VERSION() gives nothing", "load func_version.so"
        )
    if limits:
        return warning("version", limits, text, f"use Asterisk {ADVISED}")
    return ok("version", "Asterisk carries wideband audio and digits", text)


async def _dialplan(session: Session) -> AsyncIterator[Finding]:
    found = {place: await session.exists(*place) for place in _PLACES}
    if "" in found.values():
        yield no_module("func_dialplan", "DIALPLAN_EXISTS gives nothing")
        return
    absent = [
        f"{name}@{context}" for (context, name), is_ in found.items() if is_ != "1"
    ]
    if len(absent) == len(_PLACES):
        yield failed(
            "dialplan",
            "skypechan.conf is not in the dialplan",
            f"no {absent[0]}",
            "write #include skypechan.conf into extensions.conf, then"
            " `dialplan reload`",
        )
    elif absent:
        yield failed(
            "dialplan",
            "skypechan.conf is not the one that came with this gateway",
            f"no {', '.join(absent)}",
            "install this release's skypechan.conf, then `dialplan reload`",
        )
    else:
        yield ok("dialplan", "skypechan.conf is in the dialplan")


async def _extensions(subject: Subject, session: Session) -> AsyncIterator[Finding]:
    wanted = [(f"line {line.name}", line.line.target) for line in subject.lines]
    for who, target in (*wanted, *subject.targets):
        check = f"extension {target}"
        is_there = await session.exists(target.context, target.extension)
        if is_there == "1":
            yield ok(check, f"takes the calls of {who}")
        elif is_there == "0":
            yield failed(
                check,
                f"the calls of {who} lead nowhere",
                f"Asterisk has no {target}",
                f"write an extension {target.extension} into [{target.context}] of"
                " extensions.conf, or correct extension and context, or the route",
            )


async def _lamps(session: Session) -> Finding:
    if await session.value_of("DEVICE_STATE(Custom:skypechan)"):
        return ok("lamps", "the device states of lines can be set, for hints")
    return warning(
        "lamps",
        "func_devstate is not loaded: hints and queues do not see what a line does",
        "DEVICE_STATE gives nothing",
        "`module load func_devstate.so`, and load = func_devstate.so in modules.conf",
    )


async def _socket(subject: Subject, session: Session) -> Finding:
    settings = subject.asterisk
    name = SOCKET if settings.alone else f"{SOCKET}_{settings.ami_username}"
    value = await session.value_of(name)
    meant = settings.audiosocket_advertise or str(settings.listen_endpoint())
    if subject.running is None:
        return ok("socket", "the gateway tells Asterisk when it starts", value)
    if not value:
        return failed(
            "socket",
            f"the global variable {name} is gone",
            "empty, though the gateway runs",
            "set clearglobalvars = no in extensions.conf and restart the gateway",
        )
    if value != meant and not meant.endswith(":0"):
        return failed(
            "socket",
            f"{name} names another gateway",
            f"{value} instead of {meant}",
            "set alone = false where several gateways use this Asterisk, each with a"
            " login of its own; set the variable nowhere else; restart the gateway",
        )
    return ok("socket", f"{name} is {value}")
