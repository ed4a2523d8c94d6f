"""Green attributes: bound to the pairs of clean sellers when an interval is cleared, delivered when it is settled."""

from dataclasses import replace

import numpy as np
from sqlmodel import Session

from hub.market.green.deliveries import bound_by_plant_wh, check_delivered, delivered_wh
from hub.market.green.green_trades import GreenTrades, check_green_trades, green_trades
from hub.market.registry_columns import MeteringPoints
from hub.market.security import net_export_fills_wh
from hub.market.trades import Violation
from hub.store.green import bound_attributes, save_deliveries, save_green_interval, save_green_trades
from hub.usecases.load_county import CountyModel
from hub.usecases.measure_energy import MeasuredInterval
from hub.usecases.secured_interval import ClearedInterval


def bind_green(session: Session, county: CountyModel, cleared: ClearedInterval) -> list[Violation]:
    """Bind an attribute to each Wh that a clean seller sold and keeps after curtailment; return breaches of law 2."""
    trades, violations = attributes_of(cleared, county.points)
    save_green_trades(session, trades)
    return violations


def attributes_of(cleared: ClearedInterval, points: MeteringPoints) -> tuple[GreenTrades, list[Violation]]:
    """Return a cleared interval's attributes, and what the law finds wrong with them.

    No order quotes an environmental value, so there is none beside the energy's price.
    """
    orders = cleared.orders
    pairs = replace(cleared.pairs, energy_wh=cleared.pairs.energy_wh - cleared.curtailed_wh)
    found = green_trades(
        orders,
        pairs,
        points,
        cleared.books,
        cleared.book_fills,
        environmental_uyuan_per_kwh=np.zeros(points.unit.size, np.int64),
    )
    # A pair that curtailment emptied trades nothing.
    kept = found.energy_wh > 0
    trades = GreenTrades(
        found.interval,
        found.pair[kept],
        found.plant[kept],
        found.energy_wh[kept],
        found.energy_price_uyuan_per_kwh[kept],
        found.environmental_uyuan_per_kwh[kept],
    )
    sold_wh = net_export_fills_wh(orders, points, cleared.filled_wh, cleared.book_fills)
    return trades, check_green_trades(trades, orders, pairs, points, net_export_fill_wh=sold_wh)


def deliver_green(session: Session, county: CountyModel, measured: MeasuredInterval) -> list[Violation]:
    """Cut a settled interval's attributes to what their plants fed in by meter; return breaches of law 2."""
    is_plant = county.points.clean & county.standing.is_market
    generation_wh = np.where(is_plant, measured.metered().export_wh, 0)
    bound, pair = bound_attributes(session, measured.interval)
    delivered = delivered_wh(bound, generation_wh)
    save_deliveries(session, bound, pair, delivered)
    sold_wh = np.zeros(generation_wh.size, np.int64)
    np.add.at(sold_wh, bound.plant, delivered)
    save_green_interval(
        session,
        measured.interval,
        generation_wh=generation_wh,
        bound_wh=bound_by_plant_wh(bound, generation_wh.size),
        delivered_wh=sold_wh,
    )
    return check_delivered(bound, delivered, generation_wh, county.points.meter_id)
