"""What AudioSocket can do in each release of Asterisk."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from skypechan.asterisk.pbx import PbxState
from skypechan.asterisk.versions import Version
from skypechan.errors import CommandError
from tests.doubles.ami_server import AmiServer
from tests.doubles.clock import FakeClock
from tests.doubles.scripted_asterisk import driving, globals_of, knows


@pytest.mark.parametrize(
    ("text", "wideband", "digits"),
    [
        ("18.26.4", False, False),
        ("20.6.0~dfsg+~cs6.13.40431414-2build5", False, False),
        ("20.14.0", False, True),
        ("20.17.0", True, True),
        ("21.11.0", False, True),
        ("21.12.0", True, True),
        ("22.3.0", False, False),
        ("22.7.0", True, True),
        ("22.10.1+dfsg+~cs6.17.60671434-1", True, True),
        ("23.0.0", False, True),
        ("23.1.0", True, True),
        ("24.0.0", True, True),
        ("certified-20.7-cert3", False, False),
        ("GIT-master-abc", False, False),
        ("", False, False),
    ],
)
def test_a_release_can_do_what_its_change_log_says(
    text: str, wideband: bool, digits: bool
) -> None:
    version = Version(text)
    assert (version.has_wideband, version.has_digits) == (wideband, digits)


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("22.10.1", ""),
        ("20.15.0", "audio is 8 kHz only"),
        ("20.6.0", "a phone's digits come by AMI only and audio is 8 kHz only"),
        ("16.28.0", "Asterisk 16.28.0 has no AudioSocket with a choice of codec"),
    ],
)
def test_what_a_release_cannot_do_is_one_sentence(text: str, limits: str) -> None:
    assert Version(text).limits == limits


def test_of_an_unknown_release_only_what_every_one_can_do_is_expected() -> None:
    limits = Version("GIT-master-abc").limits.split(" and ")
    assert limits[0] == "its release is not known"
    assert limits[1:] == Version("18.0.0").limits.split(" and ")


@pytest.mark.parametrize("text", ["18.0.0", "20.6.0", "24.0.0", ""])
def test_a_release_that_can_carry_calls_is_taken(text: str) -> None:
    Version(text).require()


def test_a_release_that_is_of_no_use_is_refused_with_the_remedy() -> None:
    with pytest.raises(CommandError, match=r"use Asterisk 18 or newer$"):
        Version("16.28.0").require()


@pytest.mark.parametrize(
    ("release", "best", "limits"),
    [
        ("18.26.4", "slin", Version("18.26.4").limits),
        ("19.8.1", "slin", Version("19.8.1").limits),
        ("20.6.0~dfsg+~cs6.13", "slin", Version("20.6.0").limits),
        ("20.15.0", "slin", "audio is 8 kHz only"),
        ("20.17.0", "slin16", ""),
        ("21.12.0", "slin16", ""),
        ("22.6.0", "slin", "audio is 8 kHz only"),
        ("22.10.1", "slin16", ""),
    ],
)
async def test_calls_use_what_the_release_can_do_and_status_says_the_rest(
    release: str, best: str, limits: str
) -> None:
    async with knows(release) as server, driving(server, FakeClock()) as driver:
        await driver.state(PbxState.READY)
        assert driver.pbx.reason == limits
        assert globals_of(server)["SKYPECHAN_WIDEBAND"] == best
        await driver.originate()
        assert ("Codecs", best) in await server.received("Originate")


async def test_a_release_before_18_takes_no_call() -> None:
    async with knows("16.28.0") as server, driving(server, FakeClock()) as driver:
        await driver.state(PbxState.NOT_READY)
        assert driver.pbx.reason == (
            "Asterisk 16.28.0 has no AudioSocket with a choice of codec:"
            " use Asterisk 18 or newer"
        )


async def test_without_func_version_the_release_is_asked_for_in_another_way() -> None:
    def settings(server: AmiServer, action: Mapping[str, str]) -> None:
        server.respond(action, AsteriskVersion="22.10.1")

    async with knows("") as server, driving(server, FakeClock()) as driver:
        server.answers["CoreSettings"] = settings
        await driver.state(PbxState.READY)
        assert driver.pbx.version == Version("22.10.1")
