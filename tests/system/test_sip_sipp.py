"""sipp judges as it should: each scenario passes on what it wants, fails on else."""

from __future__ import annotations

import pytest

from tests.doubles.sipp import Sipp

RIGHT = {
    "answered": "test-answer",
    "cancelled": "test-ring",
    "busy": "test-cause-17",
    "refused": "test-cause-21",
    "no_answer": "test-cause-19",
    "no_gateway": "test-cause-38",
}
WRONG = {
    "answered": "600",  # no 180
    "busy": "test-cause-21",
    "refused": "test-cause-17",
    "no_answer": "test-answer",
    "no_gateway": "test-ring",
}


@pytest.mark.parametrize("scenario", RIGHT)
async def test_scenario_passes_on_what_it_wants(sipp: Sipp, scenario: str) -> None:
    run = await sipp(scenario, RIGHT[scenario])
    assert run.passed, run.complaint


@pytest.mark.parametrize("scenario", WRONG)
async def test_scenario_fails_on_anything_else(sipp: Sipp, scenario: str) -> None:
    run = await sipp(scenario, WRONG[scenario])
    assert not run.passed, run.statuses


async def test_times_are_those_of_the_wire(sipp: Sipp) -> None:
    run = await sipp("answered", "test-answer")
    assert run.statuses == [100, 180, 200]
    rang = (run.received_ns(180) - run.sent_ns("INVITE")) / 1e6
    answered = (run.received_ns(200) - run.received_ns(180)) / 1e6
    assert 0 < rang < 200
    assert 499 < answered < 700  # the extension waits for half a second
