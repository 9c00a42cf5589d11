"""The settings that a client's profile is seeded with."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from skypechan.backends.skype.profile import seeds


def test_events_updates_and_video_are_off_and_sound_is_the_systems() -> None:
    ((path, text),) = seeds(["skype", "--dbpath=profile"], "alice", "").items()
    assert path == "profile/alice/config.xml"
    config = ET.fromstring(text)  # noqa: S314 - ours
    found = {
        name: config.findtext(name)
        for name in (
            "UI/Notify/Disable",
            "UI/AutoUpdate",
            "Lib/Video/Disable",
            "UI/SoundDevice",
            "UI/CaptureDevice",
            "UI/RingDevice",
        )
    }
    assert list(found.values()) == ["1", "0", "1", "default", "default", "default"]
    assert config.find("UI/API") is None, "only a person allows programs"


@pytest.mark.parametrize(
    ("command", "account", "login", "path"),
    [
        (["skype", "--dbpath", "own"], "alice", "", "own/alice/config.xml"),
        (["skype"], "alice", "", ".Skype/alice/config.xml"),
        (["skype"], "", "bob sesame", ".Skype/bob/config.xml"),
        (["skype"], "", "", None),
        (["skype", "--dbpath=/elsewhere"], "alice", "", None),
        (["skype", "--dbpath=../elsewhere"], "alice", "", None),
        (["skype"], "../alice", "", None),
    ],
)
def test_seeds_lie_where_the_client_looks_or_nowhere(
    command: list[str], account: str, login: str, path: str | None
) -> None:
    assert list(seeds(command, account, login)) == ([path] if path else [])
