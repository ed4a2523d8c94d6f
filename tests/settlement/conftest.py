"""Builders of settlement inputs from a case file in the form of tests/golden/worked_interval."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hub.settlement.case.case_inputs import settlement_inputs
from hub.settlement.case.documents import decode_settle_case
from hub.settlement.inputs import SettlementInputs

GOLDEN = Path(__file__).resolve().parents[1] / "golden"


def session_of(given: dict[str, Any], expected: dict[str, Any], kind: str, price: int) -> dict[str, Any]:
    """One session of a settle case: the pairs as listed, the loss order with its unit."""
    loss = f"LOSS:{given['loss']['unit']}"
    names = {party["who"]: meter_of(party["who"]) for party in given["party"]} | {"LOSS": loss}
    return {
        "kind": kind,
        "province_price_uyuan_per_kwh": price,
        "price_uyuan_per_kwh": expected["price_uyuan_per_kwh"],
        "basis_uyuan_per_kwh": expected["basis_uyuan_per_kwh"],
        "pairs": [
            row | {end: names.get(row[end], row[end]) for end in ("seller", "buyer")} for row in expected["pairs"]
        ],
    }


def meter_of(who: str) -> str:
    return f"meter of {who}"


def settle_document(case: dict[str, Any]) -> dict[str, Any]:
    """The settle case of a golden case: one metering point a party, exports for sellers and imports for users."""
    given, expected = case["given"], case["expected"]
    sessions = []
    if "day_ahead" in expected:
        sessions.append(session_of(given, expected["day_ahead"], "DAY_AHEAD", given["day_ahead_uyuan_per_kwh"]))
    sessions.append(session_of(given, expected, "ROLLING", given["indicative_uyuan_per_kwh"]))
    prices = ["real_time", "day_ahead", "reference", "upstream_loss", "loss_fee"]
    prices += ["agency_energy", "guaranteed", "on_grid", "comprehensive"]
    loaded = {f"{name}_uyuan_per_kwh": given.get(f"{name}_uyuan_per_kwh") for name in prices}
    return {
        "source": case["source"],
        "interval": given["interval"],
        "units": [
            {
                "unit": unit["unit"],
                "parent": unit["parent"],
                "voltage_class": unit["voltage_class"],
                "levels_up": given["levels_up"],
                "loss_wh": given["loss"]["by_registers_wh"] if unit["unit"] == given["loss"]["unit"] else 0,
            }
            for unit in given["unit"]
        ],
        "meters": [
            {
                "meter": meter_of(party["who"]),
                "account": party["who"],
                "unit": party["unit"],
                **{mode: party[mode] for mode in ("supply", "sale", "retailer") if mode in party},
                "import_wh" if "supply" in party else "export_wh": party["metered_wh"],
                "setpoint_wh": expected["setpoint_wh"].get(party["who"]),
            }
            for party in given["party"]
        ],
        "sessions": sessions,
        "listing": [row | {end: meter_of(row[end]) for end in ("seller", "buyer")} for row in given.get("listing", [])],
        "gateway": given["gateway"],
        "prices": {name: value for name, value in loaded.items() if value is not None}
        | {
            "network_tariff_uyuan_per_kwh": given["tariff_uyuan_per_kwh"],
            "gateway_class": given["unit"][0]["voltage_class"],
            "comprehensive_voltage_class": given["comprehensive_voltage_class"],
            "version": "case",
        },
    }


def inputs_of(case: dict[str, Any]) -> SettlementInputs:
    """The settlement inputs of a golden case."""
    return settlement_inputs(decode_settle_case(json.dumps(settle_document(case)).encode()))


@pytest.fixture(scope="session")
def golden_case() -> Callable[[str], dict[str, Any]]:
    """Return a reader of the named golden case."""

    def read(name: str) -> dict[str, Any]:
        case: dict[str, Any] = json.loads((GOLDEN / name / "case.json").read_text(encoding="utf8"))
        return case

    return read


@pytest.fixture(scope="session")
def case_inputs() -> Callable[[dict[str, Any]], SettlementInputs]:
    """Return the builder of settlement inputs from a case."""
    return inputs_of


@pytest.fixture(scope="session")
def case_document() -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Return the converter of a golden case to a settle case."""
    return settle_document
