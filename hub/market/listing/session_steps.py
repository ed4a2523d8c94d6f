"""Announce, open, close, verify, publish, reverse: what the operator does with a session (rows 35, 38, 39, 46, 161)."""

from datetime import date
from hashlib import sha256

from msgspec.structs import replace

from hub.market.listing.admission import price_refusal, trader_refusal
from hub.market.listing.allocation import share_out
from hub.market.listing.curves import decompose
from hub.market.listing.deals import (
    cancel,
    nothing_open,
    parts_of,
    refusal_of,
    with_both,
    with_change,
    with_open_contract,
)
from hub.market.listing.events import (
    Allocation,
    AnnounceSession,
    CloseSession,
    OpenSession,
    PublishSession,
    ReverseDeal,
    SetRules,
    VerifySession,
)
from hub.market.listing.market_state import (
    SHARE_WHOLE_PPM,
    Contract,
    Deal,
    Market,
    SessionState,
    Step,
    find_deal,
    with_session,
)
from hub.market.listing.outcomes import (
    DealCancelled,
    DealChecked,
    ListingReleased,
    Outcome,
    RefusalReason,
    ResultPublished,
    SessionMoved,
)
from hub.market.listing.products import PRODUCTS, DeliveryRule, ProductDefinition
from hub.market.listing.publication import Publication, PublishedDeal, make_publication
from hub.market.listing.quota import Change
from hub.market.listing.reference_steps import is_bad_lot
from hub.market.listing.session_calendar import allowed_delivery, day_of, previous_business_day
from hub.market.listing.states import State, Trigger, moved, next_state


def announce_session(market: Market, event: AnnounceSession) -> Step:
    """Publish a session's terms; without that by the business day before, it cannot open (rows 35, 159)."""
    trading_day = day_of(event.opens_at)
    if event.session_id in market.sessions:
        return RefusalReason.ID_TAKEN
    rules = _rules_in_force(market, event.province, trading_day)
    if rules is None:
        return RefusalReason.NO_RULES
    announced_by = previous_business_day(rules.calendar, trading_day)
    if announced_by is None:
        return RefusalReason.NO_CALENDAR
    definition = PRODUCTS[event.product]
    if day_of(event.at) > announced_by:
        return RefusalReason.ANNOUNCED_LATE
    reason = _terms_refusal(event, definition, rules, trading_day)
    if reason is not None:
        return reason
    session = SessionState(terms=event, rules=rules, state=State.SESSION_ANNOUNCED)
    return _moved(market, session)


def open_session(market: Market, event: OpenSession) -> Step:
    """Begin trading, not before the announced time."""
    session = _session_to(market, event.session_id, Trigger.OPEN)
    if isinstance(session, RefusalReason):
        return session
    return RefusalReason.TOO_EARLY if event.at < session.terms.opens_at else _moved(market, session)


def close_session(market: Market, event: CloseSession) -> Step:
    """End trading: share gathered takes out, release what is open with the quota that it occupied."""
    session = _session_to(market, event.session_id, Trigger.CLOSE)
    if isinstance(session, RefusalReason):
        return session
    if event.at < session.terms.closes_at:
        return RefusalReason.TOO_EARLY
    outcomes: list[Outcome] = []
    if session.is_shared_out:
        market, session, outcomes = share_out(market, session, event.at)
    for listing in session.listings.values():
        released = replace(listing, open_wh=0, open_periods_wh=nothing_open(listing))
        if listing.open_wh:
            parts = parts_of(session, listing.delivery, listing.open_periods_wh)
            market = with_change(market, session, listing.trader, listing.direction, parts=parts, change=Change.RELEASE)
            market = with_open_contract(market, listing, listing.open_periods_wh, 1)
            state = moved(listing.state, Trigger.RELEASE)
            released = replace(released, released_wh=listing.open_wh, state=state)
            outcomes.append(ListingReleased(event.session_id, listing.number, listing.open_wh))
        session = replace(session, listings=session.listings.put(listing.number, released))
    market, moves = _moved(market, session)
    return market, (*outcomes, *moves)


