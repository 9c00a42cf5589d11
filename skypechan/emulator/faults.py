"""Trouble on request."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong from now on.

    The next `drop_replies` replies and `drop_notifications` notifications vanish, the
    next `double_replies` replies come twice; replies come `reply_delay_s` late. On a
    display the next `swap_slices` lines of several slices arrive with the first two
    in the wrong order. `slow_s` is how long each command waits before it is served.
    While it hangs the client serves no command, says nothing and carries no sound;
    afterwards it does it all. `refuse_sound` has no sound port connected: ERROR 589.
    """

    drop_replies: int = 0
    drop_notifications: int = 0
    double_replies: int = 0
    reply_delay_s: float = 0.0
    swap_slices: int = 0
    slow_s: float = 0.0
    hang: bool = False
    refuse_sound: bool = False
