"""Figures that tests measure, shown at the end of the run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np


class Figures:
    """Collects milliseconds by name."""

    def __init__(self) -> None:
        self._values: defaultdict[str, list[float]] = defaultdict(list)

    def add(self, name: str, *milliseconds: float) -> None:
        """Note what was measured."""
        self._values[name].extend(map(float, milliseconds))

    def as_dict(self) -> dict[str, list[float]]:
        """All figures, as one worker of several tells them."""
        return dict(self._values)

    def merge(self, values: Mapping[str, Sequence[float]]) -> None:
        """Take the figures of another worker."""
        for name, milliseconds in values.items():
            self.add(name, *milliseconds)

    def lines(self) -> list[str]:
        """One line for each name: count, least, median, most."""
        return [
            f"{name}: n={len(values)} min {min(values):.2f} "
            f"median {np.median(values):.2f} max {max(values):.2f} ms"
            for name, values in sorted(self._values.items())
        ]


MEASURED = Figures()
