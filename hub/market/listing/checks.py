"""The laws of listing trading (DESIGN section 4), each written once; used before commit, in the tool and in tests.

They are written from the definitions: positions are added up again from contracts, listings and deals, the result's
sums from its deals, and the state by running the log again.
"""

from collections.abc import Iterator, Sequence
from hashlib import sha256

import numpy as np

from hub.market.event_log import check_log
from hub.market.listing.admission import price_refusal
from hub.market.listing.event_log import LogRecord, run
from hub.market.listing.events import Event, LoadContract, ReverseDeal
from hub.market.listing.market_state import Contract, Deal, Listing, Market, SessionState, Trader, holder_of
from hub.market.listing.outcomes import Outcome, Refused, Repeated
from hub.market.listing.publication import mean_price, publication_sha256
from hub.market.listing.quota import (
    Change,
    Holder,
    MonthPosition,
    Positions,
    empty_position,
    month_parts,
    moved,
    turnover_cap_wh,
)
from hub.market.listing.states import State
from hub.market.registry.participant_classes import Direction
from hub.market.trades import NO_LIMIT_WH, Int64Array, Violation

_UNPUBLISHED = frozenset({State.DEAL_PRELIMINARY, State.DEAL_CHECKED})
_STANDING = _UNPUBLISHED | {State.DEAL_EFFECTIVE}


def check_outcome_counts(events: int, market: Market) -> list[Violation]:
    """Law 1: accepted + refused + repeated = submitted."""
    if market.submitted == events:
        return []
    return [Violation(1, "events", f"{events} submitted, {market.submitted} accepted, refused or repeated")]


def check_listings(session: SessionState) -> list[Violation]:
    """Law 1: open + taken + released = listed; what is taken is the sum of deals; prices keep cap, floor and tick."""
    found = []
    for listing in session.listings.values():
        where = f"{session.terms.session_id} listing {listing.number}"
        parts = (listing.open_wh, listing.taken_wh, listing.released_wh)
        if sum(parts) != listing.energy_wh or min(parts) < 0:
            found.append(Violation(1, where, f"{parts} open, taken and released Wh are not {listing.energy_wh} listed"))
        dealt_wh = sum(deal.energy_wh for deal in _deals_of(session, listing, _STANDING | {State.DEAL_REVERSED}))
        if dealt_wh != listing.taken_wh:
            found.append(Violation(1, where, f"{listing.taken_wh} Wh taken, its deals sum to {dealt_wh}"))
        if price_refusal(session.terms, listing.price_uyuan_per_kwh) is not None:
            found.append(Violation(1, where, f"price {listing.price_uyuan_per_kwh} breaks the session's limits"))
        if listing.energy_wh % session.terms.lot_wh:
            found.append(Violation(1, where, f"{listing.energy_wh} Wh is not a multiple of the lot"))
        found += [
            Violation(1, f"{session.terms.session_id} deal {deal.number}", "its price is not the listing's")
            for deal in _deals_of(session, listing, frozenset(State))
            if deal.price_uyuan_per_kwh != listing.price_uyuan_per_kwh
        ]
    return found


def check_curves(session: SessionState) -> list[Violation]:
    """Law 1: every curve sums to its energy, in whole steps, none negative; no period is open beyond the listing."""
    found = []
    for listing in session.listings.values():
        where = f"{session.terms.session_id} listing {listing.number}"
        open_wh = listing.open_periods_wh
        is_whole = session.is_shared_out and session.state is State.SESSION_OPEN
        if int(listing.periods_wh.sum()) != listing.energy_wh:
            found.append(Violation(1, where, "its curve does not sum to its energy"))
        if int(open_wh.sum()) != (listing.energy_wh if is_whole else listing.open_wh):
            found.append(Violation(1, where, "the curve of what is open does not sum to it"))
        if bool(((open_wh < 0) | (open_wh > listing.periods_wh)).any()):
            found.append(Violation(1, where, "a period is open beyond what was listed"))
        if bool((listing.periods_wh % session.terms.step_wh).any()):
            found.append(Violation(1, where, "a part of its curve is not a whole step"))
    found += [
        Violation(1, f"{session.terms.session_id} deal {deal.number}", "its curve is not its energy")
        for deal in session.deals.values()
        if int(deal.periods_wh.sum()) != deal.energy_wh or bool((deal.periods_wh < 0).any())
    ]
    return found


