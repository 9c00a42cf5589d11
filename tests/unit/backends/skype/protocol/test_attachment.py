from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skypechan.backends.skype.protocol import commands
from skypechan.backends.skype.protocol.attachment import (
    Asked,
    AttachChanged,
    AttachState,
    ClientSession,
    ControlSession,
    LateReply,
    NameAsked,
    Notified,
    Outgoing,
    Permission,
    Presence,
    Replied,
)
from skypechan.backends.skype.protocol.notifications import (
    CallStatusChanged,
    CurrentUserHandle,
    Pong,
)
from skypechan.backends.skype.protocol.values import (
    CallStatus,
    ConnectionStatus,
    UserStatus,
)
from skypechan.errors import LocalWireError

ONLINE = Presence("skypet123", ConnectionStatus.ONLINE, UserStatus.ONLINE)
NOBODY = Presence("", ConnectionStatus.OFFLINE, UserStatus.LOGGED_OUT)


def states(control):
    return [event.state for event in control.events() if type(event) is AttachChanged]


def online(control):
    attached = control.state is AttachState.ATTACHED
    return attached and control.connection is ConnectionStatus.ONLINE


def texts(client):
    return [outgoing.text for outgoing in client.outgoing()]


def pump(control, client, first, presence=ONLINE, permission=Permission.YES):
    """Carry text both ways, in order, until neither end has more to say."""
    pending = [first]
    while pending:
        client.receive(pending.pop(0), presence, permission)
        for outgoing in client.outgoing():
            control.receive(outgoing.text)
        pending.extend(control.texts_to_send())


def attached():
    control, client = ControlSession("skypechan"), ClientSession()
    pump(control, client, control.begin())
    control.events()
    return control, client


class TestHandshake:
    def test_allowed_application_attaches_and_learns_the_account(self):
        control, client = ControlSession("skypechan"), ClientSession()
        pump(control, client, control.begin())
        assert states(control) == [
            AttachState.ASKING,
            AttachState.NEGOTIATING,
            AttachState.ATTACHED,
        ]
        assert online(control)
        assert control.level == 8
        assert control.account == "skypet123"
        assert control.user_status is UserStatus.ONLINE

    def test_level_is_the_lower_of_the_two(self):
        control, client = ControlSession("x", level=999), ClientSession(highest_level=7)
        pump(control, client, control.begin())
        assert control.level == client.level == 7

    def test_application_waits_while_the_user_decides(self):
        control, client = ControlSession("skypechan"), ClientSession()
        pump(control, client, control.begin(), permission=Permission.ASK)
        assert control.state is AttachState.ASKING
        assert client.undecided
        assert client.events() == (NameAsked("skypechan"),)
        client.decide(allowed=True)
        for outgoing in client.outgoing():
            control.receive(outgoing.text)
        assert control.state is AttachState.NEGOTIATING

    @pytest.mark.parametrize("permission", [Permission.NO, Permission.ASK])
    def test_refused_application_hears_error_68(self, permission):
        control, client = ControlSession("skypechan"), ClientSession()
        pump(control, client, control.begin(), permission=permission)
        client.decide(allowed=False)
        for outgoing in client.outgoing():
            control.receive(outgoing.text)
        assert control.state is AttachState.REFUSED

    def test_permission_given_after_a_refusal_still_attaches(self):
        control = ControlSession("skypechan")
        token = commands.split_token(control.begin())[0]
        control.receive(f"{token} ERROR 68")
        assert control.state is AttachState.REFUSED
        control.receive("OK")
        assert control.texts_to_send() == ("#2 PROTOCOL 8",)
        control.receive("#2 PROTOCOL 8")
        assert control.state is AttachState.ATTACHED

    def test_refused_level_leads_back_to_the_start(self):
        control, client = ControlSession("skypechan"), ClientSession()
        control.begin()
        control.receive("OK")
        control.receive("#2 ERROR 68")
        assert control.state is AttachState.REFUSED
        pump(control, client, control.begin())
        assert online(control)

    def test_nobody_signed_in_is_not_a_refusal(self):
        control, client = ControlSession("skypechan"), ClientSession()
        pump(control, client, control.begin(), presence=NOBODY)
        assert control.state is AttachState.SIGNED_OUT
        pump(control, client, control.begin())
        assert online(control)

    def test_client_that_ignores_tokens_is_understood(self):
        control = ControlSession("skypechan")
        control.begin()
        control.receive("OK")
        control.receive("PROTOCOL 7")
        control.receive("CONNSTATUS ONLINE")
        assert online(control)
        control.begin()
        control.receive("CONNSTATUS OFFLINE")
        assert control.state is AttachState.SIGNED_OUT
        control.begin()
        control.receive("ERROR 68")
        assert control.state is AttachState.REFUSED

    def test_account_that_goes_offline_is_attached_but_not_ready(self):
        control, _ = attached()
        control.receive("CONNSTATUS OFFLINE")
        assert control.state is AttachState.ATTACHED
        assert not online(control)
        control.receive("CONNSTATUS ONLINE")
        assert online(control)

    def test_loss_forgets_everything(self):
        control, _ = attached()
        control.send(commands.Ping())
        control.lost()
        assert states(control) == [AttachState.DETACHED]
        assert not control.tokens_open
        assert control.account == ""
        assert control.level is None


