"""What applications create without end does not grow without end."""

from __future__ import annotations

from skypechan.emulator.chats import CHATS_KEPT
from tests.doubles.emulated_client import Desktop


def test_the_oldest_empty_chats_are_forgotten_and_those_with_messages_kept():
    desktop = Desktop()
    [reply] = [line for line in desktop.say("CHAT CREATE echo") if "CHAT #" in line][:1]
    kept = reply.split()[1]
    desktop.say(f"CHATMESSAGE {kept} hello")
    for _ in range(CHATS_KEPT + 50):
        desktop.say("CHAT CREATE tone, busy")
    assert len(desktop.client.chats.chats) == CHATS_KEPT
    assert kept in desktop.client.chats.chats
