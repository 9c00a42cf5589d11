"""Checks of what Asterisk has loaded, and tells us: functions, applications, events."""

from __future__ import annotations

import re
from collections.abc import Iterable
from uuid import UUID, uuid4

from skypechan.asterisk.ami.messages import (
    ChannelBegan,
    DigitEnded,
    Event,
    PlayDtmf,
    UserEvent,
)
from skypechan.asterisk.versions import Version
from skypechan.check.finding import Finding, failed, ok
from skypechan.check.session import Session, channels_of

# What gives a value without a channel: the module, the function, what it must give.
_FUNCTIONS = (
    ("func_strings", "FILTER(0-9,1a)", "1"),
    ("func_uri", "URIENCODE(a b)", "a%20b"),
    ("func_uuid", "UUID()", "[0-9a-f-]{36}"),
    ("func_logic", "IF(1?a:b)", "a"),
    ("func_timeout", "TIMEOUT(absolute)", "0"),
    ("func_channel", "CHANNEL(state)", "Down"),
)
_FIELDS = (
    ("func_cut", "cut", "b"),
    ("func_callerid", "caller", "1"),
)
_STEPS = ("begin", "functions", "app_exec", "app_stack")
_TELL_S = 2.0
_DIGIT_MS = 100


async def modules(session: Session, version: Version) -> list[Finding]:
    """Measure by functions, and by a call that stays within Asterisk."""
    uuid = uuid4()
    found = await _functions(session)
    await session.start(uuid, "tell")
    await session.until(lambda: _STEPS[-1] in _steps(session.told(uuid)), _TELL_S)
    told = session.told(uuid)
    found += [*_unheard(session, uuid), *_fields(told), *_applications(told)]
    if told and not version.has_digits:
        found += await _digits(session, uuid)
    await session.stop(uuid)
    if found:
        return found
    return [ok("modules", "functions, applications and events are all there")]


def no_module(module: str, evidence: str, needed_for: str = "every call") -> Finding:
    """Return that a module is not loaded."""
    return failed(
        "modules",
        f"{module} is not loaded: it is needed for {needed_for}",
        evidence,
        f"`module load {module}.so`, and load = {module}.so in modules.conf",
    )


async def _functions(session: Session) -> list[Finding]:
    values = {name: await session.value_of(name) for _, name, _ in _FUNCTIONS}
    return [
        no_module(module, f"{name} gives {values[name]!r}")
        for module, name, expected in _FUNCTIONS
        if not re.fullmatch(expected, values[name])
    ]


def _fields(told: list[UserEvent]) -> list[Finding]:
    """Judge the functions that only a channel can read."""
    shown = [event.fields for event in told if event.fields.get("step") == "functions"]
    return [
        no_module(module, f"its function gives {fields.get(name, '')!r}")
        for fields in shown
        for module, name, expected in _FIELDS
        if fields.get(name, "") != expected
    ]


def _applications(told: list[UserEvent]) -> list[Finding]:
    """Name the application before which the test call ended."""
    missing = [step for step in _STEPS if step not in _steps(told)]
    if not told or not missing:
        return []
    return [no_module(missing[0], f"the test call ended before {missing[0]}")]


def _steps(told: list[UserEvent]) -> set[str]:
    return {event.fields.get("step", "") for event in told}


def _unheard(session: Session, uuid: UUID) -> list[Finding]:
    """Return which classes of events do not come."""
    began = any(
        isinstance(event, ChannelBegan)
        and event.channel.uniqueid == channels_of(uuid)[0]
        for event in session.events
    )
    heard = (
        ("call", began, "channels", ""),
        ("user", bool(session.told(uuid)), "requests", "; and load app_userevent.so"),
    )
    user = session.settings.ami_username
    return [
        _untold(user, right, what, also)
        for right, is_heard, what, also in heard
        if not is_heard
    ]


async def _digits(session: Session, uuid: UUID) -> list[Finding]:
    """Press a key in the test call, of which an old Asterisk tells by AMI alone."""
    channel = channels_of(uuid)[0]
    await session.link.send(PlayDtmf(channel, "1", _DIGIT_MS))
    heard = await session.until(lambda: _pressed(session.events, channel), _TELL_S)
    user = session.settings.ami_username
    return [] if heard else [_untold(user, "dtmf", "digits")]


def _pressed(events: Iterable[Event], uniqueid: str) -> bool:
    return any(
        isinstance(event, DigitEnded) and event.channel.uniqueid == uniqueid
        for event in events
    )


def _untold(user: str, right: str, what: str, also: str = "") -> Finding:
    return failed(
        "ami-events",
        f"{user} is not told of {what}",
        f"a test call brought no event of class {right}",
        f"add {right} to read = of [{user}] in manager.conf, then"
        f" `manager reload`{also}",
    )
