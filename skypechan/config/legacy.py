"""The lines of an old configuration, in the names of ours.

What a file of chan_skypiax or mod_skypopen says is brought into the form of our own
`[lines.NAME]` tables, each value with the place it came from. Types and limits are
not judged here: that is the reader's part, as for every other table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from skypechan.config.values import Untyped, did_you_mean

TRUE_WORDS = frozenset(("yes", "true", "y", "t", "1", "on"))
"""What Asterisk takes for true (ast_true), FreeSWITCH nearly so (switch_true)."""

FALSE_WORDS = frozenset(("no", "false", "n", "f", "0", "off"))


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value came from: FILE:LINE, and its name there."""

    place: str
    name: str


@dataclass(frozen=True, slots=True)
class Note:
    """Something of an old file that is other here, and the line it is said of."""

    line: str
    place: str
    text: str


@dataclass(slots=True)
class OldFile:
    """What an old file says.

    `lines` holds our keys by the line's name; `origins` where a key of a line, or with
    an empty key the line itself, is written.
    """

    source: str
    lines: dict[str, dict[str, Untyped]] = field(default_factory=dict)
    origins: dict[tuple[str, str], Origin] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    wants_debug: bool = False

    def place(self, number: int) -> str:
        """Return how a fault names a line of the file."""
        return f"{self.source}:{number}"

    def fault(self, number: int, text: str) -> None:
        """Note what makes the file unusable."""
        self.faults.append(f"{self.place(number)}: {text}")

    def note(self, line: str, number: int, text: str) -> None:
        """Note what the operator should know."""
        self.notes.append(Note(line, self.place(number), text))

    def begin(self, line: str, number: int) -> None:
        """Begin a line."""
        self.lines[line] = {"backend": Untyped("skype"), "transport": Untyped("x11")}
        self.origins[line, ""] = Origin(self.place(number), line)

    def put(self, line: str, key: str, value: str, number: int, name: str) -> None:
        """Set a key of a line."""
        self.lines[line][key] = Untyped(value)
        self.origins[line, key] = Origin(self.place(number), name)

    def unknown(self, number: int, owner: str, name: str, known: Sequence[str]) -> None:
        """Note an option that nobody knows."""
        self.fault(number, f"{owner} knows no {name!r}{did_you_mean(name, known)}")

    def truth(self, number: int, name: str, value: str) -> bool:
        """Return what a word of yes or no means; a fault and False for neither."""
        if value.lower() not in TRUE_WORDS | FALSE_WORDS:
            self.fault(number, f"{name}: must be yes or no, not {value!r}")
        return value.lower() in TRUE_WORDS

    @property
    def warnings(self) -> tuple[str, ...]:
        """The notes as sentences for the log."""
        return tuple(f"{note.place}: {note.text}" for note in self.notes)
