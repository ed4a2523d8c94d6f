"""The library of provincial parameters: what is in force when, and every refusal with row, day and what to load."""

from datetime import date
from typing import Any

import msgspec
import pytest

from hub.settlement.prices import ParameterError
from hub.settlement.provinces import shipped_library, shipped_profile, shipped_profiles
from hub.settlement.provinces.catalogue import CATALOGUE, ProvincialParameter
from hub.settlement.provinces.documents import ProvinceDocument, ProvinceDocumentError, decode_province
from hub.settlement.provinces.keys import Component, DateBasis, Mark, PeriodKind, TariffType
from hub.settlement.provinces.library import Library, LibraryError, build_library
from hub.settlement.provinces.settled_days import check_settled_days

DAY = date(2025, 5, 15)
TARIFF = {"parameter": "network_tariff", "voltage_class": "<1kV", "tariff_type": "SINGLE", "unit": "yuan/kWh"}


def document(*publications: dict[str, Any], province: str = "P", **changes: Any) -> ProvinceDocument:
    whole = {"province": province, "voltage_classes": ["<1kV", "35kV"], "publications": publications} | changes
    return decode_province(msgspec.json.encode(whole))


def publication(publication_id: str, start: str | None, end: str | None, *rows: dict[str, Any], **changes: Any) -> Any:
    return {
        "publication_id": publication_id,
        "document": "No. 1",
        "source": "gazette",
        "mark": "source",
        "effective_from": start,
        "effective_to": end,
        "values": rows or [TARIFF | {"value": "0.2"}],
    } | changes


def tariff_on(library: Library, day: date, **changes: Any) -> Any:
    keys: dict[str, Any] = {"province": "P", "voltage_class": "<1kV", "tariff_type": TariffType.SINGLE} | changes
    return library.value(ProvincialParameter.NETWORK_TARIFF, day=day, **keys)


def refusal(*publications: dict[str, Any], **changes: Any) -> LibraryError:
    with pytest.raises(LibraryError) as caught:
        build_library([document(*publications, **changes)])
    return caught.value


def test_a_value_is_of_the_day_and_carries_where_it_comes_from() -> None:
    later = publication("b", "2025-06-01", None, TARIFF | {"value": "210", "unit": "yuan/MWh", "mark": "secondary"})
    library = build_library([document(later), document(publication("a", "2025-01-01", "2025-06-01"))])
    first, second = tariff_on(library, date(2025, 5, 31)), tariff_on(library, date(2025, 6, 1))
    assert (first.value, first.version_id, first.text) == (200_000, "P/a/network_tariff/<1kV/SINGLE", "0.2 yuan/kWh")
    assert (second.value, second.unit, second.mark) == (210_000, "micro-yuan/kWh", Mark.SECONDARY)
    assert (first.document, first.source, first.key("tariff_type")) == ("No. 1", "gazette", "SINGLE")
    with pytest.raises(LibraryError) as caught:
        tariff_on(library, date(2024, 12, 31))
    assert (caught.value.row, caught.value.day) == (97, date(2024, 12, 31))
    assert isinstance(caught.value, ParameterError)
    assert "row 97 on 2024-12-31: no version of network_tariff" in str(caught.value)
    assert "load the approved volumetric network tariff" in str(caught.value)


def test_a_missing_class_or_province_is_not_taken_from_a_neighbour() -> None:
    library = build_library([document(publication("a", "2025-01-01", None))])
    for changes in ({"voltage_class": "35kV"}, {"tariff_type": TariffType.TWO_PART}, {"province": "Q"}):
        with pytest.raises(LibraryError):
            tariff_on(library, DAY, **changes)


def test_overlap_gap_and_repeat_are_refused_with_the_day() -> None:
    first = publication("a", "2025-01-01", "2025-06-01")
    overlap = refusal(first, publication("b", "2025-05-31", None))
    assert (overlap.row, overlap.day, overlap.load) == (
        97,
        date(2025, 5, 31),
        "P/a/network_tariff/<1kV/SINGLE with its end",
    )
    endless = refusal(publication("a", "2025-01-01", None), publication("b", "2026-01-01", None))
    assert "both in force" in str(endless)
    gap = refusal(first, publication("b", "2025-06-02", None))
    assert (gap.row, gap.day) == (97, date(2025, 6, 1))
    assert "no version until 2025-06-02" in str(gap)
    assert "stands twice" in str(refusal(first, first))
    assert "before it begins" in str(refusal(publication("a", "2025-06-01", "2025-06-01")))


