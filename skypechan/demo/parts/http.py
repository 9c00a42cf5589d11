"""Asking our own programs over HTTP on the loopback address."""

from __future__ import annotations

import json
from typing import Any

import aiohttp

from skypechan.errors import CommandError, LinkDownError

_ASKING_S = 30.0


async def ask(
    method: str, url: str, body: object = None, headers: dict[str, str] | None = None
) -> Any:
    """Return the JSON of an answer, None where there is none.

    Raises CommandError with the status for an answer that says no, LinkDownError
    where nobody answers.
    """
    timeout = aiohttp.ClientTimeout(total=_ASKING_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.request(method, url, json=body, headers=headers) as response,
        ):
            content = await response.read()
            status, kind = response.status, response.content_type
    except (aiohttp.ClientError, TimeoutError) as error:
        raise LinkDownError(
            f"{method} {url}: {error or type(error).__name__}"
        ) from error
    if status >= 400:
        text = content.decode("utf-8", "replace").strip()
        raise CommandError(f"{method} {url}: {status} {text}", status)
    if kind == "application/json":
        return json.loads(content)
    return content or None
