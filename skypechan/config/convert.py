"""`skypechan convert`: an old file in the form of today.

A `skypiax.conf` or `skypopen.conf.xml` becomes a TOML configuration, with a comment for
what has no counterpart; of an `extensions.conf` the calls over the old channel driver
are rewritten.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from skypechan.config import dialplan, skypiax, skypopen
from skypechan.config.legacy import OldFile
from skypechan.config.reader import LineConfig, lines_of, read_text
from skypechan.errors import ConfigError

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+\Z")

_ASTERISK = """
# What the old file could not hold: where Asterisk is and the login to its manager
# interface. `skypechan describe config` shows every setting.
[asterisk]
ami = "127.0.0.1:5038"
ami_username = "skypechan"
# ami_secret_file = "/etc/skypechan/ami.secret"
"""
_NUMBERS = """\
# The old driver called any telephone number; now a line calls those that it names, as
# by numbers_allowed = ["+49*"]: they cost money, whoever dials.
"""


def convert(path: Path) -> tuple[str, tuple[str, ...]]:
    """Return the converted text, and sentences for the operator.

    What is not UTF-8 in a dialplan is kept by surrogates. Raises ConfigError for a
    file that cannot be read, is of no known kind or has faults.
    """
    text, source = read_text(path), str(path)
    if text.removeprefix("\ufeff").lstrip().startswith("<"):
        return as_toml(skypopen.parse(text, source)), ()
    if dialplan.is_one(text):
        return dialplan.convert(text, source)
    if skypiax.is_one(text, path):
        return as_toml(skypiax.parse(text, source)), ()
    raise ConfigError(
        f"{path}: is neither a skypiax.conf, a skypopen.conf.xml nor an extensions.conf"
    )


def as_toml(old: OldFile) -> str:
    """Return an old file as TOML text. Raises ConfigError with every fault in it."""
    return "\n".join(_toml(old, lines_of(old))) + "\n"


def _toml(old: OldFile, lines: tuple[LineConfig, ...]) -> Iterator[str]:
    yield _comment(f"Converted from {Path(old.source).name} by skypechan.")
    yield _ASTERISK
    if old.wants_debug:
        yield '[log]\nlevel = "debug"\n'
    known = {line.name for line in lines}
    for note in old.notes:
        if note.line not in known:
            yield _comment(note.text) + "\n"
    yield _NUMBERS
    for line in lines:
        yield f"[lines.{_key(line.name)}]"
        yield from _line(old, line)
        yield ""


def _line(old: OldFile, line: LineConfig) -> Iterator[str]:
    values = {**_values(line.line), **_values(line.backend)}
    for key in old.lines[line.name]:
        yield f"{key} = {_value(values[key])}"
    for note in old.notes:
        if note.line == line.name:
            number = note.place.rpartition(":")[2]
            yield _comment(f"line {number}: {note.text}")


def _values(settings: Any) -> dict[str, Any]:
    return {
        declared.name: getattr(settings, declared.name)
        for declared in dataclasses.fields(settings)
    }


def _key(name: str) -> str:
    return name if _BARE_KEY.match(name) else _value(name)


def _value(value: Any) -> str:
    """Return a value as TOML; its text is JSON's, but for DEL and surrogate pairs."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _comment(text: str) -> str:
    shown = "".join(letter if letter.isprintable() else "?" for letter in text)
    return f"# {shown}"
