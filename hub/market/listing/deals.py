"""What a deal changes: listing, positions of both sides, locks, transferred contract; and how to undo it."""

from collections.abc import Iterable
from datetime import datetime

import numpy as np
from msgspec.structs import replace

from hub.market.listing.admission import locked_by_deal
from hub.market.listing.market_state import (
    Contract,
    Deal,
    Listing,
    Market,
    SessionState,
    Trader,
    holder_of,
    with_session,
)
from hub.market.listing.outcomes import RefusalReason
from hub.market.listing.quota import Change, MonthPart, month_parts, moved, quota_refusal
from hub.market.listing.session_calendar import Delivery
from hub.market.listing.states import State, Trigger
from hub.market.listing.states import moved as moved_state
from hub.market.registry.participant_classes import Direction
from hub.market.trades import Int64Array


def frozen(column: Int64Array) -> Int64Array:
    """Return the column, read-only from now on."""
    column.flags.writeable = False
    return column


def parts_of(session: SessionState, delivery: Delivery, periods_wh: Int64Array) -> tuple[MonthPart, ...]:
    """Return a curve of the session by delivery month."""
    return month_parts(delivery, periods_wh, periods_per_day=session.terms.periods_per_day)


def with_change(
    market: Market,
    session: SessionState,
    trader: Trader,
    direction: Direction,
    *,
    parts: Iterable[MonthPart],
    change: Change,
) -> Market:
    """Return the market after one side's position changed; classes without quota have none."""
    holder = holder_of(market, session.rules, trader)
    if holder.is_free:
        return market
    return replace(market, positions=moved(market.positions, holder.holder_id, parts, direction, change))


def refusal_of(
    market: Market, session: SessionState, trader: Trader, direction: Direction, parts: tuple[MonthPart, ...]
) -> RefusalReason | None:
    """Return the quota that these parts would exceed on one side, None if all hold."""
    holder = holder_of(market, session.rules, trader)
    return quota_refusal(market.limits, market.positions, holder, parts, direction)


def with_both(market: Market, session: SessionState, deal: Deal, *changes: Change) -> Market:
    """Return the market after the deal's energy was put on or taken off the positions of both sides."""
    parts = parts_of(session, deal.delivery, deal.periods_wh)
    for trader, direction in deal.sides():
        for change in changes:
            market = with_change(market, session, trader, direction, parts=parts, change=change)
    return market


def new_deal(
    session: SessionState, listing: Listing, taker: Trader, periods_wh: Int64Array, *, at: datetime, state: State
) -> Deal:
    """Return a deal of the listing with the taker, with the next number; it stands nowhere yet."""
    is_sale = listing.direction is Direction.SELL
    energy_wh = int(periods_wh.sum())
    return Deal(
        number=len(session.deals) + 1,
        listing=listing.number,
        seller=listing.trader if is_sale else taker,
        buyer=taker if is_sale else listing.trader,
        delivery=listing.delivery,
        energy_wh=energy_wh,
        asked_wh=energy_wh,
        price_uyuan_per_kwh=listing.price_uyuan_per_kwh,
        state=state,
        periods_wh=frozen(periods_wh),
        made_at=at,
        contract_id=listing.contract_id,
    )


def stand(market: Market, session: SessionState, deal: Deal, taker: Trader) -> tuple[Market, SessionState]:
    """Return market and session with a preliminary deal: off its listing, on the taker's quota, hours locked.

    Both sides occupy their quota until the result is published, the lister as it did with its listing: a deal that may
    still be cancelled makes no room the other way. In a session that shares takes out, the listing's curve stays whole
    until the close: its lister has no quota, and each taker's curve follows from what it occupied.
    """
    assert deal.state is State.DEAL_PRELIMINARY
    listing = session.listings[deal.listing]
    direction = next(way for trader, way in deal.sides() if trader == taker)
    parts = parts_of(session, deal.delivery, deal.periods_wh)
    market = with_change(market, session, taker, direction, parts=parts, change=Change.OCCUPY)
    open_wh = listing.open_wh - deal.energy_wh
    assert open_wh >= 0
    open_periods_wh = listing.open_periods_wh
    if not session.is_shared_out:
        open_periods_wh = frozen(listing.open_periods_wh - deal.periods_wh)
    listing = replace(
        listing,
        open_wh=open_wh,
        taken_wh=listing.taken_wh + deal.energy_wh,
        open_periods_wh=open_periods_wh,
        state=moved_state(listing.state, Trigger.TAKE_PART if open_wh else Trigger.TAKE_REST),
    )
    session = replace(
        session, listings=session.listings.put(listing.number, listing), deals=session.deals.put(deal.number, deal)
    )
    session = locked_by_deal(market, session, deal)
    return with_session(market, session), session


def with_open_contract(market: Market, deal_or_listing: Deal | Listing, periods_wh: Int64Array, sign: int) -> Market:
    """Return the market with energy of a contract given back (+1) for transfer or set aside (-1); others unchanged."""
    contract_id, delivery = deal_or_listing.contract_id, deal_or_listing.delivery
    if contract_id is None:
        return market
    contract = market.contracts[contract_id]
    rows = contract_rows(contract, delivery)
    changed = contract.open_periods_wh.copy()
    changed[rows] += sign * periods_wh
    assert not bool((changed < 0).any())
    contract = replace(contract, open_periods_wh=frozen(changed))
    return replace(market, contracts=market.contracts.put(contract_id, contract))


def contract_rows(contract: Contract, delivery: Delivery) -> slice:
    """Return where the delivery's periods stand in the contract's; the delivery lies within it."""
    first = (delivery.from_day - contract.delivery.from_day).days
    return slice(first * contract.periods_per_day, (first + delivery.days) * contract.periods_per_day)


def cancel(market: Market, session: SessionState, deal: Deal, reason: RefusalReason) -> tuple[Market, SessionState]:
    """Return market and session without a deal whose quota is released on both sides already (rows 30, 38).

    Its energy is released, not listed again: the session is over.
    """
    listing = session.listings[deal.listing]
    listing = replace(
        listing, taken_wh=listing.taken_wh - deal.energy_wh, released_wh=listing.released_wh + deal.energy_wh
    )
    cancelled = replace(deal, state=moved_state(deal.state, Trigger.FAIL), reason=reason)
    market = with_open_contract(market, deal, deal.periods_wh, 1)
    session = replace(
        session,
        listings=session.listings.put(listing.number, listing),
        deals=session.deals.put(deal.number, cancelled),
    )
    return with_session(market, session), session


def nothing_open(listing: Listing) -> Int64Array:
    """Return an open curve without energy."""
    return frozen(np.zeros_like(listing.open_periods_wh))
