"""Questions to an X server whose answers come later."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Asked(Generic[_Answer]):
    """A question to the server that has perhaps been answered."""

    _request: Any
    _read: Callable[[Any], _Answer]
    _otherwise: _Answer

    @property
    def answered(self) -> bool:
        """True once the answer was received."""
        data: object = self._request._data  # noqa: SLF001 - no other way to it
        return data is not None or self._refused

    def answer(self) -> _Answer:
        """The answer; what was said for the case, when the server refused."""
        return self._otherwise if self._refused else self._read(self._request)

    @property
    def _refused(self) -> bool:
        error: object = self._request._error  # noqa: SLF001 - no other way to it
        return error is not None
