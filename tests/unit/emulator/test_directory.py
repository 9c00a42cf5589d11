from __future__ import annotations

import pytest

from skypechan.backends.skype.protocol.commands import GetProperty, SetProperty
from skypechan.backends.skype.protocol.notifications import (
    Error,
    Setting,
    UserProperty,
)
from skypechan.emulator.directory import Directory, checked
from skypechan.emulator.party import CONTACTS, Manner, Person
from skypechan.errors import ConfigError


@pytest.fixture
def directory():
    return Directory(CONTACTS)


@pytest.mark.parametrize(
    ("target", "handle"),
    [
        ("echo123", "echo123"),
        ("ECHO123", "echo123"),
        ("+4930123456", "+4930123456"),
        ("004930123456", "+4930123456"),
        ("+49 (30) 123-456", "+4930123456"),
    ],
)
def test_target_is_recognised(directory, target, handle):
    assert directory.callee(target).handle == handle


@pytest.mark.parametrize("target", ["030123456", "12125551212", "nobody", "+", "+49x"])
def test_target_is_not_recognised(directory, target):
    assert directory.callee(target) is None


def test_described_number_behaves_as_described():
    directory = Directory([Person(handle="+4930123456", manner=Manner.BUSY)])
    assert directory.callee("004930123456").manner is Manner.BUSY


@pytest.mark.parametrize("handle", ["", "two words", "a,b", "1abc", "a" * 65, "a\nb"])
def test_impossible_handle_is_refused(handle):
    with pytest.raises(ConfigError):
        checked(Person(handle=handle))


@pytest.mark.parametrize(
    ("name", "value", "answer"),
    [
        ("DISPLAYNAME", "Bob Day", "Bob Day"),
        ("ISBLOCKED", "TRUE", "TRUE"),
        ("ISAUTHORIZED", "FALSE", "FALSE"),
        ("BUDDYSTATUS", "2 please", "2"),
    ],
)
def test_user_is_changed(directory, name, value, answer):
    changed = directory.set(SetProperty("USER", "echo", name, value))
    assert changed == UserProperty("echo", name, answer)
    assert directory.get(GetProperty("USER", "ECHO", name)) == changed


@pytest.mark.parametrize(
    ("name", "value"), [("ISBLOCKED", "x"), ("BUDDYSTATUS", "9"), ("FULLNAME", "x")]
)
def test_user_is_not_changed(directory, name, value):
    answer = directory.set(SetProperty("USER", "echo", name, value))
    assert isinstance(answer, Error)


def test_setting_keeps_its_value(directory):
    assert not directory.muted
    directory.set(SetProperty("MUTE", value="on"))
    assert directory.muted
    assert directory.get(GetProperty("MUTE")) == Setting("MUTE", "ON")


def test_every_default_of_a_user_is_answered(directory):
    for name in ("FULLNAME", "ONLINESTATUS", "HASCALLEQUIPMENT", "TIMEZONE"):
        assert isinstance(
            directory.get(GetProperty("USER", "echo", name)), UserProperty
        )
