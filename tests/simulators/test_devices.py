"""Laws of the devices behind meters, on small integers: limits, batteries, exact shares."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from simulators.world.devices import (
    MJ_PER_WH,
    NO_LIMIT_MW,
    BatteryColumns,
    Demand,
    MicrogridColumns,
    run_batteries,
    run_microgrid,
    run_points,
    shares_by_largest_remainder,
)

POINTS = 4
powers = st.lists(st.integers(0, 6), min_size=POINTS, max_size=POINTS).map(lambda w: np.array(w, np.int64) * 1000)
limits = st.lists(st.one_of(st.none(), st.integers(0, 6)), min_size=POINTS, max_size=POINTS).map(
    lambda values: np.array([NO_LIMIT_MW if value is None else value * 1000 for value in values], np.int64)
)


@st.composite
def battery_sets(draw: st.DrawFn) -> tuple[BatteryColumns, np.ndarray]:
    point = draw(st.lists(st.integers(0, POINTS - 1), unique=True, max_size=POINTS).map(sorted))
    n = len(point)

    def column(low: int, high: int) -> np.ndarray:
        return np.array(draw(st.lists(st.integers(low, high), min_size=n, max_size=n)), np.int64)

    energy = column(0, 5) * 900_000
    batteries = BatteryColumns(
        point=np.array(point, np.int64),
        power_mw=column(0, 4) * 1000,
        energy_mj=energy,
        efficiency_per_mille=column(900, 1000),
        valley_charging=column(0, 1).astype(bool),
    )
    return batteries, energy * column(0, 3) // 3


@given(load=powers, available=powers, limit=limits, batteries=battery_sets(), valley=st.integers(0, 3))
def test_a_limit_caps_net_export_and_never_cuts_self_use(
    load: np.ndarray,
    available: np.ndarray,
    limit: np.ndarray,
    batteries: tuple[BatteryColumns, np.ndarray],
    valley: int,
) -> None:
    columns, stored = batteries
    demand = Demand(load, available, valley)
    free, free_stored = run_points(demand, columns, stored, np.full(POINTS, NO_LIMIT_MW))
    held, held_stored = run_points(demand, columns, stored, limit)
    assert np.all(held.net_mw <= limit)
    assert np.all((held.generation_mw >= 0) & (held.generation_mw <= available))
    assert np.array_equal(held.load_mw, load)
    # What is used behind the meter, the battery's charge included, is served as without a limit.
    assert np.array_equal(held.charge_mw, free.charge_mw)
    assert np.array_equal(held.discharge_mw, free.discharge_mw)
    assert np.array_equal(held_stored, free_stored)
    assert np.array_equal(np.minimum(held.net_mw, 0), np.minimum(free.net_mw, 0))
    # Nothing more is cut than the limit asks for.
    assert np.array_equal(held.net_mw, np.minimum(free.net_mw, limit))
    assert np.array_equal(free.curtailed_mw, np.zeros(POINTS))
    # A battery never feeds the network, and never charges and discharges at once.
    assert np.all((free.discharge_mw == 0) | (free.net_mw <= 0))
    assert np.all((free.charge_mw == 0) | (free.discharge_mw == 0))


@given(batteries=battery_sets(), surplus=powers, need=powers, valley=st.integers(0, 3))
def test_a_battery_keeps_its_bounds_and_loses_what_its_efficiency_says(
    batteries: tuple[BatteryColumns, np.ndarray], surplus: np.ndarray, need: np.ndarray, valley: int
) -> None:
    columns, stored = batteries
    wanted = (surplus - need)[columns.point]
    charge, discharge, after = run_batteries(columns, stored, wanted, valley)
    assert np.all((after >= 0) & (after <= columns.energy_mj))
    assert np.all((charge <= columns.power_mw) & (discharge <= columns.power_mw) & (charge >= 0) & (discharge >= 0))
    exact = stored + charge * 0.9 * columns.efficiency_per_mille - discharge * 900_000 / columns.efficiency_per_mille
    assert np.all(np.abs(after - exact) <= 1)


def battery(power_w: int, energy_wh: int, *, valley_charging: bool = False, point: int = 0) -> BatteryColumns:
    return BatteryColumns(
        point=np.array([point]),
        power_mw=np.array([power_w * 1000]),
        energy_mj=np.array([energy_wh * MJ_PER_WH]),
        efficiency_per_mille=np.array([950]),
        valley_charging=np.array([valley_charging]),
    )


def test_the_battery_takes_surplus_before_anything_is_curtailed() -> None:
    demand = Demand(load_mw=np.array([1_000_000]), available_mw=np.array([9_000_000]), valley_intervals_left=0)
    done, stored = run_points(demand, battery(3000, 10_000), np.array([0]), np.array([4_000_000]))
    assert done.charge_mw[0] == 3_000_000
    assert done.net_mw[0] == 4_000_000
    assert done.curtailed_mw[0] == 1_000_000
    assert stored[0] == 3_000_000 * 900 * 950 // 1000
    # Full: the same surplus must now be curtailed.
    done, _ = run_points(demand, battery(3000, 10_000), np.array([10_000 * MJ_PER_WH]), np.array([4_000_000]))
    assert (done.charge_mw[0], done.curtailed_mw[0]) == (0, 4_000_000)


def test_a_battery_without_plant_fills_over_the_valley_and_serves_its_own_load_only() -> None:
    columns = battery(5000, 8000, valley_charging=True)
    load, dark = np.array([500_000]), np.array([0])
    stored = np.array([1000 * MJ_PER_WH])
    charged = []
    for left in range(16, 0, -1):
        done, stored = run_points(Demand(load, dark, left), columns, stored, np.array([NO_LIMIT_MW]))
        charged.append(int(done.charge_mw[0]))
        assert done.discharge_mw[0] == 0
    assert stored[0] == pytest.approx(8000 * MJ_PER_WH, rel=1e-6)
    assert max(charged) - min(charged) <= 16
    done, _ = run_points(Demand(load, dark, 0), columns, stored, np.array([NO_LIMIT_MW]))
    assert (done.discharge_mw[0], done.net_mw[0]) == (500_000, 0)


@given(load=powers, available=powers, limit=st.integers(0, 20), stored_wh=st.integers(0, 3))
def test_a_microgrid_holds_its_limit_and_uses_its_battery_first(
    load: np.ndarray, available: np.ndarray, limit: int, stored_wh: int
) -> None:
    none = BatteryColumns(*(np.zeros(0, np.int64) for _ in range(4)), np.zeros(0, bool))
    # Point 3 is outside; point 2 is the battery's.
    load[2] = available[2] = 0
    inside = np.array([0, 1, 2])
    inner, _ = run_points(Demand(load, available, 0), none, np.zeros(0, np.int64), np.full(POINTS, NO_LIMIT_MW))
    columns = battery(2, 3, point=2)
    microgrid = MicrogridColumns(gateway=9, inside=inside, battery=columns)
    stored = np.array([stored_wh * MJ_PER_WH])
    free, free_after = run_microgrid(inner, microgrid, stored, int(NO_LIMIT_MW))
    held, held_after = run_microgrid(inner, microgrid, stored, limit * 1000)
    surplus = int(inner.net_mw[inside].sum())
    assert int(held.net_mw[inside].sum()) == min(int(free.net_mw[inside].sum()), limit * 1000)
    assert abs(int(free.net_mw[inside].sum())) <= abs(surplus)
    assert np.array_equal(held_after, free_after)
    assert np.array_equal(held.generation_mw[3:], inner.generation_mw[3:])
    assert np.all((held.generation_mw >= 0) & (held.generation_mw <= inner.generation_mw))


@given(weights=st.lists(st.integers(0, 9), min_size=1, max_size=6), share=st.integers(0, 54))
def test_shares_sum_exactly_and_are_within_one_of_the_proportion(weights: list[int], share: int) -> None:
    assume(share <= sum(weights))
    shares = shares_by_largest_remainder(share, np.array(weights, np.int64))
    assert shares.sum() == share
    total = sum(weights)
    for part, weight in zip(shares.tolist(), weights, strict=True):
        assert 0 <= part <= weight
        assert total == 0 or abs(part - share * weight / total) < 1


def test_shares_do_not_overflow() -> None:
    weights = np.array([3 * 10**12, 10**12], np.int64)
    assert shares_by_largest_remainder(2 * 10**12, weights).tolist() == [15 * 10**11, 5 * 10**11]
