"""The command line: one small function for each command, imports on demand."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

from skypechan.console.commands import add_commands
from skypechan.errors import ConfigError, SkypechanError

EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 0, 1, 2, 130

_DESCRIPTION = """\
Puts a messenger client, or any program, on an Asterisk as a real telephone line.

Skype closed in May 2025: no call to the Skype network is possible any more. The
Skype client here is an emulator (see `skypechan emulator --help`).
"""

_EPILOG = """\
Exit status: 0 done, 1 a check or a call failed, 2 usage or configuration, 130 Ctrl-C.
"""


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit status."""
    options = _parser(sys.argv[1:] if arguments is None else arguments)
    try:
        command: Callable[[argparse.Namespace], int] = options.command
        return command(options)
    except ConfigError as error:
        for fault in error.faults:
            print(f"skypechan: {fault}", file=sys.stderr)  # noqa: T201
        return EXIT_USAGE
    except SkypechanError as error:
        print(f"skypechan: {error}", file=sys.stderr)  # noqa: T201
        return EXIT_FAILED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read us, `head` say, has enough; nothing more can be written.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED


def _parser(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="skypechan",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    run = commands.add_parser("run", help="run the gateway in the foreground")
    _add_config(run)
    run.set_defaults(command=_run)

    add_commands(commands)

    describe = commands.add_parser("describe", help="print what the gateway is made of")
    describe.add_argument(
        "what",
        choices=("calls", "config"),
        help="calls: the transition table; config: every setting with its default",
    )
    describe.set_defaults(command=_describe)

    convert = commands.add_parser(
        "convert", help="print an old configuration or dialplan in today's form"
    )
    convert.add_argument(
        "file",
        type=Path,
        metavar="FILE",
        help="a skypiax.conf, a skypopen.conf.xml or an extensions.conf",
    )
    convert.set_defaults(command=_convert)

    demo = commands.add_parser(
        "demo", help="start everything, make the calls, report, stay up until Ctrl-C"
    )
    demo.add_argument("--once", action="store_true", help="exit after the report")
    demo.add_argument("--json", action="store_true", help="the report as JSON")
    demo.set_defaults(command=_demo)

    emulator = commands.add_parser(
        "emulator", help="run the Skype client that is not there"
    )
    if "emulator" in arguments:
        from skypechan.emulator.command import add_arguments

        add_arguments(emulator)
    emulator.set_defaults(command=_emulator)
    return parser.parse_args(arguments)


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-c",
        "--config",
        type=Path,
        metavar="FILE",
        help="default: skypechan.toml, then /etc/skypechan/skypechan.toml",
    )


def _run(options: argparse.Namespace) -> int:
    # numpy's matrix products are small here: more than one thread only costs.
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    from skypechan import app, log
    from skypechan.config import reader

    config = reader.load(reader.find_file(options.config))
    log.set_up(config.log)
    for warning in config.warnings:
        logging.getLogger("skypechan.config").warning("! %s", warning)
    asyncio.run(app.run(config))
    return EXIT_OK


def _describe(options: argparse.Namespace) -> int:
    if options.what == "config":
        from skypechan.config.sample import sample

        text = sample()
    else:
        from skypechan.call.describe import table

        text = table()
    print(text)  # noqa: T201
    return EXIT_OK


def _convert(options: argparse.Namespace) -> int:
    from skypechan.config.convert import convert

    text, warnings = convert(options.file)
    sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
    for warning in warnings:
        print(f"skypechan: {warning}", file=sys.stderr)  # noqa: T201
    return EXIT_OK


def _demo(options: argparse.Namespace) -> int:
    from skypechan.demo.command import run

    return run(once=options.once, as_json=options.json)


def _emulator(options: argparse.Namespace) -> int:
    from skypechan.emulator.command import run

    return asyncio.run(run(options))


if __name__ == "__main__":
    sys.exit(main())
