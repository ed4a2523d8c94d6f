"""Transformer-area loss: what the meters say is lost against what the power flow says must be lost.

Energy is in Wh, registers are separate and not negative: a meter's import is what it draws from the network, its
export what it feeds in; the summary meter's import is what enters the area from above. Measured, as requirements rows
111 and 112: loss = import + generation - export - load, rate = loss / (import + generation - export), with the area's
summary meter for import and export. Computed: the losses of the AC power flow with each interval's average power,
which is less than the true loss by the form factor within the interval.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

import numpy as np

from grid_models.elements import BoolArray, FloatArray, Int64Array, Names, freeze
from grid_models.networks import Network
from grid_models.phase_points import PhaseConnection, PhasePoints, locate_phase_points
from grid_models.power_flow import PowerFlow
from grid_models.unbalanced import UnbalancedPowerFlow
from grid_models.zero_sequence import ZeroSequence

_MINUTES_PER_DAY = 24 * 60


class SummaryMeterSide(Enum):
    """Where the area's summary meter stands; on the low-voltage side its transformer's losses are not the area's."""

    LOW_VOLTAGE = "low-voltage"
    HIGH_VOLTAGE = "high-voltage"


class LossState(Enum):
    """How a day's loss is judged. NEGATIVE_LOSS: less than nothing, or clearly less than the power flow needs."""

    OK = "ok"
    HIGH_LOSS = "high loss"
    NEGATIVE_LOSS = "negative loss"


@dataclass(frozen=True)
class LossLimits:
    """From where a day's loss is out of order, as shares of the energy supplied; all are parameters of the utility.

    rate_max: measured loss rate. residual_share_max: measured less computed, either way. negative_share_max: what
    metering errors may leave below zero.
    """

    rate_max: float = 0.07
    residual_share_max: float = 0.02
    negative_share_max: float = 0.005


@dataclass(frozen=True, eq=False)
class AreaReadings:
    """Metered energy of one transformer area over whole days; Wh per interval.

    meter: names of the metering points below the summary meter. import_wh, export_wh, metered: (n_intervals, n_meters);
    metered is False where there is no reading, and the value there counts for nothing. summary_*: (n_intervals,).
    """

    area: str
    meter: Names
    import_wh: Int64Array
    export_wh: Int64Array
    metered: BoolArray
    summary_import_wh: Int64Array
    summary_export_wh: Int64Array
    summary_metered: BoolArray

    def __post_init__(self) -> None:
        freeze(self)
        shape = (len(self.summary_import_wh), len(self.meter))
        for values in (self.import_wh, self.export_wh, self.metered):
            assert values.shape == shape, "one column a meter, one row an interval"
        for values in (self.summary_export_wh, self.summary_metered):
            assert values.shape == shape[:1], "one value an interval"

    @property
    def complete(self) -> BoolArray:
        """Which intervals have all readings, (n_intervals,)."""
        return np.asarray(self.metered.all(axis=1) & self.summary_metered, dtype=np.bool_)


@dataclass(frozen=True, eq=False)
class AreaLossSeries:
    """Loss of each interval, (n_intervals,) each; NaN in computed and residual where `usable` is False.

    usable: all readings are there and the power flow has a solution. supplied_wh, measured_loss_wh are 0 where a
    reading is missing. residual_wh: measured less computed. unsolved: intervals without a solution, with the bus.
    """

    area: str
    usable: BoolArray
    supplied_wh: Int64Array
    measured_loss_wh: Int64Array
    computed_loss_wh: FloatArray
    residual_wh: FloatArray
    unsolved: tuple[tuple[int, str], ...]

    def __post_init__(self) -> None:
        freeze(self)


@dataclass(frozen=True)
class AreaDayLoss:
    """A day with all its readings. Energies in Wh; computed and residual rounded; day: number within the readings.

    loss_rate: measured loss over energy supplied, None where nothing was supplied.
    """

    area: str
    day: int
    state: LossState
    supplied_wh: int
    measured_loss_wh: int
    computed_loss_wh: int
    residual_wh: int
    loss_rate: float | None


@dataclass(frozen=True)
class AreaDayMissing:
    """A day without all its readings: which meters lack some ("" is the summary meter), and in how many intervals."""

    area: str
    day: int
    meters: Names
    n_intervals: int


@dataclass(frozen=True)
class AreaDayUnsolved:
    """A day whose metered power has no power flow in some intervals: how many, and the bus named first."""

    area: str
    day: int
    n_intervals: int
    bus: str


AreaDay: TypeAlias = AreaDayLoss | AreaDayMissing | AreaDayUnsolved


def loss_rate(*, loss: float, imported: float, generated: float, exported: float) -> float | None:
    """Return the loss rate of requirements row 112, loss / (import + generation - export); None where that is not > 0.

    :param loss, imported, generated, exported: energies in one unit
    """
    supplied = imported + generated - exported
    return loss / supplied if supplied > 0 else None


