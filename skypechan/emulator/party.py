"""The people behind the emulated client: who they are, how they take a call.

A person is data. What a person does with a call is a plan: steps with delays that
the call engine walks through, in the order of the documented sequences.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum, unique
from typing import Final

from skypechan.backends.skype.protocol.values import (
    BuddyStatus,
    CallStatus,
    FailureReason,
    UserStatus,
)
from skypechan.emulator.voicemail import ALLOWED_S, GREETING_S

NO_ANSWER_S: Final = 120.0
"""Guess: an unanswered outgoing call ends after about two minutes, as MISSED."""

GIVE_UP_S: Final = 60.0
"""Guess: how long a caller lets us ring."""


@unique
class Manner(StrEnum):
    """What a person does when called."""

    ANSWER = "answer"
    BUSY = "busy"
    REFUSE = "refuse"
    IGNORE = "ignore"  # rings until the caller or the network gives up
    FAIL = "fail"  # routing ends with a FAILUREREASON
    MANUAL = "manual"  # rings until told otherwise over the control port
    VOICEMAIL = "voicemail"  # does not answer; voicemail takes the call


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A contact, a stranger or a telephone number.

    `answer_s` runs from the first RINGING (or EARLYMEDIA) to the answer or the
    refusal, `no_answer_s` from the start of the call; `hang_up_s` from the answer
    to a hang-up of their own accord, None means never. `voice` is a choice of
    `voices.make_voice`. `reply` is what they write back, `reply_s` later, to each
    message (`{text}` stands for it); `request` are the words of a contact request
    that waits for an answer.
    """

    handle: str
    full_name: str = ""
    display_name: str = ""
    buddy: BuddyStatus = BuddyStatus.FRIEND
    online: UserStatus = UserStatus.ONLINE
    blocked_here: bool = False
    manner: Manner = Manner.ANSWER
    failure: FailureReason = FailureReason.MISCELLANEOUS
    answer_s: float = 1.0
    no_answer_s: float = NO_ANSWER_S
    hang_up_s: float | None = None
    voice: str = "silence"
    reply: str = ""
    reply_s: float = 0.5
    request: str = ""

    @property
    def telephone(self) -> bool:
        """True for a number of the telephone network."""
        return self.handle.startswith("+")


@dataclass(frozen=True, slots=True)
class Step:
    """After `delay_s`, a status, or a property when `status` is None."""

    delay_s: float
    status: CallStatus | None
    name: str = ""
    value: str = ""


_ROUTING_S: Final = 0.02
_RINGING_S: Final = 0.08
_BUFFERING_S: Final = 0.05


def plan(person: Person, *, repeats: bool = True) -> tuple[Step, ...]:
    """Steps of an outgoing call to this person, after UNPLACED.

    `repeats` says ROUTING and RINGING twice, as captures of real clients show.
    Guess: the delays between the steps.
    """
    way = _telephone_way() if person.telephone else _network_way(person)
    steps = way + _end(person)
    return steps if repeats else tuple(_without_repeats(steps))


def routing_only() -> tuple[Step, ...]:
    """Steps of a call whose callee is another emulator, which tells the rest."""
    return _routing()


def _routing() -> tuple[Step, ...]:
    step = Step(_ROUTING_S, CallStatus.ROUTING)
    return (step, step)


def _network_way(person: Person) -> tuple[Step, ...]:
    if person.manner in {Manner.FAIL, Manner.BUSY}:
        return _routing()
    step = Step(_RINGING_S, CallStatus.RINGING)
    return (*_routing(), step, step)


def _telephone_way() -> tuple[Step, ...]:
    """Early media in the place of ringing (capture of a SkypeOut call)."""
    return (
        *_routing(),
        Step(_RINGING_S, None, "RATE", "0"),
        Step(0, None, "RATE_PRECISION", "3"),
        Step(0, None, "RATE_CURRENCY", "EUR"),
        Step(0, CallStatus.EARLY_MEDIA),
        Step(0, None, "VAA_INPUT_STATUS", "FALSE"),
    )


