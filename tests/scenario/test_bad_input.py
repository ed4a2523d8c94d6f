"""Bad input is refused for its own reason, counted and shown, and changes nothing; a bad command line gets one line."""

import csv
import socket
from pathlib import Path

import pytest

REASONS = {
    "a payload that is no message": "malformed",
    "a reading for another gateway's meter": "foreign-meter",
    "a register that runs backwards": "backwards",
    "an order off tick": "off-tick",
    "an order above the cap": "above-cap",
}


@pytest.fixture(scope="module")
def disturbed(run_noon):
    return run_noon("--bad-input").succeeded()


def test_each_offence_is_refused_for_its_own_reason_and_counted(disturbed):
    told = {offence["what"]: offence for offence in disturbed.summary["bad_input"]}
    assert {what: offence["reason"] for what, offence in told.items()} == REASONS
    for offence in told.values():
        named = [] if offence["reason"] == "malformed" else [offence["reason"]]
        assert offence["told"] == named, "what carries no number cannot be named in a receipt"
    refused = disturbed.summary["refused"]
    assert refused.keys() == set(REASONS.values())
    assert all(count > 0 for count in refused.values())
    with Path(disturbed.summary["report"]["csv refused"]).open(encoding="utf-8-sig") as file:
        assert {row["reason"] for row in csv.DictReader(file)} == refused.keys()


def test_nothing_else_changed(disturbed, noon):
    bad, good = disturbed.summary, noon.summary
    assert bad["result_hash"] == good["result_hash"]
    for name in ("money_nano_yuan", "energy_wh", "traded_wh", "setpoints", "violations", "laws"):
        assert bad[name] == good[name], name
    assert bad["readings"]["admitted"] == bad["readings"]["published"] == good["readings"]["published"]
    assert bad["readings"]["quarantined"] == 2
    assert bad["orders"] == {"accepted": good["orders"]["accepted"], "rejected": 2}


def test_a_bad_value_gets_one_line_and_status_2(demo_process, new_folder):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        taken = str(listener.getsockname()[1])
        cases = {
            ("--day", "2016-02-30"): '--day: "2016-02-30" is not a day; write YYYY-MM-DD',
            ("--from", "12:00", "--to", "11:00"): "--from 12:00 is not before --to 11:00",
            ("--from", "10:07"): '--from: "10:07" is not a quarter-hour from 00:00 to 24:00',
            ("--kill", "world"): '--kill: "world" cannot be killed; one or more of hub, broker, edge, or all',
            ("--port", taken): f"--port {taken}: something else listens there",
            ("--broker", "http://127.0.0.1:1"): '--broker "http://127.0.0.1:1" is not mqtt://HOST:PORT',
            ("--database", "mysql://a/b"): '--database "mysql://a/b" is not a URL of PostgreSQL or SQLite',
        }
        for arguments, complaint in cases.items():
            folder = new_folder()
            line = [*demo_process.demo_arguments(folder, "--exit"), *arguments]
            with demo_process.Program(line, folder) as program:
                ended = program.wait()
            assert ended.status == 2, ended.explained()
            assert ended.stdout == ""
            assert ended.stderr == f"microbalance demo: {complaint}\n"
            assert not ended.run.exists(), "it did not begin"


def test_a_broker_that_is_not_there_is_named(demo_process, new_folder):
    folder = new_folder()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closed = listener.getsockname()[1]
    url = f"mqtt://127.0.0.1:{closed}"
    with demo_process.Program(demo_process.demo_arguments(folder, "--broker", url), folder) as program:
        ended = program.wait()
    assert ended.status == 2
    assert ended.stderr == f"microbalance demo: --broker {url}: Connection refused\n"


@pytest.mark.parametrize("option", ["--out", "--run"])
def test_a_folder_that_cannot_be_one_is_named(demo_process, new_folder, option):
    folder = new_folder()
    (folder / "file").touch()
    wrong = str(folder / "file" / "below")
    line = ["demo", "--exit", "--port", "0", option, wrong]
    with demo_process.Program(line, folder) as program:
        ended = program.wait()
    assert ended.status == 2
    assert ended.stderr == f"microbalance demo: {option} {wrong}: Not a directory\n"


def test_a_report_that_could_not_be_written_is_found_before_the_day(demo_process, new_folder):
    folder = new_folder()
    (folder / "out").touch()
    with demo_process.Program(demo_process.demo_arguments(folder), folder) as program:
        ended = program.wait()
    assert ended.status == 2
    assert ended.stderr == f"microbalance demo: --out {folder / 'out'}: File exists\n"


def test_a_county_of_another_day_is_named(demo_process, prepared_folder):
    folder = prepared_folder()
    line = demo_process.demo_arguments(folder, "--day", "2016-05-18")
    with demo_process.Program(line, folder) as program:
        ended = program.wait()
    assert ended.status == 2
    reason = "its county was made for 2016-05-17, seed 1, not for 2016-05-18, seed 1"
    assert ended.stderr == f"microbalance demo: --run {folder / 'run'}: {reason}\n"


def test_a_county_that_cannot_be_read_is_named(demo_process, prepared_folder):
    folder = prepared_folder()
    registry = folder / "run" / "county" / "registry.json"
    registry.write_bytes(registry.read_bytes()[:1000])
    with demo_process.Program(demo_process.demo_arguments(folder, "--quiet"), folder) as program:
        ended = program.wait()
    assert ended.status == 2
    assert ended.stderr.count("\n") == 1
    assert str(registry) in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_database_that_is_not_there_is_named(demo_process, prepared_folder):
    folder = prepared_folder()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closed = listener.getsockname()[1]
    line = demo_process.demo_arguments(folder, "--quiet", "--database", f"postgresql://nobody@127.0.0.1:{closed}/none")
    with demo_process.Program(line, folder) as program:
        ended = program.wait()
    assert ended.status == 2
    assert ended.stderr.count("\n") == 1
    assert "127.0.0.1" in ended.stderr
    assert str(closed) in ended.stderr


def test_a_database_that_holds_another_run_is_refused_before_the_day(demo_process, prepared_folder, noon):
    folder = prepared_folder()
    used = f"sqlite:///{noon.run / 'hub' / 'hub.db'}"
    line = demo_process.demo_arguments(folder, "--quiet", "--database", used)
    with demo_process.Program(line, folder) as program:
        ended = program.wait()
    assert ended.status == 2
    assert ended.stderr.count("\n") == 1
    assert "the database holds readings of an earlier run" in ended.stderr
