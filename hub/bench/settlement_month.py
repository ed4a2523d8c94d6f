"""The benchmark `settlement`: a county month from metered energy to bills, by stage.

36,916 metering points and 96 x 31 intervals, made up and seeded, in the mix of a county: mostly homes, then shops,
works with capacity or demand charges, direct users at interval prices, and users of retailers with a contract each.
Prices are those of a made-up province. The days are streamed; arithmetic is measured against one pass of numpy over the
same columns, which adds up each metering point's energy and decides, prices and checks nothing.
"""

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final

import numpy as np
from sqlmodel import Session

from edge.contract.interval import INTERVALS_PER_DAY
from edge.contract.registry import SupplyMode, UserCategory
from grid_models.bench.machine import load_average, versions_of
from grid_models.bench.measuring import BenchError, Comparison, Outcome, Show, Timed, Workbench, require_equal
from hub.bench.databases import Database, postgresql_database, sqlite_database
from hub.bench.made_up_province import INDUSTRY, PROVINCE, made_up_province
from hub.market.registry.periods import next_month
from hub.market.trades import Int64Array
from hub.reports.bill_report import bill_pdf
from hub.settlement.bills.bill import Bill
from hub.settlement.bills.bill_case import encode_bill
from hub.settlement.bills.class_month import ClassMonth, UserClass
from hub.settlement.county_month.checks import check_county_month
from hub.settlement.county_month.month_energy import MeterDataHashes, MonthEnergy, MonthEnergyCount
from hub.settlement.county_month.point_bills import bill_of_point, case_of_point, check_point_bill
from hub.settlement.county_month.points import NONE, BillingPoints, Election, class_positions
from hub.settlement.county_month.settle_month import settle_county_month
from hub.settlement.county_month.settled_month import CountyMonth
from hub.settlement.provinces import shipped_library
from hub.settlement.provinces.keys import TariffType
from hub.settlement.retail.contract_terms import Fixed, FlatPlusRatio, RetailTerms
from hub.store.bills import BillVersion, ledger_lines, month_number, save_bills

MONTH: Final = date(2026, 1, 1)
SEED: Final = 5
N_POINTS: Final = 36_916
SMALL_N_POINTS: Final = 60
N_PRICE_ZONES: Final = 4
BILLS_AT_ONCE: Final = 500
PDF_SAMPLE: Final = 6
AGREED: Final = "the energy of every metering point; each bill is the one that the columns say"


@dataclass(frozen=True)
class _Kind:
    """A kind of user: its share of the points in percent, and its mean energy of an interval."""

    share: int
    energy_wh: int
    user_class: UserClass
    election: Election = Election.NONE


def _commercial(
    voltage: str, tariff: TariffType, mode: SupplyMode, capacity_va: int, user_class: str = ""
) -> UserClass:
    return UserClass(PROVINCE, UserCategory.COMMERCIAL_INDUSTRIAL, voltage, tariff, user_class, capacity_va, mode)


_HOME = UserClass(PROVINCE, UserCategory.RESIDENTIAL, "<1kV", TariffType.SINGLE, "", 0, SupplyMode.GUARANTEED)
_FARM = UserClass(PROVINCE, UserCategory.AGRICULTURAL, "<1kV", TariffType.SINGLE, "", 0, SupplyMode.GUARANTEED)
_KINDS: Final = (
    _Kind(66, 80, _HOME),
    _Kind(6, 300, _FARM),
    _Kind(16, 1_500, _commercial("<1kV", TariffType.SINGLE, SupplyMode.AGENCY, 50_000)),
    _Kind(3, 25_000, _commercial("10(20)kV", TariffType.TWO_PART, SupplyMode.AGENCY, 400_000), Election.CAPACITY),
    _Kind(
        3, 40_000, _commercial("10(20)kV", TariffType.TWO_PART, SupplyMode.AGENCY, 630_000, INDUSTRY), Election.DEMAND
    ),
    _Kind(2, 90_000, _commercial("35kV", TariffType.TWO_PART, SupplyMode.DIRECT, 2_000_000, INDUSTRY), Election.DEMAND),
    _Kind(4, 9_000, _commercial("10(20)kV", TariffType.SINGLE, SupplyMode.RETAIL, 90_000)),
)


