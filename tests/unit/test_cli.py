"""Which event loop the gateway runs in."""

from __future__ import annotations

import asyncio
import logging
import sys
import types

import pytest

from skypechan import cli


def test_without_uvloop_the_loop_is_asyncios_own(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delitem(sys.modules, "skypechan.loop", raising=False)
    monkeypatch.setitem(sys.modules, "uvloop", None)  # as if it were not installed
    with caplog.at_level(logging.INFO):
        assert cli._loop_factory() is None
    assert caplog.messages == []


def test_with_uvloop_the_loop_is_its_and_the_log_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Theirs(asyncio.SelectorEventLoop):
        pass

    stand_in = types.SimpleNamespace(Loop=Theirs, __version__="0.99")
    monkeypatch.setitem(sys.modules, "uvloop", stand_in)
    monkeypatch.delitem(sys.modules, "skypechan.loop", raising=False)
    with caplog.at_level(logging.INFO):
        make = cli._loop_factory()
    sys.modules.pop("skypechan.loop", None)
    assert caplog.messages == ["= event loop of uvloop 0.99"]
    with asyncio.Runner(loop_factory=make) as runner:
        assert isinstance(runner.get_loop(), Theirs)
