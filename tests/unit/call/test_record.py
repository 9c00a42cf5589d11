from __future__ import annotations

import json
from datetime import UTC, datetime

from skypechan.call.causes import DialStatus, HangupCause
from skypechan.call.record import CallRecord, Direction, Side


def test_a_record_is_plain_json() -> None:
    record = CallRecord(
        call="c1",
        direction=Direction.TO_LINE,
        line_call="42",
        ended=datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC),
        cause=HangupCause.USER_BUSY,
        status=DialStatus.BUSY,
        released_by=Side.LINE,
    )
    read = json.loads(json.dumps(record.as_json()))
    assert read["direction"] == "to_line"
    assert read["skype_call"] == "42"
    assert read["ended"] == "2026-01-02T03:04:05.678+00:00"
    assert (read["cause"], read["status"]) == (17, "BUSY")
    assert read["released_by"] == "line"
    assert read["answered"] is None
