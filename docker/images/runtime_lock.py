"""Prints what of requirements.lock the gateway runs with; the rest is for tests.

    runtime_lock.py DISTRIBUTION LOCK

The distribution, and what it depends on, must be installed where this runs.
"""

# ruff: noqa: INP001, T201 - a script by itself

from __future__ import annotations

import re
import sys
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def needed(name: str, found: set[str]) -> set[str]:
    """Add to `found` what a distribution depends on, and they in turn."""
    for text in metadata.requires(name) or ():
        requirement = Requirement(text)
        other = canonicalize_name(requirement.name)
        wanted = requirement.marker is None or requirement.marker.evaluate()
        if wanted and other not in found:
            found.add(other)
            needed(other, found)
    return found


def main(distribution: str, lock: str) -> None:
    """Print the pinned lines, with their hashes, of what is needed."""
    names = needed(distribution, set())
    for block in re.split(r"(?m)^(?=[A-Za-z0-9])", Path(lock).read_text()):
        if canonicalize_name(block.partition("==")[0]) in names:
            print(block, end="")


if __name__ == "__main__":
    main(*sys.argv[1:])
