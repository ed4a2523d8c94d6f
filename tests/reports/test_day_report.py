import csv
import io
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from types import ModuleType

import pytest
from pypdf import PdfReader
from sqlmodel import Session

from edge.contract.interval import end_utc_s, iso_utc
from grid_models.capacity_list import CapacityEntry, CapacityFeature
from hub.market.registry.identities import Operator
from hub.market.registry.participant_classes import Hosting
from hub.market.registry.published_results import OperatorStamp
from hub.reports.day_figures import DayFigures, HostingFigures, LawFigures, VoltageLimits
from hub.reports.day_report import TEMPLATE, report_files, write_day_report
from hub.reports.day_sections import day_document
from hub.reports.day_tables import TABLES
from hub.reports.glyphs import MissingGlyphError
from hub.reports.read_day import read_day_figures
from hub.reports.typesetting import ReportError, typeset
from hub.store.engine import open_engine
from hub.store.hosting import AssessmentHead, save_assessment
from hub.texts import LANGUAGES, load_texts
from hub.usecases.load_county import CountyModel

SECTIONS = (
    *("energy", "modes", "green", "accounts", "limits", "limited", "data", "laws", "hosting", "intervals", "why"),
    "provenance",
)
LIMITS = VoltageLimits(vm_min_upu=930_000, vm_max_upu=1_070_000)


def written(session: Session, county: CountyModel, filled_day: ModuleType, out: Path) -> dict[str, str]:
    return write_day_report(
        session, county, first=filled_day.FIRST, last=filled_day.LAST, out=out, voltage_limits=LIMITS
    )


