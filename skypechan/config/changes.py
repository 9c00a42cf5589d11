"""What another configuration means for a gateway that runs; pure.

A line is added, removed or replaced, or has other settings at once; what is neither of
the lines nor of routes, contacts and log stays as it is until the next start.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from skypechan.backends.skype.settings import SkypeSettings
from skypechan.config.reader import ASTERISKS, CLIENT, SECTIONS, Config, LineConfig
from skypechan.gateway.reloaded import Change, LineOutcome

_LIVE_SECTIONS = frozenset({"log"})
_LIVE_KEYS = frozenset({("asterisk", "lines_from")})  # its lines are among the others
_ANYWHERE = Path("/")  # stands for the folder that relative ones are below
_FIXED_OF_LINE = frozenset({"backend", "asterisk"})
"""The settings of every line that another start has to bring; others go live."""


def line_changes(
    old: Sequence[LineConfig], new: Sequence[LineConfig]
) -> tuple[LineOutcome, ...]:
    """Return what becomes of each line: first the new ones in their order."""
    before = {line.name: line for line in old}
    names = {line.name for line in new}
    return (
        *(_change(before.get(line.name), line) for line in new),
        *(LineOutcome(line, Change.REMOVE) for line in before if line not in names),
    )


def _change(old: LineConfig | None, new: LineConfig) -> LineOutcome:
    if old is None:
        return LineOutcome(new.name, Change.ADD)
    every_line = tuple(_differing(old.line, new.line))
    fixed = (
        *(name for name in every_line if name in _FIXED_OF_LINE),
        *_differing(old.backend, new.backend),
        *(f"{CLIENT}.{name}" for name in _differing(old.client, new.client)),
    )
    live = tuple(name for name in every_line if name not in _FIXED_OF_LINE)
    if fixed:
        return LineOutcome(new.name, Change.REPLACE, (*fixed, *live))
    return LineOutcome(new.name, Change.LIVE if live else Change.KEEP, live)


def _differing(old: Any, new: Any) -> Iterator[str]:
    """Yield the names of the settings that differ; none between two kinds."""
    if old is None or type(old) is not type(new):
        return
    for declared in dataclasses.fields(old):
        if getattr(old, declared.name) != getattr(new, declared.name):
            yield declared.name


def other_changes(old: Config, new: Config) -> tuple[str, ...]:
    """Return what has changed besides the lines and goes live."""
    return tuple(
        name
        for name in ("routes", "contacts", *sorted(_LIVE_SECTIONS))
        if getattr(old, name) != getattr(new, name)
    )


def needing_restart(old: Config, new: Config) -> tuple[str, ...]:
    """Return the settings that differ and stay as they are, as `[section] key`."""
    sections = [
        (name, getattr(old, name), getattr(new, name))
        for name in SECTIONS
        if name not in _LIVE_SECTIONS
    ]
    sections += [
        (f"{ASTERISKS}.{name}", old.asterisks.get(name), new.asterisks.get(name))
        for name in sorted({*old.asterisks, *new.asterisks})
    ]
    return tuple(text for section in sections for text in _restart(*section))


def _restart(name: str, old: Any, new: Any) -> Iterator[str]:
    if (old is None) != (new is None):
        yield f"[{name}]"
    for key in _differing(old, new):
        if (name, key) not in _LIVE_KEYS:
            yield f"[{name}] {key}"


def with_sections_of(new: Config, old: Config) -> Config:
    """Return a new configuration with all that needs a restart as it was."""
    kept: Mapping[str, Any] = {
        name: getattr(old, name) for name in SECTIONS if name not in _LIVE_SECTIONS
    }
    return replace(new, asterisks=old.asterisks, **kept)


def _needs(line: LineConfig) -> frozenset[tuple[str, str]]:
    """Return what a line must have for itself: its client, the ports of its sound."""
    settings = line.backend
    if not isinstance(settings, SkypeSettings):
        return frozenset()
    if line.client.is_ours:
        client = ("client", str(line.client.folder_from(_ANYWHERE, line.name)))
    elif settings.transport == "x11":
        client = ("display", settings.display)
    else:
        client = ("bus", settings.dbus_address)
    ports = (settings.sound_port_to_skype, settings.sound_port_from_skype)
    return frozenset({client, *(("port", str(port)) for port in ports if port)})


def clash(line: LineConfig, other: LineConfig) -> bool:
    """Tell whether two lines need the same client or the same port."""
    return bool(_needs(line) & _needs(other))
