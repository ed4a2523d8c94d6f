"""The report of an operating day: PDF in both languages, and CSV with every row.

The same figures give the same bytes: fonts are shipped, the document's date is the day's end, and a warning of the
typesetter is an error.
"""

import csv
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import typst
from sqlmodel import Session

from edge.contract.interval import end_utc_s, iso_utc
from hub.reports.charts import Line, line_chart
from hub.reports.day_figures import DayFigures, IntervalFigures, read_all_limited, read_day_figures
from hub.reports.glyphs import FONTS, check_printable
from hub.texts import LANGUAGES, text
from hub.usecases.load_county import CountyModel

TEMPLATE = Path(__file__).parent / "templates" / "day.typ"
KWH, MWH = 1000, 1_000_000
TABLES = ("intervals", "accounts", "limited")


class ReportError(RuntimeError):
    """The report cannot be typeset as it stands; the message holds the typesetter's words."""


def report_files(out: Path, day: date) -> dict[str, str]:
    """Return what -> file of the day's reports that stand in the folder."""
    names = {f"pdf {language}": out / f"day-{day}.{language}.pdf" for language in LANGUAGES}
    names |= {f"csv {table}": out / f"day-{day}-{table}.csv" for table in TABLES}
    return {what: str(path) for what, path in names.items() if path.exists()}


def write_day_report(session: Session, county: CountyModel, *, first: int, last: int, out: Path) -> dict[str, str]:
    """Write the reports of the settled intervals first..last (inclusive) and return what -> file.

    :raises ReportError: if the typesetter complains
    :raises hub.reports.glyphs.MissingGlyphError: if a text cannot be printed
    """
    figures = read_day_figures(session, county, first=first, last=last)
    out.mkdir(parents=True, exist_ok=True)
    for language in LANGUAGES:
        (out / f"day-{figures.day}.{language}.pdf").write_bytes(typeset(figures, language))
    _write_csv(out / f"day-{figures.day}-intervals.csv", _interval_rows(figures))
    _write_csv(out / f"day-{figures.day}-accounts.csv", _account_rows(figures))
    limited = read_all_limited(session, first=first, last=last)
    header = ["participant", "meter", "unit", "setpoints", "unsold_wh", "curtailed_wh"]
    rows = [[one.participant, one.meter, one.unit, one.setpoints, one.unsold_wh, one.curtailed_wh] for one in limited]
    _write_csv(out / f"day-{figures.day}-limited.csv", [header, *rows])
    return report_files(out, figures.day)


def typeset(figures: DayFigures, language: str) -> bytes:
    """Return the PDF of the day in one language of hub.texts.LANGUAGES.

    :raises ReportError: if the typesetter complains
    """
    document = _document(figures, language)
    check_printable(_texts(document))
    with tempfile.TemporaryDirectory(prefix="report-") as name:
        folder = Path(name)
        shutil.copy(TEMPLATE, folder / "day.typ")
        (folder / "day.json").write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
        for chart, svg in _charts(figures, language).items():
            (folder / f"{chart}.svg").write_bytes(svg)
        try:
            pdf, warnings = typst.compile_with_warnings(
                folder / "day.typ",
                root=folder,
                font_paths=[FONTS],
                ignore_system_fonts=True,
                timestamp=end_utc_s(figures.last),
            )
        except typst.TypstError as error:
            raise ReportError(f"{error.message}: {error.diagnostic}") from error
    if warnings:
        raise ReportError("; ".join(warning.message for warning in warnings))
    assert isinstance(pdf, bytes)
    return pdf


