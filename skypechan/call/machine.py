"""The life of a call as one table: (state, event) -> (next state, actions).

Everything about what may follow what stands here. Rules the table keeps:

* Answer supervision: the line leg is answered only after the PBX leg, and the PBX
  leg only after the line leg.
* Media joins only when both legs are up; but what the line's far end plays before it
  answers, ringback or an announcement, the PBX caller hears at once.
* Each leg is released at most once, and nothing happens after RELEASED.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from skypechan.call.actions import Action
from skypechan.call.events import (
    Event,
    HangupRequested,
    HoldRequested,
    LineAnswered,
    LineDigit,
    LineEarlyMedia,
    LineHeld,
    LineOffered,
    LineReleased,
    LineResumed,
    LineRinging,
    MediaEnded,
    PbxAnswered,
    PbxDigit,
    PbxEarlyMedia,
    PbxHeld,
    PbxOffered,
    PbxReleased,
    PbxResumed,
    PbxRinging,
    ResumeRequested,
    TimedOut,
    Timer,
)


class CallState(StrEnum):
    """Where a call stands."""

    IDLE = "idle"
    OFFERED = "offered"  # the line rings; the PBX is being tried
    ANSWERING_LINE = "answering line"  # the PBX answered; so does the line now
    PLACING = "placing"  # the line is dialling
    RINGING = "ringing"  # the line's far end rings
    ANSWERING_PBX = "answering pbx"  # the line answered; so does the PBX now
    EARLY_MEDIA = "early media"  # the PBX caller hears the line, unanswered
    ANSWERING_EARLY = "answering early"  # the line answered while it was heard
    ESTABLISHED = "established"
    RELEASING_LINE = "releasing line"  # only the line leg is left
    RELEASING_PBX = "releasing pbx"  # only the PBX leg is left
    RELEASING_BOTH = "releasing both"
    RELEASED = "released"


@dataclass(frozen=True, slots=True)
class Row:
    """What an event does: the next state and the actions, in order."""

    state: CallState
    actions: tuple[Action, ...] = ()


_S, _A = CallState, Action

Pair = tuple[CallState, type[Event]]

EVENTS: tuple[type[Event], ...] = (
    LineOffered,
    LineRinging,
    LineEarlyMedia,
    LineAnswered,
    LineDigit,
    LineHeld,
    LineResumed,
    LineReleased,
    PbxOffered,
    PbxRinging,
    PbxEarlyMedia,
    PbxAnswered,
    PbxDigit,
    PbxHeld,
    PbxResumed,
    PbxReleased,
    MediaEnded,
    HangupRequested,
    HoldRequested,
    ResumeRequested,
    TimedOut,
)

TRANSITIONS: dict[Pair, Row] = {
    # A call from the line to the PBX.
    (_S.IDLE, LineOffered): Row(_S.OFFERED, (_A.ORIGINATE_PBX,)),
    (_S.OFFERED, PbxRinging): Row(_S.OFFERED),
    (_S.OFFERED, PbxAnswered): Row(_S.ANSWERING_LINE, (_A.ANSWER_LINE,)),
    (_S.ANSWERING_LINE, LineAnswered): Row(_S.ESTABLISHED, (_A.START_MEDIA,)),
    # A call from the PBX to the line.
    (_S.IDLE, PbxOffered): Row(_S.PLACING, (_A.TAKE_PBX, _A.PLACE_LINE)),
    (_S.PLACING, LineRinging): Row(_S.RINGING, (_A.RING_PBX,)),
    (_S.PLACING, LineEarlyMedia): Row(_S.RINGING, (_A.PLAY_EARLY_TO_PBX,)),
    (_S.PLACING, LineAnswered): Row(_S.ANSWERING_PBX, (_A.ANSWER_PBX,)),
    (_S.RINGING, LineAnswered): Row(_S.ANSWERING_PBX, (_A.ANSWER_PBX,)),
    (_S.ANSWERING_PBX, PbxAnswered): Row(_S.ESTABLISHED, (_A.START_MEDIA,)),
    # The same, heard before it is answered.
    (_S.RINGING, LineEarlyMedia): Row(_S.RINGING, (_A.PLAY_EARLY_TO_PBX,)),
    (_S.RINGING, PbxEarlyMedia): Row(_S.EARLY_MEDIA, (_A.START_EARLY_MEDIA,)),
    (_S.EARLY_MEDIA, LineAnswered): Row(_S.ANSWERING_EARLY, (_A.ANSWER_PBX,)),
    (_S.ANSWERING_EARLY, PbxAnswered): Row(_S.ESTABLISHED, (_A.START_MEDIA,)),
    # An end that is up may hold the call while the other is being answered.
    (_S.ANSWERING_LINE, PbxHeld): Row(_S.ANSWERING_LINE, (_A.NOTE_HOLD,)),
    (_S.ANSWERING_LINE, PbxResumed): Row(_S.ANSWERING_LINE, (_A.NOTE_RESUME,)),
    (_S.ANSWERING_PBX, LineHeld): Row(_S.ANSWERING_PBX, (_A.NOTE_HOLD,)),
    (_S.ANSWERING_PBX, LineResumed): Row(_S.ANSWERING_PBX, (_A.NOTE_RESUME,)),
    (_S.ANSWERING_EARLY, LineHeld): Row(_S.ANSWERING_EARLY, (_A.NOTE_HOLD,)),
    (_S.ANSWERING_EARLY, LineResumed): Row(_S.ANSWERING_EARLY, (_A.NOTE_RESUME,)),
    # A call that is up.
    (_S.ESTABLISHED, LineDigit): Row(_S.ESTABLISHED, (_A.SEND_DIGIT_TO_PBX,)),
    (_S.ESTABLISHED, PbxDigit): Row(_S.ESTABLISHED, (_A.SEND_DIGIT_TO_LINE,)),
    (_S.ESTABLISHED, LineHeld): Row(_S.ESTABLISHED, (_A.NOTE_HOLD,)),
    (_S.ESTABLISHED, PbxHeld): Row(_S.ESTABLISHED, (_A.NOTE_HOLD,)),
    (_S.ESTABLISHED, LineResumed): Row(_S.ESTABLISHED, (_A.NOTE_RESUME,)),
    (_S.ESTABLISHED, PbxResumed): Row(_S.ESTABLISHED, (_A.NOTE_RESUME,)),
    (_S.ESTABLISHED, HoldRequested): Row(_S.ESTABLISHED, (_A.HOLD_LINE, _A.NOTE_HOLD)),
    (_S.ESTABLISHED, ResumeRequested): Row(
        _S.ESTABLISHED, (_A.RESUME_LINE, _A.NOTE_RESUME)
    ),
    # The end of it: the leg that is left is released.
    (_S.RELEASING_LINE, LineReleased): Row(_S.RELEASED),
    (_S.RELEASING_PBX, PbxReleased): Row(_S.RELEASED),
    (_S.RELEASING_BOTH, LineReleased): Row(_S.RELEASING_PBX),
    (_S.RELEASING_BOTH, PbxReleased): Row(_S.RELEASING_LINE),
    # A leg that does not confirm its release in time is given up.
    (_S.RELEASING_LINE, TimedOut): Row(_S.RELEASED),
    (_S.RELEASING_PBX, TimedOut): Row(_S.RELEASED),
    (_S.RELEASING_BOTH, TimedOut): Row(_S.RELEASED),
}

_BEFORE_MEDIA = (
    _S.OFFERED,
    _S.ANSWERING_LINE,
    _S.PLACING,
    _S.RINGING,
    _S.ANSWERING_PBX,
)
_EARLY = (_S.EARLY_MEDIA, _S.ANSWERING_EARLY)
WITH_MEDIA = (*_EARLY, _S.ESTABLISHED)
"""The states in which audio runs."""


def _endings(state: CallState, first: tuple[Action, ...]) -> Iterator[tuple[Pair, Row]]:
    """Yield the rows that end a call whose two legs both live."""
    line = Row(_S.RELEASING_LINE, (*first, _A.RELEASE_LINE))
    pbx = Row(_S.RELEASING_PBX, (*first, _A.RELEASE_PBX))
    both = Row(_S.RELEASING_BOTH, (*first, _A.RELEASE_LINE, _A.RELEASE_PBX))
    yield (state, LineReleased), pbx
    yield (state, PbxReleased), line
    yield (state, HangupRequested), both
    yield (state, TimedOut), both


for _state in _BEFORE_MEDIA:
    TRANSITIONS.update(_endings(_state, ()))
for _state in WITH_MEDIA:
    TRANSITIONS.update(_endings(_state, (_A.STOP_MEDIA,)))
    TRANSITIONS[_state, MediaEnded] = TRANSITIONS[_state, HangupRequested]

TIMERS: dict[CallState, Timer] = {
    _S.OFFERED: Timer.RING,
    _S.PLACING: Timer.RING,
    _S.RINGING: Timer.RING,
    _S.ANSWERING_LINE: Timer.ANSWER,
    _S.ANSWERING_PBX: Timer.ANSWER,
    _S.EARLY_MEDIA: Timer.RING,
    _S.ANSWERING_EARLY: Timer.ANSWER,
    _S.ESTABLISHED: Timer.CALL,
    _S.RELEASING_LINE: Timer.RELEASE,
    _S.RELEASING_PBX: Timer.RELEASE,
    _S.RELEASING_BOTH: Timer.RELEASE,
}
"""The timer that runs in a state. It goes on when the timer stays the same."""

_GOING = (_S.RELEASING_LINE, _S.RELEASING_PBX, _S.RELEASING_BOTH)
_UP = (_S.ESTABLISHED, *_GOING, _S.RELEASED)


_Ignored = Iterator[tuple[tuple[CallState, ...], tuple[type[Event], ...], str]]


def _idle_reports() -> _Ignored:
    """Yield the reports of how far a leg is that do nothing, with the reason."""
    live = tuple(state for state in _S if state is not _S.IDLE)
    outgoing = (_S.PLACING, _S.RINGING, _S.ANSWERING_PBX, *_EARLY)
    incoming = (_S.OFFERED, _S.ANSWERING_LINE)
    yield (
        (_S.IDLE,),
        tuple(event for event in EVENTS if event not in (LineOffered, PbxOffered)),
        "a call begins with an offer",
    )
    yield live, (LineOffered, PbxOffered), "a call is offered once"
    yield (_S.RINGING,), (LineRinging,), "clients repeat themselves"
    yield (
        (_S.ANSWERING_PBX, *_EARLY),
        (LineRinging, LineEarlyMedia),
        "clients repeat themselves",
    )
    yield (
        (_S.ANSWERING_PBX, _S.ANSWERING_EARLY),
        (LineAnswered,),
        "clients repeat themselves",
    )
    yield (
        tuple(state for state in live if state is not _S.RINGING),
        (PbxEarlyMedia,),
        "the call has gone on meanwhile",
    )
    yield (
        (*incoming, *_UP),
        (LineRinging, LineEarlyMedia),
        "an offered or answered leg does not ring again",
    )
    yield (_S.OFFERED,), (LineAnswered,), "only we answer an offered leg"
    yield _UP, (LineAnswered, PbxAnswered, PbxRinging), "a late or repeated report"
    yield (_S.ANSWERING_LINE,), (PbxAnswered, PbxRinging), "a late or repeated report"
    yield outgoing, (PbxRinging,), "the PBX caller does not ring"
    yield (
        (_S.PLACING, _S.RINGING, _S.EARLY_MEDIA),
        (PbxAnswered,),
        "only we answer a leg that waits for the line",
    )


def _idle_events() -> _Ignored:
    """Yield all other pairs that do nothing, with the reason."""
    unheard = (*_BEFORE_MEDIA, *_EARLY, *_GOING, _S.RELEASED)
    answering_pbx = (_S.ANSWERING_PBX, _S.ANSWERING_EARLY)
    yield unheard, (LineDigit, PbxDigit), "nobody is there to hear it"
    yield (
        tuple(state for state in unheard if state is not _S.ANSWERING_LINE),
        (PbxHeld, PbxResumed),
        "nobody is there to hear it",
    )
    yield (
        tuple(state for state in unheard if state not in answering_pbx),
        (LineHeld, LineResumed),
        "nobody is there to hear it",
    )
    yield (
        (*_BEFORE_MEDIA, *_EARLY, *_GOING, _S.RELEASED),
        (HoldRequested, ResumeRequested),
        "only a call that is up can be held",
    )
    yield (
        (*_BEFORE_MEDIA, *_GOING, _S.RELEASED),
        (MediaEnded,),
        "media does not run",
    )
    yield _GOING, (HangupRequested,), "the call ends already"
    yield (_S.RELEASING_LINE,), (PbxReleased,), "the PBX leg has ended already"
    yield (_S.RELEASING_PBX,), (LineReleased,), "the line leg has ended already"
    yield (
        (_S.RELEASED,),
        (LineReleased, PbxReleased, HangupRequested, TimedOut),
        "the call is over",
    )


IGNORED: dict[Pair, str] = {
    (state, event): reason
    for states, events, reason in (*_idle_reports(), *_idle_events())
    for state in states
    for event in events
}
"""Every pair that is no row, with the reason why it does nothing."""


def step(state: CallState, event: Event) -> Row:
    """Return what an event does in a state; an ignored one does nothing."""
    pair = (state, type(event))
    if pair in IGNORED:
        return Row(state)
    return TRANSITIONS[pair]
