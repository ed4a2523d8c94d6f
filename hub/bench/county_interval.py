"""A county with one interval that went all the way: read, cleared, checked by AC power flow, settled; made up, seeded.

The registry and the network are a county's own. Powers are drawn for a sunny hour and stay the same from interval to
interval, so that what was forecast is metered; registers at the units' boundaries follow from the AC power flow, and
setpoints are obeyed. So the interval's market, limits and money have the size and shape of a real one.
"""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

import numpy as np
from sqlmodel import Session

from edge.contract.interval import first_interval_of_day, start_utc_s
from edge.contract.messages import CHANNELS, EXPORT, IMPORT, REACTIVE_EXPORT, REACTIVE_IMPORT
from edge.contract.registry import MeterKind, RegistryError
from grid_models.bench.measuring import BenchError
from grid_models.security import CheckedState
from hub.bench.databases import Database
from hub.market.trades import Int64Array, Party, TradeSide
from hub.settlement.inputs import SettlementInputs
from hub.store.bulk import Row
from hub.store.orders import insert_orders
from hub.store.parameters import save_parameters
from hub.store.readings import insert_readings
from hub.store.tables import OrderStatus
from hub.usecases.check_metered_state import check_metered_state
from hub.usecases.load_county import INTERVALS_AN_HOUR, NONE, County, CountyFolderError, CountyModel
from hub.usecases.measure_energy import EnergyMeasurement
from hub.usecases.open_accounts import open_accounts
from hub.usecases.prepare_county import PrepareError, load_county
from hub.usecases.record_prices import (
    record_day_ahead_prices,
    record_indicative_price,
    record_province_settlement,
    record_real_time_price,
)
from hub.usecases.run_gate import run_gate
from hub.usecases.save_clearing import save_law_violations
from hub.usecases.settle_interval import settle, settlement_inputs

DAY: Final = date(2016, 5, 17)
INTERVAL: Final = first_interval_of_day(DAY)
"""The interval that is cleared and settled: the first of the day, so that the others can follow it."""

SEED: Final = 1
LOT_WH: Final = 10
DAY_AHEAD_UYUAN_PER_KWH: Final = 358_000
INDICATIVE_UYUAN_PER_KWH: Final = 350_000
REAL_TIME_UYUAN_PER_KWH: Final = 339_000
SESSION_PARAMETERS: Final = {
    "price_floor_uyuan_per_kwh": 0,
    "price_cap_uyuan_per_kwh": 1_500_000,
    "price_tick_uyuan_per_kwh": 1_000,
    "lot_wh": LOT_WH,
}
_REGISTER_START: Final = 50_000_000
_NET_COLUMNS: Final = tuple(CHANNELS.index(name) for name in (IMPORT, EXPORT, REACTIVE_IMPORT, REACTIVE_EXPORT))


@dataclass(frozen=True, eq=False)
class SettledInterval:
    """The county, its one settled interval in the database, what settled it, and how many law breaches were found."""

    model: CountyModel
    inputs: SettlementInputs
    breaches: int


def open_county(database: Database, folder: Path) -> County:
    """Load the county's registry and parameters into an empty database and return the county.

    :raises BenchError: if the folder cannot be used
    """
    try:
        registry = load_county(database.engine, folder / "registry.json")
        county = County(folder)
    except (PrepareError, RegistryError, CountyFolderError) as error:
        raise BenchError(str(error)) from None
    with Session(database.engine) as session:
        open_accounts(session, registry)
        save_parameters(
            session,
            kind="session",
            version_id="bench",
            effective_from_interval=INTERVAL - 96,
            values=SESSION_PARAMETERS,
        )
        session.commit()
    return county


def settle_made_up_interval(session: Session, county: County) -> SettledInterval:
    """Read, clear, check and settle INTERVAL in the session's transaction."""
    model = county.on(DAY)
    net_wh = draw_net_export_wh(model)
    energy = _interval_energy(model, net_wh)
    registers = np.where(model.channel_present, _REGISTER_START, 0)
    for interval in (INTERVAL - 2, INTERVAL - 1):
        _read(session, model, interval, registers)
        registers = registers + energy
    _read(session, model, INTERVAL, registers)
    _publish_prices(session)
    insert_orders(session, _orders(model, net_wh))
    measurement = EnergyMeasurement()
    cleared = run_gate(session, county, measurement, INTERVAL)
    limited_wh = np.where(cleared.setpoint_wh >= 0, np.minimum(net_wh, cleared.setpoint_wh), net_wh)
    _read(session, model, INTERVAL + 1, registers + _interval_energy(model, limited_wh))
    measured = measurement.of_interval(session, model, INTERVAL)
    gateway = measured.gateway(model)
    record_province_settlement(
        session,
        INTERVAL,
        import_wh=gateway.import_wh,
        export_wh=gateway.export_wh,
        nano_yuan=(gateway.import_wh - gateway.export_wh) * REAL_TIME_UYUAN_PER_KWH,
    )
    violations = [*settle(session, model, measured), *check_metered_state(session, model, measured)]
    save_law_violations(session, INTERVAL, violations)
    return SettledInterval(model, settlement_inputs(session, model, measured), len(violations))


