"""What is in the client's windows, and what pressing and typing there does."""

from __future__ import annotations

import pytest

from skypechan.emulator.entrance import Login
from skypechan.emulator.windows import (
    ALLOW,
    DENY,
    NAME,
    SIGN_IN,
    TICK,
    Decision,
    Field,
    PermissionWindow,
    SignInWindow,
    Tick,
    Words,
    shown,
)


def press(window, box):
    return window.press(*box.middle)


def typed(window, text):
    return [wish for letter in text if (wish := window.key(letter))]


@pytest.mark.parametrize(("box", "allowed"), [(ALLOW, True), (DENY, False)])
@pytest.mark.parametrize("ticks", [0, 1, 2])
def test_a_button_decides_and_the_tick_is_what_it_was_left_at(box, allowed, ticks):
    window = PermissionWindow("dialer")
    for _ in range(ticks):
        assert press(window, TICK) is None
    assert press(window, box) == Decision(allowed=allowed, remember=ticks == 1)


def test_no_key_and_no_press_beside_the_buttons_decides():
    window = PermissionWindow("dialer")
    assert typed(window, "\r y\t") == []
    assert window.press(ALLOW.x - 1, ALLOW.y) is None
    assert window.press(DENY.x + DENY.width, DENY.y) is None
    assert not any(part.ticked for part in window.parts() if isinstance(part, Tick))


def test_the_name_is_shown_without_what_is_no_letter():
    parts = PermissionWindow("a\nb" + "x" * 100).parts()
    (name,) = (p.text for p in parts if isinstance(p, Words) and p.text[0] == "a")
    assert name == "a?b" + "x" * 46 + "..."
    assert len(shown("x" * 52)) == 52


def test_name_tab_password_return_signs_in():
    window = SignInWindow()
    assert typed(window, "skypex\b\bt123\tsecret\r") == [Login("skypt123", "secret")]


def test_return_in_the_name_goes_to_the_password():
    window = SignInWindow()
    assert typed(window, "bob\r") == []
    assert typed(window, "pw\r") == [Login("bob", "pw")]


def test_a_password_is_never_shown_and_forgotten_when_used():
    window = SignInWindow("bob")
    typed(window, "secret")
    fields = [part.text for part in window.parts() if isinstance(part, Field)]
    assert fields == ["bob", "******"]
    assert press(window, SIGN_IN) == Login("bob", "secret")
    assert window.password == ""


def test_the_field_that_was_pressed_is_typed_into():
    window = SignInWindow("bob")
    press(window, NAME)
    typed(window, "by")
    assert window.name == "bobby"


def test_what_is_typed_has_an_end():
    window = SignInWindow()
    typed(window, "x" * 1_000)
    assert len(window.name) == 64