def check_locks(session: SessionState, market: Market) -> list[Violation]:
    """Row 7: no storage both sold and bought in one delivery hour of one session."""
    found = []
    hours: dict[str, dict[Direction, set[int]]] = {}
    periods_per_hour = session.terms.periods_per_day // 24 if session.terms.periods_per_day >= 24 else 0
    if not periods_per_hour:
        return []
    for deal in session.deals.values():
        if deal.state not in _STANDING:
            continue
        first = (deal.delivery.from_day - session.terms.delivery.from_day).days * 24
        touched = np.flatnonzero(deal.periods_wh.reshape(-1, periods_per_hour).sum(axis=1)) + first
        for trader, direction in deal.sides():
            if "STORAGE" in market.participants[trader.participant_id].participant_class.value:
                hours.setdefault(trader.participant_id, {}).setdefault(direction, set()).update(touched.tolist())
    for participant_id, by_direction in hours.items():
        both = by_direction.get(Direction.SELL, set()) & by_direction.get(Direction.BUY, set())
        if both:
            where = f"{session.terms.session_id} {participant_id}"
            found.append(Violation(1, where, f"sold and bought in delivery hour {min(both)}"))
    return found


def check_publications(session: SessionState) -> list[Violation]:
    """Laws 3 and 9: a result's sums are its deals', its mean price is their quotient, its hash is its content's."""
    found, before = [], ""
    for publication in session.publications:
        where = f"{session.terms.session_id} result {publication.number}"
        energy_wh = sum(row.energy_wh for row in publication.deals)
        value_nano_yuan = sum(row.energy_wh * row.price_uyuan_per_kwh for row in publication.deals)
        if (publication.energy_wh, publication.value_nano_yuan) != (energy_wh, str(value_nano_yuan)):
            found.append(Violation(3, where, "energy or value is not the sum of its deals"))
        if publication.mean_price_uyuan_per_kwh != mean_price(value_nano_yuan, energy_wh):
            found.append(Violation(3, where, "the mean price is not value over energy"))
        if (publication.previous_sha256, publication.sha256) != (before, publication_sha256(publication)):
            found.append(Violation(9, where, "is not what was published"))
        before = publication.sha256
    if session.publications:
        effective = {deal.number: deal for deal in session.deals.values() if deal.state is State.DEAL_EFFECTIVE}
        published = {row.deal: row.energy_wh for row in session.publications[-1].deals}
        if published != {number: deal.energy_wh for number, deal in effective.items()}:
            found.append(Violation(3, session.terms.session_id, "the last result is not the effective deals"))
    elif any(deal.state is State.DEAL_EFFECTIVE for deal in session.deals.values()):
        found.append(Violation(3, session.terms.session_id, "a deal is effective and not published"))
    return found


def check_positions(market: Market) -> list[Violation]:
    """Law 4: each holder's position is what its contracts, listings, gathered takes and deals add up to, each once."""
    expected: Positions = Positions()
    for contract in market.contracts.values():
        if contract.is_loaded:
            expected = _with_contract(expected, contract)
    for session in market.sessions.values():
        expected = _with_session_open(expected, market, session)
    found = []
    for key in sorted({*expected, *market.positions}):
        zero = empty_position(key[1])
        one, other = expected.get(key) or zero, market.positions.get(key) or zero
        if _numbers(one) != _numbers(other):
            found.append(
                Violation(4, f"{key[0]} {key[1]}", f"position {_totals(other)}, its deals sum to {_totals(one)}")
            )
    return found


