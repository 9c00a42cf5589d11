"""The line's state, as the client lets us in or does not (transcripts T1, T1b)."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skypechan.backends.base import LineState
from skypechan.backends.skype.backend import SkypeBackend
from skypechan.backends.skype.settings import SkypeSettings
from skypechan.clock import SystemClock
from skypechan.errors import ConfigError, LinkDownError
from tests.doubles.clock import settle
from tests.doubles.line_observer import Events
from tests.doubles.scripted_client import ScriptedClient


async def test_line_waits_for_the_client_and_is_ready_at_once_when_it_comes(bench):
    assert bench.observer.state is LineState.WAITING_FOR_CLIENT
    client = await bench.start(ScriptedClient())
    assert bench.observer.states[-1] == (LineState.READY, "", "alice")
    assert client.heard[:2] == ["NAME skypechan", "PROTOCOL 8"]


async def test_replies_as_notifications_attach_as_well(bench):
    client = ScriptedClient()
    client.by_return = False
    await bench.start(client)
    assert bench.observer.state is LineState.READY


async def test_handshake_without_tokens_in_its_replies_attaches(bench):
    client = ScriptedClient(**{"NAME skypechan": None, "PROTOCOL 8": None})
    await bench.start(client)
    await bench.say(client, "OK")
    await bench.say(client, "PROTOCOL 6", "CONNSTATUS ONLINE", "USERSTATUS INVISIBLE")
    assert bench.observer.state is LineState.READY


async def test_client_that_tells_nothing_by_itself_is_asked(bench):
    await bench.start(ScriptedClient(**{"PROTOCOL 8": "PROTOCOL 7"}))
    assert bench.observer.states[-1] == (LineState.READY, "", "alice")


async def test_unanswered_name_is_a_pending_permission_for_as_long_as_it_takes(bench):
    client = await bench.start(
        ScriptedClient(**{"NAME skypechan": None, "PING": "ERROR 68"})
    )
    await bench.clock.advance(1800)
    assert bench.observer.state is LineState.WAITING_FOR_PERMISSION
    assert client.count("NAME skypechan") == 1
    client.answer("NAME skypechan", "OK")
    await settle()
    assert bench.observer.state is LineState.READY


async def test_permission_whose_ok_was_lost_is_noticed_without_asking_again(bench):
    client = await bench.start(
        ScriptedClient(**{"NAME skypechan": None, "PING": "ERROR 68"})
    )
    await bench.clock.advance(60)
    assert bench.observer.state is LineState.WAITING_FOR_PERMISSION
    client.answers["PING"] = "PONG"
    await bench.clock.advance(6)
    assert bench.observer.state is LineState.READY
    assert client.count("NAME skypechan") == 1


async def test_permission_is_noticed_though_a_ping_is_unanswered(bench):
    client = await bench.start(ScriptedClient(**{"NAME skypechan": None, "PING": None}))
    await bench.clock.advance(5.6)
    client.answer("NAME skypechan", "OK")
    await settle()
    assert bench.observer.state is LineState.READY


async def test_refusal_is_retried_ever_more_slowly(bench):
    client = await bench.start(ScriptedClient(**{"NAME skypechan": "ERROR 68"}))
    assert bench.observer.state is LineState.REFUSED
    await bench.clock.advance(60)
    first = client.count("NAME skypechan")
    assert 3 <= first <= 5
    await bench.clock.advance(600)
    assert client.count("NAME skypechan") - first <= 5
    client.answers["NAME skypechan"] = "OK"
    await bench.clock.advance(300)
    assert bench.observer.state is LineState.READY


async def test_patience_with_refusals_begins_anew_after_a_permission(bench):
    client = await bench.start(ScriptedClient(**{"NAME skypechan": "ERROR 68"}))
    await bench.clock.advance(600)
    await bench.say(client, "OK")
    assert bench.observer.state is LineState.READY
    client.answers["PING"] = "ERROR 68"
    await bench.clock.advance(6)
    assert bench.observer.state is LineState.REFUSED
    client.answers |= {"NAME skypechan": "OK", "PING": "PONG"}
    await bench.clock.advance(11)
    assert bench.observer.state is LineState.READY


async def test_introduction_that_does_not_get_through_is_repeated(bench):
    client = ScriptedClient()
    client.deaf_to.add("NAME skypechan")
    await bench.start(client)
    await bench.clock.advance(10)
    assert bench.observer.state is not LineState.READY
    assert client.count("NAME skypechan") <= 20
    client.deaf_to.clear()
    await bench.clock.advance(2)
    assert bench.observer.state is LineState.READY


async def test_permission_given_after_a_refusal_counts_at_once(bench):
    client = await bench.start(ScriptedClient(**{"NAME skypechan": "ERROR 68"}))
    assert bench.observer.state is LineState.REFUSED
    await bench.say(client, "OK")
    assert bench.observer.state is LineState.READY


async def test_signed_out_client_is_asked_until_somebody_signs_in(bench):
    client = await bench.start(
        ScriptedClient(**{"NAME skypechan": "CONNSTATUS OFFLINE"})
    )
    assert bench.observer.state is LineState.SIGNED_OUT
    await bench.clock.advance(30)
    assert 20 <= client.count("NAME skypechan") <= 40
    client.answers["NAME skypechan"] = "OK"
    await bench.clock.advance(2)
    assert bench.observer.state is LineState.READY


async def test_connecting_client_is_ready_only_when_online(bench):
    client = ScriptedClient(
        **{
            "PROTOCOL 8": ["PROTOCOL 7", "CONNSTATUS CONNECTING"],
            "GET CONNSTATUS": "CONNSTATUS CONNECTING",
        }
    )
    await bench.start(client)
    assert bench.observer.state is LineState.CONNECTING
    await bench.say(client, "CONNSTATUS ONLINE")
    assert bench.observer.state is LineState.READY


async def test_user_that_signs_out_and_in_again_is_noticed(bench):
    client = await bench.ready()
    client.answers |= {
        "NAME skypechan": "CONNSTATUS OFFLINE",
        "GET CONNSTATUS": "CONNSTATUS LOGGEDOUT",
    }
    await bench.say(client, "CONNSTATUS LOGGEDOUT")
    assert bench.observer.state is LineState.SIGNED_OUT
    await bench.clock.advance(10)
    client.answers |= ScriptedClient().answers
    await bench.clock.advance(2)
    assert bench.observer.state is LineState.READY


async def test_wrong_account_is_never_ready_and_says_why(run_line):
    async with run_line(SkypeSettings(account="skypet123")) as bench:
        await bench.start(ScriptedClient())
        assert bench.observer.state is LineState.SIGNED_OUT
        assert (
            bench.observer.reason == "alice is signed in on the client, not skypet123"
        )


MALLORY = {
    "PROTOCOL 8": ["PROTOCOL 7", "CONNSTATUS ONLINE", "CURRENTUSERHANDLE mallory"],
    "GET CURRENTUSERHANDLE": "CURRENTUSERHANDLE mallory",
    "SEARCH ACTIVECALLS": "CALLS 77",
}
HARMLESS = ("NAME", "PROTOCOL", "PING", "GET CONNSTATUS", "GET CURRENTUSERHANDLE")


async def test_nothing_of_another_account_is_touched(run_line):
    async with run_line(
        SkypeSettings(account="alice", contact_requests="refuse")
    ) as bench:
        client = await bench.start(ScriptedClient(**MALLORY))
        await bench.say(
            client,
            "CHATMESSAGE 4 STATUS RECEIVED",
            "USER carl RECEIVEDAUTHREQUEST hello",
            "SILENT_MODE OFF",
        )
        await bench.clock.advance(60)
        assert bench.observer.state is LineState.SIGNED_OUT
        assert [line for line in client.heard if not line.startswith(HARMLESS)] == []
        assert client.count("NAME skypechan") == 1


async def test_line_settles_in_when_its_own_account_signs_in(run_line):
    async with run_line(SkypeSettings(account="alice")) as bench:
        client = await bench.start(ScriptedClient(**MALLORY))
        client.answers |= ScriptedClient().answers
        await bench.say(client, "CURRENTUSERHANDLE alice")
        assert bench.observer.state is LineState.READY
        assert client.count("SEARCH ACTIVECALLS") == 1
        assert client.count("SET AUTOAWAY OFF") == 1


async def test_client_that_lets_us_in_while_signed_out_is_only_watched(bench):
    client = await bench.start(
        ScriptedClient(
            **{
                "PROTOCOL 8": ["PROTOCOL 7", "CONNSTATUS OFFLINE"],
                "GET CONNSTATUS": "CONNSTATUS OFFLINE",
            }
        )
    )
    await bench.clock.advance(10)
    assert bench.observer.state is LineState.SIGNED_OUT
    assert [line for line in client.heard if not line.startswith(HARMLESS)] == []


@pytest.mark.parametrize(
    ("told", "lost", "state"),
    [
        ("CONNECTING", "ONLINE", LineState.READY),
        ("ONLINE", "OFFLINE", LineState.SIGNED_OUT),
        ("ONLINE", "CONNECTING", LineState.CONNECTING),
    ],
)
async def test_connection_whose_change_was_not_told_is_noticed(
    bench, told, lost, state
):
    hello = ["PROTOCOL 7", "CURRENTUSERHANDLE alice"]
    client = await bench.start(
        ScriptedClient(**{"PROTOCOL 8": [*hello, f"CONNSTATUS {told}"]})
    )
    client.answers |= {
        "PROTOCOL 8": [*hello, f"CONNSTATUS {lost}"],
        "GET CONNSTATUS": f"CONNSTATUS {lost}",
    }
    await bench.clock.advance(6)
    assert bench.observer.state is state


async def test_call_for_a_wrong_account_is_left_to_its_owner(run_line):
    async with run_line(SkypeSettings(account="skypet123")) as bench:
        client = await bench.start(ScriptedClient())
        await bench.say(client, "CALL 7 STATUS RINGING")
        await bench.clock.advance(2)
        await bench.say(client, "CALL 7 STATUS RINGING")
        await bench.clock.advance(2)
        assert bench.observer.offers == []
        await bench.stop()
        assert not any(line.startswith("ALTER CALL") for line in client.heard)


async def test_call_is_not_ours_before_the_account_is_known(run_line):
    async with run_line(SkypeSettings(account="alice")) as bench:
        client = ScriptedClient(
            **{"PROTOCOL 8": "PROTOCOL 7", "GET CURRENTUSERHANDLE": None}
        )
        await bench.start(client)
        await bench.say(client, "CALL 7 STATUS RINGING")
        await bench.clock.advance(7)
        assert bench.observer.state is LineState.CONNECTING
        assert bench.observer.offers == []


async def test_right_account_is_ready_whatever_its_case(run_line):
    async with run_line(SkypeSettings(account="ALICE")) as bench:
        await bench.start(ScriptedClient())
        assert bench.observer.state is LineState.READY


async def test_silent_client_degrades_the_line_and_recovers_it(bench):
    client = await bench.ready()
    client.answers["PING"] = None
    await bench.clock.advance(8)
    assert bench.observer.state is LineState.READY
    await bench.clock.advance(8)
    assert bench.observer.state is LineState.DEGRADED
    client.answers["PING"] = "PONG"
    await bench.clock.advance(8)
    assert bench.observer.state is LineState.READY


async def test_frozen_client_is_ready_again_with_its_first_sign_of_life(bench):
    client = await bench.ready()
    client.answers["PING"] = None
    await bench.clock.advance(14.2)
    assert bench.observer.state is LineState.DEGRADED
    client.answers["PING"] = "PONG"
    client.answer("PING", "PONG")
    await settle()
    assert bench.observer.state is LineState.READY


async def test_chatter_does_not_keep_the_client_from_being_asked(bench):
    client = await bench.ready()
    for second in range(20):
        await bench.say(client, f"USER bob LASTONLINETIMESTAMP {second}")
        await bench.clock.advance(1)
    assert client.count("PING") >= 3


async def test_client_that_returns_is_ready_again_at_once(bench):
    await bench.ready()
    bench.desktop.stop_client()
    await settle()
    assert bench.observer.state is LineState.WAITING_FOR_CLIENT
    await bench.ready()


async def test_lost_bus_is_tried_for_ever_without_haste(bench):
    await bench.ready()
    bench.desktop.lose_bus()
    await bench.clock.advance(60)
    assert bench.observer.state is LineState.WAITING_FOR_CLIENT
    assert bench.desktop.opened == 1
    bench.desktop.up = True
    bench.desktop.start(ScriptedClient())
    await bench.clock.advance(2)
    assert bench.observer.state is LineState.READY
    assert bench.desktop.opened == 2


async def test_line_is_ready_while_calls_of_a_dead_gateway_are_hard_to_end(bench):
    stale = range(1, 21)
    numbers = ", ".join(map(str, stale))
    client = ScriptedClient(**{"SEARCH ACTIVECALLS": f"CALLS {numbers}"})
    await bench.start(client)
    assert bench.observer.state is LineState.READY
    assert all(client.count(f"ALTER CALL {n} HANGUP") == 1 for n in stale)
    await bench.clock.advance(5)
    await bench.say(client, "CALL 7 STATUS INPROGRESS")
    assert client.count("ALTER CALL 7 HANGUP") == 2
    assert bench.observer.offers == []


async def test_calls_of_a_dead_gateway_are_ended_when_the_client_comes(bench):
    client = ScriptedClient(
        **{
            "SEARCH ACTIVECALLS": "CALLS 17, 18",
            "ALTER CALL 17 HANGUP": "ALTER CALL 17 HANGUP",
            "ALTER CALL 17 END HANGUP": "ERROR 559 CALL: Action failed",
            "ALTER CALL 18 HANGUP": "ERROR 559 CALL: Action failed",
            "ALTER CALL 18 END HANGUP": "ALTER CALL 18 END HANGUP",
        }
    )
    await bench.start(client)
    for call_id in (17, 18):
        assert client.count(f"ALTER CALL {call_id} HANGUP") == 1
        assert client.count(f"ALTER CALL {call_id} END HANGUP") == 1
    assert bench.observer.state is LineState.READY


async def test_client_that_refuses_every_setting_is_ready_all_the_same(bench):
    refused = {
        f"SET {name} OFF": "ERROR 18 SET: invalid WHAT"
        for name in ("AUTOAWAY", "AGC", "AEC")
    }
    await bench.start(ScriptedClient(**refused))
    assert bench.observer.state is LineState.READY


async def test_garbage_harms_nothing(bench):
    client = await bench.ready()
    await bench.say(
        client,
        "",
        " ",
        "#",
        "#999 CALL 1 STATUS RINGING x",
        "CALL",
        "CALL x STATUS RINGING",
        "CALL 99999999999999999999 STATUS RINGING",
        "CONNSTATUS HOVERING",
        "ERROR",
        "ERROR x",
        "\ud800\x00",
        "x" * 70_000,
    )
    assert bench.observer.state is LineState.READY
    assert bench.observer.offers == []


WORDS = st.sampled_from(
    [
        "#",
        "#1",
        "#2",
        "#999",
        "CALL",
        "178",
        "7",
        "x",
        "STATUS",
        "RINGING",
        "INPROGRESS",
        "FINISHED",
        "DTMF",
        "DURATION",
        "1",
        "OK",
        "FAILUREREASON",
        "ALTER",
        "HANGUP",
        "SET",
        "ERROR",
        "68",
        "559",
        "PROTOCOL",
        "CONNSTATUS",
        "ONLINE",
        "OFFLINE",
        "CURRENTUSERHANDLE",
        "CALLS",
        ",",
        "PONG",
    ]
)
LINES = st.one_of(st.text(max_size=40), st.lists(WORDS, max_size=6).map(" ".join))


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(lines=st.lists(LINES, max_size=30))
def test_no_text_whatever_ends_the_backend_or_a_call_twice(run_line, lines):
    async def scenario():
        async with run_line(SkypeSettings()) as bench:
            client = await bench.ready()
            leg, events = await bench.place(client)
            for line in lines:
                await bench.say(client, line)
            await bench.clock.advance(30)
            await leg.release()
            await bench.clock.advance(10)
        assert events.released

    asyncio.run(scenario())


async def test_permission_withdrawn_while_attached_is_noticed(bench):
    client = await bench.ready()
    client.answers |= {"PING": "ERROR 68", "NAME skypechan": "ERROR 68"}
    await bench.clock.advance(6)
    assert bench.observer.state is LineState.REFUSED


async def test_call_on_a_line_that_is_not_ready_raises(bench):
    with pytest.raises(LinkDownError, match="waiting_for_client"):
        await bench.backend.place("bob", Events())


async def test_unknown_transport_is_a_fault_of_the_configuration():
    with pytest.raises(ConfigError, match="pigeon"):
        SkypeBackend(SkypeSettings(transport="pigeon"), SystemClock())


def test_display_that_is_none_is_a_fault_of_the_configuration():
    with pytest.raises(ConfigError, match="eleven"):
        SkypeBackend(SkypeSettings(transport="x11", display="eleven"), SystemClock())


async def test_stopping_ends_the_calls_that_live(bench):
    client = await bench.ready()
    _, events = await bench.place(client)
    await bench.stop()
    assert client.count("ALTER CALL 178 HANGUP") == 1
    assert events.released.reason == "the gateway stops"


async def test_who_calls_just_as_the_client_goes_is_told_so(bench):
    client = await bench.ready()
    leg, events = await bench.place(client)
    tried = []
    leg.sink = lambda _: tried.append(
        asyncio.create_task(bench.backend.place("carol", events))
    )
    bench.desktop.stop_client()
    await settle()
    with pytest.raises(LinkDownError, match="the client is just going away"):
        await tried[0]
