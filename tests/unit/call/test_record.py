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


NOW = datetime(2026, 1, 2, tzinfo=UTC)


def test_only_the_first_ending_counts() -> None:
    record = CallRecord(call="c1", direction=Direction.TO_LINE)
    record.end(Side.LINE, HangupCause.USER_BUSY, "", NOW)
    record.end(Side.PBX, HangupCause.NORMAL_CLEARING, "late", NOW)
    assert record.released_by is Side.LINE
    assert (record.cause, record.status) == (HangupCause.USER_BUSY, DialStatus.BUSY)
    assert record.reason == "busy"


def test_the_fault_behind_closed_audio_is_told() -> None:
    record = CallRecord(call="c1", direction=Direction.TO_PBX, answered=NOW)
    normal, fault = HangupCause.NORMAL_CLEARING, HangupCause.DESTINATION_OUT_OF_ORDER
    record.end(Side.LINE, normal, "audio closed by the line", NOW)
    record.end(Side.PBX, HangupCause.TEMPORARY_FAILURE, "not of that side", NOW)
    assert record.cause is normal
    record.end(Side.LINE, fault, "the client went away", NOW)
    record.end(Side.LINE, normal, "", NOW)
    assert (record.cause, record.reason) == (fault, "the client went away")
    assert (record.released_by, record.ended) == (Side.LINE, NOW)


def test_a_caller_whose_leg_failed_has_not_given_up() -> None:
    record = CallRecord(call="c1", direction=Direction.TO_PBX)
    cause = HangupCause.DESTINATION_OUT_OF_ORDER
    record.end(Side.LINE, cause, "the client went away", NOW)
    assert (record.cause, record.status) == (cause, DialStatus.CHANUNAVAIL)
    assert record.reason == "the client went away"


def test_a_caller_who_gives_up_has_cancelled() -> None:
    for direction, side in (
        (Direction.TO_LINE, Side.PBX),
        (Direction.TO_PBX, Side.LINE),
    ):
        record = CallRecord(call="c1", direction=direction)
        record.end(side, HangupCause.NORMAL_CLEARING, "", NOW)
        assert record.status is DialStatus.CANCEL
        assert record.reason == "the caller gave up"


def test_a_caller_who_was_refused_at_the_client_has_not_given_up() -> None:
    record = CallRecord(call="c1", direction=Direction.TO_PBX)
    record.end(Side.LINE, HangupCause.CALL_REJECTED, "refused at the client", NOW)
    assert (record.cause, record.status) == (21, DialStatus.CHANUNAVAIL)
    assert record.reason == "refused at the client"


def test_an_answered_call_has_the_status_answer_whoever_ends_it() -> None:
    for side in Side:
        record = CallRecord(call="c1", direction=Direction.TO_PBX, answered=NOW)
        record.end(side, HangupCause.NORMAL_CLEARING, "", NOW)
        assert record.status is DialStatus.ANSWER
