"""`microbalance grid` and `microbalance schema` as commands: figures, documents, pictures, refusals."""

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import msgspec
import pytest

import grid_models.cli
import grid_models.command_line
import microbalance
from grid_models.grid_documents import DOCUMENTS
from grid_models.grid_reports import PeriodError, row_of, time_of
from grid_models.importers import open_network
from grid_models.networks import Network, from_pandapower, write_network
from grid_models.plots import distance_km
from microbalance import SCHEMAS

RURAL = "1-LV-rural1--0-sw"
TWO_NODE = ("--placement", "two-node", "--bus", "bus 18")
SHORT_CIRCUIT = ("--short-circuit", "--breaker", "12.66=20", "--converter-factor", "1.2")
JUNE = ("--from", "2016-06-01", "--to", "2016-06-30")
KEPT = {RURAL, "ieee33", "cigre_mv"}
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

# A Ctrl-C at the second checkpoint: the signal that a terminal would send, at an instant that can be told.
STOPPED = """
import signal, sys, microbalance
signal.signal(signal.SIGINT, signal.default_int_handler)  # where tests run in the background it is ignored
checkpoint, written = sys.argv[1], 0
def watch(event, arguments):
    global written
    if event == "os.rename" and str(arguments[1]) == checkpoint:
        written += 1
        if written == 2:
            signal.raise_signal(signal.SIGINT)
sys.addaudithook(watch)
sys.argv = ["microbalance", *sys.argv[2:]]
microbalance.main()
"""


@dataclass(frozen=True)
class Said:
    """What a command said. status: its exit status."""

    status: object
    out: str
    err: str

    @property
    def document(self) -> Any:
        assert self.status == 0, self.err
        assert len(self.out.splitlines()) == 1
        return json.loads(self.out)


Call = Callable[..., Said]


@cache
def _opened(name: str) -> Network:
    """Return a network, which takes seconds, once for all commands that run in this process."""
    return open_network(name)


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    for module in (grid_models.cli, grid_models.command_line):
        monkeypatch.setattr(module, "open_network", lambda name: (_opened if name in KEPT else open_network)(name))

    def run(*arguments: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["microbalance", *map(str, arguments)])
        status: object = 0
        try:
            microbalance.main()
        except SystemExit as ended:
            status = ended.code
        said = capsys.readouterr()
        return Said(status, said.out, said.err)

    return run


