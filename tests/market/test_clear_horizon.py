"""`microbalance clear` on a horizon: golden cases worked by hand, the same clearing as the hub's, what it refuses."""

import json
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from hub.clear_cli import app
from hub.market.clear_case import CaseError, clear_case, decode_case
from hub.market.clear_horizon import DOCUMENTS, HorizonResult, clear_horizon, decode_horizon

GOLDEN = Path(__file__).parents[1] / "golden" / "market"
CASES = sorted(path.name for path in GOLDEN.glob("horizon-*"))


def run(*arguments: str) -> tuple[int, str, str]:
    outcome = CliRunner().invoke(app, list(arguments))
    return outcome.exit_code, outcome.stdout, outcome.stderr


def cleared(case: dict[str, Any]) -> HorizonResult:
    found = clear_horizon(decode_horizon(json.dumps(case).encode()))
    assert found.violations == []
    return found.result


def golden(name: str) -> dict[str, Any]:
    case: dict[str, Any] = json.loads((GOLDEN / name / "case.json").read_text())
    return case


def test_storage_blocks_and_meshes_each_have_a_case() -> None:
    assert {"horizon-storage", "horizon-blocks", "horizon-mesh"} <= set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_golden_cases_come_out_as_worked_by_hand(name: str) -> None:
    expected = json.loads((GOLDEN / name / "expected.json").read_text())
    status, out, err = run(str(GOLDEN / name / "case.json"), "--json")
    assert (status, err) == (0, "")
    found = json.loads(out)
    assert found["welfare_nano_yuan"] == expected["welfare_nano_yuan"]
    intervals = found["intervals"]
    assert [one["route"] for one in intervals] == expected["routes"]
    prices = [{row["unit"]: row["price_uyuan_per_kwh"] for row in one["units"]} for one in intervals]
    assert prices == expected["prices"]
    fills = [{row["order"]: [row["filled_wh"], row["reason"]] for row in one["orders"]} for one in intervals]
    assert fills == expected["fills"]
    storages = {one.pop("storage"): one for one in found["storages"]}
    assert storages == expected["storages"]
    assert {one["block"]: [one["outcome"], one["filled_wh"]] for one in found["blocks"]} == expected["blocks"]
    rejected = [[one["position"], one["block"], one["reason"]] for one in found["rejected_blocks"]]
    assert rejected == expected["rejected_blocks"]
    assert {one["limit"]: one["price_micro"] for one in found["meshed_limits"]} == expected.get("limits", {})
    rents = [sum(row["congestion_rent_nano_yuan"] for row in one["units"]) for one in intervals]
    assert rents == expected.get("rent_nano_yuan", [0] * len(rents))


@pytest.mark.parametrize("name", CASES)
def test_the_text_names_everything_in_the_case(name: str) -> None:
    case = golden(name)
    status, out, err = run(str(GOLDEN / name / "case.json"))
    assert (status, err) == (0, "")
    words = {one["unit"] for one in case["units"]} | {o["order"] for i in case["intervals"] for o in i["orders"]}
    words |= {one["storage"] for one in case.get("storages", [])} | {one["block"] for one in case.get("blocks", [])}
    words |= {one["limit"] for one in case.get("meshed_limits", [])}
    assert [word for word in words if word not in out] == []


