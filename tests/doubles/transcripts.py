"""The transcripts of tests/data/transcripts: how they are read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "data" / "transcripts"
MARKERS = ("!", "->", "<=", "<-", "<~", "=", "@")


@dataclass(frozen=True, slots=True)
class Line:
    marker: str
    text: str
    number: int


@dataclass(frozen=True, slots=True)
class Transcript:
    name: str
    lines: tuple[Line, ...]

    @property
    def attaches(self) -> bool:
        """Whether the handshake is in it."""
        said = (x.text for x in self.lines if x.marker == "->")
        return any(without_token(text).startswith("NAME ") for text in said)

    def setup(self, key: str) -> list[str]:
        """Every value of a key of the world."""
        found = [line.text.partition(" ") for line in self.lines if line.marker == "!"]
        return [value for name, _, value in found if name == key]


def read(path: Path) -> Transcript:
    lines = []
    for number, raw in enumerate(path.read_text("utf-8").splitlines(), start=1):
        if not raw or raw.startswith("#"):
            continue
        marker, _, text = raw.partition(" ")
        assert marker in MARKERS, f"{path.name}:{number}: {raw}"
        lines.append(Line(marker, text, number))
    return Transcript(path.stem, tuple(lines))


def transcripts() -> list[Transcript]:
    return [read(path) for path in sorted(FOLDER.glob("t*.txt"))]


def without_token(text: str) -> str:
    return text.partition(" ")[2] if text.startswith("#") else text
