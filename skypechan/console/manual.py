"""What `--help` says of each command: what it does, examples, exit status."""

from __future__ import annotations

from dataclasses import dataclass

_DONE = "0 done; 1 the gateway refused, or none runs; 2 usage or configuration"


@dataclass(frozen=True, slots=True)
class Page:
    """One command: a line for the list of commands, what it does, examples.

    Examples are without `skypechan`, each with what it is for behind two spaces and #.
    """

    summary: str
    text: str
    examples: tuple[str, ...] = ()
    status: str = _DONE

    def epilog(self) -> str:
        """Return what stands behind the options."""
        lines = []
        if self.examples:
            lines += ["examples:", *(f"  skypechan {one}" for one in self.examples), ""]
        return "\n".join([*lines, f"exit status: {self.status}"])


RUN = Page(
    "run the gateway in the foreground",
    """\
Runs until SIGTERM or Ctrl-C; the log goes to standard error. FILE may be a
skypechan.toml or a skypiax.conf of 2009. Whatever can come back, the client, its
display or bus, its permission, Asterisk, is waited for and tried again for ever.""",
    ("run", "run -c /etc/skypechan/skypechan.toml", "run -c skypiax.conf"),
    "0 stopped by a signal; 2 the configuration cannot be used",
)
CLIENT = Page(
    "keep one line's client running, apart from the gateway",
    """\
Starts the client that [lines.LINE.client] of FILE names, on a display and a D-Bus of
its own, and starts it again when it ends, until SIGTERM or Ctrl-C: for a service or a
container of its own. The gateway finds its bus as dbus_address =
"unix:path=FOLDER/bus/bus"; FOLDER is clients/LINE beside FILE unless `folder` says
another. With screen_in_page it finds its screen too, as display =
"unix:FOLDER/screen/display" by xauthority = "FOLDER/screen/Xauthority". It must not
find a command in [lines.LINE.client] of its own configuration.""",
    ("client alice -c /etc/skypechan/clients/alice.toml",),
    "0 stopped by a signal; 2 the configuration cannot be used",
)
DESCRIBE = Page(
    "print what the gateway is made of",
    """\
calls: the transition table of a call, as the gateway uses it. causes: how a call can
end, from what one end says to what the other end gets. config: every setting
with default and unit, which is a configuration file. audio: the stages that audio
passes; where a gateway runs and has calls, of each call, with its counters.
contacts: entries of [contacts] with new UUIDs for the people named. files: the folders
with the samples for Asterisk and the units for systemd.""",
    (
        "describe config",
        "describe audio --call 5f1c",
        "describe contacts echo123 advokat",
    ),
)
CONVERT = Page(
    "print an old configuration or dialplan in today's form",
    """\
Reads a skypiax.conf, a skypopen.conf.xml or an extensions.conf with
Dial(Skypiax/...) lines. What has no counterpart becomes a comment, and is told on
standard error.""",
    ("convert /etc/asterisk/skypiax.conf", "convert extensions.conf"),
    "0 done; 2 the file cannot be read",
)
DEMO = Page(
    "start everything, make the calls, report, stay up until Ctrl-C",
    """\
Starts a private D-Bus and X server, the emulated client, Asterisk, a SIP phone and
the gateway, makes calls in both directions and reports what was measured. Nothing of
this machine's own Asterisk, D-Bus or display is touched.""",
    ("demo", "demo --once --json"),
    "0 every step passed; 1 one did not",
)
OPERATING: dict[str, Page] = {
    "check": Page(
        "every prerequisite: finding, evidence, remedy",
        """\
Looks at files, client, account, Asterisk's version, modules, AMI rights and dialplan,
whether the gateway runs or not, and says of what is not well how it was seen and what
mends it.""",
        ("check", "check -c skypiax.conf --json"),
        "0 all is well; 1 a check failed; 2 the configuration cannot be used",
    ),
    "status": Page(
        "one screen: links, lines and calls",
        "Shows how all is, in the first line in one sentence.",
        ("status", "status --json"),
        "0 all is well; 1 something is not; 2 no call can be made, or no gateway runs",
    ),
    "lines": Page("the lines and their state", "Shows state, reason and since when."),
    "calls": Page("the live calls", "Shows each with its state and levels."),
    "records": Page(
        "the records of calls that have ended",
        "Shows the last calls, newest last; --json has all of each record.",
        (
            "records --since 2h",
            "records --since 2026-01-31T12:00 --json",
            "records --call 5f1c9a52-2f3e-4b8e-9c0e-7d3b6d3f8a10",
        ),
    ),
    "events": Page(
        "what happens, as it happens",
        """\
Prints states of lines, calls and of the connection to Asterisk, records, messages,
contact requests, what operators do, warnings of the log and the wire of traced lines,
until Ctrl-C or the gateway's end. With --json each is one line of JSON. KIND is line,
link, call, record, message, contact_request, operator, log or wire.""",
        ("events", "events --last 50", "events --kind message --kind record --json"),
        "1 the gateway ended or none runs; 2 usage; 130 Ctrl-C",
    ),
    "messages": Page(
        "the last written messages that came to the lines",
        "Shows who wrote what to which line, newest last.",
    ),
    "contact-requests": Page(
        "who wants to be a contact of a line and waits",
        """\
Nobody is accepted by himself, but for whom the configuration of the line lists.
Answer with `skypechan line accept` or `skypechan line refuse`.""",
    ),
    "self-test": Page(
        "a test call to Asterisk and back",
        """\
Makes a call through the running gateway to an echo in Asterisk, speaks and listens,
and measures; some four seconds. No line and no client takes part.""",
        ("self-test --json",),
        "0 passed; 1 failed; 2 usage or configuration",
    ),
    "call": Page(
        "ring an extension and let it call somebody",
        """\
Rings EXTEN@CONTEXT and, when it answers, calls ADDRESS on the line for it. Without
--to it rings where the line's own calls go.""",
        (
            "call alice echo123 --to 555@from-skypechan",
            "call ANY +4930123456 --to 555@from-skypechan",
        ),
    ),
    "hangup": Page(
        "end a call", "CALL is a call's id, or how the id begins.", ("hangup 5f1c",)
    ),
    "hold": Page(
        "put the line leg of a call on hold",
        """\
The far end at the messenger hears what its client plays for it; CALL is a call's id,
or how the id begins.""",
        ("hold 5f1c",),
    ),
    "resume": Page(
        "take a call from hold", "The counterpart of `hold`.", ("resume 5f1c",)
    ),
    "drain": Page(
        "let no new call in, and stop when the last has ended",
        """\
Calls go on until they end by themselves, at most for --timeout seconds. Ends when the
gateway is about to stop, so that it can stand before a stop or a restart.""",
        ("drain", "drain --timeout 60"),
    ),
    "reload": Page(
        "read the configuration again, without touching calls",
        """\
Lines that are new are brought up. A line that is gone or needs another start takes no
more calls, and goes or starts anew when the one that it has has ended; other settings
of a line, gains, limits and targets, hold at once, as do routes, contacts and the log.
What needs a restart of the gateway is named and stays as it is. A configuration with a
fault changes nothing. SIGHUP does the same; the log says what became of it.""",
        ("reload", "reload --json"),
        "0 done; 1 the gateway refused, or none runs; 2 a faulty configuration",
    ),
    "tap": Page(
        "record a call to a WAV file",
        """\
Records both directions to a new file of the gateway's user, 16 kHz, left what goes to
the PBX, right what goes to the line. Without a file the recording ends; it ends by
itself with the call, and after --seconds.""",
        ("tap 5f1c /tmp/call.wav --seconds 60", "tap 5f1c"),
    ),
}

