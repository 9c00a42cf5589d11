from __future__ import annotations

import json

import pytest

from skypechan.backends.skype.protocol.attachment import Permission
from skypechan.backends.skype.protocol.values import BuddyStatus, FailureReason
from skypechan.emulator.party import CONTACTS, Manner, Person
from skypechan.emulator.script import (
    Incoming,
    Script,
    change_person,
    parse_script,
    read_script,
)
from skypechan.errors import ConfigError


def test_empty_script_is_the_default_world():
    assert parse_script({}) == Script()


def test_every_field_is_read():
    script = parse_script(
        {
            "account": "dora",
            "signed_in": False,
            "authorise": "ask",
            "protocol": 5,
            "repeats": False,
            "reason_14": True,
            "recording_s": 10,
            "default_contacts": False,
            "contacts": [
                {
                    "handle": "boss",
                    "full_name": "The\nBoss",
                    "buddy": 3,
                    "manner": "fail",
                    "failure": 3,
                    "hang_up_s": 2.5,
                    "voice": "tone:440",
                }
            ],
            "incoming": [{"at_s": 1, "from": "boss", "digits": "12#"}],
        }
    )
    boss = Person(
        handle="boss",
        full_name="The Boss",
        buddy=BuddyStatus.FRIEND,
        manner=Manner.FAIL,
        failure=FailureReason.USER_OFFLINE,
        hang_up_s=2.5,
        voice="tone:440",
    )
    assert script == Script(
        account="dora",
        signed_in=False,
        permission=Permission.ASK,
        protocol=5,
        repeats=False,
        reason_14=True,
        recording_s=10,
        people=(boss,),
        incoming=(Incoming(caller="boss", at_s=1, digits="12#"),),
    )


def test_contact_of_a_default_name_is_changed_not_added():
    script = parse_script({"contacts": [{"handle": "Echo", "answer_s": 9}]})
    assert len(script.people) == len(CONTACTS)
    (echo,) = (person for person in script.people if person.handle.lower() == "echo")
    assert echo.answer_s == 9
    assert echo.voice == "echo"


def test_all_faults_are_reported_at_once():
    with pytest.raises(ConfigError) as raised:
        parse_script(
            {
                "acount": "x",
                "account": "two words",
                "authorise": "perhaps",
                "protocol": 0,
                "contacts": [
                    {"handle": "a,b"},
                    {"handle": "c", "voice": "opera", "answer_s": -1},
                    {"full_name": "nobody"},
                ],
                "incoming": [{"at_s": True}, {"from": "c", "digits": "ABC"}],
            }
        )
    text = str(raised.value)
    for word in ("acount", "two words", "perhaps", "protocol", "a,b", "opera", "-1",
                 "without a handle", "at_s", "`from` is missing", "ABC"):  # fmt: skip
        assert word in text
    assert len(raised.value.faults) == 11


def test_file_that_is_no_json_is_reported_with_its_name(tmp_path):
    path = tmp_path / "script.json"
    for content in ("{", "[]"):
        path.write_text(content)
        with pytest.raises(ConfigError):
            read_script(path)
    path.write_text(json.dumps({"account": "dora"}))
    assert read_script(path).account == "dora"
    with pytest.raises(ConfigError, match=r"missing\.json"):
        read_script(tmp_path / "missing.json")


def test_change_of_a_person_keeps_the_rest():
    person = Person(handle="bob", full_name="Bob")
    assert change_person(person, {"manner": "busy"}) == Person(
        handle="bob", full_name="Bob", manner=Manner.BUSY
    )
    with pytest.raises(ConfigError):
        change_person(person, {"mannr": "busy"})
    with pytest.raises(ConfigError):
        change_person(person, ["busy"])
