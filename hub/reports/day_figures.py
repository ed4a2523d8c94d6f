"""What the day report shows, read from the store: volumes, prices, balance, accounts, limits, gaps, laws."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import text
from sqlmodel import Session

from edge.contract.interval import day_of_interval, label_of_interval
from hub.store.tables import OrderStatus
from hub.usecases.load_county import CountyModel
from hub.usecases.summarise_run import energy_totals_wh, laws, money_by_account_nano_yuan

MODES = (1, 2, 3, 0)
SELLERS_SHOWN = 15


@dataclass(frozen=True)
class IntervalFigures:
    """One interval. Prices micro-yuan/kWh, energy Wh; vm in micro-pu, loading in thousandths of a percent."""

    interval: int
    label: str
    root_price_uyuan_per_kwh: int
    indicative_uyuan_per_kwh: int
    real_time_uyuan_per_kwh: int
    import_wh: int
    export_wh: int
    loss_wh: int
    setpoints: int
    curtailed_wh: int
    violations_expected: int
    violations_cleared: int
    violations_metered: int
    vm_max_upu: int | None
    loading_max_mpercent: int | None


@dataclass(frozen=True)
class ModeFigures:
    """Volume of one mode and its volume-weighted mean prices, rounded half-up once for display."""

    mode: int
    energy_wh: int
    price_paid_uyuan_per_kwh: int
    price_received_uyuan_per_kwh: int


@dataclass(frozen=True)
class LimitedSeller:
    """A seller whom limits hit. unsold_wh: offered by direct sale and not filled while a setpoint held."""

    participant: str
    meter: str
    unit: str
    setpoints: int
    unsold_wh: int
    curtailed_wh: int


@dataclass(frozen=True)
class DayFigures:
    """All that the report shows of the settled intervals first..last of one operating day."""

    day: date
    county: str
    first: int
    last: int
    metering_points: int
    intervals: tuple[IntervalFigures, ...]
    modes: tuple[ModeFigures, ...]
    energy_wh: Mapping[str, int]
    money_nano_yuan: Mapping[str, int]
    limited: tuple[LimitedSeller, ...]
    limited_sellers: int
    orders: Mapping[str, int]
    refused: Mapping[str, int]
    substitutions: Mapping[str, int]
    laws: Mapping[str, Mapping[str, object]]


def read_day_figures(session: Session, county: CountyModel, *, first: int, last: int) -> DayFigures:
    """Return the figures of the settled intervals first..last (inclusive)."""
    span = {"first": first, "last": last}
    limited = _limited(session, span)
    return DayFigures(
        day=day_of_interval(last),
        county=county.registry.county,
        first=first,
        last=last,
        metering_points=len(county.points.meter_id),
        intervals=_intervals(session, span),
        modes=_modes(session, span),
        energy_wh=energy_totals_wh(session, county, first=first, last=last),
        money_nano_yuan=money_by_account_nano_yuan(session, county, first=first, last=last),
        limited=limited[:SELLERS_SHOWN],
        limited_sellers=len(limited),
        orders=_orders(session, span),
        refused=_pairs(session, "SELECT reason, sum(count) FROM quarantine GROUP BY reason ORDER BY 2 DESC, 1", {}),
        substitutions=_pairs(
            session,
            "SELECT rule, count(*) FROM substitution WHERE interval BETWEEN :first AND :last GROUP BY rule ORDER BY 1",
            span,
        ),
        laws=laws(session),
    )


def read_all_limited(session: Session, *, first: int, last: int) -> tuple[LimitedSeller, ...]:
    """Return every seller whom limits hit, most hit first, for the table beside the report."""
    return _limited(session, {"first": first, "last": last})


_INTERVALS = text(
    "SELECT r.interval, u.price_uyuan_per_kwh, p.indicative_uyuan_per_kwh, p.real_time_uyuan_per_kwh, "
    "coalesce(e.settled_import_wh, 0), coalesce(e.settled_export_wh, 0), "
    "(SELECT coalesce(sum(l.loss_wh), 0) FROM loss l WHERE l.interval = r.interval), "
    "(SELECT count(*) FROM setpoint s WHERE s.interval = r.interval), "
    "(SELECT coalesce(sum(c.curtailed_wh), 0) FROM curtailment c WHERE c.interval = r.interval), "
    "r.violations_before, r.violations_after, coalesce(m.violations, 0), m.vm_max_upu, m.loading_max_mpercent "
    "FROM clearing_run r JOIN unit_price u ON u.interval = r.interval AND u.unit = 0 "
    "JOIN province_price p ON p.interval = r.interval "
    "LEFT JOIN exchange_schedule e ON e.interval = r.interval "
    "LEFT JOIN metered_state m ON m.interval = r.interval "
    "WHERE r.interval BETWEEN :first AND :last ORDER BY r.interval"
)
INTERVAL_COLUMNS = tuple(name for name in IntervalFigures.__dataclass_fields__ if name != "label")
_MODES = text(
    "SELECT mode, sum(energy_wh), sum(energy_wh * price_paid_uyuan_per_kwh), "
    "sum(energy_wh * price_received_uyuan_per_kwh) FROM pair WHERE interval BETWEEN :first AND :last GROUP BY mode"
)
_SETPOINTS = text(
    "SELECT s.meter, count(*), coalesce(sum(f.unsold), 0) FROM setpoint s LEFT JOIN "
    "(SELECT f.interval, f.meter, sum(o.energy_wh - f.filled_wh) AS unsold FROM fill f "
    'JOIN "order" o ON o.interval = f.interval AND o.order_id = f.order_id '
    "WHERE f.interval BETWEEN :first AND :last AND f.side = 0 AND f.meter >= 0 GROUP BY f.interval, f.meter) f "
    "ON f.interval = s.interval AND f.meter = s.meter "
    "WHERE s.interval BETWEEN :first AND :last GROUP BY s.meter"
)
_CURTAILED = text(
    "SELECT meter, sum(curtailed_wh) FROM curtailment WHERE interval BETWEEN :first AND :last GROUP BY meter"
)
_METERS = text(
    "SELECT m.position, m.meter_id, p.participant_id, u.unit_id FROM metering_point m "
    "JOIN participant p ON p.position = m.participant JOIN balance_unit u ON u.position = m.unit"
)


def _intervals(session: Session, span: Mapping[str, int]) -> tuple[IntervalFigures, ...]:
    figures = []
    for row in session.execute(_INTERVALS, span):
        values: dict[str, Any] = dict(zip(INTERVAL_COLUMNS, row, strict=True))
        for name in INTERVAL_COLUMNS[:-2]:
            values[name] = int(values[name] or 0)  # sums come back as Decimal from PostgreSQL
        figures.append(IntervalFigures(label=label_of_interval(values["interval"]), **values))
    return tuple(figures)


def _modes(session: Session, span: Mapping[str, int]) -> tuple[ModeFigures, ...]:
    found = {int(row[0]): tuple(int(value) for value in row[1:]) for row in session.execute(_MODES, span)}
    figures = []
    for mode in MODES:
        energy, paid, received = found.get(mode, (0, 0, 0))
        figures.append(ModeFigures(mode, energy, _mean(paid, energy), _mean(received, energy)))
    return tuple(figures)


def _mean(total: int, energy_wh: int) -> int:
    """Return the mean rounded half-up; 0 where there is no energy."""
    return (2 * total + energy_wh) // (2 * energy_wh) if energy_wh else 0


def _limited(session: Session, span: Mapping[str, int]) -> tuple[LimitedSeller, ...]:
    curtailed = {int(meter): int(energy) for meter, energy in session.execute(_CURTAILED, span)}
    names = {int(row[0]): tuple(str(value) for value in row[1:]) for row in session.execute(_METERS)}
    sellers = []
    for meter, setpoints, unsold_wh in session.execute(_SETPOINTS, span):
        meter_id, participant, unit = names[int(meter)]
        lost_wh = curtailed.get(int(meter), 0)
        sellers.append(LimitedSeller(participant, meter_id, unit, int(setpoints), int(unsold_wh), lost_wh))
    return tuple(sorted(sellers, key=lambda one: (-one.unsold_wh - one.curtailed_wh, -one.setpoints, one.meter)))


def _orders(session: Session, span: Mapping[str, int]) -> dict[str, int]:
    rows = session.execute(
        text(
            'SELECT status, count(*) FROM "order" WHERE party = 0 AND gateway >= 0 '
            "AND interval BETWEEN :first AND :last GROUP BY status"
        ),
        span,
    )
    counts = {OrderStatus(int(status)): int(count) for status, count in rows}
    return {"accepted": counts.get(OrderStatus.ACCEPTED, 0), "rejected": counts.get(OrderStatus.REJECTED, 0)}


def _pairs(session: Session, query: str, span: Mapping[str, int]) -> dict[str, int]:
    return {str(name): int(count) for name, count in session.execute(text(query), span)}
