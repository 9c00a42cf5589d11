"""Two emulators, each on its own bus, that call each other."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from skypechan.demo.parts.bus import PrivateBus
from skypechan.demo.parts.ports import free_port
from tests.doubles.emulated import (
    application_at,
    emulator_at,
    level_dbfs,
    pitch_hz,
    sound_of,
)
from tests.integration.test_emulator_calls import tone


class Side:
    def __init__(self, emulator, application):
        self.emulator = emulator
        self.application = application

    async def knows(self, *accounts):
        query = f"/account?network={','.join(accounts)}&timeout_s=10"
        assert (await self.emulator.get(query))["network"] == list(accounts)


async def join(stack, directory, account, port):
    daemon = await stack.enter_async_context(PrivateBus(directory))
    network = ("--network", f"127.0.0.1:{port}", "--account", account)
    emulator = await stack.enter_async_context(emulator_at(daemon.address, *network))
    application = await stack.enter_async_context(application_at(daemon.address))
    await application.attach()
    return Side(emulator, application)


@pytest.fixture
async def stack():
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
def port():
    return free_port()


@pytest.fixture
async def both(stack, tmp_path, port):
    alice = await join(stack, tmp_path / "alice", "alice", port)
    bob = await join(stack, tmp_path / "bob", "bob", port)
    await alice.knows("bob")
    await bob.knows("alice")
    return alice, bob


async def connected(alice, bob):
    """A call from alice that bob has answered; both ids."""
    here = await alice.application.place("bob")
    there = await bob.application.ringing()
    await alice.application.hears(f"CALL {here} STATUS RINGING")
    await bob.application.say(f"ALTER CALL {there} ANSWER")
    await alice.application.hears(f"CALL {here} STATUS INPROGRESS")
    return here, there


async def test_call_is_answered_digits_and_holds_pass_and_it_ends(both):
    alice, bob = both
    here, there = await connected(alice, bob)
    caller = await bob.application.say(f"GET CALL {there} PARTNER_HANDLE")
    assert caller.endswith("alice")
    for digit in "1234*#":
        await alice.application.say(f"SET CALL {here} DTMF {digit}")
        await bob.application.say(f"SET CALL {there} DTMF {digit}")
    await alice.application.hears(*(f"CALL {here} DTMF {d}" for d in "1234*#"))
    await bob.application.hears(*(f"CALL {there} DTMF {d}" for d in "1234*#"))
    await alice.application.say(f"ALTER CALL {here} HOLD")
    await bob.application.hears(f"CALL {there} STATUS REMOTEHOLD")
    await alice.application.say(f"ALTER CALL {here} RESUME")
    await bob.application.hears(
        f"CALL {there} STATUS REMOTEHOLD", f"CALL {there} STATUS INPROGRESS"
    )
    await bob.application.say(f"ALTER CALL {there} HANGUP")
    await alice.application.hears(f"CALL {here} STATUS FINISHED")


async def test_sound_passes_both_ways(both):
    alice, bob = both
    here, there = await connected(alice, bob)
    async with (
        sound_of(alice.application, here) as (to_bob, from_bob),
        sound_of(bob.application, there) as (to_alice, from_alice),
    ):
        await asyncio.gather(to_bob.write(tone(500)), to_alice.write(tone(900)))
        for end, hz in ((from_alice, 500), (from_bob, 900)):
            heard = end.samples()[-8_000:-3_200]
            assert pitch_hz(heard) == pytest.approx(hz, abs=5)
            assert level_dbfs(heard) == pytest.approx(-20, abs=2)


async def test_call_is_rejected(both):
    alice, bob = both
    here = await alice.application.place("bob")
    there = await bob.application.ringing()
    await bob.application.say(f"ALTER CALL {there} END HANGUP")
    await alice.application.hears(f"CALL {here} STATUS REFUSED")


async def test_caller_gives_up(both):
    alice, bob = both
    here = await alice.application.place("bob")
    there = await bob.application.ringing()
    await alice.application.say(f"ALTER CALL {here} HANGUP")
    await alice.application.hears(f"CALL {here} STATUS CANCELLED")
    await bob.application.hears(f"CALL {there} STATUS MISSED")


async def test_user_who_is_not_to_be_disturbed_is_busy(both):
    alice, bob = both
    await bob.application.say("SET USERSTATUS DND")
    here = await alice.application.place("bob")
    await alice.application.hears(f"CALL {here} STATUS BUSY")


async def test_user_who_signed_out_cannot_be_called(both):
    alice, bob = both
    await bob.emulator.post("/account", signed_in=False)
    await alice.knows()
    here = await alice.application.place("bob")
    await alice.application.hears(
        f"CALL {here} FAILUREREASON 3", f"CALL {here} STATUS FAILED"
    )
    await bob.emulator.post("/account", signed_in=True)
    await alice.knows("bob")
    await connected(alice, bob)


async def test_account_on_two_clients_rings_on_both_and_one_answers(
    both, stack, tmp_path, port
):
    alice, bob = both
    again = await join(stack, tmp_path / "again", "bob", port)
    await again.knows("alice")
    here = await alice.application.place("bob")
    lost, won = await bob.application.ringing(), await again.application.ringing()
    await again.application.say(f"ALTER CALL {won} ANSWER")
    await alice.application.hears(f"CALL {here} STATUS INPROGRESS")
    await bob.application.hears(f"CALL {lost} STATUS MISSED")


async def test_partner_whose_process_dies_ends_the_call(both):
    alice, bob = both
    here, _ = await connected(alice, bob)
    bob.emulator.process.kill()
    await alice.application.hears(f"CALL {here} STATUS FINISHED")
    await alice.knows()


async def test_network_lives_on_when_its_host_goes_away(both, stack, tmp_path, port):
    alice, bob = both
    _, there = await connected(alice, bob)
    alice.emulator.process.kill()
    await bob.application.hears(f"CALL {there} STATUS FINISHED")
    bob.application.heard.clear()
    carol = await join(stack, tmp_path / "carol", "carol", port)
    await bob.knows("carol")
    await carol.knows("bob")
    await connected(carol, bob)
