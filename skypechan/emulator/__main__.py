"""`python -m skypechan.emulator`: the emulator without the rest of the commands."""

from __future__ import annotations

import argparse
import asyncio
import sys

from skypechan import log
from skypechan.emulator.command import add_arguments, run


def main() -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(prog="skypechan emulator")
    add_arguments(parser)
    args = parser.parse_args()
    log.set_up(log.LogSettings())
    return asyncio.run(run(args))


if __name__ == "__main__":
    sys.exit(main())