def verify_session(market: Market, event: VerifySession) -> Step:
    """Check every preliminary deal again, in the order in which they were made; who came first keeps its quota."""
    session = _session_to(market, event.session_id, Trigger.VERIFY)
    if isinstance(session, RefusalReason):
        return session
    if any(number not in session.deals for number in event.grid_refusals):
        return RefusalReason.UNKNOWN_DEAL
    deals = [deal for deal in session.deals.values() if deal.state is State.DEAL_PRELIMINARY]
    for deal in deals:
        market = with_both(market, session, deal, Change.RELEASE)
    outcomes: list[Outcome] = []
    for deal in deals:
        reason = (
            RefusalReason.GRID_SECURITY if deal.number in event.grid_refusals else _check_deal(market, session, deal)
        )
        if reason is None:
            market = with_both(market, session, deal, Change.OCCUPY)
            checked = replace(deal, state=moved(deal.state, Trigger.PASS))
            session = replace(session, deals=session.deals.put(deal.number, checked))
            outcomes.append(DealChecked(event.session_id, deal.number))
        else:
            market, session = cancel(market, session, deal, reason)
            outcomes.append(DealCancelled(event.session_id, deal.number, deal.energy_wh, reason))
    market, moves = _moved(market, session)
    return market, (*outcomes, *moves)


def publish_session(market: Market, event: PublishSession) -> Step:
    """Make the checked deals effective and publish them; they are contracts from now on (row 39)."""
    session = _session_to(market, event.session_id, Trigger.PUBLISH)
    if isinstance(session, RefusalReason):
        return session
    deals, contracts = session.deals, market.contracts
    for deal in deals.values():
        if deal.state is State.DEAL_CHECKED:
            effective = replace(deal, state=moved(deal.state, Trigger.PUBLISH))
            market = with_both(market, session, deal, Change.RELEASE, Change.TRADE)
            deals = deals.put(deal.number, effective)
            contract = _contract(session, effective)
            contracts = contracts.put(contract.contract_id, contract)
    session = _with_publication(replace(session, deals=deals), reversed_deal=None, document=session.terms.document)
    market, moves = _moved(replace(market, contracts=contracts), session)
    return market, (_published(session.publications[-1]), *moves)


def reverse_deal(market: Market, event: ReverseDeal) -> Step:
    """Take a published deal back by a new result; the earlier one stays as it was published (row 39)."""
    found = find_deal(market, event.session_id, event.deal)
    if isinstance(found, RefusalReason):
        return found
    session, deal = found
    following = next_state(deal.state, Trigger.REVERSE)
    if following is None:
        return RefusalReason.WRONG_STATE
    contract = market.contracts[_contract_id(session, deal)]
    if int(contract.open_periods_wh.sum()) != deal.energy_wh:
        return RefusalReason.CONTRACT_IN_USE
    market = with_both(market, session, deal, Change.UNDO)
    market = with_open_contract(market, deal, deal.periods_wh, 1)
    closed = replace(contract, open_periods_wh=deal.periods_wh * 0)
    market = replace(market, contracts=market.contracts.put(contract.contract_id, closed))
    session = replace(session, deals=session.deals.put(deal.number, replace(deal, state=following)))
    session = _with_publication(session, reversed_deal=deal.number, document=event.document)
    return with_session(market, session), (_published(session.publications[-1]),)


def _rules_in_force(market: Market, province: str, day: date) -> SetRules | None:
    return next((rules for rules in market.rules if rules.province == province and rules.effective.holds(day)), None)


def _terms_refusal(
    event: AnnounceSession, definition: ProductDefinition, rules: SetRules, trading_day: date
) -> RefusalReason | None:
    """Return what is wrong with the announced terms, None if nothing is."""
    limits, allowed = event.price_limits, allowed_delivery(definition.delivery, trading_day)
    is_bad_split = is_bad_lot(event.lot_wh, event.step_wh, event.periods_per_day) or is_bad_lot(
        event.take_lot_wh, event.step_wh, event.periods_per_day
    )
    is_bad_limit = limits.tick_uyuan_per_kwh <= 0 or limits.floor_uyuan_per_kwh > limits.cap_uyuan_per_kwh
    is_shared_out = event.allocation is Allocation.PRO_RATA
    plan = event.export_plan
    has_plan = (
        plan is not None
        and plan.energy_wh > 0
        and (plan.ex_plant_price_uyuan_per_kwh is not None or bool(plan.price_formation))
    )
    checks = (
        (event.opens_at >= event.closes_at or event.delivery.days <= 0, RefusalReason.BAD_DATES),
        (allowed is not None and not event.delivery.within(allowed), RefusalReason.OUTSIDE_DELIVERY),
        (rules.window is None and definition.delivery is DeliveryRule.DAYS_AHEAD, RefusalReason.NO_WINDOW),
        (is_bad_split, RefusalReason.BAD_LOT),
        (is_bad_limit, RefusalReason.BAD_PRICE_LIMITS),
        (not limits.effective.holds(trading_day), RefusalReason.NOT_IN_FORCE),
        (is_shared_out and not definition.pro_rata, RefusalReason.BAD_ALLOCATION),
        (event.residual_by_quota and not (is_shared_out and event.take_caps), RefusalReason.BAD_ALLOCATION),
        (_has_bad_caps(event), RefusalReason.BAD_TAKE_CAPS),
        (definition.export_plan and not has_plan, RefusalReason.NO_EXPORT_PLAN),
    )
    reason = next((reason for is_broken, reason in checks if is_broken), None)
    if reason is not None:
        return reason
    split = decompose(
        event.lot_wh, event.delivery, event.curve, periods_per_day=event.periods_per_day, step_wh=event.step_wh
    )
    return split if isinstance(split, RefusalReason) else None


