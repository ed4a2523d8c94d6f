"""The result hash of a run: SHA-256 over what was admitted, traded, limited and posted, in a fixed order.

It holds no wall time, no count of retries or duplicates, no boot id, no number that the database gave and no float
(DESIGN 2 "Result hash"), so an undisturbed run and one whose processes were killed give the same hash. Refused orders
and readings are left out: they change nothing, and that shows here.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

from msgspec.json import encode as encode_json
from sqlalchemy import Connection
from sqlmodel import Session

from hub.store.engine import is_postgresql
from hub.store.tables import OrderStatus

ROWS_AT_ONCE = 20_000


@dataclass(frozen=True)
class HashedTable:
    """One table of the hash: its name, the columns in their order and the key by which rows are sorted."""

    name: str
    columns: str
    order: str
    condition: str = "1 = 1"


TABLES = (
    HashedTable("reading", "read_instant_utc_s, meter, channel, value", "1, 2, 3", "revision = 0"),
    HashedTable(
        "order",
        "interval, order_id, unit, side, party, energy_wh, price_uyuan_per_kwh, submitted_utc_s",
        "interval, order_id {bytewise}",
        f"status = {OrderStatus.ACCEPTED.value}",
    ),
    HashedTable(
        "fill", "interval, order_id, cleared_wh, filled_wh, price_uyuan_per_kwh", "interval, order_id {bytewise}"
    ),
    HashedTable("unit_price", "interval, unit, price_uyuan_per_kwh, shadow_uyuan_per_kwh, flow_up_wh, binding", "1, 2"),
    HashedTable(
        "pair",
        "interval, seq, seller_order_id, buyer_order_id, apex, mode, energy_wh, price_paid_uyuan_per_kwh, "
        "price_received_uyuan_per_kwh",
        "1, 2",
    ),
    HashedTable("setpoint", "interval, meter, export_limit_w", "1, 2"),
    HashedTable(
        "posting",
        "interval, seq, kind, debit, credit, amount_nano_yuan, meter, energy_wh, price_uyuan_per_kwh",
        "1, 2",
    ),
    HashedTable("statement_line", "day, account, line, kind, energy_wh, amount_fen, exact_nano_yuan", "1, 2, 3"),
    HashedTable("statement", "day, account, total_fen, ledger_nano_yuan, rounding_nano_yuan", "1, 2"),
)


def hash_result(session: Session) -> str:
    """Return the result hash of everything in the store, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    connection = session.connection()
    # SQLite compares texts byte by byte; PostgreSQL only does so when it is told.
    bytewise = 'COLLATE "C"' if is_postgresql(connection) else "COLLATE BINARY"
    for table in TABLES:
        digest.update(f"\n{table.name}\n".encode())
        order = table.order.format(bytewise=bytewise)
        query = f'SELECT {table.columns} FROM "{table.name}" WHERE {table.condition} ORDER BY {order}'  # noqa: S608
        # Millions of rows: the driver's own rows, in parts, are several times faster than the toolkit's.
        cursor = _cursor(connection, table.name)
        try:
            cursor.execute(query)
            while rows := cursor.fetchmany(ROWS_AT_ONCE):
                digest.update(encode_json(rows))
        finally:
            cursor.close()
    return digest.hexdigest()


def _cursor(connection: Connection, name: str) -> Any:  # noqa: ANN401
    """Return a cursor of the driver; on PostgreSQL a named one, which leaves the rows with the server until asked."""
    driver: Any = connection.connection
    return driver.cursor(name=f"hash_{name}") if is_postgresql(connection) else driver.cursor()
