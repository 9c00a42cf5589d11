from __future__ import annotations

import ast
import asyncio
import inspect
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import panoramisk
import pytest

from skypechan.asterisk.ami import link as link_module
from skypechan.asterisk.ami.link import AmiLink, LinkState
from skypechan.asterisk.ami.messages import (
    ChannelEnded,
    Event,
    Getvar,
    Originate,
    Originated,
    PlayDtmf,
    Redirect,
    Setvar,
    Status,
    UserEvent,
)
from skypechan.asterisk.settings import AsteriskSettings
from skypechan.clock import SystemClock
from skypechan.errors import (
    CommandError,
    DeadlineError,
    LinkDownError,
    LocalWireError,
)
from tests.doubles.ami_server import AmiServer, refuse, silence
from tests.doubles.waiting import Changes

ORIGINATE = Originate(
    "Local/s@x", "y", "s", "slin", 1000, ("a-1", "a-2"), (("A", "1"), ("B", "2"))
)


class LinkLog:
    """A running link, its states and events."""

    def __init__(self, port: int, **settings: object) -> None:
        values: dict[str, object] = {
            "ami": f"127.0.0.1:{port}",
            "ami_secret": "s3cret",
            "action_seconds": 0.5,
            "ping_seconds": 10.0,
        }
        chosen = AsteriskSettings(**(values | settings))  # type: ignore[arg-type]
        self.link = AmiLink(chosen, SystemClock())
        self.link.on_event = self._take
        self.link.on_state = self._changed
        self.events: list[Event] = []
        self.states: list[LinkState] = []
        self._changes = Changes()
        self.task = asyncio.create_task(self.link.run())

    def _take(self, event: Event) -> None:
        self.events.append(event)
        self._changes.notify()

    def _changed(self) -> None:
        self.states.append(self.link.state)
        self._changes.notify()

    async def state(self, state: LinkState, count: int = 1) -> None:
        await self._changes.until(
            lambda: self.states.count(state) >= count, 5, f"{count}. {state}"
        )

    async def reason(self, beginning: str) -> None:
        await self._changes.until(
            lambda: self.link.reason.startswith(beginning), 5, beginning
        )

    async def event(self, count: int = 1) -> Event:
        await self._changes.until(
            lambda: len(self.events) >= count, 3, f"{count}. event"
        )
        return self.events[count - 1]

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


@pytest.fixture
async def server() -> AsyncIterator[AmiServer]:
    async with AmiServer() as server:
        yield server


@pytest.fixture
async def up(server: AmiServer) -> AsyncIterator[LinkLog]:
    log = LinkLog(server.port)
    await log.state(LinkState.UP)
    yield log
    await log.stop()


async def test_it_logs_in_for_the_events_it_needs(
    server: AmiServer, up: LinkLog
) -> None:
    login = await server.received("Login")
    assert ("Username", "skypechan") in login
    assert ("Secret", "s3cret") in login
    assert ("Events", "call,user,dtmf") in login


