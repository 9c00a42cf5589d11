"""What the operator says about the web side: the `[web]` table."""

from __future__ import annotations

from dataclasses import dataclass

from skypechan.settings import Endpoint, setting


@dataclass(frozen=True, slots=True)
class WebSettings:
    """Where the page and the API are served, under which names, and to whom."""

    listen: Endpoint = setting(
        Endpoint("127.0.0.1", 8087),
        "where the page and the API are served, HOST:PORT; port 0 picks a free one",
    )
    allow_hosts: tuple[str, ...] = setting(
        (),
        "further names that browsers may call us by, NAME or NAME:PORT, such as"
        " that of a reverse proxy",
    )
    token: str = setting(
        "",
        "the word that lets a request operate calls, or read from another machine;"
        " without it nobody can; better in a file: token_file",
        secret=True,
    )