def test_without_coupling_a_horizon_is_its_intervals_one_by_one() -> None:
    """The two zones of the golden case of one interval, twice, the second time half of the demand."""
    single = golden("clear-two-zones-congested")
    rules = {name: single[name] for name in ("units", "price_tick_uyuan_per_kwh", "price_rule")}
    halved = [one | ({"energy_wh": one["energy_wh"] // 2} if one["side"] == "buy" else {}) for one in single["orders"]]
    whole = cleared(rules | {"intervals": [{"orders": single["orders"]}, {"orders": halved}]})
    for found, orders in zip(whole.intervals, (single["orders"], halved), strict=True):
        alone = clear_case(decode_case(json.dumps(single | {"orders": orders}).encode())).result
        assert msgspec.to_builtins(found.units) == msgspec.to_builtins(alone.units)
        assert {o.order: o.filled_wh for o in found.orders} == {o.order: o.filled_wh for o in alone.orders}
        assert found.route.value == "tree"


def test_a_block_may_stand_before_its_parent_and_the_order_of_a_case_changes_nothing() -> None:
    case = golden("horizon-blocks")
    turned = case | {"blocks": case["blocks"][::-1], "units": case["units"][::-1]}
    turned["intervals"] = [one | {"orders": one["orders"][::-1]} for one in case["intervals"]]
    one, two = (msgspec.to_builtins(cleared(each)) for each in (case, turned))
    positions = [[row.pop("position") for row in each["rejected_blocks"]] for each in (one, two)]
    assert positions == [[3, 4], [0, 1]]
    two["rejected_blocks"].reverse()
    assert one == two


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_no_other_set_of_linked_blocks_has_more_welfare(data: st.DataObject) -> None:
    """Up to three whole blocks, some linked: of all sets that keep the links, none that would clear has more.

    A set is tried by forcing it: its blocks become price takers, all others leave the case. It stands as an outcome of
    the market only if each block with its children then gains at the prices; that a better set may have other prices is
    left to test_blocks.py. The set that was found must be among those tried, with the same welfare.
    """
    blocks = [
        {"block": f"K{n}", "unit": "A", "side": data.draw(st.sampled_from(["sell", "buy"]))}
        | {"price_uyuan_per_kwh": 1_000 * data.draw(st.integers(1, 9))}
        | {"energy_wh": [1_000 * data.draw(st.integers(0, 3)), 1_000 * data.draw(st.integers(1, 3))]}
        | {"parent": data.draw(st.sampled_from([None, *(f"K{m}" for m in range(n))]))}
        for n in range(data.draw(st.integers(1, 3)))
    ]
    orders = [
        [
            {"order": f"o{n}", "unit": "A", "side": side, "energy_wh": 1_000 * data.draw(st.integers(1, 4))}
            | {"price_uyuan_per_kwh": 1_000 * data.draw(st.integers(1, 9))}
            for n, side in enumerate(("sell", "sell", "buy", "buy"))
        ]
        for _ in range(2)
    ]
    case = {"units": [{"unit": "A"}], "intervals": [{"orders": one} for one in orders]}
    found = cleared(case | {"blocks": blocks})
    taken = {one.block for one in found.blocks if sum(one.filled_wh)}
    tried = {}
    for chosen in product((False, True), repeat=len(blocks)):
        some = [block for block, is_in in zip(blocks, chosen, strict=True) if is_in]
        names = {block["block"] for block in some}
        if all(block["parent"] is None or block["parent"] in names for block in some):
            tried[frozenset(names)] = _forced(orders, some)
    chosen_set = tried[frozenset(taken)]
    assert chosen_set is not None
    assert chosen_set[0] == found.welfare_nano_yuan
    assert found.welfare_nano_yuan >= max(one[0] for one in tried.values() if one is not None and one[1])


def _forced(orders: list[list[dict[str, Any]]], blocks: list[dict[str, Any]]) -> tuple[int, bool] | None:
    """Return the welfare with exactly these blocks, and whether they all gain at the midpoint prices; None: no room."""
    welfare, price = 0, []
    for number, ordinary in enumerate(orders):
        taken = [
            {"order": block["block"], "unit": "A", "side": block["side"], "energy_wh": block["energy_wh"][number]}
            | {"price_uyuan_per_kwh": 0 if block["side"] == "sell" else 10**7}
            for block in blocks
            if block["energy_wh"][number]
        ]
        case = {"units": [{"unit": "A"}], "orders": [*ordinary, *taken]}
        found = clear_case(decode_case(json.dumps(case).encode())).result
        filled = {row.order: row.filled_wh for row in found.orders}
        if any(filled[one["order"]] != one["energy_wh"] for one in taken):
            return None
        price.append(found.units[0].price_uyuan_per_kwh)
        for one in ordinary:
            sign = -1 if one["side"] == "sell" else 1
            welfare += sign * filled[one["order"]] * one["price_uyuan_per_kwh"]
    own = {}
    for block in blocks:
        sign = 1 if block["side"] == "sell" else -1
        limit, energies = block["price_uyuan_per_kwh"], block["energy_wh"]
        own[block["block"]] = sum(sign * e * (p - limit) for e, p in zip(energies, price, strict=True))
        welfare -= sign * sum(energies) * limit
    family = dict(own)
    for block in reversed(blocks):
        if block["parent"] is not None:
            family[block["parent"]] += max(family[block["block"]], 0)
    return welfare, all(gain >= 0 for gain in family.values())


BAD: list[tuple[Callable[[dict[str, Any]], object], str]] = [
    (lambda case: case["storages"][0].update(unit="Z"), "storage 'B1': no unit 'Z'"),
    (lambda case: case["storages"][0].update(energy_start_wh=2_000_000), "starts outside its limits"),
    (lambda case: case["storages"].append(case["storages"][0]), "B1: stands twice"),
    (lambda case: case.update(blocks=[block("K", [1, 2])]), "block 'K': 2 energies for 3 intervals"),
    (lambda case: case.update(meshed_limits=[limit("Z", 0)]), "limit 'L': no unit 'Z'"),
    (lambda case: case.update(meshed_limits=[limit("A", 5)]), "does not allow a flow of zero"),
    (lambda case: case["intervals"][1].update(province={"imports": [5, 1], "exports": [5, 2]}), "got `array`"),
    (lambda case: case["intervals"][1].update(province=PROVINCE), "interval 1: province: the import price 1 is below"),
    (lambda case: case["intervals"][0]["orders"][0].update(order="block/0/K"), "such names are those of storage"),
    (lambda case: case.update(price_floor_uyuan_per_kwh=5, price_cap_uyuan_per_kwh=4), "is above"),
    (lambda case: case.update(intervals=[]), "$.intervals"),
    (lambda case: case.update(quantity_step_wh=5), "unknown field `quantity_step_wh`"),
    (lambda case: case["storages"][0].update(charge_efficiency_ppm=1_000_001), "charge_efficiency_ppm"),
]
PROVINCE = {
    "imports": {"energy_wh": 5, "price_uyuan_per_kwh": 1},
    "exports": {"energy_wh": 5, "price_uyuan_per_kwh": 2},
}


def block(name: str, energy_wh: list[int]) -> dict[str, Any]:
    return {"block": name, "unit": "A", "side": "sell", "price_uyuan_per_kwh": 1, "energy_wh": energy_wh}


def limit(unit: str, low_wh: int) -> dict[str, Any]:
    return {"limit": "L", "factors": [{"unit": unit, "numerator": 1}], "low_wh": low_wh, "high_wh": 9}


@pytest.mark.parametrize(("spoil", "what"), BAD)
def test_what_is_wrong_with_a_case_refuses_it_in_one_line(
    tmp_path: Path, spoil: Callable[[dict[str, Any]], object], what: str
) -> None:
    case = golden("horizon-storage")
    spoil(case)
    path = tmp_path / "case.json"
    path.write_text(json.dumps(case))
    status, out, err = run(str(path))
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert what in err


def test_an_order_or_a_block_that_breaks_a_rule_is_rejected_alone() -> None:
    case = golden("horizon-storage") | {"price_cap_uyuan_per_kwh": 700_000}
    dear = {"order": "dear", "unit": "A", "side": "buy", "energy_wh": 5, "price_uyuan_per_kwh": 700_001}
    case["intervals"][2]["orders"].append(dear)
    case["blocks"] = [block("none", [0, 0, 0]), block("minus", [1, -1, 0]), block("far", [1, 1, 1]) | {"unit": "Z"}]
    case["blocks"] += [block("K", [1, 1, 1]), block("K", [1, 1, 1]), block("a", [1, 1, 1]) | {"parent": "b"}]
    case["blocks"] += [block("b", [1, 1, 1]) | {"parent": "a"}]
    result = cleared(case)
    assert [(row.order, row.reason.value) for row in result.intervals[2].rejected] == [("dear", "above-cap")]
    reasons = [(row.block, row.reason) for row in result.rejected_blocks]
    assert reasons[:4] == [
        ("none", "not-positive"),
        ("minus", "not-positive"),
        ("far", "unknown-unit"),
        ("K", "duplicate-id"),
    ]
    assert reasons[4:] == [("a", "unknown-parent"), ("b", "unknown-parent")]
    with pytest.raises(CaseError):
        decode_horizon(b"[]")


def test_the_schemas_are_those_of_input_and_output() -> None:
    schema = msgspec.json.schema(DOCUMENTS["clear-horizon"])
    case = schema["$defs"]["HorizonCase"]
    assert set(case["required"]) == {"units", "intervals"}
    assert case["additionalProperties"] is False
    assert set(DOCUMENTS) == {"clear-horizon", "clear-horizon-result"}
