"""The stage of the demonstration: every part, real and private, and what joins them."""

from __future__ import annotations

import os
import sys
import wave
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skypechan.audio.probe import chirp
from skypechan.config.shipped import shipped
from skypechan.demo.parts.asterisk import AsteriskSettings, LocalAsterisk, installation
from skypechan.demo.parts.baresip import Baresip, SipAccount
from skypechan.demo.parts.desktop import desktop
from skypechan.demo.parts.emulated import ACCOUNT, Emulator, emulator
from skypechan.demo.parts.gateway import Gateway, config_head, gateway
from skypechan.demo.parts.ports import free_port
from skypechan.demo.tap import TAP_HOST, RtpTap
from skypechan.desktop.users import (
    User,
    give,
    private_folder,
    unprivileged_user,
    workspace,
)
from skypechan.errors import LinkDownError

CHECKOUT = Path(__file__).resolve().parents[2]

CHIRP_EVERY_S = 0.25
RING_S = 6.0

_PHONE_RATE_HZ, _LINE_RATE_HZ = 8_000, 16_000
_WEB_PORT = 8087
_TRIES = 5

_LINE_AND_ROUTES = """
[lines.skypeclient]
account = "{account}"
{transport}
extension = "600"
ring_seconds = {ring_s}

[[routes]]
caller = "demo.phone"
to = "555@from-skypechan"

[[routes]]
caller = "demo.digits"
to = "610@from-skypechan"

[[routes]]
caller = "demo.refused"
to = "refused@demo"
"""

# What the sample of an operator does not have: somebody who refuses every call.
_DEMO_DIALPLAN = """
[demo]
exten => refused,1,Hangup(21)
"""


@dataclass(slots=True)
class Stage:
    """What is there for every transport: Asterisk, the phone, the tap between them."""

    folder: Path
    asterisk: LocalAsterisk
    phone: Baresip
    tap: RtpTap
    web_port: int
    user: User | None
    line_sound: Path = field(init=False)

    def __post_init__(self) -> None:
        """Write the sound that the far end of the line plays."""
        self.line_sound = self.folder / "chirps-16k.wav"
        write_chirps(self.line_sound, _LINE_RATE_HZ, self.user)


@dataclass(frozen=True, slots=True)
class Scene:
    """What is there for one transport: the client and the gateway."""

    stage: Stage
    transport: str
    skype: Emulator
    gateway: Gateway

    async def quiet(self) -> None:
        """End every call, so that the next step finds all as at the start."""
        for _ in range(await self.stage.phone.active_calls()):
            await self.stage.phone.hang_up()
        for call in await self.skype.live():
            await self.skype.hang_up(int(call["call"]))
        await self.gateway.idle()


@asynccontextmanager
async def stage() -> AsyncIterator[Stage]:
    """Bring up Asterisk and the phone; everything is gone afterwards."""
    found = installation(CHECKOUT, os.environ)
    user = unprivileged_user(
        Path(found.command[0]), found.modules, CHECKOUT / "skypechan", _interpreter()
    )
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(workspace(user))
        settings, tap = await _tapped(stack)
        asterisk = LocalAsterisk(
            found,
            folder / "asterisk",
            shipped("asterisk-conf"),
            settings=settings,
            files=_asterisk_files(),
            user=user,
        )
        played = folder / "chirps-8k.wav"
        write_chirps(played, _PHONE_RATE_HZ, user)
        account = SipAccount("sipphone", settings.sip_secret, settings.sip_port)
        phone = Baresip(folder / "phone", account, plays=played, user=user)
        async with asterisk, phone:
            yield Stage(folder, asterisk, phone, tap, free_port(_WEB_PORT), user)


async def _tapped(stack: AsyncExitStack) -> tuple[AsteriskSettings, RtpTap]:
    """Choose ports and hold those of the audio: another demonstration may want them."""
    settings = AsteriskSettings.usual()
    for _ in range(_TRIES):
        try:
            return settings, await stack.enter_async_context(RtpTap(settings.rtp_ports))
        except LinkDownError:
            settings = AsteriskSettings.anywhere()
    return settings, await stack.enter_async_context(RtpTap(settings.rtp_ports))


@asynccontextmanager
async def scene(on: Stage, transport: str) -> AsyncIterator[Scene]:
    """Bring up the client and the gateway with one transport between them."""
    folder = private_folder(on.folder / transport, on.user)
    async with desktop(folder, transport, on.user) as meeting:
        options = ("--account", ACCOUNT, *meeting.options)
        config = config_head(
            on.asterisk.settings, on.web_port, audio_port=free_port(9092)
        ) + _LINE_AND_ROUTES.format(
            account=ACCOUNT, transport=meeting.settings, ring_s=RING_S
        )
        client = emulator(
            folder / "client",
            options,
            user=on.user,
            environment=meeting.environment,
        )
        async with (
            client as skype,
            gateway(config, on.web_port, folder / "gateway", user=on.user) as running,
        ):
            await running.ready()
            yield Scene(on, transport, skype, running)


def _interpreter() -> Path:
    """Return what another user must be able to read to run our programs."""
    return Path(sys.executable).resolve()


def _asterisk_files() -> dict[str, str]:
    """Return our own changes to the sample configuration.

    Asterisk's RTP sockets keep to the loopback address of SIP, and the phone is sent
    to the tap's address, where the same ports are free.
    """
    folder = shipped("asterisk-conf")
    pjsip = (folder / "pjsip.conf.in").read_text()
    tapped = f"transport = transport-udp\nmedia_address = {TAP_HOST}\ndirect_media = no"
    return {
        "pjsip.conf": pjsip.replace("direct_media = no", tapped),
        "extensions.conf": (folder / "extensions.conf").read_text() + _DEMO_DIALPLAN,
    }


def write_chirps(path: Path, rate_hz: int, user: User | None) -> None:
    """Write one second of chirps, which whoever plays it repeats."""
    every = round(CHIRP_EVERY_S * rate_hz)
    period = np.zeros(every, np.int16)
    sound = chirp(rate_hz)
    period[: len(sound)] = sound
    samples: NDArray[np.int16] = np.tile(period, round(1 / CHIRP_EVERY_S))
    with wave.open(str(path), "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate_hz)
        writer.writeframes(samples.astype("<i2").tobytes())
    give(path, user)
