"""The client's windows, seen and worked with a pointer and a keyboard."""

from __future__ import annotations

import json
import os
import sys
from contextlib import asynccontextmanager

import numpy as np
import pytest

from skypechan.demo.parts.emulated import Emulator
from skypechan.desktop.process import Process, Program
from skypechan.desktop.screen import PrivateScreen
from skypechan.emulator.windows import (
    ALLOW,
    DENY,
    NAME,
    PASSWORD,
    SIGN_IN,
    TICK,
)
from tests.doubles.xuser import ScreenUser, write_png
from tests.integration.test_emulator_display import application_on
from tests.system.parts import eventually

PERMISSION, SIGN_IN_TITLE = "Skype API Security", "Skype - Sign in"
BLUE = (0, 116, 176)


@pytest.fixture(params=["640x480x8", "640x480x24"])
async def screen(request, tmp_path, monkeypatch):
    async with PrivateScreen(tmp_path / "screen", screen=request.param) as screen:
        monkeypatch.setenv("XAUTHORITY", str(screen.xauthority))
        yield screen


@pytest.fixture
def user(screen):
    with ScreenUser(screen.display) as user:
        yield user


@asynccontextmanager
async def client_on(screen, folder, *options, login=None):
    """The emulator, or with a login `skype`, started as a script would."""
    command = (sys.executable, "-m", "skypechan.emulator.skype", "--pipelogin")
    if login is None:
        command = (sys.executable, "-m", "skypechan.emulator")
    else:
        line = f"echo '{login}' | \"$@\""
        command = ("/bin/sh", "-c", line, "sh", *command)
    options = ("--display", screen.display, "--control", "0", *options)
    environment = {
        "PYTHONPATH": os.getcwd(),
        "XAUTHORITY": str(screen.xauthority),
        "HOME": str(folder),
    }
    program = Program("client", (*command, *options), folder, environment=environment)
    async with await Process.start(program) as process:
        ready = json.loads((await process.line(r"^\{.*\}$")).group())
        yield Emulator(process, ready)


async def sees(user, title):
    """The window of that title, once it has been painted."""

    async def look():
        for window in user.windows():
            if window.title == title:
                blue = (user.picture(window) == BLUE).all(axis=2)
                return window if blue.sum() > 1000 else None
        return None

    return await eventually(look, 5, f"window {title!r} among {user.windows()}")


async def sees_nothing(user):
    async def look():
        return not user.windows()

    await eventually(look, 5, lambda: f"end of {user.windows()}")


def click(user, window, box):
    across, down = box.middle
    user.click(window.x + across, window.y + down)


def part(picture, box):
    return picture[box.y : box.y + box.height, box.x : box.x + box.width]


def config(folder):
    return (folder / "skypet123" / "config.xml").read_text()


@pytest.mark.parametrize(
    ("button", "reply", "kept"),
    [
        (ALLOW, "#1 OK", "<Authorizations>test</Authorizations>"),
        (DENY, "#1 ERROR 68", "<BlockedPrograms>test</BlockedPrograms>"),
    ],
)
async def test_a_decision_with_remember_is_not_asked_again_after_a_restart(
    screen, user, tmp_path, button, reply, kept
):
    options = ("--authorise", "ask", "--dbpath", str(tmp_path / "profile"))
    async with (
        client_on(screen, tmp_path, *options),
        application_on(screen) as application,
    ):
        await application.say("#1 NAME test")
        window = await sees(user, PERMISSION)
        before = user.picture(window)
        click(user, window, TICK)

        async def ticked():
            return (part(user.picture(window), TICK) != part(before, TICK)).any()

        await eventually(ticked, 5, "tick")
        write_png(tmp_path / f"permission-{user.depth}.png", user.picture(window))
        assert application.heard == []
        click(user, window, button)
        await application.hears(reply)
        await sees_nothing(user)
    assert kept in config(tmp_path / "profile")
    async with (
        client_on(screen, tmp_path, *options),
        application_on(screen) as application,
    ):
        await application.say("#1 NAME test")
        await application.hears(reply)
        assert user.windows() == []


async def test_a_decision_without_remember_is_asked_again_after_a_restart(
    screen, user, tmp_path
):
    options = ("--authorise", "ask", "--dbpath", str(tmp_path / "profile"))
    for _ in range(2):
        async with (
            client_on(screen, tmp_path, *options),
            application_on(screen) as application,
        ):
            await application.say("#1 NAME test")
            click(user, await sees(user, PERMISSION), ALLOW)
            await application.hears("#1 OK")


async def test_the_picture_shows_who_asks_and_what_can_be_pressed(
    screen, user, tmp_path
):
    async with client_on(screen, tmp_path, "--authorise", "ask"):
        async with application_on(screen) as application:
            await application.say("NAME test")
            window = await sees(user, PERMISSION)
            picture = user.picture(window)
        await sees_nothing(user)  # the one that asked has gone
    for box in (ALLOW, DENY):
        seen = part(picture, box)
        assert (seen[0, 0] == BLUE).all()
        white = (seen == 255).all(axis=2).sum()
        assert 20 < white < 400, "letters of a button"
    black = (picture == 0).all(axis=2)
    name = black[34:50, 16 : 16 + 6 * len("test") + 2]
    assert 20 < name.sum() < 200, "the program's name"
    assert not black[34:50, 50:].any(), "nothing beside it"
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) == 4


async def test_a_decision_by_the_control_port_takes_the_window_away(
    screen, user, tmp_path
):
    async with (
        client_on(screen, tmp_path, "--authorise", "ask") as client,
        application_on(screen) as application,
    ):
        await application.say("#1 NAME test")
        await sees(user, PERMISSION)
        await client.post("/applications", {"allowed": True})
        await application.hears("#1 OK")
        await sees_nothing(user)


async def test_who_is_not_signed_in_does_it_at_the_window(screen, user, tmp_path):
    profile = tmp_path / ".Skype"
    profile.mkdir()
    (profile / "emulator.json").write_text(json.dumps({"password": "Secret 1"}))
    async with client_on(screen, tmp_path, login="wrong.one guess") as client:
        window = await sees(user, SIGN_IN_TITLE)
        trouble = user.picture(window)[120:140, 16:]
        assert (trouble == 0).all(axis=2).sum() > 200, "what was wrong"
        assert (await client.get("/account"))["signed_in"] is False
        click(user, window, NAME)
        user.type("\b" * len("wrong.one") + "skypet123")
        click(user, window, PASSWORD)
        user.type("Secret 2")
        click(user, window, SIGN_IN)
        user.type("Secret 1\n")
        await sees_nothing(user)
        account = await client.get("/account")
        assert (account["account"], account["signed_in"]) == ("skypet123", True)


async def test_piped_name_and_password_need_no_window(screen, user, tmp_path):
    async with client_on(screen, tmp_path, login="skypet123 secret") as client:
        account = await client.get("/account")
        assert (account["account"], account["signed_in"]) == ("skypet123", True)
        assert user.windows() == []
