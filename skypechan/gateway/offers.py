"""Calls from the lines to the PBX: what a client has offered becomes a call."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from skypechan.asterisk.cdr import CallDetails
from skypechan.asterisk.channel import PbxLeg
from skypechan.asterisk.dialplan import Origination
from skypechan.backends.base import Offer
from skypechan.call.causes import HangupCause
from skypechan.call.events import LineOffered
from skypechan.call.record import MOST_NAME, CallRecord, Direction, Side
from skypechan.call.routes import Incoming, Route, Target, find
from skypechan.clock import Clock
from skypechan.gateway.exchanges import Exchanges
from skypechan.gateway.line import Line
from skypechan.gateway.livecalls import LiveCalls
from skypechan.gateway.runner import CallRunner


class Offers:
    """Takes offers in, on their way to where `routes` say, or turns them away."""

    def __init__(
        self,
        exchanges: Exchanges,
        routes: Sequence[Route],
        calls: LiveCalls,
        clock: Clock,
    ) -> None:
        self._exchanges = exchanges
        self.routes = routes
        self._calls = calls
        self._clock = clock

    def turn_away(
        self, line: Line, offer: Offer, side: Side, cause: HangupCause, reason: str
    ) -> None:
        """File the record of an offer that is not taken."""
        self._calls.turn_away(self._record_of(line, offer), side, cause, reason)

    def take(self, line: Line, offer: Offer) -> CallRunner:
        """Take an offer; the call goes where a route says, else where the line does."""
        facts = Incoming(line.name, line.account, offer.caller, offer.kind)
        target = find(self.routes, facts, line.settings.target)
        return self.bring(line, offer, target)

    def bring(self, line: Line, offer: Offer, target: Target) -> CallRunner:
        """Take an offer on its way to a place of the dialplan."""
        record = self._record_of(line, offer)
        record.address = str(target)
        call = self._calls.new(record, line, line.settings.ring_seconds)
        call.line_leg = offer.leg

        async def originate() -> PbxLeg:
            origination = _origination(record, line, offer, target)
            pbx = self._exchanges.of(line).pbx
            leg = await pbx.originate(origination, call.post)
            channel = leg.channel
            record.uniqueid, record.linkedid = channel.uniqueid, channel.linkedid
            detailing = _detail_when_born(pbx.details, leg, record)
            self._calls.spawn(detailing, record.call)
            return leg

        call.originate = originate
        self._calls.start(call, LineOffered())
        return call

    def _record_of(self, line: Line, offer: Offer) -> CallRecord:
        return CallRecord(
            call=str(uuid.uuid4()),
            direction=Direction.TO_PBX,
            line=line.name,
            caller=offer.caller[:MOST_NAME],
            caller_name=offer.caller_name[:MOST_NAME],
            line_call=offer.leg.leg_id,
            placed=self._clock.wall(),
        )


async def _detail_when_born(
    details: CallDetails, leg: PbxLeg, record: CallRecord
) -> None:
    await leg.wait_for_birth()
    details.write(leg.channels, record)


def _origination(
    record: CallRecord, line: Line, offer: Offer, target: Target
) -> Origination:
    return Origination(
        target=target,
        call=record.call,
        line=line.name,
        account=line.account,
        caller=record.caller,
        caller_name=record.caller_name,
        kind=offer.kind,
        language=line.settings.language,
        ring_seconds=line.settings.ring_seconds,
    )
