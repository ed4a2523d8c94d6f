"""State estimation where voltages are metered: estimated voltages, and the sensors that contradict all the others.

power-grid-model's weighted least squares: voltages, injections and transformer flows are measured with known standard
deviations; buses without an injection sensor inject nothing. Balanced (line-to-line voltages) or by phase (phase to
neutral).

A sensor is judged by its normalised residual: measured less estimated, over the standard deviation that this residual
has when all sensors are honest. That is smaller than the sensor's own, for the estimate follows the sensor; it is found
by estimating from seeded random errors. The sensor with the largest normalised residual is put out of force and the
rest judged anew, until none is beyond the threshold (largest normalised residual test: Monticelli, "State Estimation in
Electric Power Systems", 1999).
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from grid_models.elements import BoolArray, FloatArray, Names, freeze
from grid_models.estimation_case import EstimationCase
from grid_models.networks import Network
from grid_models.sensors import Method, Quantity, Readings, Sensors
from grid_models.unbalanced import PHASES
from grid_models.zero_sequence import ZeroSequence

_DRAWS = 300
_SEED = 20_416
_CHECKABLE_SHARE = 0.02
_ALONG_CORRELATION = 0.95
_BALANCED = ("",)


@dataclass(frozen=True)
class NotObservable:
    """The sensors do not determine the state; reason: what the solver said."""

    reason: str


@dataclass(frozen=True)
class EstimationFailure:
    """One scenario for which no estimate was found; its rows in the estimate are NaN."""

    scenario: int
    reason: str


@dataclass(frozen=True)
class SensorScore:
    """How one quantity of one sensor (and phase, "" in a balanced estimate) agrees with all the others.

    z: root mean square of its normalised residuals over the scenarios; 1 is what an honest sensor has on average.
    checkable: False where nothing else tells what it measures; its z is then 0. mean_residual: measured less
    estimated, in V, MW or Mvar.
    """

    sensor: str
    quantity: Quantity
    phase: str
    z: float
    checkable: bool
    mean_residual: float


@dataclass(frozen=True, eq=False)
class StateEstimate:
    """Estimated voltages, vm_pu: (n_scenarios, n_buses), by phase (n_scenarios, n_buses, 3); scores: worst first."""

    vm_pu: FloatArray
    failures: tuple[EstimationFailure, ...]
    scores: tuple[SensorScore, ...]

    def __post_init__(self) -> None:
        freeze(self)


@dataclass(frozen=True)
class BadSensor:
    """A sensor that cannot be right. z: its score when it was put out of force. error: mean of measured less what the
    others say, in V, MW or Mvar.

    or_else: sensors any one of which may be the bad one instead, for their residuals go along: where power is measured
    but once more than needed, a wrong balance does not tell who is wrong.
    """

    sensor: str
    quantity: Quantity
    phase: str
    z: float
    error: float
    or_else: Names
    evidence: str


@dataclass(frozen=True)
class BadSensors:
    """The sensors found bad, in the order in which they were put out of force, and the estimate without them."""

    found: tuple[BadSensor, ...]
    estimate: StateEstimate


Estimate: TypeAlias = StateEstimate | NotObservable


@dataclass(frozen=True)
class _Judged:
    """An estimate, and the residuals of random errors with which it was judged, (n_draws, n_sensors, n_phases)."""

    estimate: StateEstimate
    drawn: dict[Quantity, FloatArray]


class StateEstimator:
    """Estimates the state of one network from its sensors; built once, used often.

    :param by_phase: whether sensors measure phases a, b, c each
    :param zero: zero-sequence data, by default the network's own; without meaning in a balanced estimate
    :raises NetworkError: if a bus or transformer is unknown, two injection sensors stand at one node, or a sensor has
        no standard deviation
    """

    def __init__(
        self,
        network: Network,
        sensors: Sensors,
        *,
        by_phase: bool = False,
        zero: ZeroSequence | None = None,
        method: Method = Method.NEWTON,
    ) -> None:
        self._case = EstimationCase(network, sensors, by_phase=by_phase, zero=zero, method=method)
        self._sensors = sensors
        self._phases = PHASES if by_phase else _BALANCED

    def estimate(self, readings: Readings) -> Estimate:
        """Return the state that agrees best with the readings of each scenario, and each sensor's score.

        :raises ValueError: if a shape is wrong or a value is not finite
        """
        judged = self._judge(readings, frozenset())
        return judged if isinstance(judged, NotObservable) else judged.estimate

    def find_bad_sensors(self, readings: Readings, z_min: float = 4.0) -> BadSensors | NotObservable:
        """Return the sensors that contradict the others, worst first.

        :param z_min: from which score a sensor is bad
        :raises ValueError: if a shape is wrong or a value is not finite
        """
        out_of_force: dict[str, tuple[SensorScore, Names]] = {}
        judged = self._judge(readings, frozenset())
        while not isinstance(judged, NotObservable):
            worst = next((score for score in judged.estimate.scores if score.sensor not in out_of_force), None)
            if worst is None or worst.z < z_min:
                found = tuple(self._bad(score, along, judged.estimate) for score, along in out_of_force.values())
                return BadSensors(found, judged.estimate)
            out_of_force[worst.sensor] = worst, self._along(worst, judged)
            judged = self._judge(readings, frozenset(out_of_force))
        return judged

    def _bad(self, score: SensorScore, along: Names, without: StateEstimate) -> BadSensor:
        same = (score.sensor, score.quantity, score.phase)
        error = next(each.mean_residual for each in without.scores if (each.sensor, each.quantity, each.phase) == same)
        phase = f" on phase {score.phase}" if score.phase else ""
        instead = f"; or one of {', '.join(along)} is wrong instead" if along else ""
        return BadSensor(
            sensor=score.sensor,
            quantity=score.quantity,
            phase=score.phase,
            z=score.z,
            error=error,
            or_else=along,
            evidence=(
                f"{score.sensor} measures {error:+.6g} {score.quantity.unit} more {score.quantity.value}{phase} than"
                f" all other sensors say; its normalised residual is {score.z:.1f}, 1 for an honest sensor{instead}"
            ),
        )

    def _along(self, worst: SensorScore, judged: _Judged) -> Names:
        """Return the sensors whose residuals go along with the worst one's when errors are drawn at random."""
        row = self._sensors.names(worst.quantity).index(worst.sensor)
        own = judged.drawn[worst.quantity][:, row, self._phases.index(worst.phase)]
        checkable = {(each.sensor, each.quantity, each.phase) for each in judged.estimate.scores if each.checkable}
        found = []
        for quantity, residual in judged.drawn.items():
            for sensor, name in enumerate(self._sensors.names(quantity)):
                for column, phase in enumerate(self._phases):
                    if name != worst.sensor and (name, quantity, phase) in checkable:
                        correlation = np.corrcoef(own, residual[:, sensor, column])[0, 1]
                        found += [name] if abs(correlation) > _ALONG_CORRELATION else []
        return tuple(dict.fromkeys(found))

    def _judge(self, readings: Readings, out_of_force: frozenset[str]) -> _Judged | NotObservable:
        measured = self._case.measured(readings)
        solved = self._case.solve(measured, out_of_force)
        converged = np.ones(solved.n_scenarios, dtype=np.bool_)
        converged[list(solved.failures)] = False
        failures = tuple(EstimationFailure(*failure) for failure in sorted(solved.failures.items()))
        if not converged.any():
            return NotObservable(failures[0].reason)
        first = int(np.argmax(converged))
        true = {quantity: measured[quantity][first] - solved.residual[quantity][first] for quantity in measured}
        drawn = self._drawn_residuals(true, out_of_force)
        scores = [
            score
            for quantity in Quantity
            for score in self._scores(
                quantity, solved.residual[quantity][converged], drawn[quantity].std(axis=0), out_of_force
            )
        ]
        estimate = StateEstimate(solved.vm_pu, failures, tuple(sorted(scores, key=lambda each: -each.z)))
        return _Judged(estimate, drawn)

    def _drawn_residuals(
        self, true: dict[Quantity, FloatArray], out_of_force: frozenset[str]
    ) -> dict[Quantity, FloatArray]:
        """Return the residuals, (n_draws, n_sensors, n_phases), of readings with random errors as stated."""
        random = np.random.default_rng(_SEED)
        drawn = {
            quantity: values
            + random.standard_normal((_DRAWS, *values.shape)) * self._case.sigma(quantity)[:, np.newaxis]
            for quantity, values in true.items()
        }
        solved = self._case.solve(drawn, out_of_force)
        kept = np.ones(_DRAWS, dtype=np.bool_)
        kept[list(solved.failures)] = False
        # Without draws nothing can be checked: one residual of 0 has no deviation.
        nothing = {quantity: np.zeros((1, *values.shape)) for quantity, values in true.items()}
        return {quantity: values[kept] for quantity, values in solved.residual.items()} if kept.any() else nothing

    def _scores(
        self, quantity: Quantity, residual: FloatArray, deviation: FloatArray, out_of_force: frozenset[str]
    ) -> list[SensorScore]:
        checkable: BoolArray = deviation > _CHECKABLE_SHARE * self._case.sigma(quantity)[:, np.newaxis]
        root_mean_square = np.sqrt((residual**2).mean(axis=0))
        z = np.divide(root_mean_square, deviation, out=np.zeros_like(deviation), where=checkable)
        mean = residual.mean(axis=0) / quantity.per_unit
        return [
            SensorScore(
                sensor=name,
                quantity=quantity,
                phase=phase,
                z=0.0 if name in out_of_force else float(z[row, column]),
                checkable=bool(checkable[row, column]) and name not in out_of_force,
                mean_residual=float(mean[row, column]),
            )
            for row, name in enumerate(self._sensors.names(quantity))
            for column, phase in enumerate(self._phases)
        ]
