"""The hub's jobs of days and months, from month-terms.json: the clock passes, and what is due is done on its day."""

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import msgspec
import pytest
from sqlmodel import Session
from typer.testing import CliRunner

from edge.contract.interval import INTERVALS_PER_DAY, first_interval_of_day, start_utc_s
from edge.contract.messages import CHANNELS, EXPORT, IMPORT, Reading
from edge.contract.registry import SupplyMode
from hub.bench.made_up_province import made_up_province
from hub.jobs import Span
from hub.main import month_jobs_of
from hub.market.listing.session_calendar import BusinessCalendar
from hub.month_cli import app as month_app
from hub.month_jobs import MonthJobs
from hub.schedule import JobTable
from hub.settings import read_settings
from hub.settlement.calendar.rules import calendar_rules_in_force, published_calendar_rules
from hub.settlement.substitution.rules import DayKind, GapRule, SubstitutionRuleError, SubstitutionRules
from hub.store.bill_tables import BillPostingRow
from hub.store.readings import insert_readings
from hub.usecases.close_month import MonthCalendar
from hub.usecases.load_billing_terms import load_billing_terms
from hub.usecases.month_terms import LoadedTerms, MonthTermsError, read_month_terms
from hub.usecases.settled_energy import energy_as_settled
from hub.usecases.substitute_energy import substitute_day

JANUARY = date(2026, 1, 1)
DAY = date(2026, 1, 20)
HOUSE, ROW, COLUMN = "M000006", 5, CHANNELS.index(IMPORT)
EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "month-terms.json"


@pytest.fixture
def january_market(
    toy: ModuleType, monkeypatch: pytest.MonkeyPatch, make_market: Callable[..., Any], migrated_sqlite_url: str
) -> Any:
    """The toy market on a day of January 2026: a house is not read at the end of the second settled interval."""
    monkeypatch.setattr(toy, "DAY", DAY)
    monkeypatch.setattr(toy, "FIRST", first_interval_of_day(DAY) + 40)
    market = make_market(migrated_sqlite_url, intervals=4)
    for interval in range(market.first - 2, market.last + 2):
        market.at(interval, missing=frozenset({HOUSE} if interval == market.first + 2 else ()))
    return market


def write_terms(run: Path, **changed: Any) -> Path:
    """The terms of the made-up province; rules of every kind."""
    example = json.loads(EXAMPLE.read_text("utf-8"))
    january = msgspec.to_builtins(made_up_province(JANUARY))
    holiday = {"first_day": "2026-01-01", "last_day": "2026-12-31", "holidays": ["2026-02-03"], "working_days": []}
    remitted = [{"month": 202601, "system": "1.5", "funds": "0.25", "document": "an example"}]
    run.mkdir(exist_ok=True)
    path = run / "month-terms.json"
    example["substitution"][0]["tolerance_ppm"] = 0
    whole = example | {"documents": [january], "business_days": holiday, "remitted": remitted}
    path.write_text(json.dumps(whole | changed, default=str))
    return path


def read_the_rest_of_january(market: Any) -> None:
    """Nothing is used before and after the day's intervals: the registers stand still."""
    begin, end = first_interval_of_day(JANUARY), first_interval_of_day(date(2026, 2, 1))
    points = market.registry.metering_points
    rows = []
    for interval in [*range(begin, market.first - 2), *range(market.last + 2, end + 1)]:
        registers = market.physics.registers(min(max(interval, market.first - 2), market.last + 1))
        rows += [
            (start_utc_s(interval), meter, COLUMN, 0, int(registers[meter, COLUMN]), 0, 0)
            for meter, point in enumerate(points)
            if IMPORT in point.channels
        ]
    with Session(market.engine) as session:
        insert_readings(session, rows)
        session.commit()


