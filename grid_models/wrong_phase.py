"""Single-phase meters registered on the wrong phase: each meter's voltage against what the network makes of the others.

The voltage at a meter's bus falls, phase by phase, with what the other meters draw on each phase; the unbalanced power
flow gives by how many volts per megawatt. From one interval to the next, the meter's voltage is explained by the change
so predicted on phase a, b or c, by its own power, and by what all meters' voltages have in common (the medium voltage).
The registered phase must explain it best. The clearest contradiction is put right first and all meters are judged
anew, for one meter on a wrong phase spoils the prediction of its neighbours.
"""

from dataclasses import dataclass
from itertools import permutations

import numpy as np

from grid_models.connectivity import connected_lines, joined_buses, nodes
from grid_models.elements import BoolArray, FloatArray, Int64Array, Names, NetworkError
from grid_models.networks import Network
from grid_models.phase_points import PhaseConnection, locate_phase_points
from grid_models.unbalanced import UnbalancedPowerFlow
from grid_models.zero_sequence import ZeroSequence

_SINGLE_PHASES = (PhaseConnection.A, PhaseConnection.B, PhaseConnection.C)
_STEP_MW = 1e-3
_ROWS_MIN = 48
_PASSES_PER_METER = 3


@dataclass(frozen=True)
class WrongPhaseSuspicion:
    """A meter whose voltage follows another phase than it is registered on.

    z: square root of twice the logarithm of how much likelier the voltages are on the better phase; it grows with the
    length of the period. explained_*: share (0..1) of the voltage's own changes that each phase explains.
    """

    meter: str
    registered: PhaseConnection
    better: PhaseConnection
    z: float
    explained_registered: float
    explained_better: float
    evidence: str


@dataclass(frozen=True)
class WrongPhaseFindings:
    """Meters on a wrong phase, clearest first.

    z_honest_max: the largest z among the meters not suspected. unjudged: meters of which nothing can be said, and why.
    """

    suspicions: tuple[WrongPhaseSuspicion, ...]
    z_honest_max: float
    unjudged: tuple[tuple[str, str], ...]


@dataclass(frozen=True, eq=False)
class PhaseVoltages:
    """Metered power and voltage of an area's metering points, (n_intervals, n_meters); all of whole intervals in a row.

    p_mw: injection, positive into the network. voltage_v: phase to neutral, NaN where there is no reading, and
    throughout for three-phase points.
    """

    meter: Names
    bus: Names
    registered: tuple[PhaseConnection, ...]
    p_mw: FloatArray
    voltage_v: FloatArray

    def __post_init__(self) -> None:
        shape = (len(self.p_mw), len(self.meter))
        assert self.p_mw.shape == self.voltage_v.shape == shape, "one column a meter"
        assert len(self.bus) == len(self.registered) == len(self.meter), "one row a meter"
        self.p_mw.flags.writeable = self.voltage_v.flags.writeable = False


@dataclass(frozen=True)
class _Explained:
    """How well each phase explains each meter: log likelihood and explained share, (n_judged, 3)."""

    log_likelihood: FloatArray
    share: FloatArray


def suspect_wrong_phases(
    network: Network,
    voltages: PhaseVoltages,
    *,
    zero: ZeroSequence | None = None,
    tan_phi: float = 0.33,
    z_min: float = 5.0,
) -> WrongPhaseFindings:
    """Return which single-phase meters stand on another phase than registered.

    :param network: the area as a network of its own
    :param z_min: from where a meter is suspected
    :raises NetworkError: if a bus is unknown, or the network has no power flow at the mean of the metered power
    """
    judged, unjudged = _judged(voltages)
    if not judged.any():
        return WrongPhaseFindings((), 0.0, unjudged)
    meters = np.flatnonzero(judged)
    changes = _PhaseChanges(voltages, judged, _volts_per_mw(network, voltages, zero, tan_phi))
    registered = np.array([_SINGLE_PHASES.index(voltages.registered[meter]) for meter in meters])
    phase = _clearest_first(changes, registered, z_min)
    phase = _fewest_changes(changes, registered, phase, _feeders(network, voltages, meters), z_min)
    explained = changes.explained(phase)
    z = _z(explained, registered)
    suspected = np.flatnonzero((phase != registered) & (z >= z_min))
    suspicions = [
        _suspicion(voltages.meter[meters[row]], (registered[row], phase[row]), float(z[row]), explained.share[row])
        for row in suspected
    ]
    return WrongPhaseFindings(
        suspicions=tuple(sorted(suspicions, key=lambda each: -each.z)),
        z_honest_max=float(np.delete(z, suspected).max(initial=0.0)),
        unjudged=unjudged,
    )


