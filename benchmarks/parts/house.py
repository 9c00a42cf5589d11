"""Everything that a call needs, started for one benchmark and gone afterwards.

A real Asterisk, the gateway, the emulated Skype client, the D-Bus or X display between
them, and a SIP phone that keeps an exact time of every packet.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.parts.bare import bare_echo
from skypechan.demo.parts.asterisk import (
    AsteriskSettings,
    LocalAsterisk,
    installation,
)
from skypechan.demo.parts.desktop import Desktop, desktop
from skypechan.demo.parts.emulated import ACCOUNT, Emulator, emulator
from skypechan.demo.parts.gateway import Gateway, config_head, gateway
from skypechan.demo.parts.ports import HOST, free_port
from skypechan.desktop.users import User, unprivileged_user, workspace
from tests.doubles.sip_agent import SipAgent
from tests.doubles.sip_messages import Credentials

CHECKOUT = Path(__file__).resolve().parents[2]
PYTHON = Path(sys.executable).resolve()
TO_PHONE = "bench.phone"
"""The Skype user whose calls lead to the phone; everybody else's lead to 600."""

_REGISTERED_S = 7200  # longer than any run; Asterisk grants no more without being told
_LINE_AND_ROUTES = """
[lines.skypeclient]
account = "{account}"
extension = "600"
{transport}

[[routes]]
caller = "{to_phone}"
to = "555@from-skypechan"
{more}"""


@dataclass(frozen=True, slots=True)
class Bridge:
    """Both ends without a phone; `folder` is readable for every program in it."""

    folder: Path
    user: User | None
    asterisk: LocalAsterisk
    skype: Emulator
    gateway: Gateway


@dataclass(frozen=True, slots=True)
class House:
    """What runs; `folder` is readable for every program in it."""

    folder: Path
    asterisk: LocalAsterisk
    skype: Emulator
    gateway: Gateway
    phone: SipAgent


@asynccontextmanager
async def house(
    transport: str, *, recorded_s: float = 120, more: str = ""
) -> AsyncIterator[House]:
    """Bring everything up. Raises SkypechanError for what cannot be started.

    The emulator keeps `recorded_s` of each call; `more` is added to the gateway's
    configuration.
    """
    sample = (CHECKOUT / "asterisk-conf/extensions.conf").read_text()
    async with (
        bare_echo() as bare,
        bridge(
            transport,
            recorded_s=recorded_s,
            more=more,
            files={"extensions.conf": sample + bare},
        ) as at,
        _phone(at.asterisk) as phone,
    ):
        yield House(at.folder, at.asterisk, at.skype, at.gateway, phone)


@asynccontextmanager
async def bridge(
    transport: str,
    *,
    recorded_s: float = 120,
    more: str = "",
    settings: AsteriskSettings | None = None,
    files: Mapping[str, str] | None = None,
) -> AsyncIterator[Bridge]:
    """Bring up what stands between a Skype user and a phone; options as in `house`.

    `settings` and `files` are for Asterisk.
    """
    found = installation(CHECKOUT, os.environ)
    needed = (Path(found.command[0]), found.modules, CHECKOUT / "skypechan", PYTHON)
    user = unprivileged_user(*needed)
    with workspace(user) as folder:
        script = folder / "people.json"
        script.write_text(json.dumps({"recording_s": recorded_s}))
        script.chmod(0o644)
        asterisk = LocalAsterisk(
            found,
            folder / "asterisk",
            CHECKOUT / "asterisk-conf",
            settings=settings,
            files=files,
            user=user,
        )
        async with (
            asterisk,
            desktop(folder, transport, user) as meeting,
            _programs(meeting, asterisk, folder, user, more) as (skype, ours),
        ):
            yield Bridge(folder, user, asterisk, skype, ours)


@asynccontextmanager
async def _programs(
    meeting: Desktop,
    asterisk: LocalAsterisk,
    folder: Path,
    user: User | None,
    more: str,
) -> AsyncIterator[tuple[Emulator, Gateway]]:
    web_port = free_port()
    config = config_head(asterisk.settings, web_port) + _LINE_AND_ROUTES.format(
        account=ACCOUNT, transport=meeting.settings, to_phone=TO_PHONE, more=more
    )
    script = ("-c", str(folder / "people.json"))
    options = (*script, "--account", ACCOUNT, *meeting.options)
    async with (
        emulator(
            folder / "client", options, user=user, environment=meeting.environment
        ) as skype,
        gateway(config, web_port, folder / "gateway", user=user) as running,
    ):
        await running.ready()
        yield skype, running


@asynccontextmanager
async def _phone(asterisk: LocalAsterisk) -> AsyncIterator[SipAgent]:
    settings = asterisk.settings
    credentials = Credentials("sipphone", settings.sip_secret)
    async with SipAgent(HOST, (HOST, settings.sip_port), credentials) as phone:
        await phone.register(_REGISTERED_S)
        yield phone