def _has_bad_caps(event: AnnounceSession) -> bool:
    """Return whether the units' caps are no caps: each an energy, or each a share and the shares sum to one."""
    caps = event.take_caps
    if len({cap.unit_id for cap in caps}) < len(caps):
        return True
    energies = [cap.cap_wh for cap in caps if cap.cap_wh is not None and cap.share_ppm is None]
    shares = [cap.share_ppm for cap in caps if cap.share_ppm is not None and cap.cap_wh is None]
    if len(energies) == len(caps):
        return any(energy < 0 for energy in energies)
    return len(shares) < len(caps) or sum(shares) != SHARE_WHOLE_PPM


def _session_to(market: Market, session_id: str, trigger: Trigger) -> SessionState | RefusalReason:
    """Return the session in the state that the trigger leads to, or why it may not go there."""
    session = market.sessions.get(session_id)
    if session is None:
        return RefusalReason.UNKNOWN_SESSION
    following = next_state(session.state, trigger)
    return RefusalReason.WRONG_STATE if following is None else replace(session, state=following)


def _moved(market: Market, session: SessionState) -> tuple[Market, tuple[Outcome, ...]]:
    moves = (SessionMoved(session.terms.session_id, session.state.value),)
    return with_session(market, session), moves


def _check_deal(market: Market, session: SessionState, deal: Deal) -> RefusalReason | None:
    """Return why a deal fails the check: eligibility, price limits, quota of both sides (row 38)."""
    lister_direction = session.listings[deal.listing].direction
    parts = parts_of(session, deal.delivery, deal.periods_wh)
    for trader, direction in deal.sides():
        takes = direction is not lister_direction
        reason = (
            trader_refusal(market, session, trader, direction, takes=takes)
            or price_refusal(session.terms, deal.price_uyuan_per_kwh)
            or refusal_of(market, session, trader, direction, parts)
        )
        if reason is not None:
            return reason
    return None


def _contract_id(session: SessionState, deal: Deal) -> str:
    return f"{session.terms.session_id}/{deal.number}"


def _contract(session: SessionState, deal: Deal) -> Contract:
    return Contract(
        contract_id=_contract_id(session, deal),
        product=session.terms.product,
        seller_holder_id=deal.seller.holder_id,
        buyer_holder_id=deal.buyer.holder_id,
        delivery=deal.delivery,
        price_uyuan_per_kwh=deal.price_uyuan_per_kwh,
        periods_per_day=session.terms.periods_per_day,
        periods_wh=deal.periods_wh,
        open_periods_wh=deal.periods_wh,
        is_loaded=False,
    )


def _with_publication(session: SessionState, *, reversed_deal: int | None, document: str) -> SessionState:
    rows = [
        PublishedDeal(
            deal=deal.number,
            seller_id=deal.seller.participant_id,
            seller_unit_id=deal.seller.unit_id,
            buyer_id=deal.buyer.participant_id,
            buyer_unit_id=deal.buyer.unit_id,
            contract_id=deal.contract_id,
            delivery=deal.delivery,
            energy_wh=deal.energy_wh,
            price_uyuan_per_kwh=deal.price_uyuan_per_kwh,
            periods_sha256=sha256(deal.periods_wh.astype("<i8").tobytes()).hexdigest(),
        )
        for deal in session.deals.values()
        if deal.state is State.DEAL_EFFECTIVE
    ]
    publication = make_publication(
        session.terms.session_id,
        session.terms.product,
        rows,
        previous=session.publications[-1] if session.publications else None,
        reversed_deal=reversed_deal,
        document=document,
    )
    return replace(session, publications=(*session.publications, publication))


def _published(publication: Publication) -> ResultPublished:
    return ResultPublished(
        publication.session_id,
        publication.number,
        publication.sha256,
        len(publication.deals),
        publication.energy_wh,
        publication.value_nano_yuan,
        publication.mean_price_uyuan_per_kwh,
    )
