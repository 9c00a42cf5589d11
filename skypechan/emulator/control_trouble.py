"""The control port's part for faults: of the client, of its sound, of its bus name."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict, replace
from typing import Any, Final

from aiohttp import web

from skypechan.emulator.desk import Direction
from skypechan.emulator.faults import Faults
from skypechan.emulator.host import DbusHost
from skypechan.emulator.program import Program
from skypechan.emulator.soundclock import Lateness
from skypechan.errors import LinkError

_KINDS: Final = {name: type(value) for name, value in asdict(Faults()).items()} | {
    "sound_ppm": float,
    "sound_lateness": str,
}
_STREAM_KINDS: Final = {
    "direction": str,
    "ppm": float,
    "lateness": str,
    "close": bool,
    "half_open": bool,
}
_MOST_BYTES: Final = 64_000_000
_TURN_S: Final = 0.01
_MOST_AT_ONCE: Final = 200


def trouble_routes(program: Program, bus: DbusHost | None) -> list[web.RouteDef]:
    """The routes; faults in what is sent are the caller's to report."""

    async def show(_: web.Request) -> web.Response:
        return _shown(program)

    async def change(request: web.Request) -> web.Response:
        wish = await _read(request, _KINDS)
        ports = program.ports
        if "sound_ppm" in wish or "sound_lateness" in wish:
            ppm = wish.pop("sound_ppm", ports.ppm)
            name = wish.pop("sound_lateness", ports.lateness.value)
            ports.run_clocks(ppm, Lateness(name))
        program.have_trouble(replace(program.faults, **wish))
        return _shown(program)

    async def notify(request: web.Request) -> web.Response:
        wish = await _read(
            request, {"text": str, "bytes": int, "per_s": float, "for_s": float}
        )
        text = wish["text"].ljust(min(wish.get("bytes", 0), _MOST_BYTES), "x")
        if "per_s" in wish:
            program.start(_flood(program, text, wish["per_s"], wish["for_s"]))
        else:
            program.announce(text)
        return web.json_response({"bytes": len(text.encode())})

    async def name(request: web.Request) -> web.Response:
        wish = await _read(request, {"name": bool})
        if bus is None:
            raise web.HTTPNotFound(text="this client is on no bus")
        try:
            await bus.own_name(wish["name"])
        except LinkError as error:
            raise web.HTTPConflict(text=str(error)) from error
        return web.json_response({"name": wish["name"]})

    return [
        web.get("/faults", show),
        web.post("/faults", change),
        *_call_routes(program),
        web.post("/notifications", notify),
        web.post("/bus", name),
    ]


def _call_routes(program: Program) -> list[web.RouteDef]:
    async def sound(request: web.Request) -> web.Response:
        call_id = int(request.match_info["call"])
        wish = await _read(request, _STREAM_KINDS)
        name = wish.get("direction")
        found = program.ports.streams(call_id, Direction(name) if name else None)
        if not found:
            raise web.HTTPConflict(text="no such stream is open")
        for stream in found:
            stream.clock.ppm = wish.get("ppm", stream.clock.ppm)
            lateness = wish.get("lateness", stream.clock.lateness.value)
            stream.clock.lateness = Lateness(lateness)
            stream.rest(wish.get("half_open", stream.resting))
            if wish.get("close"):
                stream.close()
        return web.json_response({"streams": len(found)})

    async def fail(request: web.Request) -> web.Response:
        call = program.client.engine.calls.get(int(request.match_info["call"]))
        wish = await _read(request, {"failure_reason": int, "pstn_status": str})
        if call is None:
            raise web.HTTPNotFound(text="no such call")
        reason = str(wish["failure_reason"]) if "failure_reason" in wish else ""
        pstn_status = " ".join(wish.get("pstn_status", "").split())
        if not program.client.engine.fail(call, reason, pstn_status):
            raise web.HTTPConflict(text=f"not while {call.status.value}")
        program.settle()
        return web.json_response({"status": call.status.value})

    return [
        web.post("/calls/{call:[0-9]{1,18}}/sound", sound),
        web.post("/calls/{call:[0-9]{1,18}}/fail", fail),
    ]


async def _flood(program: Program, text: str, per_s: float, for_s: float) -> None:
    """So many lines a second to every application, until all are said."""
    loop = asyncio.get_running_loop()
    start_s, said, most = loop.time(), 0, int(per_s * for_s)
    while said < most:
        due = min(most, int(per_s * (loop.time() - start_s)))
        for _ in range(min(due - said, _MOST_AT_ONCE)):
            program.announce(text)
            said += 1
        await asyncio.sleep(_TURN_S if said == due else 0)


def _shown(program: Program) -> web.Response:
    ports = program.ports
    answer = asdict(program.faults) | {
        "sound_ppm": ports.ppm,
        "sound_lateness": ports.lateness.value,
        "pieces_late": ports.pieces_late,
        "pieces_lost": ports.pieces_lost,
    }
    return web.json_response(answer)


async def _read(request: web.Request, kinds: dict[str, type]) -> dict[str, Any]:
    """The JSON object sent, of known keys and kinds; ValueError or TypeError."""
    content = json.loads(await request.text() or "{}")
    if not isinstance(content, dict) or content.keys() - kinds.keys():
        raise ValueError(f"an object of {', '.join(kinds)} is needed")
    for key, value in content.items():
        if kinds[key] is float and type(value) is int:
            content[key] = float(value)
        elif type(value) is not kinds[key]:
            raise TypeError(f"{key!r} has to be a {kinds[key].__name__}")
    return content
