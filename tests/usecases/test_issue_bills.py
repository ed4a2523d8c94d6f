"""Bills of a month over a store: what is written, that it is written once, and what is refused leaves nothing."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import ModuleType
from typing import Any

import msgspec
import pytest
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from edge.contract.interval import first_interval_of_day
from edge.contract.messages import CHANNELS, IMPORT
from edge.contract.registry import Registry
from hub.settlement.bills.bill import BillComponent, LinePosting
from hub.settlement.bills.bill_case import decode_bill_case
from hub.settlement.bills.checks import check_bill, check_bills
from hub.settlement.bills.issue import bill_of_case
from hub.settlement.county_month.points import CountyMonthError
from hub.settlement.prices import ParameterError
from hub.settlement.provinces.keys import PeriodKind
from hub.settlement.tariffs.tou_calendar import TariffUser, book_of_library, day_periods
from hub.store.bill_tables import BillingTermRow, MonthCloseRow, SettledEnergyRow
from hub.store.bills import bill_ledger_nano_yuan, read_bill
from hub.store.engine import open_engine
from hub.store.tables import SubstitutionRow
from hub.usecases.issue_bills import MonthClosedError
from hub.usecases.metered_month import MeteredMonthError

IMPORT_CHANNEL = CHANNELS.index(IMPORT)
WRITTEN = ("bill", "bill_line", "bill_posting")


@pytest.fixture
def open_county(
    billed: ModuleType, make_registry: Callable[..., Registry], database_url: str
) -> Iterator[Callable[[], Any]]:
    engine = open_engine(database_url)
    yield lambda: billed.open_county(engine, make_registry(areas=2, meters=4))
    engine.dispose()


@pytest.fixture
def unread(billed: ModuleType, make_registry: Callable[..., Registry], migrated_sqlite_url: str) -> Iterator[Any]:
    """A county without readings."""
    engine = open_engine(migrated_sqlite_url)
    yield billed.open_county(engine, make_registry(areas=2, meters=4))
    engine.dispose()


def energy_by_kind(billed: ModuleType, energy: Any, meter: int) -> dict[str, int]:
    """The month's energy by the ordinary calendar, interval by interval."""
    book = book_of_library(billed.library(), billed.PROVINCE)
    from hub.settlement.provinces.keys import TariffType  # noqa: PLC0415

    user = TariffUser("<1kV", TariffType.SINGLE, "", 0)
    found: dict[str, int] = {}
    for day in range(energy.shape[0] // 96):
        kinds = day_periods(book, user, billed.JANUARY.replace(day=day + 1)).kinds
        for position, kind in enumerate(kinds.tolist()):
            name = PeriodKind(kind).name
            found[name] = found.get(name, 0) + int(energy[day * 96 + position, meter])
    return found


def counts(county: Any) -> dict[str, int]:
    """How many rows a month has written."""
    return {name: county.rows(f"SELECT count(*) FROM {name}")[0][0] for name in WRITTEN}  # noqa: S608


def bills_of(billed: ModuleType, county: Any, month: int) -> list[Any]:
    with Session(county.engine) as session:
        return [read_bill(session, month, meter) for meter in range(len(billed.USERS))]


def test_a_month_is_billed_once_and_sums_to_its_ledger(billed: ModuleType, open_county: Callable[[], Any]) -> None:
    county = open_county()
    energy = county.read(billed.JANUARY)
    issued = county.issue(billed.JANUARY)
    assert (issued.issued, issued.replaced, issued.unchanged, issued.violations) == (6, 0, 0, ())
    bills = bills_of(billed, county, 202601)
    assert [bill.energy_wh for bill in bills] == energy.sum(axis=0)[:6].tolist()
    assert all(check_bill(bill) == [] for bill in bills)
    assert issued.total_fen == sum(bill.total_fen for bill in bills)
    with Session(county.engine) as session:
        ledger = bill_ledger_nano_yuan(session, 202601)
    assert check_bills(bills, ledger) == []
    assert ledger["rounding"] == issued.rounding_account_nano_yuan
    assert ledger["retailer-1"] > 0
    assert ledger["system-items"] > 0
    sums = county.rows("SELECT meter, sum(amount_fen), count(*) FROM bill_line GROUP BY meter ORDER BY meter")
    assert [(meter, fen, n) for meter, fen, n in sums] == [
        (meter, bill.total_fen, len(bill.lines)) for meter, bill in enumerate(bills)
    ]
    before = counts(county)
    again = county.issue(billed.JANUARY)
    assert (again.issued, again.replaced, again.unchanged) == (0, 0, 6)
    assert again.total_fen == issued.total_fen
    assert counts(county) == before


def test_a_shops_bill_is_the_one_that_its_case_gives(billed: ModuleType, county: Any) -> None:
    energy = billed.energy_of(billed.JANUARY, 8)
    county.issue(billed.JANUARY)
    bill = bills_of(billed, county, 202601)[billed.SHOP]
    case = {
        "bill_id": "M000002/2026-01/1", "user_id": bill.head.user_id, "user_name": bill.head.user_id,
        "metering_point": "M000002", "province": billed.PROVINCE, "month": "2026-01-01",
        "category": "COMMERCIAL_INDUSTRIAL", "voltage_class": "<1kV", "tariff_type": "SINGLE",
        "supply": [{"supply_mode": "AGENCY", "from_day": "2025-01-01"}],
        "energy": [
            {"period": kind.name, "quantity": str(wh), "unit": "Wh"}
            for kind in PeriodKind
            if (wh := energy_by_kind(billed, energy, billed.SHOP).get(kind.name))
        ],
        "meter_data_hash": bill.head.meter_data_hash,
    }  # fmt: skip
    assert bill == bill_of_case(decode_bill_case(json.dumps(case).encode()), library=billed.library())


@pytest.mark.parametrize("table", [*WRITTEN, "month_close", "settled_energy", "pass_through"])
def test_what_is_billed_cannot_be_changed(database_url: str, table: str) -> None:
    engine = open_engine(database_url)
    columns = {
        "bill": "month, meter, version, posting_month, bill_id, account, energy_wh, total_fen, exact_nano_yuan, "
        "rounding_nano_yuan, sha256, document",
        "bill_line": "month, meter, version, line, component, period, quantity, unit, amount_nano_yuan, amount_fen, "
        "posting",
        "bill_posting": "posting_month, meter, version, seq, payer, payee, kind, amount_nano_yuan",
        "month_close": "month, closed_on, bills, total_fen, rounding_nano_yuan, bills_sha256",
        "settled_energy": "interval, run, meter, channel, energy_wh, rule",
        "pass_through": "item, month, carried_in_nano_yuan, collected_nano_yuan, remitted_nano_yuan, "
        "carried_out_nano_yuan",
    }[table].split(", ")
    texts = {"bill_id", "sha256", "component", "period", "unit", "posting", "payer", "payee", "kind", "closed_on",
             "bills_sha256", "rule", "item", "document"}  # fmt: skip
    values = ", ".join("'a'" if one in texts else "1" for one in columns)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({values})")  # noqa: S608
    for change in (f"UPDATE {table} SET {columns[-2]} = {columns[-2]}", f"DELETE FROM {table}"):  # noqa: S608
        with pytest.raises(DBAPIError, match="append-only"), engine.begin() as connection:
            connection.exec_driver_sql(change)
    engine.dispose()


def test_another_price_in_an_open_month_is_a_new_version_and_the_ledger_follows(
    billed: ModuleType, county: Any
) -> None:
    first = county.issue(billed.JANUARY)
    cheaper = billed.library(billed.JANUARY.replace(year=2025, month=12), billed.JANUARY, less=10_000)
    second = county.issue(billed.JANUARY, library=cheaper)
    # Residents, farms and the user of a retailer pay no agency price.
    assert (second.issued, second.replaced, second.unchanged) == (0, 3, 3)
    assert second.total_fen < first.total_fen
    bills = bills_of(billed, county, 202601)
    assert [bill.head.bill_id for bill in bills][:2] == ["M000001/2026-01/1", "M000002/2026-01/2"]
    with Session(county.engine) as session:
        assert check_bills(bills, bill_ledger_nano_yuan(session, 202601)) == []
        assert read_bill(session, 202601, billed.SHOP, 1).total_fen > bills[billed.SHOP].total_fen
    third = county.issue(billed.JANUARY)
    assert (third.replaced, third.total_fen) == (3, first.total_fen)
    with Session(county.engine) as session:
        assert check_bills(bills_of(billed, county, 202601), bill_ledger_nano_yuan(session, 202601)) == []


def test_the_second_bill_says_why_it_differs_from_the_first(billed: ModuleType, county: Any) -> None:
    county.read(billed.FEBRUARY)
    for month in (billed.JANUARY, billed.FEBRUARY):
        county.issue(month, library=billed.library(less=10_000))
    january, february = (bills_of(billed, county, month)[billed.SHOP] for month in (202601, 202602))
    change = february.change
    assert change.before_bill_id == january.head.bill_id
    parts = (change.quantity_nano_yuan, change.price_nano_yuan, change.rule_nano_yuan, change.other_nano_yuan)
    assert sum(parts) + change.rounding_nano_yuan == (february.total_fen - january.total_fen) * 10**7
    assert change.price_nano_yuan < 0


def close(county: Any, month: int) -> None:
    with Session(county.engine) as session:
        session.add(
            MonthCloseRow(
                month=month, closed_on="2026-02-09", bills=6, total_fen=0, rounding_nano_yuan=0, bills_sha256=""
            )
        )
        session.commit()


def test_a_closed_month_stays_and_is_corrected_on_the_next_bill(billed: ModuleType, county: Any) -> None:
    energy = billed.energy_of(billed.JANUARY, 8)
    county.issue(billed.JANUARY)
    before = bills_of(billed, county, 202601)
    close(county, 202601)
    with pytest.raises(MonthClosedError, match="202601 is closed"):
        county.issue(billed.JANUARY)
    interval = first_interval_of_day(billed.JANUARY) + 20
    with Session(county.engine) as session:
        session.add(
            SettledEnergyRow(
                interval=interval, run=1, meter=billed.SHOP, channel=IMPORT_CHANNEL,
                energy_wh=int(energy[20, billed.SHOP]) + 50_000, rule="",
            )
        )  # fmt: skip
        session.commit()
    county.read(billed.FEBRUARY)
    issued = county.issue(billed.FEBRUARY, look_back_months=6)
    assert issued.violations == ()
    assert issued.issued == 6
    with Session(county.engine) as session:
        assert read_bill(session, 202601, billed.SHOP, 1) == before[billed.SHOP]
        corrected = read_bill(session, 202601, billed.SHOP)
        ledger = bill_ledger_nano_yuan(session, 202602)
    assert corrected.energy_wh == before[billed.SHOP].energy_wh + 50_000
    february = bills_of(billed, county, 202602)
    shop = february[billed.SHOP]
    lines = [line for line in shop.lines if line.posting is not LinePosting.CHARGE]
    assert {line.component for line in lines} == {
        BillComponent.ENERGY, BillComponent.LOSS, BillComponent.NETWORK, BillComponent.SYSTEM, BillComponent.FUNDS
    }  # fmt: skip
    difference = corrected.exact_nano_yuan - before[billed.SHOP].exact_nano_yuan
    assert sum(line.amount_nano_yuan for line in lines) == difference > 0
    assert {line.corrects.rpartition("/")[0] for line in lines} == {"M000002/2026-01/1"}
    assert check_bills(february, ledger) == []
    assert not any(bill.corrections_fen for bill in february if bill is not shop)
    again = county.issue(billed.FEBRUARY, look_back_months=6)
    assert (again.issued, again.replaced, again.unchanged) == (0, 0, 6)
    assert county.rows("SELECT meter, version, posting_month FROM bill WHERE month = 202601 AND version > 1") == [
        (billed.SHOP, 2, 202602)
    ]


def test_beyond_the_look_back_nothing_is_corrected(billed: ModuleType, county: Any) -> None:
    energy = billed.energy_of(billed.JANUARY, 8)
    county.issue(billed.JANUARY)
    close(county, 202601)
    with Session(county.engine) as session:
        first = first_interval_of_day(billed.JANUARY)
        wh = int(energy[0, billed.SHOP]) + 1
        session.add(SettledEnergyRow(interval=first, run=1, meter=1, channel=IMPORT_CHANNEL, energy_wh=wh, rule=""))
        session.commit()
    county.read(billed.FEBRUARY)
    county.issue(billed.FEBRUARY, look_back_months=None)
    assert not any(bill.corrections_fen for bill in bills_of(billed, county, 202602))


def test_a_gap_is_refused_until_it_is_substituted(billed: ModuleType, unread: Any) -> None:
    county = unread
    gap = frozenset({(10, billed.SHOP), (10, billed.FARM)})
    energy = county.read(billed.JANUARY, leave_out=gap)
    words = r"row 188 on 2026-01-01: M000002 has no energy in the interval until 02:30; load the readings up to "
    with pytest.raises(MeteredMonthError, match=words):
        county.issue(billed.JANUARY)
    assert set(counts(county).values()) == {0}
    first = first_interval_of_day(billed.JANUARY)
    with Session(county.engine) as session:
        for meter in (billed.SHOP, billed.FARM):
            for position, wh in ((9, 11), (10, int(energy[9:11, meter].sum()) - 11)):
                session.add(
                    SubstitutionRow(
                        interval=first + position, meter=meter, channel=IMPORT_CHANNEL, energy_wh=wh, rule="even-split"
                    )
                )
        session.commit()
    county.issue(billed.JANUARY)
    assert [bill.energy_wh for bill in bills_of(billed, county, 202601)] == energy.sum(axis=0)[:6].tolist()


def new_terms(county: Any, **given: Any) -> None:
    with Session(county.engine) as session:
        session.add(
            BillingTermRow(
                **({"meter": 1, "effective_from": "2026-01-01", "tariff_type": "SINGLE", "user_class": "",
                    "capacity_va": 50_000, "election": "", "package": None} | given)
            )
        )  # fmt: skip
        session.commit()


PACKAGE = json.dumps(
    {
        "kind": "RetailTerms", "contract_id": "c", "user_id": "u", "retailer_id": "r", "voltage_v": 400,
        "model_text": "2025", "package": {"kind": "FIXED", "price_uyuan_per_kwh": 1},
    }
)  # fmt: skip
BAD_TERMS = {
    "change within the month": (
        {"effective_from": "2026-01-15"}, "row 101 on 2026-01-15: the billing terms of M000002 change within the month"
    ),
    "two supply modes": (
        {"package": PACKAGE}, "row 2: M000002 is supplied by AGENCY and has a retail package; load one supply mode"
    ),
    "election without tariff": (
        {"election": "DEMAND"}, "row 101 on 2026-01: M000002 has an election, but only the two-part tariff has one"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_TERMS)
def test_terms_that_contradict_are_refused_and_nothing_is_posted(billed: ModuleType, county: Any, name: str) -> None:
    given, words = BAD_TERMS[name]
    new_terms(county, **given)
    with pytest.raises(CountyMonthError, match=words):
        county.issue(billed.JANUARY)
    assert set(counts(county).values()) == {0}


def test_a_user_without_billing_terms_is_named(billed: ModuleType, county: Any) -> None:
    with county.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM billing_term WHERE meter = 2")
    with pytest.raises(CountyMonthError, match="row 101 on 2026-01: M000003 has no billing terms; load its tariff"):
        county.issue(billed.JANUARY)


def broken_library(billed: ModuleType, what: str) -> Any:
    from hub.bench.made_up_province import made_up_province  # noqa: PLC0415
    from hub.settlement.provinces import shipped_library  # noqa: PLC0415

    document = made_up_province(billed.JANUARY)
    if what == "price":
        publication = document.publications[0]
        values = tuple(one for one in publication.values if one.parameter.value != "system_operation")
        document = msgspec.structs.replace(
            document, publications=(msgspec.structs.replace(publication, values=values),)
        )
    if what == "calendar":
        calendars = tuple(
            msgspec.structs.replace(one, effective_to=billed.JANUARY.replace(day=20)) for one in document.calendars
        )
        document = msgspec.structs.replace(document, calendars=calendars)
    if what == "hours":
        calendar = document.calendars[0]
        workday = msgspec.structs.replace(calendar.patterns[0], periods=calendar.patterns[0].periods[1:])
        calendar = msgspec.structs.replace(calendar, patterns=(workday, *calendar.patterns[1:]))
        document = msgspec.structs.replace(document, calendars=(calendar, *document.calendars[1:]))
    return shipped_library([document])


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("price", "row 95 on 2026-01-01: no version of system_operation .*; load the month's system operation charge"),
        ("calendar", "row 65 on 2026-01-20: no calendar holds .*; load the time-of-use calendar in force"),
        ("hours", "row 65 on 2026-01-01: ordinary-2026-01 covers 18 h 0 min .* nothing at 00:00; load a calendar"),
    ],
)
def test_a_missing_price_or_a_calendar_with_a_gap_is_refused(
    billed: ModuleType, county: Any, what: str, words: str
) -> None:
    county.read(billed.JANUARY)
    with pytest.raises(ParameterError, match=words):
        county.issue(billed.JANUARY, library=broken_library(billed, what))
    assert set(counts(county).values()) == {0}


