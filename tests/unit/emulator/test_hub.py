"""The hub joined to members in memory: lines in, lines out."""

from __future__ import annotations

import json

import pytest

from skypechan.emulator.hub import Hub, _Member, read_line, write_line
from skypechan.emulator.outputs import Ending, Signal


class Wire:
    """The writing end of a member's connection."""

    def __init__(self):
        self.lines = []
        self.unsent = 0
        self.closing = False
        self.transport = self

    def get_write_buffer_size(self):
        return self.unsent

    def is_closing(self):
        return self.closing

    def write(self, content):
        assert content.endswith(b"\n")
        self.lines.append(json.loads(content))

    def take(self):
        lines, self.lines = self.lines, []
        return lines


class Meeting:
    def __init__(self, *accounts):
        self.hub = Hub()
        self.members = []
        for account in accounts:
            member = _Member(Wire())
            self.members.append(member)
            self.hub._members.append(member)
            self.say(member, type="hello", account=account)
        for member in self.members:
            member.writer.take()

    def say(self, member, **message):
        self.hub._receive(member, message)

    def signal(self, member, signal, value="", call="t"):
        self.say(member, type="signal", call=call, signal=signal, value=value)

    def heard(self, member):
        return [(item["signal"], item["value"]) for item in member.writer.take()]


def test_everyone_learns_who_is_there():
    meeting = Meeting("alice")
    member = _Member(Wire())
    meeting.hub._members.append(member)
    meeting.say(member, type="hello", account="bob")
    expected = {"type": "accounts", "accounts": ["alice", "bob"]}
    assert member.writer.take() == meeting.members[0].writer.take() == [expected]


def test_signals_and_sound_pass_between_the_two_ends_of_a_call():
    meeting = Meeting("alice", "bob", "carol")
    alice, bob, carol = meeting.members
    meeting.signal(alice, Signal.INVITE, "BOB")
    assert meeting.heard(bob) == [(Signal.INVITE, "alice")]
    meeting.signal(bob, Signal.RINGING)
    meeting.signal(bob, Signal.ANSWER)
    assert meeting.heard(alice) == [(Signal.RINGING, ""), (Signal.ANSWER, "")]
    sound = {"type": "sound", "call": "t", "pcm": "AAAA"}
    meeting.say(alice, **sound)
    assert bob.writer.take() == [sound]
    meeting.signal(bob, Signal.END, Ending.FINISHED)
    assert meeting.heard(alice) == [(Signal.END, Ending.FINISHED)]
    meeting.say(alice, **sound)
    assert bob.writer.take() == carol.writer.take() == []


@pytest.mark.parametrize("account", ["nobody", "", "alice"])
def test_call_to_nobody_is_lost(account):
    meeting = Meeting("alice", "bob")
    meeting.signal(meeting.members[0], Signal.INVITE, account)
    assert meeting.heard(meeting.members[0]) == [(Signal.END, Ending.LOST)]


def test_one_account_on_several_clients_rings_everywhere_and_one_answers():
    meeting = Meeting("alice", "bob", "bob")
    alice, first, second = meeting.members
    meeting.signal(alice, Signal.INVITE, "bob")
    assert meeting.heard(first) == meeting.heard(second) == [(Signal.INVITE, "alice")]
    meeting.signal(second, Signal.ANSWER)
    assert meeting.heard(first) == [(Signal.END, Ending.CANCELLED)]
    meeting.signal(first, Signal.END, Ending.REFUSED)
    assert meeting.heard(alice) == [(Signal.ANSWER, "")]


@pytest.mark.parametrize("leaver", [0, 1])
def test_call_is_lost_when_an_end_leaves(leaver):
    meeting = Meeting("alice", "bob")
    alice, bob = meeting.members
    meeting.signal(alice, Signal.INVITE, "bob")
    meeting.signal(bob, Signal.ANSWER)
    stays = meeting.members[1 - leaver]
    stays.writer.take()
    meeting.hub._leave(meeting.members[leaver])
    lost, accounts = stays.writer.take()
    assert (lost["signal"], lost["value"]) == (Signal.END, Ending.LOST)
    assert accounts["accounts"] == [stays.account]


def test_stranger_cannot_end_a_call_it_has_no_part_in():
    meeting = Meeting("alice", "bob", "mallory")
    alice, bob, mallory = meeting.members
    meeting.signal(alice, Signal.INVITE, "bob")
    meeting.signal(bob, Signal.ANSWER)
    alice.writer.take()
    bob.writer.take()
    meeting.signal(mallory, Signal.END, Ending.FINISHED)
    assert alice.writer.take() == bob.writer.take() == []


def test_member_that_does_not_read_loses_lines_not_the_hub():
    wire = Wire()
    wire.unsent = 10**9
    write_line(wire, {"type": "x"})
    wire.unsent, wire.closing = 0, True
    write_line(wire, {"type": "x"})
    assert wire.lines == []


