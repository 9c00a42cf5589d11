"""Whether callers from the messenger could reach a telephone line of the operator's.

Such a caller comes to one extension. But an IVR there, DISA or a transfer looks for
what he dials in the same context: if that takes telephone numbers, he may make calls
at the operator's cost. Asterisk is asked for numbers of every beginning; what an
extension does with them cannot be seen with the gateway's rights.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from skypechan.check.finding import Finding, ok, warning
from skypechan.check.session import Session
from skypechan.check.subject import Subject

# The first digit decides which pattern takes a number; 0 and 00, 1 and 011 are covered.
_NUMBERS = tuple(f"{first}2079460123" for first in "+0123456789")


async def contexts(subject: Subject, session: Session) -> AsyncIterator[Finding]:
    """Find out which contexts of lines and routes take telephone numbers."""
    targets = [line.line.target for line in subject.lines]
    targets += [target for _, target in subject.targets]
    for context in dict.fromkeys(target.context for target in targets):
        found = {number: await session.exists(context, number) for number in _NUMBERS}
        if "" not in found.values():  # else func_dialplan is missing: that is told
            yield _judge(context, [number for number in found if found[number] == "1"])


def _judge(context: str, taken: list[str]) -> Finding:
    check = f"context {context}"
    if not taken:
        return ok(check, "takes no telephone numbers from callers of the messenger")
    return warning(
        check,
        "takes telephone numbers: if they lead to a trunk, a caller whom an IVR, DISA"
        " or a transfer lets dial can make calls at your cost",
        f"Asterisk has an extension there for {', '.join(taken)}",
        "let the lines and routes lead to a context of their own that includes no trunk"
        " and no pattern of telephone numbers",
    )
