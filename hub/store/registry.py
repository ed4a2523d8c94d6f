"""The registry of the county in the database: written once by prepare_county, read back as the contract's Registry.

Positions: metering points, gateways and participants count in the order of the registry file, balance units in tree
order (parents first, then by id), the same as in the market's columns.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from sqlmodel import Session, col, select

from edge.contract.registry import (
    BalanceUnit,
    Gateway,
    MeteringPoint,
    MeterKind,
    Participant,
    Registry,
    SaleMode,
    SellerClass,
    SupplyMode,
    UnitKind,
    UserCategory,
)
from hub.market.registry_columns import units_in_tree_order
from hub.store.bulk import ColumnValues, insert_columns
from hub.store.tables import (
    NONE,
    BalanceUnitRow,
    CountyRow,
    GatewayRow,
    MeteringPointRow,
    ParticipantRow,
)


class NoCountyError(LookupError):
    """The database holds no county yet: it was migrated but not prepared."""


@dataclass(frozen=True)
class Positions:
    """Position of every balance unit, gateway, metering point and participant by its id."""

    unit: Mapping[str, int]
    gateway: Mapping[str, int]
    meter: Mapping[str, int]
    participant: Mapping[str, int]


def positions_of(registry: Registry) -> Positions:
    """Return the positions that the registry's ids have in the database and in every column."""
    return Positions(
        unit={unit.unit_id: position for position, unit in enumerate(units_in_tree_order(registry))},
        gateway={gateway.gateway_id: position for position, gateway in enumerate(registry.gateways)},
        meter={point.meter_id: position for position, point in enumerate(registry.metering_points)},
        participant={someone.participant_id: position for position, someone in enumerate(registry.participants)},
    )


def county_of(session: Session) -> tuple[str, str] | None:
    """Return the county's name and the SHA-256 of its registry file, or None if no county is loaded."""
    row = session.get(CountyRow, 0)
    return None if row is None else (row.county, row.registry_sha256)


def save_registry(session: Session, registry: Registry, registry_sha256: str) -> None:
    """Write the whole registry; the database must not hold one yet."""
    assert county_of(session) is None
    positions = positions_of(registry)
    session.add(CountyRow(position=0, county=registry.county, registry_sha256=registry_sha256))
    _save_participants(session, registry)
    _save_units(session, registry, positions)
    _save_gateways(session, registry, positions)
    _save_metering_points(session, registry, positions)


def load_registry(session: Session) -> Registry:
    """Return the registry as it was written, balance units in tree order.

    :raises NoCountyError: if none was
    """
    county = session.get(CountyRow, 0)
    if county is None:
        raise NoCountyError("the database holds no county; prepare the hub first")
    participants = tuple(
        Participant(row.participant_id, None if row.seller_class is None else SellerClass(row.seller_class))
        for row in session.exec(select(ParticipantRow).order_by(col(ParticipantRow.position))).all()
    )
    unit_rows = session.exec(select(BalanceUnitRow).order_by(col(BalanceUnitRow.position))).all()
    gateway_rows = session.exec(select(GatewayRow).order_by(col(GatewayRow.position))).all()
    meter_rows = session.exec(select(MeteringPointRow).order_by(col(MeteringPointRow.position))).all()
    unit_ids = [row.unit_id for row in unit_rows]
    gateway_ids = [row.gateway_id for row in gateway_rows]
    participant_ids = [someone.participant_id for someone in participants]
    meters_of_gateway: dict[int, list[str]] = {row.position: [] for row in gateway_rows}
    for row in meter_rows:
        meters_of_gateway[row.gateway].append(row.meter_id)
    return Registry(
        county=county.county,
        units=tuple(_unit(row, unit_ids) for row in unit_rows),
        gateways=tuple(
            Gateway(row.gateway_id, row.shard, unit_ids[row.unit], tuple(meters_of_gateway[row.position]))
            for row in gateway_rows
        ),
        metering_points=tuple(_metering_point(row, gateway_ids, unit_ids, participant_ids) for row in meter_rows),
        participants=participants,
    )


