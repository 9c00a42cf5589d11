"""Settings from the environment, which go before those of the file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from skypechan.config.tables import TableReader
from skypechan.config.values import Untyped

PREFIX = "SKYPECHAN_"


def override(
    reader: TableReader, tables: dict[str, Any], environment: Mapping[str, str]
) -> None:
    """Apply `SKYPECHAN_SECTION__KEY`, for lines `SKYPECHAN_LINES__NAME__KEY`."""
    for name, value in environment.items():
        if not name.startswith(PREFIX) or "__" not in name:
            continue
        *path, key = name.removeprefix(PREFIX).lower().split("__")
        table: Any = tables
        for step in path:
            table = _step_into(table, step)
        if not isinstance(table, dict):
            reader.faults.append(f"{name}: there is no such setting")
            continue
        table.pop(f"{key}_file", None)
        table[key] = Untyped(value)


def _step_into(table: Any, step: str) -> Any:
    """Return a table by its name in lower case, made if it is not there."""
    if not isinstance(table, dict):
        return None
    names = {name.lower(): name for name in table}
    return table.setdefault(names.get(step, step), {})
