"""From an expected net energy to an order: sell the surplus, buy the need, at a price of the meter's own.

Each meter has one marginal price for selling and one for buying, spread over a range by a hash of its id: the same
meter always offers at the same price, and nothing is drawn by chance. The registry does not name a plant's technology,
so ranges go by kind and voltage: photovoltaics at low voltage ask little, larger plants at medium voltage (biomass is
among them, with fuel to pay) ask more. Buyers' prices hold the network charge that they would pay to the utility.
"""

import hashlib
from collections.abc import Mapping

import msgspec

from edge.contract.messages import Side
from edge.contract.registry import MeteringPoint, MeterKind, SaleMode, SupplyMode

LOW_VOLTAGE_CLASS = "<1kV"

# Kind -> lowest and highest marginal price, micro-yuan/kWh.
_SELL_LOW_VOLTAGE: Mapping[MeterKind, tuple[int, int]] = {
    MeterKind.GENERATOR: (50_000, 280_000),
    MeterKind.PROSUMER: (80_000, 300_000),
    MeterKind.MICROGRID_GATEWAY: (120_000, 340_000),
    MeterKind.LOAD: (80_000, 300_000),
}
_SELL_ABOVE = {**_SELL_LOW_VOLTAGE, MeterKind.GENERATOR: (90_000, 360_000)}
_BUY_LOW_VOLTAGE: Mapping[MeterKind, tuple[int, int]] = {
    MeterKind.LOAD: (450_000, 750_000),
    MeterKind.PROSUMER: (450_000, 750_000),
    MeterKind.MICROGRID_GATEWAY: (430_000, 700_000),
    MeterKind.GENERATOR: (500_000, 750_000),
}
_BUY_ABOVE = {**_BUY_LOW_VOLTAGE, MeterKind.LOAD: (430_000, 720_000)}


class TradingRules(msgspec.Struct, frozen=True):
    """What the session allows: prices in micro-yuan/kWh, lot in Wh. The defaults hold until the hub says otherwise."""

    price_floor_uyuan_per_kwh: int = 0
    price_cap_uyuan_per_kwh: int = 1_500_000
    price_tick_uyuan_per_kwh: int = 1_000
    lot_wh: int = 10

    def is_usable(self) -> bool:
        """Tell whether some price and some energy can satisfy the rules."""
        return self.price_tick_uyuan_per_kwh > 0 and self.lot_wh > 0 and self._lowest() <= self._highest()

    def allowed_price(self, price_uyuan_per_kwh: int) -> int:
        """Return the price on tick, at or below the given one, moved inside floor and cap."""
        assert self.is_usable()
        on_tick = price_uyuan_per_kwh // self.price_tick_uyuan_per_kwh * self.price_tick_uyuan_per_kwh
        return min(max(on_tick, self._lowest()), self._highest())

    def _lowest(self) -> int:
        return -(-self.price_floor_uyuan_per_kwh // self.price_tick_uyuan_per_kwh) * self.price_tick_uyuan_per_kwh

    def _highest(self) -> int:
        return self.price_cap_uyuan_per_kwh // self.price_tick_uyuan_per_kwh * self.price_tick_uyuan_per_kwh


class Bid(msgspec.Struct, frozen=True):
    """What a meter wants to trade in one interval."""

    side: Side
    energy_wh: int
    price_uyuan_per_kwh: int


def bid_for(point: MeteringPoint, expected_net_wh: int, rules: TradingRules) -> Bid | None:
    """Return the order that the meter places for its expected net energy (Wh, export positive).

    :returns: None if it expects less than a lot, or trades that direction otherwise than directly
    """
    selling = expected_net_wh > 0
    if (selling and point.sale_mode is not SaleMode.DIRECT) or (
        not selling and point.supply_mode is not SupplyMode.DIRECT
    ):
        return None
    capacity_w = point.export_capacity_w if selling else point.import_capacity_w
    energy_wh = min(abs(expected_net_wh), capacity_w // 4) // rules.lot_wh * rules.lot_wh
    if energy_wh <= 0:
        return None
    side = Side.SELL if selling else Side.BUY
    return Bid(side, energy_wh, rules.allowed_price(marginal_price_uyuan_per_kwh(point, side)))


def marginal_price_uyuan_per_kwh(point: MeteringPoint, side: Side) -> int:
    """Return the meter's own price (micro-yuan/kWh) before tick, floor and cap; the same for the same meter id."""
    at_low_voltage = point.voltage_class == LOW_VOLTAGE_CLASS
    if side is Side.SELL:
        ranges = _SELL_LOW_VOLTAGE if at_low_voltage else _SELL_ABOVE
    else:
        ranges = _BUY_LOW_VOLTAGE if at_low_voltage else _BUY_ABOVE
    lowest, highest = ranges[point.kind]
    digest = hashlib.blake2b(f"{side.value}/{point.meter_id}".encode(), digest_size=8).digest()
    return lowest + int.from_bytes(digest, "big") % (highest - lowest + 1)
