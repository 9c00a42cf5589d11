"""Tables of a configuration become settings; what is wrong is told with its place."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from skypechan.config.legacy import Origin
from skypechan.config.values import convert, did_you_mean
from skypechan.errors import ConfigError

# Of hundreds of lines this is most of the work; the settings of all are the same.
_kinds = cache(typing.get_type_hints)


@dataclass(slots=True)
class TableReader:
    """Reads tables and gathers every fault on the way.

    `origins` knows the places of what an old file has added to the tables.
    """

    source: Path
    text: str
    faults: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    origins: dict[tuple[str, str], Origin] = field(default_factory=dict)

    def fault(self, table: str, key: str, text: str) -> None:
        """Note what is wrong with a key, or with an empty key with its table."""
        self.faults.append(f"{self.place(table, key)}: {text}")

    def place(self, table: str, key: str) -> str:
        """Return FILE:LINE of a key, else of its table, else the file."""
        for wanted in ((table, key), (table, "")):
            if wanted in self.origins:
                return self.origins[wanted].place
        line = _line_of(self.text, table, key)
        return f"{self.source}:{line}" if line else str(self.source)

    def name_of(self, table: str, key: str) -> str:
        """Return what the operator calls a key."""
        return self.origins[table, key].name if (table, key) in self.origins else key

    def finish(self) -> None:
        """Raise ConfigError with the faults, each once, if there are any."""
        if self.faults:
            raise ConfigError(*dict.fromkeys(self.faults))

    def read(self, settings: type, table: str, values: Mapping[str, Any]) -> Any:
        """Return an instance of a settings class; faults are noted, not raised."""
        kinds = _kinds(settings)
        good: dict[str, Any] = {}
        for declared in dataclasses.fields(settings):
            if declared.name not in values:
                continue
            try:
                good[declared.name] = convert(
                    values[declared.name], kinds[declared.name], declared.metadata
                )
            except ConfigError as error:
                shown = self.name_of(table, declared.name)
                self.fault(table, declared.name, f"{shown}: {error}")
        return settings(**good)

    def check_names(self, table: str, values: Mapping[str, Any], *kinds: type) -> None:
        """Note every key that none of the settings classes has."""
        known = [f.name for kind in kinds for f in dataclasses.fields(kind)]
        for key in values:
            if key not in known:
                hint = did_you_mean(key, known)
                self.fault(table, key, f"[{table}] knows no {key!r}{hint}")


def _line_of(text: str, table: str, key: str) -> int:
    """Return the line of a key, or of its table's header; 0 if there is none."""
    header_line, here = 0, ""
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.split("#", 1)[0].strip()
        if bare.startswith("["):
            here = bare.strip("[]").replace('"', "").strip()
            header_line = number if here == table and not header_line else header_line
        name = bare.split("=", 1)[0].strip().strip('"') if "=" in bare else ""
        if here == table and name == key:
            return number
    return header_line
