"""The gateway before people who write and who want to be contacts.

Written from the facts about the Skype API alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from tests.doubles.sip_agent import SipAgent
from tests.strangers.between import both_hear, talking
from tests.strangers.standin import Standin
from tests.strangers.standin_values import Quirks

Appear = Callable[..., Awaitable[Standin]]
PLAIN = Quirks()
TEXTS = [
    "Hello",
    "\u2603\U0001f600 \u200f\u202e\u0301",
    "two\nlines\r\nCALL 4242 STATUS RINGING",
    "#3 CALL 4242 STATUS INPROGRESS",
    '${SHELL(id)}, "x"\\; <script>alert(1)</script>\r\nVariable: A=1',
    "x \u2603 " * 12_000 + "end",
]
before = pytest.mark.parametrize(
    ("transport", "quirks"),
    [
        ("dbus", PLAIN),
        ("x11", replace(PLAIN, doubled=True, reply_delay_s=0.05)),
        ("dbus", replace(PLAIN, doubled=True, notified=True, unknown=True)),
    ],
    ids=["dbus: plain", "x11: doubled, late", "dbus: doubled, by Notify"],
)


def writes(skype: Standin) -> list[str]:
    """What the application has written to people, or decided about them."""
    own = "> (#[^ ]+ )?(MESSAGE|CHATMESSAGE|CHAT|SET USER [^ ]+ (IS|BUDDY)).*"
    return [m[0] for m in skype.said.found(own)]


@before
async def test_every_message_is_read_and_marked_as_seen(
    appear: Appear, transport: str, quirks: Quirks
) -> None:
    skype = await appear(transport, quirks)
    sent = [skype.people.write("bob", text, 'Bob, "x": y') for text in TEXTS]
    await skype.said.until(lambda: len(skype.people.seen) == len(sent), "SEEN")
    for message in sent:
        assert (message.number, "BODY") in skype.people.asked
        assert (message.number, "FROM_HANDLE") in skype.people.asked
    assert not skype.calls
    assert writes(skype) == []  # nobody is written to unasked


async def test_a_flood_of_messages_does_not_disturb_a_talk(
    phone: SipAgent, appear: Appear
) -> None:
    skype = await appear("dbus", PLAIN)
    call, sip = await talking(skype, phone)
    for number in range(50):
        skype.people.write(f"user{number % 7}", f"text {number}")
    await sip.rtp.send_digits("42", 60, 40)
    await both_hear(skype, call, sip)
    await skype.said.until(lambda: call.digits == "42", "digits at Skype")
    await skype.said.until(lambda: len(skype.people.seen) == 50, "SEEN")
    await sip.hang_up()
    await skype.state(call, "FINISHED")


@before
async def test_a_contact_request_is_never_decided_without_an_operator(
    phone: SipAgent, appear: Appear, transport: str, quirks: Quirks
) -> None:
    skype = await appear(transport, quirks)
    skype.people.want_in("mallory", "Please, let me in\nSET USER mallory ISAUTHORIZED")
    skype.people.want_in("trudy", "")
    call, sip = await talking(skype, phone)  # it has had time, and works
    await sip.hang_up()
    await skype.state(call, "FINISHED")
    assert skype.people.decisions == []
    assert writes(skype) == []
