"""Bringing an old `extensions.conf` to the dialplan of today, line by line.

Only calls that a channel driver of old would have placed are rewritten:
`Dial(Skypiax/LINE/ADDRESS,SECONDS,OPTIONS)` becomes a Gosub into `skypechan.conf`,
with several destinations each becomes a Local channel of it. Every other line stays
as it is, and the old form of a rewritten one is kept as a comment above it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

_DRIVERS: Final = r"(?:Skypiax|Skypopen)/"
_DIAL: Final = re.compile(r"\bDial\s*\(", re.IGNORECASE)
_OLD_DIAL: Final = re.compile(r"\bDial\s*[,|]\s*(?=" + _DRIVERS + ")", re.IGNORECASE)
_DESTINATION: Final = re.compile(_DRIVERS + r"(.+)\Z", re.IGNORECASE | re.DOTALL)
_NAMED: Final = re.compile(r"(?<![A-Za-z0-9_])" + _DRIVERS, re.IGNORECASE)
_IS_PRIORITY: Final = re.compile(r"\s*(?:exten|same)\s*=>?", re.IGNORECASE)
_SAFE: Final = "+._:-"

_NOT_CONVERTED: Final = "; skypechan: the next line is not converted"
_HEAD: Final = (
    "; Converted by skypechan. It needs  #include skypechan.conf  in this file. Write\n"
    "; ${URIENCODE(${EXTEN})} for ${EXTEN} where a phone can dial more than letters\n"
    "; and digits.\n"
)
_MOST_DIAL_ARGUMENTS: Final = 3


@dataclass(slots=True)
class _Rewriting:
    """The state of going through a file."""

    source: str
    output: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    is_comment: bool = False
    has_changed: bool = False


def is_one(text: str) -> bool:
    """Tell whether a text has extensions in it, as an `extensions.conf` has."""
    return any(_IS_PRIORITY.match(line) for line in text.split("\n"))


def convert(text: str, source: str) -> tuple[str, tuple[str, ...]]:
    """Return the new text, and a sentence for each line that needs a person."""
    going = _Rewriting(source)
    for number, line in enumerate(text.split("\n"), 1):
        _line(line, number, going)
    if not going.has_changed and not going.warnings:
        going.warnings.append(f"{source}: no call over the old driver is in it")
    head = _HEAD if going.has_changed else ""
    return head + "\n".join(going.output), tuple(going.warnings)


def _line(line: str, number: int, going: _Rewriting) -> None:
    code, comment = _split_comment(line.removesuffix("\r"), going)
    if not _NAMED.search(code):
        going.output.append(line)
        return
    new = _rewrite(code)
    if new != code:
        going.has_changed = True
        going.output.append(f"; was: {line}")
    if _NAMED.search(new):
        place = f"{going.source}:{number}"
        going.warnings.append(f"{place}: not converted: {code.strip()}")
        if going.output[-1:] != [_NOT_CONVERTED]:
            going.output.append(_NOT_CONVERTED)
    going.output.append(new + comment + ("\r" if line.endswith("\r") else ""))


def _split_comment(line: str, going: _Rewriting) -> tuple[str, str]:
    """Return what Asterisk reads of a line, and the rest; comments may span lines."""
    if going.is_comment:
        _, end, _ = line.partition("--;")
        going.is_comment = not end
        return "", line
    found = re.search(r"(?<!\\);", line)
    if not found:
        return line, ""
    code, comment = line[: found.start()], line[found.start() :]
    opens = re.match(r";--(?!-)", comment)
    going.is_comment = bool(opens) and "--;" not in comment[3:]
    return code, comment


def _rewrite(code: str) -> str:
    """Return a line with each call over the old driver in its new form."""
    position = 0
    while found := _DIAL.search(code, position):
        end = _closing(code, found.end())
        if end is None:
            break
        position = found.end()
        if (new := _dial(code[position:end])) is not None:
            code = code[: found.start()] + new + code[end + 1 :]
            position = found.start() + len(new)
    if found := _OLD_DIAL.search(code):
        # Asterisk 1.2: the application's arguments fill the rest of the line.
        given = code[found.end() :].rstrip()
        if (new := _dial(given)) is not None:
            code = code[: found.start()] + new + code[found.end() + len(given) :]
    return code


def _dial(text: str) -> str | None:
    """Return the new form of what stood in the parentheses of Dial, if there is one."""
    arguments = _split(text, ",")
    if len(arguments) == 1:
        # Asterisk up to 1.4 separated arguments by bars.
        arguments = _split(text, "|")
    destinations = [part.strip() for part in _split(arguments[0], "&")]
    called = [_called(part) for part in destinations]
    if not any(called):
        return None
    if len(destinations) > 1:
        joined = "&".join(map(_local, destinations, called))
        return f"Dial({','.join((joined, *arguments[1:]))})"
    line, address = called[0] or ("", "")
    given = [f"{line}/{address}" if address else line, *map(str.strip, arguments[1:])]
    while given[-1] == "":
        given.pop()
    return f"Gosub(skypechan,dial,1({','.join(given[:_MOST_DIAL_ARGUMENTS])}))"


def _local(destination: str, called: tuple[str, str] | None) -> str:
    if called is None or not called[1]:
        return destination
    return "Local/{}*{}@skypechan-lines".format(*called)


def _called(destination: str) -> tuple[str, str] | None:
    """Return line and encoded address of a destination of the old driver.

    A variable that holds both is returned as the line.
    """
    found = _DESTINATION.match(destination)
    if found is None:
        return None
    line, *rest = _split(found[1], "/")
    address = "/".join(rest)
    if address:
        return line, _encode(address)
    return (line, "") if line.startswith("${") and not rest else None


def _encode(address: str) -> str:
    """Percent-encode what is written, and keep `${...}` and `$[...]`."""
    pieces: list[str] = []
    written = ""
    position = 0
    while position < len(address):
        if address[position : position + 2] in ("${", "$["):
            end = _closing(address, position + 2)
            end = len(address) - 1 if end is None else end
            pieces += [_quote(written), address[position : end + 1]]
            written, position = "", end + 1
        else:
            # A backslash only kept the next letter from Asterisk.
            position += address[position] == "\\"
            written += address[position : position + 1]
            position += 1
    return "".join(pieces) + _quote(written)


def _quote(text: str) -> str:
    return quote(text.encode("utf-8", "surrogateescape"), safe=_SAFE)


_BRACKETS: Final = {"(": ")", "{": "}", "[": "]"}


def _closing(text: str, start: int) -> int | None:
    """Return where the bracket closes that was opened just before `start`."""
    depth = 0
    for position in range(start, len(text)):
        letter = text[position]
        if letter in _BRACKETS:
            depth += 1
        elif letter in _BRACKETS.values():
            if depth == 0:
                return position
            depth -= 1
    return None


def _split(text: str, separator: str) -> list[str]:
    """Split at a separator outside of brackets and not after a backslash."""
    parts, depth, before = [""], 0, ""
    for letter in text:
        depth += (letter in _BRACKETS) - (letter in _BRACKETS.values())
        is_escaped, before = before == "\\", letter
        if letter == separator and depth == 0 and not is_escaped:
            parts.append("")
        else:
            parts[-1] += letter
    return parts
