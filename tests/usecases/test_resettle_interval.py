"""A gap, its late reading, the energies substituted again, and the interval settled again: reversal and new posting."""

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pytest
from sqlmodel import Session

from edge.contract.interval import day_of_interval
from edge.contract.messages import CHANNELS, IMPORT
from hub.settlement.resettlement import NotResettled, Resettled, ResettlementRefusal, Unchanged
from hub.settlement.substitution.rules import GapRule, SubstitutionRuleError, SubstitutionRules
from hub.store.bill_tables import MonthCloseRow, SettledEnergyRow
from hub.usecases.resettle_interval import resettle_interval
from hub.usecases.settled_energy import energy_as_settled
from hub.usecases.substitute_energy import substitute_day

HOUSE, ROW, COLUMN = "M000006", 5, CHANNELS.index(IMPORT)


def rules(tolerance_ppm: int | None = 0, **given: Any) -> SubstitutionRules:
    return SubstitutionRules(
        **({"version_id": "rules-1", "province": "toy", "effective_from": date(2016, 1, 1), "effective_to": None,
            "document": "a test", "order": (GapRule.INTERPOLATION,), "missing_points_max": 2,
            "tolerance_ppm": tolerance_ppm} | given)
    )  # fmt: skip


def run(market: Any, *, late: bool) -> Any:
    """Run all intervals; the house is not read at the end of the first settled one, or only afterwards."""
    for interval in range(market.first - 2, market.last + 2):
        market.take_in(interval, missing=frozenset({HOUSE} if interval == market.first + 1 else ()))
        market.run_jobs(interval)
        if late and interval == market.first + 1:
            market.admit(
                interval, {"G0002": [one for one in market.physics.readings(interval, "G0002") if one.meter == HOUSE]}
            )
    return market


@pytest.fixture
def session(market: Any) -> Iterator[Session]:
    with Session(market.engine) as opened:
        yield opened


def used_wh(market: Any) -> list[int]:
    """What the house used, by the registers themselves."""
    reads = [int(market.physics.registers(one)[ROW, COLUMN]) for one in range(market.first, market.last + 2)]
    return [end - start for start, end in pairwise(reads)]


def billed_wh(market: Any) -> list[int]:
    """What its loss fee is charged on, all runs together."""
    rows = market.rows(
        "SELECT interval, sum(energy_wh) FROM posting WHERE kind = 'LOSS_FEE' AND meter = :m GROUP BY interval", m=ROW
    )
    return [int(wh) for _, wh in sorted(rows)]


def resettle(session: Session, market: Any, interval: int, months_later: int = 0) -> Any:
    day = day_of_interval(interval) + timedelta(days=31 * months_later)
    return resettle_interval(session, market.model, interval, posting_day=day, look_back_months=6)


def assert_money_is_exact(market: Any) -> None:
    for interval in range(market.first, market.last + 1):
        totals = {
            account: ledger
            for account, ledger, own in market.rows(
                "SELECT account, ledger_nano_yuan, independent_nano_yuan FROM account_total WHERE interval = :k",
                k=interval,
            )
            if ledger == own
        }
        moved = dict.fromkeys(totals, 0)
        postings = market.rows(
            "SELECT debit, credit, amount_nano_yuan, energy_wh, price_uyuan_per_kwh FROM posting "
            "WHERE interval = :k AND kind <> 'STATEMENT_ROUNDING'",
            k=interval,
        )
        for debit, credit, amount, energy, price in postings:
            assert amount == energy * price
            moved[debit] -= amount
            moved[credit] += amount
        assert moved == totals
        assert sum(totals.values()) == 0


def test_a_late_reading_replaces_the_estimates_and_both_intervals_are_settled_again(
    market: Any, session: Session
) -> None:
    run(market, late=True)
    assert billed_wh(market) != used_wh(market)
    before = market.rows("SELECT * FROM posting ORDER BY interval, seq")
    found = substitute_day(session, market.model, rules(), first=market.first, last=market.last)
    assert found.intervals == (market.first, market.first + 1)
    assert (found.violations, found.within_tolerance) == ((), 0)
    for interval in found.intervals:
        again = resettle(session, market, interval)
        assert isinstance(again.outcome, Resettled)
        assert (again.run, again.violations) == (1, ())
        assert sum(line.amount_nano_yuan for line in again.outcome.lines) == 0
    session.commit()
    assert billed_wh(market) == used_wh(market)
    assert_money_is_exact(market)
    after = market.rows("SELECT * FROM posting ORDER BY interval, seq")
    assert [row for row in after if row[2] == 0] == before, "what was posted stands"
    differences = market.rows("SELECT interval, sum(amount_nano_yuan) FROM settlement_difference GROUP BY interval")
    assert [(interval, int(rest)) for interval, rest in differences] == [(one, 0) for one in found.intervals]
    assert isinstance(resettle(session, market, market.first).outcome, Unchanged)
    assert substitute_day(session, market.model, rules(), first=market.first, last=market.last).moved == 0


