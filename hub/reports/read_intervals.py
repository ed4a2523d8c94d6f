"""Read one row of figures for each interval of a report; what the store does not hold is None, never 0."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import TextClause, text
from sqlmodel import Session

from edge.contract.interval import day_of_interval, label_of_interval
from hub.market.trades import Party
from hub.reports.day_figures import MODES, STAGES, IntervalFigures, PairSums

Columns = dict[str, int | None]

EXCESS_KINDS: Mapping[str, str] = {
    "voltage_high": "voltage",
    "voltage_low": "voltage",
    "current": "current",
    "reverse_power": "power",
    "forward_power": "power",
}


@dataclass(frozen=True)
class Span:
    """The intervals first..last, both included, of one operating day."""

    first: int
    last: int

    @property
    def bounds(self) -> dict[str, int]:
        """Return the parameters of a query about the intervals."""
        return {"first": self.first, "last": self.last}

    @property
    def of_day(self) -> dict[str, int | str]:
        """Return the parameters of a query about the statements of the intervals."""
        return {**self.bounds, "day": day_of_interval(self.last).isoformat()}


# Each query has the interval first, then the columns that are named beside it.
_PLAIN: tuple[tuple[tuple[str, ...], TextClause], ...] = (
    (
        ("root_price_uyuan_per_kwh",),
        text(
            "SELECT interval, price_uyuan_per_kwh FROM unit_price WHERE unit = 0 AND interval BETWEEN :first AND :last"
        ),
    ),
    (
        ("indicative_uyuan_per_kwh", "real_time_uyuan_per_kwh"),
        text(
            "SELECT interval, indicative_uyuan_per_kwh, real_time_uyuan_per_kwh FROM province_price "
            "WHERE interval BETWEEN :first AND :last"
        ),
    ),
    (
        ("scheduled_import_wh", "scheduled_export_wh", "import_wh", "export_wh"),
        text(
            "SELECT interval, import_wh, export_wh, settled_import_wh, settled_export_wh FROM exchange_schedule "
            "WHERE interval BETWEEN :first AND :last"
        ),
    ),
    (
        (
            *("violations_expected", "violations_cleared"),
            *("vm_min_cleared_upu", "vm_max_cleared_upu", "loading_cleared_mpercent"),
        ),
        text(
            "SELECT interval, violations_before, violations_after, vm_min_upu, vm_max_upu, loading_max_mpercent "
            "FROM clearing_run WHERE interval BETWEEN :first AND :last"
        ),
    ),
    (
        (
            *("violations_metered", "vm_min_metered_upu", "vm_max_metered_upu"),
            *("loading_metered_mpercent", "ac_loss_wh"),
        ),
        text(
            "SELECT interval, violations, vm_min_upu, vm_max_upu, loading_max_mpercent, loss_wh FROM metered_state "
            "WHERE interval BETWEEN :first AND :last"
        ),
    ),
    (
        ("loss_wh",),
        text(
            "SELECT interval, CASE WHEN count(loss_wh) = count(*) THEN sum(loss_wh) END FROM loss "
            "WHERE interval BETWEEN :first AND :last GROUP BY interval"
        ),
    ),
    (
        ("setpoints",),
        text("SELECT interval, count(*) FROM setpoint WHERE interval BETWEEN :first AND :last GROUP BY interval"),
    ),
    (
        ("curtailed_wh",),
        text(
            "SELECT interval, sum(curtailed_wh) FROM curtailment WHERE interval BETWEEN :first AND :last "
            "GROUP BY interval"
        ),
    ),
    (
        ("substituted",),
        text("SELECT interval, count(*) FROM substitution WHERE interval BETWEEN :first AND :last GROUP BY interval"),
    ),
    (
        ("account_sum_nano_yuan",),
        text(
            "SELECT interval, sum(ledger_nano_yuan) FROM account_total WHERE interval BETWEEN :first AND :last "
            "GROUP BY interval"
        ),
    ),
)
_PAIRS = text(
    "SELECT interval, mode, buyer_party, count(*), sum(energy_wh), sum(energy_wh * price_paid_uyuan_per_kwh), "
    "sum(energy_wh * price_received_uyuan_per_kwh) FROM pair WHERE interval BETWEEN :first AND :last "
    "GROUP BY interval, mode, buyer_party ORDER BY interval, mode, buyer_party"
)
_EXCESS = text(
    "SELECT interval, stage, kind, count(*), max(excess_per_mille) FROM limit_violation "
    "WHERE interval BETWEEN :first AND :last GROUP BY interval, stage, kind"
)


def read_pair_sums(session: Session, span: Span) -> tuple[PairSums, ...]:
    """Return the sums of the span's pairs, sorted by interval, mode and buyer."""
    return tuple(
        PairSums(int(row[0]), int(row[1]), Party(int(row[2])), *(int(value) for value in row[3:]))
        for row in session.execute(_PAIRS, span.bounds)
    )


def read_intervals(session: Session, span: Span, pairs: Sequence[PairSums]) -> tuple[IntervalFigures, ...]:
    """Return the figures of every interval of the span, in order, also of those that were never cleared."""
    found: dict[int, Columns] = {interval: {} for interval in range(span.first, span.last + 1)}
    for names, query in _PLAIN:
        for interval, *values in session.execute(query, span.bounds):
            whole = (None if value is None else int(value) for value in values)  # PostgreSQL sums to Decimal
            found[interval].update(zip(names, whole, strict=True))
    _add_pairs(pairs, found)
    _add_excess(session, span, found)
    return tuple(_figures(interval, columns) for interval, columns in found.items())


def _add_pairs(pairs: Sequence[PairSums], found: Mapping[int, Columns]) -> None:
    for one in pairs:
        columns = found[one.interval]
        exported_wh = one.energy_wh if one.buyer_party is Party.PROVINCE else 0
        for name, energy_wh in ((f"mode_{one.mode}_wh", one.energy_wh), ("exported_wh", exported_wh)):
            columns[name] = (columns.get(name) or 0) + energy_wh


def _add_excess(session: Session, span: Span, found: Mapping[int, Columns]) -> None:
    """Add the worst excess by stage; 0 where all is inside, None where the state is not known.

    A state without a solution counts as one violation but has no row: then nothing is known of it.
    """
    listed: dict[tuple[int, str], int] = {}
    worst: dict[tuple[int, str, str], int] = {}
    for interval, stage, kind, count, excess in session.execute(_EXCESS, span.bounds):
        listed[interval, stage] = listed.get((interval, stage), 0) + int(count)
        key = interval, stage, EXCESS_KINDS[kind]
        worst[key] = max(worst.get(key, 0), int(excess))
    for interval, columns in found.items():
        for stage in STAGES:
            known = columns.get(f"violations_{stage}") == listed.get((interval, stage), 0)
            for quantity in ("voltage", "current", "power"):
                excess = worst.get((interval, stage, quantity), 0)
                columns[f"{quantity}_excess_{stage}_per_mille"] = excess if known else None


def _figures(interval: int, columns: Columns) -> IntervalFigures:
    counted = dict.fromkeys(("setpoints", "curtailed_wh", "substituted", "exported_wh"), 0)
    counted |= {f"mode_{mode}_wh": 0 for mode in MODES}
    names = IntervalFigures.__dataclass_fields__.keys() - {"interval", "label"}
    values: dict[str, Any] = {name: columns.get(name, counted.get(name)) for name in names}
    return IntervalFigures(interval=interval, label=label_of_interval(interval), **values)
