"""Bad command lines and files: one line that says what is wrong, and exit 2; nothing is left running."""

import json
import re
import shutil
import socket
import subprocess

import msgspec
import pytest
from typer.testing import CliRunner

from edge.contract.registry import decode_registry, encode_registry
from hub import cli, run_cli


def fails(command, arguments, what):
    """Run the command in this process; it must end with status 2 and one line on stderr."""
    done = CliRunner().invoke(command, arguments)
    assert done.exit_code == 2, done.output
    assert done.stdout == ""
    assert re.fullmatch(rf"microbalance hub: .*{what}.*\n", done.stderr), done.stderr


@pytest.fixture
def county(tmp_path, toy_folder):
    """A county folder to spoil."""
    return shutil.copytree(toy_folder, tmp_path / "county")


def spoil_registry(county, **changes):
    """Change the first metering point of the registry."""
    registry = decode_registry((county / "registry.json").read_bytes())
    points = (msgspec.structs.replace(registry.metering_points[0], **changes), *registry.metering_points[1:])
    (county / "registry.json").write_bytes(encode_registry(msgspec.structs.replace(registry, metering_points=points)))


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("registry.json", None, "registry.json: No such file or directory"),
        ("registry.json", b"{", "registry.json: not a registry"),
        ("registry.json", b'{"county":"x"}', "registry.json: not a registry.*units"),
        ("registry.json", b"\xff\xfe", "registry.json: not a registry"),
    ],
)
def test_prepare_with_a_county_that_is_none(county, tmp_path, name, content, what):
    if content is None:
        (county / name).unlink()
    else:
        (county / name).write_bytes(content)
    fails(cli.app, ["prepare", "--county", str(county), "--run", str(tmp_path / "run")], what)


def test_prepare_without_the_county_folder(tmp_path):
    nowhere = str(tmp_path / "nowhere")
    fails(
        cli.app, ["prepare", "--county", nowhere, "--run", str(tmp_path / "run")], "cannot read .*nowhere/registry.json"
    )


def test_prepare_with_a_registry_that_contradicts_itself(county, tmp_path):
    spoil_registry(county, unit_id="A999")
    arguments = ["prepare", "--county", str(county), "--run", str(tmp_path / "run")]
    fails(cli.app, arguments, "meter M000001: unit A999 is unknown")


def test_prepare_with_units_in_a_circle(county, tmp_path):
    registry = decode_registry((county / "registry.json").read_bytes())
    units = tuple(
        msgspec.structs.replace(unit, parent_id="A001") if unit.unit_id == "F1" else unit for unit in registry.units
    )
    (county / "registry.json").write_bytes(encode_registry(msgspec.structs.replace(registry, units=units)))
    arguments = ["prepare", "--county", str(county), "--run", str(tmp_path / "run")]
    fails(cli.app, arguments, "does not hang on the root")


def test_prepare_with_a_participant_of_a_system_accounts_name(county, tmp_path):
    text = (county / "registry.json").read_text()
    (county / "registry.json").write_text(text.replace('"P00001"', '"D_sup"'))
    arguments = ["prepare", "--county", str(county), "--run", str(tmp_path / "run")]
    fails(cli.app, arguments, "account 'D_sup' would stand twice")


@pytest.mark.parametrize(
    ("option", "value", "what"),
    [
        ("--broker", "127.0.0.1:1883", "'127.0.0.1:1883' is not a broker; write mqtt://host:port"),
        ("--broker", "mqtt://127.0.0.1:seven", "is not a broker"),
        ("--broker", "http://127.0.0.1:1883", "is not a broker"),
        ("--database", "nonsense", "the database URL is not one"),
        ("--database", "mysql://127.0.0.1/hub", "database 'mysql' is not supported"),
        ("--database", "sqlite://", "must be a file"),
        ("--database", "sqlite:////nowhere/at/all/hub.db", "unable to open database file"),
        ("--database", "postgresql://market@127.0.0.1:1/hub", "connection"),
    ],
)
def test_prepare_with_a_bad_url(county, tmp_path, option, value, what):
    fails(cli.app, ["prepare", "--county", str(county), "--run", str(tmp_path / "run"), option, value], what)


def test_prepare_into_a_place_that_is_no_folder(county, tmp_path):
    (tmp_path / "file").write_text("")
    fails(
        cli.app,
        ["prepare", "--county", str(county), "--run", str(tmp_path / "file" / "run")],
        "file/run: Not a directory",
    )


def test_prepare_again_for_another_county(county, tmp_path):
    arguments = ["prepare", "--county", str(county), "--run", str(tmp_path / "run")]
    assert CliRunner().invoke(cli.app, arguments).exit_code == 0
    again = CliRunner().invoke(cli.app, [*arguments, "--json"])
    assert json.loads(again.stdout)["metering_points"] == 24
    spoil_registry(county, clean=True)
    fails(cli.app, arguments, "the database holds another registry, of county 'toy'")
    fails(cli.app, [*arguments[:3], "--run", str(tmp_path / "run"), "--broker", "mqtt://127.0.0.1:1883"], "another")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, toy_folder):
    run = tmp_path_factory.mktemp("prepared") / "run"
    done = CliRunner().invoke(cli.app, ["prepare", "--county", str(toy_folder), "--run", str(run)])
    assert done.exit_code == 0, done.output
    return run