def test_a_second_correction_reverses_the_first_one_only(market: Any, session: Session) -> None:
    run(market, late=True)
    substitute_day(session, market.model, rules(), first=market.first, last=market.last)
    assert resettle(session, market, market.first).run == 1
    session.add(SettledEnergyRow(interval=market.first, run=2, meter=ROW, channel=COLUMN, energy_wh=7, rule="by hand"))
    session.flush()
    assert energy_as_settled(session, market.model, market.first).energy.energy_wh[ROW, COLUMN] == 7
    again = resettle(session, market, market.first)
    assert again.run == 2
    session.commit()
    assert billed_wh(market)[0] == 7
    assert_money_is_exact(market)


def test_a_gap_that_stays_gets_the_shape_of_the_rules_and_keeps_its_sum(market: Any, session: Session) -> None:
    run(market, late=False)
    before = billed_wh(market)
    found = substitute_day(session, market.model, rules(), first=market.first - 1, last=market.last)
    assert set(found.intervals) <= {market.first, market.first + 1}
    assert found.moved
    wh = [
        int(energy_as_settled(session, market.model, interval).energy.energy_wh[ROW, COLUMN])
        for interval in (market.first, market.first + 1)
    ]
    assert sum(wh) == sum(before[:2]) == sum(used_wh(market)[:2])
    session.commit()
    flags = {rule for (rule,) in market.rows("SELECT rule FROM settled_energy WHERE meter = :m", m=ROW)}
    assert flags == {"substitution-interpolation-1+rules-1"}


def test_within_the_tolerance_nothing_moves(market: Any, session: Session) -> None:
    run(market, late=True)
    found = substitute_day(session, market.model, rules(10**9), first=market.first, last=market.last)
    assert (found.intervals, found.moved) == ((), 0)
    assert found.within_tolerance >= 1
    with pytest.raises(SubstitutionRuleError, match="load tolerance_ppm"):
        substitute_day(session, market.model, rules(None), first=market.first, last=market.last)


def test_the_difference_of_a_closed_month_is_booked_in_an_open_one_within_the_look_back(
    market: Any, session: Session
) -> None:
    run(market, late=True)
    substitute_day(session, market.model, rules(), first=market.first, last=market.last)
    day = day_of_interval(market.first)
    month = day.year * 100 + day.month
    session.add(
        MonthCloseRow(
            month=month, closed_on=day.isoformat(), bills=0, total_fen=0, rounding_nano_yuan=0, bills_sha256=""
        )
    )
    session.flush()
    refused = resettle(session, market, market.first)
    assert refused.outcome == NotResettled(market.first, ResettlementRefusal.POSTING_MONTH_CLOSED)
    assert resettle(session, market, market.first, 9).outcome.reason is ResettlementRefusal.BEYOND_LOOK_BACK
    later = "SELECT count(*) FROM posting WHERE run > 0"
    assert session.connection().exec_driver_sql(later).scalar_one() == 0
    assert resettle(session, market, market.first, 1).run == 1
    session.commit()
    rows = market.rows("SELECT DISTINCT corrected_month, posting_month FROM settlement_difference")
    assert rows == [(month, month + 1)]


def test_an_interval_that_was_never_settled_is_not_settled_again(market: Any, session: Session) -> None:
    for interval in range(market.first - 2, market.last + 2):
        market.take_in(interval)
        market.run_jobs(interval)
    session.connection().exec_driver_sql("DELETE FROM settlement_run WHERE interval = ?", (market.first,))
    found = resettle(session, market, market.first)
    assert found.outcome == NotResettled(market.first, ResettlementRefusal.NEVER_SETTLED)
    session.rollback()
