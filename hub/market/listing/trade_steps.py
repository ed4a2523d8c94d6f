"""List, take, agree on a curve: what participants do while a session is open (rows 36, 37, 40, 46, 47, 167)."""

from msgspec.structs import replace

from hub.market.listing.admission import (
    delivery_refusal,
    energy_refusal,
    lock_refusal,
    locked_by_deal,
    price_refusal,
    trader_refusal,
    trading_refusal,
    window_refusal,
)
from hub.market.listing.curves import decompose, take_from
from hub.market.listing.deals import (
    contract_rows,
    frozen,
    new_deal,
    parts_of,
    refusal_of,
    stand,
    with_both,
    with_change,
    with_open_contract,
)
from hub.market.listing.events import AgreeCurve, PlaceListing, TakeListing, WithdrawListing
from hub.market.listing.market_state import (
    Deal,
    Listing,
    Market,
    SessionState,
    Step,
    Trader,
    find_deal,
    holder_of,
    with_session,
)
from hub.market.listing.outcomes import (
    CurveChanged,
    CurveProposed,
    DealMade,
    ListingStands,
    RefusalReason,
    TakeGathered,
)
from hub.market.listing.products import ListingProduct, opposite
from hub.market.listing.quota import Change
from hub.market.listing.session_calendar import Delivery
from hub.market.listing.states import State, Trigger, moved
from hub.market.trades import Int64Array

ANNUAL_PRODUCTS = frozenset({ListingProduct.ORDINARY_ANNUAL, ListingProduct.AGENCY_ANNUAL})


def place_listing(market: Market, event: PlaceListing) -> Step:
    """Put an offer into the book; from now on it occupies quota, whole and in every interval."""
    session = market.sessions.get(event.session_id)
    if session is None:
        return RefusalReason.UNKNOWN_SESSION
    trader = Trader(event.participant_id, event.unit_id)
    delivery = event.delivery or session.terms.delivery
    reason = (
        trading_refusal(session, event.at)
        or (RefusalReason.WRONG_ROLE if event.direction not in session.definition.listing_directions else None)
        or trader_refusal(market, session, trader, event.direction, takes=False)
        or delivery_refusal(session, delivery, event.at)
        or energy_refusal(event.energy_wh, session.terms.lot_wh)
        or price_refusal(session.terms, event.price_uyuan_per_kwh)
    )
    if reason is not None:
        return reason
    if session.is_shared_out and not holder_of(market, session.rules, trader).is_free:
        return RefusalReason.BAD_ALLOCATION
    periods_wh = _listed_curve(market, session, event, trader, delivery)
    if isinstance(periods_wh, RefusalReason):
        return periods_wh
    parts = parts_of(session, delivery, periods_wh)
    reason = lock_refusal(
        market, session, trader, event.direction, delivery=delivery, periods_wh=periods_wh
    ) or refusal_of(market, session, trader, event.direction, parts)
    if reason is not None:
        return reason
    listing = Listing(
        number=len(session.listings) + 1,
        trader=trader,
        direction=event.direction,
        delivery=delivery,
        energy_wh=event.energy_wh,
        price_uyuan_per_kwh=event.price_uyuan_per_kwh,
        curve=event.curve,
        contract_id=event.contract_id,
        state=moved(State.LISTING_DRAFT, Trigger.ADMIT),
        open_wh=event.energy_wh,
        taken_wh=0,
        released_wh=0,
        periods_wh=frozen(periods_wh),
        open_periods_wh=periods_wh,
    )
    market = with_change(market, session, trader, event.direction, parts=parts, change=Change.OCCUPY)
    market = with_open_contract(market, listing, periods_wh, -1)
    session = replace(session, listings=session.listings.put(listing.number, listing))
    stands = ListingStands(
        event.session_id, listing.number, event.direction, event.energy_wh, event.price_uyuan_per_kwh
    )
    return with_session(market, session), (stands,)


