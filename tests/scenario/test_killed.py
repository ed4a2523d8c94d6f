"""kill -9 of hub, broker and an edge process in one run: the day ends as if nothing had happened."""

import pytest


@pytest.fixture(scope="module")
def killed(run_noon):
    return run_noon("--kill", "all").succeeded()


def test_the_result_is_that_of_the_undisturbed_run(killed, noon):
    assert killed.summary["result_hash"] == noon.summary["result_hash"]
    for name in ("money_nano_yuan", "energy_wh", "traded_wh", "setpoints", "violations", "orders", "metering_points"):
        assert killed.summary[name] == noon.summary[name], name
    assert killed.summary["residual_nano_yuan"] == 0


def test_each_kill_came_while_a_message_had_no_receipt(killed):
    kills = {kill["what"]: kill for kill in killed.summary["kills"]}
    assert kills.keys() == {"hub", "broker", "edge"}
    assert all(kill["unreceipted"] > 0 for kill in kills.values())
    assert len({kill["instant"] for kill in kills.values()}) == 3


def test_who_was_killed_was_started_again_once(killed):
    restarts = killed.summary["restarts"]
    assert restarts["hub"] == 1
    assert sorted([restarts["edge-1"], restarts["edge-2"]]) == [0, 1]
    log = (killed.run / "logs" / "hub.log").read_text(encoding="utf8")
    assert log.count("broker died and was started again") == 1


def test_no_reading_was_lost_and_none_counted_twice(killed, noon):
    readings = killed.summary["readings"]
    assert readings["published"] == readings["admitted"] == noon.summary["readings"]["admitted"]
    assert readings["quarantined"] == 0
    assert killed.summary["refused"] == {}
