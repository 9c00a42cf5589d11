"""An emulated client in memory, with one application and time that tests turn."""

from __future__ import annotations

import re

from skypechan.emulator.client import Client, Send
from skypechan.emulator.engine import CallEngine
from skypechan.emulator.outputs import Purpose, Signal, StartTimer
from skypechan.emulator.party import CONTACTS, Manner, Person, stranger

NOW = 1_100_000_000
APP = "app"
PEOPLE = (
    *CONTACTS,
    Person(handle="bob", full_name="Bob Day", manner=Manner.MANUAL),
    Person(handle="+4912345", manner=Manner.REFUSE),
)


class Desktop:
    """A client with one attached application, and time that tests turn."""

    def __init__(self, *, attach=True, **options):
        engine = CallEngine(
            repeats=options.pop("repeats", False),
            reason_14=options.pop("reason_14", False),
        )
        people = options.pop("people", PEOPLE)
        self.client = Client("skypet123", people, engine=engine, **options)
        self.timers: list[StartTimer] = []
        self.effects = []
        self.lines: list[str] = []
        if attach:
            self.say("NAME test")
            self.say("PROTOCOL 8")
            self.hear()

    @property
    def calls(self):
        return self.client.engine.calls

    def say(self, text, key=APP):
        """Send a line; returns what the application hears because of it."""
        self.client.receive(key, text, NOW)
        return self.settle(key)

    def settle(self, key=APP):
        heard = []
        for effect in self.client.effects():
            match effect:
                case Send(to, outgoing) if to == key:
                    heard.append(outgoing.text)
                case Send():
                    pass
                case StartTimer():
                    self.timers.append(effect)
                case _:
                    self.effects.append(effect)
        self.lines += heard
        return heard

    def hear(self):
        lines, self.lines = self.lines, []
        return lines

    def expire(self, purpose):
        """Let the oldest timer of this purpose expire."""
        timer = next(timer for timer in self.timers if timer.purpose is purpose)
        self.timers.remove(timer)
        self.client.expired(timer.call_id, purpose, NOW)
        return self.settle()

    def walk(self):
        """Let every step of every plan happen."""
        while any(timer.purpose is Purpose.STEP for timer in self.timers):
            self.expire(Purpose.STEP)
        return self.hear()

    def place(self, target):
        (first, *_) = self.say(f"CALL {target}")
        return int(re.fullmatch(r"CALL (\d+) STATUS UNPLACED", first)[1])

    def ring(self, handle="bob", **options):
        call = self.client.engine.ring(stranger(handle), NOW, **options)
        self.settle()
        self.hear()
        return call

    def partner(self, call_id, signal, value=""):
        done = self.client.partner(self.calls[call_id], signal, value)
        self.settle()
        return done

    def established(self):
        call_id = self.place("bob")
        self.walk()
        self.partner(call_id, Signal.ANSWER)
        self.hear()
        return call_id
