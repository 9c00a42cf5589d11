"""The commands that look at the running gateway; they return the exit status."""

from __future__ import annotations

import argparse
import re
from datetime import datetime, timedelta
from typing import Any

from skypechan.console import acts
from skypechan.console.manual import OPERATING
from skypechan.console.parsers import Command, add_operating
from skypechan.console.terminal import (
    FAILED,
    OK,
    UNUSABLE,
    gateway_of,
    now,
    say,
    say_json,
    show,
)
from skypechan.errors import CommandError, ConfigError, LinkDownError, LinkError

_SELF_TEST_S = 30.0
_AGO = re.compile(r"([0-9]{1,6})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
KINDS = (
    "line",
    "link",
    "call",
    "record",
    "message",
    "contact_request",
    "operator",
    "log",
    "wire",
)


def add_commands(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
) -> None:
    """Declare the commands for the running gateway."""

    def add(name: str, command: Command) -> argparse.ArgumentParser:
        return add_operating(commands, name, OPERATING[name], command)

    add("check", check)
    add("status", status)
    add("lines", lines)
    add("calls", calls)
    parser = add("records", records)
    parser.add_argument(
        "--since",
        metavar="T",
        help="ended since then: an ISO time, or 30s, 15m, 2h, 1d ago",
    )
    parser.add_argument("--call", metavar="ID", help="only that of one call")
    parser = add("events", events)
    parser.add_argument(
        "--last", metavar="N", type=int, default=0, help="first so many of the past"
    )
    parser.add_argument(
        "--kind",
        action="append",
        choices=KINDS,
        metavar="KIND",
        help="only those; may be said several times",
    )
    add("messages", messages)
    add("contact-requests", contact_requests)
    add("self-test", self_test)
    acts.add_commands(commands)


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
    show(options, report_of(findings), lambda: text_of(findings))
    return bad or (OK if passed(findings) else FAILED)


def status(options: argparse.Namespace) -> int:
    """Show how all is; the exit status tells it to monitoring."""
    from skypechan.console.tables import status_screen

    try:
        shown = gateway_of(options).ask("GET", "/api/status")
    except LinkError as error:
        if options.json:
            say_json({"ready": False, "reasons": [str(error)]})
        else:
            say(f"DOWN: {error}")
        return UNUSABLE
    show(options, shown, lambda: status_screen(shown, now()))
    if not shown["ready"]:
        return UNUSABLE
    return FAILED if shown["reasons"] else OK


def lines(options: argparse.Namespace) -> int:
    """Show the lines."""
    from skypechan.console.tables import lines_table

    shown = gateway_of(options).ask("GET", "/api/lines")
    return show(options, shown, lambda: lines_table(shown, now()))


def calls(options: argparse.Namespace) -> int:
    """Show the live calls."""
    from skypechan.console.tables import calls_table

    shown = gateway_of(options).ask("GET", "/api/calls")
    return show(options, shown, lambda: calls_table(shown, now()))


def records(options: argparse.Namespace) -> int:
    """Show the records of calls that have ended."""
    from skypechan.console.tables import records_table

    query = {"limit": "1000"}
    if options.since is not None:
        query["since"] = since(options.since, now()).isoformat()
    if options.call:
        query["call"] = options.call
    shown = gateway_of(options).ask("GET", "/api/records", query=query)
    return show(options, shown, lambda: records_table(shown))


def events(options: argparse.Namespace) -> int:
    """Print what happens until the gateway ends."""
    from skypechan.console.tables import event_line

    query = {"last": str(options.last)}
    for event in gateway_of(options).follow("/api/events", query=query):
        if options.kind and event["kind"] not in options.kind:
            continue
        if options.json:
            say_json(event, indent=None)
        else:
            say(event_line(event))
    raise LinkDownError("the gateway has ended")


def messages(options: argparse.Namespace) -> int:
    """Show the last messages."""
    from skypechan.console.tables import messages_table

    shown = gateway_of(options).ask("GET", "/api/messages")
    return show(options, shown, lambda: messages_table(shown))


def contact_requests(options: argparse.Namespace) -> int:
    """Show who waits for an answer."""
    from skypechan.console.tables import requests_table

    shown = gateway_of(options).ask("GET", "/api/contact-requests")
    return show(options, shown, lambda: requests_table(shown, now()))


def self_test(options: argparse.Namespace) -> int:
    """Let the gateway make a test call."""
    from skypechan.console.tables import verdict_text

    client = gateway_of(options)
    answer: dict[str, Any] = client.ask(
        "POST", "/api/self-test", timeout_s=_SELF_TEST_S
    )
    show(options, answer, lambda: verdict_text(answer))
    return OK if answer["passed"] else FAILED


def audio_texts(options: argparse.Namespace) -> list[tuple[str, str]]:
    """Return id and audio chain of the live calls; none without a gateway.

    With `--call` only of that one, and then there has to be a gateway.
    """
    gateway = gateway_of(options)
    try:
        if options.call:
            wanted = [acts.the_call(gateway, options.call)]
        else:
            wanted = [one["call"] for one in gateway.ask("GET", "/api/calls")]
    except LinkDownError:
        if options.call:
            raise
        return []
    texts = []
    for call in wanted:
        try:
            text = gateway.ask("GET", f"/api/calls/{call}/audio")["text"]
        except CommandError:
            continue  # it has ended meanwhile
        texts.append((call, text))
    return texts


def since(text: str, moment: datetime) -> datetime:
    """Return the moment that a `--since` means. Raises ConfigError."""
    if ago := _AGO.fullmatch(text):
        return moment - timedelta(seconds=int(ago[1]) * _SECONDS[ago[2]])
    try:
        begin = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(
            f"--since {text}: write an ISO time as 2026-01-31T12:00, or 15m for"
            " 15 minutes ago (s, m, h, d)"
        ) from None
    return begin if begin.tzinfo else begin.astimezone()