def process(*arguments: object) -> Said:
    command = [sys.executable, *map(str, arguments)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    return Said(ended.returncode, ended.stdout, ended.stderr)


def texts(picture: Path) -> set[str]:
    """Return the texts in an SVG picture, which we drew ourselves."""
    return {element.text for element in ET.parse(picture).iter() if element.text}  # noqa: S314


def check_against_schema(call: Call, name: str, document: Any) -> None:
    """Check by the printed schema's required keys, and by the struct with all its types."""
    schema = call("schema", name, "--json").document
    top = schema["$defs"][schema["$ref"].rpartition("/")[2]]
    assert set(top["required"]) == set(document) == set(top["properties"])
    assert msgspec.to_builtins(msgspec.convert(document, DOCUMENTS[name])) == document


# --- power flow -------------------------------------------------------------------------------------------------------


def test_the_command_gives_baran_and_wu_and_a_picture(call: Call, tmp_path: Path) -> None:
    picture = tmp_path / "profile.svg"
    said = process("-m", "microbalance", "grid", "powerflow", "ieee33", "--json", "--plot", picture)
    document = said.document
    assert said.err == ""
    check_against_schema(call, "grid-powerflow", document)
    assert document["loss_mw"] == pytest.approx(0.202677, abs=5e-7)  # Baran and Wu 1989, as issue 3 states it
    assert document["voltages"][0]["bus"] == "bus 18"
    assert document["voltages"][0]["vm_pu"] == pytest.approx(0.91309, abs=5e-6)
    assert document["without_limit"] == 37
    text = texts(picture)
    assert {"distance from the feeding point (km of line)", "voltage (per unit of nominal)"} <= text


def test_people_get_a_table(call: Call) -> None:
    said = call("grid", "powerflow", "ieee33", "--load-scale", 0.5)
    assert (said.status, said.err) == (0, "")
    assert "load x 0.5" in said.out
    assert "bus 18" in said.out


def test_no_solution_is_named_and_ends_with_status_1(call: Call) -> None:
    said = call("grid", "powerflow", "ieee33", "--load-scale", 5, "--json")
    document = json.loads(said.out)
    assert said.status == 1
    assert document["converged"] is False
    assert document["loss_mw"] is None
    assert document["failures"][0]["bus"].startswith("bus ")
    assert document["failures"][0]["reason"]
    check_against_schema(call, "grid-powerflow", document)
    assert "NO SOLUTION: bus " in call("grid", "powerflow", "ieee33", "--load-scale", 5).out


def test_a_stopped_run_goes_on_and_gives_the_same(call: Call, tmp_path: Path) -> None:
    checkpoint, picture = tmp_path / "state", tmp_path / "duration.png"
    command = ("grid", "powerflow", RURAL, "--profiles", *JUNE, "--percentiles", "--json")
    stopped = process("-c", STOPPED, checkpoint, *command, "--checkpoint", checkpoint)
    assert stopped.status == 1
    assert stopped.out == ""
    assert (
        stopped.err == f"grid: stopped after 2688 of 2880 quarter-hours; the same command goes on from {checkpoint}\n"
    )
    resumed = call(*command, "--checkpoint", checkpoint, "--plot", picture).document
    whole = call(*command).document
    assert resumed == whole
    check_against_schema(call, "grid-powerflow-profiles", whole)
    assert (whole["start"], whole["end"], whole["solved"]) == ("2016-06-01T00:00", "2016-07-01T00:00", 2880)
    assert len(whole["losses"]) == 10
    assert whole["loss_mwh"] >= sum(row["loss_mwh"] for row in whole["losses"]) > 0
    worst = whole["loadings"][0]
    assert worst["percentiles_percent"]["99"] <= worst["loading_max_percent"] + 0.5  # a bin is 0.5 % wide
    assert picture.read_bytes().startswith(PNG_SIGNATURE)
    other = call(*command, "--checkpoint", checkpoint, "--load-scale", 2)
    assert (other.status, len(other.err.splitlines())) == (2, 1)
    assert "a checkpoint of" in other.err
    assert "load x 2" in call("grid", "powerflow", RURAL, "--profiles", *JUNE, "--load-scale", 2).out


# --- hosting ----------------------------------------------------------------------------------------------------------


def test_hosting_of_a_period_is_the_least_of_its_hours(call: Call, tmp_path: Path) -> None:
    table, picture = tmp_path / "hosting.csv", tmp_path / "map.svg"
    period = ("--from", "2016-06-01T10:00", "--to", "2016-06-01T12:30")
    command = ("grid", "hosting", RURAL, "--json")
    document = call(*command, *period, "--csv", table, "--plot", picture).document
    check_against_schema(call, "grid-hosting", document)
    assert document["quarter_hours"] == 10  # more than one step takes
    first = row_of("2016-06-01T10:00")
    bus = document["buses"][3]
    hours = [call(*command, "--row", first + hour, "--bus", bus["bus"]).document["buses"] for hour in (0, 9)]
    assert all(len(rows) == 1 and rows[0]["capacity_mw"] >= bus["capacity_mw"] for rows in hours)
    binding = call(*command, "--row", row_of(bus["at"]), "--bus", bus["bus"]).document["buses"][0]
    assert binding["capacity_mw"] == pytest.approx(bus["capacity_mw"], rel=1e-3)
    assert sum(total["buses"] for total in document["totals"]) == len(document["buses"])
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["capacity_mw"]) for row in rows] == [row["capacity_mw"] for row in document["buses"]]
    text = texts(picture)
    assert {"longitude (degrees)", "hosting capacity (MW)", "current"} <= text


