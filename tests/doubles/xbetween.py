"""Somebody between programs and an X server, who has it say something else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from skypechan.links.x11.display import DisplayName

Edit = Callable[[bytes], bytes]


class Between:
    """One program's connection; `say` adds to what the server says."""

    def __init__(self, path: Path) -> None:
        self.display = f"unix:{path}"
        self.programs: list[asyncio.StreamWriter] = []

    def say(self, words: bytes) -> None:
        """Say this to every program."""
        for program in self.programs:
            program.write(words)

    async def join(
        self,
        heard: asyncio.StreamReader,
        program: asyncio.StreamWriter,
        server: str,
        edit: Edit,
    ) -> None:
        """Carry what both say until either hangs up."""
        said, out = await asyncio.open_unix_connection(server)
        ends = [
            asyncio.create_task(_carry(heard, out, bytes)),
            asyncio.create_task(_carry(said, program, edit)),
        ]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for writer in (program, out):
            writer.close()
        await asyncio.gather(*ends, return_exceptions=True)
        for writer in (program, out):
            with suppress(OSError):
                await writer.wait_closed()


async def _carry(
    heard: asyncio.StreamReader, told: asyncio.StreamWriter, edit: Edit
) -> None:
    while words := await heard.read(65_536):
        told.write(edit(words))
        await told.drain()


@asynccontextmanager
async def between(
    path: Path, display: str, edit: Edit = bytes
) -> AsyncIterator[Between]:
    """Listen at `path` for the programs of a display; `edit` what its server says."""
    there = Between(path)
    server = DisplayName.parse(display).socket_path
    joins: set[asyncio.Task[None]] = set()

    def come(heard: asyncio.StreamReader, program: asyncio.StreamWriter) -> None:
        there.programs.append(program)
        joins.add(asyncio.create_task(there.join(heard, program, server, edit)))

    listening = await asyncio.start_unix_server(come, path)
    try:
        yield there
    finally:
        listening.close()
        for program in there.programs:
            program.close()
        await asyncio.gather(*joins, return_exceptions=True)
        await listening.wait_closed()
