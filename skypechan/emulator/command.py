"""`skypechan emulator`: run one emulated Skype client as a process."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import signal
import sys
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from skypechan.backends.skype.protocol.attachment import Permission
from skypechan.clock import SystemClock
from skypechan.emulator.client import Client
from skypechan.emulator.control import ControlPort
from skypechan.emulator.desktop import Desktop
from skypechan.emulator.directory import HANDLE
from skypechan.emulator.engine import CallEngine
from skypechan.emulator.entrance import Entrance, Login
from skypechan.emulator.hosts import Hosts, open_hosts
from skypechan.emulator.network import Network
from skypechan.emulator.party import stranger
from skypechan.emulator.profile import Profile
from skypechan.emulator.program import Program
from skypechan.emulator.script import Incoming, Script, Written, read_script
from skypechan.emulator.trace import TraceFile
from skypechan.emulator.voices import make_voice
from skypechan.errors import ConfigError, LinkError

_DIGITS_AFTER_S = 1.0

logger = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument(
        "-c", dest="script", type=Path, metavar="SCRIPT", help="JSON file: who is there"
    )
    parser.add_argument("--account", metavar="NAME", help="who is signed in")
    parser.add_argument(
        "--dbus",
        metavar="ADDRESS",
        help="D-Bus address to appear on",
    )
    parser.add_argument(
        "--display",
        metavar=":N",
        help="X display to appear on (without --dbus and --display: the session bus "
        "and $DISPLAY)",
    )
    parser.add_argument(
        "--control",
        type=int,
        metavar="PORT",
        help="JSON over HTTP on this port of 127.0.0.1; 0 picks one",
    )
    parser.add_argument(
        "--authorise",
        choices=[choice.value for choice in Permission],
        help="what the user says to an application that asks (default: yes)",
    )
    parser.add_argument(
        "--dbpath",
        type=Path,
        metavar="DIR",
        help="the client's profile, where the user's decisions are kept",
    )
    parser.add_argument(
        "--network",
        metavar="HOST:PORT",
        help="meet other emulators there; the first one hosts",
    )
    parser.add_argument(
        "--seed", type=int, default=1, metavar="N", help="of all that is left to chance"
    )
    parser.add_argument(
        "--trace",
        type=Path,
        metavar="FILE",
        help="write every line of the conversation there (trace.py tells the format)",
    )


async def run(
    args: argparse.Namespace,
    *,
    login: Login | None = None,
) -> int:
    """Run until SIGTERM or SIGINT; 0 then, 1 when bus or display is lost, 2 for misuse.

    One JSON line on standard output says when everything is ready. With a `login` its
    owner is signed in, or nobody if it is wrong.
    """
    try:
        script = _script(args)
        if login is not None:
            script = _signed_in(script, login)
        network = _address(args.network)
    except ConfigError as error:
        return _misuse(error)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    try:
        async with AsyncExitStack() as stack:
            return await _serve(args, script, network, login, stack, stopping)
    except (ConfigError, LinkError, OSError) as error:
        return _misuse(error)
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


async def _serve(
    args: argparse.Namespace,
    script: Script,
    network: tuple[str, int] | None,
    login: Login | None,
    stack: AsyncExitStack,
    stopping: asyncio.Event,
) -> int:
    program = _program(script, args.seed)
    stack.push_async_callback(program.stop)
    if args.trace is not None:
        _record(program, args.trace, stack)
    entrance = _entrance(program, script, args, login)
    stack.callback(entrance.keep)
    hosts = await open_hosts(program, stack, dbus=args.dbus, display=args.display)
    if hosts.x11 is not None:
        await Desktop(program, hosts.x11.link, entrance).start()
    if network is not None:
        partners = Network(program, program.clock, *network)
        program.network = partners
        _in_background(stack, partners.run())
    control = None
    if args.control is not None:
        port = ControlPort(program, hosts.x11, hosts.bus)
        stack.push_async_callback(port.stop)
        control = await port.start(args.control)
    _announce(control=control, display=hosts.display, dbus=hosts.dbus)
    for incoming in script.incoming:
        _schedule(program, incoming)
    for written in script.messages:
        _schedule_message(program, written)
    return await _until_stopped(hosts, stopping)


async def _until_stopped(hosts: Hosts, stopping: asyncio.Event) -> int:
    lost = asyncio.create_task(hosts.wait_lost())
    asked = asyncio.create_task(stopping.wait())
    await asyncio.wait({lost, asked}, return_when=asyncio.FIRST_COMPLETED)
    for task in (lost, asked):
        task.cancel()
    await asyncio.gather(lost, asked, return_exceptions=True)
    if stopping.is_set():
        return 0
    logger.error("! the bus or the display is lost")
    return 1


def _in_background(stack: AsyncExitStack, work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.create_task(work)

    async def end() -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    stack.push_async_callback(end)


def _program(script: Script, seed: int) -> Program:
    engine = CallEngine(repeats=script.repeats, reason_14=script.reason_14)
    client = Client(
        script.account,
        script.people,
        permission=script.permission,
        engine=engine,
        highest_level=script.protocol,
        signed_in=script.signed_in,
        silent_mode=script.silent_mode,
        voicemail=script.voicemail,
        forward_rules=script.forward_rules,
    )
    return Program(client, SystemClock(), script.recording_s, seed)


def _script(args: argparse.Namespace) -> Script:
    """The script with what the command line says instead."""
    script = read_script(args.script) if args.script else Script()
    if args.account is not None:
        if not HANDLE.fullmatch(args.account):
            raise ConfigError(f"--account: no Skype name: {args.account!r}")
        script = replace(script, account=args.account)
    if args.authorise is not None:
        script = replace(script, permission=Permission(args.authorise))
    return script


def _record(program: Program, path: Path, stack: AsyncExitStack) -> None:
    clock = program.clock
    trace = TraceFile(path, clock.monotonic_s())
    stack.callback(trace.close)
    program.recorders.append(lambda line: trace.write(clock.monotonic_s(), line))
    stack.callback(program.recorders.clear)


def _signed_in(script: Script, login: Login) -> Script:
    if not login.succeeds(script.password):
        return replace(script, signed_in=False)
    return replace(script, account=login.name, signed_in=True)


def _entrance(
    program: Program, script: Script, args: argparse.Namespace, login: Login | None
) -> Entrance:
    profile = Profile(args.dbpath) if args.dbpath else None
    entrance = Entrance(program, script.password, profile)
    entrance.recall()
    if login is not None and login.name and not script.signed_in:
        entrance.tried = login
    return entrance


def _address(text: str | None) -> tuple[str, int] | None:
    if text is None:
        return None
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 1 <= int(port) <= 65_535:
        raise ConfigError(f"--network: HOST:PORT is needed, not {text!r}")
    return host.strip("[]"), int(port)


def _schedule(program: Program, incoming: Incoming) -> None:
    def ring() -> None:
        directory = program.client.directory
        person = directory.find(incoming.caller)
        person = person or directory.put(stranger(incoming.caller))
        call = program.ring(person, incoming.give_up_s)
        if incoming.voice:
            program.sound(call).voice = make_voice(incoming.voice)
        if incoming.digits:
            program.when_answered(call, _DIGITS_AFTER_S, incoming.digits)

    program.later(0, incoming.at_s, ring)


def _schedule_message(program: Program, written: Written) -> None:
    def say() -> None:
        directory = program.client.directory
        person = directory.find(written.sender)
        program.say(person or directory.put(stranger(written.sender)), written.text)

    program.later(0, written.at_s, say)


def _announce(**facts: object) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def _misuse(error: Exception) -> int:
    sys.stderr.write(f"skypechan emulator: {error}\n")
    return 2
