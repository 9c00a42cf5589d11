"""What the people behind the emulated client do besides calling."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from skypechan.backends.skype.protocol.values import CallStatus, UserStatus
from skypechan.emulator.outputs import MessageToPartner, Purpose, Signal, ToPartner
from skypechan.emulator.party import Manner, Person, stranger
from tests.doubles.emulated_client import NOW, PEOPLE, Desktop

CHATTY = (*PEOPLE, Person(handle="poly", full_name="Poly G.", reply="{text}, indeed"))


def number(line):
    return int(line.split()[1])


class TestMessages:
    def test_message_is_sending_then_sent(self):
        desktop = Desktop()
        (reply,) = desktop.say("#1 MESSAGE bob how are you")
        assert re.fullmatch(r"#1 CHATMESSAGE \d+ STATUS SENDING", reply)
        ident = int(reply.split()[2])
        assert desktop.expire(Purpose.SENT) == [f"CHATMESSAGE {ident} STATUS SENT"]
        for name, value in (
            ("BODY", "how are you"),
            ("FROM_HANDLE", "skypet123"),
            ("TYPE", "SAID"),
        ):
            (line,) = desktop.say(f"GET CHATMESSAGE {ident} {name}")
            assert line == f"CHATMESSAGE {ident} {name} {value}"
        assert MessageToPartner("bob", "how are you") in desktop.effects

    def test_somebody_answers_in_the_same_chat(self):
        desktop = Desktop(people=CHATTY)
        (sent,) = desktop.say("MESSAGE poly hello")
        (arrived,) = desktop.expire(Purpose.CHAT_REPLY)
        ident = number(arrived)
        assert arrived == f"CHATMESSAGE {ident} STATUS RECEIVED"
        assert desktop.say(f"GET CHATMESSAGE {ident} BODY") == [
            f"CHATMESSAGE {ident} BODY hello, indeed"
        ]
        chats = [
            desktop.say(f"GET CHATMESSAGE {item} CHATNAME")[0].split(" ", 3)[3]
            for item in (number(sent), ident)
        ]
        assert chats[0] == chats[1]

    def test_received_message_is_missed_until_it_is_seen(self):
        desktop = Desktop()
        desktop.client.chats.receive(stranger("eve", "Eve"), "psst", NOW)
        (arrived,) = desktop.settle()
        ident = number(arrived)
        assert desktop.say("SEARCH MISSEDCHATMESSAGES") == [f"CHATMESSAGES {ident}"]
        assert desktop.say(f"SET CHATMESSAGE {ident} SEEN") == [
            f"CHATMESSAGE {ident} STATUS READ",
            f"CHATMESSAGE {ident} STATUS READ",
        ]
        assert desktop.say("SEARCH MISSEDCHATMESSAGES") == ["CHATMESSAGES "]
        assert desktop.say(f"GET CHATMESSAGE {ident} FROM_DISPNAME") == [
            f"CHATMESSAGE {ident} FROM_DISPNAME Eve"
        ]

    def test_old_application_hears_of_messages_without_chats(self):
        desktop = Desktop(attach=False)
        desktop.say("NAME old")
        desktop.say("PROTOCOL 2")
        (reply,) = desktop.say("MESSAGE bob hi")
        assert re.fullmatch(r"MESSAGE \d+ STATUS SENDING", reply)
        desktop.client.chats.receive(stranger("eve"), "psst", NOW)
        (arrived,) = desktop.settle()
        ident = number(arrived)
        assert arrived == f"MESSAGE {ident} STATUS RECEIVED"
        assert desktop.say(f"GET MESSAGE {ident} PARTNER_HANDLE") == [
            f"MESSAGE {ident} PARTNER_HANDLE eve"
        ]
        assert desktop.say(f"SET MESSAGE {ident} SEEN")[0].endswith("STATUS READ")

    def test_chat_of_several(self):
        desktop = Desktop()
        lines = desktop.say("#1 CHAT CREATE bob, echo123")
        name = lines[0].split()[2]
        assert lines[0] == f"#1 CHAT {name} STATUS MULTI_SUBSCRIBED"
        assert set("#/$;") <= set(name)
        assert desktop.say(f"ALTER CHAT {name} ADDMEMBERS advokat") == [
            "ALTER CHAT ADDMEMBERS",
            f"CHAT {name} MEMBERS skypet123 bob echo123 advokat",
        ]
        assert desktop.say(f"ALTER CHAT {name} SETTOPIC the weather")[0] == (
            "ALTER CHAT SETTOPIC"
        )
        assert desktop.say(f"GET CHAT {name} TOPIC") == [
            f"CHAT {name} TOPIC the weather"
        ]
        (sent,) = desktop.say(f"CHATMESSAGE {name} rain")
        assert desktop.say("SEARCH CHATMESSAGES bob") == [
            f"CHATMESSAGES {number(sent)}"
        ]
        assert desktop.say("SEARCH CHATS") == [f"CHATS {name}"]

    def test_chat_with_one_is_the_dialog_with_them(self):
        desktop = Desktop()
        first = desktop.say("CHAT CREATE bob")[0]
        assert first.endswith("STATUS DIALOG")
        assert desktop.say("CHAT CREATE bob")[0] == first

    @pytest.mark.parametrize(
        ("text", "error"),
        [
            ("MESSAGE nobody hi", 26),
            ("MESSAGE bob", 43),
            ("CHATMESSAGE #x hi", 105),
            ("GET CHAT #x TOPIC", 105),
            ("GET CHATMESSAGE x BODY", 14),
            ("GET CHATMESSAGE 99999 BODY", 15),
            ("SET CHATMESSAGE 99999 SEEN", 31),
            ("SET CHATMESSAGE 99999 BODY x", 32),
            ("CHAT CREATE nobody", 26),
            ("CHAT DESTROY", 2),
            ("ALTER CHAT #x LEAVE", 105),
        ],
    )
    def test_faults(self, text, error):
        assert Desktop().say(text)[0].startswith(f"ERROR {error} ")

    def test_nothing_is_written_while_offline(self):
        desktop = Desktop()
        desktop.client.sign_out()
        desktop.settle()
        assert desktop.say("MESSAGE bob hi") == ["ERROR 36 Not online"]

    def test_thousands_of_messages_are_not_kept(self):
        desktop = Desktop()
        for _ in range(700):
            desktop.client.chats.receive(stranger("eve"), "psst", NOW)
        assert len(desktop.client.chats.texts) == 500
        (chat,) = desktop.client.chats.chats.values()
        assert len(chat.messages) == 500


class TestContacts:
    def test_request_waits_until_it_is_answered(self):
        desktop = Desktop()
        desktop.client.ask_contact(stranger("eve"), "let me in")
        request = "USER eve RECEIVEDAUTHREQUEST let me in"
        assert desktop.settle() == [request, request]
        assert desktop.say("SEARCH USERSWAITINGMYAUTHORIZATION") == ["USERS eve"]
        assert desktop.say("SET USER eve ISAUTHORIZED FALSE") == [
            "USER eve ISAUTHORIZED FALSE",
            "USER eve RECEIVEDAUTHREQUEST ",
            "USER eve ISAUTHORIZED FALSE",
        ]
        assert desktop.say("SEARCH USERSWAITINGMYAUTHORIZATION") == ["USERS "]

    def test_presence_that_changes_is_told(self):
        desktop = Desktop()
        bob = desktop.client.directory.find("bob")
        desktop.client.meet(replace(bob, online=UserStatus.AWAY))
        assert desktop.settle() == ["USER bob ONLINESTATUS AWAY"]
        desktop.client.meet(replace(bob, online=UserStatus.AWAY))
        assert desktop.settle() == []


class TestVoicemail:
    def test_call_that_voicemail_takes_goes_through_its_states(self):
        desktop = Desktop()
        call_id = desktop.place("voicemail")
        lines = [line for line in desktop.walk() if line.startswith("CALL")]
        assert lines[-5:] == [
            f"CALL {call_id} STATUS VM_BUFFERING_GREETING",
            f"CALL {call_id} VM_ALLOWED_DURATION 600",
            f"CALL {call_id} VM_DURATION 0",
            f"CALL {call_id} STATUS VM_PLAYING_GREETING",
            f"CALL {call_id} STATUS VM_RECORDING",
        ]
        assert desktop.expire(Purpose.SECOND)[-1] == f"CALL {call_id} VM_DURATION 1"
        assert desktop.expire(Purpose.NO_ANSWER) == []
        assert desktop.say(f"ALTER CALL {call_id} HANGUP")[-1] == (
            f"CALL {call_id} STATUS VM_UPLOADING"
        )
        assert desktop.walk()[-1] == f"CALL {call_id} STATUS VM_SENT"

    def test_hang_up_during_the_greeting_leaves_nothing(self):
        desktop = Desktop()
        call_id = desktop.place("voicemail")
        while desktop.calls[call_id].status is not CallStatus.VM_PLAYING_GREETING:
            desktop.expire(Purpose.STEP)
        desktop.say(f"ALTER CALL {call_id} HANGUP")
        assert desktop.calls[call_id].status is CallStatus.VM_CANCELLED

    @pytest.mark.parametrize(
        ("text", "error"),
        [
            ("VOICEMAIL nobody", 110),
            ("VOICEMAIL +491234567", 110),
            ("GET VOICEMAIL 99999 STATUS", 529),
            ("ALTER VOICEMAIL", 528),
            ("ALTER VOICEMAIL 99999 DELETE", 529),
        ],
    )
    def test_faults(self, text, error):
        assert Desktop().say(text)[0].startswith(f"ERROR {error} ")

    def test_voicemail_is_played_again_and_deleted(self):
        desktop = Desktop()
        ident = number(desktop.say("CALLVOICEMAIL echo123")[0])
        greeting = ident - 3
        desktop.walk()
        assert desktop.say(f"ALTER VOICEMAIL {ident} STOPRECORDING")[0] == (
            f"ALTER VOICEMAIL {ident} STOPRECORDING"
        )
        desktop.walk()
        assert desktop.say(f"ALTER VOICEMAIL {greeting} STARTPLAYBACK")[-1] == (
            f"VOICEMAIL {greeting} STATUS PLAYING"
        )
        assert desktop.say(f"ALTER VOICEMAIL {greeting} DELETE")[0].startswith("ALTER")
        assert desktop.say("SEARCH VOICEMAILS") == [f"VOICEMAILS {ident}"]


class TestTransfer:
    def ringing(self, desktop, handle="bob"):
        return desktop.ring(handle)

    def test_target_that_answers_has_the_call(self):
        desktop = Desktop()
        call = self.ringing(desktop)
        ident = call.call_id
        assert desktop.say(f"GET CALL {ident} CAN_TRANSFER ECHO123") == [
            f"CALL {ident} CAN_TRANSFER echo123 TRUE"
        ]
        assert desktop.say(f"ALTER CALL {ident} TRANSFER busy, echo123") == [
            f"ALTER CALL {ident} TRANSFER busy, echo123",
            f"CALL {ident} STATUS TRANSFERRING",
            f"CALL {ident} TRANSFER_ACTIVE TRUE",
        ]
        assert desktop.expire(Purpose.TRANSFER) == [
            f"CALL {ident} TRANSFERRED_TO echo123",
            f"CALL {ident} STATUS TRANSFERRED",
        ]

    @pytest.mark.parametrize("answered", [False, True])
    def test_call_that_nobody_takes_is_what_it_was(self, answered):
        desktop = Desktop()
        call = self.ringing(desktop)
        if answered:
            desktop.say(f"ALTER CALL {call.call_id} ANSWER")
        before = call.status
        desktop.say(f"ALTER CALL {call.call_id} TRANSFER refuse")
        assert call.status is CallStatus.TRANSFERRING
        desktop.expire(Purpose.TRANSFER)
        assert call.status is before
        desktop.say(f"ALTER CALL {call.call_id} END HANGUP")
        assert call.ended

    @pytest.mark.parametrize("target", ["offline", "nobody", "bob", "skypet123", ""])
    def test_impossible_target(self, target):
        desktop = Desktop()
        call = self.ringing(desktop)
        (reply,) = desktop.say(f"ALTER CALL {call.call_id} TRANSFER {target}")
        assert reply.startswith("ERROR 592 ")
        assert call.status is CallStatus.RINGING

    def test_call_that_we_placed_is_not_sent_on(self):
        desktop = Desktop()
        ident = desktop.established()
        (reply,) = desktop.say(f"ALTER CALL {ident} TRANSFER echo123")
        assert reply.startswith("ERROR 592 ")

    def test_caller_that_gives_up_ends_the_transfer(self):
        desktop = Desktop()
        call = self.ringing(desktop)
        desktop.say(f"ALTER CALL {call.call_id} TRANSFER echo123")
        desktop.partner(call.call_id, Signal.END)
        assert call.status is CallStatus.MISSED
        assert ToPartner(call.call_id, Signal.TRANSFER_FAILED) in desktop.effects
        assert desktop.expire(Purpose.TRANSFER) == []

    def test_remote_caller_goes_only_to_a_third_account(self):
        desktop = Desktop()
        desktop.client.network_accounts = {"carol": Person(handle="carol")}
        call = desktop.ring("bob", remote=True)
        ident = call.call_id
        assert desktop.say(f"GET CALL {ident} CAN_TRANSFER echo123")[0].endswith(
            "FALSE"
        )
        desktop.say(f"ALTER CALL {ident} TRANSFER echo123, carol")
        assert ToPartner(ident, Signal.TRANSFER, "carol") in desktop.effects
        assert desktop.partner(ident, Signal.TRANSFERRED, "carol")
        assert call.status is CallStatus.TRANSFERRED


class TestConference:
    def test_several_are_called_at_once_and_share_a_conference(self):
        desktop = Desktop()
        lines = desktop.say("#1 CALL echo123, tone")
        first, second = int(lines[0].split()[2]), number(lines[-1])
        assert lines[0] == f"#1 CALL {first} STATUS UNPLACED"
        desktop.walk()
        statuses = {desktop.calls[item].status for item in (first, second)}
        assert statuses == {CallStatus.IN_PROGRESS}
        numbers = {
            desktop.say(f"GET CALL {item} CONF_ID")[0].split()[-1]
            for item in (first, second)
        }
        assert len(numbers) == 1
        assert numbers != {"0"}
        assert desktop.say(f"GET CALL {first} CONF_PARTICIPANT 2") == [
            f"CALL {first} CONF_PARTICIPANT 2 tone OUTGOING_P2P INPROGRESS Tone 440"
        ]
        assert desktop.say(f"GET CALL {first} CONF_PARTICIPANT 3")[0].startswith(
            "ERROR 71 "
        )

    @pytest.mark.parametrize(
        "form", ["SET CALL {} JOIN_CONFERENCE {}", "ALTER CALL {} JOIN_CONFERENCE {}"]
    )
    def test_held_call_joins_an_active_one(self, form):
        desktop = Desktop()
        held = desktop.established()
        desktop.say(f"ALTER CALL {held} HOLD")
        active = desktop.place("echo123")
        desktop.walk()
        lines = desktop.say(form.format(held, active))
        assert lines[0].startswith((f"CALL {held} CONF_ID ", "ALTER CALL"))
        for item in (held, active):
            assert desktop.calls[item].status is CallStatus.IN_PROGRESS

    def test_too_many(self):
        people = [Person(handle=f"p{number}") for number in range(11)]
        desktop = Desktop(people=people)
        names = ", ".join(person.handle for person in people)
        assert desktop.say(f"CALL {names}")[0].startswith("ERROR 73 ")

    def test_only_calls_that_are_up_are_joined(self):
        desktop = Desktop()
        first = desktop.established()
        call = desktop.ring("eve")
        for text in (
            f"{first} JOIN_CONFERENCE {call.call_id}",
            f"{first} JOIN_CONFERENCE 9",
        ):
            assert desktop.say(f"SET CALL {text}")[0].startswith("ERROR 72 ")


class TestGroupsAndSms:
    def test_hardwired_groups_follow_the_contact_list(self):
        desktop = Desktop()
        (line,) = desktop.say("SEARCH GROUPS HARDWIRED")
        idents = line.removeprefix("GROUPS ").split(", ")
        kinds = {
            desktop.say(f"GET GROUP {ident} TYPE")[0].split()[-1]: ident
            for ident in idents
        }
        friends = desktop.say(f"GET GROUP {kinds['ALL_FRIENDS']} USERS")[0]
        assert "bob" in friends
        assert "advokat" not in friends

    def test_custom_group(self):
        desktop = Desktop()
        ident = number(desktop.say("CREATE GROUP The Gang")[0])
        assert desktop.say(f"ALTER GROUP {ident} ADDUSER bob")[0] == (
            f"ALTER GROUP {ident} ADDUSER bob"
        )
        assert desktop.say(f"GET GROUP {ident} USERS") == [f"GROUP {ident} USERS bob"]
        assert desktop.say(f"ALTER GROUP {ident} ADDUSER bob")[0].startswith(
            "ERROR 561"
        )
        assert desktop.say("SEARCH GROUPS CUSTOM") == [f"GROUPS {ident}"]
        assert desktop.say(f"DELETE GROUP {ident}") == ["OK"]
        assert desktop.say(f"GET GROUP {ident} USERS")[0].startswith("ERROR 561")

    def test_sms_is_composed_sent_and_delivered(self):
        desktop = Desktop()
        lines = desktop.say("CREATE SMS OUTGOING +4912345")
        ident = number(lines[0])
        assert lines[0] == f"SMS {ident} TYPE OUTGOING"
        assert desktop.say(f"ALTER SMS {ident} SEND")[0].startswith("ERROR")
        assert (
            desktop.say(f"SET SMS {ident} BODY hello")[0] == f"SMS {ident} BODY hello"
        )
        assert desktop.say(f"ALTER SMS {ident} SEND")[0] == f"ALTER SMS {ident} SEND"
        assert desktop.expire(Purpose.SMS) == [f"SMS {ident} STATUS SENT_TO_SERVER"]
        assert desktop.expire(Purpose.SMS) == [f"SMS {ident} STATUS DELIVERED"]
        assert desktop.say("SEARCH SMSS") == [f"SMSS {ident}"]

    @pytest.mark.parametrize(
        ("text", "error"),
        [
            ("CREATE", 536),
            ("CREATE MOON", 536),
            ("CREATE SMS INCOMING +1", 536),
            ("DELETE MOON 1", 538),
            ("DELETE SMS 9", 538),
            ("SEARCH FRIENDS bob", 67),
            ("SEARCH CALLS bob, eve", 5),
            ("SEARCH MISSEDCALLS bob", 6),
        ],
    )
    def test_faults(self, text, error):
        assert Desktop().say(text)[0].startswith(f"ERROR {error} ")


def test_silent_mode_is_known_where_the_script_says_so():
    desktop = Desktop(silent_mode=True)
    assert desktop.say("SET SILENT_MODE ON") == ["SILENT_MODE ON", "SILENT_MODE ON"]


def test_manner_of_every_kind_can_be_called():
    for manner in Manner:
        desktop = Desktop(people=[Person(handle="x", manner=manner)])
        desktop.place("x")
        desktop.walk()


def test_line_breaks_of_the_world_do_not_reach_the_protocol():
    desktop = Desktop()
    eve = stranger("eve", "Eve\nIl")
    text = desktop.client.chats.receive(eve, "two\r\nlines\0", NOW)
    desktop.client.ask_contact(eve, "let\nme in")
    desktop.settle()
    (body,) = desktop.say(f"GET CHATMESSAGE {text.ident} BODY")
    assert body.split(" ", 3)[3].split() == ["two", "lines"]
    assert desktop.say("GET USER eve RECEIVEDAUTHREQUEST") == [
        "USER eve RECEIVEDAUTHREQUEST let me in"
    ]
    (name,) = desktop.say(f"GET CHATMESSAGE {text.ident} FROM_DISPNAME")
    assert "Eve" in name
