"""A HOME is furnished while it is new, and never again."""

from __future__ import annotations

from pathlib import Path

from skypechan.desktop.users import furnish


def test_a_new_home_gets_its_files_and_they_are_private(tmp_path: Path) -> None:
    furnish(tmp_path, {"profile/alice/config.xml": "<config/>"}, None)
    path = tmp_path / "profile" / "alice" / "config.xml"
    assert path.read_text() == "<config/>"
    for made in (path, *path.parents[:2]):
        assert made.stat().st_mode & 0o077 == 0


def test_a_home_that_was_lived_in_is_left_alone(tmp_path: Path) -> None:
    elsewhere, home = tmp_path / "elsewhere", tmp_path / "home"
    elsewhere.mkdir()
    home.mkdir()
    (home / "profile").symlink_to(elsewhere)
    furnish(home, {"profile/config.xml": "<config/>"}, None)
    assert list(elsewhere.iterdir()) == []