def load_terms(market: Any, held: Any) -> None:
    """Whoever is not guaranteed a supply is commercial and has the single tariff."""
    points = [
        one for one in market.registry.metering_points if one.supply_mode in (SupplyMode.DIRECT, SupplyMode.AGENCY)
    ]
    rows = [
        {"meter": one.meter_id, "effective_from": "2026-01-01", "tariff_type": "SINGLE", "capacity_va": 90_000}
        for one in points
    ]
    with Session(market.engine) as session:
        session.connection().exec_driver_sql(
            "UPDATE metering_point SET category = CASE WHEN supply_mode IN ('DIRECT', 'AGENCY') "
            "THEN 'COMMERCIAL_INDUSTRIAL' ELSE 'RESIDENTIAL' END"
        )
        data = "\n".join(json.dumps(row) for row in rows).encode()
        found = load_billing_terms(session, data, library=held.library, province=held.province)
        session.commit()
    assert found.refused == ()


def used_wh(market: Any) -> list[int]:
    reads = [int(market.physics.registers(one)[ROW, COLUMN]) for one in range(market.first, market.last + 2)]
    return [end - start for start, end in pairwise(reads)]


def settled_wh(market: Any) -> list[int]:
    with Session(market.engine) as session:
        found = [energy_as_settled(session, market.model, one) for one in range(market.first, market.last + 1)]
    return [int(one.energy.energy_wh[ROW, COLUMN]) for one in found]


def runs(market: Any) -> int:
    return int(market.rows("SELECT count(*) FROM settlement_run WHERE run > 0")[0][0])


