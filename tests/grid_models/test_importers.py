"""Opening a network by name, code or file: what is taken for what, names filled in, and refusals on one line."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pandapower
import pandas as pd
import pytest
from pandapower.io_utils import to_dict_of_dfs

from grid_models.importers import open_network
from grid_models.networks import NetworkError, VoltageBand, from_pandapower, write_network


def test_a_reference_name_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ieee33").write_text("a file of this name", encoding="utf-8")
    assert len(open_network("ieee33").buses) == 33


def test_a_simbench_code_is_opened_and_a_wrong_one_gets_the_nearest() -> None:
    network = open_network("1-LV-rural1--0-sw")
    assert (network.name, len(network.buses)) == ("1-LV-rural1--0-sw", 15)
    with pytest.raises(NetworkError, match=r"not a SimBench code; the nearest: 1-HVMV-mixed-all-1-sw"):
        open_network("1-HVMVLV-mixed-all-1-sw")
    with pytest.raises(NetworkError, match="'cigre_mv'"):
        open_network("cigre_mw")


def test_missing_names_are_filled_in(county: Any, tmp_path: Path) -> None:
    county.bus.loc[8, "name"] = None
    county.line.loc[[1, 2], "name"] = [None, "line 1"]
    county.trafo.loc[0, "name"] = ""
    county.load["name"] = None
    county.ext_grid["name"] = None
    county.switch["name"] = None
    pandapower.to_json(county, str(tmp_path / "nameless.json"))
    network = open_network(tmp_path / "nameless.json")
    assert network.buses.name[8] == "bus 8"
    assert network.lines.name[:3] == ("L1", "line 1 (2)", "line 1")
    assert network.transformers.name[:2] == ("transformer 0", "T2")
    assert network.loads.name == ("load 0", "load 1", "load 2")
    assert (network.sources.name, network.couplers.name) == (("feeding point 0",), ("switch 0",))


def test_names_that_stand_twice_in_a_pandapower_file_are_refused(county: Any, tmp_path: Path) -> None:
    county.line.loc[1, "name"] = "L1"
    pandapower.to_json(county, str(tmp_path / "twice.json"))
    with pytest.raises(NetworkError, match=r"twice\.json: line 'L1' stands twice"):
        open_network(tmp_path / "twice.json")


def test_bands_are_passed_on(county: Any, tmp_path: Path) -> None:
    write_network(from_pandapower(county), tmp_path / "county.json")
    network = open_network(tmp_path / "county.json", bands=(VoltageBand(0.0, -0.1, 0.05),))
    np.testing.assert_allclose(network.buses.v_max_v, 1.05 * network.buses.v_nominal_v)


def voltage_controlled(net: Any) -> None:
    pandapower.create_gen(net, 4, 0.1, name="hydro")


def impedance(net: Any) -> None:
    pandapower.create_impedance(net, 1, 2, 0.01, 0.02, 10.0, name="choke")


def ward(net: Any) -> None:
    pandapower.create_ward(net, 4, 0.1, 0.1, 0.1, 0.1, name="neighbour")


def direct_current(net: Any) -> None:
    pandapower.create_dcline(net, 1, 2, 1.0, 0.0, 0.0, 1.0, 1.0, name="cable")


@pytest.mark.parametrize(
    ("add", "named"),
    [
        (voltage_controlled, "gen 'hydro'"),
        (impedance, "impedance 'choke'"),
        (ward, "ward 'neighbour'"),
        (direct_current, "dcline 'cable'"),
    ],
)
def test_what_the_model_has_no_place_for_is_named_with_its_file(
    add: Any, named: str, county: Any, tmp_path: Path
) -> None:
    add(county)
    pandapower.to_json(county, str(tmp_path / "more.json"))
    with pytest.raises(NetworkError, match=rf"more\.json: {named}: elements of this kind are not modelled"):
        open_network(tmp_path / "more.json")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("broken.json", "{", "not JSON"),
        ("other.json", "{}", "not a pandapower network"),
        ("gone.json", None, "No such file"),
        ("gone.m", None, "No such file"),
        ("gone.xlsx", None, "No such file"),
        ("gone.zip", None, "No such file"),
        ("network.dss", "clear", r"endings known are \.json, \.xlsx, \.m"),
    ],
)
def test_a_file_that_is_no_network_is_one_line(name: str, content: str | None, said: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(NetworkError, match=said) as caught:
        open_network(path)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_name_is_no_network() -> None:
    with pytest.raises(NetworkError, match="no network is named"):
        open_network("")


@pytest.mark.parametrize(("package", "ending"), [("openpyxl", "xlsx"), ("lxml", "zip")])
def test_a_missing_package_is_named(package: str, ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / f"network.{ending}").write_bytes(b"anything")
    finder = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == package else finder(name))
    with pytest.raises(NetworkError, match=rf"network\.{ending}: .* needs the package {package}"):
        open_network(tmp_path / f"network.{ending}")


def test_an_excel_file_says_the_same_as_the_json(county: Any, tmp_path: Path) -> None:
    path = tmp_path / "county.xlsx"
    if importlib.util.find_spec("openpyxl") is None:
        path.write_bytes(b"PK")
        with pytest.raises(NetworkError, match="needs the package openpyxl"):
            open_network(path)
        return
    with pd.ExcelWriter(path, engine="openpyxl") as writer:
        for sheet, table in to_dict_of_dfs(county).items():
            table.to_excel(writer, sheet_name=sheet)
    network, expected = open_network(path), from_pandapower(county)
    assert network.buses.name == expected.buses.name
    for group in ("lines", "transformers", "loads", "couplers"):
        for column, values in vars(getattr(expected, group)).items():
            assert np.array_equal(values, getattr(getattr(network, group), column)), f"{group}.{column}"
    path.write_bytes(b"no workbook")
    with pytest.raises(NetworkError, match=r"county\.xlsx: not a pandapower network in Excel"):
        open_network(path)
