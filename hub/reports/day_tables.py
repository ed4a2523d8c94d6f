"""The day's tables beside the report, complete and exact: integers with their unit in the column's name.

One table is a header and rows of integers, codes and names; None is an empty cell. What is long is read here straight
from the store, row by row, and not kept.
"""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeAlias

from sqlalchemy import TextClause, text
from sqlmodel import Session

from edge.contract.interval import iso_utc, label_of_interval
from edge.contract.messages import CHANNELS
from hub.reports.day_figures import AccountTotal, DayFigures, IntervalFigures, LimitedSeller
from hub.reports.read_day import seen_between_utc_s
from hub.reports.read_intervals import Span
from hub.store.green import PlantDay
from hub.store.tables import RefusedKind
from hub.usecases.load_county import CountyModel

Value: TypeAlias = int | str | None
Row: TypeAlias = Sequence[Value]
Table: TypeAlias = Callable[[Session, CountyModel, DayFigures], Iterator[Row]]

FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")

_CURTAILED = text(
    "SELECT interval, order_id, meter, curtailed_wh, cause FROM curtailment WHERE interval BETWEEN :first AND :last"
)
_VIOLATIONS = text(
    'SELECT v.interval, v.stage, v.seq, v.kind, v.element, b.unit_id, v.direction, v.value, v."limit", '
    "v.excess_per_mille FROM limit_violation v LEFT JOIN balance_unit b ON b.position = v.unit "
    "WHERE v.interval BETWEEN :first AND :last"
)
_GAPS = text(
    "SELECT interval, meter, channel, energy_wh, rule FROM substitution WHERE interval BETWEEN :first AND :last "
    "ORDER BY interval, meter, channel"
)
_REFUSED = text(
    "SELECT first_seen_utc_s, refusal_id, kind, reason, device, about, at_utc_s, count FROM quarantine "
    "WHERE first_seen_utc_s BETWEEN :since AND :until"
)


def intervals(_session: Session, _county: CountyModel, figures: DayFigures) -> Iterator[Row]:
    """Yield every interval with all its figures (IntervalFigures)."""
    yield from _listed(IntervalFigures, figures.intervals)


def modes(_session: Session, _county: CountyModel, figures: DayFigures) -> Iterator[Row]:
    """Yield the cleared volume of every interval, mode and kind of buyer, with the sums of energy x price."""
    yield "interval", "label", "mode", "buyer_party", "pairs", "energy_wh", "paid_nano_yuan", "received_nano_yuan"
    for one in figures.pairs:
        label, sums = label_of_interval(one.interval), (one.energy_wh, one.paid_nano_yuan, one.received_nano_yuan)
        yield one.interval, label, one.mode, one.buyer_party.name, one.pairs, *sums


def energy(_session: Session, _county: CountyModel, figures: DayFigures) -> Iterator[Row]:
    """Yield the energy balance."""
    yield "quantity", "wh"
    yield from figures.energy_wh.items()


def accounts(_session: Session, _county: CountyModel, figures: DayFigures) -> Iterator[Row]:
    """Yield every account, participants' accounts too, and their sum."""
    yield from _listed(AccountTotal, figures.account_totals)
    totals = figures.account_totals
    yield "sum", "", sum(one.ledger_nano_yuan for one in totals), sum(one.independent_nano_yuan for one in totals)


def limited(_session: Session, _county: CountyModel, figures: DayFigures) -> Iterator[Row]:
    """Yield every seller whom limits hit, most hit first."""
    yield from _listed(LimitedSeller, figures.limited)


def curtailed(session: Session, county: CountyModel, figures: DayFigures) -> Iterator[Row]:
    """Yield every cut."""
    yield "interval", "label", "participant", "meter", "unit", "order_id", "curtailed_wh", "cause"
    points = county.registry.metering_points
    for interval, order_id, meter, energy_wh, cause in _sorted(session, _CURTAILED, figures):
        point = points[meter]
        label, order = label_of_interval(interval), _as_text(str(order_id))
        yield interval, label, point.participant_id, point.meter_id, point.unit_id, order, int(energy_wh), str(cause)