@pytest.mark.parametrize(
    ("changes", "row", "what"),
    [
        ({"effective_from": None}, 98, "effective date"),
        ({"document": ""}, 98, "document number"),
        ({"document": "a notice without a number"}, 98, "document number"),
        ({"source": " "}, 190, "source"),
        ({"publication_id": ""}, 190, "publication id"),
    ],
)
def test_an_approved_price_needs_document_number_and_date(changes: dict[str, Any], row: int, what: str) -> None:
    refused = refusal(publication("a", "2025-01-01", None) | changes)
    assert refused.row == row
    assert what in str(refused)


@pytest.mark.parametrize(
    "row",
    [
        TARIFF | {"value": "0.2000001"},
        TARIFF | {"value": "2e-1"},
        TARIFF | {"value": "0.2", "unit": "yuan/kVA-month"},
        TARIFF | {"value": "0.2", "voltage_class": "10kV"},
        TARIFF | {"value": "0.2", "item": "user 7"},
        {"parameter": "network_tariff", "voltage_class": "<1kV", "unit": "yuan/kWh", "value": "0.2"},
        {"parameter": "tou_factor", "period": "NOON", "unit": "1", "value": "1.7"},
        {"parameter": "retail_peak_factor_above", "months": [13], "unit": "1", "value": "1.7"},
        {"parameter": "floating_components", "unit": "components", "value": "energy+capacity"},
        {"parameter": "loss_rate_convention", "unit": "word", "value": "whichever"},
        {"parameter": "capacity_price", "voltage_class": "35kV", "unit": "yuan/kW-month", "value": "26.3"},
        {"parameter": "demand_price", "voltage_class": "35kV", "unit": "yuan/kVA-month", "value": "42"},
    ],
)
def test_a_value_that_cannot_be_it_is_refused(row: dict[str, Any]) -> None:
    refused = refusal(publication("a", "2025-01-01", None, row))
    parameter = ProvincialParameter(row["parameter"])
    assert refused.row == CATALOGUE[parameter].row
    assert refused.load == CATALOGUE[parameter].what


def test_what_is_no_document_is_refused() -> None:
    for text in (b"{", b'{"province": "P"}', b"\xff", b"[" * 100_000):
        with pytest.raises(ProvinceDocumentError):
            decode_province(text)
    unknown = {"parameter": "user_discount", "unit": "1", "value": "0.9"}
    with pytest.raises(ProvinceDocumentError):
        document(publication("a", "2025-01-01", None, unknown))
    other_classes = document(publication("b", "2025-01-01", None), voltage_classes=["<1kV"])
    with pytest.raises(LibraryError, match="two lists of voltage classes"):
        build_library([document(publication("a", "2025-01-01", None)), other_classes])


def test_units_of_every_kind_are_exact() -> None:
    rows = [
        {"parameter": "regulation_price_max", "unit": "yuan/MW", "value": "15"},
        {"parameter": "linked_share_min", "unit": "%", "value": "10.5"},
        {"parameter": "retail_flat_duration_min", "unit": "h", "value": "12.5"},
        {"parameter": "single_tariff_capacity_max", "unit": "kVA", "value": "100"},
        {"parameter": "deviation_clause_voltage_min", "unit": "kV", "value": "0.4"},
        {"parameter": "utilisation_rebate_threshold", "unit": "kWh/kVA", "value": "260"},
        {"parameter": "coal_capacity_price", "unit": "yuan/kW-year", "value": "100"},
        {"parameter": "storage_lease_term_min", "unit": "a", "value": "10"},
        {"parameter": "floating_components", "unit": "components", "value": "loss+energy"},
        {"parameter": "agency_energy", "unit": "厘/kWh", "value": "-3.5"},
    ]
    library = build_library([document(publication("a", "2025-01-01", None, *rows))])
    found = [library.value(ProvincialParameter(str(row["parameter"])), province="P", day=DAY).value for row in rows]
    assert found[:8] == [15_000, 105_000, 750, 100_000, 400, 260, 100_000_000, 10]
    assert Component(found[8]) == Component.ENERGY | Component.LOSS
    assert found[9] == -3_500


