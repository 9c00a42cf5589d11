"""What a child writes: kept in bounds, without its secret."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from skypechan.desktop.process import Process, Program
from tests.doubles.clock import FakeClock


async def shell(folder: Path, script: str, login: str = "") -> Process:
    program = Program("sh", ("sh", "-c", script), folder, login=login)
    return await Process.start(program)


async def test_login_is_a_line_and_then_the_end(tmp_path: Path) -> None:
    async with await shell(tmp_path, "cat; echo over", "alice sesame") as process:
        assert await process.wait() == 0
    assert process.lines == ("alice ***", "over")


async def test_secret_is_masked_wherever_the_childs_writing_is_cut(
    tmp_path: Path,
) -> None:
    script = "printf ses; sleep 0.05; echo ame; printf ses; sleep 0.05; printf ame"
    async with await shell(tmp_path, script, "alice sesame") as process:
        await process.wait()
    assert process.lines == ("***", "***")
    assert process.log_path.read_text() == "***\n***"


def test_secret_is_not_shown_with_the_program() -> None:
    program = Program("client", ("client",), Path(), login="alice sesame")
    assert "sesame" not in repr(program)


async def test_line_without_an_end_does_not_fill_the_memory(tmp_path: Path) -> None:
    script = "head -c 1000000 /dev/zero | tr '\\0' x; echo; echo end"
    async with await shell(tmp_path, script) as process:
        await process.wait()
    assert process.lines[-1] == "end"
    assert sum(len(line) for line in process.lines) < 200_000
    assert process.log_path.stat().st_size == 1_000_005


async def test_log_is_read_by_no_other_user_however_long_it_is(tmp_path: Path) -> None:
    script = "head -c 3000000 /dev/zero | tr '\\0' x; echo; echo end"
    before = os.umask(0)
    try:
        async with await shell(tmp_path, script) as process:
            await process.wait()
    finally:
        os.umask(before)
    for log in (process.log_path, process.log_path.with_name("sh.log.1")):
        assert log.stat().st_mode & 0o777 == 0o600


async def test_who_writes_too_fast_has_to_wait(tmp_path: Path) -> None:
    clock = FakeClock()
    program = Program("yes", ("yes",), tmp_path, most_bytes_per_s=100)
    async with await Process.start(program, clock) as process:
        await process.line("y")
        lines = process.line_count
        await clock.advance(0.02 * lines - 1)
        assert process.line_count == lines
        await clock.advance(2)
        await process.line("y", since=lines)
        process.kill()
        waiting = asyncio.create_task(process.wait())
        while not waiting.done():
            await clock.advance(1_000)
