"""The registry as columns: parents first whatever the ids, who sells and buys, capacities of an interval."""

import numpy as np
import pytest

from edge.contract.registry import (
    BalanceUnit,
    MeteringPoint,
    MeterKind,
    Registry,
    RegistryError,
    SaleMode,
    SupplyMode,
    UnitKind,
)
from hub.market.network_fee import NetworkFeeError, NetworkFees, network_fees
from hub.market.order_rules import meter_standing
from hub.market.registry_columns import balance_tree, metering_points, parents_of, units_in_tree_order
from hub.market.trades import NO_LIMIT_WH, Party

TARIFF = {"<1kV": 200_000, "10(20)kV": 180_000, "110kV": 140_000}


def unit(unit_id: str, parent_id: str | None, voltage_class: str, limit: int | None = None) -> BalanceUnit:
    return BalanceUnit(unit_id, parent_id, UnitKind.AREA, voltage_class, limit, None, ())


def point(
    meter_id: str, unit_id: str, supply: SupplyMode, sale: SaleMode, voltage_class: str = "<1kV"
) -> MeteringPoint:
    return MeteringPoint(
        meter_id=meter_id,
        gateway_id="G1",
        unit_id=unit_id,
        bus="b",
        kind=MeterKind.PROSUMER,
        channels=(),
        voltage_class=voltage_class,
        participant_id="P1",
        supply_mode=supply,
        sale_mode=sale,
        category=None,
        clean=sale is not SaleMode.NONE,
        export_capacity_w=4001,
        import_capacity_w=12_000,
    )


POINTS = (
    point("M1", "A1", SupplyMode.DIRECT, SaleMode.DIRECT),
    point("M2", "A1", SupplyMode.AGENCY, SaleMode.COMMISSION),
    point("M3", "F1", SupplyMode.GUARANTEED, SaleMode.PURCHASE, "10(20)kV"),
    point("M4", "A2", SupplyMode.RETAIL, SaleMode.NONE),
    point("M5", "A2", SupplyMode.NONE, SaleMode.NONE),
)
UNITS = (
    unit("A1", "F1", "<1kV", 900),
    unit("A2", "F1", "<1kV"),
    unit("F1", "county", "10(20)kV"),
    unit("county", None, "110kV"),
)


def registry(units: tuple[BalanceUnit, ...] = UNITS) -> Registry:
    return Registry("c1", units, (), POINTS, ())


def fees_of(units: tuple[BalanceUnit, ...], tariff: dict[str, int] = TARIFF) -> NetworkFees:
    return network_fees(
        unit_id=[one.unit_id for one in units],
        parent=parents_of(units),
        voltage_class=[one.voltage_class for one in units],
        tariff_uyuan_per_kwh=tariff,
    )


def test_units_stand_parents_first_by_depth_and_id() -> None:
    units = units_in_tree_order(registry())
    tree = balance_tree(units, fees_of(units))
    assert tree.unit_id == ("county", "F1", "A1", "A2")
    assert tree.parent.tolist() == [-1, 0, 1, 1]
    assert tree.fee_uyuan_per_kwh.tolist() == [0, 40_000, 20_000, 20_000]
    assert tree.export_limit_wh.tolist() == [NO_LIMIT_WH, NO_LIMIT_WH, 900, NO_LIMIT_WH]


def test_a_ring_of_units_is_refused() -> None:
    ring = (*UNITS, unit("X1", "X2", "<1kV"), unit("X2", "X1", "<1kV"))
    with pytest.raises(RegistryError, match="unit X1 does not hang on the root"):
        units_in_tree_order(registry(ring))


def test_metering_points_say_who_sells_and_buys_and_how_much_at_most() -> None:
    units = units_in_tree_order(registry())
    fees = fees_of(units)
    points = metering_points(registry(), balance_tree(units, fees), fees)
    assert points.unit.tolist() == [2, 2, 1, 3, 3]
    assert points.sale.tolist() == [Party.DIRECT, Party.COMMISSION, Party.PURCHASE, -1, -1]
    assert points.supply.tolist() == [Party.DIRECT, Party.SUPPLY, Party.SUPPLY, Party.DIRECT, -1]
    assert points.user_tariff_uyuan_per_kwh.tolist() == [200_000, 200_000, 180_000, 200_000, 200_000]
    assert np.unique(points.export_capacity_wh).tolist() == [1000]
    standing = meter_standing(registry())
    assert [(one.sells_direct, one.buys_direct) for one in standing.values()] == [
        (True, True),
        (False, False),
        (False, False),
        (False, True),
        (False, False),
    ]
    assert standing["M1"].import_capacity_wh == 3000


def test_a_meter_without_a_tariff_is_refused() -> None:
    units = units_in_tree_order(registry())
    fees = network_fees(
        unit_id=["x"], parent=np.array([-1]), voltage_class=["110kV"], tariff_uyuan_per_kwh={"110kV": 1}
    )
    with pytest.raises(NetworkFeeError, match="meter M1: no tariff"):
        metering_points(registry(), balance_tree(units, fees_of(units)), fees)