def _clearest_first(changes: "_PhaseChanges", registered: Int64Array, z_min: float) -> Int64Array:
    """Return the phases after each clear contradiction has been put right, one at a time, until none is left."""
    phase = registered.copy()
    for _ in range(_PASSES_PER_METER * phase.size):
        explained = changes.explained(phase)
        z = _z(explained, phase)
        worst = int(np.argmax(z))
        if z[worst] < z_min:
            break
        phase[worst] = np.argmax(explained.log_likelihood[worst])
    return phase


def _fewest_changes(
    changes: "_PhaseChanges", registered: Int64Array, phase: Int64Array, feeder: Int64Array, z_min: float
) -> Int64Array:
    """Return the phases with those of a feeder exchanged as a whole where that contradicts fewer registrations.

    All meters of a feeder on the wrong phases look almost like all on the right ones; a meter under suspicion is worth
    as much likelihood as makes it suspected.
    """
    price = z_min**2 / 2

    def worth(assumed: Int64Array) -> float:
        likelihood = changes.explained(assumed).log_likelihood[np.arange(assumed.size), assumed].sum()
        return float(likelihood) - price * int((assumed != registered).sum())

    best, best_worth = phase, worth(phase)
    for each in np.unique(feeder[phase != registered]):
        inside = feeder == each
        for order in permutations(range(3)):
            exchanged = np.where(inside, np.array(order)[best], best)
            if (exchanged != registered).sum() < (best != registered).sum() and worth(exchanged) > best_worth:
                best, best_worth = exchanged, worth(exchanged)
    return best


def _feeders(network: Network, voltages: PhaseVoltages, meters: Int64Array) -> Int64Array:
    """Return the number of the feeder on which each of the meters stands: what hangs together without the busbar."""
    node = nodes(network)
    busbar = np.isin(node, node[network.transformers.lv_bus])
    lines = connected_lines(network) & ~busbar[network.lines.from_bus] & ~busbar[network.lines.to_bus]
    part = joined_buses(network, lines, np.zeros(len(network.transformers), dtype=np.bool_))
    return part[[network.bus_position[voltages.bus[meter]] for meter in meters]]


def _z(explained: _Explained, phase: Int64Array) -> FloatArray:
    """Return how much likelier than on the given phases the voltages are on the best, as WrongPhaseSuspicion.z."""
    likelihood = explained.log_likelihood
    return np.asarray(np.sqrt(2 * (likelihood.max(axis=1) - likelihood[np.arange(phase.size), phase])))


def _judged(voltages: PhaseVoltages) -> tuple[BoolArray, tuple[tuple[str, str], ...]]:
    """Return the meters that can be judged, and why the others cannot."""
    judged = np.zeros(len(voltages.meter), dtype=np.bool_)
    unjudged = []
    for meter, (name, registered) in enumerate(zip(voltages.meter, voltages.registered, strict=True)):
        values = voltages.voltage_v[:, meter]
        n_changes = int(np.isfinite(np.diff(values)).sum())
        if registered is PhaseConnection.THREE_PHASE:
            unjudged.append((name, "is connected to all three phases"))
        elif n_changes < _ROWS_MIN:
            unjudged.append((name, f"has {n_changes} voltages in a row; {_ROWS_MIN} are needed"))
        elif np.nanstd(np.diff(values)) == 0:
            unjudged.append((name, "its voltage never changes"))
        else:
            judged[meter] = True
    return judged, tuple(unjudged)


