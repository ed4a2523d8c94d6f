"""The benchmark `report`: the figures and the PDFs of an operating day.

The day is one made-up interval of the county, settled, and repeated by the database to 96; its statements are made as
every day's are. The peer of the figures sums the day's pairs by mode from SQLModel objects, which is a small part of
what the report reads. Typesetting has no peer: no other typesetter is among the dependencies.
"""

from collections.abc import Callable
from functools import partial
from typing import Final, TypeAlias

from sqlalchemy import text
from sqlmodel import Session, SQLModel, col, select

from edge.contract.interval import INTERVALS_PER_DAY, end_utc_s, start_utc_s
from grid_models.bench.machine import versions_of
from grid_models.bench.measuring import Comparison, Contender, Outcome, Show, Workbench, require_equal, time_in_turn
from hub.bench.county_interval import DAY, INTERVAL, open_county, settle_made_up_interval
from hub.bench.databases import sqlite_database
from hub.reports.day_report import write_day_report
from hub.reports.read_day import read_day_figures
from hub.store.tables import PairRow
from hub.usecases.close_day import close_operating_day
from hub.usecases.load_county import CountyModel

SMALL_INTERVALS: Final = 3
PEER_SHARE: Final = 8
"""The peer sums one interval in so many: a day of them takes it the better part of a minute."""

ModeSums: TypeAlias = dict[int, tuple[int, int, int, int]]
"""Mode -> number of pairs, Wh, nano-yuan paid, nano-yuan received."""


def measure(workbench: Workbench) -> Outcome:
    """Measure reading the figures of a day, and the whole report.

    :raises BenchError: if the county cannot be used, or the sums of the modes differ
    """
    n_intervals = SMALL_INTERVALS if workbench.small else INTERVALS_PER_DAY
    last = INTERVAL + n_intervals - 1
    with sqlite_database(workbench.folder, "report") as database:
        county = open_county(database, workbench.county)
        with Session(database.engine) as session:
            model = settle_made_up_interval(session, county).model
            repeat_interval(session, n_intervals)
            close_operating_day(session, model, day=DAY, first=INTERVAL, last=last)
            session.commit()
        engine = database.engine
        figures = _compare_figures(lambda: Session(engine), model, last, workbench)
        report = _time_report(lambda: Session(engine), model, last, workbench)
        with Session(engine) as session:
            n_rows = sum(_count(session, name) for name in _interval_tables())
    notes = (
        f"The tables of the day hold {n_rows:,} rows; ours reads all figures of the report from them.",
        f"The peer reads the pairs alone, those of one interval in {PEER_SHARE}; its time is scaled.",
    )
    return Outcome((figures, report), versions_of(("sqlmodel", "sqlalchemy", "typst")), notes)


def repeat_interval(session: Session, n_intervals: int) -> None:
    """Let INTERVAL stand n_intervals times, one after the other, in every table; registers go on at the same pace."""
    later = f"SELECT 1 UNION ALL SELECT k + 1 FROM later WHERE k < {n_intervals - 1}"  # noqa: S608
    for name in _interval_tables():
        columns = [column.name for column in SQLModel.metadata.tables[name].columns]
        listed = ", ".join(f'"{column}"' for column in columns)
        taken = ", ".join("later.k + t.interval" if column == "interval" else f't."{column}"' for column in columns)
        rows = f'SELECT {taken} FROM later CROSS JOIN "{name}" t WHERE t.interval = {INTERVAL} ORDER BY k'  # noqa: S608
        session.execute(text(f'INSERT INTO "{name}" ({listed}) WITH RECURSIVE later(k) AS ({later}) {rows}'))
    session.execute(
        text(
            "INSERT INTO reading (read_instant_utc_s, meter, channel, revision, value, flags, gateway) "
            "SELECT :end, a.meter, a.channel, 0, a.value + :n * (b.value - a.value), 0, a.gateway FROM reading a "
            "JOIN reading b ON b.meter = a.meter AND b.channel = a.channel AND b.revision = 0 "
            "AND b.read_instant_utc_s = :second WHERE a.read_instant_utc_s = :first AND a.revision = 0"
        ),
        {
            "end": end_utc_s(INTERVAL + n_intervals - 1),
            "n": n_intervals,
            "first": start_utc_s(INTERVAL),
            "second": end_utc_s(INTERVAL),
        },
    )


def sums_by_mode(session: Session, first: int, last: int) -> ModeSums:
    """Return number, energy and money of the pairs by mode, from one object a pair."""
    sums: ModeSums = {}
    of_day = select(PairRow).where(col(PairRow.interval) >= first, col(PairRow.interval) <= last)
    for row in session.exec(of_day):
        pairs, energy_wh, paid, received = sums.get(row.mode, (0, 0, 0, 0))
        sums[row.mode] = (
            pairs + 1,
            energy_wh + row.energy_wh,
            paid + row.energy_wh * row.price_paid_uyuan_per_kwh,
            received + row.energy_wh * row.price_received_uyuan_per_kwh,
        )
    return sums


def _compare_figures(
    open_session: Callable[[], Session], model: CountyModel, last: int, workbench: Workbench
) -> Comparison:
    n_intervals = last - INTERVAL + 1
    n_of_peer = -(-n_intervals // PEER_SHARE)
    last_of_peer = INTERVAL + n_of_peer - 1

    def read(until: int) -> ModeSums:
        with open_session() as session:
            figures = read_day_figures(session, model, first=INTERVAL, last=until)
        return {
            one.mode: (one.pairs, one.energy_wh, one.paid_nano_yuan, one.received_nano_yuan)
            for one in figures.modes
            if one.pairs
        }

    def read_by_peer() -> ModeSums:
        with open_session() as session:
            return sums_by_mode(session, INTERVAL, last_of_peer)

    ours, peer = time_in_turn(
        Contender("sums by the database", lambda _run: partial(read, last)),
        Contender("SQLModel objects, pairs only", lambda _run: read_by_peer, n_of_peer / n_intervals),
        runs=workbench.few_runs,
        peer_runs=workbench.few_runs,
    )
    require_equal("sums by mode", read(last_of_peer), read_by_peer())
    what = f"figures of {n_intervals} intervals"
    return Comparison(what, Show.MILLISECONDS, "reports", ours, peer, "pairs, energy and money of every mode")


def _time_report(
    open_session: Callable[[], Session], model: CountyModel, last: int, workbench: Workbench
) -> Comparison:
    def write(run: int) -> None:
        with open_session() as session:
            write_day_report(session, model, first=INTERVAL, last=last, out=workbench.folder / f"report-{run}")

    ours, _ = time_in_turn(
        Contender("whole report", lambda run: partial(write, run)), None, runs=workbench.few_runs, peer_runs=1
    )
    return Comparison("whole report, PDF in two languages and CSV", Show.MILLISECONDS, "reports", ours, None, "")


def _interval_tables() -> list[str]:
    """Return the tables whose rows belong to an interval."""
    tables = SQLModel.metadata.tables.items()
    return sorted(name for name, table in tables if "interval" in table.primary_key.columns)


def _count(session: Session, table: str) -> int:
    return int(session.execute(text(f'SELECT count(*) FROM "{table}"')).scalar_one())  # noqa: S608
