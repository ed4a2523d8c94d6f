"""Sixteen intervals of a midday with real congestion, from meters to money: what summary and report must show."""

import csv
import json
from pathlib import Path

import pytest
from pypdf import PdfReader

from edge.contract.registry import decode_registry

INTERVALS = 16
INSTANTS = INTERVALS + 3  # two instants of warm-up, and the last interval's end
PSS_LIMIT_BYTES = 3_000_000_000
REGISTERS_WH = 500
"""Thousands of registers show whole Wh; each difference is up to 1 Wh off, either way: about 50 Wh in the sum."""

DAY = "2016-05-17"


@pytest.fixture(scope="module")
def midday(demo_process, new_folder):
    """The run as it ended: everything by itself from an empty folder, on a port that it was given."""
    folder = new_folder()
    line = demo_process.demo_arguments(folder, "--exit", "--from", "10:00", "--to", "14:00")
    with demo_process.Program(line, folder) as program:
        return program.wait().succeeded()


@pytest.fixture(scope="module")
def summary(midday):
    return midday.summary


def rows_of(path: str) -> list[dict[str, str]]:
    return list(csv.DictReader(Path(path).read_text(encoding="utf-8-sig").splitlines()))


def test_stdout_holds_one_json_object_and_nothing_else(midday):
    decoded, end = json.JSONDecoder().raw_decode(midday.stdout)
    assert isinstance(decoded, dict)
    assert midday.stdout[end:] == "\n"
    assert json.loads((midday.folder / "out" / "summary.json").read_text(encoding="utf8")) == decoded


def test_every_check_across_processes_holds(summary):
    assert [check for check in summary["checks"] if not check["holds"]] == []
    assert summary["ok"] is True
    assert summary["intervals"] == INTERVALS
    assert len(summary["checks"]) >= 18


def test_no_reading_is_lost_and_none_counts_twice(midday, summary):
    registry = decode_registry((midday.run / "county" / "registry.json").read_bytes())
    readings = summary["readings"]
    assert summary["metering_points"] == len(registry.metering_points) > 6000
    assert readings["published"] == readings["admitted"] == summary["metering_points"] * INSTANTS
    assert readings["quarantined"] == 0
    assert summary["refused"] == {}
    assert summary["orders"]["accepted"] > 0
    assert summary["orders"]["rejected"] == 0


@pytest.mark.parametrize("law", ["1", "2", "3", "4", "5", "6", "7", "8"])
def test_the_law_was_checked_and_holds(summary, law):
    assert summary["laws"][law]["violations"] == []
    assert summary["laws"][law]["checked"] >= (1 if law == "7" else INTERVALS)


def test_every_account_is_there_and_their_sum_is_zero(summary):
    money = summary["money_nano_yuan"]
    assert sum(money.values()) == summary["residual_nano_yuan"] == 0
    earning = {"PROSUMER", "INDEPENDENT_DG_DEVELOPER", "DSO_OWN_GENERATION", "D_net"}
    assert all(money[account] > 0 for account in earning)
    assert money["USERS"] < 0
    assert {"MICROGRID_OPERATOR", "D_sup", "province", "upper_grid", "loss_fund", "congestion"} <= money.keys()


def test_the_province_settles_what_our_ledger_holds(summary):
    ours, theirs = summary["province"]["hub"], summary["province"]["province"]
    assert ours == theirs
    assert ours["export_wh"] == summary["energy_wh"]["gateway_export"] > 0
    assert ours["export_amount_nano_yuan"] > 0


def test_every_mode_carries_energy(summary):
    traded = summary["traded_wh"]
    assert all(traded[mode] > 0 for mode in ("mode_1", "mode_2", "mode_3", "province_export"))
    assert traded["province_import"] == 0, "at noon the county has more than enough"


def test_congestion_is_seen_before_and_resolved_by_setpoints(summary):
    violations = summary["violations"]
    assert violations["uncontrolled"] > 0
    assert violations["expected_before"] > 0
    assert violations["expected_after"] == 0
    assert summary["setpoints"] > 0
    assert summary["world"]["energy_wh"]["curtailed"] > 0, "the devices obeyed"
    # Both counts come from power flows on what really happened: the hub's on registers, the world's on its devices.
    assert violations["metered"] * 2 < violations["uncontrolled"]
    assert violations["world"] * 2 < violations["uncontrolled"]
    with_control, without = summary["world"]["with_control"], summary["world"]["without_control"]
    for worst in ("highest_voltage", "worst_transformer"):
        assert with_control[worst]["value"] < without[worst]["value"]


