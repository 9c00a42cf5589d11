"""How long the Skype backend waits for what."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """Waiting times of one line, in seconds.

    `late_s` is how long a reply is still listened for after its sender has given
    up, `permission_s` how long a person may think before they are asked anew,
    `house_rules_s` the least time before a rule that was undone is laid down again,
    `digit_s` how long a digit's reply, which may be lost, holds back the next digit.
    """

    command_s: float = 5.0
    digit_s: float = 0.2
    late_s: float = 30.0
    ping_s: float = 5.0
    ping_answer_s: float = 2.0
    permission_s: float = 3600.0
    permission_shown_s: float = 0.5
    signed_out_s: float = 1.0
    refused_first_s: float = 10.0
    refused_most_s: float = 300.0
    connect_first_s: float = 0.25
    connect_most_s: float = 1.0
    caller_s: float = 0.8
    audio_s: float = 5.0
    release_try_s: float = 1.0
    release_s: float = 4.0
    goodbye_s: float = 1.0
    transfer_s: float = 60.0
    house_rules_s: float = 1.0
