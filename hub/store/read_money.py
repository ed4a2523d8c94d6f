"""Read model of the money: account totals with their zero, statements and their lines.

Sums over many rows are added as Python ints: a day's total may exceed what the database adds without overflow.
"""

from dataclasses import dataclass

from sqlalchemy import func
from sqlmodel import Session, col, select

from hub.store.tables import (
    AccountRow,
    AccountTotalRow,
    MeteringPointRow,
    ParticipantRow,
    StatementLineRow,
    StatementRow,
)

USERS = "USERS"
"""The group of the participants that are in no seller class: pure users."""


@dataclass(frozen=True)
class AccountTotal:
    """Total of one account, or of a whole group of participants' accounts, received less paid.

    account: "D_sup", "congestion", ... or a seller class or "USERS" if it is a group. accounts: how many it stands for.
    """

    account: str
    group: bool
    accounts: int
    ledger_nano_yuan: int
    independent_nano_yuan: int


@dataclass(frozen=True)
class StatementHead:
    """The statement of one account for one operating day, without its lines. seller_class: None for a pure user."""

    account: str
    seller_class: str | None
    meters: int
    total_fen: int
    ledger_nano_yuan: int
    rounding_nano_yuan: int


@dataclass(frozen=True)
class StatementLine:
    """One line of a statement. energy_wh: what it is about, 0 if it is not about energy."""

    line: int
    kind: str
    energy_wh: int
    amount_fen: int
    exact_nano_yuan: int
    rule_version: str
    input_hash: str


@dataclass(frozen=True)
class StatementMeter:
    """A metering point that a statement is about.

    supply_mode, sale_mode: as the county was prepared, by None; or by what the registry's log says of the day.
    """

    meter: str
    kind: str
    supply_mode: str
    sale_mode: str
    voltage_class: str
    supply_by: str | None = None
    sale_by: str | None = None


@dataclass(frozen=True)
class Statement:
    """A statement with its lines, in which they add up to the total."""

    day: str
    head: StatementHead
    first_interval: int
    last_interval: int
    meters: tuple[StatementMeter, ...]
    lines: tuple[StatementLine, ...]


def read_account_totals(session: Session, interval: int) -> list[AccountTotal]:
    """Return the totals of an interval: each account that is no participant's, then participants by seller class."""
    own = [
        AccountTotal(
            account=account, group=False, accounts=1, ledger_nano_yuan=ledger, independent_nano_yuan=independent
        )
        for account, ledger, independent in session.exec(
            select(AccountRow.account_id, AccountTotalRow.ledger_nano_yuan, AccountTotalRow.independent_nano_yuan)
            .join(AccountTotalRow, col(AccountTotalRow.account) == col(AccountRow.position))
            .where(AccountTotalRow.interval == interval, AccountRow.participant < 0)
            .order_by(col(AccountRow.position))
        )
    ]
    groups = [
        AccountTotal(
            account=seller_class or USERS,
            group=True,
            accounts=accounts,
            ledger_nano_yuan=int(ledger),
            independent_nano_yuan=int(independent),
        )
        for seller_class, accounts, ledger, independent in session.exec(
            select(
                ParticipantRow.seller_class,
                func.count(),
                func.sum(AccountTotalRow.ledger_nano_yuan),
                func.sum(AccountTotalRow.independent_nano_yuan),
            )
            .join(AccountRow, col(AccountRow.participant) == col(ParticipantRow.position))
            .join(AccountTotalRow, col(AccountTotalRow.account) == col(AccountRow.position))
            .where(AccountTotalRow.interval == interval)
            .group_by(col(ParticipantRow.seller_class))
            .order_by(col(ParticipantRow.seller_class))
        )
    ]
    return own + groups


def add_account_totals(totals: list[list[AccountTotal]]) -> list[AccountTotal]:
    """Return the sum of several intervals' totals, account by account, in the order of first appearance."""
    summed: dict[str, AccountTotal] = {}
    for total in (one for interval in totals for one in interval):
        known = summed.get(total.account)
        summed[total.account] = (
            total
            if known is None
            else AccountTotal(
                account=total.account,
                group=total.group,
                accounts=max(total.accounts, known.accounts),
                ledger_nano_yuan=known.ledger_nano_yuan + total.ledger_nano_yuan,
                independent_nano_yuan=known.independent_nano_yuan + total.independent_nano_yuan,
            )
        )
    return list(summed.values())


