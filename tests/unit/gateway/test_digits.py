"""A digit that comes two ways is one digit."""

from __future__ import annotations

from skypechan.gateway.digits import OneDigitEach
from tests.doubles.clock import FakeClock


async def kept(*heard: tuple[float, str, bool]) -> str:
    """The digits that are no copies; each is a pause before it, a digit, a way."""
    clock = FakeClock()
    digits, result = OneDigitEach(clock), ""
    for pause_s, digit, in_band in heard:
        await clock.advance(pause_s)
        if not digits.is_copy(digit, second_best=in_band):
            result += digit
    return result


async def test_the_tone_of_a_digit_that_was_told_is_the_same_digit() -> None:
    assert await kept((0, "5", False), (0.04, "5", True)) == "5"
    assert await kept((0, "5", True), (0.2, "5", False)) == "5"


async def test_a_key_that_is_pressed_twice_is_two_digits() -> None:
    both = [(0.1, "5", False), (0.05, "5", True)]
    assert await kept(*both, *both) == "55"
    late = [(0.1, "5", False), (0.1, "5", False), (0.05, "5", True), (0.1, "5", True)]
    assert await kept(*late) == "55"


async def test_digits_that_come_one_way_only_are_all_kept() -> None:
    assert await kept((0, "1", True), (0.1, "1", True), (0.1, "2", False)) == "112"


async def test_what_comes_much_later_is_another_digit() -> None:
    assert await kept((0, "5", True), (3, "5", False)) == "55"


async def test_once_the_client_tells_digits_tones_count_no_more() -> None:
    burst = [(0.0, digit, False) for digit in "1234"]
    assert await kept(*burst, *((0.2, digit, True) for digit in "1234")) == "1234"
    assert await kept((0, "1", False), (9, "2", True), (0, "2", False)) == "12"
