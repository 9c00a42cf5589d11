"""What is said not to be well."""

from __future__ import annotations

from dataclasses import replace

from skypechan.gateway.snapshot import RecordsSnapshot
from skypechan.web.status import troubles
from tests.unit.web.fixed_gateway import gateway_of, line, link


def test_records_that_wait_or_are_lost_are_a_trouble() -> None:
    now = gateway_of(lines=(line("one"),), links=(link("up", ""),))
    assert list(troubles(now)) == []
    full = RecordsSnapshot("waiting", "No space left on device", 10_000, 2)
    assert list(troubles(replace(now, records=full))) == [
        "call records: No space left on device, 10000 are not written yet",
        "2 call records stand only in the log",
    ]


def test_client_that_is_kept_apart_less_than_it_could_be_is_a_trouble() -> None:
    walled = replace(line("one"), isolation="namespace")
    fell = replace(line("two"), isolation="none", isolation_reason="no namespaces")
    assert list(troubles(gateway_of(lines=(walled, fell)))) == [
        "client two: isolation none, no namespaces"
    ]
