"""The command line: one small function for each command, imports on demand."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from skypechan.console import manual
from skypechan.console.commands import add_commands
from skypechan.console.parsers import add_config, add_page
from skypechan.errors import ConfigError, SkypechanError

if TYPE_CHECKING:
    import asyncio

EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 0, 1, 2, 130

_DESCRIPTION = """\
Puts a messenger client, or any program, on an Asterisk as a real telephone line.

Skype closed in May 2025: no call to the Skype network is possible any more. The
Skype client here is an emulator (see `skypechan emulator --help`).
"""

_EPILOG = """\
Exit status: 0 done, 1 a check or a call failed, 2 usage or configuration, 130 Ctrl-C.
"""

_EMULATOR = manual.Page(
    "run the Skype client that is not there",
    """\
To any program that speaks Skype's API: a Skype client for Linux. Which of its
behaviours are documented and which are guesses is written in its README.""",
    ("emulator --dbus unix:path=/tmp/bus --account alice",),
    "0 stopped; 2 usage or script",
)


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
    parser.add_argument("--version", action=_Version, nargs=0, help="print it and exit")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    run = add_page(commands, "run", manual.RUN)
    add_config(run, "default: skypechan.toml, then /etc/skypechan/skypechan.toml")
    run.set_defaults(command=_run)

    client = add_page(commands, "client", manual.CLIENT)
    client.add_argument("line", metavar="LINE", help="the line whose client it is")
    add_config(client, "the file with [lines.LINE.client]; default as with run")
    client.set_defaults(command=_client)

    add_commands(commands)

    describe = add_page(commands, "describe", manual.DESCRIBE)
    describe.add_argument(
        "what",
        choices=tuple(_DESCRIPTIONS),
        help="see above",
    )
    describe.add_argument("name", nargs="*", help="contacts: addresses of people")
    describe.add_argument(
        "--call", metavar="CALL", help="audio: only of this live call"
    )
    add_config(describe, "audio: the configuration of the running gateway")
    describe.set_defaults(command=_describe)

    convert = add_page(commands, "convert", manual.CONVERT)
    convert.add_argument(
        "file",
        type=Path,
        metavar="FILE",
        help="a skypiax.conf, a skypopen.conf.xml or an extensions.conf",
    )
    convert.set_defaults(command=_convert)

    demo = add_page(commands, "demo", manual.DEMO)
    demo.add_argument("--once", action="store_true", help="exit after the report")
    demo.add_argument("--json", action="store_true", help="the report as JSON")
    demo.set_defaults(command=_demo)

    emulator = add_page(commands, "emulator", _EMULATOR)
    if "emulator" in arguments:
        from skypechan.emulator.command import add_arguments

        add_arguments(emulator)
    emulator.set_defaults(command=_emulator)
    return parser.parse_args(arguments)


class _Version(argparse.Action):
    """Prints the version, looked up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from importlib import metadata

        print(f"skypechan {metadata.version('skypechan')}")  # noqa: T201
        parser.exit()


def _run(options: argparse.Namespace) -> int:
    # numpy's matrix products are small here: more than one thread only costs.
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    _bear_hangups()
    import asyncio

    from skypechan import app, log
    from skypechan.config import reader

    config = reader.load(reader.find_file(options.config))
    log.set_up(config.log)
    for warning in config.warnings:
        logging.getLogger("skypechan.config").warning("! %s", warning)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(app.run(config))
    return EXIT_OK


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return what makes uvloop's loop; None, for asyncio's own, without uvloop."""
    try:
        from skypechan.loop import VERSION, Loop
    except ImportError:
        return None
    logging.getLogger("skypechan.loop").info("= event loop of uvloop %s", VERSION)
    return Loop


def _bear_hangups() -> None:
    """Have no hangup end us: what is being read, or stays, need not be read again."""
    signal.signal(signal.SIGHUP, lambda *_: None)


def _client(options: argparse.Namespace) -> int:
    _bear_hangups()
    import asyncio

    from skypechan import log
    from skypechan.backends.skype import profile
    from skypechan.clock import SystemClock
    from skypechan.config import reader
    from skypechan.desktop import apart
    from skypechan.settings import state_folder

    config = reader.load(reader.find_file(options.config))
    line = next((one for one in config.lines if one.name == options.line), None)
    if line is None or not line.client.is_ours:
        raise ConfigError(f"{config.source}: no [lines.{options.line}.client] command")
    log.set_up(config.log)
    folder = line.client.folder_from(state_folder(config.source, os.environ), line.name)
    client = line.client
    seeds = profile.seeds(client.command, line.backend.account, client.login)
    asyncio.run(apart.run(line.name, client, folder, SystemClock(), seeds))
    return EXIT_OK


def _describe(options: argparse.Namespace) -> int:
    if options.name and options.what != "contacts":
        raise ConfigError(f"describe {options.what} takes no names")
    print(_DESCRIPTIONS[options.what](options))  # noqa: T201
    return EXIT_OK


def _describe_calls(_: argparse.Namespace) -> str:
    from skypechan.call.describe import table

    return table()


def _describe_causes(_: argparse.Namespace) -> str:
    from skypechan.config.causes import causes_text

    return causes_text()


def _describe_config(_: argparse.Namespace) -> str:
    from skypechan.config.sample import sample

    return sample()


def _describe_audio(options: argparse.Namespace) -> str:
    """Describe the audio of the live calls, else what every call has."""
    from skypechan.console.commands import audio_texts

    if texts := audio_texts(options):
        return "\n\n".join(f"call {call}\n{text}" for call, text in texts)
    from skypechan.media.describe import audio_text
    from skypechan.media.settings import EngineSettings

    return audio_text(None, EngineSettings())


def _describe_contacts(options: argparse.Namespace) -> str:
    from skypechan.config.contacts import contacts_table

    return contacts_table(options.name)


def _describe_files(_: argparse.Namespace) -> str:
    from skypechan.config.shipped import SHIPPED, shipped

    return "\n".join(f"{name}: {shipped(name)}" for name in SHIPPED)


_DESCRIPTIONS: dict[str, Callable[[argparse.Namespace], str]] = {
    "calls": _describe_calls,
    "causes": _describe_causes,
    "audio": _describe_audio,
    "config": _describe_config,
    "contacts": _describe_contacts,
    "files": _describe_files,
}


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
    import asyncio

    from skypechan.emulator.command import run

    return asyncio.run(run(options))


if __name__ == "__main__":
    sys.exit(main())
