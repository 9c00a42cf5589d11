from __future__ import annotations

from http import HTTPStatus

import pytest

from skypechan.settings import Endpoint
from skypechan.web.auth import Hosts, Refusal, Token, is_loopback

HOSTS = Hosts(Endpoint("10.1.2.3", 8087), ("PBX.example", "proxy.example:8443"))


@pytest.mark.parametrize(
    "authority",
    [
        "127.0.0.1:8087",
        "127.8.7.6:8087",
        "localhost:8087",
        "LOCALHOST:8087",
        "localhost.:8087",
        "pbx.localhost:8087",
        "[::1]:8087",
        "[::ffff:127.0.0.1]:8087",
        "10.1.2.3:8087",
        "pbx.example",
        "pbx.EXAMPLE:9999",
        "proxy.example:8443",
    ],
)
def test_loopback_the_listen_address_and_allowed_hosts_are_our_names(
    authority: str,
) -> None:
    assert HOSTS.allows_host(authority)


@pytest.mark.parametrize(
    "authority",
    [
        "",
        "evil.example:8087",
        "localhost",
        "localhost:80",
        "127.0.0.1:8088",
        "127.0.0.1.evil.example:8087",
        "evillocalhost:8087",
        "localhost.evil.example:8087",
        "10.1.2.4:8087",
        "proxy.example",
        "proxy.example:8087",
        "user@localhost:8087",
        "localhost:8087/x",
        "localhost:8087 evil",
        "localhost:8087\n",
        "localhost:٨٠٨٧",
        "::1:8087",
        "[::1:8087",
        "localhost:123456",
    ],
)
def test_any_other_name_is_not_ours(authority: str) -> None:
    assert not HOSTS.allows_host(authority)


def test_a_port_that_is_missing_is_that_of_http() -> None:
    assert Hosts(Endpoint("127.0.0.1", 80)).allows_host("localhost")


@pytest.mark.parametrize(
    "origin", ["http://localhost:8087", "https://pbx.example", "HTTP://[::1]:8087"]
)
def test_our_own_pages_may_operate(origin: str) -> None:
    assert HOSTS.allows_origin(origin)


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "http://evil.example",
        "http://localhost:3000",
        "file://localhost:8087",
        "localhost:8087",
        "http://localhost:8087/",
    ],
)
def test_pages_of_others_may_not_operate(origin: str) -> None:
    assert not HOSTS.allows_origin(origin)


LOOPBACK, ELSEWHERE = "127.0.0.1", "192.0.2.7"
NEEDS_TOKEN = [
    pytest.param(True, LOOPBACK, "operating", id="operating"),
    pytest.param(True, ELSEWHERE, "operating", id="operating from elsewhere"),
    pytest.param(False, ELSEWHERE, "reading", id="reading from elsewhere"),
    pytest.param(False, "", "reading", id="reading from nobody knows where"),
]


@pytest.mark.parametrize("word", ["", "sesame"])
@pytest.mark.parametrize("remote", [LOOPBACK, "::1", "::ffff:127.0.0.1"])
def test_reading_on_this_machine_needs_no_token(word: str, remote: str) -> None:
    assert Token(word).refusal(acts=False, remote=remote, authorization="") is None


@pytest.mark.parametrize("header", ["Bearer sésame", "bearer  sésame "])
@pytest.mark.parametrize(("acts", "remote", "purpose"), NEEDS_TOKEN)
def test_the_token_lets_through(
    acts: bool, remote: str, purpose: str, header: str
) -> None:
    assert Token("sésame").refusal(acts, remote, header) is None


@pytest.mark.parametrize(
    "header",
    [
        "",
        "sesame",
        "Bearer",
        "Bearer ",
        "Bearer other",
        "Basic sesame",
        "Bearer \udcff",
    ],
)
@pytest.mark.parametrize(("acts", "remote", "purpose"), NEEDS_TOKEN)
def test_a_request_without_the_token_is_told_what_it_needs(
    acts: bool, remote: str, purpose: str, header: str
) -> None:
    refusal = Token("sesame").refusal(acts, remote, header)
    assert isinstance(refusal, Refusal)
    assert refusal.status is HTTPStatus.UNAUTHORIZED
    assert refusal.sentence.startswith(purpose)
    assert "[web] token_file" in refusal.sentence
    assert "sesame" not in refusal.sentence


@pytest.mark.parametrize("header", ["", "Bearer ", "Bearer x"])
@pytest.mark.parametrize(("acts", "remote", "purpose"), NEEDS_TOKEN)
def test_without_a_configured_token_nobody_has_it(
    acts: bool, remote: str, purpose: str, header: str
) -> None:
    refusal = Token("").refusal(acts, remote, header)
    assert isinstance(refusal, Refusal)
    assert refusal.status is HTTPStatus.FORBIDDEN
    assert refusal.sentence.startswith(purpose)
    assert "set [web] token_file" in refusal.sentence


@pytest.mark.parametrize("name", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "localhost"])
def test_loopback_is_known_in_all_its_forms(name: str) -> None:
    assert is_loopback(name)


@pytest.mark.parametrize("name", ["", "192.0.2.1", "::", "0.0.0.0", "example", "127.1"])
def test_what_is_not_loopback_is_not_taken_for_it(name: str) -> None:
    assert not is_loopback(name)
