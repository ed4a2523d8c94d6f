"""Quantities of a bill as text with a unit, exact: energy, and active and apparent power (requirements row 187).

1万 kW = 10 MW. Active and apparent power have no common unit (row 109).
"""

from collections.abc import Mapping
from types import MappingProxyType

from hub.settlement.money import MoneyTextError, scaled_integer_from_text
from hub.settlement.rule_lines import QuantityUnit
from hub.settlement.units import WH_PER_UNIT

W_PER_UNIT: Mapping[str, int] = MappingProxyType(
    {"W": 1, "kW": 1_000, "MW": 1_000_000, "万 kW": 10_000_000, "GW": 1_000_000_000}
)
VA_PER_UNIT: Mapping[str, int] = MappingProxyType({"VA": 1, "kVA": 1_000, "MVA": 1_000_000, "万 kVA": 10_000_000})
_UNITS: Mapping[QuantityUnit, Mapping[str, int]] = MappingProxyType(
    {
        QuantityUnit.WATT_HOUR: WH_PER_UNIT,
        QuantityUnit.WATT: W_PER_UNIT,
        QuantityUnit.VOLT_AMPERE: VA_PER_UNIT,
    }
)


_PLAIN_DIGITS_MAX = 18


def quantity_from_text(text: str, unit: str, of: QuantityUnit) -> int:
    """Return the quantity written as a number of `unit` in Wh, W or VA, exact.

    :param of: what is measured; not AMOUNT
    :raises MoneyTextError: if it has no such unit, or the number is not whole in Wh, W or VA
    """
    units = _UNITS[of]
    if unit not in units:
        raise MoneyTextError(f"no unit {unit!r} of {of.value}; one of {', '.join(units)}")
    if len(text) <= _PLAIN_DIGITS_MAX and text.isascii() and text.isdigit():
        return int(text) * units[unit]  # most of a county's quantities, without a Decimal
    return scaled_integer_from_text(text, units[unit], f"{unit} in whole {of.value}")