def test_unverified_values_wait_for_a_confirmation() -> None:
    whole = document(publication("a", "2025-01-01", None, mark="unverified"))
    with pytest.raises(LibraryError, match="is unverified"):
        tariff_on(build_library([whole]), DAY)
    confirmed = frozenset({"P/a/network_tariff/<1kV/SINGLE"})
    assert tariff_on(build_library([whole], confirmed=confirmed), DAY).mark is Mark.UNVERIFIED


def test_a_province_goes_before_the_nation_key_by_key() -> None:
    def regime(item: str, word: str) -> dict[str, Any]:
        return {"parameter": "tou_regime", "unit": "word", "item": item, "value": word}

    national = document(
        publication("n", "2025-01-01", None, regime("AGENCY", "government"), regime("DIRECT", "government")),
        province="national",
    )
    own = document(publication("p", "2025-01-01", "2025-06-01", regime("DIRECT", "market-curve")))
    library, parameter = build_library([national, own]), ProvincialParameter.TOU_REGIME
    words = {item: library.word(parameter, province="P", day=DAY, item=item) for item in ("AGENCY", "DIRECT")}
    assert words == {"AGENCY": "government", "DIRECT": "market-curve"}
    by_item = library.values_by("item", parameter, province="P", day=DAY)
    assert {item: loaded.province for item, loaded in by_item.items()} == {"DIRECT": "P", "AGENCY": "national"}
    # a province that had its own rule does not fall back when it ends
    assert library.value_if_set(parameter, province="P", day=date(2025, 6, 1), item="DIRECT") is None


def test_a_new_document_leaves_settled_days_as_they_were() -> None:
    settled_until = date(2025, 6, 1)

    def found(*publications: dict[str, Any], **changes: Any) -> list[str]:
        after = build_library([document(*publications, **changes)])
        return [one.where for one in check_settled_days(before, after, first_unsettled_day=settled_until)]

    first = publication("a", "2025-01-01", None)
    before = build_library([document(first)])
    ended, low = publication("a", "2025-01-01", "2025-06-01"), TARIFF | {"value": "0.1"}
    assert found(ended, publication("b", "2025-06-01", None, low)) == []
    assert found(publication("a", "2025-01-01", "2025-05-31"), publication("b", "2025-05-31", None, low)) == [
        "2025-05-31"
    ]
    assert found(publication("a", "2025-01-01", None, low)) == ["2025-01-01"]
    late = publication("c", "2024-01-01", None, {"parameter": "agency_energy", "value": "0.4", "unit": "yuan/kWh"})
    assert found(first, late) == []
    row = {
        "calendar_id": "c",
        "document": "No. 1",
        "source": "gazette",
        "mark": "source",
        "effective_from": "2025-01-01",
        "publicised_as": "notice",
        "patterns": [],
    }
    before = build_library([document(first, calendars=[row])])
    new = row | {"calendar_id": "d", "effective_from": "2025-06-01"}
    assert found(first, calendars=[row | {"effective_to": "2025-06-01"}, new]) == []
    assert found(first, calendars=[row, new | {"effective_from": "2025-05-31"}]) == ["2025-05-31"]
    assert found(first, calendars=[row | {"effective_to": "2025-05-31"}]) == ["2025-01-01"]
    assert found(first) == ["2025-01-01"]


def test_every_shipped_value_says_where_it_comes_from() -> None:
    assert {"shandong", "guangdong", "guangxi", "zhejiang", "hubei", "mengxi", "national"} <= set(shipped_profiles())
    library = shipped_library()
    values = [loaded for versions in library.series.values() for loaded in versions]
    assert len(values) > 150
    for loaded in values:
        assert loaded.document
        assert loaded.source
        assert loaded.province == decode_province(shipped_profile(loaded.province)).province
    # what a report says of its year is not passed off as a published date
    assert all(loaded.dates is DateBasis.AS_OF_SOURCE for loaded in values if "RMI" in loaded.source)


def test_what_the_sources_do_not_say_is_refused_not_invented(library: Library) -> None:
    factor = ProvincialParameter.TOU_FACTOR
    with pytest.raises(LibraryError, match="row 66"):
        library.value(factor, province="shandong", day=date(2024, 6, 1), period=PeriodKind.SHARP)
    with pytest.raises(LibraryError, match="row 67"):
        library.value(ProvincialParameter.FLOATING_COMPONENTS, province="guangxi", day=date(2024, 6, 1))
    with pytest.raises(LibraryError, match="row 28"):
        library.value(ProvincialParameter.DG_RANGE_EQUALITY, province="hubei", day=date(2026, 1, 1))
