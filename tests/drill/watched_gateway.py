"""`skypechan`, which tells on SIGUSR2 what of it lives: a line `figures {...}`."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import sys
from types import FrameType

from skypechan.cli import main


def _tell(_number: int, _frame: FrameType | None) -> None:
    gc.unfreeze()  # what is set aside counts as well
    gc.collect()
    try:
        tasks = len(asyncio.all_tasks())
    except RuntimeError:  # the loop is not there yet, or no more
        tasks = 0
    figures = {"tasks": tasks, "objects": len(gc.get_objects())}
    gc.freeze()
    # Not by print: a handler may interrupt itself, and buffers do not bear that.
    os.write(sys.stdout.fileno(), f"figures {json.dumps(figures)}\n".encode())


if __name__ == "__main__":
    signal.signal(signal.SIGUSR2, _tell)
    sys.exit(main())
