"""The profile directory: decisions come back, whatever else its file holds."""

from __future__ import annotations

import pytest

from skypechan.emulator.entrance import Login
from skypechan.emulator.profile import Profile, remembered

REAL = """\
<?xml version="1.0"?>
<config version="1.0" serial="17">
  <UI><API><Authorizations>skypopen;skypiax</Authorizations></API>
    <Language>en</Language></UI>
</config>
"""


@pytest.fixture
def profile(tmp_path):
    return Profile(tmp_path)


def test_no_file_is_no_decision(profile):
    assert profile.decisions("bob") == {}


def test_decisions_come_back_each_account_with_its_own(profile):
    profile.save("bob", {"dialer": True, "spy": False})
    assert profile.decisions("bob") == {"dialer": True, "spy": False}
    assert profile.decisions("carol") == {}


def test_a_file_filled_beforehand_is_read_and_the_rest_of_it_kept(profile):
    path = profile.folder / "bob" / "config.xml"
    path.parent.mkdir()
    path.write_text(REAL)
    decisions = profile.decisions("bob")
    assert decisions == {"skypopen": True, "skypiax": True}
    profile.save("bob", decisions | {"dialer": False})
    assert profile.decisions("bob") == decisions | {"dialer": False}
    assert "<Language>en</Language>" in path.read_text()


@pytest.mark.parametrize(
    "content", ["", "<config>", "\0", '<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>']
)
def test_a_file_that_cannot_be_read_is_as_none(profile, content):
    path = profile.folder / "bob" / "config.xml"
    path.parent.mkdir()
    path.write_text(content)
    assert profile.decisions("bob") == {}
    profile.save("bob", {"dialer": True})
    assert profile.decisions("bob") == {"dialer": True}


def test_a_disk_that_refuses_does_not_stop_the_client(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    Profile(tmp_path / "file").save("bob", {"dialer": True})
    assert "not saved" in caplog.text


@pytest.mark.parametrize(
    "name", ["plain", " two  words ", "semi;colon", "new\nline", "\x00\x1b", "ünï <&>"]
)
def test_every_name_can_be_remembered(profile, name):
    kept = remembered(name)
    if kept:
        profile.save("bob", {kept: True})
        assert profile.decisions("bob") == {kept: True}
    assert remembered(kept) == kept


@pytest.mark.parametrize(
    ("login", "password", "succeeds"),
    [
        (Login("bob", "any"), "", True),
        (Login("bob", ""), "", False),
        (Login("bob", "right"), "right", True),
        (Login("bob", "wrong"), "right", False),
        (Login("../bob", "right"), "right", False),
        (Login("", ""), "", False),
    ],
)
def test_who_signs_in(login, password, succeeds):
    assert login.succeeds(password) is succeeds