def serve(county, run, rig, **options):
    """The arguments of `hub serve`, with a port of its own and addresses at which nobody listens."""
    given = {
        "county": county,
        "run": run,
        "province": "http://127.0.0.1:1",
        "control": "127.0.0.1:1",
        "first_interval": 1_626_056,
        "last_interval": 1_626_057,
        "http": f"127.0.0.1:{rig.free_port()}",
    }
    return ["serve", *(word for name, value in (given | options).items() for word in (option(name), str(value)))]


def option(name):
    return "--" + name.replace("_", "-")


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"first_interval": 1_626_058}, "--first-interval 1626058 lies behind --last-interval 1626057"),
        ({"http": "8000"}, "'8000' is not an address; write host:port"),
        ({"control": "127.0.0.1:0"}, "is not an address"),
        ({"broker": "nonsense"}, "'nonsense' is not a broker"),
        ({"database": "nonsense"}, "the database URL is not one"),
        ({"province": "127.0.0.1:8080"}, "'127.0.0.1:8080' is not a provincial market; write http://host:port"),
        ({"province": "http://127.0.0.1:eighty"}, "is not a provincial market"),
        ({"control": "127.0.0.1:1"}, "no conductor at 127.0.0.1:1: Connection refused"),
        ({"http": "192.0.2.1:8000"}, "the console cannot listen on 192.0.2.1:8000: Cannot assign"),
    ],
)
def test_serve_with_a_bad_value(toy_folder, prepared, rig, options, what):
    fails(cli.app, serve(toy_folder, prepared, rig, **options), what)
    assert rig.HubProcess([], prepared).broker_process_id() is None


def test_serve_or_run_what_was_not_prepared(toy_folder, tmp_path, rig):
    what = "never is not prepared; run `microbalance hub prepare` first"
    fails(cli.app, serve(toy_folder, tmp_path / "never", rig), what)
    never = ["--county", str(toy_folder), "--run", str(tmp_path / "never"), "--province", "http://127.0.0.1:1"]
    fails(run_cli.app, never, what)


def test_serve_what_was_prepared_in_part(toy_folder, prepared, tmp_path, rig):
    run = shutil.copytree(prepared, tmp_path / "run")
    database = f"sqlite:///{tmp_path / 'other.db'}"
    fails(cli.app, serve(toy_folder, run, rig, database=database), "no such table: county")
    (run / "credentials" / "hub.json").unlink()
    fails(cli.app, serve(toy_folder, run, rig), "cannot read .*credentials/hub.json")
    (run / "prepared.json").write_text("[")
    fails(cli.app, serve(toy_folder, run, rig), "prepared.json cannot be read; run `microbalance hub prepare` again")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (None, "network.json: No such file"),
        ("{", "network.json: not JSON"),
        ("{}", "network.json: not a pandapower network"),
    ],
)
def test_serve_with_a_network_that_is_none(county, prepared, rig, content, what):
    if content is None:
        (county / "network.json").unlink()
    else:
        (county / "network.json").write_text(content)
    fails(cli.app, serve(county, prepared, rig), what)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"bus": "E99"}, "network.json and registry.json do not fit: bus 'E99' of a metering point"),
        ({"voltage_class": "6kV"}, "registry.json: meter M000001: no tariff for class '6kV'"),
    ],
)
def test_serve_with_a_registry_that_does_not_fit(county, prepared, rig, changes, what):
    spoil_registry(county, **changes)
    fails(cli.app, serve(county, prepared, rig), what)


def test_a_port_in_use_is_one_line_of_the_program_itself(toy_folder, prepared, rig):
    """As the user sees it: no log, no trace, and the broker was never started."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        arguments = serve(toy_folder, prepared, rig, http=f"127.0.0.1:{port}")
        done = subprocess.run([*rig.PROGRAM, "hub", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == f"microbalance hub: the console cannot listen on 127.0.0.1:{port}: Address already in use\n"
    assert rig.HubProcess([], prepared).broker_process_id() is None


def test_keys_are_issued_and_revoked_in_a_prepared_run_folder(tmp_path, toy_folder):
    run = tmp_path / "run"
    fails(cli.app, ["key", "desk", "--run", str(run)], "is not prepared")
    prepared = CliRunner().invoke(cli.app, ["prepare", "--county", str(toy_folder), "--run", str(run)])
    assert prepared.exit_code == 0, prepared.output
    issued = CliRunner().invoke(cli.app, ["key", "desk", "--run", str(run), "--json"])
    assert json.loads(issued.stdout).keys() == {"name", "role", "key"}
    fails(cli.app, ["key", "desk", "--run", str(run)], "desk has a key already")
    fails(cli.app, ["key", "desk", "--run", str(run), "--revoke"], "last operator")
    assert CliRunner().invoke(cli.app, ["key", "night", "--run", str(run)]).exit_code == 0
    revoked = CliRunner().invoke(cli.app, ["key", "desk", "--run", str(run), "--revoke"])
    assert (revoked.exit_code, revoked.stdout) == (0, "desk has no key any more\n")
