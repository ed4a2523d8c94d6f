"""The report says why each price is what it is, and what green energy went where, in both languages."""

from dataclasses import replace

import pytest

from hub.market.price_reason import PriceReason
from hub.market.security import LimitCoverage
from hub.market.trades import Party
from hub.reports.day_figures import DayFigures
from hub.reports.day_report import TEMPLATE
from hub.reports.day_sections import day_document
from hub.reports.reason_figures import AskedElement, GreenFigures, IntervalReason
from hub.reports.typesetting import typeset
from hub.store.green import GreenVolume, PlantDay, PlantEnergy
from hub.texts import LANGUAGES, load_texts
from hub.usecases.save_clearing import SPARSE_PROGRAM, TREE

PLANT = PlantDay("M000002", "P00002", "A001", 1_200_000, 900_000, 850_000, 201605, 3_700_000, 450_000, 4, 150_000)


def section(figures: DayFigures, language: str, name: str) -> list[dict]:
    document = day_document(figures, language, None)
    title = load_texts(language)["report"][name]
    (found,) = [one for one in document["sections"] if one["title"] == title]
    return found["blocks"]


def reason(number: int, **changes: object) -> IntervalReason:
    plain = IntervalReason(number, f"{number:02d}:00", 453_643, PriceReason.IMPORT, "midpoint", TREE, 1, 0, None, ())
    return replace(plain, **changes)


@pytest.fixture
def told(figures: DayFigures) -> DayFigures:
    asked = tuple(
        AskedElement(name, way.value)
        for name, way in (
            ("R23", LimitCoverage.SPARSE_PROGRAM),
            ("A1", LimitCoverage.TREE_EDGE),
            ("E3", LimitCoverage.COVERING_EDGE),
        )
    )
    reasons = [reason(number, reason=each) for number, each in enumerate(PriceReason)]
    reasons.append(
        reason(9, method=SPARSE_PROGRAM, asked=asked, units_apart=2, shadow_uyuan_per_kwh=-253_643, rounds=2)
    )
    reasons.append(reason(10, root_price_uyuan_per_kwh=None, reason=None, price_rule="", method="", rounds=None))
    green = GreenFigures(
        PlantEnergy(1_200_000, 900_000, 850_000),
        (GreenVolume(1, Party.DIRECT, 7, 600_000, 580_000), GreenVolume(3, Party.SUPPLY, 4, 300_000, 270_000)),
        (PLANT, replace(PLANT, meter="M000009", month_generation_wh=9_000_000, certificates=9)),
    )
    return replace(figures, reasons=tuple(reasons), green=green)


def test_every_interval_of_a_day_has_its_row(figures: DayFigures) -> None:
    assert [one.interval for one in figures.reasons] == list(range(figures.first, figures.last + 1))
    (table,) = section(figures, "en", "why")
    assert len(table["rows"]) == 96


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_reason_and_each_way_is_worded(told: DayFigures, language: str) -> None:
    texts = load_texts(language)
    (table,) = section(told, language, "why")
    why = [row[2] for row in table["rows"]]
    words = texts["priceReasons"]
    assert why[: len(PriceReason) - 1] == [words[each.value] for each in list(PriceReason)[:-1]]
    assert why[len(PriceReason) - 1] == {"text": f"▲ {words['unexplained']}", "tone": "red"}
    sparse, unknown = table["rows"][-2:]
    assert sparse[3:5] == ["2", "−0.2536"]
    assert sparse[5].startswith(f"R23 ({texts['coverages']['sparse-program']}), A1 ({texts['coverages']['tree-edge']})")
    assert sparse[5].endswith(texts["report"]["andMore"].format(count=1))
    assert sparse[6] == texts["methods"][SPARSE_PROGRAM]
    assert unknown[1] == unknown[2] == unknown[5] == unknown[6] == "—"


def test_the_texts_name_every_code() -> None:
    for language in LANGUAGES:
        texts = load_texts(language)
        assert texts["priceReasons"].keys() == {each.value for each in PriceReason}
        assert texts["coverages"].keys() == {each.value for each in LimitCoverage}
        assert texts["methods"].keys() == {TREE, SPARSE_PROGRAM}


def test_green_energy_by_buyer_and_the_accounts(told: DayFigures) -> None:
    volumes, plants = section(told, "en", "green")
    assert [row[2:] for row in volumes["rows"]] == [
        ["0.600", "0.580", "68.2"],
        ["0.300", "0.270", "31.8"],
        ["0.900", "0.850", "100.0"],
    ]
    assert "1.200 MWh" in volumes["title"]
    assert [row[1] for row in plants["rows"]] == ["M000009", "M000002", ""]
    assert plants["rows"][1][3:] == ["1,200.000", "850.000", "3,700.000", "450.000", "4", "150.000"]
    assert plants["rows"][-1][-2:] == ["13", "300.000"]


def test_without_green_energy_the_section_says_so(figures: DayFigures) -> None:
    volumes, plants = section(figures, "en", "green")
    assert volumes["rows"] == plants["rows"] == []


def test_both_languages_are_typeset(told: DayFigures) -> None:
    documents = {language: day_document(told, language, None) for language in LANGUAGES}
    assert all(pdf.startswith(b"%PDF") for pdf in typeset(documents, TEMPLATE, timestamp_utc_s=0).values())
