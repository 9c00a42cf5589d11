"""What the log writes, whoever wrote the words."""

from __future__ import annotations

import json
import logging

from skypechan.log import _JsonLines


def test_a_line_of_json_is_plain_ascii_and_says_all() -> None:
    words = "a\x9b2Jb\u202e\u2028ö\n"
    record = logging.makeLogRecord({"msg": "%s", "args": (words,), "call_id": "c1"})
    line = _JsonLines().format(record)
    assert line.isascii()
    assert line.isprintable()
    read = json.loads(line)
    assert (read["message"], read["call"]) == (words, "c1")
