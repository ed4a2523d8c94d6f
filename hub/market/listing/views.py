"""The state as each reader may see it: everyone, one participant, operator and supervisor (rows 36, 39, 160)."""

from collections import Counter
from collections.abc import Sequence

from msgspec.structs import asdict

from hub.market.event_log import GENESIS_SHA256
from hub.market.listing.checks import holder_in_any_session
from hub.market.listing.documents import (
    Announcement,
    EventCounts,
    ListingDocument,
    OperatorDeal,
    OperatorListing,
    OperatorSession,
    ParticipantSession,
    PartyDeal,
    PublicDeal,
    PublicDocument,
    PublicListing,
    PublicResult,
    PublicSession,
    QuotaRow,
    RefusalCount,
    RefusalRow,
    SessionHead,
)
from hub.market.listing.event_log import LogRecord
from hub.market.listing.market_state import Deal, Listing, Market, SessionState
from hub.market.listing.outcomes import RefusalReason, Refused
from hub.market.listing.quota import interval_cap_wh, interval_use_wh, net_room_wh, turnover_room_wh
from hub.market.listing.states import State
from hub.market.registry.participant_classes import Direction
from hub.market.trades import NO_LIMIT_WH

_NAMED_STATES = frozenset({State.DEAL_EFFECTIVE, State.DEAL_REVERSED})


def listing_document(market: Market, records: Sequence[LogRecord]) -> ListingDocument:
    """Return everything, for operator and supervisor."""
    return ListingDocument(
        counts=_counts(market),
        log_sha256=records[-1].sha256 if records else GENESIS_SHA256,
        sessions=[operator_session(session) for session in market.sessions.values()],
        refusals=[
            RefusalRow(
                line=record.sequence,
                event_id=record.event.event_id,
                event=str(record.event.__struct_config__.tag),
                reason=outcome.reason,
            )
            for record in records
            for outcome in record.outcomes
            if isinstance(outcome, Refused)
        ],
        quotas=quota_rows(market),
    )


def public_document(market: Market, records: Sequence[LogRecord]) -> PublicDocument:
    """Return what everyone may see; no id of anybody is in it."""
    reasons = Counter(
        outcome.reason for record in records for outcome in record.outcomes if isinstance(outcome, Refused)
    )
    return PublicDocument(
        counts=_counts(market),
        refusals=[RefusalCount(reason=reason, count=reasons[reason]) for reason in RefusalReason if reasons[reason]],
        sessions=[public_session(session) for session in market.sessions.values()],
    )


def session_head(session: SessionState) -> SessionHead:
    """Return one session without its book."""
    return SessionHead(
        session_id=session.terms.session_id,
        state=session.state,
        announcement=_announcement(session),
        results=_public_results(session),
    )


def public_session(session: SessionState) -> PublicSession:
    """Return one session as everyone sees it."""
    return PublicSession(
        session_id=session.terms.session_id,
        state=session.state,
        announcement=_announcement(session),
        listings=[_public_listing(listing) for listing in session.listings.values()],
        deals=[_public_deal(deal) for deal in session.deals.values()],
        results=_public_results(session),
    )


def participant_session(session: SessionState, participant_id: str) -> ParticipantSession:
    """Return one session as a participant sees it: who its counterparty is, only after publication."""
    own_deals = []
    for deal in session.deals.values():
        for trader, direction in deal.sides():
            if trader.participant_id != participant_id:
                continue
            other = deal.buyer if direction is Direction.SELL else deal.seller
            own_deals.append(
                PartyDeal(
                    **asdict(_public_deal(deal)),
                    direction=direction,
                    unit_id=trader.unit_id,
                    counterparty_id=other.participant_id if deal.state in _NAMED_STATES else None,
                    reason=deal.reason,
                    periods_wh=deal.periods_wh.tolist(),
                )
            )
    return ParticipantSession(
        public=public_session(session),
        own_listings=[one.number for one in session.listings.values() if one.trader.participant_id == participant_id],
        own_deals=own_deals,
    )


def operator_session(session: SessionState) -> OperatorSession:
    """Return one session with everybody's names."""
    return OperatorSession(
        session_id=session.terms.session_id,
        state=session.state,
        rules=session.rules.version_id,
        announcement=_announcement(session),
        listings=[
            OperatorListing(
                **asdict(_public_listing(listing)),
                participant_id=listing.trader.participant_id,
                unit_id=listing.trader.unit_id,
                contract_id=listing.contract_id,
            )
            for listing in session.listings.values()
        ],
        deals=[
            OperatorDeal(
                **asdict(_public_deal(deal)),
                seller_id=deal.seller.participant_id,
                seller_unit_id=deal.seller.unit_id,
                buyer_id=deal.buyer.participant_id,
                buyer_unit_id=deal.buyer.unit_id,
                contract_id=deal.contract_id,
                asked_wh=deal.asked_wh,
                reason=deal.reason,
            )
            for deal in session.deals.values()
        ],
        results=list(session.publications),
    )