def test_registers_that_run_backwards_or_leave_64_bits_are_refused(billed: ModuleType, county: Any) -> None:
    interval = first_interval_of_day(billed.JANUARY) + 5
    for run, (wh, words) in enumerate(
        ((-4, r"row 189 on 2026-01-01, interval 5: M000003 has -4 Wh, which is negative"),
         (2**61, "M000003 has 2305843009213693952 Wh, which leaves 64 bits in a month")), start=1
    ):  # fmt: skip
        with Session(county.engine) as session:
            session.add(
                SettledEnergyRow(
                    interval=interval, run=run, meter=billed.WORKS, channel=IMPORT_CHANNEL, energy_wh=wh, rule=""
                )
            )
            session.commit()
        with pytest.raises(CountyMonthError, match=words):
            county.issue(billed.JANUARY)
    assert set(counts(county).values()) == {0}


def test_a_bill_that_is_not_what_the_columns_say_is_a_breach(billed: ModuleType, county: Any, monkeypatch: Any) -> None:
    from hub.usecases import issue_bills as module  # noqa: PLC0415

    composed = module.bill_of_point

    def a_fen_more(*given: Any) -> Any:
        bill = composed(*given)
        return replace(bill, total_fen=bill.total_fen + 1)

    monkeypatch.setattr(module, "bill_of_point", a_fen_more)
    assert {one.law for one in county.issue(billed.JANUARY).violations} == {7}
