"""No gateway runs: the caller is told soon, and never hears it ring."""

from __future__ import annotations

import pytest

from tests.doubles.sip_agent import SipAgent
from tests.doubles.sipp import Sipp
from tests.system.figures import MEASURED

EXTENSIONS = ["556", "557", "558", "prepare-30-echo", "dial-30-echo", "local-30-echo"]


@pytest.mark.parametrize("extension", EXTENSIONS)
async def test_500_within_two_and_a_half_seconds_without_ringing(
    phone: SipAgent, extension: str
) -> None:
    call = phone.call(extension)
    final = await call.final_response(5)
    took = (final.at_ns - call.placed_ns) / 1e6
    MEASURED.add("INVITE to 500 without a gateway", took)
    assert call.statuses == [100, 500]
    assert took < 2500


@pytest.mark.parametrize("extension", EXTENSIONS)
async def test_sipp_gets_500_within_two_and_a_half_seconds(
    sipp: Sipp, extension: str
) -> None:
    run = await sipp("no_gateway", extension)
    assert run.passed, run.complaint
    assert (run.received_ns(500) - run.sent_ns("INVITE")) / 1e6 < 2500


async def test_plain_form_is_refused_at_once(phone: SipAgent) -> None:
    call = phone.call("559")
    final = await call.final_response(5)
    assert final.status >= 500
    assert (final.at_ns - call.placed_ns) / 1e6 < 2500
