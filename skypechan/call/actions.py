"""What the transition table asks the gateway to do."""

from __future__ import annotations

from enum import StrEnum


class Action(StrEnum):
    """One thing to do to a leg or to the media of a call."""

    ORIGINATE_PBX = "originate the PBX leg"
    TAKE_PBX = "tell the dialplan that the call is being placed"
    RING_PBX = "let the PBX caller hear ringing"
    PLAY_EARLY_TO_PBX = "let the PBX caller hear the line before the answer"
    ANSWER_PBX = "answer the PBX leg"
    RELEASE_PBX = "release the PBX leg with the cause"
    PLACE_LINE = "place the call on the line"
    ANSWER_LINE = "answer the line leg"
    RELEASE_LINE = "release the line leg"
    START_EARLY_MEDIA = "join the audio of the line, unanswered"
    START_MEDIA = "join the audio of both legs"
    STOP_MEDIA = "part the audio of both legs"
    SEND_DIGIT_TO_PBX = "send the digit to the PBX"
    SEND_DIGIT_TO_LINE = "send the digit to the line"
    HOLD_LINE = "put the line leg on hold"
    RESUME_LINE = "take the line leg off hold"
    NOTE_HOLD = "note who holds the call; whoever waits hears the hold audio"
    NOTE_RESUME = "note that the call goes on; the hold audio ends"
