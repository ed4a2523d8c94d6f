"""AC power flows over a long series of quarter-hours, keeping what matters of every element and nothing dense.

The profiles stay factored. Rows are solved in spans of fixed size, each started from the no-load voltages, so neither
the number of threads nor an interruption changes the result. A run can leave a checkpoint and go on from there.
"""

import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from grid_models.admittance import BASE_MVA
from grid_models.elements import BoolArray, FloatArray, Int64Array
from grid_models.fixed_point import BranchColumns, FixedPoint, entries_by_position, run_blocks
from grid_models.kernel_library import LANES, ExtremesStructure, ProfilesStructure, filled
from grid_models.networks import Network
from grid_models.power_flow import BranchEnds, NonConvergence, PowerFlow, rated_currents_ka
from grid_models.simbench_profiles import NetworkProfiles

HOURS_PER_ROW: Final = 0.25
SPAN_ROWS: Final = 672
STEP_TOLERANCE_PU: Final = 1e-7
ITERATIONS_MAX: Final = 60
BINS: Final = 400
V_BIN_FROM_PU: Final = 0.8
V_BINS_PER_PU: Final = 1000.0
LOADING_BINS_PER_PU: Final = 200.0
_PROFILE_ENTRY: Final = [("p_nominal", np.float64), ("q_nominal", np.float64), ("p_at", np.int64), ("q_at", np.int64)]

Progress = Callable[[int, int], None]


class CheckpointError(ValueError):
    """The checkpoint is of another run, or cannot be read."""


@dataclass(eq=False)
class YearFlow:
    """What a run over rows first..last-1 found; it grows span by span.

    By bus (n_buses,): v_min_pu, v_max_pu and the rows where they occurred, rows below and above the band. By branch
    (lines, then transformers): loading_max (1.0 is 100 %), its row, rows above 100 %, energy lost (MWh). By row: losses
    (MW), lowest and highest voltage, highest loading; NaN where there was no solution. Histograms: rows by bin, (n,
    400), None unless percentiles were asked for; a voltage bin is 0.001 pu wide, a loading bin 0.5 %.
    """

    first_row: int
    next_row: int
    v_min_pu: FloatArray
    v_min_row: Int64Array
    v_max_pu: FloatArray
    v_max_row: Int64Array
    rows_below: Int64Array
    rows_above: Int64Array
    loading_max: FloatArray
    loading_max_row: Int64Array
    rows_overloaded: Int64Array
    loss_mwh: FloatArray
    row_loss_mw: FloatArray
    row_v_min_pu: FloatArray
    row_v_max_pu: FloatArray
    row_loading_max: FloatArray
    v_histogram: npt.NDArray[np.uint16] | None = None
    loading_histogram: npt.NDArray[np.uint16] | None = None
    failures: list[NonConvergence] = field(default_factory=list)

    @property
    def hours_below(self) -> FloatArray:
        """Return the hours that each bus spent below its band."""
        return np.asarray(self.rows_below * HOURS_PER_ROW, dtype=np.float64)

    @property
    def hours_above(self) -> FloatArray:
        """Return the hours that each bus spent above its band."""
        return np.asarray(self.rows_above * HOURS_PER_ROW, dtype=np.float64)

    @property
    def hours_overloaded(self) -> FloatArray:
        """Return the hours that each branch spent above its rating."""
        return np.asarray(self.rows_overloaded * HOURS_PER_ROW, dtype=np.float64)

    def v_percentile_pu(self, percent: float) -> FloatArray:
        """Return the voltage that each bus stays at or below in `percent` of the rows, to the width of a bin."""
        return V_BIN_FROM_PU + (_bin_of_percentile(self.v_histogram, percent) + 1) / V_BINS_PER_PU

    def loading_percentile(self, percent: float) -> FloatArray:
        """Return the loading that each branch stays at or below in `percent` of the rows, to the width of a bin."""
        return (_bin_of_percentile(self.loading_histogram, percent) + 1) / LOADING_BINS_PER_PU


class NoPercentilesError(ValueError):
    """Percentiles were not asked for when the run began."""


