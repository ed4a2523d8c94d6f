"""The benchmark `engine`: power flows per second, a county's year, and the hosting capacity of all its nodes.

Power flows are those of a quarter of a year's rows of SimBench 1-MVLV-semiurb-all-1-sw (9,104 buses). Ours are streamed
and keep extremes of every element; the peers give dense voltages only, which is less than we keep, and are asked for a
sample of the rows. The county is the reference county (32,802 buses). Its peer for hosting capacity is bisection by
power-grid-model's batch over a sample of nodes, to the width that our figures are certified for.
"""

import copy
import importlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from grid_models.admittance import ComplexArray
from grid_models.bench.machine import versions_of
from grid_models.bench.measuring import BenchError, Comparison, Contender, Outcome, Show, Workbench, time_in_turn
from grid_models.elements import FloatArray, Int64Array, NetworkError
from grid_models.hosting import Hosting, HostingCapacity
from grid_models.networks import Network, library_warnings_silenced, simbench_network
from grid_models.newton import Newton
from grid_models.power_flow import BranchEnds, PowerFlow
from grid_models.reference_networks import reference_network, reference_profiles
from grid_models.simbench_profiles import NetworkProfiles, network_profiles
from grid_models.voltage_solver import NodeInjections
from grid_models.year_flow import YearFlowModel

if TYPE_CHECKING:
    from pandapower import pandapowerNet

NINE_THOUSAND_BUSES: Final = "1-MVLV-semiurb-all-1-sw"
SMALL: Final = "1-LV-rural1--0-sw"
STREAMED_ROWS: Final = 8_784
DENSE_ROWS: Final = 96
PANDAPOWER_ROWS: Final = 8
SAMPLE_NODES: Final = 24
RELATIVE_WIDTH: Final = 1e-3
VOLTAGE_TOLERANCE_PU: Final = 1e-7
SEED: Final = 7


def measure(workbench: Workbench) -> Outcome:
    """Measure power flows, a year, and hosting capacities.

    :raises BenchError: if a network cannot be had, or a peer comes to another result
    """
    try:
        flows = _Case.of_code(SMALL if workbench.small else NINE_THOUSAND_BUSES)
        comparisons = list(_compare_flows(flows, workbench))
        county = flows if workbench.small else _Case.of_reference("county")
        year, year_peak_mb = _compare_year(county, workbench)
        hosting, hosting_peak_mb = _compare_hosting(county, workbench)
    except NetworkError as error:
        raise BenchError(str(error)) from None
    comparisons += [year, hosting]
    notes = (
        f"Networks: {flows.text}; {county.text}.",
        "Reading the networks and building the models is not timed.",
        f"Peak memory of the process, networks included: {year_peak_mb:,} MB for the year.",
        f"The same for the hosting capacities and their peer: {hosting_peak_mb:,} MB.",
        f"Instruction set of the kernel: {flows.instruction_set}.",
    )
    return Outcome(tuple(comparisons), versions_of(("power-grid-model", "pandapower", "numpy", "scipy")), notes)


class _Case:
    """A network with profiles, and its models."""

    def __init__(self, network: Network, profiles: NetworkProfiles) -> None:
        self.network = network
        self.power_flow = PowerFlow(network)
        self.year = YearFlowModel(self.power_flow, profiles)
        self.profiles = profiles

    @classmethod
    def of_code(cls, code: str) -> "_Case":
        network = simbench_network(code)
        return cls(network, network_profiles(network))

    @classmethod
    def of_reference(cls, name: str) -> "_Case":
        return cls(reference_network(name), reference_profiles(name))

    @property
    def text(self) -> str:
        buses, plants = len(self.network.buses), len(self.network.generators)
        return f"{self.network.name}: {buses:,} buses, {len(self.network.loads):,} loads, {plants:,} plants"

    @property
    def instruction_set(self) -> str:
        engine = self.power_flow.fixed_point
        return (
            "none, it was not built; power-grid-model did it all" if engine is None else engine.library.instruction_set
        )

    def node_injections(self, rows: Int64Array) -> NodeInjections:
        return self.power_flow.node_injections(*self.year.injections(rows))


