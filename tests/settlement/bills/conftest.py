"""Cases of bills: the golden one of row 99, changed by what a test is about; the command line, run in a folder."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hub.settlement.bills.bill import Bill
from hub.settlement.bills.bill_case import decode_bill_case
from hub.settlement.bills.issue import bill_of_case

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "settlement"


@pytest.fixture(scope="session")
def golden() -> Callable[[str], dict[str, Any]]:
    """Return a row's case."""
    return lambda row: json.loads((GOLDEN / row / "case.json").read_text("utf-8"))


@pytest.fixture
def given(golden: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    """The bill case of row 99, to be changed."""
    return golden("BILL-06")["given"]


@pytest.fixture(scope="session")
def issued() -> Callable[..., Bill]:
    """Return the bill of a case that is given as JSON."""
    return lambda case, previous=None: bill_of_case(decode_bill_case(json.dumps(case).encode()), previous=previous)


@pytest.fixture(scope="session")
def hubei_february() -> dict[str, Any]:
    """A made-up table of Hubei for February 2026: energy 0.012345 cheaper, so all period prices too."""
    profile = Path(__file__).resolve().parents[3] / "hub" / "settlement" / "provinces" / "profiles" / "hubei.json"
    document = json.loads(profile.read_text("utf-8"))
    (table,) = (one for one in document["publications"] if one["publication_id"] == "agency-table-2026-01")
    table |= {"publication_id": "made-up-2026-02", "effective_from": "2026-02-01", "effective_to": "2026-03-01"}
    for value in table["values"]:
        if value["parameter"] in {"tou_price", "agency_energy"}:
            micro = round(float(value["value"]) * 1_000_000) - 12_345
            value["value"] = f"{micro // 1_000_000}.{micro % 1_000_000:06d}"
    return {"province": "hubei", "voltage_classes": document["voltage_classes"], "publications": [table]}
