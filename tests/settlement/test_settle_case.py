"""`microbalance settle`: the worked interval as the tool prints it, its schema, and what it refuses whole."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hub.settle_cli import app
from hub.settlement.case.documents import DOCUMENTS, SettleCase, SettleCaseError, SettleResult, decode_settle_case
from hub.settlement.case.settling import settle_case

GOLDEN = Path(__file__).parents[1] / "golden"
CASE = GOLDEN / "settlement" / "settle_worked_interval" / "case.json"
Case = dict[str, Any]


def run(*arguments: str) -> tuple[int, str, str]:
    outcome = CliRunner().invoke(app, list(arguments))
    return outcome.exit_code, outcome.stdout, outcome.stderr


def written() -> Case:
    case: Case = json.loads(CASE.read_text(encoding="utf8"))
    return case


def settled(case: Case) -> Any:
    return settle_case(decode_settle_case(json.dumps(case).encode()))


def test_the_documented_example_prints_the_worked_interval(golden_case: Callable[[str], Case]) -> None:
    expected = golden_case("worked_interval")["expected"]
    status, out, err = run(str(CASE), "--json")
    assert (status, err) == (0, "")
    found = json.loads(out)
    plain = {"loss fund": "loss_fund", "upper grid": "upper_grid"}

    def both_ways(payer: str, payee: str, amount: int) -> list[tuple[str, str, int]]:
        return [(plain.get(payer, payer), plain.get(payee, payee), amount), (payee, payer, -amount)]

    lines = Counter(
        min(both_ways(row["from"], row["to"], row["nano_yuan"]), key=lambda line: -line[2])
        for row in expected["transfers"]
    )
    printed = Counter(
        min(both_ways(row["payer"], row["payee"], row["amount_nano_yuan"]), key=lambda line: -line[2])
        for row in found["transfers"]
        if row["amount_nano_yuan"]
    )
    assert sum(printed.values()) == len(expected["transfers"]) == 27
    assert printed == Counter(
        {(plain.get(a, a), plain.get(b, b), amount): count for (a, b, amount), count in lines.items()}
    )
    accounts = {plain.get(name, name): amount for name, amount in expected["accounts_nano_yuan"].items()}
    ledger = {row["account"]: row["ledger_nano_yuan"] for row in found["accounts"]}
    assert {name: amount for name, amount in ledger.items() if name in accounts or amount} == accounts
    assert all(row["ledger_nano_yuan"] == row["independent_nano_yuan"] for row in found["accounts"])
    assert {row["account"]: row["total_fen"] * 10**7 + row["rounding_nano_yuan"] for row in found["statements"]} == (
        ledger
    )
    assert all(row["rule"] for row in found["transfers"])
    assert (found["balance_nano_yuan"], found["measured_loss_wh"], found["day"], found["label"]) == (
        0,
        4000,
        "2016-05-18",
        "20:15",
    )


def test_the_text_names_every_transfer_and_account() -> None:
    status, out, err = run(str(CASE))
    assert (status, err) == (0, "")
    assert "congestion-rent        U2          congestion  F     35.000  0.230000   8.050000000" in out
    assert "U2                -24.380000000  -24.380000000  -24.38" in out
    assert "all accounts sum to 0.000000000 yuan" in out


def test_the_schemas_are_those_of_input_and_output() -> None:
    assert dict(DOCUMENTS) == {"settle": SettleCase, "settle-result": SettleResult}


def test_substituted_energy_is_named_as_provisional() -> None:
    case = written()
    case["meters"][1]["substituted"] = True
    assert settled(case).result.substituted_meters == ["meter-U1"]


def test_figures_that_contradict_each_other_are_a_broken_law(tmp_path: Path) -> None:
    case = written()
    case["units"][1]["loss_wh"] = 3_999
    path = tmp_path / "case.json"
    path.write_text(json.dumps(case), encoding="utf8")
    status, _, err = run(str(path))
    assert status == 1
    assert "law 2" in err
    assert "losses by unit sum to 3.999 kWh, meters 4.000" in err


def without(field: str) -> Callable[[Case], None]:
    return lambda case: case["prices"].pop(field)


def put(value: object, *path: str | int) -> Callable[[Case], None]:
    def change(case: Case) -> None:
        at: Any = case
        for step in path[:-1]:
            at = at[step]
        at[path[-1]] = value

    return change


REFUSED = [
    (without("agency_energy_uyuan_per_kwh"), "row 169 on 2016-05-18: load agency_energy_uyuan_per_kwh"),
    (without("on_grid_uyuan_per_kwh"), "row 26 on 2016-05-18: load on_grid_uyuan_per_kwh"),
    (without("comprehensive_uyuan_per_kwh"), "row 25 on 2016-05-18: load comprehensive_uyuan_per_kwh"),
    (without("comprehensive_voltage_class"), "row 25 on 2016-05-18: load comprehensive_voltage_class"),
    (without("real_time_uyuan_per_kwh"), "real_time_uyuan_per_kwh"),
    (put("GUARANTEED", "meters", 2, "supply"), "row 96 on 2016-05-18: load guaranteed_uyuan_per_kwh"),
    (put("RETAIL", "meters", 2, "supply"), "row 79 on 2016-05-18: meter 'meter-HA': supply mode RETAIL"),
    (put("35kV", "prices", "gateway_class"), None),
    (put("nosuch", "prices", "gateway_class"), "no network tariff of 'nosuch'"),
    (put("nosuch", "units", 2, "voltage_class"), "'meter-S1' needs the network tariff of 'nosuch'"),
    (put("B", "units", 2, "parent"), "unit 'A': no parent 'B' before it"),
    (put(None, "units", 2, "parent"), "unit 'A': only the first unit has no parent"),
    (put("F", "units", 2, "unit"), "unit 'F' stands twice"),
    (put(3, "units", 2, "levels_up"), None),
    (put(5, "units", 2, "levels_up"), "unit 'A': 5 levels above <1kV lie beyond 220kV"),
    (put("Z", "meters", 2, "unit"), "meter 'meter-HA': no unit 'Z'"),
    (put("D_net", "meters", 2, "account"), "account 'D_net' would stand twice"),
    (put("province", "meters", 2, "meter"), "meter 'province'"),
    (put(-1, "meters", 1, "import_wh"), "import_wh"),
    (put(10**13, "meters", 1, "import_wh"), "import_wh"),
    (put("meter-XX", "sessions", 0, "pairs", 0, "seller"), "no meter 'meter-XX'"),
    (put("meter-U2", "sessions", 0, "pairs", 0, "seller"), "the seller's sale mode is NONE"),
    (put("LOSS:Z", "sessions", 0, "pairs", 7, "buyer"), "no unit 'Z'"),
    (put("province", "sessions", 0, "pairs", 7, "buyer"), "the province is curtailed or sells to itself"),
    (put({"R": 1}, "sessions", 0, "price_uyuan_per_kwh"), "ROLLING session: no price of unit 'F'"),
    (put({"Z": 1}, "sessions", 0, "basis_uyuan_per_kwh"), "ROLLING session: no unit 'Z'"),
    (put(10**12, "prices", "real_time_uyuan_per_kwh"), None),
    (
        put([{"contract": "L", "seller": "meter-S1", "buyer": "meter-U1", "energy_wh": 1, "price_uyuan_per_kwh": 1}],
            "listing"),
        "row 50 on 2016-05-18: load reference_uyuan_per_kwh",
    ),
    (put("DAY_AHEAD", "sessions", 0, "kind"), "row 52 on 2016-05-18: load day_ahead_uyuan_per_kwh"),
    (put(5, "gateway", "day_ahead_import_wh"), "row 52 on 2016-05-18: load day_ahead_uyuan_per_kwh"),
    (put(1, "nosuch"), "nosuch"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "words"), REFUSED)
def test_a_wrong_case_gets_one_line_and_nothing_is_settled(
    change: Callable[[Case], None], words: str | None, tmp_path: Path
) -> None:
    case = written()
    change(case)
    path = tmp_path / "case.json"
    path.write_text(json.dumps(case), encoding="utf8")
    status, out, err = run(str(path))
    if words is None:  # unusual, but a settlement
        assert status in (0, 1)
        return
    assert (status, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert err.startswith("microbalance settle: ")
    assert words in err


def test_amounts_beyond_64_bits_are_refused() -> None:
    case = written()
    case["meters"][1]["import_wh"] = 10**12
    case["prices"]["real_time_uyuan_per_kwh"] = 10**12
    with pytest.raises(SettleCaseError):
        settled(case)


def test_a_file_that_is_not_there_or_no_json_is_refused(tmp_path: Path) -> None:
    status, out, err = run(str(tmp_path / "none.json"))
    assert (status, out, len(err.splitlines())) == (2, "", 1)
    path = tmp_path / "text.json"
    path.write_text("{", encoding="utf8")
    assert run(str(path))[0] == 2
