"""The report of an operating day: PDF in both languages, and CSV with every row.

The same figures give the same bytes: fonts are shipped, the document's date is the day itself, nothing reads a clock.
"""

from datetime import date
from pathlib import Path

from sqlmodel import Session

from edge.contract.interval import end_utc_s
from hub.reports.day_figures import VoltageLimits
from hub.reports.day_sections import day_document
from hub.reports.day_tables import TABLES, write_csv
from hub.reports.read_day import read_day_figures
from hub.reports.typesetting import TEMPLATES, typeset
from hub.texts import LANGUAGES
from hub.usecases.load_county import CountyModel

TEMPLATE = TEMPLATES / "day.typ"


def report_files(out: Path, day: date) -> dict[str, str]:
    """Return what -> file of the day's reports that stand in the folder."""
    return {what: str(path) for what, path in _paths(out, day).items() if path.exists()}


def write_day_report(
    session: Session,
    county: CountyModel,
    *,
    first: int,
    last: int,
    out: Path,
    voltage_limits: VoltageLimits | None = None,
) -> dict[str, str]:
    """Write the reports of the settled intervals first..last (inclusive) and return what -> file.

    Each file is there whole or not at all.

    :param voltage_limits: drawn beside the voltages; None leaves them out
    :raises hub.reports.typesetting.ReportError: if the typesetter complains
    :raises hub.reports.glyphs.MissingGlyphError: if a text cannot be printed
    """
    figures = read_day_figures(session, county, first=first, last=last)
    documents = {f"pdf {language}": day_document(figures, language, voltage_limits) for language in LANGUAGES}
    paths = _paths(out, figures.day)
    out.mkdir(parents=True, exist_ok=True)
    for what, pdf in typeset(documents, TEMPLATE, timestamp_utc_s=end_utc_s(last)).items():
        part = _part(paths[what])
        part.write_bytes(pdf)
        part.replace(paths[what])
    for name, table in TABLES.items():
        path = paths[f"csv {name}"]
        write_csv(_part(path), table(session, county, figures))
        _part(path).replace(path)
    return report_files(out, figures.day)


def _paths(out: Path, day: date) -> dict[str, Path]:
    names = {f"pdf {language}": out / f"day-{day}.{language}.pdf" for language in LANGUAGES}
    return names | {f"csv {table}": out / f"day-{day}-{table}.csv" for table in TABLES}


def _part(path: Path) -> Path:
    return path.with_name(path.name + ".part")
