"""The sound of a conference: everybody hears everybody else. Pure.

The mixed sound is that of the conference's oldest call; the other calls' own streams
are silent while it lasts (guess).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

import numpy as np

from skypechan.audio.pcm import Int16
from skypechan.emulator.calls import Call
from skypechan.emulator.sound import CallSound
from skypechan.emulator.voices import Echo, Silence, Voice, mix


class MixedVoice:
    """Several people as one voice; each hears the account and the others."""

    def __init__(self) -> None:
        self.voices: list[Voice] = []
        self._account = Echo(lead_ms=0)

    def hear(self, samples: Int16) -> None:
        """Kept until the next piece is spoken, at most 200 ms."""
        self._account.hear(samples)

    def speak(self, count: int) -> Int16:
        """The sum of what all say."""
        heard = self._account.speak(count)
        spoken = [voice.speak(count) for voice in self.voices]
        for place, voice in enumerate(self.voices):
            others = (part for other, part in enumerate(spoken) if other != place)
            voice.hear(_sum(heard, others))
        return _sum(np.zeros(count, np.int16), spoken)


class Mixer:
    """Joins and parts the sounds of the calls of conferences."""

    def __init__(self) -> None:
        self._own: dict[int, Voice] = {}
        self._mixed: dict[int, MixedVoice] = {}

    def follow(
        self, live: Iterable[Call], sound_of: Callable[[Call], CallSound]
    ) -> None:
        """Bring the sounds in line with who is in which conference now."""
        groups: dict[int, list[Call]] = defaultdict(list)
        for call in live:
            if call.conference and call.established:
                groups[call.conference].append(call)
        here = {call.call_id for members in groups.values() for call in members}
        for call_id in self._own.keys() - here:
            del self._own[call_id]
        for number in self._mixed.keys() - groups.keys():
            del self._mixed[number]
        for number, members in groups.items():
            if len(members) > 1 or members[0].call_id in self._own:
                self._join(number, members, sound_of)

    def _join(
        self,
        number: int,
        members: list[Call],
        sound_of: Callable[[Call], CallSound],
    ) -> None:
        for call in members:
            if call.call_id not in self._own:
                self._own[call.call_id] = sound_of(call).voice
                sound_of(call).voice = Silence()
        mixed = self._mixed.setdefault(number, MixedVoice())
        mixed.voices = [self._own[call.call_id] for call in members if call.audible]
        oldest = min(members, key=lambda call: call.call_id)
        sound_of(oldest).voice = mixed


def _sum(first: Int16, others: Iterable[Int16]) -> Int16:
    total = first
    for other in others:
        total = mix(total, other)
    return total
