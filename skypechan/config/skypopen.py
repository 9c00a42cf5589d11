"""Reading `skypopen.conf.xml`, the configuration of mod_skypopen, and its forerunner.

Parameters of `global_settings` are defaults of every `interface`, here a line; what an
interface sets itself counts (source: mod_skypopen.c).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat

from skypechan.config.legacy import OldFile
from skypechan.errors import ConfigError

_OUR_NAMES: Final = {
    "context": "context",
    "destination": "extension",
    "skype_user": "account",
    "X11-display": "display",
    "X11_display": "display",
    "tcp_cli_port": "sound_port_to_skype",
    "tcp_srv_port": "sound_port_from_skype",
    "report_incoming_chatmessages": "messages",
    "silent_mode": "silent_mode",
}
# What no and yes mean here.
_OUR_WORDS: Final = {
    "report_incoming_chatmessages": ("ignore", "report"),
    "silent_mode": ("false", "true"),
}
_DEFAULTS: Final = {"context": "default", "destination": "5000"}
_REQUIRED: Final = ("skype_user", "X11-display")

_NO_COUNTERPART: Final = {
    "dialplan": "calls go to Asterisk's own dialplan",
    "write_silence_when_idle": "silence is always written",
    "setsockopt": "sockets are always without delay",
    "debug": "see [log] level",
    "skype_password": "who signs in is the client's part",
    "codec-prefs": "the format follows the call",
    "codec-rates": "the format follows the call",
    "codec-master": "the format follows the call",
    "hold-music": "see Asterisk's musiconhold.conf",
}
_KNOWN: Final = (*_OUR_NAMES, *_NO_COUNTERPART)


@dataclass(frozen=True, slots=True)
class _Parameter:
    name: str
    value: str
    number: int


@dataclass(slots=True)
class _Interface:
    name: str
    number: int
    parameters: list[_Parameter] = field(default_factory=list)


@dataclass(slots=True)
class _Document:
    """What of the XML counts, gathered while expat reads it."""

    number: Callable[[], int]
    root: str = ""
    is_open: bool = False
    common: list[_Parameter] = field(default_factory=list)
    interfaces: list[_Interface] = field(default_factory=list)

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Take note of an element."""
        if tag == "configuration":
            self.root = attributes.get("name", "")
        elif tag == "interface":
            name = attributes.get("name", "")
            self.interfaces.append(_Interface(name, self.number()))
            self.is_open = True
        elif tag == "param":
            name, value = attributes.get("name", ""), attributes.get("value", "")
            owner = self.interfaces[-1].parameters if self.is_open else self.common
            owner.append(_Parameter(name, value.strip(), self.number()))

    def end(self, tag: str) -> None:
        """Take note of an element's end."""
        if tag == "interface":
            self.is_open = False


def parse(text: str, source: str) -> OldFile:
    """Read the text of a file. Raises ConfigError if it is not such a document.

    What is wrong in a document is noted as faults. A document type is refused: only
    it can declare entities, which may grow without limit or read other files.
    """
    document = _read(text, source)
    old = OldFile(source)
    for parameter in document.common:
        _check("global_settings", parameter, old)
    for interface in document.interfaces:
        _line(interface, document.common, old)
    if not document.interfaces:
        old.faults.append(f"{source}: there is no interface in it")
    return old


def _read(text: str, source: str) -> _Document:
    parser = expat.ParserCreate()
    document = _Document(lambda: parser.CurrentLineNumber)

    def refuse(*_: object) -> None:
        number = parser.CurrentLineNumber
        raise ConfigError(f"{source}:{number}: a document type is not accepted here")

    parser.StartElementHandler = document.start
    parser.EndElementHandler = document.end
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(text.encode("utf-8", "surrogateescape"), True)
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        raise ConfigError(f"{source}:{error.lineno}: is not XML: {reason}") from error
    except (LookupError, ValueError) as error:
        raise ConfigError(f"{source}: its encoding is not read: {error}") from error
    if document.root not in ("skypopen.conf", "skypiax.conf"):
        raise ConfigError(
            f'{source}: has no <configuration name="skypopen.conf"> element'
        )
    return document


def _check(owner: str, parameter: _Parameter, old: OldFile) -> None:
    if parameter.name not in _KNOWN:
        old.unknown(parameter.number, owner, parameter.name, _KNOWN)
    elif "$${" in parameter.value:
        text = "holds a variable of FreeSWITCH: write its value"
        old.fault(parameter.number, f"{parameter.name}: {text}")
    elif not parameter.value.isprintable():
        old.fault(parameter.number, f"{parameter.name}: holds control characters")


def _line(interface: _Interface, common: list[_Parameter], old: OldFile) -> None:
    """Bring one interface into our names."""
    name, number = interface.name, interface.number
    if not name:
        old.fault(number, "an interface has no name")
        return
    if name in old.lines:
        place = old.origins[name, ""].place
        old.fault(number, f"interface {name!r} stands in {place} already")
        return
    old.begin(name, number)
    for parameter in interface.parameters:
        _check(f"interface {name!r}", parameter, old)
    for theirs, value in _DEFAULTS.items():
        old.put(name, _OUR_NAMES[theirs], value, number, theirs)
    for parameter in (*common, *interface.parameters):
        key = _OUR_NAMES.get(parameter.name)
        if key and parameter.value:
            value = _our_value(parameter, old)
            old.put(name, key, value, parameter.number, parameter.name)
        elif why := _NO_COUNTERPART.get(parameter.name):
            text = f"{parameter.name} has no counterpart: {why}"
            old.note(name, parameter.number, text)
    for required in _REQUIRED:
        if _OUR_NAMES[required] not in old.lines[name]:
            old.fault(number, f"interface {name!r} does not say {required}")


def _our_value(parameter: _Parameter, old: OldFile) -> str:
    """Return a value in our words; a yes or no is a fault if it is neither."""
    words = _OUR_WORDS.get(parameter.name)
    if words is None:
        return parameter.value
    return words[old.truth(parameter.number, parameter.name, parameter.value)]
