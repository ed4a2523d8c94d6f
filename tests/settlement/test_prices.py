"""Loaded parameters: versions by date, and every refusal with row, date and what to load."""

from datetime import date
from typing import Any

import msgspec
import pytest

from hub.settlement.parameters import DEMO_PROVINCE, shipped_parameters
from hub.settlement.prices import (
    Origin,
    Parameter,
    ParameterError,
    ParameterVersion,
    decode_parameters,
    parameter_table,
    resolve_parameters,
)

CLASSES = ("<1kV", "10(20)kV")
DAY = date(2016, 5, 17)


def version(version_id: str, start: str, end: str | None, value: str = "0.2", **changes: Any) -> ParameterVersion:
    fields: dict[str, Any] = {
        "parameter": Parameter.NETWORK_TARIFF,
        "province": "P",
        "voltage_class": "<1kV",
        "value_yuan_per_kwh": value,
        "effective_from": date.fromisoformat(start),
        "effective_to": date.fromisoformat(end) if end else None,
        "document": "No. 1",
        "source": "gazette",
        "origin": Origin.GOV_APPROVED,
        "version_id": version_id,
    }
    return ParameterVersion(**(fields | changes))


def test_the_demo_document_resolves_with_its_versions() -> None:
    table = decode_parameters(shipped_parameters())
    found = resolve_parameters(table, province=DEMO_PROVINCE, day=DAY, gateway_class="110kV")
    assert found.network_tariff_uyuan_per_kwh.tolist() == [200_000, 180_000, 160_000, 140_000, 120_000]
    assert found.gateway_tariff.value_uyuan_per_kwh == 140_000
    assert found.upstream_loss.value_uyuan_per_kwh == 13_643
    # P_comp is the agency energy price and the network of a low-voltage user
    assert found.comprehensive_class == 0
    assert found.comprehensive_price.value_uyuan_per_kwh == found.agency_energy.value_uyuan_per_kwh + 200_000
    assert len(found.version_ids) == 11
    for row in msgspec.json.decode(shipped_parameters())["versions"]:
        assert row["document"] == "illustrative, demo"


def test_a_day_takes_the_version_in_force_then() -> None:
    table = parameter_table(
        CLASSES, [version("b", "2016-06-01", None, "0.3"), version("a", "2016-01-01", "2016-06-01")]
    )

    def value(day: date) -> tuple[int, str]:
        price = table.price(Parameter.NETWORK_TARIFF, province="P", voltage_class="<1kV", day=day)
        return price.value_uyuan_per_kwh, price.version_id

    assert value(date(2016, 5, 31)) == (200_000, "a")
    assert value(date(2016, 6, 1)) == (300_000, "b")
    # a later version loaded afterwards does not change the old day
    longer = parameter_table(
        CLASSES,
        [
            version("a", "2016-01-01", "2016-06-01"),
            version("b", "2016-06-01", "2017-01-01", "0.3"),
            version("c", "2017-01-01", None, "0.9"),
        ],
    )
    price = longer.price(Parameter.NETWORK_TARIFF, province="P", voltage_class="<1kV", day=DAY)
    assert (price.value_uyuan_per_kwh, price.version_id) == value(DAY)


def test_a_missing_version_names_row_date_and_what_to_load() -> None:
    table = parameter_table(CLASSES, [version("a", "2016-06-01", None)])
    with pytest.raises(ParameterError) as refused:
        table.price(Parameter.NETWORK_TARIFF, province="P", voltage_class="<1kV", day=DAY)
    assert str(refused.value) == (
        "row 97 on 2016-05-17: no version of network_tariff (province 'P', class '<1kV'); "
        "load the approved volumetric network tariff of this voltage class"
    )


@pytest.mark.parametrize(
    ("versions", "words"),
    [
        (
            [version("a", "2016-01-01", None), version("b", "2016-06-01", None)],
            ["row 97 on 2016-06-01", "two versions"],
        ),
        (
            [version("a", "2016-01-01", "2016-07-01"), version("b", "2016-06-01", None)],
            ["row 97 on 2016-06-01", "'a' and 'b'", "load 'a' with its end"],
        ),
        (
            [version("a", "2016-01-01", "2016-05-01"), version("b", "2016-06-01", None)],
            ["row 97 on 2016-05-01", "no version until 2016-06-01", "load the approved"],
        ),
        ([version("a", "2016-01-01", None, document="")], ["document is empty", "row 98"]),
        ([version("a", "2016-01-01", None, "0.2000001")], ["load the price as approved"]),
        ([version("a", "2016-01-01", None, "high")], ["'high'"]),
        ([version("a", "2016-01-01", "2016-01-01")], ["before it begins"]),
        ([version("a", "2016-01-01", None, voltage_class="35kV")], ["class '35kV' is not one of"]),
        ([version("a", "2016-01-01", "2017-01-01"), version("a", "2017-01-01", None)], ["stands twice"]),
    ],
)
def test_versions_that_contradict_each_other_are_refused(versions: list[ParameterVersion], words: list[str]) -> None:
    with pytest.raises(ParameterError) as refused:
        parameter_table(CLASSES, versions)
    assert [word for word in words if word not in str(refused.value)] == []


@pytest.mark.parametrize(
    "data", [b"", b"[]", b'{"voltage_classes": [], "versions": [{"parameter": "network_tariff"}]}']
)
def test_bytes_that_are_no_document_are_refused(data: bytes) -> None:
    with pytest.raises(ParameterError, match="not a parameter document"):
        decode_parameters(data)


def test_a_tariff_without_dates_is_refused() -> None:
    document = msgspec.json.decode(shipped_parameters())
    del document["versions"][0]["effective_from"]
    with pytest.raises(ParameterError, match="effective_from"):
        decode_parameters(msgspec.json.encode(document))


def test_an_incomplete_province_and_an_unknown_gateway_are_refused() -> None:
    table = decode_parameters(shipped_parameters())
    with pytest.raises(ParameterError, match="comprehensive sales price"):
        resolve_parameters(table, province="elsewhere", day=DAY, gateway_class="110kV")
    with pytest.raises(ParameterError, match="500kV"):
        resolve_parameters(table, province=DEMO_PROVINCE, day=DAY, gateway_class="500kV")
    with pytest.raises(ParameterError, match="row 97 on 2015-12-31"):
        resolve_parameters(table, province=DEMO_PROVINCE, day=date(2015, 12, 31), gateway_class="110kV")
