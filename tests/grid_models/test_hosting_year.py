"""A year's hosting capacity against brute force over all its hours, its proofs, and a run that stops and goes on."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import grid_models.hosting_year
from grid_models.elements import FloatArray
from grid_models.hosting import BindingKind, Hosting, NoBaseStateError
from grid_models.hosting_limits import NetworkLimits, plant_direction
from grid_models.hosting_screening import KeptMargins, Screening
from grid_models.hosting_year import PROOF_MARGIN, PlantOptions, hosting_hours, hosting_year
from grid_models.hour_series import HourSeries
from grid_models.importers import open_network
from grid_models.networks import Network, from_pandapower
from grid_models.power_flow import Engine, PowerFlow
from grid_models.simbench_profiles import FactoredSeries, NetworkProfiles, network_profiles
from grid_models.year_flow import CheckpointError, YearFlowModel

N_ROWS = 160


def profiles_of(network: Network, seed: int, n_rows: int = N_ROWS) -> NetworkProfiles:
    """Return random profiles: three kinds of load that go up and down by themselves, plants of two kinds."""
    generator = np.random.default_rng(seed)

    def series(n_elements: int, nominal: FloatArray, low: float, high: float) -> FactoredSeries:
        factor = generator.uniform(low, high, (n_rows, 3))
        column = generator.integers(0, 3, n_elements)
        return FactoredSeries(("a", "b", "c"), factor, column, nominal)

    loads, plants = network.loads, network.generators
    return NetworkProfiles(
        load_p=series(len(loads), loads.p_mw, 0.1, 1.1),
        load_q=series(len(loads), loads.q_mvar, 0.1, 1.1),
        generator_p=series(len(plants), plants.p_mw, 0.0, 1.0),
    )


@pytest.fixture
def small(county: Any) -> tuple[Hosting, HourSeries]:
    """Return the county by hand with some plants, and 160 hours."""
    import pandapower  # noqa: PLC0415

    index = {name: number for number, name in county.bus["name"].items()}
    for name, mw in (("E1", 0.08), ("M2", 1.5), ("E3", 0.05)):
        pandapower.create_sgen(county, index[name], mw, name=f"plant {name}")
    network = from_pandapower(county)
    return Hosting(PowerFlow(network)), HourSeries(network, profiles_of(network, 11))


@pytest.mark.parametrize(
    "plant", [PlantOptions(), PlantOptions(0.95), PlantOptions(0.9, absorbs_reactive=False)], ids=["1", "0.95", "-0.9"]
)
def test_the_year_is_the_least_of_all_its_hours(small: tuple[Hosting, HourSeries], plant: PlantOptions) -> None:
    hosting, series = small
    found = hosting_year(hosting, series, plant=plant, proofs=20)
    every = [
        hosting.capacity(
            *series.injections(np.array([row])),
            power_factor=plant.power_factor,
            absorbs_reactive=plant.absorbs_reactive,
        ).capacity_mw
        for row in range(N_ROWS)
    ]
    least = np.min(every, axis=0)
    np.testing.assert_allclose(found.capacity.capacity_mw, least, rtol=PROOF_MARGIN)
    at_row = [every[row][bus] for bus, row in enumerate(found.capacity.scenario.tolist())]
    np.testing.assert_allclose(at_row, found.capacity.capacity_mw, rtol=1e-3)
    assert found.proven.all()
    assert found.missed.size == 0, "the screening chose the right hours"
    assert found.capacity.certified.all()
    assert len(set(found.capacity.scenario.tolist())) > 1, "different hours bind different buses"
    assert found.searches < N_ROWS * least.size / 4, "most hours were not searched"
    hours = hosting_hours(hosting, series, plant=plant)
    np.testing.assert_allclose(hours.capacity.capacity_mw, least, rtol=1e-3)
    assert hours.searched.size == N_ROWS


def test_a_set_of_hours_names_the_binding_one(small: tuple[Hosting, HourSeries]) -> None:
    hosting, series = small
    rows = np.array([3, 77, 150])
    buses = np.array([hosting.power_flow.network.bus_position["E2"]])
    found = hosting_hours(hosting, series, rows=rows, buses=buses)
    each = {
        row: hosting.capacity(*series.injections(np.array([row])), buses=buses).capacity_mw[0] for row in rows.tolist()
    }
    assert found.capacity.capacity_mw[0] == pytest.approx(min(each.values()), rel=1e-3)
    assert found.capacity.scenario[0] == min(each, key=lambda row: each[row])
    with pytest.raises(ValueError, match="ascending"):
        hosting_hours(hosting, series, rows=np.array([3, 3]))


def test_of_equal_hours_the_first_is_named(county: Any) -> None:
    network = from_pandapower(county)
    profiles = profiles_of(network, 1, n_rows=5)
    same = NetworkProfiles(
        *(replace(series, factor=series.factor[:1].repeat(5, axis=0)) for series in vars(profiles).values())
    )
    found = hosting_hours(Hosting(PowerFlow(network)), HourSeries(network, same), rows=np.array([1, 2, 4]))
    assert set(found.capacity.scenario.tolist()) == {1}


def test_margins_lead_to_their_limits(small: tuple[Hosting, HourSeries]) -> None:
    """A voltage or current changed by its margin, along a plant's own, stands at its limit."""
    hosting, series = small
    power_flow, limits = hosting.power_flow, hosting.limits
    screening = Screening(power_flow, limits, plant_direction(0.9, absorbs_reactive=True))
    kept = screening.nothing_kept()
    v = power_flow.voltages(power_flow.node_injections(*series.injections(np.array([50])))).v
    screening.take(kept, v, np.array([50]))
    n, m, state = v.shape[1], len(power_flow.model.branches), v[0]
    high, low, *currents = np.split(kept.margin[:, 0], np.cumsum([n, n, m, m, m]))
    np.testing.assert_allclose(np.abs(state) + high, limits.v_high)
    np.testing.assert_allclose(np.abs(state) - low, limits.v_low)
    branches = power_flow.model.branches
    for current, end, along, against in zip(
        limits.currents(state), (branches.from_node, branches.to_node), currents[::2], currents[1::2], strict=True
    ):
        plant = np.conj(complex(0.9, -np.sqrt(1 - 0.9**2)) / state[end]) * np.abs(state[end])
        np.testing.assert_allclose(np.abs(current + along * plant), 1.0)
        np.testing.assert_allclose(np.abs(current - against * plant), 1.0)
    assert (kept.row[:, 0] == 50).all()