class YearFlowModel:
    """Runs a network over its profiles.

    :param power_flow: model of the network; its fixed point is used, Newton for what that does not settle
    """

    def __init__(self, power_flow: PowerFlow, profiles: NetworkProfiles) -> None:
        self._power_flow = power_flow
        self._network = power_flow.network
        self._profiles = profiles
        self._factor, self._entries = _factored(self._network, profiles)
        self._limits = _BranchLimits.of(self._network)

    @property
    def n_rows(self) -> int:
        """Return the number of rows that the profiles have."""
        return len(self._profiles.load_p.factor)

    def run(
        self,
        first_row: int = 0,
        stop_row: int | None = None,
        *,
        percentiles: bool = False,
        checkpoint: Path | None = None,
        progress: Progress = lambda _done, _all: None,
    ) -> YearFlow:
        """Return what rows first_row..stop_row-1 (default: all) bring.

        :param checkpoint: written after every span; if it is there, the run goes on from it
        :param progress: called with rows done and rows in all, after every span
        :raises ValueError: if the rows are not in the profiles
        :raises CheckpointError: if the checkpoint is of another run
        """
        stop = self.n_rows if stop_row is None else stop_row
        if not 0 <= first_row < stop <= self.n_rows:
            raise ValueError(f"rows {first_row} to {stop} are not within 0 to {self.n_rows}")
        found = self._empty(first_row, stop - first_row, percentiles=percentiles)
        if checkpoint is not None and checkpoint.exists():
            found = _read_checkpoint(checkpoint, found)
        span = SPAN_ROWS * max(self._power_flow.threads, 1)
        progress(found.next_row - first_row, stop - first_row)
        while found.next_row < stop:
            until = min(found.next_row + span, stop)
            self._run_span(found, until)
            progress(until - first_row, stop - first_row)
            if checkpoint is not None:
                _write_checkpoint(checkpoint, found)
        return found

    def injections(self, rows: Int64Array) -> tuple[FloatArray, FloatArray]:
        """Return the dense injections of a few rows, MW and Mvar, shape (n_rows, n_buses) each."""
        p_mw, q_mvar = np.zeros((2, len(self._network.buses), rows.size))
        profiles, loads, generators = self._profiles, self._network.loads, self._network.generators
        for series, bus, target, sign in (
            (profiles.load_p, loads.bus, p_mw, -1.0),
            (profiles.load_q, loads.bus, q_mvar, -1.0),
            (profiles.generator_p, generators.bus, p_mw, 1.0),
        ):
            np.add.at(target, bus, sign * (series.factor[rows][:, series.column] * series.nominal).T)
        return np.ascontiguousarray(p_mw.T), np.ascontiguousarray(q_mvar.T)

    def _empty(self, first_row: int, n_rows: int, *, percentiles: bool) -> YearFlow:
        n, m = len(self._network.buses), len(self._power_flow.model.branches)
        none = np.full(n, -1, np.int64)
        return YearFlow(
            first_row=first_row,
            next_row=first_row,
            v_min_pu=np.full(n, np.inf),
            v_min_row=none.copy(),
            v_max_pu=np.full(n, -np.inf),
            v_max_row=none,
            rows_below=np.zeros(n, np.int64),
            rows_above=np.zeros(n, np.int64),
            loading_max=np.full(m, -np.inf),
            loading_max_row=np.full(m, -1, np.int64),
            rows_overloaded=np.zeros(m, np.int64),
            loss_mwh=np.zeros(m),
            row_loss_mw=np.full(n_rows, np.nan),
            row_v_min_pu=np.full(n_rows, np.nan),
            row_v_max_pu=np.full(n_rows, np.nan),
            row_loading_max=np.full(n_rows, np.nan),
            v_histogram=np.zeros((n, BINS), np.uint16) if percentiles else None,
            loading_histogram=np.zeros((m, BINS), np.uint16) if percentiles else None,
        )

    def _run_span(self, found: YearFlow, stop: int) -> None:
        """Add rows found.next_row..stop-1 to what was found."""
        start = found.next_row
        fixed_point = self._power_flow.fixed_point
        if fixed_point is None:
            for first in range(start, stop, 96):
                self._add_dense(found, np.arange(first, min(first + 96, stop)))
        else:
            _Stream(fixed_point, self._network, self._entries, self._limits).add(found, self._factor, start, stop)
            missing = start + np.flatnonzero(np.isnan(_window(found.row_loss_mw, found, start, stop)))
            if missing.size:
                self._add_dense(found, missing)
        found.next_row = stop

    def _add_dense(self, found: YearFlow, rows: Int64Array) -> None:
        """Add a few rows by the general way: for what the fixed point left, and where there is no kernel."""
        p_mw, q_mvar = self.injections(rows)
        injections = self._power_flow.node_injections(p_mw, q_mvar)
        solved = self._power_flow.voltages(injections)
        result = self._power_flow.solve(p_mw, q_mvar)
        found.failures += [replace(one, scenario=int(rows[one.scenario])) for one in result.failures]
        good = np.flatnonzero(solved.converged)
        if not good.size:
            return
        ends = BranchEnds.of(self._power_flow.model, solved.v[good])
        loading = self._limits.loading(ends)
        loss = ends.s_from_mva.real + ends.s_to_mva.real
        _fold_buses(found, result.vm_pu[good], rows[good], self._network)
        _fold_branches(found, loading, loss, rows[good])
        at = rows[good] - found.first_row
        found.row_loss_mw[at] = loss.sum(axis=1)
        found.row_v_min_pu[at], found.row_v_max_pu[at] = result.vm_pu[good].min(axis=1), result.vm_pu[good].max(axis=1)
        found.row_loading_max[at] = loading.max(axis=1, initial=0.0)


