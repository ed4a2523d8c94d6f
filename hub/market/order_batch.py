"""Put one interval's orders together: direct orders, D_sup's books and the province, sorted by order id."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from edge.contract.messages import Order, Side
from hub.market.books import N_PARTIES, Books, ProvinceOrders
from hub.market.network_fee import NetworkFees, access_fee_uyuan_per_kwh
from hub.market.registry_columns import MeteringPoints
from hub.market.trades import BalanceTree, Int8Array, Int64Array, OrderBatch, Party, TradeSide

ScalarT = TypeVar("ScalarT", bound=np.generic)


@dataclass(frozen=True)
class DirectOrders:
    """Accepted direct orders of one interval, shape (n,) each, in any order. meter: position of the metering point."""

    order_id: tuple[str, ...]
    meter: Int64Array
    side: Int8Array
    energy_wh: Int64Array
    price_uyuan_per_kwh: Int64Array
    submitted_utc_s: Int64Array


def direct_orders(accepted: Sequence[tuple[str, Order]], points: MeteringPoints) -> DirectOrders:
    """Return the columns of (order id, order) rows, as AcceptedOrders.of_interval gives them."""
    position = {meter_id: number for number, meter_id in enumerate(points.meter_id)}
    return DirectOrders(
        order_id=tuple(name for name, _ in accepted),
        meter=np.array([position[order.meter] for _, order in accepted], np.int64),
        side=np.array([_SIDE[order.side] for _, order in accepted], np.int8),
        energy_wh=np.array([order.energy_wh for _, order in accepted], np.int64),
        price_uyuan_per_kwh=np.array([order.price_uyuan_per_kwh for _, order in accepted], np.int64),
        submitted_utc_s=np.array([order.submitted_utc_s for _, order in accepted], np.int64),
    )


def assemble_orders(
    *,
    interval: int,
    tree: BalanceTree,
    fees: NetworkFees,
    points: MeteringPoints,
    direct: DirectOrders,
    books: Books,
    province: ProvinceOrders,
    gate_utc_s: int,
) -> OrderBatch:
    """Return every order of the interval as it stands in the tree, sorted by order id.

    A direct user's price is lowered by its access fee. Books and the province count as submitted at the gate's
    closure `gate_utc_s`; their ids are "book/{interval}/{unit}/{party}" and "province/{interval}/import|export".
    The result does not depend on the order of `direct`.

    :raises NetworkFeeError: if a direct user's access fee is negative
    """
    unit = points.unit[direct.meter]
    price = direct.price_uyuan_per_kwh - _access_fee_of_buyers(fees, points, direct.meter, direct.side)
    parties = [Party(number).name for number in range(N_PARTIES)]
    is_bought = (books.party == Party.SUPPLY) | (books.party == Party.LOSS)
    names = (
        *direct.order_id,
        *(
            f"book/{interval}/{tree.unit_id[at]}/{parties[party]}"
            for at, party in zip(books.unit.tolist(), books.party.tolist(), strict=True)
        ),
        f"province/{interval}/export",
        f"province/{interval}/import",
    )
    order = sorted(range(len(names)), key=names.__getitem__)
    ordered_names = tuple(names[row] for row in order)
    assert len(set(ordered_names)) == len(ordered_names), "order ids are unique"
    n_hub = books.unit.size + 2

    def column(of_direct: npt.NDArray[ScalarT], of_books: Any, of_province: list[int]) -> npt.NDArray[ScalarT]:  # noqa: ANN401
        joined = np.concatenate((of_direct, of_books, of_province)).astype(of_direct.dtype)[order]
        joined.setflags(write=False)
        return joined

    no_meter = np.full(books.unit.size, -1, np.int64)
    book_price = np.where(is_bought, books.cap_uyuan_per_kwh, books.floor_uyuan_per_kwh)
    province_price = [province.export_price_uyuan_per_kwh, province.import_price_uyuan_per_kwh]
    batch = OrderBatch(
        interval=interval,
        order_id=ordered_names,
        unit=column(unit, books.unit, [0, 0]),
        meter=column(direct.meter, no_meter, [-1, -1]),
        side=column(direct.side, np.where(is_bought, _BUY, _SELL), [_BUY, _SELL]),
        party=column(np.full(unit.size, Party.DIRECT, np.int8), books.party, [Party.PROVINCE, Party.PROVINCE]),
        energy_wh=column(direct.energy_wh, books.energy_wh, [province.export_wh, province.import_wh]),
        price_uyuan_per_kwh=column(price, book_price, province_price),
        clean=column(points.clean[direct.meter] & (direct.side == TradeSide.SELL), books.clean, [0, 0]),
        submitted_utc_s=column(direct.submitted_utc_s, np.full(n_hub - 2, gate_utc_s, np.int64), [gate_utc_s] * 2),
    )
    assert bool((batch.energy_wh[batch.party != Party.PROVINCE] > 0).all())
    return batch


def as_in_tree(submitted: OrderBatch, fees: NetworkFees, points: MeteringPoints) -> OrderBatch:
    """Return orders that hold their submitted prices, as the store keeps them, at their prices in the tree.

    :raises NetworkFeeError: if a direct user's access fee is negative
    """
    is_direct = submitted.party == Party.DIRECT
    price = submitted.price_uyuan_per_kwh.copy()
    price[is_direct] -= _access_fee_of_buyers(fees, points, submitted.meter[is_direct], submitted.side[is_direct])
    price.setflags(write=False)
    return replace(submitted, price_uyuan_per_kwh=price)


def _access_fee_of_buyers(fees: NetworkFees, points: MeteringPoints, meter: Int64Array, side: Int8Array) -> Int64Array:
    is_buy = side == TradeSide.BUY
    tariff = points.user_tariff_uyuan_per_kwh[meter[is_buy]]
    fee = np.zeros(meter.size, np.int64)
    fee[is_buy] = access_fee_uyuan_per_kwh(fees, points.unit[meter[is_buy]], tariff)
    return fee


_SELL, _BUY = int(TradeSide.SELL), int(TradeSide.BUY)
_SIDE = {Side.SELL: _SELL, Side.BUY: _BUY}