def read_statement_days(session: Session) -> list[str]:
    """Return the operating days that have statements, newest first."""
    return list(session.exec(select(StatementRow.day).distinct().order_by(col(StatementRow.day).desc())))


def read_statement_heads(
    session: Session, day: str, *, after: str | None, limit: int, text: str = ""
) -> list[StatementHead]:
    """Return at most `limit` statements of the day by account id, those after account `after`.

    :param text: only accounts whose id, or one of whose meters' ids, contains it
    """
    statement = (
        select(StatementRow, AccountRow.account_id, AccountRow.participant, ParticipantRow.seller_class)
        .join(AccountRow, col(AccountRow.position) == col(StatementRow.account))
        .join(ParticipantRow, col(ParticipantRow.position) == col(AccountRow.participant), isouter=True)
        .where(StatementRow.day == day)
        .order_by(col(AccountRow.account_id))
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(AccountRow.account_id > after)
    if text:
        owners = select(MeteringPointRow.participant).where(
            col(MeteringPointRow.meter_id).contains(text, autoescape=True)
        )
        by_id = col(AccountRow.account_id).contains(text, autoescape=True)
        statement = statement.where(by_id | col(AccountRow.participant).in_(owners))
    rows = session.exec(statement).all()
    owned = _meter_counts(session, [participant for _, _, participant, _ in rows])
    return [
        _head(row, account, seller_class, owned.get(participant, 0)) for row, account, participant, seller_class in rows
    ]


def read_statement(session: Session, day: str, account: str) -> Statement | None:
    """Return the statement of an account for a day, its points with the modes as prepared; None if there is none."""
    found = session.exec(
        select(StatementRow, AccountRow.participant, ParticipantRow.seller_class)
        .join(AccountRow, col(AccountRow.position) == col(StatementRow.account))
        .join(ParticipantRow, col(ParticipantRow.position) == col(AccountRow.participant), isouter=True)
        .where(StatementRow.day == day, AccountRow.account_id == account)
    ).first()
    if found is None:
        return None
    row, participant, seller_class = found
    lines = session.exec(
        select(StatementLineRow)
        .where(StatementLineRow.day == day, StatementLineRow.account == row.account)
        .order_by(col(StatementLineRow.line))
    )
    meters = session.exec(
        select(MeteringPointRow)
        .where(MeteringPointRow.participant == participant, participant >= 0)
        .order_by(col(MeteringPointRow.meter_id))
    ).all()
    return Statement(
        day=day,
        head=_head(row, account, seller_class, len(meters)),
        first_interval=row.first_interval,
        last_interval=row.last_interval,
        meters=tuple(
            StatementMeter(point.meter_id, point.kind, point.supply_mode, point.sale_mode, point.voltage_class)
            for point in meters
        ),
        lines=tuple(
            StatementLine(
                line=line.line,
                kind=line.kind,
                energy_wh=line.energy_wh,
                amount_fen=line.amount_fen,
                exact_nano_yuan=line.exact_nano_yuan,
                rule_version=line.rule_version,
                input_hash=line.input_hash,
            )
            for line in lines
        ),
    )


def _head(row: StatementRow, account: str, seller_class: str | None, meters: int) -> StatementHead:
    return StatementHead(
        account=account,
        seller_class=seller_class,
        meters=meters,
        total_fen=row.total_fen,
        ledger_nano_yuan=row.ledger_nano_yuan,
        rounding_nano_yuan=row.rounding_nano_yuan,
    )


def _meter_counts(session: Session, participants: list[int]) -> dict[int, int]:
    statement = (
        select(MeteringPointRow.participant, func.count())
        .where(col(MeteringPointRow.participant).in_(participants))
        .group_by(col(MeteringPointRow.participant))
    )
    return dict(session.exec(statement).all())
