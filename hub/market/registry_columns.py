"""The registry as the market's columns: the balance tree in clearing order, and what each metering point may do.

Units are numbered parents first (by depth, then unit id), metering points by their position in the registry.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from edge.contract.interval import SECONDS_PER_INTERVAL
from edge.contract.registry import BalanceUnit, Registry, RegistryError, SaleMode, SupplyMode
from hub.market.network_fee import NetworkFeeError, NetworkFees
from hub.market.trades import NO_LIMIT_WH, BalanceTree, BoolArray, Int8Array, Int64Array, Party

ScalarT = TypeVar("ScalarT", bound=np.generic)


@dataclass(frozen=True)
class MeteringPoints:
    """What the market knows of each metering point, shape (n_meters,) each.

    sale: who sells its net export: Party.DIRECT, PURCHASE or COMMISSION, -1 if nobody does. supply: who buys its net
    import: Party.DIRECT or SUPPLY, -1 if nobody does. user_tariff: T(V_user), the whole network tariff of its class.
    export_capacity_wh, import_capacity_wh: largest plausible energy in one interval.
    """

    meter_id: tuple[str, ...]
    unit: Int64Array
    sale: Int8Array
    supply: Int8Array
    clean: BoolArray
    export_capacity_wh: Int64Array
    import_capacity_wh: Int64Array
    user_tariff_uyuan_per_kwh: Int64Array


def units_in_tree_order(registry: Registry) -> tuple[BalanceUnit, ...]:
    """Return the balance units parents first: by depth, then by unit id; position 0 is the root.

    :raises RegistryError: if a unit does not hang on the root
    """
    by_parent: dict[str | None, list[BalanceUnit]] = {}
    for unit in registry.units:
        by_parent.setdefault(unit.parent_id, []).append(unit)
    ordered: list[BalanceUnit] = []
    level = by_parent.get(None, [])
    while level:
        level = sorted(level, key=lambda unit: unit.unit_id)
        ordered += level
        level = [child for unit in level for child in by_parent.get(unit.unit_id, [])]
    if len(ordered) != len(registry.units):
        lost = sorted({unit.unit_id for unit in registry.units} - {unit.unit_id for unit in ordered})
        raise RegistryError(f"unit {lost[0]} does not hang on the root")
    return tuple(ordered)


def balance_tree(units: tuple[BalanceUnit, ...], fees: NetworkFees) -> BalanceTree:
    """Return the tree columns of `units`, which stand in tree order, with the edge fees of `fees`."""
    return BalanceTree(
        unit_id=tuple(unit.unit_id for unit in units),
        parent=parents_of(units),
        export_limit_wh=_limits(unit.export_limit_wh for unit in units),
        import_limit_wh=_limits(unit.import_limit_wh for unit in units),
        fee_uyuan_per_kwh=fees.edge_fee_uyuan_per_kwh,
    )


def parents_of(units: tuple[BalanceUnit, ...]) -> Int64Array:
    """Return each unit's parent as a position in `units`, -1 for the root."""
    position = {unit.unit_id: number for number, unit in enumerate(units)}
    return _read_only([-1 if unit.parent_id is None else position[unit.parent_id] for unit in units], np.int64)


def metering_points(registry: Registry, tree: BalanceTree, fees: NetworkFees) -> MeteringPoints:
    """Return the market's columns of every metering point of the registry, in its order.

    :raises NetworkFeeError: if a metering point's class has no tariff
    """
    position = {unit_id: number for number, unit_id in enumerate(tree.unit_id)}
    points = registry.metering_points
    for point in points:
        if point.voltage_class not in fees.tariff_uyuan_per_kwh:
            raise NetworkFeeError(f"meter {point.meter_id}: no tariff for class {point.voltage_class!r}")
    return MeteringPoints(
        meter_id=tuple(point.meter_id for point in points),
        unit=_read_only([position[point.unit_id] for point in points], np.int64),
        sale=_read_only([_SALE_PARTY[point.sale_mode] for point in points], np.int8),
        supply=_read_only([_SUPPLY_PARTY[point.supply_mode] for point in points], np.int8),
        clean=_read_only([point.clean for point in points], np.bool_),
        export_capacity_wh=_read_only([interval_energy_wh(point.export_capacity_w) for point in points], np.int64),
        import_capacity_wh=_read_only([interval_energy_wh(point.import_capacity_w) for point in points], np.int64),
        user_tariff_uyuan_per_kwh=_read_only(
            [fees.tariff_uyuan_per_kwh[point.voltage_class] for point in points], np.int64
        ),
    )


def interval_energy_wh(power_w: int) -> int:
    """Return the whole Wh of one interval at constant power."""
    return power_w * SECONDS_PER_INTERVAL // 3600


def _limits(limits: Iterable[int | None]) -> Int64Array:
    return _read_only([NO_LIMIT_WH if limit is None else limit for limit in limits], np.int64)


def _read_only(values: list[Any], dtype: type[ScalarT]) -> npt.NDArray[ScalarT]:
    column = np.array(values, dtype)
    column.setflags(write=False)
    return column


# A retailer's order stands for its user's meter, so RETAIL is direct as far as the tree goes.
_SUPPLY_PARTY = {
    SupplyMode.DIRECT: int(Party.DIRECT),
    SupplyMode.RETAIL: int(Party.DIRECT),
    SupplyMode.AGENCY: int(Party.SUPPLY),
    SupplyMode.GUARANTEED: int(Party.SUPPLY),
    SupplyMode.NONE: -1,
}
_SALE_PARTY = {
    SaleMode.DIRECT: int(Party.DIRECT),
    SaleMode.COMMISSION: int(Party.COMMISSION),
    SaleMode.PURCHASE: int(Party.PURCHASE),
    SaleMode.NONE: -1,
}
