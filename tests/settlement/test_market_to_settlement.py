"""From a registry through clearing, pairing and curtailment of the market core to settled accounts."""

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pytest

from edge.contract.registry import (
    BalanceUnit,
    Gateway,
    MeteringPoint,
    MeterKind,
    Participant,
    Registry,
    SaleMode,
    SupplyMode,
    UnitKind,
)
from hub.market.books import Books, book_orders, province_orders, split_book_fills
from hub.market.curtailment import curtail, curtail_pairs
from hub.market.network_fee import NetworkFees, network_fees
from hub.market.order_batch import DirectOrders, assemble_orders
from hub.market.pairing import pair
from hub.market.registry_columns import (
    MeteringPoints,
    balance_tree,
    metering_points,
    parents_of,
    units_in_tree_order,
)
from hub.market.security import limited_units, no_control, setpoints_wh
from hub.market.trades import BalanceTree, OrderBatch, Party, TradeSide
from hub.market.tree_clearing import clear
from hub.settlement.accounts import account_table
from hub.settlement.inputs import (
    GatewayEnergy,
    MeteredEnergy,
    ProvincePrices,
    Session,
    SessionKind,
    SettlementInputs,
    standing_from_registry,
)
from hub.settlement.interval_settlement import settle_interval
from hub.settlement.parameters import DEMO_PROVINCE, shipped_parameters
from hub.settlement.prices import SettlementParameters, decode_parameters, resolve_parameters
from hub.settlement.transfers import TransferKind

DAY = date(2016, 5, 17)
N_AREAS = 8
N_METERS = 120
SUPPLIES = (SupplyMode.DIRECT, SupplyMode.DIRECT, SupplyMode.AGENCY, SupplyMode.GUARANTEED)
SALES = (SaleMode.DIRECT, SaleMode.DIRECT, SaleMode.COMMISSION, SaleMode.PURCHASE, SaleMode.NONE)


@dataclass(frozen=True)
class County:
    registry: Registry
    parameters: SettlementParameters
    fees: NetworkFees
    tree: BalanceTree
    points: MeteringPoints
    orders: OrderBatch
    books: Books


def registry_of(r: Any) -> Registry:
    def limit() -> int | None:
        return int(r.integers(0, 9_000)) if r.random() < 0.6 else None

    units = [
        BalanceUnit("county", None, UnitKind.COUNTY, "110kV", 60_000, 60_000, ()),
        BalanceUnit("station", "county", UnitKind.STATION, "10(20)kV", None, None, ()),
        *(BalanceUnit(f"F{f}", "station", UnitKind.FEEDER, "10(20)kV", limit(), None, ()) for f in range(2)),
        *(BalanceUnit(f"A{a}", f"F{a % 2}", UnitKind.AREA, "<1kV", limit(), limit(), ()) for a in range(N_AREAS)),
    ]
    homes = [units[int(r.integers(2, len(units)))] for _ in range(N_METERS)]
    points = [
        MeteringPoint(
            meter_id=f"M{number:03d}",
            gateway_id="G",
            unit_id=home.unit_id,
            bus="b",
            kind=MeterKind.PROSUMER,
            channels=(),
            voltage_class=home.voltage_class,
            participant_id=f"P{number % 50:02d}",
            supply_mode=SUPPLIES[int(r.integers(0, len(SUPPLIES)))],
            sale_mode=SALES[int(r.integers(0, len(SALES)))],
            category=None,
            clean=bool(r.random() < 0.5),
            export_capacity_w=20_000,
            import_capacity_w=20_000,
        )
        for number, home in enumerate(homes)
    ]
    return Registry(
        county="c",
        units=tuple(sorted(units, key=lambda unit: unit.unit_id)),
        gateways=(Gateway("G", "s", "county", tuple(point.meter_id for point in points)),),
        metering_points=tuple(points),
        participants=tuple(Participant(f"P{number:02d}", None) for number in range(50)),
    )


