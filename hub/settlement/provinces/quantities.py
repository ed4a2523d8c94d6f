"""What kinds of number a provincial parameter can be: the units it may be written in and the integer inside.

Money per energy, power or capacity is micro-yuan, so that with Wh, W or VA it gives nano-yuan; a factor, share or rate
is in parts per million. A price per kW is no price per kVA (requirements row 109): there is no common unit.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from hub.settlement.exact_shares import PPM
from hub.settlement.units import UYUAN_PER_KWH_PER_UNIT


@dataclass(frozen=True)
class Quantity:
    """A kind of number. inside: the name of the integer's unit; scale: integer per one of each unit of a document."""

    inside: str
    scale: Mapping[str, int]


def _quantity(inside: str, **scale: int) -> Quantity:
    return Quantity(inside, MappingProxyType(scale))


ENERGY_PRICE = Quantity("micro-yuan/kWh", UYUAN_PER_KWH_PER_UNIT)
CAPACITY_PRICE = Quantity("micro-yuan/kVA-month", MappingProxyType({"yuan/kVA-month": PPM}))
DEMAND_PRICE = Quantity("micro-yuan/kW-month", MappingProxyType({"yuan/kW-month": PPM}))
YEARLY_PRICE = Quantity("micro-yuan/kW-year", MappingProxyType({"yuan/kW-year": PPM}))
MILEAGE_PRICE = Quantity("micro-yuan/kW", MappingProxyType({"yuan/kW": PPM, "yuan/MW": PPM // 1_000}))
FACTOR = Quantity("ppm", MappingProxyType({"1": PPM, "%": PPM // 100}))
DURATION = _quantity("minutes", h=60, min=1)
YEARS = _quantity("years", a=1)
APPARENT_POWER = _quantity("VA", kVA=1_000)
VOLTAGE = _quantity("V", kV=1_000)
UTILISATION = Quantity("Wh/VA", MappingProxyType({"kWh/kVA": 1}))
WORD = Quantity("word", MappingProxyType({"word": 1}))
"""One of the words that the parameter's definition lists; the integer inside is the word's position there."""
COMPONENTS = Quantity("components", MappingProxyType({"components": 1}))
"""Names of price components joined by "+"; the integer inside is a `keys.Component` mask."""
