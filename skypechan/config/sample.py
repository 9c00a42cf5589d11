"""The commented sample configuration, made from the settings themselves."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

from skypechan.config.contacts import contact_uuid
from skypechan.config.reader import BACKENDS, CLIENT, SECTIONS
from skypechan.desktop.settings import ClientSettings
from skypechan.gateway.settings import LineSettings
from skypechan.settings import Endpoint

_HEAD = """\
# skypechan: the whole configuration. Each key has its default, but for the account and
# the extension of the line; a key that keeps its default may be left out. The
# environment goes before: SKYPECHAN_ASTERISK__AMI_USERNAME, SKYPECHAN_LINES__NAME__KEY.
"""

_LINE_NAME = "skypeclient"
_LINE_VALUES = {"account": "skypet123", "extension": "600"}

_ASTERISKS = """\
# Further Asterisks, one table each with the keys of [asterisk]: ami_username and secret
# are those of its own manager.conf, and audiosocket_listen needs a port of its own.
# [asterisks.branch]
# ami = "10.0.0.2:5038"
# audiosocket_listen = "10.0.0.1:9093"
# audiosocket_allow = ["10.0.0.2/32"]
"""
_ROUTES = """
# Where calls from a line go; the first rule that matches wins, else the line's own
# extension and context. `line`, `account` and `caller` are shell-style patterns, `type`
# is p2p for a user and pstn for a telephone; what is left out is of no matter.
# [[routes]]
# line = "skypeclient"
# account = "skypet123"
# caller = "boss.*"
# type = "p2p"
# to = "555@from-skypechan"
"""
_CONTACTS = f"""
# Users for the plain form Dial(AudioSocket/HOST:PORT/UUID/c(slin16)), in which
# Asterisk answers at once. `address` is the contact's name unless it is given.
[contacts]
echo123 = {{ uuid = "{contact_uuid("echo123")}", line = "ANY" }}
"""

_SECTION_COMMENTS = {
    "asterisk": "The Asterisk beside which the gateway stands.",
    "web": "The page, the JSON API and the metrics.",
    "control": "The operator's commands.",
    "log": "What is written to standard error.",
    "records": "What is written down of each call.",
    "state": "What the gateway remembers when it starts again.",
    "media": "How silence, lateness, clocks and receivers that lag are dealt with.",
}


def sample() -> str:
    """Return the sample configuration as TOML text."""
    return "\n".join(_lines()) + _ROUTES + _CONTACTS


def _lines() -> Iterator[str]:
    yield _HEAD
    for name, settings in SECTIONS.items():
        yield f"# {_SECTION_COMMENTS[name]}"
        yield f"[{name}]"
        yield from _keys(settings, {})
        yield ""
        if name == "asterisk":
            yield _ASTERISKS
    yield "# One table for each line; its name is what the dialplan dials."
    yield f"[lines.{_LINE_NAME}]"
    yield from _keys(LineSettings, _LINE_VALUES)
    for backend, settings_or_none in BACKENDS.items():
        if settings_or_none is not None:
            yield f'# Only for backend = "{backend}":'
            yield from _keys(settings_or_none, _LINE_VALUES)
    yield "\n# Where the gateway itself starts the line's client and keeps it running."
    yield f"[lines.{_LINE_NAME}.{CLIENT}]"
    yield from _keys(ClientSettings, {})


def _keys(settings: type, values: dict[str, str]) -> Iterator[str]:
    for declared in dataclasses.fields(settings):
        limits = declared.metadata
        comment = limits["comment"]
        if "choices" in limits:
            comment += " (" + ", ".join(limits["choices"]) + ")"
        elif "least" in limits and "most" in limits:
            comment += f" ({limits['least']} to {limits['most']})"
        yield f"# {comment}"
        value = values.get(declared.name, limits["default"])
        if limits.get("secret"):
            yield f'# {declared.name}_file = "/etc/skypechan/{declared.name}"'
        else:
            yield f"{declared.name} = {_as_toml(value)}"


def _as_toml(value: Any) -> str:
    """Return a value as TOML; JSON's text, numbers and lists are TOML as well."""
    if isinstance(value, Endpoint):
        return json.dumps(str(value))
    return json.dumps(list(value) if isinstance(value, tuple) else value)
