"""The cache of networks: built once, the same both ways, nothing left of a broken build, damage named."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from grid_models.network_cache import cached_network, cached_profiles, default_cache_folder
from grid_models.networks import Network, NetworkError, from_pandapower, with_profile_tables
from grid_models.simbench_profiles import network_profiles


class Builder:
    """Builds a small network with profiles, and counts how often."""

    def __init__(self, net: Any) -> None:
        self.count = 0
        net.load["profile"] = ["H0", "G0", "H0"]
        self._network = from_pandapower(net)

    def __call__(self) -> Network:
        self.count += 1
        random = np.random.default_rng(1)
        loads = ("G0_pload", "G0_qload", "H0_pload", "H0_qload", "unused_pload")
        tables = {
            "load": pd.DataFrame({name: random.random(8) for name in loads}),
            "renewables": pd.DataFrame(index=range(8)),
        }
        return with_profile_tables(self._network, tables)


def refuse_to_build() -> Network:
    raise AssertionError("the cache has it")


def test_a_network_is_built_once_and_comes_back_the_same(county: Any, tmp_path: Path) -> None:
    build = Builder(county)
    first = cached_network("small", build, tmp_path)
    second = cached_network("small", refuse_to_build, tmp_path)
    profiles = cached_profiles("small", refuse_to_build, tmp_path)
    assert build.count == 1
    expected = network_profiles(build())
    for found in (network_profiles(first), network_profiles(second), profiles):
        assert found.load_p.profile == ("G0_pload", "H0_pload")
        for series in ("load_p", "load_q", "generator_p"):
            for column, values in vars(getattr(expected, series)).items():
                assert np.array_equal(values, getattr(getattr(found, series), column)), f"{series}.{column}"
    assert first.lines.name == second.lines.name == build().lines.name
    assert [path.name for path in tmp_path.glob("partial-*")] == []


def test_profiles_can_be_asked_for_first(county: Any, tmp_path: Path) -> None:
    build = Builder(county)
    assert cached_profiles("small", build, tmp_path).load_q.profile == ("G0_qload", "H0_qload")
    cached_network("small", refuse_to_build, tmp_path)


def test_a_build_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="the cache has it"):
        cached_network("small", refuse_to_build, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("file", ["network.json", "profiles.npz"])
def test_a_damaged_file_is_named_with_the_way_out(file: str, county: Any, tmp_path: Path) -> None:
    cached_network("small", Builder(county), tmp_path)
    (folder,) = tmp_path.iterdir()
    (folder / file).write_bytes((folder / file).read_bytes()[:100])
    with pytest.raises(NetworkError, match=rf"{file} is damaged .* remove {folder}"):
        cached_network("small", refuse_to_build, tmp_path)


def test_a_cache_that_cannot_be_written_is_named(county: Any, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file, not a folder", encoding="utf-8")
    with pytest.raises(NetworkError, match=r"cache .*cannot be written"):
        cached_network("small", Builder(county), tmp_path / "cache")


def test_the_user_s_cache_follows_xdg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache_folder() == tmp_path / "county-microbalance"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_cache_folder() == Path.home() / ".cache" / "county-microbalance"
