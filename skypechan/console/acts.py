"""The commands that do something to a call or a line of the running gateway."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from skypechan.call.routes import Target
from skypechan.console.manual import LINE, LINE_ACTIONS, OPERATING
from skypechan.console.parsers import Command, add_operating, add_page
from skypechan.console.terminal import gateway_of, show
from skypechan.errors import CommandError, ConfigError
from skypechan.log import legible

if TYPE_CHECKING:
    from skypechan.console.client import ControlClient

_SEARCH_S = 20.0
_STOPPING_S = 10.0
_A_DAY_S = 86_400.0
_RELOAD_S = 60.0


def add_commands(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
) -> None:
    """Declare the commands that do something to calls and lines."""
    parser = _add(commands, "call", call)
    parser.add_argument("line", metavar="LINE", help="a line, or ANY, RR, LRU")
    parser.add_argument("address", metavar="ADDRESS", help="who is called on the line")
    parser.add_argument(
        "--to",
        metavar="EXTEN@CONTEXT",
        help="the extension that is rung first; else where the line's own calls go",
    )
    for name, command in (("hangup", hangup), ("hold", hold), ("resume", resume)):
        add_call(_add(commands, name, command))
    parser = _add(commands, "tap", tap)
    add_call(parser)
    parser.add_argument("file", metavar="FILE", nargs="?", type=Path, help="a new file")
    parser.add_argument(
        "--seconds", metavar="S", type=float, default=600, help="default: 600"
    )
    _add(commands, "drain", drain).add_argument(
        "--timeout",
        metavar="S",
        type=_wait_s,
        default=3_600.0,
        help="end what is left after so many seconds; default: 3600",
    )
    _add(commands, "reload", reload)
    _add_line(commands)


def add_call(parser: argparse.ArgumentParser) -> None:
    """Let a live call be named."""
    parser.add_argument("call", metavar="CALL", help="its id, or how that begins")


def _add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    command: Command,
) -> argparse.ArgumentParser:
    return add_operating(commands, name, OPERATING[name], command)


def _add_line(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    actions = add_page(commands, "line", LINE).add_subparsers(
        metavar="ACTION", required=True
    )

    def add(name: str, command: Command) -> argparse.ArgumentParser:
        parser = add_operating(actions, name, LINE_ACTIONS[name], command)
        parser.add_argument("name", metavar="NAME", help="the line")
        parser.set_defaults(action=name)
        return parser

    for name in ("pause", "restart"):
        when = add(name, change).add_mutually_exclusive_group()
        when.add_argument("--now", action="store_true", help="end the call that it has")
        when.add_argument(
            "--when-idle", action="store_true", help="after its call (default)"
        )
    add("resume", change)
    parser = add("gain", gain)
    parser.add_argument("--playback", metavar="DB", type=float, help="towards the line")
    parser.add_argument("--capture", metavar="DB", type=float, help="from the line")
    add("send", send).add_argument("command_text", metavar="RAW", help="the command")
    add("trace", trace).add_argument("switch", choices=("on", "off"))
    parser = add("message", message)
    parser.add_argument("address", metavar="ADDRESS", help="who is written to")
    parser.add_argument("text", metavar="TEXT", help="what is written")
    parser = add("presence", presence)
    parser.add_argument("address", metavar="ADDRESS", help="who is asked about")
    add("balance", balance)
    add("find", find).add_argument("words", metavar="WORDS", help="what to look for")
    for name in ("accept", "refuse"):
        add(name, decide).add_argument("who", metavar="WHO", help="who has asked")


# Calls.


def call(options: argparse.Namespace) -> int:
    """Ring an extension, which calls an address when it answers."""
    wish = {"line": options.line, "address": options.address}
    if options.to is not None:
        wish["to"] = str(Target.parse(options.to))
    answer = gateway_of(options).ask("POST", "/api/calls", body=wish)
    text = "{to} rings; when it answers, it calls {address} on {line}"
    return show(options, answer, lambda: legible(text.format(**answer)))


def hangup(options: argparse.Namespace) -> int:
    """End the only live call whose id begins as given."""
    gateway = gateway_of(options)
    answer = gateway.ask("DELETE", f"/api/calls/{the_call(gateway, options.call)}")
    return show(options, answer, lambda: f"call {answer['call']} is asked to end")


def hold(options: argparse.Namespace) -> int:
    """Put the line leg of a call on hold."""
    return _on_call(options, "hold", "is asked to rest")


def resume(options: argparse.Namespace) -> int:
    """Take a call from hold."""
    return _on_call(options, "resume", "is asked to go on")


def tap(options: argparse.Namespace) -> int:
    """Record a call, or end that."""
    if options.file is None:
        return _on_call(options, "tap", "is no longer recorded")
    path = options.file.absolute()
    body = {"path": str(path), "seconds": options.seconds}
    return _on_call(options, "tap", f"is recorded to {path}", body)


def _on_call(
    options: argparse.Namespace, act: str, done: str, body: object = None
) -> int:
    gateway = gateway_of(options)
    path = f"/api/calls/{the_call(gateway, options.call)}/{act}"
    answer = gateway.ask("POST", path, body=body)
    return show(options, answer, lambda: f"call {answer['call']} {done}")


def the_call(gateway: ControlClient, begins: str) -> str:
    """Return the id of the only live call whose id begins so. Raises CommandError."""
    if not begins:
        # An empty variable of a script must not mean whatever call there is.
        raise ConfigError("say how the id of the call begins")
    live = [one["call"] for one in gateway.ask("GET", "/api/calls")]
    meant = [one for one in live if one.startswith(begins)]
    if len(meant) != 1:
        kind = "there is no live call" if not meant else "there are several live calls"
        raise CommandError(f"{kind} whose id begins with {begins!r}")
    return quote(str(meant[0]), safe="")


def drain(options: argparse.Namespace) -> int:
    """Let the gateway stop when its last call has ended, and wait for that."""
    wait_s = options.timeout
    answer = gateway_of(options).ask(
        "POST",
        "/api/drain",
        body={"timeout_s": wait_s},
        timeout_s=wait_s + _STOPPING_S,
    )
    return show(options, answer, lambda: _drained_text(answer["calls_ended"]))


def _drained_text(ended: int) -> str:
    calls = f"{ended} call" if ended == 1 else f"{ended} calls"
    how = f"ends {calls}, the time is up" if ended else "has no call any more"
    return f"the gateway {how}, and stops"


def reload(options: argparse.Namespace) -> int:
    """Let the gateway read its configuration again; show what became of it."""
    from skypechan.gateway.reloaded import Reloaded

    answer = gateway_of(options).ask("POST", "/api/reload", timeout_s=_RELOAD_S)
    told = Reloaded.of_json(answer).told()
    return show(options, answer, lambda: "\n".join(map(legible, told)))


def _wait_s(text: str) -> float:
    if not 0 <= (wait_s := float(text)) <= _A_DAY_S:
        raise argparse.ArgumentTypeError(f"from 0 to {_A_DAY_S:g} seconds, not {text}")
    return wait_s


# Lines.


def change(options: argparse.Namespace) -> int:
    """Pause, resume or restart a line."""
    now = getattr(options, "now", False)
    answer = _on_line(options, {"when_idle": False} if now else {})

    def text() -> str:
        return "\n".join([_line_text(answer), *_what_follows(options.action, answer)])

    return show(options, answer, text)


def _what_follows(action: str, line: dict[str, Any]) -> Iterator[str]:
    """Say what a restart is: that depends on who has started the client."""
    if action != "restart":
        return
    if line["client_is_ours"]:
        yield "the gateway starts its client anew"
    else:
        yield (
            "its client was started elsewhere and goes on: the gateway attaches to it"
            " anew"
        )


def gain(options: argparse.Namespace) -> int:
    """Set the gains of a line."""
    wanted = {"playback_db": options.playback, "capture_db": options.capture}
    given = {name: value for name, value in wanted.items() if value is not None}
    if not given:
        raise ConfigError("say --playback DB or --capture DB")
    return _show_line(options, given)


def trace(options: argparse.Namespace) -> int:
    """Begin or end the trace of a line."""
    return _show_line(options, {"on": options.switch == "on"})


def _show_line(options: argparse.Namespace, body: dict[str, Any]) -> int:
    answer = _on_line(options, body)
    return show(options, answer, lambda: _line_text(answer))


def _line_text(line: dict[str, Any]) -> str:
    state = str(line["state"]).replace("_", " ")
    gains = (
        f"gain {line['playback_db']:+g} dB to it, {line['capture_db']:+g} dB from it"
    )
    reason = line["reason"] and f" ({line['reason']})"
    return legible(f"line {line['name']} is {state}{reason}, {gains}")


def send(options: argparse.Namespace) -> int:
    """Send one of the client's own commands."""
    return _show_reply(options, {"command": options.command_text})