def _end(person: Person) -> tuple[Step, ...]:
    match person.manner:
        case Manner.ANSWER:
            return (Step(person.answer_s, CallStatus.IN_PROGRESS),)
        case Manner.BUSY:
            return (Step(_RINGING_S, CallStatus.BUSY),)
        case Manner.REFUSE:
            refusal = CallStatus.REFUSED
            if person.telephone:
                refusal = CallStatus.WAITING_REDIAL_COMMAND
            return (Step(person.answer_s, refusal),)
        case Manner.FAIL:
            reason = str(person.failure.value)
            return (
                Step(_RINGING_S, None, "FAILUREREASON", reason),
                Step(0, CallStatus.FAILED),
            )
        case Manner.VOICEMAIL:
            return voicemail_steps(person.answer_s)
        case Manner.IGNORE | Manner.MANUAL:
            return ()


def voicemail_steps(delay_s: float) -> tuple[Step, ...]:
    """What is told of a call that voicemail takes after `delay_s`."""
    playing = CallStatus.VM_PLAYING_GREETING
    return (
        Step(delay_s, CallStatus.VM_BUFFERING_GREETING),
        Step(_BUFFERING_S, None, "VM_ALLOWED_DURATION", str(ALLOWED_S)),
        Step(0, None, "VM_DURATION", "0"),
        Step(0, playing),
        Step(0, playing),
        Step(GREETING_S, CallStatus.VM_RECORDING),
    )


def voicemail_only() -> tuple[Step, ...]:
    """Steps of a call that goes to voicemail without ringing."""
    return voicemail_steps(_RINGING_S)[1:]


def _without_repeats(steps: tuple[Step, ...]) -> list[Step]:
    kept: list[Step] = []
    for step in steps:
        if not kept or step.status is None or step.status is not kept[-1].status:
            kept.append(step)
    return kept


_NOBODY_HOME: Final = Person(
    handle="offline",
    full_name="Off Line",
    online=UserStatus.OFFLINE,
    manner=Manner.FAIL,
    failure=FailureReason.USER_OFFLINE,
)

CONTACTS: Final = (
    Person(handle="echo123", full_name="Echo / Sound Test Service", voice="echo123"),
    Person(handle="echo", full_name="Echo Immediate", answer_s=0.3, voice="echo"),
    Person(handle="tone", full_name="Tone 440", answer_s=0.3, voice="tone:440"),
    Person(handle="busy", full_name="Busy Body", manner=Manner.BUSY),
    Person(handle="refuse", full_name="Ref Use", manner=Manner.REFUSE, answer_s=0.3),
    Person(handle="noanswer", full_name="No Answer", manner=Manner.IGNORE),
    _NOBODY_HOME,
    Person(
        handle="blocked",
        full_name="Blocks You",
        buddy=BuddyStatus.NEVER,
        manner=Manner.FAIL,
        failure=FailureReason.BLOCKED,
    ),
    Person(
        handle="voicemail",
        full_name="Voice Mail",
        manner=Manner.VOICEMAIL,
        answer_s=0.5,
    ),
    Person(
        handle="drugdiler",
        full_name="Drug Diler",
        display_name="drug diler",
        voice="talk:1",
    ),
    Person(
        handle="advokat",
        full_name="Adv O. Kat",
        buddy=BuddyStatus.NEVER,
        voice="talk:2",
    ),
)
"""Who is there without a script."""


def telephone_subscriber(number: str) -> Person:
    """Whoever answers at a number nobody described: after a second, with echo."""
    return Person(
        handle=number,
        buddy=BuddyStatus.NEVER,
        online=UserStatus.SKYPE_OUT,
        voice="echo",
    )


def stranger(handle: str, display_name: str = "") -> Person:
    """Someone not in the contact list."""
    return replace(
        Person(handle=handle),
        display_name=display_name,
        full_name=display_name,
        buddy=BuddyStatus.NEVER,
        manner=Manner.MANUAL,
    )
