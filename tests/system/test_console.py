"""The operator's commands against a gateway between a real Asterisk and the client."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from skypechan.audio.probe import measured_tone, tone
from skypechan.demo.parts.asterisk import LocalAsterisk
from skypechan.demo.parts.emulated import Emulator
from skypechan.demo.parts.gateway import Gateway
from tests.doubles.rtp import sound_of
from tests.doubles.sip_agent import SipAgent
from tests.doubles.sip_values import Behaviour
from tests.system.figures import MEASURED
from tests.system.parts import CHECKOUT

pytestmark = pytest.mark.usefixtures("every_call_ends")

HOOK = "skypechan-hook-answered"  # the last chance to change where audio goes


@dataclass(frozen=True, slots=True)
class Done:
    """A command that has run."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


async def skypechan(place: Path, *arguments: str) -> Done:
    """Run a command for the gateway of the tests."""
    config = str(place / "gateway" / "skypechan.toml")
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "skypechan.cli",
        *arguments,
        "-c",
        config,
        cwd=CHECKOUT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await child.communicate()
    return Done(child.returncode or 0, out.decode(), err.decode())


async def test_the_self_test_hears_its_own_chirps_through_asterisk(
    gateway: Gateway, place: Path
) -> None:
    done = await skypechan(place, "self-test", "--json")
    assert done.status == 0, done
    verdict = done.json
    figures = verdict["figures"]
    assert verdict["passed"]
    assert figures["chirps_heard"] == figures["chirps_sent"] == 5
    assert 0 < figures["round_trip_median_ms"] < 150
    assert abs(figures["level_change_db"]) < 1
    assert "no client takes part" in verdict["covers"]
    assert await gateway.get("/api/self-test") == verdict
    for name in ("set_up_ms", "round_trip_median_ms", "round_trip_max_ms"):
        MEASURED.add(f"self-test {name}", figures[name])
    record = await gateway.record(line="self-test")
    assert (record["status"], record["address"]) == ("ANSWER", "echo@skypechan-test")


async def test_the_self_test_is_told_in_words(gateway: Gateway, place: Path) -> None:
    done = await skypechan(place, "self-test")
    assert done.status == 0, done
    assert done.out.startswith("PASSED\n")
    assert "round trip median ms" in done.out


async def test_a_self_test_whose_audio_cannot_reach_us_says_so(
    gateway: Gateway, asterisk: LocalAsterisk, place: Path
) -> None:
    for step in ("1,Set,SKYPECHAN_SOCKET=127.0.0.1:9", "2,Return"):
        await asterisk.cli(f"dialplan add extension s,{step} into {HOOK}")
    try:
        done = await skypechan(place, "self-test")
    finally:
        await asterisk.cli("dialplan reload")
    assert done.status == 1
    assert done.out.startswith("FAILED: Asterisk's audio did not reach"), done


async def test_a_self_test_that_hears_nothing_says_so(
    gateway: Gateway, asterisk: LocalAsterisk, place: Path
) -> None:
    await asterisk.cli("dialplan remove extension echo@skypechan-test")
    for step in ("1,Answer", "2,Wait,20"):
        await asterisk.cli(f"dialplan add extension echo,{step} into skypechan-test")
    try:
        done = await skypechan(place, "self-test")
    finally:
        await asterisk.cli("dialplan reload")
    assert done.status == 1
    assert done.out.startswith("FAILED: nothing of what was sent came back\n"), done


async def test_a_self_test_with_an_older_dialplan_names_the_remedy(
    gateway: Gateway, asterisk: LocalAsterisk, place: Path
) -> None:
    await asterisk.cli("dialplan remove context skypechan-test")
    try:
        done = await skypechan(place, "self-test")
    finally:
        await asterisk.cli("dialplan reload")
    assert done.status == 1
    assert "install the one that came with it" in done.out


async def test_status_shows_links_lines_and_calls(
    gateway: Gateway, place: Path
) -> None:
    done = await skypechan(place, "status")
    assert done.status == 0, done
    first = done.out.splitlines()[0]
    assert first == "ready, 0 calls"
    assert "skypet123" in done.out
    assert "asterisk  up" in done.out


async def test_a_click_rings_the_phone_and_then_calls_for_it(
    gateway: Gateway, emulator: Emulator, phone: SipAgent, place: Path
) -> None:
    wish = ("call", "skypeclient", "echo", "--to", "555@from-skypechan")
    phone.behaviour = Behaviour(answer_after_s=None)
    done = await skypechan(place, *wish, "--json")
    assert done.status == 0, done
    incoming = await phone.next_call(5)
    assert await emulator.live() == []
    incoming.answer()
    await incoming.answered(5)
    incoming.rtp.play(tone(1200, 2.5))
    await incoming.rtp.wait_for_audio(90, 8)
    samples = sound_of(incoming.rtp.received[-25:]).samples
    assert np.abs(samples).max() > 1000
    assert measured_tone(samples).frequency_hz == pytest.approx(1200, abs=1)

    (live,) = (await skypechan(place, "calls", "--json")).json
    assert (live["address"], live["caller"]) == ("echo", "555")
    ended = await skypechan(place, "hangup", live["call"][:8])
    assert ended.status == 0, ended
    record = await gateway.record(call=live["call"])
    assert record["uniqueid"] == done.json["uniqueid"]
    assert (record["direction"], record["released_by"]) == ("to_line", "gateway")
    found = await skypechan(place, "records", "--json", "--call", live["call"])
    assert found.json == [record]


async def test_a_phone_that_does_not_want_is_told_in_the_log_and_nobody_is_called(
    gateway: Gateway, emulator: Emulator, phone: SipAgent, place: Path
) -> None:
    wish = ("call", "skypeclient", "echo", "--to", "555@from-skypechan")
    phone.behaviour = Behaviour(reject=486)
    assert (await skypechan(place, *wish)).status == 0
    await gateway.process.line("555@from-skypechan did not answer: echo was not called")
    assert await emulator.live() == []


@pytest.mark.parametrize(
    ("wish", "status", "said"),
    [
        (("other", "echo"), 1, "there is no line 'other'"),
        (
            ("ANY", "echo", "--to", "1@nowhere"),
            1,
            "Asterisk has no extension 1@nowhere",
        ),
        (("ANY", "echo", "--to", "nowhere"), 2, "is not EXTENSION@CONTEXT"),
    ],
)
async def test_a_click_that_cannot_be_is_refused_at_once(
    gateway: Gateway, place: Path, wish: tuple[str, ...], status: int, said: str
) -> None:
    done = await skypechan(place, "call", *wish)
    assert done.status == status
    assert said in done.err


async def test_a_second_gateway_is_told_that_one_runs(
    gateway: Gateway, place: Path
) -> None:
    done = await skypechan(place, "run")
    assert done.status == 2
    assert "another gateway runs" in done.err
    assert "Traceback" not in done.err
    assert (await skypechan(place, "status")).status == 0
