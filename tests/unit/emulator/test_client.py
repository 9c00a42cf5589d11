"""The emulated client against the documented transcripts and tables."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skypechan.backends.skype.protocol.attachment import Permission
from skypechan.backends.skype.protocol.values import CallStatus, FailureReason
from skypechan.emulator.client import Prompt, Send
from skypechan.emulator.desk import CloseSound, OpenSound
from skypechan.emulator.engine import CALLS_KEPT
from skypechan.emulator.outputs import (
    Ended,
    Ending,
    Purpose,
    Signal,
    StartTimer,
    ToPartner,
)
from skypechan.emulator.party import Person, stranger
from tests.doubles.emulated_client import APP, NOW, Desktop


def without_video(lines):
    return [line for line in lines if "VIDEO" not in line]


class TestTranscripts:
    def test_outgoing_answered_and_hung_up(self):
        """T2, with ROUTING and RINGING doubled."""
        desktop = Desktop(repeats=True)
        assert desktop.say("#0 CALL echo123") == ["#0 CALL 181 STATUS UNPLACED"]
        desktop.hear()
        assert desktop.walk() == [
            "CALL 181 STATUS ROUTING",
            "CALL 181 STATUS ROUTING",
            "CALL 181 STATUS RINGING",
            "CALL 181 STATUS RINGING",
            "CALL 181 STATUS INPROGRESS",
            "CALL 181 VIDEO_SEND_STATUS AVAILABLE",
            "CALL 181 VIDEO_STATUS VIDEO_BOTH_ENABLED",
        ]
        assert desktop.expire(Purpose.SECOND) == ["CALL 181 DURATION 1"]
        assert desktop.expire(Purpose.SECOND) == ["CALL 181 DURATION 2"]
        assert desktop.say("#1 SET CALL 181 STATUS FINISHED") == [
            "#1 CALL 181 STATUS FINISHED",
            "CALL 181 STATUS FINISHED",
        ]
        assert desktop.say("GET CALL 181 DURATION") == ["CALL 181 DURATION 2"]

    def test_outgoing_cancelled_while_ringing(self):
        """T3; the notification comes again after the reply, as T8 has it."""
        desktop = Desktop()
        call_id = desktop.place("bob")
        assert desktop.walk() == [
            f"CALL {call_id} STATUS UNPLACED",
            f"CALL {call_id} STATUS ROUTING",
            f"CALL {call_id} STATUS RINGING",
        ]
        assert desktop.say(f"SET CALL {call_id} STATUS FINISHED") == [
            f"CALL {call_id} STATUS CANCELLED",
            f"CALL {call_id} STATUS CANCELLED",
        ]

    def test_outgoing_to_someone_offline(self):
        """T4."""
        desktop = Desktop()
        call_id = desktop.place("offline")
        assert desktop.walk() == [
            f"CALL {call_id} STATUS UNPLACED",
            f"CALL {call_id} STATUS ROUTING",
            f"CALL {call_id} FAILUREREASON 3",
            f"CALL {call_id} STATUS FAILED",
        ]

    def test_outgoing_refused(self):
        """T5."""
        desktop = Desktop()
        call_id = desktop.place("refuse")
        assert desktop.walk()[1:] == [
            f"CALL {call_id} STATUS ROUTING",
            f"CALL {call_id} STATUS RINGING",
            f"CALL {call_id} STATUS REFUSED",
        ]

    def test_incoming_answered_then_hung_up_by_the_partner(self):
        """T6, with its FAILUREREASON 14."""
        desktop = Desktop(reason_14=True)
        call = desktop.client.engine.ring(stranger("bob"), NOW)
        assert desktop.settle() == [
            f"CALL {call.call_id} CONF_ID 0",
            f"CALL {call.call_id} STATUS RINGING",
        ]
        assert without_video(desktop.say(f"ALTER CALL {call.call_id} ANSWER")) == [
            f"ALTER CALL {call.call_id} ANSWER",
            f"CALL {call.call_id} STATUS INPROGRESS",
        ]
        desktop.expire(Purpose.SECOND)
        desktop.hear()
        desktop.partner(call.call_id, Signal.END)
        assert desktop.hear() == [
            f"CALL {call.call_id} FAILUREREASON 14",
            f"CALL {call.call_id} STATUS FINISHED",
        ]

    def test_incoming_rejected(self):
        """T7."""
        desktop = Desktop()
        call = desktop.ring("bob")
        ident = call.call_id
        assert desktop.say(f"GET CALL {ident} PARTNER_HANDLE") == [
            f"CALL {ident} PARTNER_HANDLE bob"
        ]
        lines = desktop.say(f"SET CALL {ident} STATUS FINISHED")
        assert set(lines) == {f"CALL {ident} STATUS REFUSED"}

    def test_telephone_number_in_early_media_cancelled(self):
        """T8: the national form is refused, the international one accepted."""
        desktop = Desktop()
        assert desktop.say("CALL 12125551212") == [
            "ERROR 92 CALL: Unrecognised identity"
        ]
        desktop.hear()
        call_id = desktop.place("+12125551212")
        while not desktop.lines[-1].endswith("VAA_INPUT_STATUS FALSE"):
            desktop.expire(Purpose.STEP)
        assert desktop.hear() == [
            f"CALL {call_id} STATUS UNPLACED",
            f"CALL {call_id} STATUS ROUTING",
            f"CALL {call_id} RATE 0",
            f"CALL {call_id} RATE_PRECISION 3",
            f"CALL {call_id} RATE_CURRENCY EUR",
            f"CALL {call_id} STATUS EARLYMEDIA",
            f"CALL {call_id} VAA_INPUT_STATUS FALSE",
        ]
        assert desktop.say(f"SET CALL {call_id} STATUS FINISHED") == [
            f"CALL {call_id} STATUS CANCELLED",
            f"CALL {call_id} STATUS CANCELLED",
        ]

    def test_digits_sent_while_routing_are_answered_when_ringing(self):
        """T10."""
        desktop = Desktop()
        call_id = desktop.place("bob")
        assert desktop.say(f"SET CALL {call_id} DTMF 0") == []
        desktop.walk()
        assert desktop.say(f"SET CALL {call_id} DTMF 1") == [
            f"SET CALL {call_id} DTMF 1"
        ]
        desktop.partner(call_id, Signal.ANSWER)
        desktop.say(f"#1 SET CALL {call_id} STATUS FINISHED")
        assert without_video(desktop.hear()) == [
            f"SET CALL {call_id} DTMF 1",
            f"CALL {call_id} STATUS INPROGRESS",
            f"#1 CALL {call_id} STATUS FINISHED",
            f"CALL {call_id} DURATION 0",
            f"CALL {call_id} STATUS FINISHED",
        ]

    def test_held_digit_comes_after_the_ringing_that_releases_it(self):
        desktop = Desktop()
        call_id = desktop.place("bob")
        desktop.say(f"SET CALL {call_id} DTMF 0")
        assert desktop.walk()[-2:] == [
            f"CALL {call_id} STATUS RINGING",
            f"SET CALL {call_id} DTMF 0",
        ]

    def test_sound_is_set_up_and_torn_down_as_skypopen_does(self):
        """T11."""
        desktop = Desktop()
        ident = desktop.established()
        assert desktop.say(f'ALTER CALL {ident} SET_INPUT PORT="32770"') == []
        assert desktop.say(f'#output ALTER CALL {ident} SET_OUTPUT PORT="32769"') == []
        opened = [effect for effect in desktop.effects if type(effect) is OpenSound]
        assert [(item.direction.value, item.port) for item in opened] == [
            ("INPUT", 32770),
            ("OUTPUT", 32769),
        ]
        for item in opened:
            desktop.client.sound_opened(item.request, connected=True)
        desktop.settle()
        desktop.partner(ident, Signal.DIGIT, "5")
        desktop.say(f"ALTER CALL {ident} HANGUP")
        desktop.say(f"ALTER CALL {ident} END HANGUP")
        assert desktop.hear() == [
            f'ALTER CALL {ident} SET_INPUT PORT="32770"',
            f'#output ALTER CALL {ident} SET_OUTPUT PORT="32769"',
            f"CALL {ident} DTMF 5",
            f"ALTER CALL {ident} HANGUP",
            f"CALL {ident} DURATION 0",
            f"CALL {ident} STATUS FINISHED",
            "ERROR 559 CALL: Action failed",
        ]
        assert desktop.effects.count(Ended(ident)) == 1


class TestSendingOn:
    """ALTER CALL END with something else than HANGUP."""

    @pytest.mark.parametrize("verb", ["REDIRECT_TO_VOICEMAIL", "FORWARD_CALL"])
    def test_account_without_a_place_to_send_to_refuses(self, verb):
        desktop = Desktop()
        call = desktop.client.engine.ring(stranger("bob"), NOW)
        desktop.settle()
        assert desktop.say(f"ALTER CALL {call.call_id} END {verb}") == [
            "ERROR 559 CALL: Action failed"
        ]
        assert call.status is CallStatus.RINGING

    def test_ringing_call_is_forwarded_by_the_rules_of_the_account(self):
        desktop = Desktop()
        desktop.say("SET PROFILE CALL_FORWARD_RULES 0,60,+4930123456")
        call = desktop.client.engine.ring(stranger("bob"), NOW)
        desktop.settle()
        verb = f"ALTER CALL {call.call_id} END FORWARD_CALL"
        assert desktop.say(verb) == [verb, f"CALL {call.call_id} STATUS REFUSED"]
        assert call.sent_on == "forward"
        assert desktop.say(verb) == ["ERROR 559 CALL: Action failed"]


class TestTheNetworkGivesUp:
    def test_reasons_are_told_before_the_end(self):
        desktop = Desktop()
        call = desktop.calls[desktop.place("bob")]
        desktop.hear()
        assert desktop.client.engine.fail(call, "99", "6500 timeout")
        assert desktop.settle() == [
            f"CALL {call.call_id} PSTN_STATUS 6500 timeout",
            f"CALL {call.call_id} FAILUREREASON 99",
            f"CALL {call.call_id} STATUS FAILED",
        ]
        assert not desktop.client.engine.fail(call, "1", "")


class TestWhoEndsWithWhat:
    """The table of end states on the local side."""

    @pytest.mark.parametrize("steps", [0, 1, 2])
    @pytest.mark.parametrize("verb", ["HANGUP", "END HANGUP"])
    def test_outgoing_before_the_answer_is_cancelled_by_us(self, steps, verb):
        desktop = Desktop()
        call_id = desktop.place("bob")
        for _ in range(steps):
            desktop.expire(Purpose.STEP)
        desktop.say(f"ALTER CALL {call_id} {verb}")
        assert desktop.calls[call_id].status is CallStatus.CANCELLED

    @pytest.mark.parametrize(
        ("target", "status"),
        [
            ("busy", CallStatus.BUSY),
            ("refuse", CallStatus.REFUSED),
            ("offline", CallStatus.FAILED),
            ("blocked", CallStatus.FAILED),
            ("+4912345", CallStatus.WAITING_REDIAL_COMMAND),
        ],
    )
    def test_outgoing_that_the_partner_does_not_take(self, target, status):
        desktop = Desktop()
        call_id = desktop.place(target)
        desktop.walk()
        assert desktop.calls[call_id].status is status

    def test_caller_blocked_by_the_callee_is_told_reason_9(self):
        desktop = Desktop()
        call_id = desktop.place("blocked")
        reason = FailureReason.BLOCKED.value
        assert f"CALL {call_id} FAILUREREASON {reason}" in desktop.walk()

    def test_outgoing_without_answer_is_missed(self):
        desktop = Desktop()
        call_id = desktop.place("noanswer")
        desktop.walk()
        assert desktop.calls[call_id].status is CallStatus.RINGING
        assert desktop.expire(Purpose.NO_ANSWER) == [f"CALL {call_id} STATUS MISSED"]

    def test_incoming_given_up_by_the_caller_is_missed(self):
        desktop = Desktop()
        for end in ("partner", "time"):
            call = desktop.ring()
            if end == "partner":
                desktop.partner(call.call_id, Signal.END)
            else:
                desktop.timers = desktop.timers[-1:]
                desktop.expire(Purpose.NO_ANSWER)
            assert call.status is CallStatus.MISSED

    @pytest.mark.parametrize("here", [True, False])
    def test_established_call_is_finished_by_either_side(self, here):
        desktop = Desktop()
        call_id = desktop.established()
        if here:
            desktop.say(f"ALTER CALL {call_id} HANGUP")
        else:
            desktop.partner(call_id, Signal.END)
        assert desktop.calls[call_id].status is CallStatus.FINISHED

    @pytest.mark.parametrize(
        ("ending", "status"),
        [
            (Ending.BUSY, CallStatus.BUSY),
            (Ending.REFUSED, CallStatus.REFUSED),
            (Ending.LOST, CallStatus.FAILED),
        ],
    )
    def test_partner_at_another_emulator_ends_before_the_answer(self, ending, status):
        desktop = Desktop()
        call_id = desktop.place("bob")
        desktop.walk()
        desktop.partner(call_id, Signal.END, ending)
        assert desktop.calls[call_id].status is status

    def test_ended_call_hears_nothing_more(self):
        desktop = Desktop()
        call_id = desktop.established()
        desktop.partner(call_id, Signal.END)
        desktop.hear()
        for signal in Signal:
            assert not desktop.partner(call_id, signal, "5")
        for purpose in Purpose:
            desktop.client.engine.expired(call_id, purpose)
        desktop.settle()
        assert desktop.hear() == []


class TestErrors:
    @pytest.mark.parametrize(
        ("text", "number"),
        [
            ("BLAH", 2),
            ("SEARCH MOONS", 3),
            ("CALL ", 4),
            ("GET MOON", 7),
            ("GET USER ?? FULLNAME", 8),
            ("GET USER nobody FULLNAME", 9),
            ("GET USER bob SHOESIZE", 10),
            ("GET CALL x STATUS", 11),
            ("GET CALL", 11),
            ("GET CALL 99999 STATUS", 12),
            ("SET MOON FULL", 18),
            ("SET SILENT_MODE ON", 18),
            ("SET CALL STATUS FINISHED", 19),
            ("SET CALL 99999 STATUS FINISHED", 20),
            ("SET USERSTATUS HAPPY", 28),
            ("SET MUTE MAYBE", 53),
            ("GET PRIVILEGE MOON", 40),
            ("CALL a, b", 92),
            ("CALL nobody", 92),
            ("ALTER", 526),
            ("ALTER MOON 1 RISE", 527),
            ("ALTER CALL", 555),
            ("ALTER CALL x ANSWER", 556),
            ("ALTER CALL 99999 ANSWER", 556),
            ("ALTER CALL 99999", 557),
            ("ALTER CALL 99999 DANCE", 560),
        ],
    )
    def test_number_of_the_error(self, text, number):
        (reply,) = Desktop().say(f"#7 {text}")
        assert reply.startswith(f"#7 ERROR {number} ")

    @pytest.mark.parametrize(
        ("text", "number"),
        [
            ("GET CALL {} SHOESIZE", 13),
            ("SET CALL {} SHOESIZE 5", 21),
            ("SET CALL {} STATUS ONHOLD", 22),
            ("SET CALL {} STATUS INPROGRESS", 23),
            ("SET CALL {} STATUS FINISHED", 24),
            ("SET CALL {} DTMF 5", 41),
            ("SET CALL {} DTMF A", 42),
            ("SET CALL {} DTMF 12", 42),
            ("ALTER CALL {} ANSWER", 559),
            ("ALTER CALL {} HANGUP", 559),
            ("ALTER CALL {} END HANGUP", 559),
            ("ALTER CALL {} HOLD", 559),
            ("ALTER CALL {} RESUME", 559),
            ("ALTER CALL {} DTMF 5", 559),
            ("ALTER CALL {} DTMF A", 558),
            ("ALTER CALL {} END", 558),
            ("ALTER CALL {} SET_INPUT junk", 558),
            ('ALTER CALL {} SET_INPUT PORT="1"', 559),
            ("ALTER CALL {} START_VIDEO_SEND", 559),
            ("ALTER CALL {} TRANSFER bob", 592),
        ],
    )
    def test_ended_call_refuses_every_act(self, text, number):
        desktop = Desktop()
        call_id = desktop.established()
        desktop.partner(call_id, Signal.END)
        desktop.hear()
        (reply,) = desktop.say(text.format(call_id))
        assert reply.startswith(f"ERROR {number} ")

    def test_ringing_call_is_not_hung_up_but_rejected(self):
        desktop = Desktop()
        call = desktop.ring()
        assert desktop.say(f"ALTER CALL {call.call_id} HANGUP") == [
            "ERROR 559 CALL: Action failed"
        ]
        desktop.say(f"ALTER CALL {call.call_id} END HANGUP")
        assert call.status is CallStatus.REFUSED

    def test_call_while_offline(self):
        desktop = Desktop()
        desktop.client.sign_out()
        desktop.settle()
        desktop.hear()
        assert desktop.say("CALL bob") == ["ERROR 36 Not online"]

    def test_call_to_someone_we_block(self):
        desktop = Desktop()
        desktop.say("SET USER bob ISBLOCKED TRUE")
        assert desktop.say("CALL bob") == ["ERROR 39 User is blocked"]

    def test_second_call_while_one_is_being_set_up(self):
        desktop = Desktop()
        desktop.place("bob")
        (reply,) = desktop.say("CALL echo123")
        assert reply.startswith("ERROR 96 CALL")

    def test_second_call_while_one_is_active_but_not_while_it_is_held(self):
        desktop = Desktop()
        first = desktop.established()
        (reply,) = desktop.say("CALL echo123")
        assert reply.startswith("ERROR 99 CALL")
        desktop.say(f"ALTER CALL {first} HOLD")
        desktop.place("echo123")

    def test_sound_port_that_does_not_listen(self):
        desktop = Desktop()
        call_id = desktop.established()
        desktop.say(f'#1 ALTER CALL {call_id} SET_OUTPUT PORT="9"')
        desktop.client.sound_opened(desktop.effects[-1].request, connected=False)
        (reply,) = desktop.settle()
        assert reply.startswith("#1 ERROR 589 ALTER CALL")
        assert desktop.say(f"GET CALL {call_id} OUTPUT") == [f"CALL {call_id} OUTPUT "]

    def test_sound_that_opens_after_the_end_is_closed_again(self):
        desktop = Desktop()
        call_id = desktop.established()
        desktop.say(f'ALTER CALL {call_id} SET_OUTPUT PORT="9"')
        opened = desktop.effects[-1]
        desktop.partner(call_id, Signal.END)
        desktop.client.sound_opened(opened.request, connected=True)
        assert desktop.settle() == ["ERROR 559 CALL: Action failed"]
        assert desktop.effects[-1] == CloseSound(call_id, opened.direction)

    def test_error_numbers_need_permission_first(self):
        desktop = Desktop(attach=False)
        assert desktop.say("CALL bob") == ["ERROR 68"]


class TestHold:
    def test_local_hold_and_back(self):
        desktop = Desktop()
        call_id = desktop.established()
        assert desktop.say(f"ALTER CALL {call_id} HOLD") == [
            f"ALTER CALL {call_id} HOLD",
            f"CALL {call_id} STATUS LOCALHOLD",
        ]
        assert desktop.say(f"ALTER CALL {call_id} RESUME")[-1] == (
            f"CALL {call_id} STATUS INPROGRESS"
        )

    def test_old_forms_of_hold_and_resume(self):
        desktop = Desktop()
        call_id = desktop.established()
        lines = desktop.say(f"SET CALL {call_id} STATUS ONHOLD")
        assert set(lines) == {f"CALL {call_id} STATUS LOCALHOLD"}
        lines = desktop.say(f"SET CALL {call_id} STATUS INPROGRESS")
        assert set(lines) == {f"CALL {call_id} STATUS INPROGRESS"}

    def test_hold_by_the_partner_and_back(self):
        desktop = Desktop()
        call_id = desktop.established()
        desktop.partner(call_id, Signal.HOLD)
        desktop.partner(call_id, Signal.RESUME)
        assert desktop.hear() == [
            f"CALL {call_id} STATUS REMOTEHOLD",
            f"CALL {call_id} STATUS INPROGRESS",
        ]

    def test_call_held_by_both_needs_both_to_come_back(self):
        desktop = Desktop()
        call_id = desktop.established()
        desktop.partner(call_id, Signal.HOLD)
        desktop.say(f"ALTER CALL {call_id} HOLD")
        desktop.partner(call_id, Signal.RESUME)
        assert desktop.calls[call_id].status is CallStatus.LOCAL_HOLD
        desktop.say(f"ALTER CALL {call_id} RESUME")
        assert desktop.calls[call_id].status is CallStatus.IN_PROGRESS

    def test_answering_a_second_call_holds_the_first(self):
        desktop = Desktop()
        first = desktop.established()
        second = desktop.ring("carol")
        lines = desktop.say(f"ALTER CALL {second.call_id} ANSWER")
        assert lines[:3] == [
            f"ALTER CALL {second.call_id} ANSWER",
            f"CALL {first} STATUS LOCALHOLD",
            f"CALL {second.call_id} STATUS INPROGRESS",
        ]


class TestPropertiesAndSettings:
    def test_properties_of_a_call(self):
        desktop = Desktop()
        call_id = desktop.established()
        values = {
            "TIMESTAMP": str(NOW),
            "PARTNER_HANDLE": "bob",
            "PARTNER_DISPNAME": "Bob Day",
            "TYPE": "OUTGOING_P2P",
            "STATUS": "INPROGRESS",
            "CONF_ID": "0",
            "DURATION": "0",
            "INPUT": "",
            "CAN_TRANSFER carol": "FALSE",
        }
        for name, value in values.items():
            (reply,) = desktop.say(f"GET CALL {call_id} {name}")
            assert reply == f"CALL {call_id} {name} {value}"

    def test_type_of_a_telephone_caller(self):
        desktop = Desktop()
        call = desktop.ring("+4930123")
        assert desktop.say(f"GET CALL {call.call_id} TYPE") == [
            f"CALL {call.call_id} TYPE INCOMING_PSTN"
        ]

    def test_redirection_is_shown(self):
        desktop = Desktop()
        call_id = desktop.established()
        desktop.say(f'ALTER CALL {call_id} SET_OUTPUT SOUNDCARD="default" PORT="9"')
        desktop.client.sound_opened(desktop.effects[-1].request, connected=True)
        desktop.settle()
        shown = f'CALL {call_id} OUTPUT SOUNDCARD="default", PORT="9"'
        assert desktop.say(f"GET CALL {call_id} OUTPUT") == [shown]
        desktop.say(f"ALTER CALL {call_id} SET_OUTPUT")
        assert desktop.say(f"GET CALL {call_id} OUTPUT") == [f"CALL {call_id} OUTPUT "]

    @pytest.mark.parametrize(
        ("text", "reply"),
        [
            ("PING", "PONG"),
            ("MINIMIZE", "OK"),
            ("GET CONNSTATUS", "CONNSTATUS ONLINE"),
            ("GET USERSTATUS", "USERSTATUS ONLINE"),
            ("GET CURRENTUSERHANDLE", "CURRENTUSERHANDLE skypet123"),
            ("GET SKYPEVERSION", "SKYPEVERSION 4.3.0.37"),
            ("GET PROFILE PSTN_BALANCE", "PROFILE PSTN_BALANCE 1000000"),
            ("GET PRIVILEGE SKYPEOUT", "PRIVILEGE SKYPEOUT TRUE"),
            ("GET USER Bob FULLNAME", "USER bob FULLNAME Bob Day"),
            ("SEARCH ACTIVECALLS", "CALLS "),
            ("SEARCH CHATS", "CHATS "),
            ("SEARCH USERS adv", "USERS advokat"),
        ],
    )
    def test_single_answer(self, text, reply):
        assert Desktop().say(f"#3 {text}") == [f"#3 {reply}"]

    @pytest.mark.parametrize(
        ("text", "lines"),
        [
            ("SET MUTE ON", ["#1 MUTE ON", "MUTE ON"]),
            (
                "SET USERSTATUS AWAY",
                [
                    "#1 USERSTATUS AWAY",
                    "USER skypet123 ONLINESTATUS AWAY",
                    "USERSTATUS AWAY",
                ],
            ),
            (
                "SET WINDOWSTATE HIDDEN",
                ["#1 WINDOWSTATE HIDDEN", "WINDOWSTATE HIDDEN"],
            ),
        ],
    )
    def test_change_is_told_again_after_its_reply(self, text, lines):
        assert Desktop().say(f"#1 {text}") == lines

    def test_searches_for_calls(self):
        desktop = Desktop()
        first = desktop.established()
        second = desktop.ring("carol")
        both = f"CALLS {first}, {second.call_id}"
        assert desktop.say("SEARCH ACTIVECALLS") == [both]
        assert desktop.say("SEARCH CALLS") == [both]
        assert desktop.say("SEARCH CALLS carol") == [f"CALLS {second.call_id}"]
        desktop.partner(second.call_id, Signal.END)
        assert desktop.say("SEARCH MISSEDCALLS") == [f"CALLS {second.call_id}"]

    def test_at_least_one_contact_is_a_friend(self):
        (reply,) = Desktop().say("SEARCH FRIENDS")
        assert "echo123" in reply
        assert "advokat" not in reply


class TestAccount:
    def test_two_applications_hear_the_same_notifications(self):
        desktop = Desktop()
        desktop.say("NAME other", key="other")
        desktop.client.engine.ring(stranger("bob"), NOW)
        sends = [e for e in desktop.client.effects() if isinstance(e, Send)]
        assert sorted(send.key for send in sends) == [APP, APP, "other", "other"]

    def test_application_that_has_gone_is_told_nothing(self):
        desktop = Desktop()
        desktop.client.forget(APP)
        desktop.client.engine.ring(stranger("bob"), NOW)
        assert desktop.settle() == []

    def test_user_is_asked_and_decides(self):
        desktop = Desktop(attach=False, permission=Permission.ASK)
        assert desktop.say("NAME test") == []
        assert desktop.effects == [Prompt(APP, "test")]
        desktop.client.decide(APP, allowed=True)
        assert desktop.settle() == ["OK"]

    def test_nobody_signed_in(self):
        desktop = Desktop(attach=False, signed_in=False)
        assert desktop.say("NAME test") == ["CONNSTATUS OFFLINE"]
        desktop.client.sign_in("carol")
        assert desktop.settle() == []
        assert desktop.say("NAME test") == ["OK"]
        assert "CURRENTUSERHANDLE carol" in desktop.say("PROTOCOL 5")

    def test_signing_out_ends_calls_and_signing_in_is_told(self):
        desktop = Desktop()
        call_id = desktop.established()
        desktop.client.sign_out()
        desktop.client.sign_out()
        desktop.client.sign_in()
        desktop.settle()
        assert desktop.hear() == [
            f"CALL {call_id} DURATION 0",
            f"CALL {call_id} STATUS FINISHED",
            "USERSTATUS LOGGEDOUT",
            "CONNSTATUS LOGGEDOUT",
            "CONNSTATUS CONNECTING",
            "CONNSTATUS ONLINE",
            "CURRENTUSERHANDLE skypet123",
            "USERSTATUS ONLINE",
        ]


def test_old_calls_are_forgotten_but_never_a_live_one():
    desktop = Desktop()
    alive = desktop.ring("alive")
    for _ in range(CALLS_KEPT + 50):
        call = desktop.ring()
        desktop.partner(call.call_id, Signal.END)
    assert len(desktop.calls) == CALLS_KEPT
    assert desktop.calls[alive.call_id] is alive
    desktop.client.engine.expired(alive.call_id + 3, Purpose.SECOND)
    assert desktop.settle() == []


class TestPartnerElsewhere:
    """Signals to a partner who sits at another emulator."""

    @staticmethod
    def signals(desktop):
        found = [e for e in desktop.effects if isinstance(e, ToPartner)]
        desktop.effects = []
        return [(signal.signal, signal.value) for signal in found]

    def test_outgoing_call_follows_the_other_emulator(self):
        desktop = Desktop()
        desktop.client.network_accounts["dora"] = Person(handle="dora")
        call_id = desktop.place("dora")
        assert self.signals(desktop) == [(Signal.INVITE, "dora")]
        desktop.partner(call_id, Signal.RINGING)
        desktop.walk()
        assert desktop.calls[call_id].status is CallStatus.RINGING
        desktop.partner(call_id, Signal.ANSWER)
        desktop.say(f"SET CALL {call_id} DTMF 5")
        desktop.say(f"ALTER CALL {call_id} HOLD")
        desktop.say(f"ALTER CALL {call_id} RESUME")
        desktop.say(f"ALTER CALL {call_id} HANGUP")
        assert self.signals(desktop) == [
            (Signal.DIGIT, "5"),
            (Signal.HOLD, ""),
            (Signal.RESUME, ""),
            (Signal.END, Ending.FINISHED),
        ]

    def test_incoming_call_tells_the_other_emulator(self):
        desktop = Desktop()
        call = desktop.ring("dora", remote=True)
        desktop.say(f"ALTER CALL {call.call_id} END HANGUP")
        assert self.signals(desktop) == [
            (Signal.RINGING, ""),
            (Signal.END, Ending.REFUSED),
        ]


WORDS = st.sampled_from(
    ["CALL", "GET", "SET", "ALTER", "SEARCH", "NAME", "PROTOCOL", "PING", "USER",
     "STATUS", "FINISHED", "INPROGRESS", "ANSWER", "END", "HANGUP", "HOLD", "RESUME",
     "DTMF", "5", "181", "184", "bob", "echo123", "+4912345", "SET_INPUT", 'PORT="9"',
     "USERSTATUS", "ONLINE", "MUTE", "ON", "#1", ",", " ", "", "\u00df", "\ud83d\ude00",
     "MESSAGE", "CHATMESSAGE", "CHAT", "CREATE", "DELETE", "VOICEMAIL", "GROUP", "SMS",
     "OUTGOING", "BODY", "SEND", "SEEN", "TRANSFER", "JOIN_CONFERENCE", "ISAUTHORIZED",
     "CAN_TRANSFER", "CONF_PARTICIPANT", "ADDMEMBERS", "ADDUSER", "1", "voicemail"]
)  # fmt: skip
SENTENCES = st.sampled_from(
    ["CALL bob, echo123", "CALL voicemail", "VOICEMAIL echo123", "MESSAGE bob hi",
     "CHAT CREATE bob, echo123", "CREATE SMS OUTGOING +1", "CREATE GROUP g",
     "SET CALL 181 JOIN_CONFERENCE 184", "ALTER CALL 181 TRANSFER echo123",
     "SET SMS 181 BODY x", "ALTER SMS 181 SEND", "ALTER GROUP 181 ADDUSER bob",
     "GET GROUP 1 USERS", "GET CALL 181 CONF_PARTICIPANT 1", "SEARCH GROUPS",
     "SEARCH VOICEMAILS", "ALTER VOICEMAIL 184 STOPRECORDING", "PROTOCOL 1",
     "ALTER VOICEMAIL 187 DELETE", "SET USER bob ISAUTHORIZED TRUE"]
)  # fmt: skip
LINES = st.lists(WORDS, max_size=6).map(" ".join) | SENTENCES | st.text(max_size=30)


@settings(deadline=None)
@given(st.lists(LINES))
def test_every_line_is_answered_once_and_never_fatal(lines):
    desktop = Desktop()
    answered = []
    for line in lines:
        desktop.client.receive(APP, line, NOW)
        while effects := desktop.client.effects():
            for effect in effects:
                match effect:
                    case Send(_, outgoing) if outgoing.request is not None:
                        answered.append(outgoing.request)
                    case OpenSound():
                        desktop.client.sound_opened(effect.request, connected=False)
                    case StartTimer(call_id, purpose) if purpose is not Purpose.SECOND:
                        desktop.client.expired(call_id, purpose, NOW)
    assert len(answered) == len(set(answered)) == len(lines)
