"""The sample configuration: it loads, and it shows every setting."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from skypechan.backends.skype.settings import SkypeSettings
from skypechan.config.reader import SECTIONS, parse
from skypechan.config.sample import sample
from skypechan.desktop.settings import ClientSettings
from skypechan.gateway.settings import LineSettings


def test_the_sample_loads_and_keeps_the_defaults() -> None:
    config = parse(sample(), Path("sample.toml"), {})
    assert [line.name for line in config.lines] == ["skypeclient"]
    for name, settings in SECTIONS.items():
        assert getattr(config, name) == settings()
    assert config.lines[0].client == ClientSettings()


def test_the_sample_shows_every_setting_with_a_comment() -> None:
    lines = sample().splitlines()
    for settings in (*SECTIONS.values(), LineSettings, SkypeSettings, ClientSettings):
        for declared in dataclasses.fields(settings):
            at = [
                number
                for number, line in enumerate(lines)
                if line.removeprefix("# ").startswith(
                    (f"{declared.name} = ", f"{declared.name}_file = ")
                )
            ]
            assert at, f"{declared.name} is missing"
            assert lines[at[0] - 1].startswith("# ")
