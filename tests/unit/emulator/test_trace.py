"""A trace replays from both sides, whatever numbers and order the other side has."""

from __future__ import annotations

import json

import pytest

from skypechan.emulator.trace import Event, Replay, Side, TraceFile, read_trace
from skypechan.errors import ConfigError

CALL = """\
< NAME test
> OK
< #1 CALL echo
> #1 CALL 181 STATUS UNPLACED
> CALL 181 STATUS ROUTING
> CALL 181 STATUS RINGING
> CALL 181 STATUS INPROGRESS
< ALTER CALL 181 SET_OUTPUT PORT="4711"
> ALTER CALL 181 SET_OUTPUT PORT="4711"
< ALTER CALL 181 HANGUP
> ALTER CALL 181 HANGUP
> CALL 181 STATUS FINISHED
"""


def events(text=CALL, application="dbus :1.5"):
    return [
        Event(0.0, line[0], application, line[2:]) for line in text.splitlines() if line
    ]


def renumbered(text):
    return text.replace("181", "9000").replace("4711", "5000")


def join(application, client):
    """Both sides talk until nobody has anything to say."""
    to_client, to_application = list(application.start()), list(client.start())
    for _ in range(200):
        if to_client:
            to_application += client.hear(to_client.pop(0))
        elif to_application:
            to_client += application.hear(to_application.pop(0))
    return application, client


def test_both_sides_of_one_trace_come_to_its_end():
    for end in join(Replay(events(), Side.APPLICATION), Replay(events(), Side.CLIENT)):
        assert end.done
        assert end.strange == []


def test_numbers_of_the_other_side_are_learnt_and_used():
    client = Replay(events(renumbered(CALL)), Side.CLIENT)
    application, client = join(Replay(events(), Side.APPLICATION), client)
    assert application.done
    assert client.done


def test_order_between_two_of_our_lines_is_free():
    replay = Replay(events(), Side.APPLICATION)
    assert replay.start() == ("NAME test",)
    assert replay.hear("OK") == ("#1 CALL echo",)
    for line in ("STATUS ROUTING", "STATUS UNPLACED", "STATUS INPROGRESS"):
        token = "#1 " if "UNPLACED" in line else ""
        assert replay.hear(f"{token}CALL 77 {line}") == ()
    assert replay.missing == ("CALL 181 STATUS RINGING",)
    assert replay.hear("CALL 77 STATUS RINGING") == (
        'ALTER CALL 77 SET_OUTPUT PORT="4711"',
    )
    assert replay.strange == []


def test_a_repetition_is_nothing_strange_but_another_line_is():
    replay = Replay(events(), Side.APPLICATION)
    replay.start()
    replay.hear("OK")
    replay.hear("OK")
    assert replay.strange == []
    replay.hear("CALL 77 STATUS BUSY")
    assert replay.strange == ["CALL 77 STATUS BUSY"]
    assert not replay.done


def test_a_number_that_changes_on_the_way_is_not_the_same():
    replay = Replay(events(), Side.APPLICATION)
    replay.start()
    replay.hear("OK")
    replay.hear("#1 CALL 77 STATUS UNPLACED")
    replay.hear("CALL 78 STATUS ROUTING")
    assert "CALL 181 STATUS ROUTING" in replay.missing


def test_one_application_of_several_is_chosen():
    both = events() + events("< PING\n> PONG\n", "x11 0x1")
    replay = Replay(both, Side.APPLICATION, "x11 0x1")
    assert replay.start() == ("PING",)
    assert replay.hear("PONG") == ()
    assert replay.done


def test_what_is_written_is_read_again(tmp_path):
    trace = TraceFile(tmp_path / "trace", 100.0)
    trace.write(100.5, "< dbus :1.5 NAME grün \u2028x")
    trace.write(101.25, "= dbus :1.5 gone")
    trace.close()
    assert read_trace(tmp_path / "trace") == (
        Event(0.5, "<", "dbus :1.5", "NAME grün \u2028x"),
        Event(1.25, "=", "dbus :1.5", "gone"),
    )


@pytest.mark.parametrize(
    "line", ["{", "[]", "{}", json.dumps({"at_s": 0, "mark": 1, "x": 2})]
)
def test_what_is_no_trace_is_refused_with_its_place(tmp_path, line):
    (tmp_path / "trace").write_text(line)
    with pytest.raises(ConfigError, match="trace"):
        read_trace(tmp_path / "trace")