def test_a_real_network_by_another_engine() -> None:
    """SimBench's small rural area: a summer day; power-grid-model puts each plant into every hour."""
    network = open_network("1-LV-rural1--0-sw")
    series = HourSeries(network, network_profiles(network))
    rows = np.arange(18_000, 18_000 + 96)
    buses = np.array([2, 6, 11])
    found = hosting_year(Hosting(PowerFlow(network)), series, rows=rows, buses=buses, proofs=20)
    assert found.proven.all()
    newton = PowerFlow(network, engine=Engine.NEWTON)
    p_mw, q_mvar = series.injections(rows)
    volts = network.buses.v_min_v, network.buses.v_max_v
    for bus, capacity_mw, row in zip(
        found.capacity.bus, found.capacity.capacity_mw, found.capacity.scenario, strict=True
    ):
        for share, expected in ((1 - PROOF_MARGIN, True), (1.002, False)):
            trial = p_mw.copy()
            trial[:, network.bus_position[bus]] += share * capacity_mw
            result = newton.solve(trial, q_mvar)
            v_v = result.vm_pu * network.buses.vn_kv * 1e3
            inside = ((v_v >= volts[0]) & (v_v <= volts[1])).all(axis=1)
            inside &= (result.line_loading <= 1).all(axis=1) & (result.transformer_loading <= 1).all(axis=1)
            assert inside.all() == expected
            assert bool(inside[row - rows[0]]) == expected, "the binding hour is the one that is named"


def test_an_hour_that_the_screening_missed_is_found_by_a_proof(
    small: tuple[Hosting, HourSeries], monkeypatch: pytest.MonkeyPatch
) -> None:
    hosting, series = small
    right = hosting_year(hosting, series, proofs=20)

    class Blind(grid_models.hosting_year.Screening):
        """A screening that takes the hour of the lowest voltages for everybody's worst."""

        def worst_rows(self, kept: KeptMargins, nodes: Any) -> Any:
            del kept
            return ((number, np.array([0])) for number in range(nodes.size))

    monkeypatch.setattr(grid_models.hosting_year, "Screening", Blind)
    unproven = hosting_year(hosting, series, proofs=0)
    assert (unproven.capacity.capacity_mw > 1.02 * right.capacity.capacity_mw).any()
    assert not unproven.proven.any()
    proven = hosting_year(hosting, series, proofs=20)
    assert proven.missed.size > 0
    np.testing.assert_allclose(proven.capacity.capacity_mw, right.capacity.capacity_mw, rtol=PROOF_MARGIN)


