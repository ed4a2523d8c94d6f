"""Network fee (过网费): what energy pays on its way down the tree, so that the parts sum to T(V_user) - g(apex).

With g(n) = T(up(V_n, k_n)) the fee of a down-edge is g(child) - g(parent), a direct user's access fee is
T(V_user) - g(unit) and a trade's fee is w(apex) = T(V_user) - g(apex) (DESIGN 5; requirements row 28; outside rules,
section 1). The tariff column T is data with a version, passed in.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

import numpy as np

from hub.market.trades import Int64Array

VOLTAGE_CLASSES = ("<1kV", "10(20)kV", "35kV", "110kV", "220kV")


class LevelCostReading(Enum):
    """How the notice's network fee is read (parameter `level_cost_reading`).

    LITERAL subtracts the tariff of the highest level of the trade, LEVEL_ABOVE that of the level above it, so that the
    highest level's own cost is charged.
    """

    LITERAL = "literal"
    LEVEL_ABOVE = "level-above"


class NetworkFeeError(ValueError):
    """The tariff column and the levels of the units give no valid network fee; the text names the unit."""


@dataclass(frozen=True)
class NetworkFees:
    """Fees of one tree under one tariff column, micro-yuan/kWh.

    unit_tariff: shape (n_units,), g(n). edge_fee: shape (n_units,), g(n) - g(parent), 0 for the root.
    gateway_fee: g(root), what imported energy pays at the tie: T(V_gateway) at k = 0. At other k it is still g(root),
    or the fees of an import's path would not sum to T(V_user).
    tariff: the column T by voltage class.
    """

    unit_tariff_uyuan_per_kwh: Int64Array
    edge_fee_uyuan_per_kwh: Int64Array
    gateway_fee_uyuan_per_kwh: int
    tariff_uyuan_per_kwh: Mapping[str, int]


def network_fees(
    *,
    unit_id: Sequence[str],
    parent: Int64Array,
    voltage_class: Sequence[str],
    tariff_uyuan_per_kwh: Mapping[str, int],
    levels_up: Int64Array | None = None,
    reading: LevelCostReading = LevelCostReading.LITERAL,
) -> NetworkFees:
    """Return the fees of a tree.

    :param voltage_class: the tariff class of each unit
    :param levels_up: shape (n_units,), k_n of each unit's supply area: 1 where distributed generation exceeds the
        area's average load, else 0; None: 0 everywhere
    :raises NetworkFeeError: if a class has no tariff, a level lies beyond the highest one or an edge fee is negative
    """
    steps_up = np.zeros(len(unit_id), np.int64) if levels_up is None else levels_up
    if reading is LevelCostReading.LEVEL_ABOVE:
        steps_up = steps_up + 1
    unit_tariff = np.empty(len(unit_id), np.int64)
    for unit, (name, voltage, steps) in enumerate(zip(unit_id, voltage_class, steps_up.tolist(), strict=True)):
        try:
            level = level_above(voltage, steps)
        except NetworkFeeError as error:
            raise NetworkFeeError(f"unit {name}: {error}") from None
        if level not in tariff_uyuan_per_kwh:
            raise NetworkFeeError(f"unit {name}: the tariff column has no price for {level}")
        unit_tariff[unit] = tariff_uyuan_per_kwh[level]
    edge_fee = np.zeros(len(unit_id), np.int64)
    edge_fee[1:] = unit_tariff[1:] - unit_tariff[parent[1:]]
    for unit in np.flatnonzero(edge_fee < 0).tolist():
        raise NetworkFeeError(
            f"unit {unit_id[unit]}: the fee of the edge from {unit_id[int(parent[unit])]} would be {edge_fee[unit]}"
        )
    for column in (unit_tariff, edge_fee):
        column.setflags(write=False)
    return NetworkFees(unit_tariff, edge_fee, int(unit_tariff[0]), MappingProxyType(dict(tariff_uyuan_per_kwh)))


def level_above(voltage_class: str, steps: int) -> str:
    """Return up(V, k): the tariff class `steps` levels above `voltage_class`.

    :raises NetworkFeeError: if the class is unknown or the level would lie beyond the highest one
    """
    if voltage_class not in VOLTAGE_CLASSES:
        raise NetworkFeeError(f"no tariff class {voltage_class!r}; one of {', '.join(VOLTAGE_CLASSES)}")
    position = VOLTAGE_CLASSES.index(voltage_class) + steps
    if not 0 <= position < len(VOLTAGE_CLASSES):
        raise NetworkFeeError(f"{steps} levels above {voltage_class} lie beyond {VOLTAGE_CLASSES[-1]}")
    return VOLTAGE_CLASSES[position]


def access_fee_uyuan_per_kwh(fees: NetworkFees, unit: Int64Array, user_tariff_uyuan_per_kwh: Int64Array) -> Int64Array:
    """Return T(V_user) - g(unit) for each user: by this much its order stands lower in the tree.

    :raises NetworkFeeError: if one is negative (a user above its unit's level)
    """
    access_fee = user_tariff_uyuan_per_kwh - fees.unit_tariff_uyuan_per_kwh[unit]
    if access_fee.size and int(access_fee.min()) < 0:
        worst = int(access_fee.argmin())
        raise NetworkFeeError(
            f"a user of unit number {int(unit[worst])} would have an access fee of {access_fee[worst]}"
        )
    return access_fee


def trade_fee_uyuan_per_kwh(fees: NetworkFees, apex: Int64Array, user_tariff_uyuan_per_kwh: Int64Array) -> Int64Array:
    """Return w(apex) = max(0, T(V_user) - g(apex)) for each trade (row 28)."""
    return np.asarray(np.maximum(user_tariff_uyuan_per_kwh - fees.unit_tariff_uyuan_per_kwh[apex], 0), dtype=np.int64)