@dataclass(frozen=True)
class MadeUpMonth:
    """The points of the county, the mean energy of each, Wh an interval, and the prices of each class."""

    points: BillingPoints
    mean_wh: Int64Array
    prices: tuple[ClassMonth, ...]

    def days(self) -> Iterator[tuple[date, Int64Array, Int64Array]]:
        """Yield each day with its energies, (96, n_points), and its interval prices; the same every time."""
        draws = np.random.default_rng(SEED)
        hour = np.arange(INTERVALS_PER_DAY) / INTERVALS_PER_DAY
        shape = 1 + 0.5 * np.sin(2 * np.pi * (hour - 0.4))
        day = MONTH
        while day < next_month(MONTH):
            drawn = draws.random((INTERVALS_PER_DAY, len(self.points)), dtype=np.float32)
            drawn *= shape[:, np.newaxis].astype(np.float32)
            drawn *= 2 * self.mean_wh.astype(np.float32)
            prices = draws.integers(-50_000, 700_000, (N_PRICE_ZONES, INTERVALS_PER_DAY))
            yield day, drawn.astype(np.int64), prices
            day += timedelta(days=1)


@dataclass
class _Clock:
    """Wall and CPU seconds by stage."""

    wall: dict[str, float] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        started, cpu_started = time.perf_counter(), time.process_time()
        yield
        self.wall[name] = self.wall.get(name, 0.0) + time.perf_counter() - started
        self.cpu[name] = self.cpu.get(name, 0.0) + time.process_time() - cpu_started

    def timed(self, name: str, work: float) -> Timed:
        return Timed(name, (self.wall[name],), (self.cpu[name],), work)


_ARITHMETIC, _PASS, _HASHES = "settlement arithmetic", "one numpy pass", "hashes of the metered energy"
_COMPOSE, _JSON, _PDF = "bills composed and checked", "bills as JSON", "bills as PDF"


def measure(workbench: Workbench) -> Outcome:
    """Measure a county month: arithmetic in turn with a pass of numpy, then each stage up to the printed bill.

    :raises BenchError: if energies differ, a law is broken, or a bill is not what the columns say
    """
    load_before = load_average()
    made = made_up_month(SMALL_N_POINTS if workbench.small else N_POINTS)
    clocks = [_Clock() for _ in range(workbench.few_runs)]
    month, energy = [_arithmetic(made, clock) for clock in clocks][-1]
    clock = _Clock()
    hashes = _hashes(made, clock)
    database_rows: list[Comparison] = []
    with sqlite_database(workbench.folder, "month") as database:
        database_rows += _bills(made, (month, energy, hashes), database, clock)
    if workbench.database is not None:
        with postgresql_database(workbench.database) as database:
            database_rows += _bills(made, (month, energy, hashes), database, _Clock())
    n_points = len(made.points)
    _pdf_sample(made, (month, energy, hashes), clock)
    rows = (
        Comparison(
            f"arithmetic, {n_points:,} points x {31 * INTERVALS_PER_DAY:,} intervals: {month.lines.point.size:,} lines",
            Show.MILLISECONDS,
            "months",
            _several(_ARITHMETIC, clocks),
            _several(_PASS, clocks),
            AGREED,
        ),
        _row("hashes of each point's metered energy", "points", clock.timed(_HASHES, n_points)),
        _row("bills composed, checked against the columns", "bills", clock.timed(_COMPOSE, n_points)),
        *database_rows,
        _row("printing: bills as JSON", "bills", clock.timed(_JSON, n_points)),
        _row(f"printing: bills as PDF, {_sample_size(made)} of them", "bills", clock.timed(_PDF, _sample_size(made))),
    )
    return Outcome(rows, versions_of(("numpy", "sqlalchemy", "typst")), _notes(month, clocks, clock, load_before))