def test_what_is_added_to_every_hour(small: tuple[Hosting, HourSeries]) -> None:
    """A registered plant takes its own power from the room at its bus, storage that charges gives its power to it."""
    hosting, series = small
    network = hosting.power_flow.network
    at = network.bus_position["E1"]
    added_mw = np.zeros(len(network.buses))
    added_mw[at] = 0.03
    profiles = profiles_of(network, 11)
    rooms = {
        sign: hosting_year(hosting, HourSeries(network, profiles, sign * added_mw), proofs=0).capacity
        for sign in (1, -1)
    }
    before = hosting_year(hosting, series, proofs=0).capacity
    bus = before.bus.index("E1")
    for sign, room in rooms.items():
        assert before.capacity_mw[bus] - room.capacity_mw[bus] == pytest.approx(sign * 0.03, abs=1e-3)
    np.testing.assert_allclose(
        series.injections(np.array([5, 9]))[0],
        YearFlowModel(hosting.power_flow, profiles).injections(np.array([5, 9]))[0],
        atol=1e-15,
    )


def test_breaches_of_the_year_are_listed_once_at_their_worst(county: Any) -> None:
    county.load.loc[2, ["p_mw", "q_mvar"]] = 0.3, 0.05
    network = from_pandapower(county)
    hosting, series = Hosting(PowerFlow(network)), HourSeries(network, profiles_of(network, 3))
    found = hosting_year(hosting, series, proofs=2)
    limits = NetworkLimits(hosting.power_flow)
    by_hour = [
        {(one.element, one.kind): one.value for one in limits.breaches(hosting.base_states(*hour)[0].v)}
        for hour in (series.injections(np.array([row])) for row in range(N_ROWS))
    ]
    worst: dict[tuple[str, BindingKind], tuple[float, int]] = {}
    for row, breaches in enumerate(by_hour):
        for what, value in breaches.items():
            sign = -1 if what[1] is BindingKind.VOLTAGE_LOW else 1
            if what not in worst or sign * value > sign * worst[what][0]:
                worst[what] = (value, row)
    assert worst
    assert {(one.element, one.kind): (pytest.approx(one.value), row) for row, one in found.breaches} == worst


def test_a_run_that_was_stopped_goes_on_and_gives_the_same(
    small: tuple[Hosting, HourSeries], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosting, series = small
    whole = hosting_year(hosting, series, proofs=4)
    monkeypatch.setattr(grid_models.hosting_screening, "_VALUES_PER_BLOCK", 2000)
    checkpoint = tmp_path / "year"

    class StoppedError(Exception):
        """The run was stopped."""

    seen: set[str] = set()

    def stop(stage: str, done: int, every: int) -> None:
        if stage not in seen and done >= every / 3:
            seen.add(stage)
            raise StoppedError

    for stage in ("screening", "responses", "searches", "proofs"):
        with pytest.raises(StoppedError):
            hosting_year(hosting, series, proofs=4, checkpoint=checkpoint, progress=stop)
        assert stage in seen
    resumed = hosting_year(hosting, series, proofs=4, checkpoint=checkpoint, progress=stop)
    assert resumed.capacity.capacity_mw.tolist() == whole.capacity.capacity_mw.tolist()
    assert resumed.capacity.scenario.tolist() == whole.capacity.scenario.tolist()
    assert resumed.proven.tolist() == whole.proven.tolist()
    assert resumed.searched.tolist() == whole.searched.tolist()
    assert resumed.searches == whole.searches
    with pytest.raises(CheckpointError, match="another run"):
        hosting_year(hosting, series, rows=np.arange(7), checkpoint=checkpoint)
    checkpoint.write_bytes(b"no checkpoint")
    with pytest.raises(CheckpointError, match="not a checkpoint"):
        hosting_year(hosting, series, checkpoint=checkpoint)


def test_an_hour_without_a_solution_is_named(small: tuple[Hosting, HourSeries]) -> None:
    hosting, _ = small
    network = hosting.power_flow.network
    added_mw = np.zeros(len(network.buses))
    added_mw[network.bus_position["E3"]] = -400.0
    drained = HourSeries(network, profiles_of(network, 11), added_mw)
    with pytest.raises(NoBaseStateError, match="row 0 has no solution"):
        hosting_year(hosting, drained)
    with pytest.raises(NoBaseStateError, match="row 5: hour 0 has no solution"):
        hosting_hours(hosting, drained, rows=np.array([5]))
