"""The summary: what it holds, and that each check fails when the processes disagree."""

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from simulators.demo.bad_input import OffenceOutcome
from simulators.demo.kills import Kill
from simulators.demo.memory import MemoryPeak
from simulators.demo.summary import (
    RunFacts,
    Summary,
    SummaryError,
    decode_hub_summary,
    decode_province_settlements,
    summarise,
)
from simulators.demo.tables import print_summary, yuan_text

FIRST, END = 1_626_100, 1_626_102
STRESS = {
    "violating_intervals": 1,
    "buses_too_high": 1,
    "buses_too_low": 2,
    "transformers_overloaded": 3,
    "transformers_reversed": 4,
    "lines_overloaded": 5,
    "highest_voltage": {"element": "bus 7", "interval": FIRST, "value": 1.09},
    "worst_transformer": {"element": "transformer 3", "interval": FIRST, "value": 1.4},
}


def settlement(interval: int, import_wh: int) -> dict[str, int]:
    return {
        "interval": interval,
        "metered_import_wh": import_wh,
        "metered_export_wh": 0,
        "import_amount_nano_yuan": import_wh * 300_000,
        "export_amount_nano_yuan": 0,
        "day_ahead_price_uyuan_per_kwh": 1,
    }


def documents() -> dict[str, Any]:
    """Return what the processes of a sound run answer; tests spoil it."""
    return {
        "hub": {
            "metering_points": 3,
            "intervals": 2,
            "readings": {"admitted": 12, "duplicate": 1, "quarantined": 0},
            "orders": {"accepted": 4, "rejected": 1},
            "refused": {"foreign-meter": 1, "off-tick": 2, "malformed": 1},
            "traded_wh": {"mode_1": 1_234_567, "mode_2": 2, "mode_3": 3},
            "energy": {
                "gateway_import_wh": 30,
                "gateway_export_wh": 0,
                "generation_wh": 7,
                "load_wh": 31,
                "charge_wh": 0,
                "discharge_wh": 0,
                "loss_wh": 6,
            },
            "money_nano_yuan": {"d_sup": -9_000_000, "province": 9_000_000},
            "residual_nano_yuan": 0,
            "province": {
                "import_wh": 30,
                "export_wh": 0,
                "import_amount_nano_yuan": 9_000_000,
                "export_amount_nano_yuan": 0,
            },
            "violations": {"expected_before": 3, "expected_after": 0, "metered": 1},
            "setpoints": 2,
            "curtailed_wh": 5,
            "laws": {str(law): {"checked": 2, "violations": []} for law in range(1, 9)},
            "result_hash": "ab" * 32,
            "report": {"pdf": "out/report.pdf"},
        },
        "world": {
            "intervals": 2,
            "energy_wh": {
                "gateway_import": 31,
                "gateway_export": 0,
                "generation": 7,
                "curtailed": 5,
                "load": 31,
                "loss": 8,
                "loss_inside_microgrids": 1,
            },
            "with_control": STRESS | {"buses_too_high": 0},
            "without_control": STRESS,
        },
        "province": {
            "settlements": [settlement(FIRST - 1, 99), settlement(FIRST, 10), settlement(FIRST + 1, 20)],
        },
        "edges": {
            "edge-1": {"published_readings": 7, "published_orders": 5},
            "edge-2": {"published_readings": 5},
        },
    }


def summary_of(said: dict[str, Any], **facts: Any) -> Summary:
    run = RunFacts(
        day="2016-05-17",
        seed=1,
        from_interval=FIRST,
        to_interval=END,
        edge_counts=said["edges"],
        seconds={"total": 1.25},
        hub_seconds={"clear": 0.5},
        memory=MemoryPeak(3 * 1024 * 1024, {"hub": 3 * 1024 * 1024}),
        **facts,
    )
    hub = decode_hub_summary(json.dumps(said["hub"]).encode())
    settlements = decode_province_settlements(json.dumps(said["province"]).encode())
    return summarise(run, hub, json.dumps(said["world"]).encode(), settlements)


def broken(summary: Summary) -> list[str]:
    return [check.name for check in summary.checks if not check.holds]


def test_a_sound_run_holds_and_says_everything() -> None:
    summary = summary_of(documents())
    assert broken(summary) == []
    document = summary.document
    json.dumps(document)
    assert document["ok"] is True
    assert document["readings"] == {"published": 12, "admitted": 12, "duplicate": 1, "quarantined": 0}
    assert document["orders"] == {"accepted": 4, "rejected": 1}
    assert document["residual_nano_yuan"] == 0
    assert document["violations"] == {
        "uncontrolled": 15,
        "expected_before": 3,
        "expected_after": 0,
        "metered": 1,
        "world": 14,
    }
    assert document["peak_pss_bytes"] == 3 * 1024 * 1024
    assert document["metering_points"] == 3
    assert document["energy_wh"]["gateway_import"] == 30
    assert document["world"]["without_control"]["highest_voltage"]["value"] == 1.09


def lose_a_reading(said: dict[str, Any]) -> None:
    said["hub"]["readings"]["admitted"] = 11


def lose_an_order(said: dict[str, Any]) -> None:
    said["hub"]["orders"]["rejected"] = 0


