"""Which holds of Asterisk's channels are a hold of the call."""

from __future__ import annotations

import pytest

from skypechan.asterisk.ami.messages import Channel
from skypechan.asterisk.hold import Hold
from skypechan.call.events import PbxHeld, PbxResumed

PHONE = Channel("PJSIP/sipphone-00000001", "1.1", "1.1")


@pytest.fixture
def hold() -> Hold:
    hold = Hold()
    hold.bridged("simple_bridge")
    return hold


def test_each_change_is_told_once(hold: Hold) -> None:
    told = [hold.changed(PHONE, held) for held in (False, True, True, False, False)]
    assert told == [None, PbxHeld(), None, PbxResumed(), None]


@pytest.mark.parametrize("name", ["Local/s@skypechan-inbound-1;1", "AudioSocket/a-b"])
def test_our_own_channels_are_nobody_who_holds(name: str, hold: Hold) -> None:
    assert hold.changed(Channel(name, "1.2", "1.1"), held=True) is None


def test_who_holds_a_conference_does_not_hold_the_others(hold: Hold) -> None:
    hold.bridged("softmix")
    assert hold.changed(PHONE, held=True) is None
    assert hold.changed(PHONE, held=False) is None


def test_whoever_the_call_is_moved_to_has_not_put_it_on_hold(hold: Hold) -> None:
    assert hold.changed(PHONE, held=True) == PbxHeld()
    assert hold.bridged("simple_bridge") == PbxResumed()
    assert hold.bridged("holding_bridge") is None
