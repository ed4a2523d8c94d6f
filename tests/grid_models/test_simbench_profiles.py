"""Factored profiles: the same values as the dense table, by row number."""

from typing import Any

import numpy as np
import pytest

from grid_models.networks import NetworkError
from grid_models.simbench_profiles import network_profiles


def test_rows_are_the_tables_values_times_the_nominal_power(demo: Any) -> None:
    net, profiles = demo.simbench.handle, demo.profiles
    start = 137 * 96
    loads = net.profiles["load"].iloc[start : start + 2]
    expected_p = loads[[f"{profile}_pload" for profile in net.load.profile]].to_numpy(float) * net.load.p_mw.to_numpy()
    expected_q = (
        loads[[f"{profile}_qload" for profile in net.load.profile]].to_numpy(float) * net.load.q_mvar.to_numpy()
    )
    np.testing.assert_array_equal(profiles.load_p.rows(start, start + 2), expected_p)
    np.testing.assert_array_equal(profiles.load_q.rows(start, start + 2), expected_q)
    for row, values in enumerate(profiles.generator_p.rows(start, start + 2)):
        for element in (0, 6, 9, 400):
            profile = net.sgen.profile[element]
            table = "powerplants" if profile in net.profiles["powerplants"] else "renewables"
            factor = float(net.profiles[table][profile].iloc[start + row])
            assert values[element] == factor * net.sgen.p_mw[element]


def test_a_window_and_the_totals_agree_with_the_rows(demo: Any) -> None:
    series = demo.profiles.generator_p
    window = series.window(960, 1056)
    assert window.factor.shape == (96, len(series.profile))
    np.testing.assert_array_equal(window.rows(3, 5), series.rows(963, 965))
    np.testing.assert_allclose(window.totals(), window.rows(0, 96).sum(axis=1))


def test_the_default_day_generates_twice_what_it_uses(demo: Any) -> None:
    start = 137 * 96  # 17 May is day 137 of 2016, counted from 0
    generated_mwh = demo.profiles.generator_p.totals()[start : start + 96].sum() / 4
    used_mwh = demo.profiles.load_p.totals()[start : start + 96].sum() / 4
    assert demo.profiles.load_p.factor.shape[0] == 366 * 96
    assert (generated_mwh, used_mwh) == pytest.approx((160, 80), rel=0.1)


def test_a_network_from_a_file_has_no_profiles(demo: Any) -> None:
    with pytest.raises(NetworkError, match="carries no profiles"):
        network_profiles(demo.network)
