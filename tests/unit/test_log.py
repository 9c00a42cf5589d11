"""What the log writes, whoever wrote the words."""

from __future__ import annotations

import json
import logging

from skypechan.log import _JsonLines, _TextLines


def test_a_line_of_json_is_plain_ascii_and_says_all() -> None:
    words = "a\x9b2Jb\u202e\u2028ö\n"
    record = logging.makeLogRecord({"msg": "%s", "args": (words,), "call_id": "c1"})
    line = _JsonLines().format(record)
    assert line.isascii()
    assert line.isprintable()
    read = json.loads(line)
    assert (read["message"], read["call"]) == (words, "c1")


def test_a_line_of_text_moves_no_cursor_and_breaks_no_line() -> None:
    record = logging.makeLogRecord({"msg": "%s", "args": ("a\x9b2J\nb",)})
    assert _TextLines("%(message)s").format(record) == "a?2J?b"


def test_a_traceback_keeps_its_lines() -> None:
    try:
        raise ValueError
    except ValueError as error:
        told = (type(error), error, error.__traceback__)
    record = logging.makeLogRecord({"msg": "x", "exc_info": told})
    assert _TextLines("%(message)s").format(record).count("\n") >= 3