def _save_participants(session: Session, registry: Registry) -> None:
    rows = registry.participants
    columns: dict[str, ColumnValues] = {
        "position": range(len(rows)),
        "participant_id": [someone.participant_id for someone in rows],
        "seller_class": [None if someone.seller_class is None else someone.seller_class.value for someone in rows],
    }
    insert_columns(session, ParticipantRow, columns)


def _save_units(session: Session, registry: Registry, positions: Positions) -> None:
    rows = units_in_tree_order(registry)
    columns: dict[str, ColumnValues] = {
        "position": range(len(rows)),
        "unit_id": [unit.unit_id for unit in rows],
        "parent": [NONE if unit.parent_id is None else positions.unit[unit.parent_id] for unit in rows],
        "kind": [unit.kind.value for unit in rows],
        "voltage_class": [unit.voltage_class for unit in rows],
        "export_limit_wh": [unit.export_limit_wh for unit in rows],
        "import_limit_wh": [unit.import_limit_wh for unit in rows],
        "elements": [json.dumps(unit.elements, ensure_ascii=False) for unit in rows],
    }
    insert_columns(session, BalanceUnitRow, columns)


def _save_gateways(session: Session, registry: Registry, positions: Positions) -> None:
    rows = registry.gateways
    columns: dict[str, ColumnValues] = {
        "position": range(len(rows)),
        "gateway_id": [gateway.gateway_id for gateway in rows],
        "shard": [gateway.shard for gateway in rows],
        "unit": [positions.unit[gateway.unit_id] for gateway in rows],
    }
    insert_columns(session, GatewayRow, columns)


def _save_metering_points(session: Session, registry: Registry, positions: Positions) -> None:
    rows = registry.metering_points
    columns: dict[str, ColumnValues] = {
        "position": range(len(rows)),
        "meter_id": [point.meter_id for point in rows],
        "gateway": [positions.gateway[point.gateway_id] for point in rows],
        "unit": [positions.unit[point.unit_id] for point in rows],
        "participant": [positions.participant[point.participant_id] for point in rows],
        "bus": [point.bus for point in rows],
        "kind": [point.kind.value for point in rows],
        "channels": [" ".join(point.channels) for point in rows],
        "voltage_class": [point.voltage_class for point in rows],
        "supply_mode": [point.supply_mode.value for point in rows],
        "sale_mode": [point.sale_mode.value for point in rows],
        "category": [None if point.category is None else point.category.value for point in rows],
        "clean": [point.clean for point in rows],
        "export_capacity_w": [point.export_capacity_w for point in rows],
        "import_capacity_w": [point.import_capacity_w for point in rows],
        "installed_capacity_w": [point.installed_capacity_w for point in rows],
    }
    insert_columns(session, MeteringPointRow, columns)


def _unit(row: BalanceUnitRow, unit_ids: list[str]) -> BalanceUnit:
    return BalanceUnit(
        unit_id=row.unit_id,
        parent_id=None if row.parent == NONE else unit_ids[row.parent],
        kind=UnitKind(row.kind),
        voltage_class=row.voltage_class,
        export_limit_wh=row.export_limit_wh,
        import_limit_wh=row.import_limit_wh,
        elements=tuple(json.loads(row.elements)),
    )


def _metering_point(
    row: MeteringPointRow, gateway_ids: list[str], unit_ids: list[str], participant_ids: list[str]
) -> MeteringPoint:
    return MeteringPoint(
        meter_id=row.meter_id,
        gateway_id=gateway_ids[row.gateway],
        unit_id=unit_ids[row.unit],
        bus=row.bus,
        kind=MeterKind(row.kind),
        channels=tuple(row.channels.split()),
        voltage_class=row.voltage_class,
        participant_id=participant_ids[row.participant],
        supply_mode=SupplyMode(row.supply_mode),
        sale_mode=SaleMode(row.sale_mode),
        category=None if row.category is None else UserCategory(row.category),
        clean=row.clean,
        export_capacity_w=row.export_capacity_w,
        import_capacity_w=row.import_capacity_w,
        installed_capacity_w=row.installed_capacity_w,
    )