def check_quota_kept(before: Market, after: Market, event: Event) -> list[Violation]:
    """Law 1: no step raises what a holder uses of a quota beyond it; a lowered limit by itself undoes no deal.

    Exempt are a reversal, which takes back what was published, and contracts from before, which are facts.
    """
    if isinstance(event, ReverseDeal | LoadContract):
        return []
    found = []
    for key in after.positions:
        position, earlier = after.positions[key], before.positions.get(key) or empty_position(key[1])
        limit = after.limits.get(key)
        if position is earlier or limit is None:
            continue
        where = f"{key[0]} {key[1]}"
        holder = holder_in_any_session(after, key[0])
        turnover_wh = NO_LIMIT_WH if holder is None else turnover_cap_wh(limit, holder)
        for what, cap_wh, used_wh, used_before_wh in zip(
            ("net sale", "net purchase", "turnover"),
            (limit.net_sell_cap_wh, limit.net_buy_cap_wh, turnover_wh),
            _used(position),
            _used(earlier),
            strict=True,
        ):
            if cap_wh is not None and used_wh > max(cap_wh, used_before_wh):
                found.append(Violation(1, where, f"{what} of {used_wh} Wh is beyond its limit of {cap_wh}"))
        for cap_wh, sign, opened in (
            (limit.interval_sell_cap_wh, 1, "interval_open_sell_wh"),
            (limit.interval_buy_cap_wh, -1, "interval_open_buy_wh"),
        ):
            used = sign * position.net_wh + getattr(position, opened)
            used_before = sign * earlier.net_wh + getattr(earlier, opened)
            if cap_wh is not None and bool((used > np.maximum(used_before, cap_wh)).any()):
                found.append(Violation(1, where, "an interval is beyond its limit"))
    return found


def check_contracts(market: Market) -> list[Violation]:
    """Row 168: of each contract, what is open, listed for transfer and transferred is the contract, in every period."""
    expected = {contract.contract_id: contract.periods_wh.copy() for contract in market.contracts.values()}
    for session in market.sessions.values():
        for deal in session.deals.values():
            own_id = f"{session.terms.session_id}/{deal.number}"
            if deal.state is State.DEAL_REVERSED and own_id in expected:
                expected[own_id] *= 0
        for listing in session.listings.values():
            _take_off(expected, market, listing, listing.open_periods_wh)
        for deal in session.deals.values():
            if deal.state in _STANDING:
                _take_off(expected, market, deal, deal.periods_wh)
    return [
        Violation(4, contract_id, "open, listed and transferred energy are not the contract")
        for contract_id, periods_wh in sorted(expected.items())
        if not np.array_equal(periods_wh, market.contracts[contract_id].open_periods_wh)
    ]


def check_replayed(records: Sequence[LogRecord], market: Market) -> list[Violation]:
    """Law 3: the log is whole, and running its events again gives the same outcomes and the same state."""
    found = check_log(records)
    again, rerun = run(record.event for record in records)
    found += [
        Violation(3, f"record {record.sequence}", "has another outcome when run again")
        for record, other in zip(records, rerun, strict=True)
        if record.outcomes != other.outcomes
    ]
    if state_sha256(again) != state_sha256(market):
        found.append(Violation(3, "state", "differs when the log is run again"))
    return found


def check_nothing_changed(before: Market, after: Market, outcomes: tuple[Outcome, ...]) -> list[Violation]:
    """Law 1: a refused or repeated event changes nothing of what is traded."""
    if not any(isinstance(outcome, Refused | Repeated) for outcome in outcomes):
        return []
    if len(outcomes) == 1 and state_sha256(before) == state_sha256(after):
        return []
    return [Violation(1, "state", "was changed by an event that was refused or repeated")]


def check_market(market: Market) -> list[Violation]:
    """Return every breach of the laws that one state can show."""
    found = [*check_positions(market), *check_contracts(market)]
    for session in market.sessions.values():
        found += check_listings(session)
        found += check_curves(session)
        found += check_locks(session, market)
        found += check_publications(session)
    return found


def check_step(before: Market, event: Event, outcomes: tuple[Outcome, ...], after: Market) -> list[Violation]:
    """Return every breach of the laws by one step."""
    counts = check_outcome_counts(before.submitted + 1, after)
    return [
        *counts,
        *check_nothing_changed(before, after, outcomes),
        *check_quota_kept(before, after, event),
        *check_market(after),
    ]


