"""What the event loop watches for the engine: its sockets, or a moment.

An epoll descriptor within which those of the sockets and of a timer are switched, so
that a change costs one system call and not the 10 us of taking a reader out of the
loop and putting it back. The loop's own timers end on whole milliseconds after they
are set; timerfd_create(2) is exact.
"""

from __future__ import annotations

import ctypes
import os
import select
import time

_TIMER_ABSOLUTE = 1
_NANOSECONDS = 1_000_000_000
_DISARMED = 0.0

_libc = ctypes.CDLL(None, use_errno=True)


class Gate:
    """Open it is readable when `watched` is, shut when its moment has come."""

    def __init__(self, watched: int) -> None:
        self._watched = watched
        # os.timerfd_create is of Python 3.13.
        flags = os.O_NONBLOCK | os.O_CLOEXEC
        self._timer = _libc.timerfd_create(time.CLOCK_MONOTONIC, flags)
        if self._timer < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._moment = (ctypes.c_long * 4)()  # itimerspec: interval, value
        self._epoll = select.epoll()
        self._epoll.register(watched, select.EPOLLIN)
        self._epoll.register(self._timer, select.EPOLLIN)
        self._is_open = True

    def fileno(self) -> int:
        """The descriptor for the loop."""
        return self._epoll.fileno()

    def open(self) -> None:
        """Let what is watched through again."""
        if self._is_open:
            return
        self._set_timer(_DISARMED)  # an expiry that nobody reads would wake for ever
        self._epoll.modify(self._watched, select.EPOLLIN)
        self._is_open = True

    def shut_until(self, at_s: float) -> None:
        """Let nothing through before `at_s` of the monotonic clock."""
        if self._is_open:
            self._epoll.modify(self._watched, 0)
            self._is_open = False
        self._set_timer(at_s)

    def _set_timer(self, at_s: float) -> None:
        seconds = int(at_s)
        self._moment[2] = seconds
        self._moment[3] = int((at_s - seconds) * _NANOSECONDS)
        _libc.timerfd_settime(self._timer, _TIMER_ABSOLUTE, self._moment, None)

    def close(self) -> None:
        """Close the descriptors. Harmless twice."""
        if not self._epoll.closed:
            self._epoll.close()
            os.close(self._timer)