def _compare_flows(case: _Case, workbench: Workbench) -> tuple[Comparison, ...]:
    n_streamed = 64 if workbench.small else STREAMED_ROWS
    n_dense, n_looped = (8, 2) if workbench.small else (DENSE_ROWS, PANDAPOWER_ROWS)
    rows = np.linspace(0, case.year.n_rows - 1, n_dense).astype(np.int64)
    injections = case.node_injections(rows)
    newton = Newton(case.network)
    pandapower = _PandapowerLoop(case, rows[:: max(1, n_dense // n_looped)][:n_looped])
    _require_same_voltages(case, rows, newton.solve(injections).v, pandapower)
    streamed = Contender("streamed", lambda _run: partial(case.year.run, 0, n_streamed), n_streamed)
    ours_newton, theirs_newton = time_in_turn(
        streamed,
        Contender("power-grid-model batch, 2 threads", lambda _run: partial(newton.solve, injections), n_dense),
        runs=workbench.runs,
        peer_runs=workbench.runs,
    )
    ours_loop, theirs_loop = time_in_turn(
        streamed,
        Contender("pandapower Newton, admittances kept", lambda _run: pandapower.solve_all, pandapower.rows.size),
        runs=workbench.few_runs,
        peer_runs=workbench.few_runs,
    )
    dense = partial(case.power_flow.voltages, injections)
    ours_dense, theirs_dense = time_in_turn(
        Contender("dense", lambda _run: dense, n_dense),
        Contender("power-grid-model batch, 2 threads", lambda _run: partial(newton.solve, injections), n_dense),
        runs=workbench.runs,
        peer_runs=workbench.few_runs,
    )
    agreed = f"voltages of {rows.size} rows to {VOLTAGE_TOLERANCE_PU:.0e} pu"
    size = f"{len(case.network.buses):,} buses"
    return (
        Comparison(
            f"{n_streamed:,} rows streamed, {size}", Show.PER_SECOND, "flows", ours_newton, theirs_newton, agreed
        ),
        Comparison(f"{n_streamed:,} rows streamed, {size}", Show.PER_SECOND, "flows", ours_loop, theirs_loop, agreed),
        Comparison(
            f"{n_dense} dense results to 1e-12 pu, {size}", Show.PER_SECOND, "flows", ours_dense, theirs_dense, agreed
        ),
    )


def _require_same_voltages(case: _Case, rows: Int64Array, v: ComplexArray, pandapower: "_PandapowerLoop") -> None:
    newton_pu = np.abs(v)[:, case.power_flow.model.node_of_bus]
    for at, row in enumerate(rows.tolist()):
        found = case.year.run(row, row + 1)
        difference = np.abs(found.v_max_pu - newton_pu[at]).max()
        if not difference <= VOLTAGE_TOLERANCE_PU:
            raise BenchError(f"row {row}: power-grid-model's voltages differ by {difference:.1e} pu")
        if row in pandapower.rows:
            difference = np.abs(pandapower.solve(row) - newton_pu[at]).max()
            if not difference <= VOLTAGE_TOLERANCE_PU:
                raise BenchError(f"row {row}: pandapower's voltages differ by {difference:.1e} pu")


class _PandapowerLoop:
    """pandapower over some rows, one after another, as fast as it goes: admittances kept, started from the last."""

    def __init__(self, case: _Case, rows: Int64Array) -> None:
        self.rows = rows
        self._case = case
        self._net = _pandapower_net(case.network)
        self._run: Callable[..., None] = importlib.import_module("pandapower").runpp
        for table in (self._net.load, self._net.sgen):
            table["scaling"] = 1.0
        self._net.sgen["q_mvar"] = 0.0
        self._net.storage["p_mw"] = 0.0
        self._options = {"trafo_model": "pi", "calculate_voltage_angles": True, "tolerance_mva": 1e-9, "numba": False}
        self._set(int(rows[0]))
        with library_warnings_silenced():
            self._run(self._net, init="dc", **self._options)

    def solve(self, row: int) -> FloatArray:
        """Return the voltages of one row, pu by bus."""
        self._set(row)
        keep = {"bus_pq": True, "gen": False, "trafo": False}
        with library_warnings_silenced():
            self._run(self._net, init="results", recycle=keep, **self._options)
        return np.asarray(self._net.res_bus.vm_pu.to_numpy(), dtype=np.float64)

    def solve_all(self) -> None:
        """Solve all rows."""
        for row in self.rows.tolist():
            self.solve(row)

    def _set(self, row: int) -> None:
        profiles = self._case.profiles
        self._net.load["p_mw"] = profiles.load_p.rows(row, row + 1)[0]
        self._net.load["q_mvar"] = profiles.load_q.rows(row, row + 1)[0]
        self._net.sgen["p_mw"] = profiles.generator_p.rows(row, row + 1)[0]


def _pandapower_net(network: Network) -> "pandapowerNet":
    return copy.deepcopy(network.handle)


def _compare_year(case: _Case, workbench: Workbench) -> tuple[Comparison, int]:
    stop = 64 if workbench.small else case.year.n_rows
    _reset_peak_memory()
    ours, _ = time_in_turn(
        Contender("streamed", lambda _run: partial(case.year.run, 0, stop)), None, runs=workbench.few_runs, peer_runs=1
    )
    found = case.year.run(0, min(stop, 672))
    if found.failures:
        raise BenchError(f"row {found.failures[0].scenario} has no solution: {found.failures[0].reason}")
    what = f"a year: {stop:,} AC power flows, {len(case.network.buses):,} buses"
    return Comparison(what, Show.MILLISECONDS, "years", ours, None, ""), _peak_memory_mb()


def _compare_hosting(case: _Case, workbench: Workbench) -> tuple[Comparison, int]:
    row = int(np.argmin(case.profiles.load_p.totals() - case.profiles.generator_p.totals()))
    p_mw, q_mvar = case.year.injections(np.array([row]))
    hosting = Hosting(case.power_flow)
    found = hosting.capacity(p_mw, q_mvar)
    if not found.certified.all():
        raise BenchError(f"bus {found.bus[int(np.argmin(found.certified))]!r}: its hosting capacity is not certified")
    usable = np.flatnonzero(np.isfinite(found.capacity_mw) & (found.capacity_mw > 0))
    sample = np.sort(np.random.default_rng(SEED).choice(usable, min(SAMPLE_NODES, usable.size), replace=False))
    bisection = _Bisection(case, hosting, found, sample, (p_mw, q_mvar))
    _reset_peak_memory()
    ours, theirs = time_in_turn(
        Contender("certified", lambda _run: partial(hosting.capacity, p_mw, q_mvar), len(found.bus)),
        Contender("power-grid-model bisection", lambda _run: bisection.run, sample.size),
        runs=workbench.few_runs,
        peer_runs=1,
    )
    peak_mb = _peak_memory_mb()
    bisection.require_agreement()
    what = f"hosting capacity of all {len(found.bus):,} buses, {sum(map(len, found.breaches))} breaches before"
    agreed = f"hosting capacity of {sample.size} buses to {RELATIVE_WIDTH:.1%}"
    return Comparison(what, Show.MILLISECONDS, "buses", ours, theirs, agreed), peak_mb


class _Bisection:
    """Bisection of some buses' capacities by power-grid-model, all of them side by side in one batch."""

    def __init__(
        self,
        case: _Case,
        hosting: Hosting,
        found: HostingCapacity,
        sample: Int64Array,
        state: tuple[FloatArray, FloatArray],
    ) -> None:
        self._newton = Newton(case.network)
        self._model = case.power_flow.model
        self._base = case.power_flow.node_injections(*state).power[:, 0]
        self._limits = hosting.base_limits(*state)
        self._capacity_mw = found.capacity_mw[sample]
        at = [case.network.bus_position[found.bus[bus]] for bus in sample.tolist()]
        self._node = self._model.node_of_bus[at]
        self._middle = np.zeros(sample.size)

    def run(self) -> None:
        """Bisect from 0 to twice the largest capacity, as one who knows nothing of it would."""
        low = np.zeros(self._node.size)
        high = np.full(self._node.size, 2 * self._capacity_mw.max())
        while ((high - low) > RELATIVE_WIDTH * high).any():
            middle = (low + high) / 2
            inside = self._feasible(middle)
            low, high = np.where(inside, middle, low), np.where(inside, high, middle)
        self._middle = (low + high) / 2

    def require_agreement(self) -> None:
        """Refuse figures that lie outside the last interval.

        :raises BenchError: naming the difference
        """
        difference = np.abs(self._middle / self._capacity_mw - 1).max()
        if not difference <= RELATIVE_WIDTH:
            raise BenchError(f"hosting capacities differ from bisection by {difference:.2%}")

    def _feasible(self, power_mw: FloatArray) -> FloatArray:
        injections = np.repeat(self._base[:, np.newaxis], self._node.size, axis=1)
        injections[self._node, np.arange(self._node.size)] += power_mw
        solved = self._newton.solve(NodeInjections(injections))
        ends = BranchEnds.of(self._model, solved.v)
        limits = self._limits
        loading = np.maximum(ends.i_from_ka / limits.from_ka, ends.i_to_ka / limits.to_ka)
        vm_pu = np.abs(solved.v)
        within = ((vm_pu <= limits.v_high) & (vm_pu >= limits.v_low)).all(axis=1)
        return np.asarray(within & (loading <= limits.loading).all(axis=1) & solved.converged)


def _reset_peak_memory() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def _peak_memory_mb() -> int:
    status = Path("/proc/self/status").read_text().splitlines()
    (peak_kb,) = (int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
    return round(peak_kb / 1000)
