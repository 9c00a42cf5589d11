"""How a benchmark ends: with a status, and one sentence where something went wrong."""

from __future__ import annotations

from collections.abc import Callable

import aiohttp

from skypechan.demo.report import tell
from skypechan.errors import SkypechanError

_MAY_HAPPEN = (
    SkypechanError,
    AssertionError,
    TimeoutError,
    OSError,
    aiohttp.ClientError,
)
_INTERRUPTED = 130


def run(name: str, work: Callable[[], None]) -> int:
    """Do the work; return the exit status. What is a fault of ours is raised."""
    try:
        work()
    except KeyboardInterrupt:
        tell(f"{name}: interrupted")
        return _INTERRUPTED
    except Exception as error:
        told = _that_may_happen(error)
        if told is None:
            raise
        tell(f"{name}: {str(told) or type(told).__name__}")
        return 1
    return 0


def _that_may_happen(error: Exception) -> Exception | None:
    """Return what is to be told of an error; None if any part of it is a fault."""
    if not isinstance(error, ExceptionGroup):
        return error if isinstance(error, _MAY_HAPPEN) else None
    found = [_that_may_happen(one) for one in error.exceptions]
    return found[0] if all(found) else None
