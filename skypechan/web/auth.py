"""Who may ask: the names we answer to, the pages that may act, the token.

A browser on the operator's machine runs the pages of strangers. By DNS rebinding
such a page can reach a loopback port under its own name, so the Host header must
be a name that is ours; and a request that changes something must not come from a
page of another origin.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
from dataclasses import dataclass
from http import HTTPStatus

from skypechan.settings import Endpoint

_AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[^\s:/@\[\]]+)(?::([0-9]{1,5}))?")
_HTTP_PORT = 80


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not served."""

    status: HTTPStatus
    sentence: str


@dataclass(frozen=True, slots=True)
class Hosts:
    """The names of this server: loopback and `listen` with its port, and `extra`.

    A name of `extra` without a port is good with any.
    """

    listen: Endpoint
    extra: tuple[str, ...] = ()

    def allows_host(self, authority: str) -> bool:
        """Tell whether a Host header, `NAME` or `NAME:PORT`, names us."""
        authority = authority.lower()
        match = _AUTHORITY.fullmatch(authority)
        if match is None:
            return False
        extra = {name.lower() for name in self.extra}
        if authority in extra or match[1] in extra:
            return True
        name = match[1].strip("[]").removesuffix(".")
        is_ours = is_loopback(name) or name == self.listen.host.lower()
        return is_ours and int(match[2] or _HTTP_PORT) == self.listen.port

    def allows_origin(self, origin: str) -> bool:
        """Tell whether an Origin header is of one of our own pages."""
        scheme, _, authority = origin.lower().partition("://")
        return scheme in {"http", "https"} and self.allows_host(authority)


@dataclass(frozen=True, slots=True)
class Token:
    """The word that lets a request operate, or read from another machine."""

    word: str

    def refusal(self, acts: bool, remote: str, authorization: str) -> Refusal | None:
        """Judge a request by whether it acts, the address it came from, its header."""
        if not acts and is_loopback(remote):
            return None
        purpose = "operating over the web" if acts else "reading from another machine"
        if not self.word:
            return Refusal(
                HTTPStatus.FORBIDDEN,
                f"{purpose} is off: set [web] token_file (or token) to allow it",
            )
        if self._is_in(authorization):
            return None
        return Refusal(
            HTTPStatus.UNAUTHORIZED,
            f"{purpose} needs the token of [web] token_file, sent as"
            " `Authorization: Bearer TOKEN`",
        )

    def _is_in(self, authorization: str) -> bool:
        scheme, _, word = authorization.partition(" ")
        given = word.strip().encode("utf-8", "surrogateescape")
        is_ours = hmac.compare_digest(given, self.word.encode("utf-8"))
        return scheme.lower() == "bearer" and is_ours


def is_loopback(name: str) -> bool:
    """Tell whether a name or an address means this machine only."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
