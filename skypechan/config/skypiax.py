"""Reading `skypiax.conf`, the configuration of chan_skypiax.

One section is one interface, here a line; the options marked so of the first section
are defaults of the others. The file is in the manner of Asterisk: `;` begins a
comment, `=>` is as good as `=`, names of options ignore case, sections may be
templates (source: chan_skypiax.c and Asterisk's config.c).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from skypechan.config.legacy import OldFile
from skypechan.config.values import did_you_mean

_INHERITED: Final = (
    "context",
    "extension",
    "language",
    "playback_boost",
    "capture_boost",
    "skypiax_dir_entry_extension_prefix",
)
"""What the first section sets for all."""

_OUR_NAMES: Final = {
    "language": "language",
    "x11_display": "display",
    "tcp_cli_port": "sound_port_to_skype",
    "tcp_srv_port": "sound_port_from_skype",
    "skype_user": "account",
    "playback_boost": "playback_boost_db",
    "capture_boost": "capture_boost_db",
}

_DEBUG: Final = tuple(
    f"debug_{what}"
    for what in (
        *("all", "skype", "pbx", "sound", "locks", "monitorlocks", "call"),
        *("serial", "at", "fbus2"),
    )
)

_SLIP: Final = "extensions"
_KNOWN: Final = (
    *_INHERITED,
    *("skype", "X11_display", "tcp_cli_port", "tcp_srv_port", "skype_user"),
    *_DEBUG,
)
_ONLY_HERE: Final = ({name.lower() for name in _KNOWN} | {_SLIP}) - {
    *("context", "extension", "language")
}
"""Options that our own tables do not have: they tell the two kinds of file apart."""

_OUR_SECTIONS: Final = frozenset(
    ("asterisk", "web", "log", "media", "lines", "routes", "contacts")
)
_HEADER: Final = re.compile(r"\[([^\]]*)\]\s*(?:\(([^)]*)\))?\s*\Z")
_COMMENT: Final = re.compile(r"(?<!\\);.*")
_BLOCK_COMMENT: Final = re.compile(r";--(?!-).*?(?:--;|\Z)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Option:
    name: str
    value: str
    number: int


@dataclass(slots=True)
class _Section:
    name: str
    number: int
    is_template: bool
    options: list[_Option] = field(default_factory=list)


def is_one(text: str, path: Path) -> bool:
    """Tell whether a file is a `skypiax.conf`, by its name and what stands in it."""
    if path.suffix == ".toml":
        return False
    lines = list(_significant(text))
    if path.name == "skypiax.conf":
        return True
    headers = {line.strip("[] ").split(".")[0] for _, line in lines if line[0] == "["}
    names = {line.split("=", 1)[0].strip().lower() for _, line in lines if "=" in line}
    return not headers & _OUR_SECTIONS and bool(names & _ONLY_HERE)


def parse(text: str, source: str) -> OldFile:
    """Read the text of a file; what is wrong in it is noted as faults."""
    old = OldFile(source)
    sections = [one for one in _sections(text, old) if not one.is_template]
    inherited: dict[str, _Option] = {}
    for section in sections:
        own = _options(section, old)
        if section is sections[0]:
            inherited = {name: own[name] for name in _INHERITED if name in own}
        _line(section, {**inherited, **own}, old)
    _tell_shared_displays(old)
    if not old.lines and not old.faults:
        old.faults.append(f"{source}: no section has skype = yes: there is no line")
    return old


def _significant(text: str) -> Iterator[tuple[int, str]]:
    """Yield number and content of each line that says something."""
    bare = _BLOCK_COMMENT.sub(lambda found: "\n" * found[0].count("\n"), text)
    for number, line in enumerate(bare.removeprefix("\ufeff").split("\n"), 1):
        said = _COMMENT.sub("", line).replace("\\;", ";").strip()
        if said:
            yield number, said


def _sections(text: str, old: OldFile) -> list[_Section]:
    sections: dict[str, _Section] = {}
    current: _Section | None = None
    for number, said in _significant(text):
        if header := _HEADER.match(said):
            current = _begin(header[1].strip(), header[2] or "", number, sections, old)
        elif said.startswith("#"):
            old.fault(number, f"{said.split()[0]} is not followed: put its lines here")
        elif "=" not in said:
            old.fault(number, f"{said!r} is neither [SECTION] nor NAME = VALUE")
        elif current is None:
            old.fault(number, f"{said!r} stands before the first [SECTION]")
        else:
            name, _, value = said.partition("=")
            value = value.removeprefix(">").strip()
            current.options.append(_Option(name.strip(), value, number))
    return list(sections.values())


def _begin(
    name: str, marks: str, number: int, sections: dict[str, _Section], old: OldFile
) -> _Section:
    """Return the section that a header begins, with what its templates give it."""
    words = [word.strip() for word in marks.split(",") if word.strip()]
    first = sections.get(name)
    if "+" in words and first:
        return first
    section = _Section(name, number, "!" in words)
    for word in words:
        if word in sections:
            section.options += sections[word].options
        elif word != "!":
            hint = did_you_mean(word, list(sections))
            old.fault(number, f"[{name}]: there is no section {word!r} above{hint}")
    if first:
        old.fault(number, f"[{name}] stands in line {first.number} already")
        return section
    return sections.setdefault(name, section)


def _options(section: _Section, old: OldFile) -> dict[str, _Option]:
    """Return the known options of a section, by their names in lower case."""
    options: dict[str, _Option] = {}
    slip: _Option | None = None
    lower = {name.lower() for name in _KNOWN}
    for option in section.options:
        name = option.name.lower()
        if name == _SLIP:
            slip = option
        elif name in lower:
            options[name] = option
        else:
            old.unknown(option.number, f"[{section.name}]", option.name, _KNOWN)
    if slip:
        text = "extensions was never an option: taken as extension"
        if "extension" in options:
            text = "extensions was never an option: extension is set and counts"
        old.note(section.name, slip.number, text)
        options.setdefault("extension", slip)
    return options


def _line(section: _Section, options: dict[str, _Option], old: OldFile) -> None:
    """Bring one section into our names."""
    for name in _DEBUG:
        if name in options:
            _note_debug(section.name, options[name], old)
    skype = options.get("skype")
    if not skype or not old.truth(skype.number, "skype", skype.value):
        text = f"[{section.name}] is left out: it does not say skype = yes"
        old.note(section.name, skype.number if skype else section.number, text)
        return
    old.begin(section.name, section.number)
    for name, key in _OUR_NAMES.items():
        if name in options:
            _put(section.name, key, options[name], old)
    _put_target(section, options, old)
    prefix = options.get("skypiax_dir_entry_extension_prefix")
    if prefix and prefix in section.options:
        text = f"{prefix.name} has no counterpart: there is no import of a directory"
        old.note(section.name, prefix.number, text)


def _note_debug(line: str, option: _Option, old: OldFile) -> None:
    if old.truth(option.number, option.name, option.value):
        old.wants_debug = True
        old.note(line, option.number, f"{option.name} sets the log's level to debug")


def _put(line: str, key: str, option: _Option, old: OldFile) -> None:
    if option.value and not option.value.isprintable():
        old.fault(option.number, f"{option.name}: {option.value!r} is not UTF-8 text")
    elif option.value:
        old.put(line, key, option.value, option.number, option.name)


def _put_target(section: _Section, options: dict[str, _Option], old: OldFile) -> None:
    """Set where calls go: `extension` may be EXTENSION@CONTEXT."""
    nothing = _Option("", "", section.number)
    extension = options.get("extension", nothing)
    context = options.get("context", nothing)
    exten, at, its_context = extension.value.partition("@")
    if at:
        context = _Option(extension.name, its_context, extension.number)
    for key, option, value, default in (
        ("extension", extension, exten, "s"),
        ("context", context, context.value, "default"),
    ):
        chosen = _Option(option.name or key, value or default, option.number)
        _put(section.name, key, chosen, old)


def _tell_shared_displays(old: OldFile) -> None:
    """Warn of two lines on one display, which has room for one client."""
    first: dict[str, str] = {}
    for name, values in old.lines.items():
        display = str(values.get("display", ""))
        other = first.setdefault(display, name)
        if other != name:
            number = int(old.origins[name, ""].place.rpartition(":")[2])
            on = display or "$DISPLAY, as none is given"
            text = f"[{name}] and [{other}] share one client: both on {on}"
            old.note(name, number, text)
