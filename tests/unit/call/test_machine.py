"""The transition table: total, and true to its rules."""

from __future__ import annotations

import random
from itertools import product

import pytest

from skypechan.call.actions import Action
from skypechan.call.causes import HangupCause
from skypechan.call.events import (
    Event,
    HangupRequested,
    LineAnswered,
    LineDigit,
    LineReleased,
    MediaEnded,
    PbxAnswered,
    PbxDigit,
    PbxEarlyMedia,
    PbxReleased,
    TimedOut,
    Timer,
)
from skypechan.call.machine import (
    EVENTS,
    IGNORED,
    TIMERS,
    TRANSITIONS,
    WITH_MEDIA,
    CallState,
    step,
)
from skypechan.call.record import Side


def sample(kind: type[Event]) -> Event:
    if kind in (LineDigit, PbxDigit):
        return kind("5")
    if kind in (LineReleased, PbxReleased):
        return kind(HangupCause.NORMAL_CLEARING, "over")
    if kind is MediaEnded:
        return MediaEnded(Side.PBX, HangupCause.NORMAL_CLEARING, "closed")
    if kind is TimedOut:
        return TimedOut(Timer.RING)
    return kind()


SAMPLES = [sample(kind) for kind in EVENTS]


def run(events: list[Event]) -> tuple[CallState, list[tuple[Action, set[type]]]]:
    """Return the last state and each action with the event kinds seen before it."""
    state, seen, done = CallState.IDLE, set(), []
    for event in events:
        row = step(state, event)
        seen = seen | {type(event)}
        done += [(action, seen) for action in row.actions]
        state = row.state
    return state, done


def test_every_pair_is_either_a_row_or_ignored_with_a_reason() -> None:
    pairs = set(product(CallState, EVENTS))
    assert set(TRANSITIONS) | set(IGNORED) == pairs
    assert not set(TRANSITIONS) & set(IGNORED)
    assert all(IGNORED.values())


def test_every_state_can_be_reached_and_only_released_is_final() -> None:
    reached, edge = {CallState.IDLE}, [CallState.IDLE]
    while edge:
        here = edge.pop()
        following = {r.state for (s, _), r in TRANSITIONS.items() if s is here}
        assert following or here is CallState.RELEASED
        edge += following - reached
        reached |= following
    assert reached == set(CallState)


LIVE = [s for s in CallState if s not in (CallState.IDLE, CallState.RELEASED)]


@pytest.mark.parametrize("state", LIVE)
def test_a_live_call_can_always_be_ended_by_time_or_by_either_leg(
    state: CallState,
) -> None:
    assert state in TIMERS
    end = step(step(state, sample(LineReleased)).state, sample(PbxReleased)).state
    assert end is CallState.RELEASED


def check_rules(events: list[Event]) -> None:
    state, done = run(events)
    actions = [action for action, _ in done]
    assert actions.count(Action.RELEASE_LINE) <= 1
    assert actions.count(Action.RELEASE_PBX) <= 1
    assert actions.count(Action.START_MEDIA) <= 1
    assert actions.count(Action.START_EARLY_MEDIA) <= 1
    starts = {Action.START_EARLY_MEDIA, Action.START_MEDIA} & set(actions)
    assert actions.count(Action.STOP_MEDIA) <= bool(starts)
    for action, seen in done:
        if action is Action.START_MEDIA:
            assert {LineAnswered, PbxAnswered} <= seen
        if action is Action.START_EARLY_MEDIA:
            assert PbxEarlyMedia in seen
        if action is Action.ANSWER_LINE:
            assert PbxAnswered in seen
        if action is Action.ANSWER_PBX:
            assert LineAnswered in seen
    if state is CallState.RELEASED:
        assert all(step(state, event).state is state for event in SAMPLES)
        assert (Action.STOP_MEDIA in actions) == bool(starts)


@pytest.mark.parametrize("first", SAMPLES, ids=lambda e: type(e).__name__)
def test_no_sequence_of_four_events_breaks_the_rules(first: Event) -> None:
    for rest in product(SAMPLES, repeat=3):
        check_rules([first, *rest])


def test_no_long_random_sequence_breaks_the_rules() -> None:
    chance = random.Random(2009)
    for _ in range(3_000):
        check_rules(chance.choices(SAMPLES, k=chance.randint(5, 25)))


def test_media_that_started_is_stopped_by_every_ending() -> None:
    for state in WITH_MEDIA:
        for kind in (LineReleased, PbxReleased, HangupRequested, TimedOut, MediaEnded):
            row = step(state, sample(kind))
            assert row.actions[0] is Action.STOP_MEDIA
