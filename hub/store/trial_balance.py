"""The trial balance of both ledgers together: every account by interval, by day and by month.

Intervals and days are of the intervals' ledger alone; a month has its intervals as first settled, what was settled
again in it, its bills, and the postings that join them. Sums are Python ints: a month may leave 64 bits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import TextClause, text
from sqlmodel import Session, col, select

from hub.store.joined_ledger import intervals_of_month
from hub.store.read_money import USERS
from hub.store.tables import AccountRow, ParticipantRow

_IN_INTERVALS = "SELECT {account}, sum(amount_nano_yuan) FROM posting WHERE interval BETWEEN :first AND :last {which}"
_SETTLED_AGAIN = (
    "SELECT p.{account}, sum(p.amount_nano_yuan) FROM posting p JOIN "
    "(SELECT DISTINCT interval, run FROM settlement_difference WHERE posting_month = :month) d "
    "ON d.interval = p.interval AND d.run = p.run GROUP BY p.{account}"
)
_JOINED = "SELECT {account}, sum(amount_nano_yuan) FROM month_posting WHERE posting_month = :month GROUP BY {account}"
_BILLED = (
    "SELECT a.position, sum(b.amount_nano_yuan) FROM bill_posting b LEFT JOIN account a ON a.account_id = b.{account} "
    "WHERE b.posting_month = :month GROUP BY a.position"
)
_UNKNOWN = -1
"""The position of who is no account: bills that name one break a law, and the sum still says so."""


@dataclass(frozen=True)
class AccountBalance:
    """Balance of an account, or of a group of participants' accounts, received less paid, by where it comes from.

    account: a name, or a seller class or "USERS" if it is a group; accounts: how many it stands for. joined: what takes
    interval charges back that bills stand for, and pays sellers out of `market`.
    """

    account: str
    group: bool
    accounts: int
    intervals_nano_yuan: int
    joined_nano_yuan: int
    bills_nano_yuan: int

    @property
    def balance_nano_yuan(self) -> int:
        """Return all parts together."""
        return self.intervals_nano_yuan + self.joined_nano_yuan + self.bills_nano_yuan


@dataclass(frozen=True)
class _Parts:
    """Received less paid by account position, by part."""

    intervals: Mapping[int, int]
    joined: Mapping[int, int]
    bills: Mapping[int, int]


def read_trial_balance(session: Session, *, first: int, last: int) -> list[AccountBalance]:
    """Return the balance of intervals first..last (inclusive), with everything that was settled of them so far."""
    return _shown(session, _Parts(_of_intervals(session, first, last, which=""), {}, {}))


def read_month_trial_balance(session: Session, month: date) -> list[AccountBalance]:
    """Return the balance of a month over both ledgers: what was booked in it, whatever it is about.

    Accounts that are no participant's stand for themselves, in the ledger's order; then participants by seller class.
    """
    return _shown(session, _parts_of_month(session, month))


def month_balance_nano_yuan(session: Session, month: int, *, with_intervals: bool = True) -> dict[str, int]:
    """Return the balance of every account of a month (year x 100 + month) by name, each account for itself.

    :param with_intervals: False leaves out the intervals' postings, of which a county's month has some hundred millions
    """
    parts = _parts_of_month(session, date(month // 100, month % 100, 1), with_intervals=with_intervals)
    names = {position: name for name, position in session.exec(select(AccountRow.account_id, AccountRow.position))}
    found: dict[str, int] = {}
    for part in (parts.intervals, parts.joined, parts.bills):
        for position, amount in part.items():
            name = names.get(position, "")
            found[name] = found.get(name, 0) + amount
    return found


def _parts_of_month(session: Session, month: date, *, with_intervals: bool = True) -> _Parts:
    number = month.year * 100 + month.month
    intervals: dict[int, int] = {}
    if with_intervals:
        intervals = _of_intervals(session, *intervals_of_month(month), which="AND run = 0")
        for position, amount in _of_both_sides(session, _SETTLED_AGAIN, "debit", "credit", {"month": number}).items():
            intervals[position] = intervals.get(position, 0) + amount
    return _Parts(
        intervals,
        _of_both_sides(session, _JOINED, "payer", "payee", {"month": number}),
        _of_both_sides(session, _BILLED, "payer", "payee", {"month": number}),
    )


def _of_intervals(session: Session, first: int, last: int, *, which: str) -> dict[int, int]:
    query = _IN_INTERVALS.replace("{which}", which) + " GROUP BY {account}"
    return _of_both_sides(session, query, "debit", "credit", {"first": first, "last": last})


def _of_both_sides(session: Session, query: str, payer: str, payee: str, given: Mapping[str, int]) -> dict[int, int]:
    found: dict[int, int] = {}
    for account, sign in ((payer, -1), (payee, 1)):
        statement: TextClause = text(query.format(account=account))
        for position, amount in session.execute(statement, given):
            key = _UNKNOWN if position is None else position
            found[key] = found.get(key, 0) + sign * int(amount)
    return found


def _shown(session: Session, parts: _Parts) -> list[AccountBalance]:
    rows = session.exec(
        select(AccountRow.position, AccountRow.account_id, AccountRow.participant, ParticipantRow.seller_class)
        .join(ParticipantRow, col(ParticipantRow.position) == col(AccountRow.participant), isouter=True)
        .order_by(col(AccountRow.position))
    ).all()
    own: list[AccountBalance] = []
    members: dict[str, list[int]] = {}
    for position, name, participant, seller_class in rows:
        if participant < 0:
            own.append(_balance(name, parts, [position], is_group=False))
        else:
            members.setdefault(seller_class or USERS, []).append(position)
    lost = _balance("", parts, [_UNKNOWN], is_group=False)
    groups = [_balance(name, parts, positions, is_group=True) for name, positions in sorted(members.items())]
    return [*own, *([lost] if lost.balance_nano_yuan else []), *groups]


def _balance(name: str, parts: _Parts, positions: Sequence[int], *, is_group: bool) -> AccountBalance:
    intervals, joined, bills = (
        sum(part.get(position, 0) for position in positions) for part in (parts.intervals, parts.joined, parts.bills)
    )
    return AccountBalance(
        account=name,
        group=is_group,
        accounts=len(positions),
        intervals_nano_yuan=intervals,
        joined_nano_yuan=joined,
        bills_nano_yuan=bills,
    )