def test_registered_plants_and_power_factor(call: Call, tmp_path: Path) -> None:
    plants = tmp_path / "plants.csv"
    plants.write_text("bus,mw\nbus 18,0.4\nbus 18,0.1\n", encoding="utf-8")
    command = ("grid", "hosting", "ieee33", "--bus", "bus 18", "--bus", "bus 22", "--load-scale", "0.5")
    document = call(*command, "--registered", plants, "--json").document
    assert document["registered_mw"] == pytest.approx(0.5)
    far = document["buses"][0]
    assert (far["bus"], far["kind"], far["element"], far["limit_unit"]) == ("bus 18", "voltage-high", "bus 18", "V")
    # 0.5 MW at the very bus is 0.5 MW less room; the search's tolerance is 5e-4 of the capacity.
    assert far["capacity_mw"] - far["with_registered_mw"] == pytest.approx(0.5, abs=2e-3)
    absorbing = call(*command, "--power-factor", "0.95", "--json").document["buses"][0]
    feeding = call(*command, "--power-factor", "0.95", "--feeds-reactive", "--json").document["buses"][0]
    assert feeding["capacity_mw"] < far["capacity_mw"] < absorbing["capacity_mw"]
    assert "with registered MW" in call(*command, "--registered", plants).out


def test_a_year_is_screened_proven_and_goes_on_after_a_stop(call: Call, tmp_path: Path) -> None:
    checkpoint, plants, storage = tmp_path / "year", tmp_path / "plants.csv", tmp_path / "storage.csv"
    plants.write_text("bus,mw\nLV1.101 Bus 2,0.02\n", encoding="utf-8")
    storage.write_text("bus,mw\nLV1.101 Bus 2,0.03\n", encoding="utf-8")
    command = ("grid", "hosting", RURAL, "--year", *JUNE, "--proofs", 3, "--json")
    added = ("--registered", plants, "--storage", storage)
    stopped = process("-c", STOPPED, checkpoint, *command, *added, "--checkpoint", checkpoint)
    assert (stopped.status, stopped.out) == (1, "")
    assert stopped.err.startswith("grid: stopped after ")
    assert stopped.err.endswith(f"the same command goes on from {checkpoint}\n")
    resumed = call(*command, *added, "--checkpoint", checkpoint).document
    assert resumed == call(*command, *added).document
    check_against_schema(call, "grid-hosting", resumed)
    hours = resumed["hours"]
    assert (resumed["quarter_hours"], hours["screened"], hours["missed"], hours["proven"]) == (2880, True, [], 3)
    assert hours["searched"] < 100
    row = next(row for row in resumed["buses"] if row["bus"] == "LV1.101 Bus 2")
    assert row["capacity_mw"] - row["with_registered_mw"] == pytest.approx(0.02, rel=0.05)
    assert row["with_storage_mw"] - row["with_registered_mw"] == pytest.approx(0.03, rel=0.05)
    by_row = call("grid", "hosting", RURAL, "--row", row_of(row["at"]), "--row", 5000, "--json").document
    assert [one["at"] for one in by_row["buses"] if one["bus"] == row["bus"]] == [row["at"]]
    assert by_row["hours"] == {"screened": False, "searched": 2, "searches": 28, "missed": [], "proven": 14}
    said = call(*command[:-1], *added)
    assert "with storage MW" in said.out
    assert "3 buses proven over all of them, which found 0 more" in said.out
    other = call(*command, *added, "--checkpoint", checkpoint, "--power-factor", 0.95)
    assert (other.status, len(other.err.splitlines())) == (2, 1)