def test_the_clock_passes_and_each_day_has_its_work(
    january_market: Any, toy_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    market, run = january_market, tmp_path / "run"
    lacking = msgspec.to_builtins(made_up_province(JANUARY))
    (table,) = lacking["publications"]
    table["values"] = [one for one in table["values"] if one["parameter"] != "guaranteed_price"]
    path = write_terms(run)
    read_the_rest_of_january(market)
    load_terms(market, read_month_terms(path, DAY))
    settings = read_settings({}, county=toy_folder, run=run, database=str(market.engine.url))
    jobs = JobTable(market.engine, month_jobs_of(settings, market.county, Span(market.first, market.last)))

    def until(day: date, last: date) -> Iterator[date]:
        while day <= last:
            yield day
            jobs.run_due(start_utc_s(first_interval_of_day(day)))
            day += timedelta(days=1)

    guessed = settled_wh(market)
    for day in until(DAY + timedelta(days=1), DAY + timedelta(days=2)):
        assert settled_wh(market) == guessed, f"nothing is substituted again before {day} is D+2"
    by_rules = settled_wh(market)
    assert by_rules != guessed
    assert sum(by_rules) == sum(used_wh(market))
    flags = {
        flag
        for (flag,) in market.rows("SELECT rule FROM settled_energy WHERE meter = :m AND channel = :c", m=ROW, c=COLUMN)
    }
    assert flags == {"substitution-interpolation-1+substitution-example-1"}
    # The reading comes in on D+4, 500 Wh above the line; the provisional result of D+6 is settled on it.
    for day in until(DAY + timedelta(days=3), DAY + timedelta(days=6)):
        if day == DAY + timedelta(days=4):
            (read,) = [one for one in market.physics.readings(market.first + 2, "G0002") if one.meter == HOUSE]
            late = Reading(read.meter, read.instant_utc_s, {**read.registers, IMPORT: read.registers[IMPORT] + 500})
            market.admit(market.first + 2, {"G0002": [late]})
        assert (settled_wh(market), runs(market)) == (by_rules, 0)
    before, one, other, after = used_wh(market)
    assert settled_wh(market) == [before, one + 500, other - 500, after]
    assert runs(market) == 2
    # A month's table that is not loaded holds up its bills, and nothing else; loaded on the next day, it counts.
    with caplog.at_level(logging.ERROR):
        for day in until(DAY + timedelta(days=7), date(2026, 2, 3)):
            if day == date(2026, 2, 2):
                write_terms(run, documents=[lacking])
            elif day == date(2026, 2, 3):
                write_terms(run)
            assert market.rows("SELECT count(*) FROM bill") == [(0,)], day
    assert "issue-bills on 2026-02-02: row 96 on 2026-01-01: no version of guaranteed_price" in caplog.text
    billed = [point for point in market.registry.metering_points if point.supply_mode is not SupplyMode.NONE]
    assert market.rows("SELECT count(*) FROM bill") == [(len(billed),)]
    for _ in until(date(2026, 2, 4), date(2026, 2, 12)):
        pass
    assert market.rows("SELECT event, on_day FROM month_event ORDER BY seq LIMIT 2") == [
        ("issue", "2026-02-09"), ("silence", "2026-02-11")
    ]  # fmt: skip
    assert market.rows("SELECT month, closed_on, bills FROM month_close") == [(202601, "2026-02-11", len(billed))]
    remitted = dict(market.rows("SELECT item, remitted_nano_yuan FROM pass_through"))
    assert remitted == {"system-items": 1_500_000_000, "government-funds": 250_000_000, "loss_fund": 0}


def test_what_comes_late_has_its_whole_window(billed: ModuleType, county: Any) -> None:
    rules = calendar_rules_in_force(published_calendar_rules(), province="shaanxi", day=DAY)
    days = BusinessCalendar(JANUARY, date(2026, 12, 31), (date(2026, 2, 3),), ())
    terms = LoadedTerms(billed.PROVINCE, billed.library(), MonthCalendar(rules, days), ())

    def terms_on(day: date) -> LoadedTerms:
        if day < date(2026, 2, 12):
            raise MonthTermsError("nothing is loaded yet")
        return terms

    def no_county(day: date) -> NoReturn:
        raise AssertionError(f"no interval of {day} was settled")

    jobs = JobTable(county.engine, MonthJobs(no_county, terms_on).table())
    for number in range(1, 19):
        jobs.run_due(start_utc_s(first_interval_of_day(date(2026, 2, number))))
    # Bills and basis on Thursday the 12th; one business day to object, Friday; the month closes on the 14th.
    assert county.rows("SELECT DISTINCT event, on_day FROM month_event WHERE event = 'issue'") == [
        ("issue", "2026-02-12")
    ]
    assert county.rows("SELECT month, closed_on, bills FROM month_close") == [(202601, "2026-02-14", 6)]


def test_a_month_that_breaks_a_law_is_not_billed(
    billed: ModuleType, county: Any, caplog: pytest.LogCaptureFixture
) -> None:
    rules = calendar_rules_in_force(published_calendar_rules(), province="shaanxi", day=DAY)
    calendar = MonthCalendar(rules, BusinessCalendar(JANUARY, date(2026, 12, 31), (date(2026, 2, 3),), ()))
    with Session(county.engine) as session:
        session.add(
            BillPostingRow(
                posting_month=202601, meter=0, version=99, seq=0, payer="D_sup", payee="nobody", kind="x",
                amount_nano_yuan=7,
            )
        )  # fmt: skip
        session.commit()

    def no_county(day: date) -> NoReturn:
        raise AssertionError(f"no interval of {day} was settled")

    jobs = MonthJobs(no_county, lambda _: LoadedTerms(billed.PROVINCE, billed.library(), calendar, ()))
    with caplog.at_level(logging.ERROR):
        JobTable(county.engine, jobs.table()).run_due(start_utc_s(first_interval_of_day(date(2026, 2, 2))))
    assert county.rows("SELECT count(*) FROM bill") == county.rows("SELECT count(*) FROM month_posting") == [(0,)]
    told = [one for one in caplog.messages if one.startswith("issue-bills on 2026-02-02: law ")]
    assert len(told) == 1
    assert all(one.endswith("; nothing was written") for one in told)


def test_data_later_than_the_provisional_result_count_when_an_operator_says_so(
    january_market: Any, toy_folder: Path, tmp_path: Path
) -> None:
    """The reading comes in 500 Wh above what was guessed; a dry run shows what moves, and leaves nothing."""
    market, path = january_market, write_terms(tmp_path / "run")
    (read,) = [one for one in market.physics.readings(market.first + 2, "G0002") if one.meter == HOUSE]
    late = Reading(read.meter, read.instant_utc_s, {**read.registers, IMPORT: read.registers[IMPORT] + 500})
    market.admit(market.first + 2, {"G0002": [late]})
    before, one, other, after = used_wh(market)
    guessed = settled_wh(market)

    def say(*arguments: str) -> dict[str, Any]:
        given = ("--county", str(toy_folder), "--database", str(market.engine.url), "--terms", str(path), "--json")
        found = CliRunner().invoke(month_app, [*arguments, *given])
        assert (found.exit_code, found.stderr) == (0, "")
        said: dict[str, Any] = json.loads(found.stdout)
        return said

    shown = say("substitute", str(DAY), "--dry-run")
    assert (shown["dry_run"], settled_wh(market)) == (True, guessed)
    assert say("substitute", str(DAY)) == shown | {"dry_run": False}
    assert settled_wh(market) == [before, one + 500, other - 500, after]
    assert shown["intervals_to_settle_again"] == [market.first + 1, market.first + 2]
    moved = say("resettle", str(DAY), "--on", "2026-01-29", "--dry-run")
    assert (moved["settled_again"], runs(market)) == (shown["intervals_to_settle_again"], 0)
    assert sum(Decimal(amount) for amount in moved["moved_yuan"].values()) == 0
    (user,) = [point.participant_id for point in market.registry.metering_points if point.meter_id == HOUSE]
    single = say("resettle", str(market.first + 1), "--on", "2026-01-29")
    assert user in single["moved_yuan"]
    assert user not in moved["moved_yuan"], "at one price what the second interval has less is what the first has more"
    assert (single["settled_again"], single["unchanged"]) == ([market.first + 1], 0)
    rest = say("resettle", str(DAY), "--on", "2026-01-29")
    assert (rest["settled_again"], rest["unchanged"], runs(market)) == ([market.first + 2], 3, 2)
    for name in {*moved["moved_yuan"], *single["moved_yuan"], *rest["moved_yuan"]}:
        whole, *parts = (Decimal(said["moved_yuan"].get(name, "0")) for said in (moved, single, rest))
        assert sum(parts) == whole, name
    nothing = CliRunner().invoke(
        month_app,
        ["resettle", "2026-01-21", "--on", "2026-01-29", "--county", str(toy_folder), "--terms", str(path),
         "--database", str(market.engine.url)],
    )  # fmt: skip
    assert (nothing.exit_code, nothing.stderr) == (
        2, "microbalance month: 2026-01-21: no such interval was settled\n"
    )  # fmt: skip


def test_without_the_file_no_month_is_settled_and_a_bad_one_is_told(
    toy_county: Any, toy_folder: Path, tmp_path: Path
) -> None:
    settings = read_settings({}, county=toy_folder, run=tmp_path)
    span = Span(first_interval_of_day(DAY), first_interval_of_day(DAY) + 1)
    assert month_jobs_of(settings, toy_county, span) == ()
    settings.month_terms_file.write_text("{}")
    with pytest.raises(MonthTermsError, match="missing required field `province`"):
        month_jobs_of(settings, toy_county, span)


# --- what the rules estimate from -----------------------------------------------------------------------------------


def rules(order: GapRule, **given: Any) -> SubstitutionRules:
    fields = {"version_id": "r", "province": "toy", "effective_from": date(2026, 1, 1), "effective_to": None,
              "document": "a test", "order": (order,), "tolerance_ppm": 0}  # fmt: skip
    return SubstitutionRules(**(fields | given))


def test_an_areas_balance_gives_the_shape_of_a_gap(january_market: Any) -> None:
    market = january_market
    with Session(market.engine) as session:
        found = substitute_day(
            session, market.model, rules(GapRule.AREA_BALANCE, usual_loss_ppm={"A002": 10_000}), first=market.first,
            last=market.last,
        )  # fmt: skip
        session.commit()
    assert found.moved
    flags = {
        flag
        for (flag,) in market.rows("SELECT rule FROM settled_energy WHERE meter = :m AND channel = :c", m=ROW, c=COLUMN)
    }
    assert flags == {"substitution-area-balance-1+r"}
    assert sum(settled_wh(market)) == sum(used_wh(market))
    assert settled_wh(market) == pytest.approx(used_wh(market), rel=0.03)
    with Session(market.engine) as session:
        unknown = rules(GapRule.AREA_BALANCE, usual_loss_ppm={"A001": 10_000})
        substitute_day(session, market.model, unknown, first=market.first, last=market.last)
        session.commit()
    flags = {
        flag
        for (flag,) in market.rows("SELECT rule FROM settled_energy WHERE meter = :m AND channel = :c", m=ROW, c=COLUMN)
    }
    assert "substitution-even-split-1+r" in flags, "an area whose loss is not loaded has no balance"


def test_a_plant_produces_like_the_others_of_its_area(
    toy: ModuleType, make_market: Callable[..., Any], migrated_sqlite_url: str
) -> None:
    market, plant, other = make_market(migrated_sqlite_url), 6, 7
    for interval in range(market.first - 2, market.last + 2):
        market.at(interval, missing=frozenset({"M000007"} if interval == market.first + 1 else ()))
    points = [
        msgspec.structs.replace(one, installed_capacity_w=toy.SITES[number].plant_kw * 1000)
        for number, one in enumerate(market.registry.metering_points)
    ]
    county = replace(market.model, registry=msgspec.structs.replace(market.registry, metering_points=tuple(points)))
    with Session(market.engine) as session:
        substitute_day(session, county, rules(GapRule.SAME_AREA_OUTPUT), first=market.first, last=market.last)
        energies = [
            energy_as_settled(session, county, one).energy.energy_wh[:, CHANNELS.index(EXPORT)]
            for one in (market.first, market.first + 1)
        ]
    total = sum(int(one[plant]) for one in energies)
    expected = [total * int(one[other]) / sum(int(both[other]) for both in energies) for one in energies]
    assert [int(one[plant]) for one in energies] == pytest.approx(expected, abs=1)


def test_a_similar_day_gives_the_shape_and_a_day_of_another_kind_does_not(january_market: Any) -> None:
    market = january_market
    before = market.first + 1 - INTERVALS_PER_DAY
    registers = [0, 1_000, 4_000]
    rows = [(start_utc_s(before + number), ROW, COLUMN, 0, wh, 0, 0) for number, wh in enumerate(registers)]
    with Session(market.engine) as session:
        insert_readings(session, rows)
        session.commit()
    gap = sum(used_wh(market)[1:3])

    def wh_with(kinds: dict[date, DayKind | None]) -> list[int]:
        with Session(market.engine) as session:
            substitute_day(
                session, market.model, rules(GapRule.SIMILAR_DAY, history_days=2), first=market.first,
                last=market.last, kind_of=kinds.get,
            )  # fmt: skip
            session.commit()
        return settled_wh(market)[1:3]

    workdays: dict[date, DayKind | None] = dict.fromkeys((DAY, DAY - timedelta(days=1)), DayKind.WORKDAY)
    assert wh_with(workdays) == pytest.approx([gap / 4, 3 * gap / 4], abs=1)
    assert wh_with(workdays | {DAY: DayKind.HOLIDAY}) == pytest.approx([gap / 2, gap / 2], abs=1)
    with pytest.raises(SubstitutionRuleError, match="load the business days of 2026"):
        wh_with({})


def test_the_kinds_of_days_are_those_of_the_business_days() -> None:
    held = read_month_terms(EXAMPLE, date(2026, 2, 1))
    kinds = [held.day_kind(date(2026, 2, day)) for day in (13, 14, 15, 16, 21, 23, 24)]
    work, off, week_end = DayKind.WORKDAY, DayKind.HOLIDAY, DayKind.WEEKEND
    assert kinds == [work, work, week_end, off, week_end, off, work]
    assert held.day_kind(date(2025, 12, 31)) is None
