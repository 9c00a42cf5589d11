"""The JSON of the gateway's values, described from their types."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Any

from skypechan.call.record import CallRecord

_PLAIN = {str: "string", bool: "boolean", int: "integer", float: "number"}


def schema_of(kind: Any) -> dict[str, Any]:
    """Return the JSON schema of what a value of a type becomes."""
    if kind in _PLAIN:
        # A number that is none, as a level without audio, becomes null.
        return {"type": _PLAIN[kind] if kind is not float else ["number", "null"]}
    if kind is datetime:
        return {"type": "string", "format": "date-time"}
    if dataclasses.is_dataclass(kind):
        return _object(kind)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (tuple, list):
        return {"type": "array", "items": schema_of(arguments[0])}
    if origin in (dict, Mapping):
        return {"type": "object", "additionalProperties": schema_of(arguments[1])}
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [schema_of(one) for one in arguments]}
    return _word(kind)


def _word(kind: Any) -> dict[str, Any]:
    if kind is type(None):
        return {"type": "null"}
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return {"type": "string", "enum": [one.value for one in kind]}
    if isinstance(kind, type) and issubclass(kind, IntEnum):
        return {"type": "integer"}
    return {}


def _object(kind: Any) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    names = {field.name: field.name for field in dataclasses.fields(kind)}
    if kind is CallRecord:
        names["line_call"] = "skype_call"  # as `as_json` has it
    return {
        "type": "object",
        "properties": {shown: schema_of(hints[name]) for name, shown in names.items()},
        "required": list(names.values()),
    }


def finite(value: Any) -> Any:
    """Return a JSON value in which what is no finite number is null."""
    match value:
        case dict():
            return {key: finite(one) for key, one in value.items()}
        case list():
            return [finite(one) for one in value]
        case float() if not math.isfinite(value):
            return None
    return value
