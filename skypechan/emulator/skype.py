"""`skype`: the emulator under the client's own name, for scripts that start a client.

    echo 'name password' | DISPLAY=:11 skype --dbpath=DIR --pipelogin

signs in with what comes on standard input (a window asks for what is wrong or missing)
and stands on $DISPLAY, and on the session bus if there is one. Without `--dbpath` the
profile is `$HOME/.Skype`. A script (as `skypechan emulator -c` takes) is read from
`emulator.json` in the profile, if it is there. The options of `skypechan emulator` work
too, those of the real client that change nothing here are passed over.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import Final, TextIO

from skypechan import log
from skypechan.emulator.command import add_arguments, run
from skypechan.emulator.entrance import Login
from skypechan.emulator.profile import Profile

SCRIPT: Final = "emulator.json"
_MOST_CHARACTERS: Final = 1_000


def main(arguments: list[str] | None = None) -> int:
    """Run the client and return its exit status."""
    args = _parse(sys.argv[1:] if arguments is None else arguments)
    log.set_up(log.LogSettings())
    args.dbpath = Profile.of(args.dbpath).folder
    script = args.dbpath / SCRIPT
    if args.script is None and script.is_file():
        args.script = script
    if args.control is None:
        args.control = 0
    login = _piped(sys.stdin) if args.pipelogin else Login("", "")
    return asyncio.run(run(args, login=login))


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="skype", description="Runs an emulated Skype client."
    )
    parser.add_argument(
        "--pipelogin", action="store_true", help="name and password on standard input"
    )
    add_arguments(parser)
    args, others = parser.parse_known_args(arguments)
    for option in others:
        sys.stderr.write(f"skype: {option} changes nothing here\n")
    return args


def _piped(stream: TextIO) -> Login:
    """The first two words; nobody signs in with less."""
    words = stream.readline(_MOST_CHARACTERS).split()
    return Login(*words[:2]) if len(words) >= 2 else Login("", "")


if __name__ == "__main__":
    sys.exit(main())
