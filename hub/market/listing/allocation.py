"""Takes that were gathered are shared out when the session closes: rows 172, 173.

More was asked for than is listed: pro rata to what each asked for, in whole steps, by largest remainder. Less: the rest
is assigned pro rata to what each unit may still take, never above it; what all of them together cannot take is unmet.
"""

from collections.abc import Callable
from datetime import datetime

import numpy as np
from msgspec.structs import replace

from hub.market.listing.admission import lock_refusal, trader_refusal
from hub.market.listing.curves import take_from
from hub.market.listing.deals import new_deal, parts_of, refusal_of, stand, with_change
from hub.market.listing.market_state import Deal, Listing, Market, SessionState, Trader, with_session
from hub.market.listing.outcomes import DealCancelled, DealMade, Outcome, RefusalReason, Unmet
from hub.market.listing.products import opposite
from hub.market.listing.quota import Change
from hub.market.listing.states import State, Trigger, moved
from hub.market.pro_rata import largest_remainder_of_list
from hub.market.registry.participant_classes import Direction


def share_out(market: Market, session: SessionState, at: datetime) -> tuple[Market, SessionState, list[Outcome]]:
    """Turn the gathered takes of every listing into preliminary deals, listing by listing in their order."""
    outcomes: list[Outcome] = []
    for number in session.listings:
        market, session = _share_out_takes(market, session, number, outcomes)
        if session.terms.residual_by_quota and session.listings[number].open_wh:
            market, session = _assign_rest(market, session, number, at, outcomes)
    return market, session, outcomes


def over_subscribed(listed: int, asked: list[int]) -> list[int]:
    """Return what each take gets of `listed`: q_i = Q d_i / sum d, whole steps, at most d_i (row 173).

    :param listed: steps; asked: steps of each take, in the order of arrival, which breaks ties
    """
    return largest_remainder_of_list(min(listed, sum(asked)), asked)


def under_subscribed(rest: int, remaining: list[int]) -> tuple[list[int], int]:
    """Return what each unit is assigned of the rest, R r_i / sum r or all of r_i, and what stays unmet (row 172).

    :param rest: steps; remaining: steps that each unit may still take
    """
    met = min(rest, sum(remaining))
    return largest_remainder_of_list(met, remaining), rest - met


def fits_quota(market: Market, session: SessionState, listing: Listing, taker: Trader, steps: int) -> bool:
    """Return whether the taker may trade these steps of the listing on top of all it has."""
    direction, step_wh = opposite(listing.direction), session.terms.step_wh
    periods_wh = take_from(listing.periods_wh, steps * step_wh, step_wh=step_wh)
    if lock_refusal(market, session, taker, direction, delivery=listing.delivery, periods_wh=periods_wh) is not None:
        return False
    parts = parts_of(session, listing.delivery, periods_wh)
    return refusal_of(market, session, taker, direction, parts) is None


def largest_fitting(most: int, fits: Callable[[int], bool]) -> int:
    """Return a number of steps that fits, found by halving: 0, or n with n fitting and n + 1 not, or `most`."""
    if most <= 0 or fits(most):
        return max(most, 0)
    low, high = 0, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _share_out_takes(
    market: Market, session: SessionState, number: int, outcomes: list[Outcome]
) -> tuple[Market, SessionState]:
    listing, step_wh = session.listings[number], session.terms.step_wh
    takes = [deal for deal in session.deals.values() if deal.listing == number and deal.state is State.DEAL_GATHERED]
    shares = over_subscribed(listing.open_wh // step_wh, [deal.energy_wh // step_wh for deal in takes])
    for take, steps in zip(takes, shares, strict=True):
        market = _without_occupation(market, session, take)
        if steps:
            periods_wh = take_from(take.periods_wh, steps * step_wh, step_wh=step_wh)
            periods_wh.flags.writeable = False
            state = moved(take.state, Trigger.ALLOCATE)
            deal = replace(take, energy_wh=steps * step_wh, periods_wh=periods_wh, state=state)
            market, session = stand(market, session, deal, _taker(session, take))
            outcomes.append(_made(session, deal))
            continue
        reason = RefusalReason.OVERSUBSCRIBED
        dropped = replace(
            take,
            energy_wh=0,
            periods_wh=np.zeros_like(take.periods_wh),
            state=moved(take.state, Trigger.FAIL),
            reason=reason,
        )
        session = replace(session, deals=session.deals.put(take.number, dropped))
        market = with_session(market, session)
        outcomes.append(DealCancelled(session.terms.session_id, take.number, take.energy_wh, reason))
    return market, session


def _assign_rest(
    market: Market, session: SessionState, number: int, at: datetime, outcomes: list[Outcome]
) -> tuple[Market, SessionState]:
    listing, step_wh = session.listings[number], session.terms.step_wh
    takers, remaining = [], []
    for cap in session.terms.take_caps:
        unit = market.units.get(cap.unit_id)
        cap_wh = session.take_cap_wh(listing, cap.unit_id)
        if unit is None or cap_wh is None:
            continue
        taker = Trader(unit.participant_id, unit.unit_id)
        taken_wh = session.taken_wh.get((number, unit.unit_id)) or 0
        takers.append(taker)
        remaining.append(_remaining_steps(market, session, listing, taker, (cap_wh - taken_wh) // step_wh))
    shares, unmet = under_subscribed(listing.open_wh // step_wh, remaining)
    for taker, share in zip(takers, shares, strict=True):
        steps = share
        while steps and not fits_quota(market, session, listing, taker, steps):
            steps -= 1  # a smaller share's curve may round up where a larger one's did not
        unmet += share - steps
        if not steps:
            continue
        periods_wh = take_from(listing.periods_wh, steps * step_wh, step_wh=step_wh)
        deal = new_deal(session, listing, taker, periods_wh, at=at, state=State.DEAL_PRELIMINARY)
        deal = replace(deal, asked_wh=0, assigned=True)
        market, session = stand(market, session, deal, taker)
        outcomes.append(_made(session, deal))
    if unmet:
        outcomes.append(Unmet(session.terms.session_id, number, unmet * step_wh))
    return market, session


def _remaining_steps(market: Market, session: SessionState, listing: Listing, taker: Trader, cap: int) -> int:
    """Return what a unit may still take: what is left of its cap, or less if its quotas allow no more."""
    if trader_refusal(market, session, taker, opposite(listing.direction), takes=True) is not None:
        return 0
    most = min(cap, listing.energy_wh // session.terms.step_wh)
    room = largest_fitting(most, lambda steps: fits_quota(market, session, listing, taker, steps))
    return cap if room == most else room


def _without_occupation(market: Market, session: SessionState, take: Deal) -> Market:
    direction = opposite(session.listings[take.listing].direction)
    parts = parts_of(session, take.delivery, take.periods_wh)
    return with_change(market, session, _taker(session, take), direction, parts=parts, change=Change.RELEASE)


def _taker(session: SessionState, take: Deal) -> Trader:
    is_sale = session.listings[take.listing].direction is Direction.SELL
    return take.buyer if is_sale else take.seller


def _made(session: SessionState, deal: Deal) -> DealMade:
    return DealMade(
        session.terms.session_id,
        deal.number,
        deal.listing,
        deal.energy_wh,
        deal.price_uyuan_per_kwh,
        session.listings[deal.listing].open_wh,
        assigned=deal.assigned,
    )
