"""The demonstration fails, step by step, for the reason that something is broken."""

from __future__ import annotations

import wave

import pytest

from skypechan.demo.command import Sabotage, rehearse
from skypechan.demo.report import StepResult
from skypechan.demo.stage import CHECKOUT, Scene, Stage, stage

# Sound of Asterisk's own, and not what was sent.
PLAYBACK = "n,Playtones(440)\n same => n,Wait(60)"

pytestmark = pytest.mark.timeout(180)


async def outcome(on: Stage, step: str, sabotage: Sabotage) -> StepResult:
    """Make one step on a stage where something is broken first."""
    report = await rehearse(on, transports=("dbus",), only=(step,), sabotage=sabotage)
    assert not report.passed
    return report.steps[0]


async def emulator_muted(playing: Scene) -> None:
    with wave.open(str(playing.stage.line_sound), "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(16_000)
        writer.writeframes(bytes(32_000))


async def phone_dead(playing: Scene) -> None:
    playing.stage.phone.process.kill()
    await playing.stage.phone.process.wait()


async def playback_instead_of_echo(playing: Scene) -> None:
    asterisk = playing.stage.asterisk
    sample = (CHECKOUT / "asterisk-conf" / "extensions.conf").read_text()
    assert "n,Echo()" in sample
    asterisk.replace_file("extensions.conf", sample.replace("n,Echo()", PLAYBACK))
    await asterisk.cli("dialplan reload")


async def rtp_blocked(playing: Scene) -> None:
    playing.stage.tap.blocked = True


async def no_right_to_originate(playing: Scene) -> None:
    asterisk = playing.stage.asterisk
    sample = (CHECKOUT / "asterisk-conf" / "manager.conf.in").read_text()
    assert "write = call,originate" in sample
    asterisk.replace_file(
        "manager.conf", sample.replace("write = call,originate", "write = call")
    )
    await asterisk.cli("module reload manager")
    # A session keeps the rights of its login: end the gateway's, which comes back.
    sessions = await asterisk.cli("manager show connected")
    user, _, _, _, descriptor, *_ = sessions.splitlines()[1].split()
    assert user == "skypechan"
    await asterisk.cli(f"manager kick session {descriptor}")
    await playing.gateway.process.line(r"AMI link down", within_s=5)
    await playing.gateway.ready()


@pytest.mark.parametrize(
    ("sabotage", "step", "said"),
    [
        (emulator_muted, "skype-to-echo", "nothing was sent"),
        (phone_dead, "sip-to-skype", "the phone"),
        (playback_instead_of_echo, "skype-to-echo", "came back"),
        (playback_instead_of_echo, "phone-to-echo", "came back"),
        (rtp_blocked, "phone-to-echo", "came back"),
        (rtp_blocked, "skype-to-sip", "came back"),
        (no_right_to_originate, "skype-to-echo", "originate"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
async def test_a_broken_part_fails_its_step_for_its_reason(
    sabotage: Sabotage, step: str, said: str
) -> None:
    async with stage() as on:
        result = await outcome(on, step, sabotage)
    assert result.name == step
    assert said in result.reason
