"""The listing market's log (row 48): its records, and the market that events make one after the other."""

from collections.abc import Iterable
from typing import TypeAlias

from hub.market.event_log import Record, record_of
from hub.market.listing.events import Event
from hub.market.listing.listing_step import step
from hub.market.listing.market_state import Market
from hub.market.listing.outcomes import Outcome

LogRecord: TypeAlias = Record[Event, tuple[Outcome, ...]]
"""One record of the log. The event holds time and actor."""


def run(events: Iterable[Event], market: Market | None = None) -> tuple[Market, list[LogRecord]]:
    """Take events one after the other from an empty market (or the one given) and return its end and the log."""
    market = Market() if market is None else market
    records: list[LogRecord] = []
    for event in events:
        market, outcomes = step(market, event)
        records.append(record_of(records[-1] if records else None, event, outcomes))
    return market, records
