"""What happens in a round of the call drill, drawn before anything does.

A round is known by its seed and number alone, so that one that failed can be replayed.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

PHONES = ("sipphone", "desk", "booth")
LINES = {"one": "dbus", "two": "x11", "three": "dbus", "four": "x11"}
GATEWAY_ROUNDS = 20
"""In the first rounds the gateway is killed too; later it is watched for growth."""

CONTACT = "559"
_FORMS = ("call", "local", "kept", "prepare")
_SELECTORS = ("ANY", "ANY", "RR", "LRU", *LINES)
_PEOPLE = (
    *("echo", "prompt", "high", "low", "slow", "tone", "+4930123456"),
    *("noanswer", "busy", "refuse", "offline", "blocked", "echo%7Ctone"),
)
_ELSEWHERE = (
    *(CONTACT, "94930123456", "queue-of-skype", "queue-of-both", "group-desk"),
    *("group-skype", "group-echo", "follow", "stack-dial", "stack-prepare"),
)
_CALLERS = (
    *("to-sipphone", "to-desk", "to-booth", "to-queue", "to-room", "to-line"),
    *("to-busy", "to-nowhere", "to-echo", "to-missed"),
)
_TARGETS = ("desk", "booth", "nowhere", "room", "800", "call-ANY-low", "kept-RR-high")
_BEHAVIOURS = ("answers", "answers", "answers later", "rings", "busy", "declines")
_INSTANTS_S = (0.0, 0.0, 0.02, 0.1, 0.2, 0.35, 0.5, 0.8, 1.1, 1.5)
_DIGITS = "0123456789*#"

_OF_PHONES = (
    *("hang up", "hang up", "hold", "resume", "digits", "transfer", "answer"),
)
_OF_PEOPLE = (
    *("hang up", "hang up", "hold", "resume", "digits", "answer", "reject"),
    *("busy", "fail", "hang up by hand", "hold by hand", "resume by hand"),
    "stumble",
)
_STUMBLES = (
    *('{"drop_replies": 1}', '{"double_replies": 3}', '{"reply_delay_s": 0.2}'),
    *('{"slow_s": 0.1}', '{"slow_s": 0.02}', '{"swap_slices": 2}'),
)
_OF_OPERATORS = ("hang up", "hold", "resume", "redirect", "transfer", "restart")


@dataclass(frozen=True, slots=True)
class Step:
    """Somebody does something; `pick` chooses among what it can be done to."""

    at_s: float
    who: str
    what: str
    pick: int
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Round:
    """Calls and events in the order of their times, and perhaps a kill among them."""

    seed: int
    number: int
    behaviours: dict[str, str]
    steps: tuple[Step, ...]
    calls: int
    victims: frozenset[str]
    dead_s: float
    phones_end_it: bool

    @property
    def contacts(self) -> int:
        """How many of the calls are to the contact, which all have one UUID."""
        return sum(step.detail == CONTACT for step in self.steps)

    @classmethod
    def drawn(cls, seed: int, number: int) -> Round:
        """The round of a seed and a number."""
        chance = random.Random(f"{seed} {number}")
        calls = chance.randint(3, 7)
        steps = [_call(chance) for _ in range(calls)]
        steps += [_event(chance) for _ in range(chance.randint(calls, 5 * calls))]
        dying = _victims(chance, number)
        steps += [Step(_moment(chance), victim, "dies", 0) for victim in dying]
        return cls(
            seed,
            number,
            {phone: chance.choice(_BEHAVIOURS) for phone in PHONES},
            tuple(sorted(steps, key=lambda step: step.at_s)),
            calls,
            dying,
            chance.choice((0.0, 0.1, 0.4, 1.2)),
            chance.random() < 0.5,
        )


def _victims(chance: random.Random, number: int) -> frozenset[str]:
    """Who dies in a round: `client LINE`, `desktop LINE`, or a lone word."""
    ends = [f"{chance.choice(('client', 'client', 'desktop'))} {one}" for one in LINES]
    gateway = ["gateway"] * 2 if number < GATEWAY_ROUNDS else []
    among = [*ends, *["cable"] * 3, *gateway]
    return frozenset(chance.sample(among, chance.choice((0, 0, 0, 1, 1, 2))))


def _moment(chance: random.Random) -> float:
    return round(chance.choice(_INSTANTS_S) + chance.uniform(0, 0.06), 3)


def _call(chance: random.Random) -> Step:
    at_s, pick = _moment(chance) / 2, chance.randrange(100)
    if chance.random() < 0.5:
        return Step(at_s, chance.choice(list(LINES)), "rings", pick, _caller(chance))
    return Step(at_s, chance.choice(PHONES), "calls", pick, _extension(chance))


def _caller(chance: random.Random) -> str:
    return f"{chance.choice(_CALLERS)}-{chance.randrange(1000)}"


def _extension(chance: random.Random) -> str:
    if chance.random() < 0.25:
        return chance.choice(_ELSEWHERE)
    form, line = chance.choice(_FORMS), chance.choice(_SELECTORS)
    return f"{form}-{line}-{chance.choice(_PEOPLE)}"


def _event(chance: random.Random) -> Step:
    at_s, pick = _moment(chance) + chance.choice((0.0, 0.2, 0.5)), chance.randrange(100)
    who = chance.choice((*PHONES, *LINES, "operator"))
    if who in PHONES:
        what = chance.choice(_OF_PHONES)
    elif who in LINES:
        what = chance.choice(_OF_PEOPLE)
    else:
        what = chance.choice(_OF_OPERATORS)
    detail = ""
    if what == "digits":
        detail = "".join(chance.choices(_DIGITS, k=chance.randint(1, 6)))
    elif what in ("transfer", "redirect"):
        detail = chance.choice(_TARGETS)
    elif what == "stumble":
        detail = chance.choice(_STUMBLES)
    elif what == "restart":
        detail = chance.choice(list(LINES))
    return Step(at_s, who, what, pick, detail)