@dataclass(frozen=True, eq=False)
class _Entries:
    """The profiles by node position; see kernel/fixed_point.h."""

    start: Int64Array
    p_column: npt.NDArray[np.int32]
    q_column: npt.NDArray[np.int32]
    p_nominal: FloatArray
    q_nominal: FloatArray
    bus: Int64Array


@dataclass(frozen=True, eq=False)
class _BranchLimits:
    """Rated current at both ends of every branch, kA; NaN: none."""

    from_ka: FloatArray
    to_ka: FloatArray

    @classmethod
    def of(cls, network: Network) -> "_BranchLimits":
        return cls(*rated_currents_ka(network))

    def loading(self, ends: BranchEnds) -> FloatArray:
        of_from, of_to = (np.where(limit > 0, limit, np.inf) for limit in (self.from_ka, self.to_ka))
        return np.maximum(ends.i_from_ka / of_from, ends.i_to_ka / of_to)


class _Stream:
    """One call of the kernel over some rows, split among threads."""

    def __init__(self, engine: FixedPoint, network: Network, entries: _Entries, limits: _BranchLimits) -> None:
        self._engine = engine
        self._network = network
        self._branches = BranchColumns(engine.model, engine.factors, limits.from_ka, limits.to_ka)
        # Buses of one node have one voltage; the kernel counts with the tightest band among them.
        band = np.stack([np.zeros(engine.model.n_nodes), np.full(engine.model.n_nodes, np.inf)])
        buses = network.buses
        np.maximum.at(band[0], engine.model.node_of_bus, buses.v_min_v / (buses.vn_kv * 1e3))
        np.minimum.at(band[1], engine.model.node_of_bus, buses.v_max_v / (buses.vn_kv * 1e3))
        self._low2, self._high2 = (np.ascontiguousarray(limit[engine.factors.node] ** 2) for limit in band)
        self._entries = _sorted_entries(entries, engine)

    def add(self, found: YearFlow, factor: FloatArray, start: int, stop: int) -> None:
        """Add rows start..stop-1; each thread takes whole spans."""
        window = _window_of_factors(factor, start, stop)
        stride = window[0].size
        entries = _placed(self._entries)
        profiles = filled(ProfilesStructure, stride=stride, start=self._entries["start"], entry=entries, factor=window)
        parts: dict[int, tuple[int, dict[str, Any]]] = {}

        def run(first: int, last: int) -> int:
            arrays = self._arrays(found, last)
            structure = filled(ExtremesStructure, **arrays)
            columns = self._engine.columns
            converged = np.zeros(len(window) * LANES, np.int8)
            iterations = self._engine.library.call(
                "cmb_stream",
                *(columns.structure, self._branches.structure, profiles, first, last, SPAN_ROWS),
                *(columns.v_r, columns.v_m, STEP_TOLERANCE_PU**2, ITERATIONS_MAX, structure, converged),
            )
            arrays["converged"] = converged
            parts[first] = (last, arrays)
            return iterations

        run_blocks(run, stop - start, self._engine.threads, SPAN_ROWS)
        for first in sorted(parts):
            self._fold(found, start, first, *parts[first])

    def _arrays(self, found: YearFlow, n_rows: int) -> dict[str, Any]:
        n, m = len(self._engine.factors), len(self._engine.model.branches)
        with_bins = found.v_histogram is not None
        return {
            "v_low2": self._low2,
            "v_high2": self._high2,
            **{name: np.empty(n) for name in ("v_min", "v_max")},
            **{name: np.empty(n, np.int64) for name in ("v_min_at", "v_max_at", "n_low", "n_high")},
            **{name: np.empty(m) for name in ("loading_max", "loss_sum")},
            **{name: np.empty(m, np.int64) for name in ("loading_max_at", "n_over")},
            **{f"scenario_{name}": np.empty(n_rows) for name in ("loss", "v_min", "v_max", "loading")},
            "v_histogram": np.zeros((n, BINS), np.uint16) if with_bins else None,
            "loading_histogram": np.zeros((m, BINS), np.uint16) if with_bins else None,
            "n_bins": BINS,
            "v_bin_from": V_BIN_FROM_PU,
            "v_bins_per_unit": V_BINS_PER_PU,
            "loading_bins_per_unit": LOADING_BINS_PER_PU,
        }

    def _fold(self, found: YearFlow, start: int, first: int, last: int, part: dict[str, Any]) -> None:
        """Merge one thread's part, by node, into what was found, by bus."""
        model, factors = self._engine.model, self._engine.factors
        position = factors.position[model.node_of_bus]
        inner = position >= 0
        at = position[inner]
        good = part["converged"][first:last].astype(np.bool_)
        _take(found.v_min_pu, found.v_min_row, inner, part["v_min"][at], part["v_min_at"][at] + start, sign=1)
        _take(found.v_max_pu, found.v_max_row, inner, part["v_max"][at], part["v_max_at"][at] + start, sign=-1)
        found.rows_below[inner] += part["n_low"][at]
        found.rows_above[inner] += part["n_high"][at]
        place = self._branches.place
        loading, loading_at = part["loading_max"][place], part["loading_max_at"][place]
        every = np.ones(len(found.loading_max), np.bool_)
        _take(found.loading_max, found.loading_max_row, every, loading, loading_at + start, sign=-1)
        found.rows_overloaded += part["n_over"][place]
        found.loss_mwh += part["loss_sum"][place] * BASE_MVA * HOURS_PER_ROW
        if found.v_histogram is not None and found.loading_histogram is not None:
            found.v_histogram[inner] += part["v_histogram"][at]
            found.loading_histogram += part["loading_histogram"][place]
        self._add_sources(found, ~inner, np.flatnonzero(good) + start + first)
        for name, scale in (("loss", BASE_MVA), ("v_min", 1.0), ("v_max", 1.0), ("loading", 1.0)):
            target = getattr(found, {"loss": "row_loss_mw", "loading": "row_loading_max"}.get(name, f"row_{name}_pu"))
            values = np.where(good, part[f"scenario_{name}"][first:last] * scale, np.nan)
            _window(target, found, start + first, start + last)[:] = values
        fixed = np.abs(model.source_v)
        rows = slice(start + first - found.first_row, start + last - found.first_row)
        found.row_v_min_pu[rows] = np.minimum(found.row_v_min_pu[rows], fixed.min())
        found.row_v_max_pu[rows] = np.maximum(found.row_v_max_pu[rows], fixed.max())

    def _add_sources(self, found: YearFlow, at_source: BoolArray, rows: Int64Array) -> None:
        """Buses that a feeding point holds have one voltage all the time."""
        if not rows.size or not at_source.any():
            return
        buses = np.flatnonzero(at_source)
        number = -1 - self._engine.factors.position[self._engine.model.node_of_bus[buses]]
        held = np.abs(self._engine.model.source_v)[number]
        _fold_buses(found, np.broadcast_to(held, (rows.size, buses.size)), rows, self._network, buses)


