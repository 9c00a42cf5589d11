"""The profile directory of the client: which programs its user has decided about.

The real client kept the names in `config.xml` of the account's folder, below UI and
API: `Authorizations` for those allowed, `BlockedPrograms` for the others, and wrote
them when it was quit (programs that used the API filled that file beforehand). Guess:
names are separated by semicolons.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

_FILE: Final = "config.xml"
_WHERE: Final = ("UI", "API")
_LISTS: Final = {True: "Authorizations", False: "BlockedPrograms"}
_MOST_BYTES: Final = 1_000_000

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Profile:
    """One client's directory; `folder` is what `--dbpath` names, or below HOME."""

    folder: Path

    @classmethod
    def of(cls, dbpath: Path | None) -> Profile:
        """The directory named, or the one that clients take below HOME."""
        return cls(dbpath or Path(os.environ.get("HOME", "/")) / ".Skype")

    def decisions(self, account: str) -> dict[str, bool]:
        """Names of programs that are allowed (True) or blocked (False).

        A file that cannot be read is as none.
        """
        found: dict[str, bool] = {}
        for allowed, word in _LISTS.items():
            text = self._read(account).findtext("/".join((*_WHERE, word))) or ""
            names = (name.strip() for name in text.split(";"))
            found |= {name: allowed for name in names if name}
        return found

    def save(self, account: str, decisions: dict[str, bool]) -> None:
        """Write the decisions, leaving alone what else the file holds.

        A disk that refuses is told in the log: the client ends all the same.
        """
        tree = self._read(account)
        place = tree
        for word in _WHERE:
            place = _child(place, word)
        for allowed, word in _LISTS.items():
            names = [name for name, kind in decisions.items() if kind is allowed]
            _child(place, word).text = ";".join(names)
        path = self._path(account)
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            fresh = path.with_suffix(".new")
            fresh.write_bytes(ET.tostring(tree, "utf-8", xml_declaration=True))
            fresh.replace(path)
        except OSError as error:
            logger.warning("! %s not saved: %s", path, error)

    def _path(self, account: str) -> Path:
        return self.folder / account / _FILE

    def _read(self, account: str) -> ET.Element:
        path = self._path(account)
        try:
            content = path.read_bytes()
            if b"<!" in content or len(content) > _MOST_BYTES:
                raise ET.ParseError("not the client's own")
            return ET.fromstring(content)  # noqa: S314 - no entities: see above
        except FileNotFoundError:
            pass
        except (OSError, ET.ParseError) as error:
            logger.warning("! %s not read: %s", path, error)
        return ET.Element("config", version="1.0", serial="1")


def remembered(name: str) -> str:
    """A program's name as the file can hold it."""
    printable = "".join(c if c.isprintable() and c != ";" else " " for c in name)
    return " ".join(printable.split())


def _child(place: ET.Element, word: str) -> ET.Element:
    found = place.find(word)
    return ET.SubElement(place, word) if found is None else found
