"""The transcripts, from the application's side: the emulator says what clients said."""

from __future__ import annotations

import re

import pytest

from skypechan.backends.skype.protocol.attachment import Permission
from skypechan.backends.skype.protocol.values import FailureReason, UserStatus
from skypechan.emulator.desk import OpenSound
from skypechan.emulator.outputs import Ending, Purpose, Signal
from skypechan.emulator.party import Manner, Person, stranger
from tests.doubles.emulated_client import APP, PEOPLE, Desktop
from tests.doubles.transcripts import Transcript, transcripts

_OBJECT = re.compile(r"\b((?:CALL|VOICEMAIL) )(\d+)\b")


class Replay:
    """One transcript against one emulated client."""

    def __init__(self, transcript: Transcript) -> None:
        self.transcript = transcript
        attaches = transcript.attaches
        self.desktop = Desktop(
            attach=not attaches,
            repeats=transcript.setup("repeats") == ["yes"],
            reason_14=transcript.setup("reason_14") == ["yes"],
            permission=Permission((transcript.setup("permission") or ["yes"])[0]),
            people=(*PEOPLE, *map(person, transcript.setup("person"))),
        )
        client = self.desktop.client
        client.account = (transcript.setup("account") or ["skypet123"])[0]
        client.user_status = UserStatus(
            (transcript.setup("user_status") or ["ONLINE"])[0]
        )
        self.numbers: dict[str, str] = {}
        self.said: list[str] = []

    def run(self) -> None:
        for line in self.transcript.lines:
            match line.marker:
                case "->":
                    self.desktop.say(_OBJECT.sub(self.ours, line.text))
                case "=":
                    self.act(*line.text.split(" ", 1))
                case "<=" | "<-":
                    self.hear(line.text, line.number)

    def ours(self, found: re.Match[str]) -> str:
        """A number that is none of an object is a telephone's."""
        return found[1] + self.numbers.get(found[2], found[2])

    def hear(self, text: str, number: int) -> None:
        """The next line that says this; new numbers are learnt from it."""
        self.said += self.desktop.hear()
        known = re.escape(text)
        for theirs in {match[2] for match in _OBJECT.finditer(text)}:
            ours = self.numbers.get(theirs)
            known = re.sub(rf"\b{theirs}\b", ours or rf"(?P<n{theirs}>\\d+)", known)
        for place, line in enumerate(self.said):
            if found := re.fullmatch(known, line):
                learnt = found.groupdict()
                self.numbers |= {name[1:]: value for name, value in learnt.items()}
                del self.said[: place + 1]
                return
        where = f"{self.transcript.name}:{number}"
        pytest.fail(f"{where}: {text!r} is not among {self.said}")

    def act(self, word: str, rest: str = "") -> None:
        desktop, client = self.desktop, self.desktop.client
        last = next(reversed(desktop.calls), 0)
        match word:
            case "walk":
                while any(t.purpose is Purpose.STEP for t in desktop.timers):
                    desktop.expire(Purpose.STEP)
            case "steps":
                for _ in range(int(rest)):
                    desktop.expire(Purpose.STEP)
            case "second":
                desktop.expire(Purpose.SECOND)
            case "allow":
                client.decide(APP, allowed=True)
            case "ring":
                client.engine.ring(stranger(rest), 0)
            case "ask":
                who, words = rest.split(" ", 1)
                client.ask_contact(client.directory.find(who), words)
            case "answer":
                desktop.partner(last, Signal.ANSWER)
            case "refuse":
                desktop.partner(last, Signal.END, Ending.REFUSED)
            case "end":
                desktop.partner(last, Signal.END)
            case "digit":
                desktop.partner(last, Signal.DIGIT, rest)
            case "hang_up":
                client.engine.end(desktop.calls[last])
            case "transferred":
                desktop.expire(Purpose.TRANSFER)
            case "sound":
                for effect in desktop.effects:
                    if isinstance(effect, OpenSound):
                        client.sound_opened(effect.request, connected=True)
            case _:
                pytest.fail(f"nobody can {word}")
        desktop.settle()


def person(text: str) -> Person:
    handle, manner, *failure = text.split()
    reason = FailureReason(int(failure[0])) if failure else FailureReason.MISCELLANEOUS
    return Person(handle=handle, manner=Manner(manner), failure=reason)


@pytest.mark.parametrize("transcript", transcripts(), ids=lambda item: item.name)
def test_emulator_says_what_the_client_said(transcript):
    Replay(transcript).run()