def take_listing(market: Market, event: TakeListing) -> Step:
    """Accept a listing or a part of it: at once a preliminary deal, or kept until the session shares takes out."""
    session = market.sessions.get(event.session_id)
    listing = None if session is None else session.listings.get(event.listing)
    if session is None or listing is None:
        return RefusalReason.UNKNOWN_SESSION if session is None else RefusalReason.UNKNOWN_LISTING
    taker = Trader(event.participant_id, event.unit_id)
    direction = opposite(listing.direction)
    reason = (
        trading_refusal(session, event.at)
        or trader_refusal(market, session, taker, direction, takes=True)
        or _offer_refusal(session, listing, event)
    )
    if reason is not None:
        return reason
    periods_wh = take_from(listing.open_periods_wh, event.energy_wh, step_wh=session.terms.step_wh)
    parts = parts_of(session, listing.delivery, periods_wh)
    reason = (
        lock_refusal(market, session, taker, direction, delivery=listing.delivery, periods_wh=periods_wh)
        or lock_refusal(
            market, session, listing.trader, listing.direction, delivery=listing.delivery, periods_wh=periods_wh
        )
        or refusal_of(market, session, taker, direction, parts)
    )
    if reason is not None:
        return reason
    session = session.with_taken(listing.number, taker, event.energy_wh)
    is_gathered = session.is_shared_out
    state = State.DEAL_GATHERED if is_gathered else State.DEAL_PRELIMINARY
    deal = new_deal(session, listing, taker, periods_wh, at=event.at, state=state)
    if is_gathered:
        market = with_change(market, session, taker, direction, parts=parts, change=Change.OCCUPY)
        session = replace(session, deals=session.deals.put(deal.number, deal))
        gathered = TakeGathered(event.session_id, deal.number, listing.number, deal.energy_wh)
        return with_session(market, session), (gathered,)
    market, session = stand(market, session, deal, taker)
    open_wh = session.listings[listing.number].open_wh
    made = DealMade(
        event.session_id, deal.number, listing.number, deal.energy_wh, deal.price_uyuan_per_kwh, open_wh, assigned=False
    )
    return market, (made,)


def withdraw_listing(market: Market, event: WithdrawListing) -> RefusalReason:
    """Return why an offer cannot be taken back: it binds until the session ends, which releases it (rows 30, 36)."""
    session = market.sessions.get(event.session_id)
    listing = None if session is None else session.listings.get(event.listing)
    if session is None or listing is None:
        return RefusalReason.UNKNOWN_SESSION if session is None else RefusalReason.UNKNOWN_LISTING
    if listing.trader.participant_id != event.participant_id:
        return RefusalReason.FOREIGN_LISTING
    return trading_refusal(session, event.at) or RefusalReason.BINDING_OFFER


def agree_curve(market: Market, event: AgreeCurve) -> Step:
    """Note one party's wish for another curve; when both want the same and quotas hold, it is the deal's curve."""
    found = find_deal(market, event.session_id, event.deal)
    if isinstance(found, RefusalReason):
        return found
    session, deal = found
    until = session.terms.curve_agreed_until
    parties = {trader.participant_id for trader, _ in deal.sides()}
    checks = (
        (deal.state is not State.DEAL_PRELIMINARY, RefusalReason.WRONG_STATE),
        (event.participant_id not in parties, RefusalReason.NOT_A_PARTY),
        (not session.definition.custom_curve, RefusalReason.CURVE_NOT_ALLOWED),
        (until is None or event.at >= until, RefusalReason.PAST_DEADLINE),
    )
    reason = next((reason for is_broken, reason in checks if is_broken), None)
    if reason is not None:
        return reason
    terms = session.terms
    periods_wh = decompose(
        deal.energy_wh, deal.delivery, event.curve, periods_per_day=terms.periods_per_day, step_wh=terms.step_wh
    )
    if isinstance(periods_wh, RefusalReason):
        return periods_wh
    proposal = deal.curve_proposal
    if proposal is None or proposal[0] == event.participant_id or proposal[1] != event.curve:
        proposed = replace(deal, curve_proposal=(event.participant_id, event.curve))
        session = replace(session, deals=session.deals.put(deal.number, proposed))
        return with_session(market, session), (CurveProposed(event.session_id, deal.number),)
    return _with_curve(market, session, deal, periods_wh)