class TestReplies:
    def test_reply_is_matched_by_token_in_any_order(self):
        control, _ = attached()
        first, _ = control.send(commands.Ping())
        second, _ = control.send(commands.get_call(5, "STATUS"))
        control.receive(f"{second} CALL 5 STATUS RINGING")
        control.receive(f"{first} PONG")
        assert control.events() == (
            Replied(second, CallStatusChanged(5, CallStatus.RINGING)),
            Replied(first, Pong()),
        )

    def test_doubled_reply_is_heard_once(self):
        control, _ = attached()
        token, _ = control.send(commands.Ping())
        control.receive(f"{token} PONG")
        control.receive(f"{token} PONG")
        assert control.events() == (Replied(token, Pong()),)

    def test_late_reply_is_told_apart(self):
        control, _ = attached()
        token, _ = control.send(commands.Ping())
        control.abandon(token)
        assert not control.tokens_open
        control.receive(f"{token} PONG")
        control.receive(f"{token} PONG")
        assert control.events() == (LateReply(token, Pong()),)

    def test_reply_of_an_earlier_attachment_is_late(self):
        control, client = attached()
        token, _ = control.send(commands.PlaceCall(("bob",)))
        pump(control, client, control.begin())
        control.events()
        control.receive(f"{token} CALL 9 STATUS UNPLACED")
        assert control.events() == (
            LateReply(token, CallStatusChanged(9, CallStatus.UNPLACED)),
        )

    def test_empty_return_value_is_nothing(self):
        control, _ = attached()
        token, _ = control.send(commands.Ping())
        control.receive("")
        control.receive(f"{token} ")
        assert control.events() == ()
        assert control.tokens_open == {token}

    def test_foreign_token_is_nothing(self):
        control, _ = attached()
        control.receive("#stranger PONG")
        assert control.events() == ()

    def test_line_without_token_is_a_notification(self):
        control, _ = attached()
        control.receive("CALL 5 STATUS RINGING")
        assert control.events() == (Notified(CallStatusChanged(5, CallStatus.RINGING)),)

    def test_permission_taken_away_is_noticed(self):
        control, client = attached()
        client.decide(allowed=False)
        _, text = control.send(commands.Ping())
        pump(control, client, text)
        assert control.state is AttachState.REFUSED

    def test_ping_tells_whether_the_user_still_thinks_when_the_ok_is_lost(self):
        control, client = ControlSession("skypechan"), ClientSession()
        pump(control, client, control.begin(), permission=Permission.ASK)
        _, text = control.send(commands.Ping())
        pump(control, client, text, permission=Permission.ASK)
        assert control.state is AttachState.ASKING
        client.decide(allowed=True)
        assert len(client.outgoing()) == 1  # the OK, which is lost
        _, text = control.send(commands.Ping())
        client.receive(text, ONLINE, Permission.ASK)
        (asked,) = [event for event in client.events() if type(event) is Asked]
        client.reply(asked.request, Pong())
        control.receive(*texts(client))
        pump(control, client, *control.texts_to_send())
        assert online(control)

    def test_unwritable_command_leaves_no_token_open(self):
        control, _ = attached()
        with pytest.raises(LocalWireError):
            control.send(commands.Name("a\nb"))
        assert not control.tokens_open


