"""Energy and price texts in the units that people write, to the integers inside (requirements rows 187, 188).

Energy is Wh inside: 1 度 = 1 kWh, 1万 kWh = 10 MWh, 1亿 kWh = 100 GWh. Price is micro-yuan/kWh inside:
1 yuan/kWh = 1,000 yuan/MWh = 100 分/kWh = 1,000 厘/kWh.
"""

from collections.abc import Mapping
from types import MappingProxyType

from hub.settlement.money import MoneyTextError, scaled_integer_from_text

WH_PER_UNIT: Mapping[str, int] = MappingProxyType(
    {
        "Wh": 1,
        "kWh": 1_000,
        "度": 1_000,
        "MWh": 1_000_000,
        "万 kWh": 10_000_000,
        "GWh": 1_000_000_000,
        "TWh": 1_000_000_000_000,
        "亿 kWh": 100_000_000_000,
        "万亿 kWh": 1_000_000_000_000_000,
    }
)
UYUAN_PER_KWH_PER_UNIT: Mapping[str, int] = MappingProxyType(
    {
        "yuan/MWh": 1_000,
        "元/兆瓦时": 1_000,
        "厘/kWh": 1_000,
        "分/kWh": 10_000,
        "yuan/kWh": 1_000_000,
        "元/千瓦时": 1_000_000,
        "元/度": 1_000_000,
    }
)


def energy_wh_from_text(text: str, unit: str) -> int:
    """Return the energy written as a number of `unit` (a key of `WH_PER_UNIT`), exact.

    :raises MoneyTextError: if the unit is unknown or the energy is not a whole number of Wh
    """
    if unit not in WH_PER_UNIT:
        raise MoneyTextError(f"no unit of energy {unit!r}; one of {', '.join(WH_PER_UNIT)}")
    return scaled_integer_from_text(text, WH_PER_UNIT[unit], f"{unit} in whole Wh")


def price_uyuan_per_kwh_from_text(text: str, unit: str) -> int:
    """Return the signed price written in `unit` (a key of `UYUAN_PER_KWH_PER_UNIT`), exact.

    :raises MoneyTextError: if the unit is unknown or the price has more than six decimals of a yuan/kWh
    """
    if unit not in UYUAN_PER_KWH_PER_UNIT:
        raise MoneyTextError(f"no unit of price {unit!r}; one of {', '.join(UYUAN_PER_KWH_PER_UNIT)}")
    return scaled_integer_from_text(text, UYUAN_PER_KWH_PER_UNIT[unit], f"{unit} in whole micro-yuan/kWh")
