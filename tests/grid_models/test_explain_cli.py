"""`explain` as a command: the parts add up to the flow, the largest first; what cannot be explained gets one line."""

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from grid_models import command_line
from grid_models.explain_cli import explain
from grid_models.importers import open_network
from grid_models.networks import Network, from_pandapower, write_network

RURAL = "1-LV-rural1--0-sw"


@pytest.fixture(scope="module")
def rural() -> Network:
    return open_network(RURAL)


@pytest.fixture
def _opened_once(rural: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """The network of RURAL takes long to open."""
    monkeypatch.setattr(command_line, "open_network", lambda name: rural if name == RURAL else open_network(name))


def call(*arguments: str) -> Any:
    app = typer.Typer()
    app.command()(explain)
    return CliRunner().invoke(app, arguments)


def test_ieee33_line_2_3_is_loaded_by_what_lies_behind_it() -> None:
    """Loads behind 2-3 in the paper's table: 3,715 kW less those of buses 2 and 19 to 22."""
    document = json.loads(call("ieee33", "--element", "line 2-3", "--top", "3", "--json").stdout)
    assert document["net_mw"] == pytest.approx(3.715 - 0.1 - 4 * 0.09)
    assert document["flow_mw"] == pytest.approx(document["net_mw"] + document["losses_mw"])
    assert document["losses_mw"] > 0
    assert (document["direction"], document["method"]) == ("import", "path")
    assert [(row["point"], row["contribution_mw"]) for row in document["points"]] == [
        ("load 24", 0.42),
        ("load 25", 0.42),
        ("load 32", 0.21),
    ]
    listed = sum(row["contribution_mw"] for row in document["points"])
    assert listed + document["others_mw"] == pytest.approx(document["net_mw"])
    assert document["points"][0]["share_percent"] == pytest.approx(42 / 3.255)
    assert document["loading_percent"] is None


@pytest.mark.usefixtures("_opened_once")
def test_a_quarter_hour_of_the_profiles_names_plants_before_what_relieves() -> None:
    """At noon in June the transformer feeds back: plants load it, loads relieve it and stand last."""
    row = 31 + 29 + 31 + 30 + 31 + 14
    said = call(RURAL, "--element", "MV1.101-LV1.101-Trafo 1", "--row", str(row * 96 + 48), "--top", "100", "--json")
    document = json.loads(said.stdout)
    assert (document["direction"], document["at"]) == ("export", "2016-06-15T12:00")
    parts = [point["contribution_mw"] for point in document["points"]]
    assert parts == sorted(parts, reverse=True)
    assert document["n_others"] == 0
    assert sum(parts) == pytest.approx(document["net_mw"])
    assert document["flow_mw"] == pytest.approx(document["net_mw"] - document["losses_mw"])
    assert document["losses_mw"] > 0
    assert {point["kind"] for point in document["points"] if point["contribution_mw"] > 0} == {"plant"}
    assert sum(point["share_percent"] for point in document["points"]) == pytest.approx(100)


def test_people_get_a_table() -> None:
    shown = call("ieee33", "--element", "line 2-3", "--top", "2").stdout
    assert "line 2-3 carries 3.444299 MW (import)" in shown
    assert "load 24" in shown
    assert "25 others" in shown


@pytest.mark.usefixtures("_opened_once")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("ieee33", "--element", "line 1-99"), "no line or transformer is called 'line 1-99'"),
        (("ieee33", "--element", "line 25-29"), "'line 25-29' is open"),
        (("ieee33", "--element", "line 2-3", "--row", "5"), "carries no profiles"),
        ((RURAL, "--element", "MV1.101-LV1.101-Trafo 1", "--row", "35136"), "35135"),
        (("nowhere.json", "--element", "x"), "nowhere.json"),
    ],
)
def test_what_cannot_be_explained_gets_one_line(arguments: tuple[str, ...], words: str) -> None:
    said = call(*arguments)
    assert said.exit_code == 2
    assert said.stdout == ""
    (line,) = said.stderr.splitlines()
    assert line.startswith("grid: ")
    assert words in line


def test_a_state_without_solution_is_said(tmp_path: Path, county: Any) -> None:
    county.load["p_mw"] = 5.0
    write_network(from_pandapower(county), tmp_path / "heavy.json")
    said = call(str(tmp_path / "heavy.json"), "--element", "A1")
    assert said.exit_code == 2
    assert "no solution" in said.stderr
