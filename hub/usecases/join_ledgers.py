"""Join a billed month to the ledger of its intervals: reversals and the account `market`, then the laws.

Called after the bills of a month are written, in the same transaction, and again whenever something of the month
changed: it books the difference to what was booked before, so a second time nothing moves. A re-settlement of an
interval whose month is billed is joined at once; what `market` cannot pay yet, `unbilled` pays until a bill does.
Sources: those of hub/settlement/joined_ledger.py.
"""

from collections.abc import Mapping
from datetime import date

from sqlmodel import Session

from edge.contract.registry import SupplyMode
from hub.market.trades import Violation
from hub.settlement.accounts import (
    MARKET_ACCOUNT,
    MONTH_ACCOUNT_NAMES,
    SYSTEM_ACCOUNT_NAMES,
    UNBILLED_ACCOUNT,
    SystemAccount,
)
from hub.settlement.joined_ledger import (
    BILLED_KINDS,
    NO_METER,
    Disposition,
    IntervalCharges,
    JoinAccounts,
    JoinKey,
    JoinKind,
    agency_network_nano_yuan,
    check_account_names,
    check_emptied,
    check_joined_balance,
    check_point_payments,
    check_receipts_unchanged,
    disposition_of,
    joined_amounts,
    still_to_book,
)
from hub.settlement.money import NANO_YUAN_PER_FEN
from hub.settlement.transfers import TransferKind
from hub.store.bills import month_number, newest_versions
from hub.store.joined_ledger import (
    booked_amounts,
    intervals_of_month,
    joined_by_payee,
    joined_by_point,
    market_held_nano_yuan,
    named_accounts,
    open_month_accounts,
    owed_fen,
    paid_by_bills_nano_yuan,
    read_captive_energy,
    read_captive_tariffs,
    read_interval_charges,
    read_statement_rounding,
    save_month_postings,
)
from hub.store.trial_balance import month_balance_nano_yuan
from hub.usecases.billing_points import BilledCounty

_SUPPLIER, _NETWORK, _ROUNDING = (
    SYSTEM_ACCOUNT_NAMES[account] for account in (SystemAccount.D_SUP, SystemAccount.D_NET, SystemAccount.ROUNDING)
)
_PAID_LINES = frozenset(f"{kind.name}.paid" for kind in BILLED_KINDS)


def join_month(session: Session, county: BilledCounty, month: date, *, posting_month: int) -> list[Violation]:
    """Book what joins the billed points of a month to their bills, and return what breaks the laws.

    :param county: the points of the month, with what intervals charged them
    :param posting_month: in which it is booked: the month itself, or a later one for a closed month
    """
    number = month_number(month)
    known = open_month_accounts(session, _month_accounts(county))
    billed = newest_versions(session, number, booked_before=posting_month + 1)
    modes = {
        meter: county.points.class_of(point).supply_mode
        for point, meter in enumerate(county.meters.tolist())
        if meter in billed
    }
    target = joined_amounts(county.charges, modes, JoinAccounts(known[MARKET_ACCOUNT], known[_SUPPLIER]))
    target |= _rounding(session, county, month, known)
    network, untold = _agency_network(session, month, known)
    target |= network
    first, last = intervals_of_month(month)
    rest = still_to_book(target, booked_amounts(session, number))
    save_month_postings(session, rest, month=number, posting_month=posting_month, first=first, last=last)
    where = f"month {number}"
    return [
        *(Violation(6, where, f"nothing tells T of captive users of class {name}") for name in untold),
        *_check_intervals(session, county, modes, number),
    ]


def join_resettled(
    session: Session, interval: int, run: int, modes: Mapping[int, SupplyMode], *, month: int, posting_month: int
) -> None:
    """Join a run of an interval whose month is billed; a month without bills is joined when it is billed.

    :param modes: supply mode by metering point on the interval's day
    """
    billed = newest_versions(session, month)
    if not billed:
        return
    known = open_month_accounts(session, MONTH_ACCOUNT_NAMES)
    charges = read_interval_charges(session, interval, interval, run=run)
    accounts = JoinAccounts(known[UNBILLED_ACCOUNT], known[_SUPPLIER], is_unbilled=True)
    amounts = joined_amounts(charges, {meter: mode for meter, mode in modes.items() if meter in billed}, accounts)
    moved = {key: amount for key, amount in sorted(amounts.items()) if amount}
    save_month_postings(session, moved, month=month, posting_month=posting_month, first=interval, last=interval)