def state_sha256(market: Market) -> str:
    """Return a hash of everything that is traded: positions, contracts, sessions; counts and seen ids left out."""
    digest = sha256()
    for key in market.positions:
        digest.update(repr((key, _numbers(market.positions[key]))).encode())
    for contract in market.contracts.values():
        digest.update(repr((contract.contract_id, contract.open_periods_wh.tobytes())).encode())
    for known in (market.rules, tuple(market.participants.values()), tuple(market.units.values())):
        digest.update(repr(known).encode())
    digest.update(repr(tuple(market.limits.values())).encode())
    for session in market.sessions.values():
        digest.update(repr((session.terms, session.state, session.publications)).encode())
        for listing in session.listings.values():
            digest.update(repr(_row(listing)).encode())
        for deal in session.deals.values():
            digest.update(repr(_row(deal)).encode())
        for participant_id in session.locks:
            digest.update(repr((participant_id, session.locks[participant_id].tobytes())).encode())
        for pair in session.taken_wh:
            digest.update(repr((pair, session.taken_wh[pair])).encode())
    return digest.hexdigest()


def holder_in_any_session(market: Market, holder_id: str) -> Holder | None:
    """Return whose quota it is by the newest rules that know its class, None if none do."""
    unit = market.units.get(holder_id)
    trader = Trader(holder_id, None) if unit is None else Trader(unit.participant_id, holder_id)
    return holder_of(market, market.rules[-1], trader) if market.rules else None


def _row(entry: Listing | Deal) -> tuple[object, ...]:
    values = (getattr(entry, name) for name in entry.__struct_fields__)
    return tuple(value.tobytes() if isinstance(value, np.ndarray) else value for value in values)


def _deals_of(session: SessionState, listing: Listing, states: frozenset[State]) -> Iterator[Deal]:
    return (deal for deal in session.deals.values() if deal.listing == listing.number and deal.state in states)


def _with_contract(positions: Positions, contract: Contract) -> Positions:
    parts = month_parts(contract.delivery, contract.periods_wh, periods_per_day=contract.periods_per_day)
    for holder_id, direction in (
        (contract.seller_holder_id, Direction.SELL),
        (contract.buyer_holder_id, Direction.BUY),
    ):
        if holder_id is not None:
            positions = moved(positions, holder_id, parts, direction, Change.TRADE)
    return positions


def _with_session_open(positions: Positions, market: Market, session: SessionState) -> Positions:
    def add(trader: Trader, direction: Direction, entry: Listing | Deal, change: Change) -> None:
        nonlocal positions
        if holder_of(market, session.rules, trader).is_free:
            return
        curve = entry.open_periods_wh if isinstance(entry, Listing) else entry.periods_wh
        parts = month_parts(entry.delivery, curve, periods_per_day=session.terms.periods_per_day)
        positions = moved(positions, trader.holder_id, parts, direction, change)

    for listing in session.listings.values():
        add(listing.trader, listing.direction, listing, Change.OCCUPY)
    for deal in session.deals.values():
        for trader, direction in deal.sides():
            if deal.state is State.DEAL_EFFECTIVE:
                add(trader, direction, deal, Change.TRADE)
            elif deal.state in _UNPUBLISHED or deal.state is State.DEAL_GATHERED:
                add(trader, direction, deal, Change.OCCUPY)
    return positions


def _take_off(expected: dict[str, Int64Array], market: Market, entry: Listing | Deal, periods_wh: Int64Array) -> None:
    if entry.contract_id is None:
        return
    contract = market.contracts[entry.contract_id]
    first = (entry.delivery.from_day - contract.delivery.from_day).days * contract.periods_per_day
    expected[entry.contract_id][first : first + periods_wh.size] -= periods_wh


def _used(position: MonthPosition) -> tuple[int, int, int]:
    """Return what is used of net sale, net purchase and turnover when all that is open stands."""
    sold, bought, open_sell, open_buy = _totals(position)
    return sold - bought + open_sell, bought - sold + open_buy, sold + bought + open_sell + open_buy


def _totals(position: MonthPosition) -> tuple[int, int, int, int]:
    return position.sold_wh, position.bought_wh, position.open_sell_wh, position.open_buy_wh


def _numbers(position: MonthPosition) -> tuple[object, ...]:
    columns = (position.net_wh, position.interval_open_sell_wh, position.interval_open_buy_wh)
    return (*_totals(position), *(column.tobytes() for column in columns))
