"""How much more may be listed: the smallest room of all quotas, in whole lots (row 46)."""

from hub.market.listing.allocation import largest_fitting
from hub.market.listing.curves import Curve, decompose
from hub.market.listing.deals import parts_of, refusal_of
from hub.market.listing.events import ENERGY_WH_MAX
from hub.market.listing.market_state import Market, SessionState, Trader
from hub.market.listing.outcomes import RefusalReason
from hub.market.listing.session_calendar import Delivery
from hub.market.registry.participant_classes import Direction


def available_wh(
    market: Market,
    session: SessionState,
    trader: Trader,
    direction: Direction,
    *,
    delivery: Delivery | None = None,
    curve: Curve | None = None,
) -> int:
    """Return the largest number of lots that every quota of the trader still allows with this curve, in Wh.

    Avail = min(net room; turnover room; room of each interval over its share), with all open listings counted, rounded
    down to a multiple of the lot. delivery and curve: None for the session's.
    """
    terms = session.terms
    days = terms.delivery if delivery is None else delivery

    def fits(lots: int) -> bool:
        periods_wh = decompose(
            lots * terms.lot_wh,
            days,
            terms.curve if curve is None else curve,
            periods_per_day=terms.periods_per_day,
            step_wh=terms.step_wh,
        )
        if isinstance(periods_wh, RefusalReason):
            return False
        return refusal_of(market, session, trader, direction, parts_of(session, days, periods_wh)) is None

    return largest_fitting(ENERGY_WH_MAX // terms.lot_wh, fits) * terms.lot_wh
