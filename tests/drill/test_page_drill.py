"""What the page is for: two accounts allowed in a browser, remembered, and a call."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from skypechan.demo.parts.asterisk import LocalAsterisk, installation
from skypechan.desktop.users import workspace
from tests.doubles import browser
from tests.system import permission
from tests.system.parts import CHECKOUT
from tests.system.permission import allow, on_page

pytestmark = [
    pytest.mark.skipif(browser.CHROMIUM is None, reason=browser.MISSING),
    pytest.mark.skipif(
        "SKYPECHAN_DRILL_MINUTES" not in os.environ, reason="part of make drill"
    ),
]


async def test_two_accounts_are_allowed_on_the_page_and_carry_a_call(
    tmp_path: Path,
) -> None:
    found = installation(CHECKOUT, os.environ)
    with workspace() as folder:
        async with (
            LocalAsterisk(found, folder / "pbx", CHECKOUT / "asterisk-conf") as pbx,
            permission.office(pbx) as office,
            browser.page(tmp_path, f"{office.gateway.url}/") as page,
        ):
            for name in ("alice", "bob"):
                await allow(office, name, await on_page(page, name))
            await permission.prove_remembered(office)
            await permission.prove_call(office)
            assert page.trouble == []