def _fold_buses(
    found: YearFlow, vm_pu: FloatArray, rows: Int64Array, network: Network, buses: Int64Array | None = None
) -> None:
    chosen = np.arange(len(network.buses)) if buses is None else buses
    where = np.zeros(len(network.buses), np.bool_)
    where[chosen] = True
    _take(found.v_min_pu, found.v_min_row, where, vm_pu.min(axis=0), rows[vm_pu.argmin(axis=0)], sign=1)
    _take(found.v_max_pu, found.v_max_row, where, vm_pu.max(axis=0), rows[vm_pu.argmax(axis=0)], sign=-1)
    volts = vm_pu * network.buses.vn_kv[chosen] * 1e3
    found.rows_below[chosen] += (volts < network.buses.v_min_v[chosen]).sum(axis=0)
    found.rows_above[chosen] += (volts > network.buses.v_max_v[chosen]).sum(axis=0)
    if found.v_histogram is not None:
        _count(found.v_histogram, chosen, (vm_pu - V_BIN_FROM_PU) * V_BINS_PER_PU)


def _fold_branches(found: YearFlow, loading: FloatArray, loss_mw: FloatArray, rows: Int64Array) -> None:
    every = np.ones(loading.shape[1], np.bool_)
    if loading.shape[1]:
        at = rows[loading.argmax(axis=0)]
        _take(found.loading_max, found.loading_max_row, every, loading.max(axis=0), at, sign=-1)
    found.rows_overloaded += (loading > 1.0).sum(axis=0)
    found.loss_mwh += loss_mw.sum(axis=0) * HOURS_PER_ROW
    if found.loading_histogram is not None:
        _count(found.loading_histogram, np.arange(loading.shape[1]), loading * LOADING_BINS_PER_PU)