def made_up_month(n_points: int) -> MadeUpMonth:
    """Return the county: kinds of users in their shares, scattered over the positions."""
    draws = np.random.default_rng(SEED)
    kind = np.searchsorted(np.cumsum([one.share for one in _KINDS]), draws.integers(0, 100, n_points), side="right")
    kind[: len(_KINDS)] = np.arange(len(_KINDS))
    library = shipped_library([made_up_province(MONTH)])
    of_point = [_KINDS[number].user_class for number in kind.tolist()]
    classes, position = class_positions(library, of_point)
    users = tuple(f"P{number:05d}" for number in range(n_points))
    modes = np.array([one.supply_mode.value for one in of_point])
    retail = np.flatnonzero(modes == SupplyMode.RETAIL.value)
    package = np.full(n_points, NONE, np.int64)
    package[retail] = np.arange(retail.size)
    points = BillingPoints(
        metering_point=tuple(f"M{number:05d}" for number in range(n_points)),
        user_id=users,
        user_class=np.array(position, np.int64),
        classes=classes,
        election=np.array([_KINDS[number].election for number in kind.tolist()], np.int8),
        capacity_va=np.array([one.capacity_va for one in of_point], np.int64),
        price_zone=np.where(modes == SupplyMode.DIRECT.value, np.arange(n_points) % N_PRICE_ZONES, NONE),
        package=package,
        packages=tuple(_contract(number, users[point]) for number, point in enumerate(retail.tolist())),
    )
    spread = draws.integers(50, 150, n_points)
    mean_wh = np.array([one.energy_wh for one in _KINDS], np.int64)[kind] * spread // 100
    return MadeUpMonth(points, mean_wh, tuple(ClassMonth(library, MONTH, one) for one in classes))


def energy_in_one_pass(total_wh: Int64Array, energy_wh: Int64Array) -> None:
    """Add a day's energies to each point's total: the least that a pass over the columns can do."""
    total_wh += energy_wh.sum(axis=0)


def _contract(number: int, user_id: str) -> RetailTerms:
    factors = {"SHARP": 1_700_000, "PEAK": 1_500_000, "VALLEY": 480_000, "DEEP_VALLEY": 300_000}
    return RetailTerms(
        contract_id=f"contract-{number}",
        user_id=user_id,
        retailer_id=f"retailer-{number % 7}",
        voltage_v=10_000,
        model_text="made up",
        package=Fixed(380_000 + number % 41_000),
        tou=FlatPlusRatio(factors, shapes_linked_part=False) if number % 2 else None,
    )


def _arithmetic(made: MadeUpMonth, clock: _Clock) -> tuple[CountyMonth, MonthEnergy]:
    with clock.stage(_ARITHMETIC):
        count = MonthEnergyCount(made.points, made.prices, MONTH, price_version="made up")
    total_wh = np.zeros(len(made.points), np.int64)
    for day, energy_wh, price in made.days():
        with clock.stage(_ARITHMETIC):
            count.add_day(day, energy_wh, price)
        with clock.stage(_PASS):
            energy_in_one_pass(total_wh, energy_wh)
    with clock.stage(_ARITHMETIC):
        energy = count.close()
        month = settle_county_month(made.points, energy, made.prices)
        violations = check_county_month(month)
    if violations:
        raise BenchError(f"law {violations[0].law}: {violations[0].where} {violations[0].what}")
    require_equal("energies", month.energy_wh.tolist(), total_wh.tolist())
    return month, energy


def _hashes(made: MadeUpMonth, clock: _Clock) -> tuple[str, ...]:
    hashes = MeterDataHashes(len(made.points))
    for _, energy_wh, _ in made.days():
        with clock.stage(_HASHES):
            hashes.add_day(energy_wh)
    return hashes.close()


