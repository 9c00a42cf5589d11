"""What an operator may set of a line, whatever its client is."""

from __future__ import annotations

from dataclasses import dataclass

from skypechan.call.routes import Target, plain_word
from skypechan.media.settings import SILENCE, check_hold_audio
from skypechan.settings import setting


@dataclass(frozen=True, slots=True)
class LineSettings:
    """What the gateway must know of a line, whatever its backend."""

    backend: str = setting("skype", "the kind of client", choices=("skype", "echo"))
    asterisk: str = setting(
        "", "the Asterisk of the line: NAME of [asterisks.NAME]; empty: of [asterisk]"
    )
    context: str = setting(
        "from-skypechan", "where incoming calls go: the context", form=plain_word
    )
    extension: str = setting(
        "s", "where incoming calls go: the extension", form=plain_word
    )
    language: str = setting(
        "en", "language of Asterisk's prompts on the line", form=plain_word
    )
    playback_boost_db: float = setting(
        0.0, "gain towards the line, dB", least=-40, most=40
    )
    capture_boost_db: float = setting(0.0, "gain from the line, dB", least=-40, most=40)
    ring_seconds: float = setting(
        60.0, "how long a call may ring, seconds", least=1, most=600
    )
    max_call_seconds: float = setting(
        0.0, "longest call, seconds; 0 is without limit", least=0
    )
    hold_audio: str = setting(
        SILENCE,
        'what somebody hears who is put on hold: "silence" or a WAV file, 16-bit PCM',
        form=check_hold_audio,
    )
    inband_digits: bool = setting(
        False,
        "find digits of the far end by their tones, where its client tells none",
    )

    callers_allowed: tuple[str, ...] = setting(
        (),
        'who may call the line, as patterns such as "boss.*"; others are refused. '
        "None lets everybody call",
    )
    calls_per_minute: int = setting(
        0,
        "calls a minute from the same caller; more are refused. 0 is without limit",
        least=0,
    )
    numbers_allowed: tuple[str, ...] = setting(
        (),
        "telephone numbers that may be called, as patterns of + and digits such as "
        '"+49*"; "*" allows all. None allows none: they cost money, whoever dials',
    )
    max_calls_per_account: int = setting(
        0,
        "calls at a time of the line's account, where several lines share it; 0 is "
        "one for each line",
        least=0,
    )

    @property
    def target(self) -> Target:
        """Where an incoming call goes when no route speaks about it."""
        return Target(self.extension, self.context)
