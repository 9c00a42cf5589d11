"""A client's dialog is answered on its screen, over the API and on the page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from skypechan.demo.parts.asterisk import LocalAsterisk
from skypechan.desktop.process import Process, Program
from skypechan.desktop.users import private_folder
from skypechan.errors import CommandError
from tests.doubles import browser
from tests.system import permission
from tests.system.parts import eventually
from tests.system.permission import Office, allow, has_dialog, on_page

SKYPECHAN = str(Path(permission.SKYPE).with_name("skypechan"))
CLIENT_APART = """\
[lines.dora.client]
command = ["{skype}", "--pipelogin", "--dbpath=profile", "--authorise", "ask"]
login = "dora sesame"
folder = "{folder}"
screen_in_page = true
"""
ITS_LINE = """
[lines.dora]
account = "dora"
dbus_address = "unix:path={folder}/bus/bus"
display = "unix:{folder}/screen/display"
xauthority = "{folder}/screen/Xauthority"

[lines.dora.client]
screen_in_page = true
"""


@pytest.fixture
async def office(asterisk: LocalAsterisk) -> AsyncIterator[Office]:
    async with permission.office(asterisk) as running:
        yield running


async def test_two_accounts_are_allowed_by_pointer_and_carry_a_call(
    office: Office,
) -> None:
    async def allow_over_the_api(name: str) -> None:
        async def point(x: int, y: int) -> object:
            return await office.post(name, "click", {"x": x, "y": y})

        await office.waits(name)
        assert has_dialog(await office.alarm(name))
        await allow(office, name, point)

    await asyncio.gather(*map(allow_over_the_api, ("alice", "bob")))
    noted = [line for line in office.gateway.process.lines if "clicks at" in line]
    assert len(noted) == 4
    await permission.prove_remembered(office)
    await permission.prove_call(office)


@pytest.mark.skipif(browser.CHROMIUM is None, reason=browser.MISSING)
async def test_somebody_signs_in_and_allows_us_on_the_page(
    asterisk: LocalAsterisk, tmp_path: Path
) -> None:
    async with (
        permission.office(asterisk, permission.NOBODY_SIGNED_IN) as office,
        browser.page(tmp_path, f"{office.gateway.url}/") as page,
    ):
        await permission.sign_in(office, "carol", "Sesame 1", page)
        await allow(office, "carol", await on_page(page, "carol"))
        line = await office.line("carol")
        card = """document.querySelector("#lines [data-field=isolation]")"""
        told = await page.value(f"{card}.textContent")
        assert f"isolation: {line['isolation']}" in told
        assert told.endswith(line["isolation_reason"])
        assert page.trouble == []
        said = "\n".join(office.gateway.process.lines)
    assert "presses a key on the screen of line carol" in said
    assert "types on the screen of line carol" in said
    assert "Sesame" not in said


async def test_a_client_that_runs_apart_is_allowed_on_its_screen_too(
    asterisk: LocalAsterisk, tmp_path: Path
) -> None:
    folder = private_folder(tmp_path / "dora")
    config = tmp_path / "client.toml"
    config.write_text(CLIENT_APART.format(skype=permission.SKYPE, folder=folder))
    command = (SKYPECHAN, "client", "dora", "-c", str(config))
    program = Program("client-apart", command, tmp_path)

    async with permission.office(asterisk, ITS_LINE.format(folder=folder)) as office:

        async def point(x: int, y: int) -> object:
            return await office.post("dora", "click", {"x": x, "y": y})

        async def away(reason: str) -> None:
            async def is_told() -> bool:
                try:
                    await office.picture("dora")
                except CommandError as error:
                    return f"no screen of line dora: {reason}" in str(error)
                return False

            await eventually(is_told, permission.READY_S, reason)

        await away("cannot read")
        async with await Process.start(program) as client:
            await office.waits("dora")
            assert has_dialog(await office.alarm("dora"))
            client.kill()
            await client.wait()
        await away("no display at unix:")
        async with await Process.start(program):
            await allow(office, "dora", point)
        async with await Process.start(program):
            await office.ready("dora")

            async def is_shown() -> bool:  # the display is looked for within 2 s
                try:
                    return not has_dialog(await office.picture("dora"))
                except CommandError:
                    return False

            await eventually(is_shown, permission.READY_S, "no dialog any more")
        line = await office.line("dora")
        assert (line["screen"], line["client_is_ours"]) == (True, False)
        noted = [one for one in office.gateway.process.lines if "clicks at" in one]
        assert len(noted) == 2


@pytest.mark.skipif(browser.CHROMIUM is None, reason=browser.MISSING)
async def test_the_page_says_why_the_screen_of_a_client_elsewhere_is_not_there(
    asterisk: LocalAsterisk, tmp_path: Path
) -> None:
    async with (
        permission.office(asterisk, ITS_LINE.format(folder=tmp_path)) as office,
        browser.page(tmp_path, f"{office.gateway.url}/") as page,
    ):
        card = "document.querySelector('[data-key=dora] .screen')"

        async def is_there() -> bool:
            return bool(await page.value(f"{card} && !{card}.hidden"))

        await eventually(is_there, permission.READY_S, "line on the page")
        await page.value("document.getElementById('token').value = 'tests'")
        await page.value(f"{card}.open = true")

        async def is_told() -> bool:
            said = f"{card}.querySelector('[data-field=trouble]').textContent"
            return "no screen of line dora: cannot read" in await page.value(said)

        await eventually(is_told, permission.READY_S, "reason on the page")
