"""A stand-in for the Skype program, with the quirks that real ones were seen to have.

It knows the facts about the Skype API and nothing of what talks to it. A host (D-Bus or
X11) carries its lines.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import partial
from typing import Any, Protocol, Self

from tests.strangers.sound import HOST, Stream, sine
from tests.strangers.standin_people import People
from tests.strangers.standin_values import (
    ACCOUNTS,
    ENDED,
    FAILED,
    GIANT,
    RESULTS,
    UNKNOWN,
    VOICE_HZ,
    Call,
    Client,
    Quirks,
)
from tests.strangers.transcript import Transcript


class Host(Protocol):
    """What carries lines to a client."""

    def tell(self, client: object, line: str) -> None:
        """Send a notification."""

    async def vanish(self) -> None:
        """Be gone for every client."""


class Standin:
    """The program. ``said`` holds commands as `> COMMAND`, what it told as `< LINE`."""

    def __init__(self, quirks: Quirks, transport: str = "dbus") -> None:
        self.quirks = quirks
        self.transport = transport
        self.account = quirks.account or ACCOUNTS[transport]
        self.said = Transcript()
        self.calls: dict[int, Call] = {}
        self.clients: dict[object, Client] = {}
        self.faults: list[str] = []
        self._refused: list[tuple[Call, str]] = []  # a fault unless its call has ended
        self._settings = {"USERSTATUS": "ONLINE", "AUTOAWAY": "ON", "MUTE": "OFF"}
        self._host: Host | None = None
        self._next = 178
        self.people = People(self.notify, self._number, quirks.level)
        self.targets: dict[str, str] = {}
        """To whom calls can be transferred, and in which status that ends."""
        self._prompts: list[Callable[[], None]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._began_s = asyncio.get_running_loop().time()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for call in self.calls.values():
            await self._silence(call)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self.faults += [why for call, why in self._refused if not call.ended]
        assert not self.faults, self.faults

    def hosted_by(self, host: Host) -> None:
        """Speak through this host from now on."""
        self._host = host

    async def attached(self, seconds: float = 15) -> None:
        """Return once an application has its permission and its protocol level."""
        await self.said.until(
            lambda: any(c.allowed and c.protocol > 1 for c in self.clients.values()),
            "application",
            seconds,
        )

    async def die(self) -> None:
        """Be gone, sound and all."""
        for call in self.calls.values():
            await self._silence(call)
        if self._host is not None:
            await self._host.vanish()

    def decide(self) -> None:
        """The user at the prompt clicks allow."""
        self.quirks = replace(self.quirks, thinks=False)
        for answer in self._prompts:
            answer()
        self._prompts.clear()

    # What people do

    def ring(self, handle: str, name: str = "") -> Call:
        """Somebody calls."""
        if self.quirks.giant:
            name += " n" * 2500
        call = self._new_call(handle, name, incoming=True)
        self.notify(f"CALL {call.number} CONF_ID 0")
        self._disturb()
        self.change(call, "RINGING")
        return call

    def left_over(self, handle: str) -> Call:
        """A talk that an application placed which is gone."""
        call = self._new_call(handle, "", incoming=False)
        call.status, call.talked = "INPROGRESS", True
        return call

    def transfer(self, call: Call, end: str) -> None:
        """The user at the client, or a command, transfers; ``end`` comes soon."""
        before = call.status
        self.change(call, "TRANSFERRING")
        self._start(self._transfer(call, end or before))

    async def _transfer(self, call: Call, end: str) -> None:
        await asyncio.sleep(self.quirks.transfer_s)
        if call.status == "TRANSFERRING":
            self._end(call, end) if end in ENDED else self.change(call, end)

    def partner_hangs_up(self, call: Call) -> None:
        """The far end leaves."""
        self._end(call, "FINISHED" if call.talked else "MISSED")

    def partner_dials(self, call: Call, digits: str) -> None:
        """Digits from the far end."""
        for digit in digits:
            self.notify(f"CALL {call.number} DTMF {digit}", repeatable=False)

    async def state(self, call: Call, *words: str, seconds: float = 8) -> None:
        """Return once the call is in one of these statuses."""
        await self.said.until(
            lambda: call.status in words, f"call {words} but {call.status}", seconds
        )

    async def newest(self, mark: int, seconds: float = 8) -> Call:
        """The call that the application places after ``mark`` of ``said``."""
        await self.said.line("> .*CALL .*", since=mark, seconds=seconds)
        await self.said.until(lambda: self.calls, "call", seconds)
        return self.calls[max(self.calls)]

    def notify(self, line: str, *, repeatable: bool = True) -> None:
        """Tell every application that is allowed."""
        assert self._host is not None
        for client, its in list(self.clients.items()):
            if its.allowed:
                times = 2 if self.quirks.doubled and repeatable else 1
                for _ in range(times):
                    self._host.tell(client, line)
        self.said.add(f"< {line[:200]}")

    def change(self, call: Call, status: str) -> None:
        """Put a call into a status and tell it."""
        call.status = status
        hidden = status == "INPROGRESS" and self.quirks.no_inprogress
        mute = status in ENDED and call.talked and self.quirks.mute_end
        early = status in ("ROUTING", "RINGING")
        if hidden or mute:
            self.said.changed()
        else:
            for _ in range(2 if self.quirks.doubled and early else 1):
                self.notify(f"CALL {call.number} STATUS {status}")
        if status == "INPROGRESS" and not call.talked:
            call.talked = True
            self._start(self._count(call))

    # What the application says

    def take(self, key: object, text: str, reply: Callable[[str], None]) -> None:
        """A command; its reply is given at once, or late."""
        self.said.add(f"> {text[:200]}")
        token, _, command = (
            text.partition(" ") if text.startswith("#") else ("", "", text)
        )
        prefix = f"{token} " if token else ""
        client = self.clients.setdefault(key, Client())
        if self.quirks.thinks and command.startswith("NAME"):
            self._prompts.append(lambda: self.take(key, text, reply))
            return
        after: list[Callable[[], None]] = []
        answer = prefix + self._answer(client, command, after)
        self.said.add(f"< {answer[:200]}")
        delay_s = self.quirks.reply_delay_s
        if self.quirks.lost and re.match(self.quirks.lost, command):
            pass
        elif delay_s and not command.startswith("NAME"):
            self._start(self._later(delay_s, partial(reply, answer)))
        else:
            reply(answer)
        for deed in after:
            deed()

    def _answer(
        self, client: Client, command: str, after: list[Callable[[], None]]
    ) -> str:
        words = command.split()
        verb = words[0].upper() if words else ""
        if verb == "NAME":
            return self._named(client)
        if not client.allowed:
            return "ERROR 68"
        known = self.people.answer(words, command, after)
        if known is not None:
            return known
        match verb:
            case "PROTOCOL":
                client.protocol = min(int(words[1]), self.quirks.level)
                after.append(self._introduce)
                return f"PROTOCOL {client.protocol}"
            case "PING":
                return "PONG"
            case "CALL":
                return self._place(command.partition(" ")[2].strip(), after)
            case "GET" if len(words) > 1:
                return self._get(words[1:])
            case "SET" if len(words) > 2:
                return self._set(words[1:], after)
            case "ALTER" if len(words) > 3 and words[1] == "CALL":
                return self._alter(command, words, after)
            case "SEARCH" if words[1:] == ["ACTIVECALLS"]:
                live = [str(c.number) for c in self.calls.values() if not c.ended]
                return f"CALLS {', '.join(live)}"
            case "SEARCH" if words[1:2] in (["CALLS"], ["MISSEDCALLS"]):
                return f"CALLS {', '.join(map(str, self.calls))}"
            case "SEARCH" if len(words) > 1:
                return f"{RESULTS.get(words[1], 'USERS')} "
            case "MINIMIZE" | "FOCUS":
                return "OK"
        return "ERROR 2 Unknown command"

    def _named(self, client: Client) -> str:
        if self.quirks.signed_out:
            return "CONNSTATUS OFFLINE"
        waited_s = asyncio.get_running_loop().time() - self._began_s
        if waited_s < self.quirks.permission_s:
            self._start(self._permit(client, self.quirks.permission_s - waited_s))
            return "ERROR 68"
        client.allowed = True
        return "OK"

    async def _permit(self, client: Client, seconds: float) -> None:
        await asyncio.sleep(seconds)
        if not client.allowed:
            client.allowed = True
            self.notify("OK")

    def _introduce(self) -> None:
        self._disturb()
        self.notify("CONNSTATUS ONLINE")
        self.notify(f"CURRENTUSERHANDLE {self.account}")
        self.notify(f"USERSTATUS {self._settings['USERSTATUS']}")

    def _place(self, target: str, after: list[Callable[[], None]]) -> str:
        if self.quirks.refusal:
            return self.quirks.refusal
        if target == "nobody":
            return "ERROR 92 CALL: Unrecognised identity"
        if any(not call.ended for call in self.calls.values()):
            return "ERROR 96 CALL: another call"
        call = self._new_call(target, "", incoming=False)
        after.append(lambda: self._start(self._route(call)))
        if self.quirks.call_reply == "OK":
            return "OK"
        return f"CALL {call.number} STATUS {self.quirks.call_reply}"

    async def _route(self, call: Call) -> None:
        """An outgoing call as its callee's name wishes."""
        await asyncio.sleep(self.quirks.route_delay_s)
        if call.ended:
            return
        self.change(call, "UNPLACED")
        self.change(call, "ROUTING")
        self._disturb()
        await asyncio.sleep(0.05)
        if call.handle == "offline":
            self._end(call, "FAILED", 3)
            return
        self.change(call, "RINGING")
        if call.handle == "rings":
            return
        await asyncio.sleep(0.1)
        if call.ended:
            return
        if call.handle in ("busy", "refuse"):
            self._end(call, {"busy": "BUSY", "refuse": "REFUSED"}[call.handle])
        else:
            self.change(call, "INPROGRESS")

    async def _count(self, call: Call) -> None:
        while not call.ended:
            await asyncio.sleep(0.3 if not call.duration_s else 1)
            if not call.ended:
                call.duration_s += 1
                self.notify(f"CALL {call.number} DURATION {call.duration_s}")

    def _get(self, words: list[str]) -> str:
        what = words[0].upper()
        if what == "CALL":
            return self._get_call(words)
        fixed = {
            "CURRENTUSERHANDLE": self.account,
            "CONNSTATUS": "ONLINE",
            "SKYPEVERSION": "4.3.0.37",
            "PROFILE": f"{words[1] if len(words) > 1 else ''} 0",
            "PRIVILEGE": f"{words[1] if len(words) > 1 else ''} FALSE",
        }
        value = fixed.get(what) or self._settings.get(what)
        return f"{what} {value}" if value else "ERROR 7 GET: invalid WHAT"

    def _get_call(self, words: list[str]) -> str:
        call = self._find(words[1]) if len(words) > 1 else None
        if call is None:
            return "ERROR 12 Unknown call"
        kind = "INCOMING_P2P" if call.incoming else "OUTGOING_P2P"
        ports = {
            name: f'PORT="{call.ports[name]}"' if name in call.ports else ""
            for name in ("INPUT", "OUTPUT", "CAPTURE_MIC")
        }
        values = ports | {
            "STATUS": call.status,
            "PARTNER_HANDLE": call.handle,
            "PARTNER_DISPNAME": call.name,
            "TYPE": kind,
            "FAILUREREASON": str(call.failure),
            "DURATION": str(call.duration_s),
            "CONF_ID": "0",
            "TIMESTAMP": "1385000000",
            "PSTN_NUMBER": "",
            "TARGET_IDENTITY": "",
        }
        name = words[2].upper() if len(words) > 2 else ""
        if name == "CAN_TRANSFER" and len(words) > 3:
            can = "TRUE" if self._can_transfer(call, words[3]) else "FALSE"
            return f"CALL {call.number} CAN_TRANSFER {words[3]} {can}"
        if name not in values:
            return "ERROR 10 GET: invalid PROP"
        return f"CALL {call.number} {name} {values[name]}"

    def _set(self, words: list[str], after: list[Callable[[], None]]) -> str:
        if words[0] != "CALL":
            self._settings[words[0]] = words[1]
            line = f"{words[0]} {words[1]}"
            after.append(lambda: self.notify(line))
            return line
        call = self._find(words[1])
        if call is None:
            return "ERROR 20 Unknown call"
        if words[2] == "DTMF":
            return self._digit(call, words[3], f"SET {' '.join(words)}")
        if words[2] == "SEEN":
            return f"CALL {call.number} SEEN TRUE"
        deeds = {"FINISHED": "END HANGUP", "INPROGRESS": "ANSWER", "ONHOLD": "HOLD"}
        deed = deeds.get(words[3], "")
        if deed == "ANSWER" and call.talked:
            deed = "RESUME"
        done = self._deed(call, deed, after)
        return f"CALL {call.number} STATUS {words[3]}" if done else FAILED

    def _alter(
        self, command: str, words: list[str], after: list[Callable[[], None]]
    ) -> str:
        call = self._find(words[2])
        if call is None:
            return "ERROR 556 CALL: Invalid call ID given"
        if words[3] == "DTMF":
            return self._digit(call, words[4], command)
        if words[3] in ("SET_INPUT", "SET_OUTPUT", "SET_CAPTURE_MIC"):
            return self._redirect(call, words[3][4:], command)
        if words[3] == "TRANSFER":
            target = words[4].rstrip(",") if len(words) > 4 else ""
            if not self._can_transfer(call, target):
                return "ERROR 592 ALTER CALL: not possible"
            after.append(lambda: self.transfer(call, self.targets[target]))
            return command
        if not self._deed(call, " ".join(words[3:]), after):
            return FAILED
        return command

    def _can_transfer(self, call: Call, target: str) -> bool:
        able = call.status in ("RINGING", "INPROGRESS", "LOCALHOLD")
        return able and call.incoming and target in self.targets

    def _deed(self, call: Call, deed: str, after: list[Callable[[], None]]) -> bool:
        rings_here = call.incoming and call.status == "RINGING"
        allowed = {
            "ANSWER": rings_here,
            "HANGUP": not call.ended and not rings_here,
            "END HANGUP": not call.ended,
            "HOLD": call.status == "INPROGRESS",
            "RESUME": call.status == "LOCALHOLD",
        }
        if not allowed.get(deed, False):
            return False
        if "HANGUP" in deed:
            end = "REFUSED" if rings_here else "CANCELLED"
            status = "FINISHED" if call.talked else end
            call.status = status  # at once: the second verb of two must fail
            after.append(lambda: self._end(call, status))
        else:
            status = "LOCALHOLD" if deed == "HOLD" else "INPROGRESS"
            after.append(lambda: self.change(call, status))
        return True

    def _digit(self, call: Call, digit: str, echo: str) -> str:
        if not re.fullmatch("[0-9*#]", digit):
            return "ERROR 42 Invalid DTMF code"
        if call.ended:
            return "ERROR 41 Call not active"
        call.digits += digit
        self.said.changed()
        return echo

    def _redirect(self, call: Call, which: str, echo: str) -> str:
        if call.status != "INPROGRESS":
            return FAILED
        if self.quirks.sound_error:
            return self.quirks.sound_error
        port = re.search(r'PORT="(\d+)"', echo, re.IGNORECASE)
        call.ports.pop(which, None)
        if port:
            call.ports[which] = int(port[1])
            self._start(self._connect(call, which, int(port[1])))
        return echo

    async def _connect(self, call: Call, which: str, port: int) -> None:
        later = (which == "INPUT") == self.quirks.output_first
        await asyncio.sleep(self.quirks.sound_delay_s * (2 if later else 1))
        if call.ended:
            return
        try:
            stream = Stream(*await asyncio.open_connection(HOST, port))
        except OSError as error:
            self._refused.append((call, f"{which} of call {call.number}: {error}"))
            return
        call.streams[which] = stream
        self.said.changed()
        if which == "INPUT":
            await stream.read_all()
        else:
            while not call.ended and not stream.writer.is_closing():
                await stream.play(sine(VOICE_HZ, 0.1))

    # The end

    def _end(self, call: Call, status: str, failure: int = 0) -> None:
        call.failure = failure or (14 if self.quirks.reason_14 and call.talked else 0)
        if call.failure:
            self.notify(f"CALL {call.number} FAILUREREASON {call.failure}")
        self.change(call, status)
        self._disturb()
        self._start(self._silence(call))

    async def _silence(self, call: Call) -> None:
        for stream in call.streams.values():
            with contextlib.suppress(ConnectionError):
                await stream.close()

    def _disturb(self) -> None:
        if self.quirks.unknown:
            for line in UNKNOWN:
                self.notify(line)
        if self.quirks.giant:
            self.notify("USER bob MOOD_TEXT " + "m" * GIANT)

    def _find(self, number: str) -> Call | None:
        return self.calls.get(int(number)) if number.isdecimal() else None

    def _new_call(self, handle: str, name: str, *, incoming: bool) -> Call:
        call = Call(self._number(), handle, name, incoming)
        self.calls[call.number] = call
        return call

    async def _later(self, seconds: float, deed: Callable[[], None]) -> None:
        await asyncio.sleep(seconds)
        deed()

    def _number(self) -> int:
        self._next += self.quirks.gap
        return self._next

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