_Settled = tuple[CountyMonth, MonthEnergy, tuple[str, ...]]


def _bills(made: MadeUpMonth, settled: _Settled, database: Database, clock: _Clock) -> list[Comparison]:
    """Compose, print and save every bill, some at a time; return how long the database took."""
    n_rows = 0
    stage = f"database: {database.name}"
    with Session(database.engine) as session:
        for first in range(0, len(made.points), BILLS_AT_ONCE):
            held = range(first, min(first + BILLS_AT_ONCE, len(made.points)))
            with clock.stage(_COMPOSE):
                bills = [_bill(made, settled, point) for point in held]
            with clock.stage(_JSON):
                documents = [encode_bill(bill) for bill in bills]
            with clock.stage(stage):
                number = month_number(MONTH)
                versions = [
                    BillVersion(point, 1, point, number, bill, document, ledger_lines(bill))
                    for point, bill, document in zip(held, bills, documents, strict=True)
                ]
                save_bills(session, versions)
            n_rows += sum(1 + len(one.bill.lines) + len(one.postings) for one in versions)
        with clock.stage(stage):
            session.commit()
    return [_row(f"bills, lines and postings saved, {database.name}", "rows", clock.timed(stage, n_rows))]


def _bill(made: MadeUpMonth, settled: _Settled, point: int) -> Bill:
    month, energy, hashes = settled
    case = case_of_point(made.points, energy, point, meter_data_hash=hashes[point])
    bill = bill_of_point(case, made.points, point, made.prices)
    violations = check_point_bill(month, point, bill)
    if violations:
        raise BenchError(f"{violations[0].where}: {violations[0].what}")
    return bill


def _pdf_sample(made: MadeUpMonth, settled: _Settled, clock: _Clock) -> None:
    """Typeset a bill of each kind of user, one after the other, as they are when somebody asks for one."""
    for point in range(_sample_size(made)):
        bill = _bill(made, settled, point)
        with clock.stage(_PDF):
            bill_pdf(bill, "zh-CN")


def _sample_size(made: MadeUpMonth) -> int:
    return min(PDF_SAMPLE, len(made.points))


def _several(name: str, clocks: list[_Clock]) -> Timed:
    return Timed(name, tuple(one.wall[name] for one in clocks), tuple(one.cpu[name] for one in clocks), 1)


def _row(what: str, pieces: str, timed: Timed) -> Comparison:
    return Comparison(what, Show.PER_SECOND, pieces, timed, None, "")


def _notes(
    month: CountyMonth, clocks: list[_Clock], clock: _Clock, load_before: tuple[float, float, float]
) -> tuple[str, ...]:
    arithmetic = sorted(one.wall[_ARITHMETIC] for one in clocks)[len(clocks) // 2]
    database = clock.wall["database: SQLite"]
    shares = (
        ("arithmetic", arithmetic),
        ("hashes", clock.wall[_HASHES]),
        ("composing", clock.wall[_COMPOSE]),
        ("database", database),
        ("printing as JSON", clock.wall[_JSON]),
    )
    whole = sum(seconds for _, seconds in shares)
    stages = ", ".join(f"{name} {seconds:.2f} s ({seconds / whole:.1%})" for name, seconds in shares)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    pdf_s = clock.wall[_PDF] / max(1, min(PDF_SAMPLE, len(month.points)))
    rounding = month.rounding_account_nano_yuan
    return (
        f"From metered energy to saved bills {whole:.1f} s: {stages}; a PDF takes {pdf_s:.2f} s and is made on demand.",
        f"Bills {sum(month.total_fen.tolist()) / 100:,.2f} yuan; rounding account {rounding / 1e9:,.9f} yuan.",
        f"Peak memory {peak_mb:,} MB. Load average {load_before[0]} before, {load_average()[0]} after.",
        "Making up the energies is not timed. The pass adds up energies and neither prices, rounds nor checks.",
    )