def county_of(r: Any, *, levels_up: int) -> County:
    """A county whose market stands at gate closure."""
    registry = registry_of(r)
    parameters = resolve_parameters(
        decode_parameters(shipped_parameters()), province=DEMO_PROVINCE, day=DAY, gateway_class="110kV"
    )
    units = units_in_tree_order(registry)
    fees = network_fees(
        unit_id=[unit.unit_id for unit in units],
        parent=parents_of(units),
        voltage_class=[unit.voltage_class for unit in units],
        tariff_uyuan_per_kwh=dict(
            zip(parameters.voltage_class, parameters.network_tariff_uyuan_per_kwh.tolist(), strict=True)
        ),
        levels_up=np.full(len(units), levels_up, np.int64),
    )
    tree = balance_tree(units, fees)
    points = metering_points(registry, tree, fees)
    net_wh = r.integers(-1_500, 3_000, N_METERS)
    net_wh = np.where((points.sale < 0) & (net_wh > 0), -net_wh, net_wh)
    books = book_orders(
        points,
        n_units=len(units),
        import_forecast_wh=np.maximum(-net_wh, 0),
        export_forecast_wh=np.maximum(net_wh, 0),
        loss_forecast_wh=r.integers(0, 300, len(units)),
        price_floor_uyuan_per_kwh=0,
        price_cap_uyuan_per_kwh=1_500_000,
    )
    role = np.where(net_wh > 0, points.sale, points.supply)
    placing = np.flatnonzero((role == Party.DIRECT) & (net_wh != 0))
    sells = net_wh[placing] > 0
    direct = DirectOrders(
        order_id=tuple(f"G/7/{points.meter_id[meter]}/1" for meter in placing),
        meter=placing,
        side=np.where(sells, TradeSide.SELL, TradeSide.BUY).astype(np.int8),
        energy_wh=np.abs(net_wh[placing]),
        price_uyuan_per_kwh=r.integers(150, 500, placing.size) * 1000 + np.where(sells, 0, 250_000),
        submitted_utc_s=np.zeros(placing.size, np.int64),
    )
    orders = assemble_orders(
        interval=7,
        tree=tree,
        fees=fees,
        points=points,
        direct=direct,
        books=books,
        province=province_orders(
            tree,
            price_uyuan_per_kwh=300_000,
            gateway_fee_uyuan_per_kwh=fees.gateway_fee_uyuan_per_kwh,
            upstream_loss_uyuan_per_kwh=parameters.upstream_loss.value_uyuan_per_kwh,
        ),
        gate_utc_s=0,
    )
    return County(registry, parameters, fees, tree, points, orders, books)


def settled_inputs(county: County, r: Any) -> SettlementInputs:
    """Clear, pair, curtail at random, set setpoints, and let the meters show something near what was expected."""
    tree, orders, points, books = county.tree, county.orders, county.points, county.books
    result = clear(tree, orders, tick_uyuan_per_kwh=1_000)
    pairs = pair(
        tree,
        orders,
        result,
        fees=county.fees,
        points=points,
        upstream_loss_uyuan_per_kwh=county.parameters.upstream_loss.value_uyuan_per_kwh,
    )
    book_fills = split_book_fills(books, orders, result.filled_wh, n_meters=N_METERS)
    reduction_wh = np.where(r.random(len(tree.unit_id)) < 0.2, 500, 0)
    cut = curtail(tree, orders, points, books, result.filled_wh, book_fills, reduction_wh=reduction_wh)
    limited = limited_units(tree, result, no_control(tree)) | (reduction_wh > 0)
    import_wh, export_wh = np.zeros(N_METERS, np.int64), cut.book_fills.export_wh + r.integers(0, 90, N_METERS)
    import_wh += cut.book_fills.import_wh + r.integers(0, 90, N_METERS)
    export_wh[points.sale < 0] = 0
    loss_wh = r.integers(0, 200, len(tree.unit_id))
    net_wh = int(loss_wh.sum() + import_wh.sum() - export_wh.sum())
    accounts = account_table(participant.participant_id for participant in county.registry.participants)
    return SettlementInputs(
        interval=7,
        tree=tree,
        unit_tariff_uyuan_per_kwh=county.fees.unit_tariff_uyuan_per_kwh,
        accounts=accounts,
        standing=standing_from_registry(county.registry, tree.unit_id, county.parameters.voltage_class, accounts),
        metered=MeteredEnergy(import_wh, export_wh, np.zeros(N_METERS, np.bool_)),
        gateway=GatewayEnergy(max(net_wh, 0) + 5, max(-net_wh, 0) + 5),
        sessions=(
            Session(
                kind=SessionKind.ROLLING,
                orders=orders,
                clearing=result,
                pairs=pairs,
                curtailed_wh=curtail_pairs(orders, pairs, cut.cut_wh).curtailed_wh,
                province_price_uyuan_per_kwh=300_000,
            ),
        ),
        deviation_basis_uyuan_per_kwh=result.basis_uyuan_per_kwh,
        setpoint_wh=setpoints_wh(limited, orders, points, cut.filled_wh, cut.book_fills),
        loss_wh=loss_wh,
        prices=ProvincePrices(real_time_uyuan_per_kwh=int(r.integers(-80, 600)) * 1_000),
        parameters=county.parameters,
    )


@pytest.mark.parametrize("levels_up", [0, 1])
@pytest.mark.parametrize("seed", range(6))
def test_what_the_market_clears_settles_without_a_violation(seed: int, levels_up: int) -> None:
    r = np.random.default_rng(seed)
    settlement = settle_interval(settled_inputs(county_of(r, levels_up=levels_up), r))
    assert settlement.violations == ()
    assert settlement.ledger_nano_yuan.sum() == 0


def test_the_seeds_above_reach_every_kind_of_transfer_that_one_session_has() -> None:
    reached: set[int] = set()
    for seed in range(6):
        r = np.random.default_rng(seed)
        reached |= set(settle_interval(settled_inputs(county_of(r, levels_up=0), r)).transfers.kind.tolist())
    elsewhere = {
        TransferKind.DAY_AHEAD_IMPORT,
        TransferKind.DAY_AHEAD_EXPORT,
        TransferKind.LISTING_DIFFERENCE,
        TransferKind.STATEMENT_ROUNDING,
    }
    assert reached == set(TransferKind) - elsewhere
