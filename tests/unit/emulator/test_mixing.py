from __future__ import annotations

import numpy as np

from skypechan.backends.skype.protocol.values import CallStatus, CallType
from skypechan.emulator.calls import Call
from skypechan.emulator.mixing import MixedVoice, Mixer
from skypechan.emulator.party import Person
from skypechan.emulator.sound import CallSound
from skypechan.emulator.voices import Silence


class Level:
    """Says always the same number, and keeps what it hears."""

    def __init__(self, value):
        self.value = value
        self.heard = []

    def hear(self, samples):
        self.heard.append(samples)

    def speak(self, count):
        return np.full(count, self.value, np.int16)


def level(value):
    return np.full(160, value, np.int16)


def test_everybody_hears_everybody_else():
    mixed = MixedVoice()
    one, two, three = mixed.voices = [Level(1), Level(20), Level(300)]
    mixed.hear(level(4000))
    assert (mixed.speak(160) == 321).all()
    for voice, expected in ((one, 4320), (two, 4301), (three, 4021)):
        (heard,) = voice.heard
        assert (heard == expected).all()


def test_loud_people_saturate():
    mixed = MixedVoice()
    mixed.voices = [Level(30_000), Level(30_000)]
    assert (mixed.speak(160) == 32_767).all()


def test_account_that_is_not_fetched_is_not_kept_for_ever():
    mixed = MixedVoice()
    for _ in range(1000):
        mixed.hear(level(1))
    spoken = 0
    while mixed._account.speak(160).any():
        spoken += 160
    assert spoken <= 3_360


def conference(*numbers):
    calls = []
    for ident in numbers:
        person = Person(handle=f"p{ident}")
        status = CallStatus.IN_PROGRESS
        call = Call(ident, person, CallType.OUTGOING_P2P, status, 0, conference=7)
        calls.append(call)
    sounds = {call.call_id: CallSound(Level(call.call_id)) for call in calls}
    return calls, lambda call: sounds[call.call_id]


def test_oldest_call_carries_the_mix_and_the_others_are_silent():
    calls, sound_of = conference(30, 20)
    mixer = Mixer()
    mixer.follow(calls, sound_of)
    assert isinstance(sound_of(calls[0]).voice, Silence)
    assert (sound_of(calls[1]).voice.speak(160) == 50).all()


def test_who_leaves_or_is_held_is_heard_no_more():
    calls, sound_of = conference(20, 30, 40)
    mixer = Mixer()
    mixer.follow(calls, sound_of)
    calls[1].status = CallStatus.LOCAL_HOLD
    mixer.follow(calls, sound_of)
    assert (sound_of(calls[0]).voice.speak(160) == 60).all()
    mixer.follow(calls[2:], sound_of)
    assert (sound_of(calls[2]).voice.speak(160) == 40).all()
    mixer.follow([], sound_of)
    assert mixer._own == mixer._mixed == {}


def test_call_of_its_own_is_left_alone():
    calls, sound_of = conference(20)
    Mixer().follow(calls, sound_of)
    assert isinstance(sound_of(calls[0]).voice, Level)
