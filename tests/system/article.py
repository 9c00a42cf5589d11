"""The gateway as the article of 2009 has it: with its skypiax.conf, by its command."""

from __future__ import annotations

import sysconfig
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from skypechan.demo.parts.asterisk import LocalAsterisk
from skypechan.demo.parts.gateway import Gateway, config_head
from skypechan.demo.parts.ports import HOST, free_port
from skypechan.desktop.process import Process, Program
from skypechan.desktop.users import private_folder
from tests.system.parts import CHECKOUT

_READY_S = 20


@asynccontextmanager
async def article_gateway(
    asterisk: LocalAsterisk,
    folder: Path,
    here: Mapping[str, str],
    *,
    more: str = "",
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[Gateway]:
    """Run it, ready.

    Besides the ports, `here` takes the place of what the file has; `more` is what it
    could not hold, for our own file beside it.
    """
    old = (CHECKOUT / "tests/data/skypiax.conf").read_text()
    ports = {written: str(free_port()) for written in ("11234", "11235")}
    for written, replaced in (ports | here).items():
        assert written in old
        old = old.replace(written, replaced)
    path = private_folder(folder) / "skypiax.conf"
    path.write_text(old)
    web_port = free_port()
    beside = config_head(asterisk.settings, web_port) + more
    (folder / "skypechan.toml").write_text(beside)
    command = (str(Path(sysconfig.get_path("scripts")) / "skypechan"), "run")
    program = Program(
        "gateway", (*command, "-c", str(path)), folder, environment=environment or {}
    )
    async with await Process.start(program) as process:
        running = Gateway(process, f"http://{HOST}:{web_port}")
        await running.ready(_READY_S)
        yield running