def _document(figures: DayFigures, language: str) -> dict[str, Any]:
    def say(key: str, **values: object) -> str:
        return text(language, f"report.{key}", **values)

    moment = datetime.fromisoformat(iso_utc(end_utc_s(figures.last)))
    return {
        "language": "zh" if language == "zh-CN" else "en",
        "date": [moment.year, moment.month, moment.day],
        "title": say("title"),
        "subtitle": say(
            "subtitle",
            day=figures.day.isoformat(),
            county=figures.county,
            count=len(figures.intervals),
            points=f"{figures.metering_points:,}",
        ),
        "zero": say("zero", residual=sum(figures.money_nano_yuan.values())),
        "sections": [
            _section(say("energy"), say("energyNote"), [*_energy_rows(figures, language)], chart="exchange"),
            _section(say("modes"), say("modesNote"), [*_mode_rows(figures, language)], chart="prices"),
            _section(say("accounts"), say("accountsNote"), [*_money_rows(figures, language)]),
            _section(say("limits"), say("limitsNote"), [*_limit_rows(figures, language)], chart="loading"),
            _section(
                say("limited", shown=len(figures.limited), count=figures.limited_sellers),
                say("limitedNote"),
                [*_seller_rows(figures, language)],
            ),
            _section(say("data"), say("dataNote"), [*_data_rows(figures, language)]),
            _section(say("laws"), say("lawsNote"), [*_law_rows(figures, language)]),
        ],
        "footer": say("footer"),
    }


def _section(title: str, note: str, rows: Sequence[Sequence[str]], chart: str | None = None) -> dict[str, Any]:
    return {
        "title": title,
        "note": note,
        "header": list(rows[0]),
        "rows": [list(row) for row in rows[1:]],
        "chart": chart,
    }


def _energy_rows(figures: DayFigures, language: str) -> Iterator[Sequence[str]]:
    yield text(language, "report.quantity"), "MWh"
    for name, energy_wh in figures.energy_wh.items():
        yield text(language, f"report.{name}"), _decimals(energy_wh, MWH)


def _mode_rows(figures: DayFigures, language: str) -> Iterator[Sequence[str]]:
    header = ("mode", "volume", "pricePaid", "priceReceived")
    yield [text(language, f"report.{name}") for name in header]
    for mode in figures.modes:
        paid, received = mode.price_paid_uyuan_per_kwh, mode.price_received_uyuan_per_kwh
        name = text(language, f"modes.{mode.mode}")
        yield name, _decimals(mode.energy_wh, MWH), _decimals(paid, 1_000_000, 6), _decimals(received, 1_000_000, 6)


def _money_rows(figures: DayFigures, language: str) -> Iterator[Sequence[str]]:
    yield text(language, "report.account"), text(language, "report.yuan")
    for account, nano_yuan in figures.money_nano_yuan.items():
        yield text(language, f"accounts.{account}"), _decimals(nano_yuan, 10**9, 9)
    yield text(language, "common.sum"), _decimals(sum(figures.money_nano_yuan.values()), 10**9, 9)


def _limit_rows(figures: DayFigures, language: str) -> Iterator[Sequence[str]]:
    intervals = figures.intervals
    yield text(language, "report.quantity"), text(language, "report.value")
    rows: list[tuple[str, str]] = [
        ("violationsExpected", _sum(intervals, "violations_expected")),
        ("violationsCleared", _sum(intervals, "violations_cleared")),
        ("violationsMetered", _sum(intervals, "violations_metered")),
        ("setpoints", _sum(intervals, "setpoints")),
        ("curtailedKwh", _decimals(sum(one.curtailed_wh for one in intervals), KWH)),
        ("highestVoltage", _decimals(max((one.vm_max_upu or 0 for one in intervals), default=0), 1_000_000, 3)),
        ("highestLoading", _decimals(max((one.loading_max_mpercent or 0 for one in intervals), default=0), 1000, 1)),
    ]
    for key, value in rows:
        yield text(language, f"report.{key}"), value


def _seller_rows(figures: DayFigures, language: str) -> Iterator[Sequence[str]]:
    header = ("participant", "meter", "unit", "setpoints", "unsoldKwh", "curtailedKwh")
    yield [text(language, f"report.{name}") for name in header]
    for one in figures.limited:
        unsold, curtailed = _decimals(one.unsold_wh, KWH), _decimals(one.curtailed_wh, KWH)
        yield one.participant, one.meter, one.unit, f"{one.setpoints:,}", unsold, curtailed
    if not figures.limited:
        yield text(language, "common.none"), "", "", "", "", ""


