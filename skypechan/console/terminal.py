"""What every operating command needs: the gateway that is meant, and the terminal."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from skypechan.console.client import ControlClient

OK, FAILED, UNUSABLE = 0, 1, 2
"""Unusable is a configuration, or for `status` a gateway that can make no call."""


def gateway_of(options: argparse.Namespace) -> ControlClient:
    """Return the running gateway that is meant."""
    from skypechan.console.client import ControlClient, places_of

    return ControlClient(places_of(options.config))


def show(options: argparse.Namespace, value: Any, text: Callable[[], str]) -> int:
    """Print an answer, as JSON where that is wanted."""
    if options.json:
        say_json(value)
    else:
        say(text())
    return OK


def say_json(value: Any, *, indent: int | None = 2) -> None:
    """Print JSON."""
    say(json.dumps(value, indent=indent))


def say(text: str) -> None:
    """Print what a terminal can show of a text, at once."""
    encoding = sys.stdout.encoding or "utf-8"
    print(text.encode(encoding, "replace").decode(encoding), flush=True)  # noqa: T201


def now() -> datetime:
    """Return the time of day."""
    from skypechan.clock import SystemClock

    return SystemClock().wall()