def _count(histogram: npt.NDArray[np.uint16], chosen: Int64Array, bins: FloatArray) -> None:
    at = np.clip(np.floor(bins), 0, BINS - 1).astype(np.int64)
    np.add.at(histogram, (np.broadcast_to(chosen, at.shape), at), np.uint16(1))


def _take(
    value: FloatArray, row: Int64Array, where: BoolArray, new: FloatArray, new_row: Int64Array, *, sign: int
) -> None:
    """Keep, where chosen, the smaller (sign 1) or larger (sign -1) value and its row; of equals the earlier row."""
    old, old_row = value[where], row[where]
    better = (sign * new < sign * old) | ((new == old) & (new_row < old_row))
    value[where], row[where] = np.where(better, new, old), np.where(better, new_row, old_row)


def _window(values: FloatArray, found: YearFlow, start: int, stop: int) -> FloatArray:
    return values[start - found.first_row : stop - found.first_row]


def _factored(network: Network, profiles: NetworkProfiles) -> tuple[FloatArray, _Entries]:
    """Return all factors, (n_columns, n_rows) with one column of zeros last, and the entries, equal ones merged."""
    series = (profiles.load_p, profiles.load_q, profiles.generator_p)
    factor = np.concatenate([one.factor.T for one in series] + [np.zeros((1, len(series[0].factor)))])
    q_from, g_from = (sum(len(one.profile) for one in series[:count]) for count in (1, 2))
    none = len(factor) - 1
    loads, generators = network.loads, network.generators
    p_column = np.concatenate([profiles.load_p.column, g_from + profiles.generator_p.column])
    q_column = np.concatenate([q_from + profiles.load_q.column, np.full(len(generators), none)])
    bus = np.concatenate([loads.bus, generators.bus])
    p_nominal = np.concatenate([-profiles.load_p.nominal, profiles.generator_p.nominal]) / BASE_MVA
    q_nominal = np.concatenate([-profiles.load_q.nominal, np.zeros(len(generators))]) / BASE_MVA
    return np.ascontiguousarray(factor), _Entries(
        start=np.zeros(0, np.int64),
        p_column=p_column.astype(np.int32),
        q_column=q_column.astype(np.int32),
        p_nominal=p_nominal,
        q_nominal=q_nominal,
        bus=bus,
    )