def violations(session: Session, _county: CountyModel, figures: DayFigures) -> Iterator[Row]:
    """Yield every broken limit of the three states; values in mV, mA or W by kind, and how far beyond."""
    names = ("stage", "seq", "kind", "element", "unit", "direction", "value", "limit", "excess_per_mille")
    yield "interval", "label", *names
    for interval, stage, seq, kind, element, *rest in _sorted(session, _VIOLATIONS, figures):
        yield interval, label_of_interval(interval), stage, seq, kind, _as_text(str(element)), *rest


def gaps(session: Session, county: CountyModel, figures: DayFigures) -> Iterator[Row]:
    """Yield every interval energy that was estimated, and by which rule."""
    yield "interval", "label", "gateway", "meter", "channel", "energy", "rule"
    points = county.registry.metering_points
    for interval, meter, channel, estimated, rule in session.execute(_GAPS, Span(figures.first, figures.last).bounds):
        point = points[meter]
        label = label_of_interval(interval)
        yield interval, label, point.gateway_id, point.meter_id, CHANNELS[channel], int(estimated), str(rule)


def refused(session: Session, _county: CountyModel, figures: DayFigures) -> Iterator[Row]:
    """Yield everything that was refused, once for each content."""
    yield "first_seen", "kind", "reason", "device", "about", "about_instant", "times"
    rows = session.execute(_REFUSED, seen_between_utc_s(figures.first, figures.last))
    for seen, _key, kind, reason, device, about, at, times in sorted(tuple(row) for row in rows):
        texts = (str(reason), _as_text(str(device)), _as_text(str(about)))
        yield iso_utc(seen), RefusedKind(kind).name, *texts, None if at is None else iso_utc(at), int(times)


def reasons(_session: Session, _county: CountyModel, figures: DayFigures) -> Iterator[Row]:
    """Yield why each interval's price is what it is; what the network check asked for as element and coverage."""
    names = ("root_price_uyuan_per_kwh", "reason", "price_rule", "method", "rounds", "units_apart")
    yield "interval", "label", *names, "shadow_uyuan_per_kwh", "asked"
    for one in figures.reasons:
        asked = "; ".join(f"{each.element} {each.coverage}" for each in one.asked)
        reason = None if one.reason is None else one.reason.value
        how = (one.price_rule, one.method, one.rounds, one.units_apart, one.shadow_uyuan_per_kwh, _as_text(asked))
        yield one.interval, one.label, one.root_price_uyuan_per_kwh, reason, *how


def green(_session: Session, _county: CountyModel, figures: DayFigures) -> Iterator[Row]:
    """Yield every clean plant: what it fed in, sold and delivered, and its account of certificates."""
    yield from _listed(PlantDay, figures.green.plants)


TABLES: Mapping[str, Table] = {
    "intervals": intervals,
    "reasons": reasons,
    "green": green,
    "modes": modes,
    "energy": energy,
    "accounts": accounts,
    "limited": limited,
    "curtailed": curtailed,
    "violations": violations,
    "gaps": gaps,
    "refused": refused,
}
"""Name of each table -> what yields its header and rows."""


def write_csv(path: Path, rows: Iterable[Row]) -> None:
    """Write the rows as CSV (RFC 4180); a byte-order mark tells spreadsheets that the text is UTF-8."""
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file, lineterminator="\r\n").writerows(rows)


def _listed(
    kind: type[IntervalFigures | AccountTotal | LimitedSeller | PlantDay], ones: Iterable[object]
) -> Iterator[Row]:
    """Yield the names of the fields of a kind of figures, then each one's values."""
    names = list(kind.__dataclass_fields__)
    yield names
    yield from map(attrgetter(*names), ones)


def _sorted(session: Session, query: TextClause, figures: DayFigures) -> list[tuple[Any, ...]]:
    """Return the rows by their first columns; here, since databases sort text differently."""
    return sorted(tuple(row) for row in session.execute(query, Span(figures.first, figures.last).bounds))


def _as_text(content: str) -> str:
    """Return what came from outside so that no spreadsheet takes it for a formula."""
    return f"'{content}" if content.startswith(FORMULA_SIGNS) else content
