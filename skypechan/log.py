"""Logging: one format, the call id in every line of a call, JSON on request."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

from skypechan.settings import setting

WIRE = "skypechan.wire."
"""How the names of the loggers begin that have what a line and its client say."""

_FORMAT = "%(asctime)s %(levelname)-7s %(name)s %(call)s%(message)s"


@dataclass(frozen=True, slots=True)
class LogSettings:
    """How much is logged, and in what form; always to standard error."""

    level: str = setting(
        "info",
        "how much: debug (with every line on the wire), info, warning, error",
        choices=("debug", "info", "warning", "error"),
    )
    json: bool = setting(False, "one JSON object a line instead of text")


def legible(text: str) -> str:
    """Return a text that moves no cursor and breaks no line, whoever wrote it."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


class CallLog(logging.LoggerAdapter[logging.Logger]):
    """A logger whose lines carry the id of one call."""

    def __init__(self, logger: logging.Logger, call_id: str) -> None:
        super().__init__(logger, {"call_id": call_id})

    def process(
        self, msg: Any, kwargs: MutableMapping[str, Any]
    ) -> tuple[Any, MutableMapping[str, Any]]:
        """Add the call id to the record."""
        return msg, {**kwargs, "extra": self.extra}


def wire_log(line: str) -> logging.Logger:
    """Return the logger for what a line and its client say to each other.

    Its level is what `trace` sets: DEBUG shows it whatever else the log shows.
    """
    return logging.getLogger(WIRE + line.replace(".", "_"))


def trace(wire: logging.Logger, *, on: bool) -> None:
    """Show what a line and its client say, or leave it to the level of the log."""
    wire.setLevel(logging.DEBUG if on else logging.NOTSET)


class _CallPrefix(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        call_id = getattr(record, "call_id", "")
        record.call = f"[{call_id}] " if call_id else ""
        return True


class _TextLines(logging.Formatter):
    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        record.message = legible(record.message)
        return super().formatMessage(record)


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": self.formatTime(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if call_id := getattr(record, "call_id", ""):
            line["call"] = call_id
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


def set_up(settings: LogSettings) -> None:
    """Send the log to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_CallPrefix())
    handler.setFormatter(_JsonLines() if settings.json else _TextLines(_FORMAT))
    logging.basicConfig(level=settings.level.upper(), handlers=[handler], force=True)
    # Libraries report connection detail at INFO that means nothing to an operator.
    for noisy in ("aiohttp.access", "panoramisk", "dbus_next"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