def message(options: argparse.Namespace) -> int:
    """Write to somebody."""
    return _show_reply(options, {"address": options.address, "text": options.text})


def presence(options: argparse.Namespace) -> int:
    """Ask how reachable somebody is."""
    return _show_reply(options, {"address": options.address})


def _show_reply(options: argparse.Namespace, body: dict[str, Any]) -> int:
    answer = _on_line(options, body)
    return show(options, answer, lambda: legible(answer["reply"]))


def balance(options: argparse.Namespace) -> int:
    """Ask for the credit of a line's account."""
    answer = _on_line(options, {})
    return show(
        options, answer, lambda: legible("{amount} {currency}".format(**answer).strip())
    )


def find(options: argparse.Namespace) -> int:
    """Search the directory."""
    answer = _on_line(options, {"words": options.words}, _SEARCH_S)
    return show(options, answer, lambda: "\n".join(map(legible, answer["found"])))


def decide(options: argparse.Namespace) -> int:
    """Answer a contact request."""
    answer = _on_line(options, {"who": options.who})
    verdict = "accepted" if answer["accepted"] else "refused"
    return show(options, answer, lambda: legible(f"{answer['who']} is {verdict}"))


def _on_line(
    options: argparse.Namespace, body: dict[str, Any], timeout_s: float = 10.0
) -> Any:
    path = f"/api/lines/{quote(options.name, safe='')}/{options.action}"
    return gateway_of(options).ask("POST", path, body=body, timeout_s=timeout_s)