def _data_rows(figures: DayFigures, language: str) -> Iterator[Sequence[str]]:
    yield text(language, "report.quantity"), text(language, "report.value")
    yield text(language, "report.ordersAccepted"), f"{figures.orders['accepted']:,}"
    yield text(language, "report.ordersRejected"), f"{figures.orders['rejected']:,}"
    for rule, count in figures.substitutions.items():
        yield text(language, "report.substituted", rule=rule), f"{count:,}"
    if not figures.substitutions:
        yield text(language, "report.noGaps"), "0"
    for reason, count in figures.refused.items():
        yield text(language, "report.refused", reason=reason), f"{count:,}"


def _law_rows(figures: DayFigures, language: str) -> Iterator[Sequence[str]]:
    yield [text(language, f"report.{name}") for name in ("law", "checked", "breaches")]
    for law, found in figures.laws.items():
        breaches = found["violations"]
        assert isinstance(breaches, list)
        yield text(language, f"report.law{law}"), f"{found['checked']:,}", f"{len(breaches):,}"


def _charts(figures: DayFigures, language: str) -> dict[str, bytes]:
    intervals = figures.intervals
    labels = [one.label for one in intervals]

    def line(key: str, values: Sequence[float | None], *, filled: bool = False) -> Line:
        return Line(text(language, f"report.{key}"), values, filled)

    prices = [
        line("clearingPrice", [one.root_price_uyuan_per_kwh / 1e6 for one in intervals]),
        line("indicativePrice", [one.indicative_uyuan_per_kwh / 1e6 for one in intervals]),
        line("realTimePrice", [one.real_time_uyuan_per_kwh / 1e6 for one in intervals]),
    ]
    exchange = [
        line("chartImport", [one.import_wh / 250_000 for one in intervals], filled=True),
        line("chartExport", [-one.export_wh / 250_000 for one in intervals], filled=True),
        line("chartLoss", [one.loss_wh / 250_000 for one in intervals]),
    ]
    loading = [line("chartLoading", [_percent(one.loading_max_mpercent) for one in intervals], filled=True)]
    return {
        "prices": line_chart(labels, prices, unit=text(language, "units.price")),
        "exchange": line_chart(labels, exchange, unit="MW"),
        "loading": line_chart(labels, loading, unit="%", limit=100.0),
    }


def _percent(loading_mpercent: int | None) -> float | None:
    return None if loading_mpercent is None else loading_mpercent / 1000


def _sum(intervals: Sequence[IntervalFigures], name: str) -> str:
    return f"{sum(getattr(one, name) for one in intervals):,}"


def _decimals(value: int, scale: int, digits: int = 3) -> str:
    """Return value / scale with thousands separators, rounded half-up to `digits`, exactly: without floats."""
    step = scale // 10**digits if scale >= 10**digits else 1
    rounded = (2 * abs(value) + step) // (2 * step)
    whole, rest = divmod(rounded, 10**digits)
    sign = "-" if value < 0 and rounded else ""
    return f"{sign}{whole:,}.{rest:0{digits}d}"


def _interval_rows(figures: DayFigures) -> Iterator[Sequence[object]]:
    names = list(IntervalFigures.__dataclass_fields__)
    yield names
    for one in figures.intervals:
        yield [getattr(one, name) for name in names]


def _account_rows(figures: DayFigures) -> Iterator[Sequence[object]]:
    yield ["account", "nano_yuan"]
    yield from figures.money_nano_yuan.items()
    yield ["sum", sum(figures.money_nano_yuan.values())]


def _write_csv(path: Path, rows: Iterator[Sequence[object]] | Sequence[Sequence[object]]) -> None:
    # A byte-order mark tells spreadsheets that the text is UTF-8.
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file, lineterminator="\r\n").writerows(rows)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, Sequence):
        for one in value:
            yield from _texts(one)
