"""How the commands are written: their arguments, options and help."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from skypechan.console.manual import Page

Command = Callable[[argparse.Namespace], int]


def add_page(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    page: Page,
) -> argparse.ArgumentParser:
    """Add a command with its page of the manual."""
    return commands.add_parser(
        name,
        help=page.summary,
        description=f"{page.summary[:1].upper()}{page.summary[1:]}.\n\n{page.text}",
        epilog=page.epilog(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_config(parser: argparse.ArgumentParser, meaning: str) -> None:
    """Let the configuration be named."""
    parser.add_argument("-c", "--config", type=Path, metavar="FILE", help=meaning)


def add_operating(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    page: Page,
    command: Command,
) -> argparse.ArgumentParser:
    """Add a command for the running gateway."""
    parser = add_page(commands, name, page)
    add_config(
        parser, "the gateway's configuration, beside which its control socket may be"
    )
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.set_defaults(command=command)
    return parser