def test_plants_at_random_over_a_feeder(call: Call, tmp_path: Path) -> None:
    picture, checkpoint = tmp_path / "feeder.svg", tmp_path / "draws"
    command = ("grid", "hosting", "cigre_mv", "--load-scale", 0.3, "--placement", "feeder", "--size", 0.2, 1.0)
    command += ("--behind", "Line 3-8", "--draws", 40)
    document = call(*command, "--seed", 7, "--json", "--plot", picture, "--checkpoint", checkpoint).document
    check_against_schema(call, "grid-hosting-placement", document)
    assert document["sites"] == 5  # buses 7 to 11
    assert [row["percent"] for row in document["quantiles"]] == [5, 50, 95]
    totals = sorted(draw["mw"] for draw in document["draws"])
    assert [row["mw"] for row in document["quantiles"]] == [totals[1], totals[19], totals[37]]
    assert [row["draws"] for row in document["quantiles"]] == [2, 20, 38]
    assert sum(row["draws"] for row in document["bindings"]) == 40
    assert {"new plants that fit, all together (MW)", "40 draws, seed 7"} <= texts(picture)
    again = call(*command, "--seed", 7, "--json", "--checkpoint", checkpoint).document
    assert again == document
    assert call(*command, "--seed", 8, "--json").document["draws"] != document["draws"]
    assert "what stopped the draws" in call(*command, "--seed", 7).out
    refused = call(*command, "--seed", 8, "--checkpoint", checkpoint)
    assert (refused.status, len(refused.err.splitlines())) == (2, 1)


def test_two_buses_together(call: Call, tmp_path: Path) -> None:
    picture = tmp_path / "region.svg"
    command = ("grid", "hosting", "cigre_mv", "--load-scale", 0.3, "--bus", "Bus 5", "--bus", "Bus 9")
    both = (*command, "--placement", "two-node", "--angles", 5)
    document = call(*both, "--json", "--plot", picture).document
    check_against_schema(call, "grid-hosting-region", document)
    assert (document["first"], document["second"], len(document["points"])) == ("Bus 5", "Bus 9", 5)
    alone = call(*command, "--json").document["buses"]
    ends = (document["points"][0]["first_mw"], document["points"][-1]["second_mw"])
    assert ends == pytest.approx([row["capacity_mw"] for row in alone], rel=1e-3)
    assert {"new plant at Bus 5 (MW)", "Line 2-3"} <= {text.strip() for text in texts(picture)}
    assert "Bus 9 MW" in call(*both).out


def test_stations_against_their_breakers(call: Call) -> None:
    command = ("grid", "hosting", "cigre_mv", "--load-scale", 0.3, "--short-circuit", "--converter-factor", 1.2)
    document = call(*command, "--breaker", "20=7.6", "--json").document
    check_against_schema(call, "grid-hosting", document)
    first, second = document["short_circuits"]
    assert (first["station"], second["station"]) == ("Bus 1", "Bus 12")
    for row in (first, second):
        # At the very busbar a converter adds k S / (sqrt(3) U) to what there was.
        assert row["with_plants_ka"] - row["without_ka"] == pytest.approx(1.2 * row["plant_mva"] / 3**0.5 / 20)
        assert row["outcome"] == ("passed" if row["with_plants_ka"] <= 7.6 else "failed")
    assert {first["outcome"], second["outcome"]} == {"passed", "failed"}
    assert "breaker kA" in call(*command, "--breaker", "20=7.6").out


