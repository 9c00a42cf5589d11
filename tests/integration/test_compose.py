"""The compose file and the Containerfiles say what docker/README.md says of them.

`make images` builds the images and starts them (tests/drill/test_images.py).
"""

from __future__ import annotations

import re

import pytest

from skypechan.config import reader
from tests.drill.composed import DOCKER, Service, composed

IMAGES = sorted(path.stem for path in (DOCKER / "images").glob("*.Containerfile"))
SECRETS = {"AMI_SECRET": "a", "SIP_SECRET": "b", "WEB_TOKEN": "c"}


@pytest.fixture(scope="module")
def services() -> dict[str, Service]:
    found = composed(SECRETS)
    if found is None:
        pytest.skip("no YAML reader: apt-get install python3-yaml")
    return found


def test_each_service_is_confined(services: dict[str, Service]) -> None:
    for name, service in services.items():
        told = service.told
        assert told["user"] == "10001:10001", name
        assert told["read_only"] is True, name
        assert told["cap_drop"] == ["ALL"], name
        assert told["security_opt"] == ["no-new-privileges:true"], name


def test_each_service_has_an_image_that_is_built_here(
    services: dict[str, Service],
) -> None:
    assert {service.image for service in services.values()} == {
        f"skypechan-{name}" for name in IMAGES
    }


def test_each_profile_is_whole(services: dict[str, Service]) -> None:
    profiles: dict[str, set[str]] = {}
    for service in services.values():
        for profile in service.told["profiles"]:
            profiles.setdefault(profile, set()).add(service.image)
    assert profiles == {
        "demo": {f"skypechan-{name}" for name in IMAGES},
        "beside": {"skypechan-gateway", "skypechan-client"},
    }


def test_what_is_mounted_is_a_configuration_that_can_be_read(
    services: dict[str, Service],
) -> None:
    mounted = {
        source
        for one in services.values()
        for source, *_ in one.mounts
        if "/" in source
    }
    assert mounted == {"./compose/client.toml", "./compose/skypechan.toml"}
    environment = {
        name: value
        for one in services.values()
        for name, value in one.environment.items()
        if name.startswith("SKYPECHAN_")
    }
    gateway = reader.load(DOCKER / "compose/skypechan.toml", environment)
    client = reader.load(DOCKER / "compose/client.toml", {})
    assert gateway.asterisk.ami_secret == "a"
    assert gateway.web.token == "c"
    assert [line.name for line in gateway.lines] == [line.name for line in client.lines]
    folder = client.lines[0].client.folder
    assert gateway.lines[0].backend.dbus_address == f"unix:path={folder}/bus/bus"


@pytest.mark.parametrize("name", IMAGES)
def test_each_image_has_a_user_and_a_health_check(name: str) -> None:
    text = (DOCKER / f"images/{name}.Containerfile").read_text()
    assert re.search(r"^USER 10001:10001$", text, re.MULTILINE)
    assert re.search(r"^HEALTHCHECK .*\\\n    CMD ", text, re.MULTILINE)
