"""Every exception of the gateway, in one tree.

SkypechanError
├── ConfigError            the operator's files or arguments are wrong; exit 2
├── WireError              a protocol was broken
│   ├── LocalWireError     by us: a value that must not be sent
│   └── RemoteWireError    by the other end: what came cannot be understood
├── LinkError              a connection to another program
│   ├── LinkDownError      it is not there, or it went away
│   ├── LinkRefusedError   it is there and does not want us
│   └── DeadlineError      it did not answer in time
├── CommandError           a program understood a command and refused it
├── StepError              a step of the demonstration went otherwise than it should
└── CallError              a call cannot go on; carries its hangup cause
"""

from __future__ import annotations


class SkypechanError(Exception):
    """Base of everything that the gateway raises on purpose."""


class ConfigError(SkypechanError):
    """The configuration or the arguments are wrong; `faults` lists all of them."""

    def __init__(self, *faults: str) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class WireError(SkypechanError):
    """A protocol was broken."""


class LocalWireError(WireError):
    """We were about to send what the protocol does not allow."""


class RemoteWireError(WireError):
    """The other end sent what the protocol does not allow."""


class LinkError(SkypechanError):
    """A connection to another program does not work."""


class LinkDownError(LinkError):
    """The other program is absent, or the connection to it was lost."""


class LinkRefusedError(LinkError):
    """The other program is there and refuses us: password, permission, limit."""


class DeadlineError(LinkError):
    """The other program did not answer in time."""


class CommandError(SkypechanError):
    """Another program understood a command and refused it.

    `code` is that program's own number for the fault, or None.
    """

    def __init__(self, text: str, code: int | None = None) -> None:
        super().__init__(text)
        self.code = code


class StepError(SkypechanError):
    """A step of the demonstration went otherwise than it should."""


class CallError(SkypechanError):
    """A call cannot go on. `cause` is the Q.850 number that says why."""

    def __init__(self, cause: int, reason: str) -> None:
        super().__init__(reason)
        self.cause = cause
        self.reason = reason
