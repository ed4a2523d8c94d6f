"""Whole days: the default one undisturbed, again and killed, and another one; the time and memory of each."""

import json

import pytest

pytestmark = pytest.mark.soak

INTERVALS = 96
SECONDS_LIMIT = 300.0
"""From the first interval to the summary, on two cores that have nothing else to do."""

PSS_LIMIT_BYTES = 3_000_000_000
LIMIT_S = 3600.0
DAYS = {
    "undisturbed": (),
    "again": (),
    "killed": ("--kill", "all"),
    "killed elsewhere": ("--kill", "all", "--kill-seed", "7"),
    "winter": ("--day", "2016-01-20"),
}


@pytest.fixture(scope="module")
def days(demo_process, tmp_path_factory, request):
    """The summary of every day, by name; its figures are printed as soon as it has ended."""
    shown = request.config.get_terminal_writer()
    summaries = {}
    for name, options in DAYS.items():
        folder = tmp_path_factory.mktemp("day")
        line = demo_process.demo_arguments(folder, "--exit", *options)
        with demo_process.Program(line, folder, LIMIT_S) as program:
            summary = program.wait().succeeded().summary
        summaries[name] = summary
        figures = {key: summary[key] for key in ("day", "metering_points", "peak_pss_bytes", "result_hash")}
        figures |= {"seconds": summary["seconds"], "hub_seconds": summary["hub_seconds"]}
        shown.line(f"\n{name}: {json.dumps(figures)}")
    return summaries


@pytest.mark.parametrize("name", DAYS)
def test_the_day_adds_up(days, name):
    summary = days[name]
    assert summary["ok"] is True
    assert summary["intervals"] == INTERVALS
    assert summary["residual_nano_yuan"] == sum(summary["money_nano_yuan"].values()) == 0
    assert summary["readings"]["published"] == summary["readings"]["admitted"]
    assert all(law["checked"] > 0 and law["violations"] == [] for law in summary["laws"].values())
    assert summary["violations"]["expected_after"] == 0
    assert summary["province"]["hub"] == summary["province"]["province"]
    assert summary["peak_pss_bytes"] < PSS_LIMIT_BYTES


@pytest.mark.parametrize("name", ["again", "killed", "killed elsewhere"])
def test_the_same_seed_gives_the_same_day(days, name):
    assert days[name]["result_hash"] == days["undisturbed"]["result_hash"]


def test_another_day_is_another(days):
    assert days["winter"]["result_hash"] != days["undisturbed"]["result_hash"]


@pytest.mark.parametrize("name", ["killed", "killed elsewhere"])
def test_each_kill_came_while_a_message_had_no_receipt(days, name):
    kills = days[name]["kills"]
    assert [kill["what"] for kill in kills] == ["hub", "broker", "edge"]
    assert all(kill["unreceipted"] > 0 for kill in kills)
    assert sum(days[name]["restarts"].values()) == 2, "the hub and one edge; the hub starts the broker again"


def test_the_default_day_imports_and_exports_and_control_helps(days):
    summary = days["undisturbed"]
    assert all(energy_wh > 0 for energy_wh in summary["traded_wh"].values())
    assert summary["energy_wh"]["generation"] > 1.5 * summary["energy_wh"]["load"]
    assert summary["violations"]["metered"] * 2 < summary["violations"]["uncontrolled"]


def test_the_default_day_takes_at_most_five_minutes(days):
    assert days["undisturbed"]["seconds"]["total"] <= SECONDS_LIMIT