def _sorted_entries(entries: _Entries, engine: FixedPoint) -> dict[str, npt.NDArray[Any]]:
    """Return the entries of every node in elimination order, those with the same profiles added up."""
    position = engine.factors.position[engine.model.node_of_bus[entries.bus]]
    inner = np.flatnonzero(position >= 0)
    keys = np.stack([position[inner], entries.p_column[inner], entries.q_column[inner]])
    distinct, number = np.unique(keys, axis=1, return_inverse=True)
    number = number.reshape(-1)
    n_distinct = distinct.shape[1]
    _, start = entries_by_position(distinct[0], len(engine.factors))
    return {
        "start": start,
        "p_column": distinct[1],
        "q_column": distinct[2],
        "p_nominal": np.bincount(number, weights=entries.p_nominal[inner], minlength=n_distinct),
        "q_nominal": np.bincount(number, weights=entries.q_nominal[inner], minlength=n_distinct),
    }


def _window_of_factors(factor: FloatArray, start: int, stop: int) -> FloatArray:
    """Return the factors of rows start..stop-1 as the kernel takes them, (n_blocks, n_columns, LANES).

    They begin where a cache line does, so that those of one column and block are one line.
    """
    n_blocks, n_columns = -(-(stop - start) // LANES), len(factor)
    memory = np.zeros(n_blocks * n_columns * LANES + LANES)
    offset = -(memory.ctypes.data // memory.itemsize) % LANES
    window = memory[offset : offset + n_blocks * n_columns * LANES].reshape(n_blocks, n_columns, LANES)
    padded = np.zeros((n_columns, n_blocks * LANES))
    padded[:, : stop - start] = factor[:, start:stop]
    window[:] = padded.reshape(n_columns, n_blocks, LANES).transpose(1, 0, 2)
    return window


def _placed(entries: dict[str, npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Return the entries as the kernel takes them (profile_entry)."""
    placed = np.empty(len(entries["p_column"]), dtype=_PROFILE_ENTRY)
    placed["p_nominal"], placed["q_nominal"] = entries["p_nominal"], entries["q_nominal"]
    placed["p_at"], placed["q_at"] = entries["p_column"] * LANES, entries["q_column"] * LANES
    return placed


def _bin_of_percentile(histogram: npt.NDArray[np.uint16] | None, percent: float) -> FloatArray:
    if histogram is None:
        raise NoPercentilesError("the run was made without percentiles")
    total = histogram.sum(axis=1, dtype=np.int64)
    wanted = np.maximum(np.ceil(total * (percent / 100)), 1)
    reached = np.cumsum(histogram, axis=1, dtype=np.int64) >= wanted[:, np.newaxis]
    return np.where(total > 0, reached.argmax(axis=1).astype(np.float64), np.nan)


def _write_checkpoint(path: Path, found: YearFlow) -> None:
    """Write all that was found, so that a run that dies while writing leaves the former one."""
    arrays: dict[str, Any] = {name: values for name, values in vars(found).items() if isinstance(values, np.ndarray)}
    failures = np.array([(str(one.scenario), one.bus, one.reason) for one in found.failures], dtype=np.str_)
    partial = path.with_name(f"{path.name}.partial")
    with partial.open("wb") as file:
        np.savez(file, next_row=found.next_row, first_row=found.first_row, failures=failures.reshape(-1, 3), **arrays)
    partial.replace(path)


def _read_checkpoint(path: Path, empty: YearFlow) -> YearFlow:
    """Return the checkpoint's state, made sure to be of a run like the empty one."""
    try:
        with np.load(path, allow_pickle=False) as content:
            arrays = {name: content[name] for name in content.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"{path}: not a checkpoint of a year's run: {error}") from None
    wanted = {name: values for name, values in vars(empty).items() if isinstance(values, np.ndarray)}
    fits = all(name in arrays and arrays[name].shape == values.shape for name, values in wanted.items())
    if not fits or "next_row" not in arrays or int(arrays.get("first_row", -1)) != empty.first_row:
        raise CheckpointError(f"{path}: a checkpoint of another run; remove it to begin anew")
    failures = [NonConvergence(int(row), str(bus), str(reason)) for row, bus, reason in arrays["failures"]]
    kept = {name: arrays[name] for name in wanted}
    return replace(empty, next_row=int(arrays["next_row"]), failures=failures, **kept)