class TestClientSession:
    def test_first_attachment_of_a_known_name(self):
        """Transcript: attach over X11 with earlier authorisation."""
        client = ClientSession()
        presence = Presence("gmaruzz3", ConnectionStatus.ONLINE, UserStatus.INVISIBLE)
        client.receive("NAME skypopen", presence, Permission.YES)
        client.receive("PROTOCOL 6", presence, Permission.YES)
        assert texts(client) == [
            "OK",
            "PROTOCOL 6",
            "CONNSTATUS ONLINE",
            "CURRENTUSERHANDLE gmaruzz3",
            "USERSTATUS INVISIBLE",
        ]

    def test_early_protocol_is_lost_and_must_be_repeated(self):
        """Transcript: first time, prompt shown."""
        client = ClientSession()
        client.receive("NAME skypopen", ONLINE, Permission.ASK)
        client.receive("PROTOCOL 6", ONLINE, Permission.ASK)
        assert texts(client) == ["ERROR 68"]
        client.decide(allowed=True)
        assert texts(client) == ["OK"]
        client.receive("PROTOCOL 6", ONLINE, Permission.ASK)
        assert texts(client)[0] == "PROTOCOL 6"

    def test_reply_carries_the_number_of_its_line(self):
        client = ClientSession()
        name = client.receive("#0 NAME x", ONLINE, Permission.ASK)
        early = client.receive("#1 PING", ONLINE, Permission.ASK)
        assert client.outgoing() == (Outgoing("#1 ERROR 68", early),)
        client.decide(allowed=True)
        assert client.outgoing() == (Outgoing("#0 OK", name),)

    def test_any_token_is_echoed(self):
        client = ClientSession()
        client.receive("NAME x", ONLINE, Permission.YES)
        client.outgoing()
        request = client.receive("#output PING", ONLINE, Permission.YES)
        assert client.events() == (Asked(request, commands.Ping()),)
        client.reply(request, Pong())
        client.reply(request, Pong())
        assert client.outgoing() == (Outgoing("#output PONG", request),)

    def test_application_without_permission_hears_nothing(self):
        client = ClientSession()
        client.notify(CurrentUserHandle("x"))
        assert client.outgoing() == ()

    @pytest.mark.parametrize(
        ("text", "reply"),
        [
            ("#1 PROTOCOL x", "#1 ERROR 27 PROTOCOL: invalid version"),
            ("#1 ", "#1 ERROR 1 General syntax error"),
        ],
    )
    def test_malformed_text_is_answered(self, text, reply):
        client = ClientSession()
        client.receive(text, ONLINE, Permission.YES)
        assert texts(client) == ["#1 ERROR 68"]
        client.decide(allowed=True)
        client.receive(text, ONLINE, Permission.YES)
        assert texts(client) == [reply]

    @pytest.mark.parametrize(
        ("level", "status", "word"),
        [
            (4, CallStatus.LOCAL_HOLD, "ONHOLD"),
            (5, CallStatus.LOCAL_HOLD, "LOCALHOLD"),
            (4, CallStatus.REMOTE_HOLD, "ONHOLD"),
            (7, CallStatus.WAITING_REDIAL_COMMAND, "REFUSED"),
            (8, CallStatus.WAITING_REDIAL_COMMAND, "WAITING_REDIAL_COMMAND"),
        ],
    )
    def test_status_is_told_in_the_words_of_the_level(self, level, status, word):
        client = ClientSession()
        client.decide(allowed=True)
        client.receive(f"PROTOCOL {level}", ONLINE, Permission.YES)
        client.outgoing()
        client.notify(CallStatusChanged(1, status))
        assert texts(client) == [f"CALL 1 STATUS {word}"]


@settings(deadline=None)
@given(data=st.data(), early=st.booleans())
def test_ends_agree_under_any_interleaving_loss_and_doubling(data, early):
    """Two channels, each in order; replies may also overtake notifications.

    Whatever is lost or doubled, a new handshake over a sound channel attaches, and
    every command sent then gets exactly one reply.
    """
    control, client = ControlSession("skypechan"), ClientSession()
    to_client = [control.begin()]
    to_control: list[str] = []
    if early:
        to_client.append(control.send(commands.Ping())[1])
    for _ in range(data.draw(st.integers(0, 30))):
        step = data.draw(st.sampled_from(["client", "control", "user", "ping", "drop"]))
        if step == "client" and to_client:
            client.receive(to_client.pop(0), ONLINE, Permission.ASK)
        elif step == "control" and to_control:
            position = data.draw(st.integers(0, len(to_control) - 1))
            control.receive(to_control.pop(position))
        elif step == "user":
            client.decide(allowed=data.draw(st.booleans()))
        elif step == "ping":
            to_client.append(control.send(commands.Ping())[1])
        elif step == "drop" and to_control:
            lost = to_control.pop(0)
            to_control.extend(data.draw(st.sampled_from([[], [lost, lost]])))
        for asked in client.events():
            if isinstance(asked, Asked):
                client.reply(asked.request, Pong())
        to_control.extend(outgoing.text for outgoing in client.outgoing())
        to_client.extend(control.texts_to_send())
    client.decide(allowed=True)
    client.outgoing()
    client.events()
    pump(control, client, control.begin(), permission=Permission.ASK)
    assert online(control)
    control.events()
    token, text = control.send(commands.Ping())
    client.receive(text, ONLINE, Permission.ASK)
    (asked,) = client.events()
    client.reply(asked.request, Pong())
    for outgoing in client.outgoing():
        control.receive(outgoing.text)
    assert control.events() == (Replied(token, Pong()),)
    assert not control.tokens_open
