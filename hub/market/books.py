"""D_sup's marked orders by unit, from forecasts per meter, and the province's orders at the root.

PURCHASE (mode 3) and COMMISSION (mode 2) offer at the floor, SUPPLY (AGENCY and GUARANTEED users) and LOSS (forecast
loss) buy at the cap (DESIGN 5 "Who is in it").
"""

from dataclasses import dataclass

import numpy as np

from hub.market.pro_rata import largest_remainder_by_group
from hub.market.registry_columns import MeteringPoints
from hub.market.trades import BalanceTree, BoolArray, Int8Array, Int64Array, OrderBatch, Party

N_PARTIES = len(Party)
# A tie without a limit: more than any county could use in an interval, and small enough for 64-bit sums.
UNLIMITED_TIE_WH = 10**12


class ImportBelowExportError(ValueError):
    """The province's import order would stand below its export order, so both could fill: refused."""


@dataclass(frozen=True)
class Books:
    """D_sup's book orders, sorted by (unit, party), and the meters behind them.

    unit, party, energy_wh, clean: shape (n_books,); only books with energy. clean: every member is.
    member_book, member_meter, member_energy_wh: shape (n_members,), sorted by (book, meter); LOSS has none.
    """

    unit: Int64Array
    party: Int8Array
    energy_wh: Int64Array
    clean: BoolArray
    floor_uyuan_per_kwh: int
    cap_uyuan_per_kwh: int
    member_book: Int64Array
    member_meter: Int64Array
    member_energy_wh: Int64Array


@dataclass(frozen=True)
class BookFills:
    """What each metering point got of its books' fills, shape (n_meters,); 0 for direct roles."""

    export_wh: Int64Array
    import_wh: Int64Array


@dataclass(frozen=True)
class ProvinceOrders:
    """The province's two orders at the root: import (it sells) and export (it buys), each limited by the tie."""

    import_wh: int
    import_price_uyuan_per_kwh: int
    export_wh: int
    export_price_uyuan_per_kwh: int


def book_orders(
    points: MeteringPoints,
    *,
    n_units: int,
    import_forecast_wh: Int64Array,
    export_forecast_wh: Int64Array,
    loss_forecast_wh: Int64Array,
    price_floor_uyuan_per_kwh: int,
    price_cap_uyuan_per_kwh: int,
) -> Books:
    """Return the books of one interval.

    :param import_forecast_wh, export_forecast_wh: shape (n_meters,), >= 0; rows of direct roles are ignored
    :param loss_forecast_wh: shape (n_units,), >= 0
    """
    assert loss_forecast_wh.shape == (n_units,)
    for forecast in (import_forecast_wh, export_forecast_wh, loss_forecast_wh):
        assert not forecast.size or int(forecast.min()) >= 0
    supply = np.flatnonzero((points.supply == Party.SUPPLY) & (import_forecast_wh > 0))
    sale = np.flatnonzero(
        ((points.sale == Party.PURCHASE) | (points.sale == Party.COMMISSION)) & (export_forecast_wh > 0)
    )
    member = np.concatenate((sale, supply))
    member_energy = np.concatenate((export_forecast_wh[sale], import_forecast_wh[supply]))
    member_party = np.concatenate((points.sale[sale], points.supply[supply])).astype(np.int64)
    losing = np.flatnonzero(loss_forecast_wh > 0)
    number = points.unit[member] * N_PARTIES + member_party
    book_number = np.unique(np.concatenate((number, losing * N_PARTIES + int(Party.LOSS))))
    member_book = np.searchsorted(book_number, number)
    order = np.lexsort((member, member_book))
    energy = np.zeros(book_number.size, np.int64)
    np.add.at(energy, member_book, member_energy)
    unit, party = book_number // N_PARTIES, book_number % N_PARTIES
    is_loss = party == Party.LOSS
    energy[is_loss] = loss_forecast_wh[unit[is_loss]]
    clean = (party == Party.PURCHASE) | (party == Party.COMMISSION)
    np.logical_and.at(clean, member_book, points.clean[member])
    return Books(
        unit=unit,
        party=party.astype(np.int8),
        energy_wh=energy,
        clean=clean,
        floor_uyuan_per_kwh=price_floor_uyuan_per_kwh,
        cap_uyuan_per_kwh=price_cap_uyuan_per_kwh,
        member_book=member_book[order],
        member_meter=member[order],
        member_energy_wh=member_energy[order],
    )


def split_book_fills(books: Books, orders: OrderBatch, filled_wh: Int64Array, *, n_meters: int) -> BookFills:
    """Split each book's fill among its members in proportion to their forecasts, by largest remainder, then meter.

    :param filled_wh: shape (n_orders,), fills of `orders`
    """
    book_fill = filled_wh[book_positions(books, orders)]
    has_members = books.party != Party.LOSS
    share = largest_remainder_by_group(
        np.where(has_members, book_fill, 0), books.member_energy_wh, books.member_book, books.member_meter
    )
    export, imported = np.zeros(n_meters, np.int64), np.zeros(n_meters, np.int64)
    is_import = books.party[books.member_book] == Party.SUPPLY
    export[books.member_meter[~is_import]] = share[~is_import]
    imported[books.member_meter[is_import]] = share[is_import]
    return BookFills(export, imported)


def book_positions(books: Books, orders: OrderBatch) -> Int64Array:
    """Return the position in the batch of each book's order."""
    is_book = (orders.party != Party.DIRECT) & (orders.party != Party.PROVINCE)
    rows = np.flatnonzero(is_book)
    number = orders.unit[rows] * N_PARTIES + orders.party[rows]
    order = np.argsort(number)
    wanted = books.unit * N_PARTIES + books.party
    assert wanted.size == rows.size, "the batch holds other books"
    assert bool((number[order] == wanted).all()), "the batch holds other books"
    return np.asarray(rows[order], dtype=np.int64)


def province_orders(
    tree: BalanceTree, *, price_uyuan_per_kwh: int, gateway_fee_uyuan_per_kwh: int, upstream_loss_uyuan_per_kwh: int
) -> ProvinceOrders:
    """Return the province's orders: import at P + gateway fee + upstream loss, export at P, limited by the tie.

    :raises ImportBelowExportError: if gateway fee + upstream loss is negative
    """
    if gateway_fee_uyuan_per_kwh + upstream_loss_uyuan_per_kwh < 0:
        raise ImportBelowExportError(
            f"import would stand {-(gateway_fee_uyuan_per_kwh + upstream_loss_uyuan_per_kwh)} below export"
        )
    return ProvinceOrders(
        import_wh=min(int(tree.import_limit_wh[0]), UNLIMITED_TIE_WH),
        import_price_uyuan_per_kwh=price_uyuan_per_kwh + gateway_fee_uyuan_per_kwh + upstream_loss_uyuan_per_kwh,
        export_wh=min(int(tree.export_limit_wh[0]), UNLIMITED_TIE_WH),
        export_price_uyuan_per_kwh=price_uyuan_per_kwh,
    )
