"""What the stand-in for Skype is told to do, and what it keeps of a call."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.strangers.sound import Stream

ACCOUNTS = {"dbus": "alice", "x11": "alicia"}
"""Who is signed in, by the line of the gateway that the client is for."""
ENDED = {
    "FINISHED",
    "MISSED",
    "REFUSED",
    "BUSY",
    "CANCELLED",
    "FAILED",
    "TRANSFERRED",
}
VOICE_HZ = 1000
GIANT = 60_000
FAILED = "ERROR 559 CALL: Action failed"
RESULTS = {
    "MISSEDCHATMESSAGES": "CHATMESSAGES",
    "CHATMESSAGES": "CHATMESSAGES",
    "CHATS": "CHATS",
    "MISSEDVOICEMAILS": "VOICEMAILS",
    "VOICEMAILS": "VOICEMAILS",
    "GROUPS": "GROUPS",
}
"""Keyword of a search's result, where it is not USERS."""
UNKNOWN = [
    "",
    "CALL",
    "CALL x STATUS RINGING",
    "CALL 4242 VIDEO_STATUS VIDEO_NONE",
    "CALL 4243 STATUS FINISHED",
    "CALL 4244 FAILUREREASON 1",
    "CALL 4245 DTMF",
    "CALL 4246 DURATION 7",
    "CHATMESSAGE 55 STATUS RECEIVED",
    "CHAT #alice/$bob;a7ab206ec78060f1 ACTIVITY_TIMESTAMP 1385000000",
    "USER bob RECEIVEDAUTHREQUEST Please, let me in",
    "USER bob RECEIVEDAUTHREQUEST Please, let me in",
    "VOICEMAIL 77 STATUS PLAYING",
    "GROUP 5 NROFUSERS 3",
    "#nobody CALL 3 STATUS ROUTING",
    "FROBS 1 WIDGET",
    "WINDOWSTATE NORMAL",
    "AUTOAWAY ON",
    "\u2603 \U0001f600",
    "ERROR 7 GET: invalid WHAT",
]


@dataclass(frozen=True, slots=True)
class Quirks:
    """What this Skype does otherwise than the plainest one (Skype API: quirks)."""

    doubled: bool = False
    """Every notification twice, ROUTING and RINGING four times."""
    gap: int = 1
    """Between the numbers of calls."""
    permission_s: float = 0
    """For so long ERROR 68, then an OK that nobody asks for any more."""
    call_reply: str = "UNPLACED"
    """Status in the reply to CALL: UNPLACED, ROUTING; OK: no number at all."""
    notified: bool = False
    """D-Bus: replies to commands with a token come by Notify, Invoke returns ""."""
    reply_delay_s: float = 0
    sound_delay_s: float = 0
    output_first: bool = False
    """The port for sound from Skype is connected before the other one."""
    unknown: bool = False
    """Lines about objects that nobody knows."""
    giant: bool = False
    """Lines of 60,000 characters, and a caller's name of 5,000."""
    reason_14: bool = False
    """FAILUREREASON 14 before a normal end."""
    no_inprogress: bool = False
    """The answer shows by DURATION 1 alone."""
    mute_end: bool = False
    """At the end of a talk the sound ports close and no STATUS is told."""
    swapped: bool = False
    """X11: the two halves of `ERROR 92 CALL: Unrecognised identity` change places."""
    refusal: str = ""
    """What every CALL gets."""
    sound_error: str = ""
    """What every SET_INPUT and SET_OUTPUT gets."""
    signed_out: bool = False
    """NAME gets CONNSTATUS OFFLINE."""
    thinks: bool = False
    """NAME gets nothing until `decide`; all else gets ERROR 68."""
    route_delay_s: float = 0
    """Before anything is told of a call that was placed."""
    lost: str = ""
    """Commands of this pattern get no reply, though they are obeyed."""
    level: int = 8
    """The highest protocol known."""
    account: str = ""
    """Who is signed in; empty is whom the gateway's line expects."""
    transfer_s: float = 0.1
    """How long a transfer takes."""


@dataclass
class Client:
    """One application that talks to us."""

    allowed: bool = False
    protocol: int = 1


@dataclass(eq=False)
class Call:
    """One call of this Skype."""

    number: int
    handle: str
    name: str
    incoming: bool
    status: str = "UNPLACED"
    failure: int = 0
    duration_s: int = 0
    digits: str = ""
    ports: dict[str, int] = field(default_factory=dict)
    streams: dict[str, Stream] = field(default_factory=dict)
    talked: bool = False

    @property
    def ended(self) -> bool:
        """Whether it is over."""
        return self.status in ENDED

    @property
    def heard(self) -> bytes:
        """The sound from the application."""
        stream = self.streams.get("INPUT")
        return stream.heard if stream else b""