def draw_net_export_wh(model: CountyModel) -> Int64Array:
    """Return what each market meter exports net in an interval of a sunny hour, shape (n_meters,); 0 for the others."""
    draws = np.random.default_rng(SEED)
    points = model.points
    use, sun = draws.uniform(0.05, 0.15, len(points.meter_id)), draws.uniform(0.35, 0.45, len(points.meter_id))
    drawn = sun * points.export_capacity_wh - use * points.import_capacity_wh
    net_wh = np.rint(np.where(model.standing.is_market, drawn, 0)).astype(np.int64)
    kinds = [point.kind for point in model.registry.metering_points]
    is_load = np.array([kind is MeterKind.LOAD for kind in kinds], np.bool_)
    return np.asarray(np.where(is_load, np.minimum(net_wh, 0), net_wh), dtype=np.int64)


def _interval_energy(model: CountyModel, net_wh: Int64Array) -> Int64Array:
    """Return what every register gains in an interval, shape (n_meters, n_channels).

    :raises BenchError: if the powers have no AC solution
    """
    reactive_wh = np.where(net_wh < 0, -net_wh // 5, 0)
    meters = model.market_meters
    p_w, q_var = (np.ascontiguousarray(each[meters] * INTERVALS_AN_HOUR) for each in (net_wh, -reactive_wh))
    (state,) = model.security.check_states(p_w[np.newaxis], q_var[np.newaxis])
    if not isinstance(state, CheckedState):
        raise BenchError(f"the made-up powers have no AC solution: {state.reason}")
    shown_wh = net_wh.copy()
    # A microgrid's gateway is a market meter as well as the meter at its unit's boundary: it shows what was drawn.
    for unit in np.flatnonzero(model.boundary_meter != NONE).tolist():
        meter = int(model.boundary_meter[unit])
        if not model.standing.is_market[meter]:
            shown_wh[meter] = int(state.unit_export_w[unit]) // INTERVALS_AN_HOUR
    gained = np.zeros((net_wh.size, len(CHANNELS)), np.int64)
    for column, values in zip(
        _NET_COLUMNS,
        (np.maximum(-shown_wh, 0), np.maximum(shown_wh, 0), reactive_wh, np.zeros_like(net_wh)),
        strict=True,
    ):
        gained[:, column] = values
    return np.asarray(np.where(model.channel_present, gained, 0), dtype=np.int64)


def _read(session: Session, model: CountyModel, interval: int, registers: Int64Array) -> None:
    """Store all registers at the beginning of the interval."""
    meters, channels = np.nonzero(model.channel_present)
    instant, gateways = start_utc_s(interval), _gateway_of_meter(model)
    values = registers[meters, channels].tolist()
    rows: list[Row] = [
        (instant, meter, channel, 0, value, 0, gateways[meter])
        for meter, channel, value in zip(meters.tolist(), channels.tolist(), values, strict=True)
    ]
    insert_readings(session, rows)


def _publish_prices(session: Session) -> None:
    record_day_ahead_prices(session, INTERVAL, [DAY_AHEAD_UYUAN_PER_KWH])
    record_indicative_price(session, INTERVAL, INDICATIVE_UYUAN_PER_KWH)
    record_real_time_price(session, INTERVAL, REAL_TIME_UYUAN_PER_KWH)


def _orders(model: CountyModel, net_wh: Int64Array) -> list[Row]:
    """Return the orders of the direct parties, whole lots of what they expect, as store.orders.ORDER_NAMES."""
    draws = np.random.default_rng(SEED + 1)
    points, gateways = model.points, _gateway_of_meter(model)
    role = np.where(net_wh > 0, points.sale, points.supply)
    lots_wh = np.abs(net_wh) // LOT_WH * LOT_WH
    rows: list[Row] = []
    for meter in np.flatnonzero((role == Party.DIRECT) & (lots_wh > 0) & model.standing.is_market).tolist():
        sells = bool(net_wh[meter] > 0)
        point = model.registry.metering_points[meter]
        price = int(draws.integers(150, 350) if sells else draws.integers(500, 750)) * 1_000
        rows.append(
            (
                INTERVAL,
                f"{point.gateway_id}/{INTERVAL}/{point.meter_id}/1",
                gateways[meter],
                meter,
                int(points.unit[meter]),
                1,
                (TradeSide.SELL if sells else TradeSide.BUY).value,
                Party.DIRECT.value,
                int(lots_wh[meter]),
                price,
                bool(points.clean[meter]) and sells,
                start_utc_s(INTERVAL - 2),
                OrderStatus.ACCEPTED.value,
                "",
            )
        )
    return rows


def _gateway_of_meter(model: CountyModel) -> list[int]:
    position = {gateway.gateway_id: number for number, gateway in enumerate(model.registry.gateways)}
    return [position[point.gateway_id] for point in model.registry.metering_points]