async def test_nonsense_reads_as_the_end():
    class Reader:
        def __init__(self, line):
            self.line = line

        async def readline(self):
            if isinstance(self.line, Exception):
                raise self.line
            return self.line

    for line in (b"", b"[]\n", b"{\n", b"\xff\n", ConnectionResetError()):
        assert await read_line(Reader(line)) == {}
    assert await read_line(Reader(b'{"a": 1}\n')) == {"a": 1}


def sent_on(*accounts, targets):
    """Alice calls bob, who sends the call on."""
    meeting = Meeting("alice", "bob", *accounts)
    alice, bob = meeting.members[:2]
    meeting.signal(alice, Signal.INVITE, "bob")
    meeting.signal(bob, Signal.TRANSFER, targets)
    alice.writer.take()
    bob.writer.take()
    return meeting


def test_first_target_to_answer_has_the_call_and_the_others_stop():
    meeting = sent_on("carol", "dave", "eve", targets="carol,Dave")
    alice, bob, carol, dave, eve = meeting.members
    (invite,) = carol.writer.take()
    assert (invite["value"], invite["by"]) == ("alice", "bob")
    assert meeting.heard(eve) == []
    meeting.signal(carol, Signal.RINGING)
    dave.writer.take()
    meeting.signal(dave, Signal.ANSWER)
    assert meeting.heard(carol) == [(Signal.END, Ending.CANCELLED)]
    assert meeting.heard(bob) == [(Signal.TRANSFERRED, "dave")]
    assert meeting.heard(alice) == [(Signal.ANSWER, "")]
    sound = {"type": "sound", "call": "t", "pcm": "AAAA"}
    meeting.say(alice, **sound)
    assert dave.writer.take() == [sound]
    assert bob.writer.take() == []
    meeting.signal(dave, Signal.END, Ending.FINISHED)
    assert meeting.heard(alice) == [(Signal.END, Ending.FINISHED)]


def test_call_that_no_target_takes_stays_where_it_was():
    meeting = sent_on("carol", "dave", targets="carol,dave")
    alice, bob, carol, dave = meeting.members
    meeting.signal(carol, Signal.END, Ending.REFUSED)
    assert meeting.heard(bob) == []
    meeting.hub._leave(dave)
    assert bob.writer.take()[0]["signal"] == Signal.TRANSFER_FAILED
    meeting.signal(bob, Signal.ANSWER)
    assert (Signal.ANSWER, "") in [
        (item.get("signal"), item.get("value")) for item in alice.writer.take()
    ]


@pytest.mark.parametrize("targets", ["nobody", "", "alice", "bob"])
def test_transfer_to_nobody_fails_at_once(targets):
    meeting = Meeting("alice", "bob")
    alice, bob = meeting.members
    meeting.signal(alice, Signal.INVITE, "bob")
    bob.writer.take()
    meeting.signal(bob, Signal.TRANSFER, targets)
    assert meeting.heard(bob) == [(Signal.TRANSFER_FAILED, "")]


@pytest.mark.parametrize(("who", "signal"), [(0, Signal.END), (1, Signal.END)])
def test_targets_stop_ringing_when_the_call_ends(who, signal):
    meeting = sent_on("carol", targets="carol")
    carol = meeting.members[2]
    carol.writer.take()
    meeting.signal(meeting.members[who], signal, Ending.CANCELLED)
    assert meeting.heard(carol) == [(Signal.END, Ending.CANCELLED)]
    assert meeting.hub._routes == {}


def test_caller_of_data_moves_to_the_target():
    meeting = Meeting("bob", "carol")
    bob, carol = meeting.members
    person = {"voice": "tone:700"}
    wish = {"call": "t", "signal": Signal.TRANSFER, "value": "carol"}
    meeting.say(bob, type="signal", **wish, person=person, **{"from": "dora"})
    (invite,) = carol.writer.take()
    assert (invite["value"], invite["by"], invite["person"]) == ("dora", "bob", person)
    meeting.signal(carol, Signal.ANSWER)
    assert meeting.heard(bob) == [(Signal.TRANSFERRED, "carol")]
    assert meeting.hub._routes == {}
    meeting.signal(carol, Signal.END, Ending.FINISHED)
    assert bob.writer.take() == []


def test_transfer_that_is_not_wanted_any_more_ends():
    meeting = sent_on("carol", targets="carol")
    _, bob, carol = meeting.members
    carol.writer.take()
    meeting.signal(bob, Signal.TRANSFER_FAILED)
    assert meeting.heard(carol) == [(Signal.END, Ending.CANCELLED)]
    assert meeting.hub._routes["t"].transfer is None


def test_message_reaches_every_instance_of_an_account():
    meeting = Meeting("alice", "bob", "bob")
    alice, first, second = meeting.members
    meeting.say(alice, type="message", to="Bob", text="hi")
    expected = [{"type": "message", "from": "alice", "text": "hi"}]
    assert first.writer.take() == second.writer.take() == expected
    assert alice.writer.take() == []