def _with_curve(market: Market, session: SessionState, deal: Deal, periods_wh: Int64Array) -> Step:
    market = with_both(market, session, deal, Change.RELEASE)
    parts = parts_of(session, deal.delivery, periods_wh)
    for trader, direction in deal.sides():
        reason = refusal_of(market, session, trader, direction, parts) or lock_refusal(
            market, session, trader, direction, delivery=deal.delivery, periods_wh=periods_wh
        )
        if reason is not None:
            return reason
    deal = replace(deal, periods_wh=frozen(periods_wh), curve_proposal=None)
    market = with_both(market, session, deal, Change.OCCUPY)
    session = locked_by_deal(market, replace(session, deals=session.deals.put(deal.number, deal)), deal)
    return with_session(market, session), (CurveChanged(session.terms.session_id, deal.number),)


def _listed_curve(
    market: Market, session: SessionState, event: PlaceListing, trader: Trader, delivery: Delivery
) -> Int64Array | RefusalReason:
    """Return the energy of each period of a listing, or why there is none."""
    terms = session.terms
    if event.curve is not None and not session.definition.custom_curve:
        return RefusalReason.CURVE_NOT_ALLOWED
    if terms.product is ListingProduct.CONTRACT_TRANSFER:
        return _transferred_curve(market, session, event, trader, delivery)
    if event.contract_id is not None:
        return RefusalReason.CONTRACT_NOT_ALLOWED
    curve = terms.curve if event.curve is None else event.curve
    return decompose(event.energy_wh, delivery, curve, periods_per_day=terms.periods_per_day, step_wh=terms.step_wh)


def _transferred_curve(
    market: Market, session: SessionState, event: PlaceListing, trader: Trader, delivery: Delivery
) -> Int64Array | RefusalReason:
    """Return the part of an executed annual contract that is passed on, in the contract's own shape (rows 32, 168)."""
    if event.contract_id is None:
        return RefusalReason.CONTRACT_REQUIRED
    contract = market.contracts.get(event.contract_id)
    if contract is None:
        return RefusalReason.UNKNOWN_CONTRACT
    checks = (
        (contract.seller_holder_id != trader.holder_id, RefusalReason.FOREIGN_CONTRACT),
        (contract.product not in ANNUAL_PRODUCTS, RefusalReason.NOT_ANNUAL),
        (not delivery.within(contract.delivery), RefusalReason.OUTSIDE_DELIVERY),
        (contract.periods_per_day != session.terms.periods_per_day, RefusalReason.CURVE_LENGTH),
    )
    reason = next((reason for is_broken, reason in checks if is_broken), None)
    if reason is not None:
        return reason
    open_wh = contract.open_periods_wh[contract_rows(contract, delivery)]
    step_wh = session.terms.step_wh
    if event.energy_wh > int((open_wh // step_wh).sum()) * step_wh:
        return RefusalReason.ABOVE_CONTRACT
    return take_from(open_wh, event.energy_wh, step_wh=step_wh)


def _offer_refusal(session: SessionState, listing: Listing, event: TakeListing) -> RefusalReason | None:
    """Return why this listing cannot be taken so: price, energy, the taker's cap (rows 37, 40, 172, 177)."""
    terms = session.terms
    is_lot = event.energy_wh == listing.open_wh or event.energy_wh % terms.take_lot_wh == 0
    is_other_price = event.price_uyuan_per_kwh not in {None, listing.price_uyuan_per_kwh}
    checks = (
        (listing.trader.participant_id == event.participant_id, RefusalReason.OWN_LISTING),
        (is_other_price, RefusalReason.COUNTER_OFFER),
        (event.energy_wh <= 0, RefusalReason.NOT_POSITIVE),
        (event.energy_wh > listing.open_wh, RefusalReason.ABOVE_REMAINING),
        (not is_lot, RefusalReason.OFF_LOT),
    )
    reason = next((reason for is_broken, reason in checks if is_broken), None)
    if reason is not None:
        return reason
    reason = window_refusal(session.rules, session.definition, listing.delivery, event.at)
    if reason is not None or not terms.take_caps:
        return reason
    if event.unit_id is None:
        return RefusalReason.UNIT_REQUIRED
    cap_wh = session.take_cap_wh(listing, event.unit_id)
    if cap_wh is None:
        return RefusalReason.NO_TAKE_CAP
    taken_wh = session.taken_wh.get((listing.number, event.unit_id)) or 0
    return RefusalReason.ABOVE_TAKE_CAP if taken_wh + event.energy_wh > cap_wh else None
