"""Data that came in late: the energies of a day substituted again, and intervals settled again on what holds now.

The jobs of days do this on D+2 and D+6 (hub/month_jobs.py); for what comes in later an operator says it
(`microbalance month substitute | resettle`). Everything is written in the caller's transaction.
Sources: outside rules, section 9; DESIGN 4 laws 4 and 5.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlmodel import Session, col, select

from edge.contract.interval import INTERVALS_PER_DAY, day_of_interval, first_interval_of_day
from hub.settlement.resettlement import NotResettled
from hub.settlement.substitution.rules import rules_in_force
from hub.store.bill_tables import SettledEnergyRow, SettlementDifferenceRow
from hub.store.tables import AccountRow, SettlementRunRow
from hub.usecases.issue_bills import LawsBrokenError
from hub.usecases.load_county import CountyModel
from hub.usecases.month_terms import LoadedTerms
from hub.usecases.resettle_interval import resettle_interval
from hub.usecases.substitute_energy import SubstitutedDay, substitute_day


@dataclass(frozen=True)
class SettledAgain:
    """What became of an interval. run: the new one, None if nothing was booked; refused: why a difference was not.

    moved_nano_yuan: what each account that changed received more, by name.
    """

    interval: int
    run: int | None
    refused: str
    moved_nano_yuan: dict[str, int]


def settled_intervals(session: Session, day: date) -> list[int]:
    """Return the intervals of a day that were settled, in order."""
    first = first_interval_of_day(day)
    query = select(SettlementRunRow.interval).where(
        SettlementRunRow.interval >= first, SettlementRunRow.interval < first + INTERVALS_PER_DAY
    )
    return sorted(set(session.exec(query)))


def moved_intervals(session: Session, day: date) -> list[int]:
    """Return the intervals of a day of which an energy was replaced since, in order."""
    first = first_interval_of_day(day)
    query = select(SettledEnergyRow.interval).where(
        SettledEnergyRow.interval >= first, SettledEnergyRow.interval < first + INTERVALS_PER_DAY
    )
    return sorted(set(session.exec(query)))


def substitute_settled_day(
    session: Session, county: CountyModel, terms: LoadedTerms, day: date
) -> SubstitutedDay | None:
    """Replace the energies of a day that the rules and late registers move; None if none of it was settled.

    :raises hub.settlement.substitution.rules.SubstitutionRuleError: if no version of the rules is in force
    :raises LawsBrokenError: if the energies do not sum to the register differences
    """
    settled = settled_intervals(session, day)
    if not settled:
        return None
    rules = rules_in_force(terms.substitution, province=terms.province, day=day)
    found = substitute_day(session, county, rules, first=settled[0], last=settled[-1], kind_of=terms.day_kind)
    if found.violations:
        raise LawsBrokenError(found.violations)
    return found


def settle_again(
    session: Session, county: CountyModel, intervals: Sequence[int], *, on: date, look_back_months: int
) -> list[SettledAgain]:
    """Settle intervals of one day again; what changed is booked in the month of the day on which it is done.

    :param county: the county on the intervals' day
    :raises LawsBrokenError: if a settlement breaks a law; the caller rolls back
    :raises hub.usecases.settle_interval.NotPublishedError: if a provincial price is missing
    :raises hub.store.clearing.NotClearedError: if an interval was not cleared
    """
    found = []
    for interval in intervals:
        assert day_of_interval(interval) == county.day
        again = resettle_interval(session, county, interval, posting_day=on, look_back_months=look_back_months)
        if again.violations:
            raise LawsBrokenError(again.violations)
        refused = again.outcome.reason.value if isinstance(again.outcome, NotResettled) else ""
        moved = {} if again.run is None else _moved_nano_yuan(session, interval, again.run)
        found.append(SettledAgain(interval, again.run, refused, moved))
    return found


def _moved_nano_yuan(session: Session, interval: int, run: int) -> dict[str, int]:
    rows = session.exec(
        select(AccountRow.account_id, SettlementDifferenceRow.amount_nano_yuan)
        .join(AccountRow, col(AccountRow.position) == col(SettlementDifferenceRow.account))
        .where(SettlementDifferenceRow.interval == interval, SettlementDifferenceRow.run == run)
        .order_by(col(AccountRow.position))
    )
    return {name: amount for name, amount in rows if amount}