# --- grade ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("edition", ["2019", "2025"])
def test_the_list_in_all_its_forms(edition: str, call: Call, tmp_path: Path) -> None:
    table, places = tmp_path / "list.csv", tmp_path / "list.geojson"
    command = ("grid", "grade", RURAL, "--edition", edition, "--assessed-at", "2026-04-01T00:00:00+08:00")
    document = call(*command, "--csv", table, "--geojson", places, "--json").document
    check_against_schema(call, "grid-grade", document)
    assert document["edition"] == f"DL/T 2041-{edition}"
    county, area = document["entries"]
    assert (county["kind"], area["kind"], area["rated_kva"]) == ("COUNTY", "AREA", 160)
    assert area["connected_kw"] == 161  # 40 + 78.381 + 19 + 23 kW, rounded up
    assert county["hosting_kw"] is None
    assert 0 < area["hosting_kw"] < 400
    assert len(csv.reader(table.read_text(encoding="utf-8-sig").splitlines()).__next__()) == len(area)
    assert [one["id"] for one in json.loads(places.read_bytes())["features"]] == ["county", "A001"]
    if edition == "2025":
        loads_mw = _opened(RURAL).loads.p_mw.sum()
        assert area["capacity_min_kw"] == int((loads_mw + 0.8 * 0.16 * 0.95) / 0.8 * 1000)
        assert "unverified: " in call(*command).out


# --- check and refusals -----------------------------------------------------------------------------------------------


def test_problems_are_listed_and_errors_end_with_status_1(call: Call, county: Any, tmp_path: Path) -> None:
    path = tmp_path / "county.json"
    write_network(_network(county), path)
    good = call("grid", "check", path, "--json").document
    assert (good["errors"], good["counts"]["transformers"]) == (0, 5)
    check_against_schema(call, "grid-check", good)
    county.line.loc[0, "max_i_ka"] = float("nan")
    write_network(_network(county), path)
    bad = call("grid", "check", path, "--json")
    assert bad.status == 1
    assert json.loads(bad.out)["problems"][0] == {"severity": "error", "element": "L1", "what": "has no rated current"}
    assert "has no rated current" in call("grid", "check", path).out
    refused = call("grid", "powerflow", path)
    assert (refused.status, refused.out, refused.err) == (2, "", "grid: 'L1' has no rated current\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("check", "nosuch"), "nosuch"),
        (("check", "nosuch.json"), "nosuch.json: No such file"),
        (("powerflow", "ieee33", "--profiles"), "carries no profiles"),
        (("powerflow", RURAL, "--profiles", "--from", "2015-01-01"), "2015-01-01 is not in the year"),
        (("powerflow", RURAL, "--profiles", "--from", "2016-02-02", "--to", "2016-02-01"), "rows 3072 to 3072"),
        (("powerflow", "ieee33", "--plot", "picture.pdf"), "picture.pdf: a picture ends in .svg or .png"),
        (("powerflow", "ieee33", "--plot", "nowhere/a.png"), "no folder nowhere"),
        (("hosting", "ieee33", "--bus", "bus 34"), "no bus is called 'bus 34'"),
        (("hosting", "ieee33", "--load-scale", "5"), "no solution before any plant"),
        (("hosting", "ieee33", "--registered", "nowhere.csv"), "nowhere.csv: No such file"),
        (("hosting", RURAL, "--row", "40000"), "rows 40000 to 40001"),
        (("hosting", "ieee33", "--year"), "carries no profiles"),
        (("hosting", "ieee33", "--storage", "nowhere.csv"), "nowhere.csv: No such file"),
        (("hosting", "ieee33", "--behind", "line 1-9"), "no line or transformer is called 'line 1-9'"),
        (("hosting", "ieee33", *SHORT_CIRCUIT), "feeding point 'substation' has no short-circuit power"),
        (("hosting", "ieee33", "--placement", "feeder", "--size", "2", "1"), "plants of 2.0 to 1.0 MW"),
        (("hosting", "ieee33", *TWO_NODE, "--bus", "bus 18"), "two buses apart"),
        (("grade", "ieee33"), "has no rating"),
        (("grade", RURAL, "--tau-max", "0"), "tau_max 0.0"),
    ],
)
def test_bad_input_gets_one_line_and_status_2(arguments: tuple[str, ...], words: str, call: Call) -> None:
    said = call("grid", *arguments, "--json")
    assert (said.status, said.out) == (2, "")
    assert len(said.err.splitlines()) == 1
    assert said.err.startswith("grid: ")
    assert words in said.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("grid", "powerflow", "ieee33", "--from", "2016-01-01"), "need --profiles"),
        (("grid", "hosting", "ieee33", "--row", "1", "--to", "2016-01-01"), "give one of them"),
        (("grid", "hosting", "ieee33", "--power-factor", "0"), "--power-factor 0.0"),
        (("grid", "hosting", "ieee33", *TWO_NODE), "needs --bus twice"),
        (("grid", "hosting", "ieee33", "--placement", "feeder"), "needs --size MIN MAX"),
        (("grid", "hosting", "ieee33", "--placement", "feeder", "--year"), "do not go with --placement"),
        (("grid", "hosting", "ieee33", "--bus", "bus 18", "--behind", "line 1-2"), "give one of them"),
        (("grid", "hosting", "ieee33", "--checkpoint", "state"), "--checkpoint is for"),
        (("grid", "hosting", "ieee33", "--short-circuit"), "needs --converter-factor and --breaker"),
        (("grid", "hosting", "ieee33", *SHORT_CIRCUIT, "--breaker", "20"), "--breaker 20: not KV=KA"),
        (("grid", "grade", "ieee33", "--edition", "2030"), "2030"),
        (("schema", "nosuch"), "no document 'nosuch'"),
    ],
)
def test_a_wrong_command_line_gets_one_line_and_status_2(arguments: tuple[str, ...], words: str, call: Call) -> None:
    said = call(*arguments)
    assert (said.status, said.out) == (2, "")
    assert len(said.err.splitlines()) == 1
    assert words in said.err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("bus;mw\nbus 18;1\n", "the header is not bus,mw"),
        ("bus,mw\nbus 99,1\n", "line 2: no bus is called 'bus 99'"),
        ("bus,mw\nbus 18,-1\n", "line 2: '-1' is not 0 MW or more"),
        ("bus,mw\nbus 18,many\n", "line 2: 'many' is no power in MW"),
        ("bus,mw\nbus 18\n", "line 2: None is no power in MW"),
    ],
)
def test_broken_registered_plants_are_refused(text: str, words: str, call: Call, tmp_path: Path) -> None:
    plants = tmp_path / "plants.csv"
    plants.write_text(text, encoding="utf-8")
    said = call("grid", "hosting", "ieee33", "--registered", plants)
    assert (said.status, said.out) == (2, "")
    assert words in said.err