LINE = Page(
    "operate one line",
    "`skypechan line ACTION --help` tells of each action.",
    ("line pause alice",),
)
LINE_ACTIONS: dict[str, Page] = {
    "pause": Page(
        "let it take no more calls",
        """\
With --when-idle, the default, a call that it has goes on; --now ends it. The pause
outlives the gateway where there is a folder for its state: [state] folder.""",
        ("line pause alice", "line pause alice --now"),
    ),
    "resume": Page("let it take calls again", "The counterpart of `pause`."),
    "restart": Page(
        "attach it to its client anew, and start a client of the gateway's own anew",
        """\
With --when-idle, the default, a call that it has goes on; --now ends it. A client that
was started elsewhere goes on.""",
        ("line restart alice --now",),
    ),
    "gain": Page(
        "set its gains, at once and until the next start",
        """\
In dB from -40 to 40, limited and not clipped; --playback acts towards the line,
--capture from it. What is not given stays as it is.""",
        ("line gain alice --playback 6 --capture -3",),
    ),
    "send": Page(
        "send one of the client's own commands",
        "Only what raw_commands of the line's configuration allows is sent.",
        ('line send alice "GET PROFILE FULLNAME"',),
    ),
    "trace": Page(
        "log all that it and its client say, or no longer",
        "The log has it under skypechan.wire.NAME, `events` as the kind wire.",
        ("line trace alice on", "line trace alice off"),
    ),
    "message": Page(
        "write to somebody",
        "Prints the client's number of the message.",
        ('line message alice bob "I call you back"',),
    ),
    "presence": Page(
        "ask how reachable somebody is",
        "Prints online, away, busy, offline or unknown.",
        ("line presence alice bob",),
    ),
    "balance": Page(
        "ask for the credit of its account", "Prints the amount and its currency."
    ),
    "find": Page(
        "search the directory for people",
        "Prints addresses, one a line; this may take ten seconds.",
        ('line find alice "bob day"',),
    ),
    "accept": Page(
        "accept somebody as a contact",
        "`skypechan contact-requests` shows who waits.",
        ("line accept alice bob",),
    ),
    "refuse": Page(
        "refuse somebody as a contact",
        "`skypechan contact-requests` shows who waits.",
        ("line refuse alice bob",),
    ),
}
