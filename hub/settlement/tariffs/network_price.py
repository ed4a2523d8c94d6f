"""The network fee (过网费) of a trade at settlement, in both readings and with the range rule.

w = max(0, T(V_user) - T(up(V_max, k))): k is 0 within the own range and 1 where distributed generation exceeds the
area's average load; the other reading subtracts the level above besides (outside rules, section 1; requirements row
28). The clearing side, by units of a tree, is hub/market/network_fee.py. Volumetric part only, micro-yuan/kWh.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from hub.market.network_fee import LevelCostReading, NetworkFeeError, level_above
from hub.settlement.prices import ParameterError

RULE_VERSION: Mapping[LevelCostReading, str] = {
    LevelCostReading.LITERAL: "network-fee-literal-1",
    LevelCostReading.LEVEL_ABOVE: "network-fee-level-above-1",
}


class RangeEquality(Enum):
    """Which fee applies where generation equals the average load, which the notice leaves open."""

    OWN_LEVEL = "own-level"
    LEVEL_ABOVE = "level-above"


class TradeFeeError(ParameterError):
    """A trade that has no network fee; the text says what to load."""


@dataclass(frozen=True)
class TradeFee:
    """The fee of a trade. subtracted_class: the class of which the tariff was subtracted from the user's."""

    fee_uyuan_per_kwh: int
    subtracted_class: str
    levels_up: int
    rule_version: str


def range_levels_up(*, generation_w: int, average_load_w: int, equality: RangeEquality | None = None) -> int:
    """Return k of a supply area: 0 if its generation is below the previous year's average load, 1 if above it.

    :param equality: which applies where the two are equal; None: not set
    :raises TradeFeeError: if they are equal and that is not set
    """
    if generation_w != average_load_w:
        return int(generation_w > average_load_w)
    if equality is None:
        raise TradeFeeError(
            f"row 28: generation equals the average load of {average_load_w} W, which the notice leaves open; "
            "load dg_range_equality"
        )
    return int(equality is RangeEquality.LEVEL_ABOVE)


def trade_fee(
    *,
    user_class: str,
    highest_class: str,
    levels_up: int,
    reading: LevelCostReading,
    tariff_uyuan_per_kwh: Mapping[str, int],
) -> TradeFee:
    """Return the network fee of a trade (row 28; outside rules, section 1).

    :param user_class: the user's tariff class; highest_class: the highest level that the trade involves
    :param levels_up: k of the range rule
    :param tariff_uyuan_per_kwh: T by class, one column throughout
    :raises TradeFeeError: if a class has no tariff or the level to subtract lies beyond the highest
    """
    steps = levels_up + int(reading is LevelCostReading.LEVEL_ABOVE)
    try:
        subtracted = level_above(highest_class, steps)
    except NetworkFeeError as error:
        raise TradeFeeError(f"row 28: {error}; load the reading or the range that applies") from None
    for name in (user_class, subtracted):
        if name not in tariff_uyuan_per_kwh:
            raise TradeFeeError(f"row 28: no network tariff of {name}; load its approved tariff")
    fee = max(0, tariff_uyuan_per_kwh[user_class] - tariff_uyuan_per_kwh[subtracted])
    return TradeFee(fee, subtracted, levels_up, RULE_VERSION[reading])
