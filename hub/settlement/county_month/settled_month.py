"""Every line of every bill of a county's month, as columns, and the month's ledger; equal to the one-bill path.

Amounts are exact (quantity x price), each line is rounded once, half-up, to fen; what rounding moves goes to the
rounding account (requirements rows 94, 99, 101 to 103, 189; DESIGN 3, 4 law 7). Energy Wh, power W or VA, price
micro-yuan/kWh, money nano-yuan.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hub.market.trades import BoolArray, Int8Array, Int64Array
from hub.settlement.bills.bill import BillComponent, LinePosting
from hub.settlement.bills.composition import ROUNDING_ACCOUNT
from hub.settlement.columns import read_only
from hub.settlement.county_month.points import BillingPoints
from hub.settlement.money import NANO_YUAN_PER_FEN, exact_sum, round_half_up_fen_column, sum_by_group
from hub.settlement.provinces.keys import PeriodKind

COMPONENTS: tuple[BillComponent, ...] = tuple(BillComponent)
"""Codes of the column `component`: positions here."""
POSTINGS: tuple[LinePosting, ...] = tuple(LinePosting)
"""Codes of the column `posting`: positions here."""
PERIODS: tuple[str, ...] = ("", *(kind.name for kind in PeriodKind))
"""Codes of the column `period`: positions here; "" where a line is about no single kind of period."""


@dataclass(frozen=True)
class MonthLines:
    """The lines in the order of the bills: by point, and in each bill as the one-bill path numbers them.

    Shape (n_lines,) each. component, period, posting: codes of COMPONENTS, PERIODS, POSTINGS. price_uyuan: 0 where
    is_priced is False, which means that the amount is no product of one quantity and one price.
    """

    point: Int64Array
    component: Int8Array
    period: Int8Array
    posting: Int8Array
    quantity: Int64Array
    is_priced: BoolArray
    price_uyuan: Int64Array
    amount_nano_yuan: Int64Array
    amount_fen: Int64Array


@dataclass(frozen=True)
class CountyMonth:
    """A settled month: lines, what each point pays, and what each account of the utility, funds and retailers gets.

    Columns of shape (n_points,): energy_wh, exact_nano_yuan, total_fen (the sum of the rounded lines), rounding =
    exact - total. received_nano_yuan: by payee, exact, Python ints.
    """

    points: BillingPoints
    lines: MonthLines
    energy_wh: Int64Array
    exact_nano_yuan: Int64Array
    total_fen: Int64Array
    received_nano_yuan: Mapping[str, int]

    @property
    def rounding_nano_yuan(self) -> Int64Array:
        """Return what rounding moved of each bill, exact less total."""
        return np.asarray(self.exact_nano_yuan - self.total_fen * NANO_YUAN_PER_FEN, dtype=np.int64)

    @property
    def rounding_account_nano_yuan(self) -> int:
        """Return the balance of the rounding account: totals less exact amounts."""
        return -exact_sum(self.rounding_nano_yuan)

    def component_nano_yuan(self, component: BillComponent) -> Int64Array:
        """Return what each point pays for a component, corrections included, shape (n_points,)."""
        of = self.lines.component == COMPONENTS.index(component)
        return sum_by_group(self.lines.amount_nano_yuan[of], self.lines.point[of], len(self.points))

    def ledger_nano_yuan(self) -> Mapping[str, int]:
        """Return the balance of every account, received less paid: users by their bills, payees, and rounding."""
        ledger = dict(self.received_nano_yuan)
        for user, total in zip(self.points.user_id, self.total_fen.tolist(), strict=True):
            ledger[user] = ledger.get(user, 0) - total * NANO_YUAN_PER_FEN
        ledger[ROUNDING_ACCOUNT] = ledger.get(ROUNDING_ACCOUNT, 0) + self.rounding_account_nano_yuan
        return ledger


@dataclass(frozen=True)
class LineBlock:
    """Lines of one kind for some points, before they are put in order. rank: the line's place within a bill.

    Columns of shape (n_points,), or one value that all share.
    """

    point: Int64Array
    rank: int
    component: BillComponent
    quantity: Int64Array | int
    amount_nano_yuan: Int64Array
    price_uyuan: Int64Array | int | None = None
    period: str = ""
    posting: LinePosting = LinePosting.CHARGE


def lines_of_blocks(blocks: Sequence[LineBlock]) -> MonthLines:
    """Return the blocks' lines in the order of bills, rounded."""
    sizes = [one.point.size for one in blocks]

    def shared(values: Sequence[int]) -> Int64Array:
        return np.repeat(np.array(values, np.int64), sizes)

    def column(values: Sequence[Int64Array | int]) -> Int64Array:
        full = [np.broadcast_to(np.asarray(value, np.int64), size) for value, size in zip(values, sizes, strict=True)]
        return np.concatenate(full) if full else np.empty(0, np.int64)

    point, amount = column([one.point for one in blocks]), column([one.amount_nano_yuan for one in blocks])
    order = np.lexsort((shared([one.rank for one in blocks]), point))
    codes = {
        "component": shared([COMPONENTS.index(one.component) for one in blocks]),
        "period": shared([PERIODS.index(one.period) for one in blocks]),
        "posting": shared([POSTINGS.index(one.posting) for one in blocks]),
    }
    ordered = {name: read_only(values.astype(np.int8)[order]) for name, values in codes.items()}
    price = column([0 if one.price_uyuan is None else one.price_uyuan for one in blocks])
    is_priced = shared([one.price_uyuan is not None for one in blocks]).astype(np.bool_)
    amount = amount[order]
    return MonthLines(
        point=read_only(point[order]),
        component=ordered["component"],
        period=ordered["period"],
        posting=ordered["posting"],
        quantity=read_only(column([one.quantity for one in blocks])[order]),
        is_priced=read_only(is_priced[order]),
        price_uyuan=read_only(price[order]),
        amount_nano_yuan=read_only(amount),
        amount_fen=read_only(round_half_up_fen_column(amount)),
    )
