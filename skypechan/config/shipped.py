"""What comes along for the programs beside us: files for Asterisk and for systemd."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]
_IN_CHECKOUT = {"asterisk-conf": "asterisk-conf", "systemd": "docker/systemd"}

SHIPPED = tuple(_IN_CHECKOUT)
"""The folders that there are."""


def shipped(name: str) -> Path:
    """Return the folder, one of SHIPPED: within the package, or in the checkout."""
    installed = _PACKAGE / "share" / name
    return installed if installed.is_dir() else _PACKAGE.parent / _IN_CHECKOUT[name]
