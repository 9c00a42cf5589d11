"""One small function for each operating command; they return the exit status."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skypechan.errors import CommandError, ConfigError, LinkError

if TYPE_CHECKING:
    from skypechan.console.client import ControlClient

OK, FAILED, UNUSABLE = 0, 1, 2
"""Unusable is a configuration, or for `status` a gateway that can make no call."""

_SELF_TEST_S = 30.0
_AGO = re.compile(r"([0-9]{1,6})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def add_commands(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
) -> None:
    """Declare the commands for the running gateway."""
    _add(commands, "check", check, "every prerequisite: finding, evidence, remedy")
    _add(commands, "status", status, "one screen: links, lines and calls")
    _add(commands, "lines", lines, "the lines and their state")
    _add(commands, "calls", calls, "the live calls")

    parser = _add(commands, "records", records, "the records of the last calls")
    parser.add_argument(
        "--since",
        metavar="T",
        help="ended since then: an ISO time, or 30s, 15m, 2h, 1d ago",
    )
    parser.add_argument("--call", metavar="ID", help="only that of one call")

    parser = _add(commands, "call", call, "ring an extension and let it call somebody")
    parser.add_argument("line", metavar="LINE", help="a line, or ANY, RR, LRU")
    parser.add_argument("address", metavar="ADDRESS", help="who is called on the line")
    parser.add_argument(
        "--to",
        metavar="EXTEN@CONTEXT",
        help="the extension that is rung first; else where the line's own calls go",
    )

    _add(commands, "self-test", self_test, "a test call to Asterisk and back")

    parser = _add(commands, "hangup", hangup, "end a call")
    parser.add_argument("call", metavar="CALL", help="its id, or how that begins")


def _add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    command: Callable[[argparse.Namespace], int],
    summary: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=summary)
    parser.add_argument(
        "-c",
        "--config",
        type=Path,
        metavar="FILE",
        help="the gateway's configuration, beside which its control socket may be",
    )
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.set_defaults(command=command)
    return parser


def check(options: argparse.Namespace) -> int:
    """Look at every prerequisite, whether the gateway runs or not."""
    from skypechan.check.run import passed
    from skypechan.config.reader import find_file
    from skypechan.console.checking import faults_of, findings_of, report_of, text_of

    path = find_file(options.config)
    bad = OK
    try:
        findings = findings_of(path)
    except ConfigError as error:
        findings, bad = faults_of(error), UNUSABLE
    _show(options, report_of(findings), lambda: text_of(findings))
    return bad or (OK if passed(findings) else FAILED)


def status(options: argparse.Namespace) -> int:
    """Show how all is; the exit status tells it to monitoring."""
    from skypechan.console.tables import status_screen

    try:
        shown = _gateway(options).ask("GET", "/api/status")
    except LinkError as error:
        if options.json:
            _say_json({"ready": False, "reasons": [str(error)]})
        else:
            _say(f"DOWN: {error}")
        return UNUSABLE
    _show(options, shown, lambda: status_screen(shown, _now()))
    if not shown["ready"]:
        return UNUSABLE
    return FAILED if shown["reasons"] else OK


def lines(options: argparse.Namespace) -> int:
    """Show the lines."""
    from skypechan.console.tables import lines_table

    shown = _gateway(options).ask("GET", "/api/lines")
    return _show(options, shown, lambda: lines_table(shown, _now()))


def calls(options: argparse.Namespace) -> int:
    """Show the live calls."""
    from skypechan.console.tables import calls_table

    shown = _gateway(options).ask("GET", "/api/calls")
    return _show(options, shown, lambda: calls_table(shown, _now()))


def records(options: argparse.Namespace) -> int:
    """Show the records of calls that have ended."""
    from skypechan.console.tables import records_table

    query = {"limit": "1000"}
    if options.since:
        query["since"] = since(options.since, _now()).isoformat()
    if options.call:
        query["call"] = options.call
    shown = _gateway(options).ask("GET", "/api/records", query=query)
    return _show(options, shown, lambda: records_table(shown))


def hangup(options: argparse.Namespace) -> int:
    """End the only live call whose id begins as given."""
    if not options.call:
        # An empty variable of a script must not end whatever call there is.
        raise ConfigError("say how the id of the call begins")
    gateway = _gateway(options)
    live = [one["call"] for one in gateway.ask("GET", "/api/calls")]
    meant = [one for one in live if one.startswith(options.call)]
    if len(meant) != 1:
        kind = "there is no live call" if not meant else "there are several live calls"
        raise CommandError(f"{kind} whose id begins with {options.call!r}")
    answer = gateway.ask("DELETE", f"/api/calls/{meant[0]}")
    return _show(options, answer, lambda: f"call {answer['call']} is asked to end")


def call(options: argparse.Namespace) -> int:
    """Ring an extension, which calls an address when it answers."""
    wish = {"line": options.line, "address": options.address, "to": options.to or ""}
    answer = _gateway(options).ask("POST", "/api/calls", body=wish)
    text = "{to} rings; when it answers, it calls {address} on {line}"
    return _show(options, answer, lambda: text.format(**answer))


def self_test(options: argparse.Namespace) -> int:
    """Let the gateway make a test call."""
    from skypechan.console.tables import verdict_text

    client = _gateway(options)
    answer = client.ask("POST", "/api/self-test", timeout_s=_SELF_TEST_S)
    _show(options, answer, lambda: verdict_text(answer))
    return OK if answer["passed"] else FAILED


def since(text: str, now: datetime) -> datetime:
    """Return the moment that a `--since` means. Raises ConfigError."""
    if ago := _AGO.fullmatch(text):
        return now - timedelta(seconds=int(ago[1]) * _SECONDS[ago[2]])
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(
            f"--since {text}: write an ISO time as 2026-01-31T12:00, or 15m for"
            " 15 minutes ago (s, m, h, d)"
        ) from None
    return moment if moment.tzinfo else moment.astimezone()


def _gateway(options: argparse.Namespace) -> ControlClient:
    from skypechan.console.client import ControlClient, places_of

    return ControlClient(places_of(options.config))


def _show(options: argparse.Namespace, value: Any, text: Callable[[], str]) -> int:
    if options.json:
        _say_json(value)
    else:
        _say(text())
    return OK


def _say_json(value: Any) -> None:
    _say(json.dumps(value, indent=2))


def _say(text: str) -> None:
    encoding = sys.stdout.encoding or "utf-8"
    print(text.encode(encoding, "replace").decode(encoding))  # noqa: T201


def _now() -> datetime:
    from skypechan.clock import SystemClock

    return SystemClock().wall()
