"""A call in a real engine, with a peer at each of its ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from skypechan.media.engine import CallMedia
from skypechan.media.values import MediaEnd
from tests.doubles.pcm_peers import PbxPeer, Peer


@dataclass
class Talk:
    """A started call and its far ends; `line_ear` hears what is sent to the line."""

    media: CallMedia
    line: Peer
    line_ear: Peer
    pbx: PbxPeer
    digits: list[str] = field(default_factory=list)
    ends: asyncio.Queue[MediaEnd] = field(default_factory=asyncio.Queue)

    def peers(self) -> set[Peer]:
        return {self.line, self.line_ear, self.pbx}


StartTalk = Callable[..., Talk]
