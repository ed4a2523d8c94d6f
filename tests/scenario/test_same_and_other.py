"""The same seed gives the same day to the byte, however it is run; anything else gives another day that adds up."""

import csv
from pathlib import Path

import pytest

from edge.contract.registry import decode_registry

OF_THE_RUN = {"seconds", "hub_seconds", "peak_pss_bytes", "peak_pss_by_process_bytes", "report", "restarts"}
"""What a summary says of a run and not of its day."""


def of_the_day(summary):
    kept = {name: value for name, value in summary.items() if name not in OF_THE_RUN}
    repeated = {"published", "admitted", "quarantined"}  # how often a message came twice is the network's affair
    return {**kept, "readings": {name: kept["readings"][name] for name in repeated}}


def adds_up(summary):
    assert summary["ok"] is True
    assert summary["residual_nano_yuan"] == sum(summary["money_nano_yuan"].values()) == 0
    assert all(law["checked"] > 0 and law["violations"] == [] for law in summary["laws"].values())
    assert summary["violations"]["expected_after"] == 0
    return True


@pytest.fixture(scope="module")
def again(run_noon, new_folder):
    """The same hour with a county that it builds itself, and the gateways spread over another number of processes."""
    return run_noon("--edges", "3", folder=new_folder()).succeeded()


def test_the_same_seed_gives_the_same_day(noon, again):
    assert of_the_day(again.summary) == of_the_day(noon.summary)
    assert len(again.summary["restarts"]) == 4


def test_the_same_seed_gives_the_same_report(noon, again):
    for what, path in noon.summary["report"].items():
        assert Path(path).read_bytes() == Path(again.summary["report"][what]).read_bytes(), what


@pytest.mark.parametrize("choice", [("--day", "2016-01-20"), ("--seed", "2")], ids=["day", "seed"])
def test_another_day_and_another_seed_give_another_result(run_noon, new_folder, noon, choice):
    other = run_noon(*choice, folder=new_folder()).succeeded()
    assert adds_up(other.summary)
    assert other.summary["result_hash"] != noon.summary["result_hash"]
    assert other.summary["traded_wh"] != noon.summary["traded_wh"]
    same = decode_registry((noon.run / "county" / "registry.json").read_bytes())
    drawn = decode_registry((other.run / "county" / "registry.json").read_bytes())
    assert (drawn == same) is (choice[0] == "--day"), "who is who hangs on the seed, not on the day"


def test_negative_prices_settle_to_zero(run_noon, noon):
    negative = run_noon("--negative-prices").succeeded()
    assert adds_up(negative.summary)
    assert negative.summary["result_hash"] != noon.summary["result_hash"]
    with Path(negative.summary["report"]["csv intervals"]).open(encoding="utf-8-sig") as file:
        prices = [int(row["real_time_uyuan_per_kwh"]) for row in csv.DictReader(file)]
    assert min(prices) < 0
    legs = negative.summary["province"]["hub"]
    assert legs["export_amount_nano_yuan"] < noon.summary["province"]["hub"]["export_amount_nano_yuan"]
