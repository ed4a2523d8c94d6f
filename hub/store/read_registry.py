"""Read model of the registry: metering points and participants as the county was prepared, events about a point."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import func, or_
from sqlmodel import Session, col, select

from hub.market.registry.event_log import RegistryRecord
from hub.store.registry_events import read_registry_records
from hub.store.registry_tables import RegistryEventRow
from hub.store.tables import BalanceUnitRow, MeteringPointRow, ParticipantRow


@dataclass(frozen=True)
class PreparedPoint:
    """A metering point with its owner's seller class (None for a pure user) and the modes as prepared."""

    meter: str
    kind: str
    unit: str
    participant: str
    seller_class: str | None
    category: str | None
    voltage_class: str
    installed_capacity_w: int | None
    supply_mode: str
    sale_mode: str


@dataclass(frozen=True)
class PreparedParticipant:
    """A participant with its seller class (None for a pure user) and the number of its metering points."""

    participant: str
    seller_class: str | None
    meters: int


def read_prepared_points(
    session: Session,
    *,
    after: str | None,
    limit: int,
    text: str = "",
    participant: str | None = None,
    meter: str | None = None,
) -> list[PreparedPoint]:
    """Return at most `limit` metering points by id, those after meter `after`.

    :param text: only those whose id, or whose owner's or unit's, contains it
    :param participant: only this one's; None: all
    :param meter: this one alone; None: all
    """
    query = (
        select(MeteringPointRow, BalanceUnitRow.unit_id, ParticipantRow.participant_id, ParticipantRow.seller_class)
        .join(BalanceUnitRow, col(BalanceUnitRow.position) == col(MeteringPointRow.unit))
        .join(ParticipantRow, col(ParticipantRow.position) == col(MeteringPointRow.participant))
        .order_by(col(MeteringPointRow.meter_id))
        .limit(limit)
    )
    if after is not None:
        query = query.where(MeteringPointRow.meter_id > after)
    if participant is not None:
        query = query.where(ParticipantRow.participant_id == participant)
    if meter is not None:
        query = query.where(MeteringPointRow.meter_id == meter)
    if text:
        names = (MeteringPointRow.meter_id, ParticipantRow.participant_id, BalanceUnitRow.unit_id)
        query = query.where(or_(*(col(name).contains(text, autoescape=True) for name in names)))
    return [
        PreparedPoint(
            meter=point.meter_id,
            kind=point.kind,
            unit=unit,
            participant=owner,
            seller_class=seller_class,
            category=point.category,
            voltage_class=point.voltage_class,
            installed_capacity_w=point.installed_capacity_w,
            supply_mode=point.supply_mode,
            sale_mode=point.sale_mode,
        )
        for point, unit, owner, seller_class in session.exec(query)
    ]


def read_prepared_participants(
    session: Session, *, after: str | None, limit: int, text: str = "", participant: str | None = None
) -> list[PreparedParticipant]:
    """Return at most `limit` participants by id, those after participant `after`; text: as part of the id."""
    query = (
        select(ParticipantRow.participant_id, ParticipantRow.seller_class, func.count(col(MeteringPointRow.position)))
        .join(MeteringPointRow, col(MeteringPointRow.participant) == col(ParticipantRow.position), isouter=True)
        .group_by(col(ParticipantRow.participant_id), col(ParticipantRow.seller_class))
        .order_by(col(ParticipantRow.participant_id))
        .limit(limit)
    )
    if after is not None:
        query = query.where(ParticipantRow.participant_id > after)
    if participant is not None:
        query = query.where(ParticipantRow.participant_id == participant)
    if text:
        query = query.where(col(ParticipantRow.participant_id).contains(text, autoescape=True))
    return [PreparedParticipant(name, seller_class, int(count)) for name, seller_class, count in session.exec(query)]


def read_records_naming(session: Session, county: str, names: Collection[str]) -> list[RegistryRecord]:
    """Return the records of a county's log, in order, whose event or outcome holds one of the names as a value.

    :raises hub.store.registry_events.UnreadableRecordError: if one is not what this program writes
    """
    row = RegistryEventRow
    held = [
        col(column).contains(f'"{name}"', autoescape=True)
        for name in sorted(names)
        for column in (row.event, row.outcome)
    ]
    query = select(row.sequence).where(row.county == county).where(or_(*held)).order_by(col(row.sequence))
    # One by one, as a point has a dozen events at most and the reader of the log stays the only one that decodes.
    return [
        record
        for sequence in session.exec(query).all()
        for record in read_registry_records(session, county, after_sequence=sequence - 1, limit=1)
    ]


def read_record_hashes(session: Session, county: str, sequences: Collection[int]) -> dict[int, str]:
    """Return the hashes of the records of these numbers, as far as there are such."""
    row = RegistryEventRow
    query = select(row.sequence, row.sha256).where(row.county == county, col(row.sequence).in_(sequences))
    return dict(session.exec(query).all())
