"""`skypechan describe causes` shows every row of every table."""

from __future__ import annotations

import re

import pytest

from skypechan.asterisk.causes import spoken
from skypechan.backends.skype.causes import ENDINGS, FAILURES, OCCASIONS, REFUSALS
from skypechan.call.causes import HangupCause, meaning
from skypechan.config.causes import causes_text

FROM_SKYPE, TO_ASTERISK, FROM_ASTERISK, TO_SKYPE = re.split(r"\n\n(?=W)", causes_text())


def rows(text: str) -> list[list[str]]:
    return [re.split(r"  +", line) for line in text.split("\n\n")[1].splitlines()]


def test_all_that_skype_can_say_is_there_with_its_cause() -> None:
    shown = {row[0]: row[2] for row in rows(FROM_SKYPE)[1:]}
    for reason, ending in FAILURES.items():
        assert shown[f"FAILUREREASON {int(reason)}"] == str(int(ending.cause))
    for number, ending in REFUSALS.items():
        assert shown[f"ERROR {int(number)}"] == str(int(ending.cause))
    assert {f"STATUS {status}" for status, _ in ENDINGS} < shown.keys()
    assert {"FAILUREREASON, any other", "PSTN_STATUS 6500"} < shown.keys()
    assert len(rows(FROM_SKYPE)) == len(ENDINGS) + len(FAILURES) + len(REFUSALS) + 4


@pytest.mark.parametrize("cause", HangupCause)
def test_every_cause_is_there_for_both_ends(cause: HangupCause) -> None:
    number = str(int(cause))
    (told,) = [row for row in rows(TO_ASTERISK) if row[0].split()[0] == number]
    words = meaning(cause)
    assert told[1:4] == [str(int(spoken(cause))), str(words.sip), words.status]
    (parting,) = [row for row in rows(TO_SKYPE) if row[0].split()[0] == number]
    assert parting[1] == OCCASIONS[cause].value


def test_lines_fit_a_terminal() -> None:
    assert max(map(len, causes_text().splitlines())) <= 100
