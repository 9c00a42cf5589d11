"""The control port's part for written messages and contact requests."""

from __future__ import annotations

import json
from typing import Any, Final

from aiohttp import web

from skypechan.emulator.chats import Text
from skypechan.emulator.party import Person, stranger
from skypechan.emulator.program import Program

_LONGEST_WAIT_S: Final = 600.0


def text_routes(program: Program) -> list[web.RouteDef]:
    """The routes; faults in what is sent are the caller's to report."""

    async def messages(request: web.Request) -> web.Response:
        texts = program.client.chats.texts
        if "until" in request.query:
            wanted = int(request.query["until"])
            timeout_s = float(request.query.get("timeout_s", "10"))
            await program.until(
                lambda: len(texts) >= wanted, min(timeout_s, _LONGEST_WAIT_S)
            )
        return web.json_response([_shown(text) for text in texts.values()])

    async def write(request: web.Request) -> web.Response:
        sender, text = await _read(request)
        message = program.say(_person(program, sender), text)
        return web.json_response(_shown(message), status=201)

    async def ask(request: web.Request) -> web.Response:
        sender, text = await _read(request)
        program.client.ask_contact(_person(program, sender), text)
        program.settle()
        return web.json_response({"from": sender, "text": text}, status=201)

    return [
        web.get("/messages", messages),
        web.post("/messages", write),
        web.post("/contact_requests", ask),
    ]


def _shown(text: Text) -> dict[str, Any]:
    return {
        "message": text.ident,
        "chat": text.chat,
        "from": text.sender.handle,
        "text": text.body,
        "status": text.status.value,
    }


def _person(program: Program, handle: str) -> Person:
    directory = program.client.directory
    return directory.find(handle) or directory.put(stranger(handle))


async def _read(request: web.Request) -> tuple[str, str]:
    """Who, and the words; ValueError, KeyError or TypeError for anything else."""
    content = json.loads(await request.text() or "{}")
    if not isinstance(content, dict) or content.keys() - {"from", "text"}:
        raise ValueError('{"from": handle, "text": words} is needed')
    sender, text = content["from"], content["text"]
    if not isinstance(sender, str) or not isinstance(text, str):
        raise TypeError("'from' and 'text' have to be texts")
    return sender, " ".join(text.splitlines())
