"""What one cleared interval shows: volumes and mean prices by mode, local share, and the curve for the display."""

from dataclasses import dataclass

import numpy as np

from hub.market.trades import BoolArray, ClearingResult, Int64Array, OrderBatch, Pairs, Party, TradeSide

N_MODES = 4
PPM = 1_000_000


@dataclass(frozen=True)
class ModeVolumes:
    """By mode 0 (the province sells), 1, 2, 3: shape (4,) each. A mean price of no volume is 0.

    export_wh: of the volume, what the province bought. Prices are volume-weighted means, rounded half-up once.
    """

    volume_wh: Int64Array
    export_wh: Int64Array
    price_paid_uyuan_per_kwh: Int64Array
    price_received_uyuan_per_kwh: Int64Array


@dataclass(frozen=True)
class CurvePoints:
    """Cleared supply and demand as steps seen from the root: price and cumulative energy at each step's end.

    Supply by ascending, demand by descending price; they meet at the root's price and the interval's volume.
    """

    supply_price_uyuan_per_kwh: Int64Array
    supply_wh: Int64Array
    demand_price_uyuan_per_kwh: Int64Array
    demand_wh: Int64Array


def mode_volumes(orders: OrderBatch, pairs: Pairs) -> ModeVolumes:
    """Return volumes and volume-weighted mean prices by mode."""
    energy, exported = [0] * N_MODES, [0] * N_MODES
    paid, received = [0] * N_MODES, [0] * N_MODES
    to_province = (orders.party[pairs.buyer] == Party.PROVINCE).tolist()
    rows = zip(
        pairs.mode.tolist(),
        pairs.energy_wh.tolist(),
        pairs.price_paid_uyuan_per_kwh.tolist(),
        pairs.price_received_uyuan_per_kwh.tolist(),
        to_province,
        strict=True,
    )
    for mode, energy_wh, price_paid, price_received, is_export in rows:
        energy[mode] += energy_wh
        exported[mode] += energy_wh if is_export else 0
        paid[mode] += energy_wh * price_paid
        received[mode] += energy_wh * price_received
    return ModeVolumes(
        volume_wh=np.array(energy, np.int64),
        export_wh=np.array(exported, np.int64),
        price_paid_uyuan_per_kwh=_means(paid, energy),
        price_received_uyuan_per_kwh=_means(received, energy),
    )


def local_share_ppm(orders: OrderBatch, pairs: Pairs) -> int:
    """Return the share of locally bought energy that local sellers delivered, in millionths; 0 if none was bought.

    The pairs' measure of requirements row 21, rounded down so that only a whole share shows as whole.
    """
    is_bought_here = orders.party[pairs.buyer] != Party.PROVINCE
    is_sold_here = orders.party[pairs.seller] != Party.PROVINCE
    bought = int(pairs.energy_wh[is_bought_here].sum())
    local = int(pairs.energy_wh[is_bought_here & is_sold_here].sum())
    return local * PPM // bought if bought else 0


def curve_points(orders: OrderBatch, result: ClearingResult) -> CurvePoints:
    """Return the curves with each order's price seen from the root: its price less its unit's price difference.

    Seen so, an order is better than the root's price exactly if it is better than its own unit's price. The
    province's orders are drawn no longer than what the county could trade with them.
    """
    is_sell, is_province = orders.side == TradeSide.SELL, orders.party == Party.PROVINCE
    price = orders.price_uyuan_per_kwh - (result.price_uyuan_per_kwh[orders.unit] - result.price_uyuan_per_kwh[0])
    offered = int(orders.energy_wh[is_sell & ~is_province].sum())
    wanted = int(orders.energy_wh[~is_sell & ~is_province].sum())
    energy = np.where(is_province, np.minimum(orders.energy_wh, np.where(is_sell, wanted, offered)), orders.energy_wh)
    supply_price, supply_wh = _steps(price, energy, is_sell)
    demand_price, demand_wh = _steps(-price, energy, ~is_sell)
    return CurvePoints(supply_price, supply_wh, -demand_price, demand_wh)


def _steps(price: Int64Array, energy_wh: Int64Array, rows: BoolArray) -> tuple[Int64Array, Int64Array]:
    """Return ascending prices and the cumulative energy at each, of the rows with energy."""
    chosen = np.flatnonzero(rows & (energy_wh > 0))
    prices, number = np.unique(price[chosen], return_inverse=True)
    width = np.zeros(prices.size, np.int64)
    np.add.at(width, number, energy_wh[chosen])
    return prices, np.asarray(width.cumsum(), dtype=np.int64)


def _means(amounts: list[int], weights: list[int]) -> Int64Array:
    """Return amount by weight rounded to the nearest, a tie away from zero; 0 without weight."""
    means = []
    for amount, weight in zip(amounts, weights, strict=True):
        magnitude = (2 * abs(amount) + weight) // (2 * weight) if weight else 0
        means.append(magnitude if amount >= 0 else -magnitude)
    return np.array(means, np.int64)