@pytest.fixture(scope="module")
def report(
    filled_url: str, county: CountyModel, filled_day: ModuleType, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """What -> file of the whole day's report."""
    engine = open_engine(filled_url, read_only=True)
    with Session(engine) as session:
        files = written(session, county, filled_day, tmp_path_factory.mktemp("out") / "new")
    engine.dispose()
    return {what: Path(file) for what, file in files.items()}


def pages_of(pdf: Path | bytes) -> list[str]:
    source = io.BytesIO(pdf) if isinstance(pdf, bytes) else pdf
    with PdfReader(source) as reader:
        return [page.extract_text() for page in reader.pages]


@pytest.fixture(scope="module")
def pages(report: dict[str, Path]) -> dict[str, list[str]]:
    """Language -> the text of each page."""
    return {language: pages_of(report[f"pdf {language}"]) for language in LANGUAGES}


def rows_of(path: Path) -> list[list[str]]:
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


def pdf_of(figures: DayFigures, language: str) -> bytes:
    return typeset({language: day_document(figures, language, None)}, TEMPLATE, timestamp_utc_s=0)[language]


def test_every_file_stands_whole_in_the_folder(report: dict[str, Path], filled_day: ModuleType) -> None:
    folder = report["pdf en"].parent
    assert report.keys() == {"pdf zh-CN", "pdf en", *(f"csv {name}" for name in TABLES)}
    assert sorted(folder.iterdir()) == sorted(report.values())
    assert report_files(folder, filled_day.DAY) == {what: str(path) for what, path in report.items()}
    assert report_files(folder / "elsewhere", filled_day.DAY) == {}


def test_a_rerun_gives_the_same_bytes(
    report: dict[str, Path], session: Session, county: CountyModel, filled_day: ModuleType, tmp_path: Path
) -> None:
    again = written(session, county, filled_day, tmp_path)
    assert {what: path.read_bytes() for what, path in report.items()} == {
        what: Path(path).read_bytes() for what, path in again.items()
    }


def test_postgresql_gives_the_same_bytes_as_sqlite(
    postgresql_url: str, report: dict[str, Path], county: CountyModel, filled_day: ModuleType, tmp_path: Path
) -> None:
    engine = open_engine(postgresql_url)
    with Session(engine) as session:
        filled_day.fill_day(session, filled_day.registry())
        files = written(session, county, filled_day, tmp_path)
    engine.dispose()
    differing = [what for what, path in report.items() if path.read_bytes() != Path(files[what]).read_bytes()]
    assert differing == []


def test_the_pdf_has_title_day_zero_and_every_section_in_its_language(pages: dict[str, list[str]]) -> None:
    for language, found in pages.items():
        texts = load_texts(language)["report"]
        whole = "\n".join(found)
        assert texts["title"] in found[0]
        assert "2016-05-17" in found[0]
        assert texts["zeroHolds"] in found[0]
        assert [name for name in SECTIONS if texts[name] not in whole] == []
    assert "运行日报告" in pages["zh-CN"][0]


def test_the_pdf_shows_what_was_counted(pages: dict[str, list[str]]) -> None:
    first, whole = pages["en"][0], "\n".join(pages["en"])
    assert "Σ = 0 nano-yuan" in first
    assert "1.092" in first  # generation, MWh
    assert "24 → 0" in first  # limits broken without and with control
    assert "register runs backwards" in whole
    assert "no-such-reason" in whole
    assert "similar interval (provisional)" in whole
    assert "M000002" in whole


def test_the_document_is_dated_by_its_day_alone(report: dict[str, Path]) -> None:
    with PdfReader(report["pdf zh-CN"]) as reader:
        assert reader.metadata.title == "运行日报告"
        assert reader.metadata.get("/CreationDate").startswith("D:20160517")


def test_no_section_begins_at_the_foot_of_a_page(figures: DayFigures) -> None:
    """With more and more sellers the sections move down the pages; a title is always followed by its note."""
    texts = load_texts("en")["report"]
    for sellers in (2, 8, 13):
        limited = tuple(replace(figures.limited[0], meter=f"M{number:06d}") for number in range(sellers))
        pages = pages_of(pdf_of(replace(figures, limited=limited, intervals=figures.intervals[:8]), "en"))
        for name in SECTIONS:
            (page,) = [page for page in pages if f"\n{texts[name]}\n" in f"\n{page}\n"]
            after = f"\n{page}\n".partition(f"\n{texts[name]}\n")[2]
            note = " ".join(after.split())
            assert note.startswith(" ".join(texts[f"{name}Note"].split())[:60]), name
            assert len(note) > len(texts[f"{name}Note"]) + 40, f"nothing follows {name}"


def test_what_is_abnormal_is_named_on_page_one(figures: DayFigures) -> None:
    account = figures.accounts[0]
    broken = replace(
        figures,
        intervals=figures.intervals[:8],
        accounts=(replace(account, ledger_nano_yuan=account.ledger_nano_yuan + 5), *figures.accounts[1:]),
        settled=2,
        meters_unread=3,
        laws=(LawFigures(6, 96, ((figures.first, "account 线路 龘", "off by 5"),)),),
    )
    pages = pages_of(pdf_of(broken, "en"))
    assert "Σ = 5 nano-yuan" in pages[0]
    assert "The accounts do not sum to zero" in pages[0]
    assert "Account groups whose independent computation differs from the ledger: 1." in pages[0]
    assert "Intervals that are not settled and not in the money: 6." in pages[0]
    assert "left out of the energy balance: 3." in pages[0]
    assert "Breaches of laws: 1 (law 6)." in pages[0]
    assert "account 线路 [U+9F98]: off by 5" in "\n".join(pages)
    assert "Highest and lowest voltage" in pages[0]  # the charts give way, page one stays one page
    assert "Energy balance" in pages[1]


@pytest.mark.parametrize(("language", "title"), [("en", "Platform operator"), ("zh-CN", "平台运营机构")])
def test_page_one_names_who_ran_the_platform(figures: DayFigures, language: str, title: str) -> None:
    assert not any(title in fact for fact in day_document(figures, language, None)["facts"])
    stamp = OperatorStamp("A", figures.day, Operator("DSO-1", Hosting.DSO_COUNTY, "key-7"))
    facts = day_document(replace(figures, published_by=stamp), language, None)["facts"]
    (named,) = [fact for fact in facts if title in fact]
    assert "DSO-1" in named
    assert "key-7" in named
    first, *_ = pages_of(pdf_of(replace(figures, published_by=stamp), language))
    assert "DSO-1" in first
    assert "key-7" in first


def test_the_newest_list_of_hosting_capacity_is_summed_up(
    migrated_sqlite_url: str, county: CountyModel, filled_day: ModuleType
) -> None:
    closed_utc_s = end_utc_s(filled_day.LAST)
    engine = open_engine(migrated_sqlite_url)
    with Session(engine) as session:
        for days, rooms in ((90, (9, 9, 9)), (0, (3_000, -7, 40)), (-90, (5, 5, 5))):
            at = closed_utc_s - days * 86_400
            head = AssessmentHead(at, "demo", "DL/T 2041-2025", sha256(b"{}").hexdigest())
            features = (
                capacity(unit, place, rooms[place], at) for place, unit in enumerate(("county", "A001", "A002"))
            )
            save_assessment(session, head, "{}", tuple(features))
        figures = read_day_figures(session, county, first=filled_day.FIRST, last=filled_day.LAST)
    engine.dispose()
    figures = replace(figures, intervals=figures.intervals[:8])
    found = " ".join(" ".join(pages_of(pdf_of(figures, "en"))).split())
    assert "Units by grade (2016-05-18 00:00, DL/T 2041-2025)" in found
    assert "Kind of unit green yellow red County 1 0 0 Area 1 0 ▲ 1 Total 2 0 ▲ 1" in found
    assert "The highest reverse loads (3 of 3)" in found
    assert "A002 Area green A002 ▲ 92.0 40 40 40 — A001 Area red A001 ▲ 91.0 −7 −7 0 —" in found
    none = replace(figures, hosting=HostingFigures((), "noon-not-measured"))
    found = " ".join(" ".join(pages_of(pdf_of(none, "en"))).split())
    assert "No assessment of hosting capacity yet This day gave no list: the typical noon was not measured." in found


def capacity(unit: str, place: int, c1_kw: int, assessed_at_utc_s: int) -> CapacityFeature:
    entry = CapacityEntry(
        unit=unit,
        parent="county" if place else None,
        kind="AREA" if place else "COUNTY",
        elements="",
        rated_kva=630,
        connected_kw=0,
        registered_kw=0,
        capacity_min_kw=max(c1_kw, 0),
        capacity_max_kw=max(c1_kw, 0),
        c1_kw=c1_kw,
        c2_kw=c1_kw,
        open_c1_kw=max(c1_kw, 0),
        open_c2_kw=max(c1_kw, 0),
        grade="green" if c1_kw > 0 else "red",
        limited_by=unit,
        hosting_kw=None,
        hosting_element=None,
        hosting_limit=None,
        reverse_kw=0,
        reverse_load_mpercent=90_000 + 1000 * place,
        reverse_alert=place > 0,
        reverse_into_high_voltage=False,
        short_circuit="not_assessed",
        voltage_deviation="passed",
        harmonics="not_assessed",
        edition="DL/T 2041-2025",
        assessed_at=iso_utc(assessed_at_utc_s),
    )
    return CapacityFeature(entry, None)


def test_a_day_without_any_result_still_has_a_report(
    migrated_sqlite_url: str, county: CountyModel, filled_day: ModuleType, tmp_path: Path
) -> None:
    engine = open_engine(migrated_sqlite_url)
    with Session(engine) as session:
        files = written(session, county, filled_day, tmp_path)
    engine.dispose()
    first = pages_of(Path(files["pdf en"]))[0]
    assert "Intervals that are not settled and not in the money: 96." in first
    assert "left out of the energy balance: 13." in first
    assert "The accounts sum to zero" not in first  # no account is not a balanced account


def test_a_warning_of_the_typesetter_is_an_error(figures: DayFigures, tmp_path: Path) -> None:
    documents = {"en": day_document(figures, "en", None)}
    template = tmp_path / "warns.typ"
    template.write_text('#set text(font: "No Such Font")\nwords\n')
    with pytest.raises(ReportError, match="unknown font family: no such font"):
        typeset(documents, template, timestamp_utc_s=0)
    template.write_text("#let day = json(bytes(sys.inputs.day))\n#day.no-such-field\n")
    with pytest.raises(ReportError, match="no-such-field"):
        typeset(documents, template, timestamp_utc_s=0)


def test_a_character_without_a_glyph_is_an_error(figures: DayFigures, tmp_path: Path) -> None:
    document = day_document(figures, "zh-CN", None)
    document["sections"][0]["note"] += "龘"
    with pytest.raises(MissingGlyphError, match="U\\+9F98"):
        typeset({"zh-CN": document}, TEMPLATE, timestamp_utc_s=0)
    template = tmp_path / "sign.typ"
    template.write_text("龘")
    with pytest.raises(MissingGlyphError, match="U\\+9F98"):
        typeset({"zh-CN": day_document(figures, "zh-CN", None)}, template, timestamp_utc_s=0)


def test_the_tables_are_complete_and_exact(report: dict[str, Path], figures: DayFigures) -> None:
    tables = {name: rows_of(report[f"csv {name}"]) for name in TABLES}
    assert [len(rows) - 1 for rows in tables.values()] == [96, 96, 0, 28 * 4 + 68, 7, 24, 3, 12, 8 * 4, 4, 4]
    header, *intervals = tables["intervals"]
    assert [int(row[header.index("import_wh")]) for row in intervals] == [one.import_wh for one in figures.intervals]
    assert {row[header.index("account_sum_nano_yuan")] for row in intervals} == {"0"}
    *accounts, total = tables["accounts"][1:]
    assert [total[0], *total[2:]] == ["sum", "0", "0"]
    assert [int(row[2]) for row in accounts] == [one.ledger_nano_yuan for one in figures.account_totals]
    assert sum(int(row[6]) for row in tables["curtailed"][1:]) == 4 * 231
    assert tables["gaps"][1] == ["1626066", "12:45", "G0001", "M000003", "1-0:1.8.0", "1150", "similar-interval"]


def test_no_cell_from_outside_is_a_formula(report: dict[str, Path]) -> None:
    refused = rows_of(report["csv refused"])[1:]
    assert {row[2]: row[4] for row in refused}["malformed"] == "'=cmd|'x'"
    assert not [cell for row in refused for cell in row if cell.startswith(("=", "+", "-", "@"))]


def test_the_hub_starts_without_typesetter_and_fonts() -> None:
    code = (
        "import sys, hub.reports.day_report; heavy = {'typst', 'fontTools', 'matplotlib'} & set(sys.modules); "
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    outcome = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stderr