# --- parts ------------------------------------------------------------------------------------------------------------


def test_times_and_rows() -> None:
    assert (row_of("2016-01-01"), row_of("2016-12-31", is_end=True)) == (0, 35_136)
    assert (row_of("2016-01-02T00:15"), time_of(97)) == (97, "2016-01-02T00:15")
    for wrong in ("2016-02-30", "2016-01-01T00:10", "2017-01-02", "2015-12-31", "noon"):
        with pytest.raises(PeriodError, match=wrong):
            row_of(wrong)


def test_distance_takes_the_shorter_of_parallel_lines(county: Any) -> None:
    network = _network(county)
    at_km = dict(zip(network.buses.name, distance_km(network), strict=True))
    # L1 3 km, L2 2 km, then 0.3 km in the area; the tie (1.5 km) is open.
    assert at_km["E2"] == pytest.approx(5.3, abs=1e-6)
    assert at_km["E3"] == pytest.approx(4.3, abs=1e-6)
    county.line.loc[len(county.line)] = county.line.loc[0].to_dict() | {"name": "L1b", "length_km": 1.0}
    network = _network(county)
    assert distance_km(network)[network.bus_position["E2"]] == pytest.approx(3.3, abs=1e-6)


def test_the_schemas_are_listed(call: Call) -> None:
    assert call("schema").out.split() == list(SCHEMAS)
    assert call("schema", "--json").document == {"documents": list(SCHEMAS)}
    assert json.loads(call("schema", "grid-check").out)["$ref"] == "#/$defs/CheckDocument"


def _network(net: Any) -> Network:
    return from_pandapower(net)
