"""Transfers: who can be sent what call, and what comes of it. Pure.

Only incoming calls can be sent on (Skype4Py); of several targets the first to answer
has the call. Guesses: a target that is only data answers after its `answer_s` if that
is its manner; a call that nobody takes goes back to its former status.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from skypechan.backends.skype.protocol.notifications import CallProperty
from skypechan.backends.skype.protocol.values import CallStatus, UserStatus
from skypechan.emulator.calls import Call
from skypechan.emulator.engine import CallEngine
from skypechan.emulator.outputs import Purpose, Signal
from skypechan.emulator.party import Manner, Person

TRANSFER_S: Final = 30.0
"""Guess: how long the targets of a transfer ring."""


@dataclass(frozen=True, slots=True)
class Target:
    """Somebody a call can go to; `remote` is at another emulator."""

    person: Person
    remote: bool


FindTarget = Callable[[str], Target | None]


class Transfers:
    """The transfers of one client."""

    def __init__(self, engine: CallEngine, find: FindTarget) -> None:
        self._engine = engine
        self._find = find
        self._answers: dict[int, str] = {}

    def possible(self, call: Call, handle: str) -> bool:
        """The answer to CAN_TRANSFER.

        Guess: a caller who sits at another emulator can only go to a third one.
        """
        target = self._find(handle)
        return (
            target is not None
            and (target.remote or not call.remote)
            and _movable(call)
            and target.person.handle.lower() != call.person.handle.lower()
            and target.person.online is not UserStatus.OFFLINE
        )

    def begin(self, call: Call, handles: Iterable[str]) -> bool:
        """ALTER CALL TRANSFER; False when it cannot be."""
        wanted = [handle for handle in handles if self.possible(call, handle)]
        targets = [target for handle in wanted if (target := self._find(handle))]
        if not targets:
            return False
        call.before_transfer = call.status
        self._engine.enter(call, CallStatus.TRANSFERRING)
        self._engine.set_property(call, "TRANSFER_ACTIVE", "TRUE")
        remote = [target.person.handle for target in targets if target.remote]
        people = [target.person for target in targets if not target.remote]
        first = _first_to_answer(people)
        if remote:
            self._engine.signal(call, Signal.TRANSFER, ",".join(remote))
        if first is not None:
            self._answers[call.call_id] = first.handle
        delay_s = first.answer_s if first else _patience_s(people, remote)
        self._engine.start_timer(call, Purpose.TRANSFER, delay_s)
        return True

    def expired(self, call: Call) -> None:
        """A target that is only data has answered, or nobody will."""
        if call.before_transfer is None:
            return
        handle = self._answers.pop(call.call_id, "")
        self._engine.signal(call, Signal.TRANSFER_FAILED)
        if handle:
            self.succeed(call, handle)
        else:
            self.fail(call)

    def succeed(self, call: Call, handle: str) -> bool:
        """Somebody has the call now."""
        if call.before_transfer is None:
            return False
        call.before_transfer = None
        self._engine.set_property(call, "TRANSFERRED_TO", handle)
        self._engine.enter(call, CallStatus.TRANSFERRED)
        return True

    def fail(self, call: Call) -> bool:
        """Nobody took it: the call is what it was."""
        before, call.before_transfer = call.before_transfer, None
        if before is None:
            return False
        self._engine.set_property(call, "TRANSFER_ACTIVE", "FALSE")
        self._engine.enter(call, before)
        return True

    def answer_of(self, call: Call, name: str) -> CallProperty:
        """The reply to GET CALL id CAN_TRANSFER target; the name in its own case."""
        _, _, handle = name.partition(" ")
        target = self._find(handle.strip())
        shown = target.person.handle if target else handle.strip()
        word = "TRUE" if self.possible(call, handle.strip()) else "FALSE"
        return CallProperty(call.call_id, "CAN_TRANSFER", f"{shown} {word}")


def _movable(call: Call) -> bool:
    if not call.call_type.incoming or call.before_transfer is not None:
        return False
    return call.ringing_here or call.established


def _first_to_answer(people: Iterable[Person]) -> Person | None:
    willing = [person for person in people if person.manner is Manner.ANSWER]
    return min(willing, key=lambda person: person.answer_s, default=None)


def _patience_s(people: list[Person], remote: list[str]) -> float:
    waiting = any(p.manner in {Manner.IGNORE, Manner.MANUAL} for p in people)
    if remote or waiting:
        return TRANSFER_S
    return max((person.answer_s for person in people), default=TRANSFER_S)