def test_loss_comes_from_registers_and_agrees_with_physics(summary):
    energy, physics = summary["energy_wh"], summary["world"]["energy_wh"]
    assert energy["loss"] > 0
    assert energy["loss"] != physics["loss"], "the same number to the Wh would not have come from registers"
    for name in ("loss", "generation", "load", "gateway_export"):
        assert abs(energy[name] - physics[name]) <= REGISTERS_WH, name
    supplied = energy["gateway_import"] + energy["generation"] + energy["discharge"]
    assert supplied == energy["gateway_export"] + energy["load"] + energy["charge"] + energy["loss"]


def test_what_it_needed_is_printed_and_within_bounds(summary):
    assert 0 < summary["peak_pss_bytes"] < PSS_LIMIT_BYTES
    assert {"hub", "world", "edge-1", "edge-2", "nats-server"} <= summary["peak_pss_by_process_bytes"].keys()
    assert {"setup", "world", "edge", "hub", "summary", "total"} <= summary["seconds"].keys()
    assert {"clear", "settle", "check", "publish"} <= summary["hub_seconds"].keys()
    assert len(summary["result_hash"]) == 64


@pytest.mark.parametrize(("language", "words"), [("zh-CN", "日"), ("en", DAY)])
def test_the_report_can_be_read(summary, language, words):
    pages = PdfReader(summary["report"][f"pdf {language}"]).pages
    text = "\n".join(page.extract_text() for page in pages)
    assert words in text
    assert "�" not in text


def test_the_accounts_of_the_report_sum_to_zero(summary):
    rows = rows_of(summary["report"]["csv accounts"])
    assert (rows[-1]["account"], int(rows.pop()["ledger_nano_yuan"])) == ("sum", 0)
    assert all(row["ledger_nano_yuan"] == row["independent_nano_yuan"] for row in rows)
    assert sum(int(row["independent_nano_yuan"]) for row in rows) == 0
    groups = dict.fromkeys(summary["money_nano_yuan"], 0)
    for row in rows:
        groups[row["group"]] += int(row["ledger_nano_yuan"])
    assert groups == summary["money_nano_yuan"]


def test_the_intervals_of_the_report_sum_to_the_summary(summary):
    rows = rows_of(summary["report"]["csv intervals"])
    assert [row["label"] for row in (rows[0], rows[-1])] == ["10:15", "14:00"]
    assert len(rows) == INTERVALS
    for column, total in (
        ("export_wh", summary["energy_wh"]["gateway_export"]),
        ("import_wh", summary["energy_wh"]["gateway_import"]),
        *((f"{mode}_wh", summary["traded_wh"][mode]) for mode in ("mode_1", "mode_2", "mode_3")),
        ("setpoints", summary["setpoints"]),
        ("curtailed_wh", summary["curtailed_wh"]),
        ("violations_metered", summary["violations"]["metered"]),
    ):
        assert sum(int(row[column]) for row in rows) == total, column
    assert all(int(row["account_sum_nano_yuan"]) == 0 for row in rows)
    # What a microgrid loses behind its gateway meter is its own affair, and no loss of the county's market.
    physics = summary["world"]["energy_wh"]
    settled_wh = sum(int(row["loss_wh"]) for row in rows)
    assert abs(settled_wh - (physics["loss"] - physics["loss_inside_microgrids"])) <= REGISTERS_WH


def test_the_report_says_that_nothing_was_missing_or_refused(summary):
    assert rows_of(summary["report"]["csv gaps"]) == []
    assert rows_of(summary["report"]["csv refused"]) == []


def test_the_report_names_whom_it_hit(summary):
    rows = rows_of(summary["report"]["csv limited"])
    assert sum(int(row["setpoints"]) for row in rows) == summary["setpoints"]
    assert sum(int(row["curtailed_wh"]) for row in rows) == summary["curtailed_wh"]
    assert all(row["participant"] and row["meter"] and row["unit"] for row in rows)


def test_no_program_had_anything_to_complain_about(midday):
    for log in (midday.run / "logs").glob("*.log"):
        text = log.read_text(encoding="utf8")
        assert "Traceback" not in text, log.name
        assert " ERROR " not in text, log.name
    assert "Violation" not in (midday.run / "hub" / "broker" / "nats.log").read_text(), "the broker denied something"