def _volts_per_mw(network: Network, voltages: PhaseVoltages, zero: ZeroSequence | None, tan_phi: float) -> FloatArray:
    """Return the change of the voltage at each meter's bus per MW injected at each, by phases.

    :returns: shape (n_meters, 3, n_meters, 3), from a power flow at the mean power, all points on all phases alike
    """
    n_meters = len(voltages.meter)
    points = locate_phase_points(network, voltages.bus, (PhaseConnection.THREE_PHASE,) * n_meters)
    mean = points.injection(voltages.p_mw.mean(axis=0)[np.newaxis])
    p_mw = np.repeat(mean, 3 * n_meters + 1, axis=0)
    meter, phase = np.divmod(np.arange(3 * n_meters), 3)
    p_mw[1 + np.arange(3 * n_meters), points.bus[meter], phase] += _STEP_MW
    result = UnbalancedPowerFlow(network, zero).solve(p_mw, p_mw * tan_phi)
    if result.failures:
        raise NetworkError(f"no power flow at the mean of the metered power: bus {result.failures[0].bus!r}")
    volts = result.vm_v[:, points.bus]
    change = (volts[1:] - volts[0]) / _STEP_MW
    return np.asarray(change.reshape(n_meters, 3, n_meters, 3).transpose(2, 3, 0, 1), dtype=np.float64)


class _PhaseChanges:
    """Changes from interval to interval of the judged meters' voltages and of all meters' power."""

    def __init__(self, voltages: PhaseVoltages, judged: BoolArray, volts_per_mw: FloatArray) -> None:
        self._judged = np.flatnonzero(judged)
        self._voltage = np.diff(voltages.voltage_v[:, self._judged], axis=0)
        self._power = np.diff(voltages.p_mw, axis=0)
        self._seen = np.isfinite(self._voltage)
        self._volts_per_mw = volts_per_mw
        shares = np.array([each.shares for each in voltages.registered])
        self._share = shares

    def explained(self, phase: Int64Array) -> _Explained:
        """Return how well each phase explains each judged meter, the others being on the phases given."""
        share = self._share.copy()
        share[self._judged] = np.eye(3)[phase]
        by_meter = np.einsum("ikjl,jl->ikj", self._volts_per_mw, share)[self._judged]
        predicted = np.einsum("ikj,tj->tik", by_meter, self._power)
        rows = np.arange(phase.size)
        common = _mean_seen(self._voltage, self._seen)
        predicted_common = _mean_seen(predicted[:, rows, phase], self._seen)
        own = by_meter[rows, :, self._judged]
        log_likelihood, explained_share = np.zeros((2, phase.size, 3))
        for row, meter in enumerate(self._judged):
            seen = self._seen[:, row]
            power = self._power[seen, meter]
            target = (self._voltage[:, row] - common)[seen]
            known = np.column_stack([np.ones(power.size), power])
            without = _squares(target, known)
            for each in range(3):
                # What its own power does is left to the column of its own power: it says nothing of the phase.
                others = predicted[seen, row, each] - own[row, each] * power - predicted_common[seen]
                left = min(_squares(target, known, others), without)
                log_likelihood[row, each] = -power.size / 2 * np.log(max(left, np.finfo(float).tiny))
                explained_share[row, each] = 1 - left / without if without > 0 else 0.0
        return _Explained(log_likelihood, explained_share)


def _mean_seen(values: FloatArray, seen: BoolArray) -> FloatArray:
    count = np.maximum(seen.sum(axis=1), 1)
    return np.asarray(np.where(seen, values, 0.0).sum(axis=1) / count, dtype=np.float64)


def _squares(target: FloatArray, known: FloatArray, more: FloatArray | None = None) -> float:
    """Return the sum of squares left; a further column whose coefficient is not positive explains nothing."""
    columns = known if more is None else np.column_stack([known, more])
    size = np.sqrt((columns**2).sum(axis=0))
    coefficient = np.linalg.lstsq(columns / np.where(size > 0, size, 1.0), target, rcond=None)[0]
    if more is not None and coefficient[-1] <= 0:
        return float("inf")
    left = target - columns / np.where(size > 0, size, 1.0) @ coefficient
    return float(left @ left)


def _suspicion(meter: str, phases: tuple[int, int], z: float, share: FloatArray) -> WrongPhaseSuspicion:
    registered, better = (_SINGLE_PHASES[phase] for phase in phases)
    percent_registered, percent_better = (100 * share[phase] for phase in phases)
    return WrongPhaseSuspicion(
        meter=meter,
        registered=registered,
        better=better,
        z=z,
        explained_registered=float(share[phases[0]]),
        explained_better=float(share[phases[1]]),
        evidence=(
            f"the power drawn on phase {better.value} explains {percent_better:.0f} % of the changes of the voltage of"
            f" {meter}, that on phase {registered.value}, where it is registered, {percent_registered:.0f} %"
        ),
    )