def own_quota_rows(market: Market, participant_id: str) -> list[QuotaRow]:
    """Return the delivery months of a participant and of its units."""
    units = {unit.unit_id for unit in market.units.values() if unit.participant_id == participant_id}
    return [row for row in quota_rows(market) if row.holder_id == participant_id or row.holder_id in units]


def quota_rows(market: Market) -> list[QuotaRow]:
    """Return every holder's delivery months, with what its limits still allow."""
    rows = []
    for key in market.positions:
        position, limit = market.positions[key], market.limits.get(key)
        caps = {one: NO_LIMIT_WH if limit is None else interval_cap_wh(limit, one) for one in Direction}
        holder = holder_in_any_session(market, key[0])
        rooms: dict[Direction, int | None] = dict.fromkeys(Direction)
        turnover = None
        if limit is not None:
            rooms = {one: _known(net_room_wh(limit, position, one)) for one in Direction}
            turnover = None if holder is None else _known(turnover_room_wh(limit, position, holder))
        rows.append(
            QuotaRow(
                holder_id=key[0],
                month=key[1],
                sold_wh=position.sold_wh,
                bought_wh=position.bought_wh,
                open_sell_wh=position.open_sell_wh,
                open_buy_wh=position.open_buy_wh,
                net_sell_room_wh=rooms[Direction.SELL],
                net_buy_room_wh=rooms[Direction.BUY],
                turnover_room_wh=turnover,
                interval_sell_max_wh=max(0, int(interval_use_wh(position, Direction.SELL).max())),
                interval_sell_cap_wh=_known(caps[Direction.SELL]),
                interval_buy_max_wh=max(0, int(interval_use_wh(position, Direction.BUY).max())),
                interval_buy_cap_wh=_known(caps[Direction.BUY]),
            )
        )
    return rows


def _known(limit_wh: int) -> int | None:
    """Return the number, None where it only stands for "no limit"."""
    return None if limit_wh > NO_LIMIT_WH // 2 else limit_wh


def _counts(market: Market) -> EventCounts:
    return EventCounts(
        submitted=market.submitted, accepted=market.accepted, refused=market.refused, repeated=market.repeated
    )


def _announcement(session: SessionState) -> Announcement:
    terms, limits = session.terms, session.terms.price_limits
    return Announcement(
        product=terms.product,
        trading_code=terms.trading_code,
        document=terms.document,
        announced_at=terms.at,
        opens_at=terms.opens_at,
        closes_at=terms.closes_at,
        delivery=terms.delivery,
        lot_wh=terms.lot_wh,
        take_lot_wh=terms.take_lot_wh,
        price_tick_uyuan_per_kwh=limits.tick_uyuan_per_kwh,
        price_floor_uyuan_per_kwh=limits.floor_uyuan_per_kwh,
        price_cap_uyuan_per_kwh=limits.cap_uyuan_per_kwh,
        price_limits_set_by=limits.set_by,
        price_limits_set_on=limits.set_on,
        curve=terms.curve,
        export_plan=terms.export_plan,
    )


def _public_results(session: SessionState) -> list[PublicResult]:
    return [
        PublicResult(
            number=publication.number,
            sha256=publication.sha256,
            deals=len(publication.deals),
            energy_wh=publication.energy_wh,
            value_nano_yuan=publication.value_nano_yuan,
            mean_price_uyuan_per_kwh=publication.mean_price_uyuan_per_kwh,
        )
        for publication in session.publications
    ]


def _public_listing(listing: Listing) -> PublicListing:
    return PublicListing(
        listing=listing.number,
        state=listing.state,
        direction=listing.direction,
        delivery=listing.delivery,
        energy_wh=listing.energy_wh,
        open_wh=listing.open_wh,
        taken_wh=listing.taken_wh,
        released_wh=listing.released_wh,
        price_uyuan_per_kwh=listing.price_uyuan_per_kwh,
        curve=listing.curve,
    )


def _public_deal(deal: Deal) -> PublicDeal:
    return PublicDeal(
        deal=deal.number,
        listing=deal.listing,
        state=deal.state,
        made_at=deal.made_at,
        energy_wh=deal.energy_wh,
        price_uyuan_per_kwh=deal.price_uyuan_per_kwh,
        assigned=deal.assigned,
    )
