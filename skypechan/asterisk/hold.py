"""Whether whoever an audio channel talks with has put it on hold. Pure.

Asterisk tells of holds by channel, and of many channels of one call: who holds a
conference only leaves it for a while, and whoever the call is moved to has not put it
on hold.
"""

from __future__ import annotations

from skypechan.asterisk.ami.messages import Channel
from skypechan.call.events import Event, PbxHeld, PbxResumed

_OURS = ("Local", "AudioSocket")
_CONFERENCE = "softmix"  # the technology of a bridge of more than two


class Hold:
    """The hold of one call; each method returns what is new of it, if anything is."""

    def __init__(self) -> None:
        self.held = False
        self._in_conference = False

    def bridged(self, technology: str) -> Event | None:
        """Take note that the audio channel has entered a bridge."""
        self._in_conference = technology == _CONFERENCE
        return self._become(False)

    def changed(self, channel: Channel, held: bool) -> Event | None:
        """Take Asterisk's word of a channel of the call."""
        if self._in_conference or channel.technology in _OURS:
            return None
        return self._become(held)

    def lost_sight(self) -> Event | None:
        """Take note of a gap in Asterisk's words: a hold that may be over is over.

        Nothing can be asked that would tell; a call that rests for ever is worse than
        silence for one that still does.
        """
        return self._become(False)

    def _become(self, held: bool) -> Event | None:
        if held is self.held:
            return None
        self.held = held
        return PbxHeld() if held else PbxResumed()
