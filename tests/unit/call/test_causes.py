from __future__ import annotations

from skypechan.call.causes import MEANINGS, DialStatus, HangupCause


def test_every_cause_has_a_meaning() -> None:
    assert set(MEANINGS) == set(HangupCause)


def test_an_unlisted_number_is_unspecified() -> None:
    assert HangupCause.of(99) is HangupCause.NORMAL_UNSPECIFIED
    assert HangupCause.of(17) is HangupCause.USER_BUSY


def test_no_cause_of_an_unanswered_call_means_that_it_was_answered() -> None:
    assert all(m.status is not DialStatus.ANSWER for m in MEANINGS.values())
