"""How long a drill lasts and what its chances are drawn from.

`make drill SEED= MINUTES=` sets both; else each drill is short and its seed fixed, so
that a failure in the ordinary suite comes back.
"""

from __future__ import annotations

import os
import random
import secrets

import pytest

_SHORT_S = 4.0


def _full() -> bool:
    return "SKYPECHAN_DRILL_MINUTES" in os.environ


@pytest.fixture(scope="session")
def drill_seed() -> int:
    """The seed: given, else 1 in a short drill, of chance in a full one."""
    if given := os.environ.get("SKYPECHAN_DRILL_SEED"):
        return int(given)
    return secrets.randbelow(1_000_000) if _full() else 1


@pytest.fixture
def chance(drill_seed: int, request: pytest.FixtureRequest) -> random.Random:
    """The drill's dice. A failed drill shows the seed among its captured output."""
    print(f"seed {drill_seed}: make drill SEED={drill_seed}")  # noqa: T201
    return random.Random(f"{drill_seed} {request.node.name}")


@pytest.fixture(scope="session")
def drill_s(request: pytest.FixtureRequest) -> float:
    """Seconds for one drill: its share of the minutes asked for."""
    if not _full():
        return _SHORT_S
    drills = [item for item in request.session.items if "drill" in item.path.parts]
    return float(os.environ["SKYPECHAN_DRILL_MINUTES"]) * 60 / max(len(drills), 1)
