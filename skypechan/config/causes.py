"""Every cause, from what Skype and Asterisk say to what the far end gets, as text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from skypechan.asterisk.causes import OF_DIAL_STATUS, spoken
from skypechan.backends.skype import causes as skype
from skypechan.backends.skype.causes import Ending, Phase
from skypechan.call.causes import HangupCause, meaning

Row = tuple[str, ...]

_FROM_SKYPE = """\
When a Skype call ends: the Q.850 cause of the call record. FAILUREREASON is of STATUS
FAILED. Where somebody at Asterisk waits, he gets what the second table says."""
_TO_ASTERISK = """\
What a caller at Asterisk gets for a cause: SKYPECHAN_CAUSE, the SIP code of his phone,
SKYPECHAN_STATUS and DIALSTATUS. A cause for which Asterisk would say 603 Decline is
told as another."""
_FROM_ASTERISK = """\
When a call from Skype is not answered: the cause of the leg that Asterisk dialled last,
else that of its DIALSTATUS."""
_TO_SKYPE = """\
What a Skype caller gets for a cause, by a setting of the line: reject, ring, voicemail
or forward."""

_PHASES = {
    Phase.PLACED: "to it, unanswered",
    Phase.OFFERED: "from it, unanswered",
    Phase.ANSWERED: "answered",
    Phase.RELEASING: "ended by us",
}


def causes_text() -> str:
    """Return the whole of it, in four tables."""
    return "\n\n".join(
        f"{head}\n\n{_aligned(titles, rows)}"
        for head, titles, rows in (
            (_FROM_SKYPE, ("SKYPE SAYS", "OF A CALL", "CAUSE", "REASON"), _ends()),
            (
                _TO_ASTERISK,
                ("CAUSE", "TOLD AS", "SIP", "STATUS", "REASON"),
                map(_told, HangupCause),
            ),
            (_FROM_ASTERISK, ("DIALSTATUS", "CAUSE"), _dialled()),
            (_TO_SKYPE, ("CAUSE", "SETTING"), map(_parting, HangupCause)),
        )
    )


def _ends() -> Iterator[Row]:
    for (status, phase), ending in skype.ENDINGS.items():
        yield _end(f"STATUS {status}", _PHASES[phase], ending)
    for reason, ending in skype.FAILURES.items():
        yield _end(f"FAILUREREASON {int(reason)}", "not ended by us", ending)
    unknown = Ending(skype.UNKNOWN, "unknown reason")
    yield _end("FAILUREREASON, any other", "not ended by us", unknown)
    for number, ending in skype.PSTN_STATUSES.items():
        yield _end(f"PSTN_STATUS {number}", "if that says nothing", ending)
    for code, ending in sorted(skype.REFUSALS.items()):
        yield _end(f"ERROR {int(code)}", "that was commanded", ending)
    refused = Ending(skype.UNKNOWN, "as the client says")
    yield _end("ERROR, any other", "that was commanded", refused)


def _end(says: str, phase: str, ending: Ending) -> Row:
    reason = ending.text or meaning(ending.cause).text
    return says, phase, str(int(ending.cause)), reason


def _told(cause: HangupCause) -> Row:
    words = meaning(cause)
    told = str(int(spoken(cause)))
    return _named(cause), told, str(words.sip), words.status.value, words.text


def _dialled() -> Iterator[Row]:
    for status, cause in OF_DIAL_STATUS.items():
        yield status, _named(cause)


def _parting(cause: HangupCause) -> Row:
    return _named(cause), skype.OCCASIONS[cause].value


def _named(cause: HangupCause) -> str:
    return f"{int(cause)} {cause.name.lower().replace('_', ' ')}"


def _aligned(titles: Row, rows: Iterable[Row]) -> str:
    lines = [titles, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)
