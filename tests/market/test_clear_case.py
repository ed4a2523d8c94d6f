"""`microbalance clear`: the golden cases as the tool prints them, its schema, and what it refuses."""

import json
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from hub.clear_cli import app
from hub.market.clear_case import DOCUMENTS, CaseError, ClearCase, ClearResult, clear_case, decode_case

GOLDEN = Path(__file__).parents[1] / "golden" / "market"
CASES = sorted(path.name for path in GOLDEN.glob("clear-*"))
UNITS = '"units":[{"unit":"R"}]'


def run(*arguments: str) -> tuple[int, str, str]:
    outcome = CliRunner().invoke(app, list(arguments))
    return outcome.exit_code, outcome.stdout, outcome.stderr


def test_there_are_cases() -> None:
    assert {"clear-single-node", "clear-two-zones-congested", "clear-fee", "clear-clean-first"} <= set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_golden_cases_come_out_as_worked_by_hand(name: str) -> None:
    expected = json.loads((GOLDEN / name / "expected.json").read_text())
    status, out, err = run(str(GOLDEN / name / "case.json"), "--json")
    assert (status, err) == (0, "")
    found = json.loads(out)
    assert {key: found[key] for key in expected["totals"]} == expected["totals"]
    units = {row["unit"]: row for row in found["units"]}
    assert set(units) == set(expected["units"])
    for unit, columns in expected["units"].items():
        assert {key: units[unit][key] for key in columns} == columns, unit
    orders = {row["order"]: [row["filled_wh"], row["reason"], row["limit_unit"]] for row in found["orders"]}
    assert orders == expected["orders"]
    rejected = [[row["position"], row["order"], row["reason"]] for row in found["rejected"]]
    assert rejected == expected.get("rejected", [])
    counts = found["counts"]
    assert {key: counts[key] for key in expected.get("counts", {})} == expected.get("counts", {})
    assert counts["submitted"] == counts["accepted"] + counts["rejected"]
    assert counts["accepted"] == counts["filled"] + counts["partly_filled"] + counts["not_filled"] == len(orders)
    assert (GOLDEN / name / "README.md").read_text().startswith("# ")


@pytest.mark.parametrize("name", CASES)
def test_the_text_names_every_unit_order_and_rejection(name: str) -> None:
    case = decode_case((GOLDEN / name / "case.json").read_bytes())
    status, out, err = run(str(GOLDEN / name / "case.json"))
    assert (status, err) == (0, "")
    lines = out.splitlines()
    for word in [unit.unit for unit in case.units] + [order.order for order in case.orders]:
        assert any(line.startswith((word, f"rejected {word}")) for line in lines), word


def test_the_same_case_in_another_order_gives_the_same_result() -> None:
    text = json.loads((GOLDEN / "clear-worked-interval" / "case.json").read_text())
    shuffled = text | {"units": text["units"][::-1], "orders": text["orders"][::-1]}
    one, two = (clear_case(decode_case(json.dumps(case).encode())).result for case in (text, shuffled))
    assert msgspec.json.encode(one) == msgspec.json.encode(two)


