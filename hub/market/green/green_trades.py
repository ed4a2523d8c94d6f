"""Which plant's clean energy went to whom: a green attribute for each Wh that a clean seller sold in a pair.

Direct sellers stand in pairs themselves. The supply arm's PURCHASE and COMMISSION books stand for their members, whose
fills are laid end to end beside the book's pairs, in meter order, so that each member's attributes sum to its fill.
Energy from sellers that are not clean, from storage and from the province carries none (outside rules 11).
"""

from dataclasses import dataclass

import numpy as np

from hub.market.books import BookFills, Books, book_positions
from hub.market.registry_columns import MeteringPoints
from hub.market.trades import Int64Array, OrderBatch, Pairs, Party, Violation


@dataclass(frozen=True)
class GreenTrades:
    """Green attributes of one interval, one row a plant and pair, shape (n,) each.

    pair: position in Pairs, whose buyer has the attribute. plant: the seller's metering point. energy_wh > 0.
    energy_price: what the pair's buyer pays for the energy; environmental: the environmental value, apart from it.
    """

    interval: int
    pair: Int64Array
    plant: Int64Array
    energy_wh: Int64Array
    energy_price_uyuan_per_kwh: Int64Array
    environmental_uyuan_per_kwh: Int64Array


def green_trades(
    orders: OrderBatch,
    pairs: Pairs,
    points: MeteringPoints,
    books: Books,
    book_fills: BookFills,
    *,
    environmental_uyuan_per_kwh: Int64Array,
) -> GreenTrades:
    """Return the attributes of an interval's pairs, by pair, then plant.

    :param book_fills: books.split_book_fills of the same clearing
    :param environmental_uyuan_per_kwh: shape (n_meters,), the environmental value that each plant quotes, >= 0
    """
    direct = np.flatnonzero((orders.party[pairs.seller] == Party.DIRECT) & orders.clean[pairs.seller])
    rows = [(direct, orders.meter[pairs.seller[direct]], pairs.energy_wh[direct])]
    for book, position in enumerate(book_positions(books, orders).tolist()):
        if books.party[book] not in {Party.PURCHASE, Party.COMMISSION}:
            continue
        of_book = np.flatnonzero(pairs.seller == position)
        members = books.member_meter[books.member_book == book]
        left, right, energy = laid_end_to_end(pairs.energy_wh[of_book], book_fills.export_wh[members])
        is_clean = points.clean[members[right]]
        rows.append((of_book[left[is_clean]], members[right[is_clean]], energy[is_clean]))
    pair, plant, energy_wh = (np.concatenate(column) for column in zip(*rows, strict=True))
    order = np.lexsort((plant, pair))
    columns = (
        pair[order],
        plant[order],
        energy_wh[order],
        pairs.price_paid_uyuan_per_kwh[pair[order]],
        environmental_uyuan_per_kwh[plant[order]],
    )
    for column in columns:
        column.setflags(write=False)
    return GreenTrades(orders.interval, *columns)


def laid_end_to_end(left_wh: Int64Array, right_wh: Int64Array) -> tuple[Int64Array, Int64Array, Int64Array]:
    """Return which of the left meets which of the right, and how much, both laid end to end; they have one sum."""
    left_end, right_end = left_wh.cumsum(), right_wh.cumsum()
    assert int(left_wh.sum()) == int(right_wh.sum()), "both sides have one sum"
    ends = np.unique(np.concatenate((left_end, right_end)))
    ends = ends[ends > 0]
    energy = np.diff(ends, prepend=0)
    return np.searchsorted(left_end, ends), np.searchsorted(right_end, ends), energy


def plant_energy_wh(trades: GreenTrades, *, n_meters: int) -> Int64Array:
    """Return each plant's green energy of the interval, shape (n_meters,)."""
    energy = np.zeros(n_meters, np.int64)
    np.add.at(energy, trades.plant, trades.energy_wh)
    return energy


def check_green_trades(
    trades: GreenTrades,
    orders: OrderBatch,
    pairs: Pairs,
    points: MeteringPoints,
    *,
    net_export_fill_wh: Int64Array,
) -> list[Violation]:
    """Law 2 for attributes: each clean Wh sold has one attribute, no other Wh has any, no pair more than its energy.

    :param net_export_fill_wh: shape (n_meters,), security.net_export_fills_wh: each point's filled sale
    """
    due = np.where(points.clean, net_export_fill_wh, 0)
    held = plant_energy_wh(trades, n_meters=points.unit.size)
    found = [
        Violation(2, points.meter_id[meter], f"{held[meter]} Wh with an attribute, {due[meter]} Wh clean and sold")
        for meter in np.flatnonzero(held != due).tolist()
    ]
    of_pair = np.zeros(pairs.energy_wh.size, np.int64)
    np.add.at(of_pair, trades.pair, trades.energy_wh)
    is_province = orders.party[pairs.seller] == Party.PROVINCE
    wrong = (of_pair > pairs.energy_wh) | (is_province & (of_pair > 0))
    found += [
        Violation(2, f"pair {row}", "more attributes than clean energy") for row in np.flatnonzero(wrong).tolist()
    ]
    if bool((trades.energy_wh <= 0).any()):
        found.append(Violation(2, f"interval {trades.interval}", "an attribute without energy"))
    return found