async def test_every_action_goes_through_panoramisk(
    server: AmiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    carried: list[str] = []
    send_action = panoramisk.Manager.send_action

    def counted(self: panoramisk.Manager, action: object, **options: object) -> object:
        carried.append(action["Action"])  # type: ignore[index]
        return send_action(self, action, **options)

    monkeypatch.setattr(panoramisk.Manager, "send_action", counted)
    log = LinkLog(server.port, ping_seconds=0.1)
    await log.state(LinkState.UP)
    await log.link.send(Setvar("", "A", "1"))
    await log.link.send(ORIGINATE)
    await server.received("Ping")
    await log.stop()
    assert carried == [dict(action)["Action"] for action in server.actions]
    assert set(carried) == {"Login", "Setvar", "Originate", "Ping"}


def test_nothing_else_writes_to_the_connection() -> None:
    tree = ast.parse(inspect.getsource(link_module))
    called = [
        node.func.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    ]
    assert called.count("send_action") == 1
    assert not {"write", "writelines", "sendall"} & set(called)


@pytest.mark.parametrize("value", ["a\r\nAction: Hangup", "a\nb", "a\0b"])
async def test_a_value_with_a_line_break_is_never_sent(
    value: str, server: AmiServer, up: LinkLog
) -> None:
    with pytest.raises(LocalWireError):
        await up.link.send(Setvar("c", "V", value))
    await up.link.send(Setvar("c", "V", "good"))
    assert b"Hangup" not in server.raw
    assert len(server.named("Setvar")) == 1


async def test_a_line_that_asterisk_would_refuse_is_not_sent(up: LinkLog) -> None:
    with pytest.raises(LocalWireError):
        await up.link.send(Setvar("c", "V", "x" * 1024))


async def test_repeated_headers_are_sent_each(server: AmiServer, up: LinkLog) -> None:
    await up.link.send(ORIGINATE)
    action = await server.received("Originate")
    assert [value for name, value in action if name == "Variable"] == ["A=1", "B=2"]
    assert ("Async", "true") in action


async def test_an_originate_ends_with_its_response_and_the_rest_is_an_event(
    server: AmiServer, up: LinkLog
) -> None:
    def queued(server: AmiServer, action: Mapping[str, str]) -> None:
        server.respond(action, Message="Originate successfully queued")
        server.event(
            "OriginateResponse",
            ActionID=action["ActionID"],
            Response="Failure",
            Uniqueid="a-1",
        )

    server.answers["Originate"] = queued
    response = await up.link.send(ORIGINATE)
    assert response.message == "Originate successfully queued"
    assert await up.event() == Originated("a-1", success=False)


async def test_a_queued_digit_does_not_break_the_link(
    server: AmiServer, up: LinkLog
) -> None:
    server.answers["PlayDTMF"] = lambda server, action: server.respond(
        action, Message="DTMF successfully queued"
    )
    for digit in "123":
        await up.link.send(PlayDtmf("c", digit, 100))
    assert up.states == [LinkState.UP]


async def test_an_error_carries_asterisks_words(server: AmiServer, up: LinkLog) -> None:
    server.answers["Redirect"] = refuse("Channel does not exist: c")
    with pytest.raises(CommandError, match="Channel does not exist: c"):
        await up.link.send(Redirect("c", "x", "y"))


async def test_a_denied_action_names_the_missing_right(
    server: AmiServer, up: LinkLog
) -> None:
    server.answers["Originate"] = refuse("Permission denied")
    with pytest.raises(CommandError, match=r"manager\.conf.*write = originate"):
        await up.link.send(ORIGINATE)


async def test_a_list_comes_whole(server: AmiServer, up: LinkLog) -> None:
    def channels(server: AmiServer, action: Mapping[str, str]) -> None:
        server.respond(action, EventList="start", Message="Channel status will follow")
        for number in "12":
            server.event("Status", ActionID=action["ActionID"], Uniqueid=number)
        server.event("StatusComplete", ActionID=action["ActionID"])

    server.answers["Status"] = channels
    response = await up.link.send(Status())
    assert [item["uniqueid"] for item in response.items if "uniqueid" in item] == [
        "1",
        "2",
    ]


async def test_an_empty_list_comes_whole(server: AmiServer, up: LinkLog) -> None:
    def none(server: AmiServer, action: Mapping[str, str]) -> None:
        server.respond(action, EventList="start", Message="Channel status will follow")
        server.event("StatusComplete", ActionID=action["ActionID"])

    server.answers["Status"] = none
    response = await up.link.send(Status())
    assert not [item for item in response.items if "uniqueid" in item]


async def test_a_list_that_is_denied_is_an_error_at_once(
    server: AmiServer, up: LinkLog
) -> None:
    server.answers["Status"] = refuse("Permission denied")
    with pytest.raises(CommandError):
        await up.link.send(Status())


async def test_an_action_without_an_answer_ends_and_is_forgotten(
    server: AmiServer, up: LinkLog
) -> None:
    server.answers["Getvar"] = silence
    with pytest.raises(DeadlineError, match=r"Getvar within 0\.05 s"):
        await up.link.send(Getvar("A"), 0.05)
    pending = asyncio.create_task(up.link.send(Getvar("B")))
    await server.received("Getvar", 2)
    pending.cancel()
    await asyncio.gather(pending, return_exceptions=True)
    assert up.link._manager is not None
    assert up.link._manager.protocol.responses == {}
    await up.link.send(Setvar("", "A", "1"))


async def test_a_late_answer_harms_nothing(server: AmiServer, up: LinkLog) -> None:
    server.answers["Getvar"] = silence
    with pytest.raises(DeadlineError):
        await up.link.send(Getvar("A"), 0.05)
    late = dict(await server.received("Getvar"))
    server.respond(late, Value="late")
    await up.link.send(Setvar("", "A", "1"))
    assert up.states == [LinkState.UP]


async def test_a_lost_link_fails_what_is_pending_and_never_repeats_it(
    server: AmiServer, up: LinkLog
) -> None:
    server.answers["Originate"] = silence
    pending = asyncio.create_task(up.link.send(ORIGINATE))
    await server.received("Originate")
    server.drop()
    with pytest.raises(LinkDownError):
        await pending
    await up.state(LinkState.UP, 2)
    server.event("FullyBooted", Status="Fully Booted")
    await up.link.send(Setvar("", "A", "1"))
    assert len(server.named("Originate")) == 1


async def test_without_a_link_nothing_is_sent() -> None:
    link = AmiLink(AsteriskSettings(), SystemClock())
    with pytest.raises(LinkDownError, match="not connected yet"):
        await link.send(Getvar("A"))


async def test_an_absent_asterisk_is_tried_again_until_it_comes(
    server: AmiServer,
) -> None:
    port = server.port
    await server.stop()
    log = LinkLog(port)
    await log.reason(f"no AMI at 127.0.0.1:{port}")
    await server.listen(port)
    await log.state(LinkState.UP)
    await log.stop()


async def test_a_refused_login_is_told_and_tried_again_slowly(
    server: AmiServer,
) -> None:
    server.answers["Login"] = refuse("Authentication failed")
    log = LinkLog(server.port, refused_retry_seconds=0.2)
    await log.state(LinkState.REFUSED)
    assert "AMI refuses the login of 'skypechan'" in log.link.reason
    assert "manager.conf" in log.link.reason
    assert "s3cret" not in log.link.reason
    del server.answers["Login"]
    await log.state(LinkState.UP)
    assert server.logins == 2
    await log.stop()


async def test_a_server_that_is_no_ami_is_a_link_that_is_down(
    server: AmiServer,
) -> None:
    server.answers["Login"] = silence
    log = LinkLog(server.port, action_seconds=0.1)
    await log.reason("Asterisk did not answer Login")
    await log.stop()


async def test_a_silent_asterisk_is_noticed_and_left(server: AmiServer) -> None:
    log = LinkLog(server.port, ping_seconds=0.1)
    await log.state(LinkState.UP)
    server.answers["Ping"] = silence
    await log.state(LinkState.DOWN)
    assert log.link.reason == "Asterisk does not answer on the AMI link"
    server.answers.clear()
    await log.state(LinkState.UP, 2)
    await log.stop()


async def test_after_stop_nothing_connects_again(
    server: AmiServer, up: LinkLog
) -> None:
    await up.stop()
    assert up.link.state is LinkState.DOWN
    timers = [timer for timer in _timers() if not timer.cancelled()]
    assert not [timer for timer in timers if "Manager" in repr(timer)]
    assert server.logins == 1


def _timers() -> list[asyncio.TimerHandle]:
    return list(asyncio.get_running_loop()._scheduled)  # type: ignore[attr-defined]


async def test_characters_survive_any_cutting(server: AmiServer, up: LinkLog) -> None:
    event = "Event: UserEvent\r\nUserEvent: X\r\nName: 漢字 € 🎧\r\n\r\n".encode()
    for piece in (event[i : i + 1] for i in range(len(event))):
        server.send_raw(piece)
        await asyncio.sleep(0)
    got = await up.event()
    assert isinstance(got, UserEvent)
    assert got.fields["name"] == "漢字 € 🎧"


async def test_broken_utf8_harms_nothing(server: AmiServer, up: LinkLog) -> None:
    server.send_raw(b"Event: UserEvent\r\nUserEvent: X\r\nName: a\xff\xc3b\r\n\r\n")
    got = await up.event()
    assert isinstance(got, UserEvent)
    assert got.fields["name"] == "a\ufffd\ufffdb"


async def test_events_come_in_order(server: AmiServer, up: LinkLog) -> None:
    for number in range(2000):
        server.event("Hangup", Uniqueid=str(number), Cause="16")
    await up.event(2000)
    ids = [e.channel.uniqueid for e in up.events if isinstance(e, ChannelEnded)]
    assert ids == [str(number) for number in range(2000)]


async def test_a_failing_receiver_does_not_break_the_link(
    server: AmiServer, up: LinkLog
) -> None:
    seen: list[Event] = []

    def fails(event: Event) -> None:
        seen.append(event)
        raise ValueError("a fault of the receiver")

    up.link.on_event = fails
    server.event("Hangup", Uniqueid="1", Cause="16")
    server.event("Hangup", Uniqueid="2", Cause="16")
    await up.link.send(Setvar("", "A", "1"))
    assert len(seen) == 2
    assert up.states == [LinkState.UP]


@pytest.mark.parametrize(
    "strange",
    [
        b"\r\n\r\n\r\n",
        b"no header at all\r\n\r\n",
        b"Event: Hangup\r\nCause: many\r\n\r\n",
        b"Event: Hangup\r\n\r\n",
        b"Response: Success\r\nActionID: unknown\r\n\r\n",
        b"Response: Follows\r\n\r\n",
        b"Event: UserEvent\r\nUuid: a\r\nUuid: b\r\n\r\n",
        b"Event: Shutdown\r\nShutdown: Cleanly\r\n\r\n",
    ],
)
async def test_strange_messages_do_not_stop_the_next_ones(
    strange: bytes, server: AmiServer, up: LinkLog
) -> None:
    server.send_raw(strange)
    if b"Shutdown" in strange:
        await up.state(LinkState.UP, 2)
    await up.link.send(Setvar("", "A", "1"))


async def test_a_message_without_an_end_drops_the_link(
    server: AmiServer, up: LinkLog
) -> None:
    server.send_raw(b"Event: X\r\nA: " + b"x" * (1 << 21))
    await up.state(LinkState.DOWN)
    await up.state(LinkState.UP, 2)


def test_the_door_is_the_only_module_that_names_panoramisk() -> None:
    package = Path(link_module.__file__).parents[2]
    naming = [
        path.name
        for path in package.rglob("*.py")
        if "import panoramisk" in path.read_text()
        or "from panoramisk" in path.read_text()
    ]
    assert naming == ["link.py"]
