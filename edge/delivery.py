"""Which outbox rows to send now, and what a receipt settles: pure, for one gateway; moments are handed in.

Rows are sent in order, at most a window of them without receipt. After a new connection, and when no receipt comes
within a time that doubles, sending starts again at the oldest row. Only a receipt ends a row's life: a broker may
acknowledge a message that it denied or loses afterwards.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from edge.contract.interval import start_utc_s
from edge.contract.messages import ReceiptMessage, WithdrawalsMessage

WINDOW_MESSAGES = 32
RECEIPT_TIMEOUT_FIRST_S = 3.0
RECEIPT_TIMEOUT_MAX_S = 5.0


class OutboxKey(NamedTuple):
    """One row of the outbox without its payload; row_id grows with the order of sending."""

    row_id: int
    boot: str
    seq: int
    kind: str


WITHDRAWN = "wdr"
"""The kind of an order that was accepted and taken back later, among what is noted of refusals."""


class NotedRejection(NamedTuple):
    """One reading or order that the hub refused. kind: of the message it stood in; "" if that is gone already.

    An order that was withdrawn has the kind WITHDRAWN, the number of the notice as seq and no boot.
    """

    boot: str
    seq: int
    kind: str
    meter: str
    instant_utc_s: int
    reason: str


@dataclass(frozen=True)
class Settled:
    """What a receipt says: these rows are committed at the hub, these readings and orders in them were refused."""

    done: tuple[OutboxKey, ...]
    rejections: tuple[NotedRejection, ...]


def read_receipt(without_receipt: Sequence[OutboxKey], receipt: ReceiptMessage) -> Settled:
    """Return what the receipt settles among the gateway's rows; a repeat settles nothing and names nothing new."""
    kinds: Mapping[int, str] = {key.seq: key.kind for key in without_receipt if key.boot == receipt.boot}
    done = tuple(key for key in without_receipt if key.boot == receipt.boot and key.seq <= receipt.upto)
    rejections = tuple(
        NotedRejection(receipt.boot, r.seq, kinds.get(r.seq, ""), r.meter, r.instant_utc_s, r.reason)
        for r in receipt.rej
    )
    return Settled(done, rejections)


def withdrawn_orders(message: WithdrawalsMessage) -> tuple[NotedRejection, ...]:
    """Return the withdrawn orders as what is noted of them; the same notice gives the same, which is noted once."""
    at_utc_s = start_utc_s(message.interval)
    return tuple(
        NotedRejection("", message.notice, WITHDRAWN, order.meter, at_utc_s, order.reason) for order in message.w
    )


class Delivery:
    """The sending side of one gateway: connected or not, how far it has sent, until when it waits for a receipt."""

    def __init__(self, row_id_sent_before: int) -> None:
        """Start offline. row_id_sent_before: rows up to this one may have been sent by an earlier process."""
        self.is_connected = False
        self.deadline_s: float | None = None
        self._sent_row_id = 0
        self._row_id_ever_sent = row_id_sent_before
        self._timeout_s = RECEIPT_TIMEOUT_FIRST_S

    def connected(self) -> None:
        """Note a new connection: whatever has no receipt is sent again."""
        self.is_connected = True
        self._timeout_s = RECEIPT_TIMEOUT_FIRST_S
        self._start_over()

    def disconnected(self) -> None:
        """Note that the connection is gone: nothing is sent until the next one."""
        self.is_connected = False
        self._start_over()

    def receipt(self, without_receipt: Sequence[OutboxKey], now_s: float) -> None:
        """Note that a receipt settled rows and left these: the wait starts anew if some of them are on their way."""
        self._timeout_s = RECEIPT_TIMEOUT_FIRST_S
        under_way = bool(without_receipt) and without_receipt[0].row_id <= self._sent_row_id
        self.deadline_s = now_s + self._timeout_s if under_way else None

    def take(self, without_receipt: Sequence[OutboxKey], now_s: float) -> tuple[list[OutboxKey], int]:
        """Return the rows to send now, in order, and how many of them were sent before.

        :param without_receipt: all rows of the gateway, by row id
        """
        if not self.is_connected or not without_receipt:
            return [], 0
        if self.deadline_s is not None and now_s >= self.deadline_s:
            self._timeout_s = min(2 * self._timeout_s, RECEIPT_TIMEOUT_MAX_S)
            self._start_over()
        chosen = [key for key in without_receipt[:WINDOW_MESSAGES] if key.row_id > self._sent_row_id]
        if not chosen:
            return [], 0
        again = sum(key.row_id <= self._row_id_ever_sent for key in chosen)
        self._sent_row_id = chosen[-1].row_id
        self._row_id_ever_sent = max(self._row_id_ever_sent, self._sent_row_id)
        if self.deadline_s is None:
            self.deadline_s = now_s + self._timeout_s
        return chosen, again

    def _start_over(self) -> None:
        self._sent_row_id = 0
        self.deadline_s = None
