"""One value of a configuration file: its type, its limits, its nearest right name."""

from __future__ import annotations

import difflib
import tomllib
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from skypechan.errors import ConfigError
from skypechan.settings import Endpoint

_TYPE_WORDS = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
}


class Untyped(str):
    """A value from where types cannot be told: the environment, an INI or XML file."""

    __slots__ = ()

    def as_type(self, kind: Any) -> Any:
        """Return text for text, and what TOML reads for anything else."""
        if kind in (str, Endpoint):
            return str(self)
        try:
            return tomllib.loads(f"value = {self}")["value"]
        except tomllib.TOMLDecodeError:
            return str(self)


def convert(value: Any, kind: Any, limits: Mapping[str, Any]) -> Any:
    """Return a value as the type of its field. Raises ConfigError."""
    if isinstance(value, Untyped):
        value = value.as_type(kind)
    if kind is Endpoint:
        if not isinstance(value, str):
            raise ConfigError(f"must be text, HOST:PORT, not {value!r}")
        return Endpoint.parse(value)
    if typing.get_origin(kind) is tuple:
        if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
            raise ConfigError(f"must be a list of text, not {value!r}")
        for text in value:
            _check_limits(text, limits)
        return tuple(value)
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise ConfigError(f"must be {_TYPE_WORDS[kind]}, not {value!r}")
    _check_limits(value, limits)
    return value


def _check_limits(value: Any, limits: Mapping[str, Any]) -> None:
    if value and "form" in limits:
        limits["form"](value)
    if "choices" in limits and value not in limits["choices"]:
        hint = did_you_mean(str(value), limits["choices"])
        words = ", ".join(limits["choices"])
        raise ConfigError(f"must be one of {words}, not {value!r}{hint}")
    # So written, not-a-number is outside every limit.
    if "least" in limits and not value >= limits["least"]:
        raise ConfigError(f"must be at least {limits['least']}, not {value}")
    if "most" in limits and not value <= limits["most"]:
        raise ConfigError(f"must be at most {limits['most']}, not {value}")


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """Return the end of a complaint: the known word that was probably meant."""
    close = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