def test_the_schemas_are_those_of_input_and_output() -> None:
    assert dict(DOCUMENTS) == {"clear": ClearCase, "clear-result": ClearResult}
    schema = msgspec.json.schema(ClearCase)
    case = schema["$defs"]["ClearCase"]
    assert set(case["required"]) == {"units", "orders"}
    assert case["additionalProperties"] is False
    assert schema["$defs"]["PriceRule"]["enum"] == ["highest", "lowest", "midpoint"]
    assert "reason" in msgspec.json.schema(ClearResult)["$defs"]["OrderRow"]["properties"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "truncated"),
        ('{"units":[],"orders":[]}', "$.units"),
        ('{"orders":[]}', "missing required field `units`"),
        ("{" + UNITS + ',"orders":[],"unit":1}', "unknown field `unit`"),
        ("{" + UNITS + ',"orders":[],"price_rule":"average"}', "$.price_rule"),
        ("{" + UNITS + ',"orders":[],"lot_wh":0}', "$.lot_wh"),
        (
            "{" + UNITS + ',"orders":[{"order":"a","unit":"R","side":"hold","energy_wh":1,"price_uyuan_per_kwh":1}]}',
            "$.orders[0].side",
        ),
        (
            "{" + UNITS + ',"orders":[{"order":"a","unit":"R","side":"sell","energy_wh":1.5,"price_uyuan_per_kwh":1}]}',
            "$.orders[0].energy_wh",
        ),
        ('{"units":[{"unit":"R"},{"unit":"R"}],"orders":[]}', "unit 'R' stands twice"),
        ('{"units":[{"unit":"R"},{"unit":"A","parent":"B"}],"orders":[]}', "unit 'A': no parent 'B'"),
        ('{"units":[{"unit":"R"},{"unit":"S"}],"orders":[]}', "one root is needed, a unit without parent; there are 2"),
        ('{"units":[{"unit":"A","parent":"A"}],"orders":[]}', "there are 0"),
        (
            '{"units":[{"unit":"R"},{"unit":"A","parent":"B"},{"unit":"B","parent":"A"}],"orders":[]}',
            "unit 'A' does not hang on the root 'R'",
        ),
        ('{"units":[{"unit":"R","fee_uyuan_per_kwh":5}],"orders":[]}', "the root's edge has no fee"),
        ('{"units":[{"unit":"R","export_limit_wh":-5}],"orders":[]}', "$.units[0].export_limit_wh"),
        (
            "{" + UNITS + ',"orders":[],"price_floor_uyuan_per_kwh":5,"price_cap_uyuan_per_kwh":4}',
            "price_floor_uyuan_per_kwh 5 is above price_cap_uyuan_per_kwh 4",
        ),
        (
            "{" + UNITS + ',"orders":[],"province":{"imports":{"energy_wh":1,"price_uyuan_per_kwh":1},'
            '"exports":{"energy_wh":1,"price_uyuan_per_kwh":2}}}',
            "the import price 1 is below the export price 2",
        ),
        (
            "{" + UNITS + ',"orders":[{"order":"a","unit":"R","side":"sell","energy_wh":1,'
            '"price_uyuan_per_kwh":9000000000000000000}]}',
            "leave 64 bits",
        ),
    ],
)
def test_a_bad_case_is_one_line_and_status_2(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "case.json"
    path.write_text(text)
    status, out, err = run(str(path))
    assert (status, out) == (2, "")
    assert err.startswith(f"microbalance clear: {path}: ")
    assert words in err
    assert len(err.splitlines()) == 1


def test_a_missing_or_unreadable_file_is_one_line_and_status_2(tmp_path: Path) -> None:
    status, _, err = run(str(tmp_path / "nowhere.json"))
    assert (status, err) == (2, f"microbalance clear: {tmp_path / 'nowhere.json'}: No such file or directory\n")
    (tmp_path / "case.json").write_bytes(b"\xff\xfe")
    status, _, err = run(str(tmp_path / "case.json"))
    assert (status, len(err.splitlines())) == (2, 1)


@pytest.mark.parametrize("imports", [True, False])
def test_the_province_may_stand_on_one_side_alone(imports: bool) -> None:
    offer = {"energy_wh": 300, "price_uyuan_per_kwh": 200}
    side, name = ("buy", "imports") if imports else ("sell", "exports")
    order = {"order": "a", "unit": "R", "side": side, "energy_wh": 500, "price_uyuan_per_kwh": 900 if imports else 100}
    case = {"units": [{"unit": "R"}], "orders": [order], "province": {name: offer}}
    cleared = clear_case(decode_case(json.dumps(case).encode()))
    assert cleared.violations == []
    (unit,), (row,) = cleared.result.units, cleared.result.orders
    assert (row.filled_wh, row.reason) == (300, "marginal-share")
    assert unit.shadow_uyuan_per_kwh == (700 if imports else -100)
    assert cleared.result.congestion_rent_nano_yuan == 300 * (700 if imports else 100)


def test_ticks_count_from_the_floor() -> None:
    orders = [
        {"order": name, "unit": "R", "side": "sell", "energy_wh": 1, "price_uyuan_per_kwh": price}
        for name, price in (("on", 2_500), ("off", 2_000))
    ]
    rules = {"price_floor_uyuan_per_kwh": 500, "price_tick_uyuan_per_kwh": 1_000}
    found = clear_case(decode_case(json.dumps({"units": [{"unit": "R"}], "orders": orders} | rules).encode())).result
    assert [row.order for row in found.orders] == ["on"]
    assert [(row.order, row.reason.value) for row in found.rejected] == [("off", "off-tick")]


def test_an_empty_case_and_huge_limits_clear() -> None:
    case = '{"units":[{"unit":"R","import_limit_wh":9223372036854775807}],"orders":[]}'
    cleared = clear_case(decode_case(case.encode()))
    assert cleared.result.counts.submitted == 0
    assert cleared.violations == []
    with pytest.raises(CaseError, match="leave 64 bits"):
        clear_case(
            decode_case(
                b'{"units":[{"unit":"R"}],"orders":[{"order":"a","unit":"R","side":"buy",'
                b'"energy_wh":9223372036854775807,"price_uyuan_per_kwh":5}]}'
            )
        )
