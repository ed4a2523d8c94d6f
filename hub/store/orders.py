"""Submitted orders in bulk, accepted and rejected, and the orders of one interval as the market's columns."""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from sqlalchemy import bindparam, text
from sqlmodel import Session

from edge.contract.messages import Order, Side
from hub.market.trades import OrderBatch, Party, TradeSide
from hub.store.bulk import OnConflict, Row, insert_columns, insert_rows
from hub.store.tables import NONE, OrderRow, OrderStatus

ORDER_NAMES = (
    "interval",
    "order_id",
    "gateway",
    "meter",
    "unit",
    "number",
    "side",
    "party",
    "energy_wh",
    "price_uyuan_per_kwh",
    "clean",
    "submitted_utc_s",
    "status",
    "reason",
)
"""Order of the columns in the rows of insert_orders."""

INTERVALS_PER_QUERY = 10_000
"""SQLite takes at most 32,766 parameters in one statement."""

TRADE_SIDE = {Side.SELL: TradeSide.SELL, Side.BUY: TradeSide.BUY}
CONTRACT_SIDE = {side: name for name, side in TRADE_SIDE.items()}

_ACCEPTED_ORDERS = (
    'SELECT order_id, interval, number, side, energy_wh, price_uyuan_per_kwh, submitted_utc_s FROM "order" '
    "WHERE status = :accepted AND party = :direct AND "
)
_STANDING = {"accepted": OrderStatus.ACCEPTED.value, "direct": Party.DIRECT.value}
_ACCEPTED_FROM = text(_ACCEPTED_ORDERS + "interval >= :first")
_ACCEPTED_ONE = text(_ACCEPTED_ORDERS + "interval = :interval AND order_id = :id")
_REJECTED = text('SELECT order_id FROM "order" WHERE interval IN :intervals AND status = :rejected').bindparams(
    bindparam("intervals", expanding=True)
)
_REJECT = text(
    'UPDATE "order" SET status = :rejected, reason = :reason '
    "WHERE interval = :interval AND order_id = :id AND status = :accepted"
)
_BATCH = text(
    "SELECT order_id, unit, meter, side, party, energy_wh, price_uyuan_per_kwh, clean, submitted_utc_s "
    'FROM "order" WHERE interval = :interval AND status = :accepted'
)


def insert_orders(session: Session, rows: Sequence[Row]) -> int:
    """Write order rows (columns as ORDER_NAMES) and return how many were written; an id that is there stays."""
    return insert_rows(session, OrderRow, ORDER_NAMES, rows, OnConflict.KEEP)


def save_market_orders(session: Session, batch: OrderBatch) -> None:
    """Write the orders of the batch that no gateway submitted: the supply arm's books and the province, as accepted."""
    rows = np.flatnonzero(batch.party != Party.DIRECT.value)
    if not rows.size:
        return
    insert_columns(
        session,
        OrderRow,
        {
            "interval": batch.interval,
            "order_id": [batch.order_id[row] for row in rows],
            "gateway": NONE,
            "meter": batch.meter[rows],
            "unit": batch.unit[rows],
            "number": 0,
            "side": batch.side[rows],
            "party": batch.party[rows],
            "energy_wh": batch.energy_wh[rows],
            "price_uyuan_per_kwh": batch.price_uyuan_per_kwh[rows],
            "clean": batch.clean[rows],
            "submitted_utc_s": batch.submitted_utc_s[rows],
            "status": OrderStatus.ACCEPTED.value,
            "reason": "",
        },
    )


def accepted_orders(session: Session, first_interval: int) -> list[tuple[str, Order]]:
    """Return (order id, order) of every accepted direct order for the interval or a later one, by order id."""
    rows = session.execute(_ACCEPTED_FROM, _STANDING | {"first": first_interval}).all()
    return sorted(((str(row[0]), _order(row)) for row in rows), key=lambda entry: entry[0])


def find_accepted_order(session: Session, interval: int, order_id: str) -> Order | None:
    """Return the accepted order of this id, or None if there is none."""
    row = session.execute(_ACCEPTED_ONE, _STANDING | {"interval": interval, "id": order_id}).one_or_none()
    return None if row is None else _order(row)


def reject_accepted_orders(session: Session, interval: int, order_ids: Sequence[str], reason: str) -> None:
    """Let accepted orders of an interval that is not cleared yet be rejected for a reason."""
    status = {"accepted": OrderStatus.ACCEPTED.value, "rejected": OrderStatus.REJECTED.value}
    rows = [status | {"interval": interval, "id": order_id, "reason": reason} for order_id in order_ids]
    session.execute(_REJECT, rows)


def rejected_ids(session: Session, intervals: Collection[int]) -> frozenset[str]:
    """Return the order ids of the intervals that are taken by a rejected order."""
    found: set[str] = set()
    wanted = sorted(intervals)
    for start in range(0, len(wanted), INTERVALS_PER_QUERY):
        some = wanted[start : start + INTERVALS_PER_QUERY]
        rows = session.execute(_REJECTED, {"intervals": some, "rejected": OrderStatus.REJECTED.value})
        found.update(order_id for (order_id,) in rows)
    return frozenset(found)


def orders_of_interval(session: Session, interval: int) -> OrderBatch:
    """Return every accepted order of the interval, books and province included, sorted by order id.

    Prices are as submitted: a direct user's access fee is not taken off.
    """
    rows = session.execute(_BATCH, {"interval": interval, "accepted": OrderStatus.ACCEPTED.value}).all()
    ordered = sorted(rows, key=lambda row: str(row[0]))
    numbers = np.array([tuple(row)[1:] for row in ordered], np.int64).reshape(len(ordered), 8)
    numbers.flags.writeable = False
    return OrderBatch(
        interval=interval,
        order_id=tuple(row[0] for row in ordered),
        unit=numbers[:, 0],
        meter=numbers[:, 1],
        side=numbers[:, 2].astype(np.int8),
        party=numbers[:, 3].astype(np.int8),
        energy_wh=numbers[:, 4],
        price_uyuan_per_kwh=numbers[:, 5],
        clean=numbers[:, 6].astype(np.bool_),
        submitted_utc_s=numbers[:, 7],
    )


def _order(row: Sequence[Any]) -> Order:
    """Return the order in a row of _ACCEPTED_ORDERS."""
    order_id, interval, number, side, energy_wh, price, submitted = row
    return Order(
        meter=order_id.split("/")[2],  # gateway/interval/meter/number; names hold no slash
        interval=interval,
        number=number,
        side=CONTRACT_SIDE[TradeSide(side)],
        energy_wh=energy_wh,
        price_uyuan_per_kwh=price,
        submitted_utc_s=submitted,
    )
