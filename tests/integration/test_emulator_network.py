"""Two emulators, each on its own bus, that call each other."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import numpy as np
import pytest

from skypechan.demo.parts.ports import free_port
from skypechan.desktop.bus import PrivateBus
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


@pytest.fixture
async def three(both, stack, tmp_path, port):
    carol = await join(stack, tmp_path / "carol", "carol", port)
    alice, bob = both
    await alice.knows("bob", "carol")
    await bob.knows("alice", "carol")
    await carol.knows("alice", "bob")
    return alice, bob, carol


@pytest.mark.parametrize("answered", [False, True])
async def test_call_is_sent_on_to_a_third_account_with_its_sound(three, answered):
    alice, bob, carol = three
    here = await alice.application.place("bob")
    there = await bob.application.ringing()
    if answered:
        await bob.application.say(f"ALTER CALL {there} ANSWER")
    can = await bob.application.say(f"GET CALL {there} CAN_TRANSFER carol")
    assert can.endswith("carol TRUE")
    await bob.application.say(f"ALTER CALL {there} TRANSFER carol")
    last = await carol.application.ringing()
    caller = await carol.application.say(f"GET CALL {last} PARTNER_HANDLE")
    by = await carol.application.say(f"GET CALL {last} TRANSFERRED_BY")
    assert (caller.split()[-1], by.split()[-1]) == ("alice", "bob")
    await carol.application.say(f"ALTER CALL {last} ANSWER")
    await bob.application.hears(
        f"CALL {there} STATUS TRANSFERRING", f"CALL {there} STATUS TRANSFERRED"
    )
    await alice.application.hears(f"CALL {here} STATUS INPROGRESS")
    async with (
        sound_of(alice.application, here) as (to_carol, _),
        sound_of(carol.application, last) as (_, from_alice),
    ):
        await to_carol.write(tone(600))
        heard = from_alice.samples()[-8_000:-3_200]
        assert pitch_hz(heard) == pytest.approx(600, abs=5)
    await carol.application.say(f"ALTER CALL {last} HANGUP")
    await alice.application.hears(f"CALL {here} STATUS FINISHED")


async def test_call_that_the_third_account_refuses_comes_back(three):
    alice, bob, carol = three
    here = await alice.application.place("bob")
    there = await bob.application.ringing()
    await bob.application.say(f"ALTER CALL {there} TRANSFER carol")
    last = await carol.application.ringing()
    await carol.application.say(f"ALTER CALL {last} END HANGUP")
    await bob.application.hears(
        f"CALL {there} STATUS TRANSFERRING", f"CALL {there} STATUS RINGING"
    )
    await bob.application.say(f"ALTER CALL {there} ANSWER")
    await alice.application.hears(f"CALL {here} STATUS INPROGRESS")


async def test_caller_who_is_only_data_is_sent_on_and_goes_on_talking(both):
    alice, bob = both
    ringing = await alice.emulator.post(
        "/calls", **{"from": "dora"}, display_name="Dora", voice="tone:800"
    )
    here = ringing["call"]
    await alice.application.say(f"ALTER CALL {here} TRANSFER bob")
    there = await bob.application.ringing()
    name = await bob.application.say(f"GET CALL {there} PARTNER_DISPNAME")
    assert name.endswith("Dora")
    await bob.application.say(f"ALTER CALL {there} ANSWER")
    await alice.application.hears(f"CALL {here} STATUS TRANSFERRED")
    async with sound_of(bob.application, there) as (to_dora, from_dora):
        await to_dora.write(tone(500))
        heard = from_dora.samples()[-8_000:-3_200]
        assert pitch_hz(heard) == pytest.approx(800, abs=5)


async def test_caller_who_is_only_data_gives_up_while_sent_on(both):
    alice, bob = both
    here = (await alice.emulator.post("/calls", **{"from": "dora"}))["call"]
    await alice.application.say(f"ALTER CALL {here} TRANSFER bob")
    there = await bob.application.ringing()
    await alice.emulator.post(f"/calls/{here}/hang_up")
    await alice.application.hears(f"CALL {here} STATUS MISSED")
    await bob.application.hears(f"CALL {there} STATUS MISSED")


async def test_message_is_written_and_read(both):
    alice, bob = both
    sent = await alice.application.say("MESSAGE bob are you there?")
    ident = sent.split()[1]
    await alice.application.hears(f"CHATMESSAGE {ident} STATUS SENT")
    (message,) = await bob.emulator.get("/messages?until=1&timeout_s=10")
    assert (message["from"], message["text"]) == ("alice", "are you there?")
    await bob.application.hears(f"CHATMESSAGE {message['message']} STATUS RECEIVED")


async def test_conference_of_two_accounts_hears_itself(three):
    alice, bob, carol = three
    first = await alice.application.place("bob, carol")
    to_bob = await bob.application.ringing()
    to_carol = await carol.application.ringing()
    for side, ident in ((bob, to_bob), (carol, to_carol)):
        await side.application.say(f"ALTER CALL {ident} ANSWER")
    await alice.application.hears(f"CALL {first} STATUS INPROGRESS")
    await alice.application.hears(f"CALL {first + 3} STATUS INPROGRESS")
    async with (
        sound_of(alice.application, first) as (to_all, from_all),
        sound_of(bob.application, to_bob) as (from_bob, bob_hears),
        sound_of(carol.application, to_carol) as (from_carol, carol_hears),
    ):
        await asyncio.gather(
            to_all.write(tone(400)),
            from_bob.write(tone(700)),
            from_carol.write(tone(1100)),
        )
        for end, wanted in (
            (from_all, {700, 1100}),
            (bob_hears, {400, 1100}),
            (carol_hears, {400, 700}),
        ):
            assert pitches(end.samples()[-8_000:-3_200]) == wanted


def pitches(samples):
    """Which of the tones of the test are heard."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(samples.size)))
    strongest = float(spectrum.max())
    near = {hz: round(hz * samples.size / 16_000) for hz in (400, 700, 1100)}
    return {
        hz
        for hz, place in near.items()
        if spectrum[place - 2 : place + 3].max() > 0.2 * strongest
    }