def settle_too_little(said: dict[str, Any]) -> None:
    said["hub"]["intervals"] = 1


def quarantine(said: dict[str, Any]) -> None:
    said["hub"]["readings"]["quarantined"] = 1


def let_the_gateway_differ(said: dict[str, Any]) -> None:
    said["hub"]["energy"]["gateway_import_wh"] = 29


def lose_loss(said: dict[str, Any]) -> None:
    said["hub"]["energy"]["loss_wh"] = 0


def leave_a_residual(said: dict[str, Any]) -> None:
    said["hub"]["residual_nano_yuan"] = 1


def hide_an_account(said: dict[str, Any]) -> None:
    del said["hub"]["money_nano_yuan"]["d_sup"]


def let_the_province_differ(said: dict[str, Any]) -> None:
    said["province"]["settlements"][2]["import_amount_nano_yuan"] += 1


def leave_an_interval_unsettled(said: dict[str, Any]) -> None:
    del said["province"]["settlements"][1]


def break_a_law(said: dict[str, Any]) -> None:
    said["hub"]["laws"]["4"]["violations"] = ["meter M000001 is lost"]


def never_check_a_law(said: dict[str, Any]) -> None:
    said["hub"]["laws"]["8"]["checked"] = 0


def forget_a_law(said: dict[str, Any]) -> None:
    del said["hub"]["laws"]["6"]


@pytest.mark.parametrize(
    ("spoil", "names"),
    [
        (lose_a_reading, ["readings published = admitted"]),
        (lose_an_order, ["orders submitted = accepted + rejected"]),
        (settle_too_little, ["intervals settled"]),
        (quarantine, ["no reading quarantined"]),
        (let_the_gateway_differ, ["gateway import metered = physical"]),
        (lose_loss, ["loss metered = physical"]),
        (leave_a_residual, ["all accounts sum to zero"]),
        (hide_an_account, ["all accounts sum to zero"]),
        (let_the_province_differ, ["the province settles what our ledger holds"]),
        (leave_an_interval_unsettled, ["the province settles what our ledger holds"]),
        (break_a_law, ["law 4"]),
        (never_check_a_law, ["law 8"]),
        (forget_a_law, ["law 6"]),
    ],
)
def test_each_check_fails_for_its_own_reason(spoil: Callable[[dict[str, Any]], None], names: list[str]) -> None:
    said = documents()
    spoil(said)
    summary = summary_of(said)
    assert broken(summary) == names
    assert summary.document["ok"] is False


def test_a_kill_that_never_hit_does_not_hold() -> None:
    kills = (Kill("hub", FIRST * 900, unreceipted=3, tries=1), Kill("edge", FIRST * 900, unreceipted=0, tries=2))
    summary = summary_of(documents(), kills=kills)
    assert broken(summary) == ["kill -9 of edge"]
    assert summary.document["kills"][0]["unreceipted"] == 3


def test_bad_input_must_be_refused_for_its_own_reason_and_counted() -> None:
    said = documents()
    said["hub"]["orders"]["rejected"] = 2  # one of them is the rogue's
    outcomes = (
        OffenceOutcome("a payload that is no message", "malformed", ()),
        OffenceOutcome("a reading for another gateway's meter", "foreign-meter", ("foreign-meter",)),
        OffenceOutcome("an order off tick", "off-tick", ("off-tick",)),
    )
    assert broken(summary_of(said, bad_input=outcomes)) == []
    said["hub"]["refused"]["malformed"] = 0
    assert broken(summary_of(said, bad_input=outcomes)) == ["bad input refused as malformed"]
    wrong = (OffenceOutcome("a register that runs backwards", "backwards", ("conflict",)), *outcomes[2:])
    said["hub"]["refused"]["backwards"] = 1
    assert broken(summary_of(said, bad_input=wrong)) == ["bad input refused as backwards"]


def test_an_answer_that_is_no_summary_is_named() -> None:
    said = documents()
    del said["hub"]["result_hash"]
    with pytest.raises(SummaryError, match=r"the hub.s summary: .*result_hash"):
        summary_of(said)
    with pytest.raises(SummaryError, match="the province"):
        decode_province_settlements(b"[]")


@given(st.integers(-(10**15), 10**15))
def test_yuan_is_rounded_to_the_fen_and_grouped(amount_nano_yuan: int) -> None:
    fen = int(yuan_text(amount_nano_yuan).replace(",", "").replace(".", ""))
    assert abs(fen * 10_000_000 - amount_nano_yuan) <= 5_000_000


def test_yuan_examples() -> None:
    assert yuan_text(-1_234_567_890_000_000) == "-1,234,567.89"
    assert yuan_text(5_000_000) == "0.01"
    assert yuan_text(-4_999_999) == "0.00"


def test_the_tables_name_what_does_not_hold() -> None:
    said = documents()
    break_a_law(said)
    text = io.StringIO()
    print_summary(summary_of(said), Console(file=text, width=120))
    shown = text.getvalue()
    assert "DOES NOT HOLD 不成立: law 4" in shown
    assert "meter M000001 is lost" in shown
    assert "1,234,567" in shown
    assert "out/report.pdf" in shown
    assert "1.090 / 1.090 pu" in shown
    assert "140.0%" in shown
    assert "ab" * 32 in shown