def check_joined_month(session: Session, posting_month: int, *, with_intervals: bool = True) -> list[Violation]:
    """Laws 5 to 7 of a month's ledger once its bills are booked and joined, as the database has it.

    :param with_intervals: False for the zero of what the month itself booked; that of each interval and day was checked
        before they were booked
    """
    where = f"month {posting_month}"
    known = open_month_accounts(session, ())
    paid = paid_by_bills_nano_yuan(session, posting_month)
    owed = {name: fen * NANO_YUAN_PER_FEN for name, fen in owed_fen(session, posting_month).items()}
    return [
        *check_account_names(named_accounts(session, posting_month), known, where),
        *check_emptied(MARKET_ACCOUNT, market_held_nano_yuan(session, posting_month), where),
        *check_point_payments(paid, owed, f"{where}, by its bill"),
        *check_joined_balance(month_balance_nano_yuan(session, posting_month, with_intervals=with_intervals), where),
    ]


def _check_intervals(
    session: Session, county: BilledCounty, modes: Mapping[int, SupplyMode], month: int
) -> list[Violation]:
    """Laws 5 to 7 by month of the intervals: charges are reversed whole, receipts stay, nothing waits for a bill."""
    where = f"month {month}"
    paid = _billed_charges(county.charges, modes)
    for meter, amount in joined_by_point(session, month, JoinKind.REVERSAL).items():
        paid[meter] = paid.get(meter, 0) + amount
    waiting = joined_by_point(session, month, JoinKind.UNBILLED)
    names = county.meter_ids
    return [
        *check_point_payments({names[meter]: rest for meter, rest in paid.items()}, {}, f"{where}, by intervals"),
        *check_receipts_unchanged(joined_by_payee(session, month), where),
        *check_emptied(UNBILLED_ACCOUNT, {names[meter]: -amount for meter, amount in waiting.items()}, where),
    ]


def _billed_charges(charges: IntervalCharges, modes: Mapping[int, SupplyMode]) -> dict[int, int]:
    """Return what intervals charged each of the meters in kinds that a bill of its mode stands for."""
    kinds = {
        mode: {kind for kind in BILLED_KINDS if disposition_of(kind, mode) is not Disposition.STANDS}
        for mode in set(modes.values())
    }
    found: dict[int, int] = {}
    columns = (charges.meter, charges.kind, charges.amount_nano_yuan)
    for meter, kind, amount in zip(*(column.tolist() for column in columns), strict=True):
        if meter in modes and kind in kinds[modes[meter]]:
            found[meter] = found.get(meter, 0) + amount
    return found


def _month_accounts(county: BilledCounty) -> tuple[str, ...]:
    return (*MONTH_ACCOUNT_NAMES, *(terms.retailer_id for terms in county.points.packages))


def _agency_network(
    session: Session, month: date, known: Mapping[str, int]
) -> tuple[dict[JoinKey, int], tuple[str, ...]]:
    """Return the reversal of what D_sup passed on to D_net for agency users, whose bills pay it themselves."""
    first, last = intervals_of_month(month)
    amount, untold = agency_network_nano_yuan(
        read_captive_energy(session, first, last), read_captive_tariffs(session, first, last)
    )
    kind = TransferKind.NETWORK_CAPTIVE.name
    key = JoinKey(JoinKind.REVERSAL.value, NO_METER, kind, known[_SUPPLIER], known[_NETWORK])
    return ({key: -amount} if amount else {}), untold


def _rounding(session: Session, county: BilledCounty, month: date, known: Mapping[str, int]) -> dict[JoinKey, int]:
    """Return the reversal of what daily statements rounded of lines that a bill now stands for."""
    found = {}
    billed = set(county.accounts.tolist())
    for account, lines in read_statement_rounding(session, month).items():
        amount = sum(rounded for kind, rounded in lines.items() if kind in _PAID_LINES)
        if account in billed and amount:
            kind = TransferKind.STATEMENT_ROUNDING.name
            found[JoinKey(JoinKind.REVERSAL.value, NO_METER, kind, account, known[_ROUNDING])] = -amount
    return found
