"""Read model of the running hub: what the registry holds, gateways and the age of their data, refusals."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy
from sqlalchemy import and_, func, or_
from sqlmodel import Session, col, select

from hub.store.quarantine import refusal_counts
from hub.store.tables import (
    BalanceUnitRow,
    CountyRow,
    GatewayRow,
    GatewayStatusRow,
    MeteringPointRow,
    MeterStatusRow,
    ParticipantRow,
    QuarantineRow,
    RefusedKind,
)


@dataclass(frozen=True)
class RegistryCounts:
    """How many of each thing the county's registry holds. county: None if no registry is loaded."""

    county: str | None
    units: int
    gateways: int
    metering_points: int
    participants: int


@dataclass(frozen=True)
class GatewayState:
    """One gateway and the age of what it says.

    state: "online", "offline" or "never". newest_reading_utc_s: newest instant with a reading of any of its meters;
    oldest_reading_utc_s: the newest instant of the meter that is furthest behind; None if no meter was ever read.
    meters_never_read: meters of the gateway without any reading.
    """

    gateway: str
    unit: str
    state: str
    meters: int
    meters_never_read: int
    newest_reading_utc_s: int | None
    oldest_reading_utc_s: int | None


@dataclass(frozen=True)
class RefusalReason:
    """How many things were refused for one reason. distinct: without repeats of the same content."""

    kind: str
    reason: str
    distinct: int
    count: int


@dataclass(frozen=True)
class RefusalView:
    """One refused thing (see QuarantineRow)."""

    refusal_id: str
    kind: str
    reason: str
    device: str
    about: str
    at_utc_s: int | None
    first_seen_utc_s: int
    last_seen_utc_s: int
    excerpt: str
    count: int


def read_registry_counts(session: Session) -> RegistryCounts:
    """Return the name of the county and the size of its registry."""
    return RegistryCounts(
        county=session.exec(select(CountyRow.county)).first(),
        units=session.exec(select(func.count()).select_from(BalanceUnitRow)).one(),
        gateways=session.exec(select(func.count()).select_from(GatewayRow)).one(),
        metering_points=session.exec(select(func.count()).select_from(MeteringPointRow)).one(),
        participants=session.exec(select(func.count()).select_from(ParticipantRow)).one(),
    )


def read_gateway_states(session: Session) -> list[GatewayState]:
    """Return every registered gateway by id, also those that were never heard of."""
    last = col(MeterStatusRow.last_read_instant_utc_s)
    reading = {
        gateway: (meters, meters - heard, newest, oldest)
        for gateway, meters, heard, newest, oldest in session.execute(
            sqlalchemy.select(
                col(MeteringPointRow.gateway), func.count(), func.count(last), func.max(last), func.min(last)
            )
            .join(MeterStatusRow, col(MeterStatusRow.meter) == col(MeteringPointRow.position), isouter=True)
            .group_by(col(MeteringPointRow.gateway))
        )
    }
    statement = (
        select(GatewayRow.position, GatewayRow.gateway_id, BalanceUnitRow.unit_id, col(GatewayStatusRow.state))
        .join(BalanceUnitRow, col(BalanceUnitRow.position) == col(GatewayRow.unit))
        .join(GatewayStatusRow, col(GatewayStatusRow.gateway) == col(GatewayRow.position), isouter=True)
        .order_by(col(GatewayRow.gateway_id))
    )
    return [
        GatewayState(gateway, unit, state or "never", *reading.get(position, (0, 0, None, None)))
        for position, gateway, unit, state in session.exec(statement)
    ]


def read_refusal_reasons(session: Session) -> list[RefusalReason]:
    """Return the refused things by kind and reason, the most frequent first."""
    reasons = [RefusalReason(one.kind.name, one.reason, one.distinct, one.total) for one in refusal_counts(session)]
    return sorted(reasons, key=lambda one: (-one.count, one.kind, one.reason))


def read_refusals(
    session: Session, *, after: tuple[int, str] | None, limit: int, reasons: Sequence[str] = ()
) -> list[RefusalView]:
    """Return at most `limit` refused things, the newest first.

    :param after: (first_seen_utc_s, refusal_id) of the last one that the reader has
    :param reasons: only these; empty for all
    """
    seen, key = col(QuarantineRow.first_seen_utc_s), col(QuarantineRow.refusal_id)
    statement = select(QuarantineRow).order_by(seen.desc(), key).limit(limit)
    if after is not None:
        statement = statement.where(or_(seen < after[0], and_(seen == after[0], key > after[1])))
    if reasons:
        statement = statement.where(col(QuarantineRow.reason).in_(reasons))
    return [
        RefusalView(
            refusal_id=row.refusal_id,
            kind=RefusedKind(row.kind).name,
            reason=row.reason,
            device=row.device,
            about=row.about,
            at_utc_s=row.at_utc_s,
            first_seen_utc_s=row.first_seen_utc_s,
            last_seen_utc_s=row.last_seen_utc_s,
            excerpt=row.excerpt,
            count=row.count,
        )
        for row in session.exec(statement)
    ]
