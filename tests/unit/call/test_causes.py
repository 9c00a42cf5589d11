from __future__ import annotations

from skypechan.call.causes import MEANINGS, HangupCause


def test_every_cause_has_a_meaning() -> None:
    assert set(MEANINGS) == set(HangupCause)


def test_an_unlisted_number_is_unspecified() -> None:
    assert HangupCause.of(99) is HangupCause.NORMAL_UNSPECIFIED
    assert HangupCause.of(17) is HangupCause.USER_BUSY