class AreaLoss:
    """Computes the loss of one transformer area from its meters; built once per area.

    :param network: the area as a network of its own (low_voltage_area.area_network)
    :param meter_bus: bus of each metering point
    :param connection: phase of each; with None, or all of three phases, the balanced power flow is used
    :param tan_phi: reactive over active power of what a meter draws, where reactive energy is not metered
    :raises NetworkError: if a bus is unknown or the network cannot be solved
    """

    def __init__(
        self,
        network: Network,
        meter_bus: Sequence[str],
        connection: Sequence[PhaseConnection] | None = None,
        *,
        side: SummaryMeterSide = SummaryMeterSide.LOW_VOLTAGE,
        tan_phi: float = 0.33,
        interval_minutes: int = 15,
        zero: ZeroSequence | None = None,
    ) -> None:
        phases = connection or [PhaseConnection.THREE_PHASE] * len(meter_bus)
        self._points: PhasePoints = locate_phase_points(network, meter_bus, phases)
        self._side = side
        self._tan_phi = tan_phi
        self._hours = interval_minutes / 60
        self._rows_per_day = _MINUTES_PER_DAY // interval_minutes
        balanced = all(each is PhaseConnection.THREE_PHASE for each in phases)
        self._balanced = PowerFlow(network) if balanced else None
        self._unbalanced = None if balanced else UnbalancedPowerFlow(network, zero)

    def series(self, readings: AreaReadings) -> AreaLossSeries:
        """Return measured and computed loss of each interval."""
        assert len(readings.meter) == len(self._points.bus), "the readings are of the meters the model was built for"
        complete = readings.complete
        supplied_wh = readings.summary_import_wh - readings.summary_export_wh + readings.export_wh.sum(axis=1)
        measured_wh = supplied_wh - readings.import_wh.sum(axis=1)
        computed_wh = np.full(len(complete), np.nan)
        rows = np.flatnonzero(complete)
        unsolved: tuple[tuple[int, str], ...] = ()
        if rows.size:
            computed_wh[rows], failed = self._computed_wh(readings.import_wh[rows], readings.export_wh[rows])
            unsolved = tuple((int(rows[row]), bus) for row, bus in failed)
        return AreaLossSeries(
            area=readings.area,
            usable=np.isfinite(computed_wh),
            supplied_wh=np.where(complete, supplied_wh, 0),
            measured_loss_wh=np.where(complete, measured_wh, 0),
            computed_loss_wh=computed_wh,
            residual_wh=measured_wh - computed_wh,
            unsolved=unsolved,
        )

    def days(self, readings: AreaReadings, limits: LossLimits | None = None) -> tuple[AreaDay, ...]:
        """Return each day's loss, or why there is none.

        :raises ValueError: if the readings are not of whole days
        """
        n_intervals = len(readings.summary_import_wh)
        if n_intervals % self._rows_per_day:
            raise ValueError(f"{n_intervals} intervals are not whole days of {self._rows_per_day}")
        series = self.series(readings)
        return tuple(
            self._day(readings, series, day, limits or LossLimits()) for day in range(n_intervals // self._rows_per_day)
        )

    def _day(self, readings: AreaReadings, series: AreaLossSeries, day: int, limits: LossLimits) -> AreaDay:
        rows = slice(day * self._rows_per_day, (day + 1) * self._rows_per_day)
        absent = ~readings.metered[rows]
        summary_absent = ~readings.summary_metered[rows]
        if absent.any() or summary_absent.any():
            meters = [name for name, column in zip(readings.meter, absent.T, strict=True) if column.any()]
            without = ("", *meters) if summary_absent.any() else tuple(meters)
            return AreaDayMissing(readings.area, day, without, int((absent.any(axis=1) | summary_absent).sum()))
        unsolved = [(row, bus) for row, bus in series.unsolved if rows.start <= row < rows.stop]
        if unsolved:
            return AreaDayUnsolved(readings.area, day, len(unsolved), unsolved[0][1])
        supplied_wh, measured_wh = int(series.supplied_wh[rows].sum()), int(series.measured_loss_wh[rows].sum())
        computed_wh = float(series.computed_loss_wh[rows].sum())
        return AreaDayLoss(
            area=readings.area,
            day=day,
            state=_state(supplied_wh, measured_wh, computed_wh, limits),
            supplied_wh=supplied_wh,
            measured_loss_wh=measured_wh,
            computed_loss_wh=round(computed_wh),
            residual_wh=round(measured_wh - computed_wh),
            loss_rate=loss_rate(loss=measured_wh, imported=supplied_wh, generated=0, exported=0),
        )

    def _computed_wh(self, import_wh: Int64Array, export_wh: Int64Array) -> tuple[FloatArray, list[tuple[int, str]]]:
        """Return the losses that belong to the area, NaN where there is no solution, and those rows with their bus."""
        mega_per_wh = 1e-6 / self._hours
        drawn_mw, fed_in_mw = (wh.astype(np.float64) * mega_per_wh for wh in (import_wh, export_wh))
        p_mw = self._points.injection(fed_in_mw - drawn_mw)
        q_mvar = self._points.injection(-self._tan_phi * drawn_mw)
        if self._balanced is not None:
            result = self._balanced.solve(p_mw.sum(axis=2), q_mvar.sum(axis=2))
            line_mw = (result.line_p_from_mw + result.line_p_to_mw).sum(axis=1)
            transformer_mw = (result.transformer_p_hv_mw + result.transformer_p_lv_mw).sum(axis=1)
            failed = [(each.scenario, each.bus) for each in result.failures]
        else:
            assert self._unbalanced is not None
            by_phase = self._unbalanced.solve(p_mw, q_mvar)
            line_mw, transformer_mw = by_phase.line_loss_mw.sum(axis=1), by_phase.transformer_loss_mw.sum(axis=1)
            failed = [(each.scenario, each.bus) for each in by_phase.failures]
        loss_mw = line_mw if self._side is SummaryMeterSide.LOW_VOLTAGE else line_mw + transformer_mw
        return np.asarray(loss_mw / mega_per_wh, dtype=np.float64), failed


def _state(supplied_wh: int, measured_wh: int, computed_wh: float, limits: LossLimits) -> LossState:
    residual_wh = measured_wh - computed_wh
    allowed_wh = limits.residual_share_max * supplied_wh
    if measured_wh < -limits.negative_share_max * supplied_wh or residual_wh < -allowed_wh:
        return LossState.NEGATIVE_LOSS
    if measured_wh > limits.rate_max * supplied_wh or residual_wh > allowed_wh:
        return LossState.HIGH_LOSS
    return LossState.OK
