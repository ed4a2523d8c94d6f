"""The provincial document round-trips, keeps to its schema, and refuses what is not of it (row 20)."""

import copy
from datetime import date, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.market.registry.contracts import Contract
from hub.market.registry.identities import LegalIdentity, Operator
from hub.market.registry.participant_classes import (
    ContractKind,
    Hosting,
    LegalKind,
    OperatingMode,
    ParticipantClass,
    ParticipantStatus,
    SettlementMethod,
)
from hub.market.registry.periods import Period
from hub.market.registry.provincial_schema import (
    DaySchedule,
    ParticipantRecord,
    ProvincialDocumentError,
    ProvincialExport,
    document_from_export,
    export_from_document,
    provincial_json_schema,
)

NAMES = st.sampled_from(["a", "B-1", "户 3", ""])
DAYS = st.integers(0, 400).map(lambda n: date(2025, 12, 31) + timedelta(days=n))
ENERGY = st.one_of(st.integers(-5, 5), st.integers(-(10**15), 10**15))
PRICES = st.one_of(st.integers(-1001, 1001), st.integers(-(2**62), 2**62))
RECORDS = st.builds(
    ParticipantRecord,
    NAMES,
    st.sampled_from(ParticipantClass),
    st.builds(LegalIdentity, st.sampled_from(LegalKind), NAMES, NAMES),
    st.sampled_from(ParticipantStatus),
    NAMES,
    st.none() | NAMES,
    st.lists(NAMES, max_size=2).map(tuple),
)


@st.composite
def contracts(draw: Any) -> Contract:
    curve = tuple(draw(st.lists(ENERGY, min_size=1, max_size=4)))
    if abs(sum(curve)) > 10**18:
        curve = curve[:1]
    return Contract(
        draw(NAMES),
        draw(st.sampled_from(ContractKind)),
        draw(NAMES),
        draw(NAMES),
        draw(st.none() | NAMES),
        draw(st.none() | NAMES),
        Period(draw(DAYS), draw(st.none() | DAYS)),
        sum(curve),
        draw(PRICES),
        curve,
        draw(st.sampled_from(SettlementMethod)),
    )


SCHEDULES = st.builds(
    DaySchedule, NAMES, NAMES, DAYS, st.lists(ENERGY, min_size=2, max_size=5).map(lambda some: tuple(some * 48)[:96])
).filter(lambda one: len(one.energy_wh) == 96)
EXPORTS = st.builds(
    ProvincialExport,
    NAMES,
    NAMES,
    DAYS,
    st.sampled_from(OperatingMode),
    st.none() | st.builds(Operator, NAMES, st.sampled_from(Hosting), NAMES),
    st.lists(RECORDS, max_size=3).map(tuple),
    st.lists(contracts(), max_size=3).map(tuple),
    st.lists(SCHEDULES, max_size=2).map(tuple),
)


@settings(max_examples=60, deadline=None)
@given(EXPORTS)
def test_nothing_is_lost_on_the_way_and_back(export: ProvincialExport) -> None:
    document = document_from_export(export)
    data = msgspec.json.encode(document)
    again = export_from_document(msgspec.json.decode(data))
    assert again == export
    assert msgspec.json.encode(document_from_export(again)) == data


def example() -> dict[str, Any]:
    contract = Contract(
        "k", ContractKind.LISTING, "s", "b", None, None, Period(date(2026, 1, 1)), 1500, -80_000, (1000, 500),
        SettlementMethod.DIFFERENCE,
    )  # fmt: skip
    schedule = DaySchedule("A/2026-01-01", "d-sup", date(2026, 1, 1), tuple(range(-48, 48)))
    return document_from_export(
        ProvincialExport("A", "P", date(2026, 1, 1), OperatingMode.SUB_MARKET, None, (), (contract,), (schedule,))
    )


def test_numbers_are_written_in_the_units_of_the_province() -> None:
    document = example()
    assert document["contracts"][0]["energy_mwh"] == "0.001500"
    assert document["contracts"][0]["price_yuan_per_mwh"] == "-80.000"
    assert document["schedules"][0]["periods"][0] == {"period_index": 1, "energy_mwh": "-0.000048"}
    assert document["schedules"][0]["periods"][95] == {"period_index": 96, "energy_mwh": "0.000047"}


def altered(path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    document = copy.deepcopy(example())
    place = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return document


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("format",), "microbalance-provincial-2"),
        (("more",), 1),
        (("contracts", 0, "energy_mwh"), "0.0015"),
        (("contracts", 0, "energy_mwh"), 0.0015),
        (("contracts", 0, "energy_mwh"), "0.001501"),
        (("contracts", 0, "price_yuan_per_mwh"), "١.000"),
        (("contracts", 0, "price_yuan_per_mwh"), "1.000\n"),
        (("contracts", 0, "kind"), "GIFT"),
        (("schedules", 0, "periods", 0, "period_index"), 0),
        (("schedules", 0, "periods", 0, "period_index"), 2),
        (("schedules", 0, "periods"), []),
        (("as_of",), "2026-02-30"),
    ],
)
def test_what_is_not_of_the_format_is_refused(path: tuple[Any, ...], value: Any) -> None:
    with pytest.raises(ProvincialDocumentError):
        export_from_document(altered(path, value))


def test_the_schema_names_every_field_and_unit_of_the_document() -> None:
    schema = provincial_json_schema()
    definitions = schema["$defs"]
    root = definitions["ProvincialDocument"]
    assert schema["$ref"] == "#/$defs/ProvincialDocument"
    assert set(root["required"]) == set(root["properties"]) == set(example())
    assert root["additionalProperties"] is False
    assert set(definitions["ContractRow"]["properties"]) == set(example()["contracts"][0])
    assert definitions["PeriodRow"]["properties"]["period_index"] == {"type": "integer", "minimum": 1, "maximum": 96}
    assert root["properties"]["price_unit"] == {"enum": ["yuan/MWh"]}
