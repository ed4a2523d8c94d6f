"""A bad value gets one line that says what is wrong, and exit status 2; and the edge imports little."""

import ast
import json
import socket
import sys
from pathlib import Path

import pytest

import edge
from edge.cli import app

ALLOWED = {"edge", "msgspec", "paho", "typer", "rich"}


def call(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        app(args=[str(argument) for argument in arguments], prog_name="microbalance edge")
    return ended.value.code, capsys.readouterr()


@pytest.fixture
def good(rig_files):
    folder, gateway_ids = rig_files
    return {
        "--county": folder / "county",
        "--credentials": folder / "credentials",
        "--state": folder / "edge.db",
        "--gateways": ",".join(gateway_ids),
        "--world": "127.0.0.1:1",
        "--control": "127.0.0.1:1",
    }


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--county", "nowhere", "nowhere/registry.json: No such file"),
        ("--credentials", "nowhere", "nowhere/G0001.json: No such file"),
        ("--state", "/", "unable to open"),
        ("--gateways", "", "names no gateway"),
        ("--gateways", "G0001,G0099", "no gateway G0099"),
        ("--gateways", "G0001,G0001", "twice"),
        ("--gateways", "G/1", "no gateway id"),
        ("--gateways", "@nowhere", "No such file"),
        ("--world", "localhost", "HOST:PORT"),
        ("--world", "localhost:0", "HOST:PORT"),
        ("--control", "localhost:65536", "HOST:PORT"),
        ("--control", ":5", "HOST:PORT"),
        ("--colour", "red", "No such option"),
        ("--county", None, "Missing option"),
    ],
)
def test_a_bad_value_gets_one_line(good, option, value, says, capsys):
    options = {**good, option: value}
    arguments = [part for name, text in options.items() if text is not None for part in (name, text)]
    status, said = call(arguments, capsys)
    assert status == 2
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    assert says in said.err


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("county/registry.json", b"{}", "not a registry"),
        ("county/registry.json", b"\xff", "not a registry"),
        ("credentials/G0002.json", b'{"user":"G0002"}', "password"),
        ("credentials/G0002.json", b"\xff", "G0002.json"),
        ("edge.db", b"this is no database" * 100, "not a database"),
    ],
)
def test_an_unreadable_file_gets_one_line(good, file, content, says, capsys):
    (good["--state"].parent / file).write_bytes(content)
    status, said = call([part for pair in good.items() for part in pair], capsys)
    assert status == 2
    assert len(said.err.splitlines()) == 1
    assert says in said.err


def test_without_its_conductor_it_fails_with_one_line(good, capsys):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        good["--control"] = f"127.0.0.1:{listener.getsockname()[1]}"
    status, said = call([part for pair in good.items() for part in pair], capsys)
    assert status == 1
    assert "no conductor" in said.err
    assert len(said.err.splitlines()) == 1


def test_the_edge_imports_only_what_a_small_gateway_has():
    imported = set()
    for path in Path(edge.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {name.name.partition(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0
                imported.add(node.module.partition(".")[0])
    assert imported - set(sys.stdlib_module_names) <= ALLOWED


def test_the_gateways_may_stand_in_a_file(good, capsys):
    listed = good["--state"].parent / "gateways.txt"
    listed.write_text("G0001\nG0002, G0099\n")
    good["--gateways"] = f"@{listed}"
    assert "no gateway G0099" in call([part for pair in good.items() for part in pair], capsys)[1].err
    assert json.loads((good["--county"] / "registry.json").read_text())["county"] == "c1"
