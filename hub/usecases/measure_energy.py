"""Turn the registers of two instants into interval energy of every meter and channel, gaps filled by a named rule."""

from dataclasses import dataclass

import numpy as np
from sqlalchemy import text
from sqlmodel import Session

from edge.contract.interval import end_utc_s, start_utc_s
from edge.contract.messages import CHANNELS, EXPORT, IMPORT, REACTIVE_EXPORT, REACTIVE_IMPORT
from hub.market.forecast import available_net_export_wh
from hub.market.trades import BoolArray, Int64Array, Violation
from hub.settlement.checks import check_register_sums
from hub.settlement.inputs import GatewayEnergy, MeteredEnergy
from hub.settlement.metering import (
    MISSING,
    RULE_NAMES,
    IntervalEnergy,
    SubstitutionState,
    initial_state,
    loss_by_unit,
    next_interval,
)
from hub.store.bulk import ColumnValues, OnConflict, insert_columns
from hub.store.clearing import setpoints_of_interval
from hub.store.readings import registers_at
from hub.store.tables import ReadingFlag, SubstitutionRow
from hub.usecases.load_county import NONE, CountyModel

IMPORT_COLUMN, EXPORT_COLUMN = CHANNELS.index(IMPORT), CHANNELS.index(EXPORT)
REACTIVE_IMPORT_COLUMN, REACTIVE_EXPORT_COLUMN = CHANNELS.index(REACTIVE_IMPORT), CHANNELS.index(REACTIVE_EXPORT)

# A gate uses the energy of two intervals before its own.
_FIRST_USED = text(
    "SELECT min(used) FROM (SELECT min(interval) - 2 AS used FROM clearing_run "
    "UNION ALL SELECT min(interval) AS used FROM metered_state) AS uses"
)
_LATE = text(
    "SELECT meter, channel FROM reading WHERE read_instant_utc_s = :instant AND revision = 0 AND (flags & :late) <> 0"
)


@dataclass(frozen=True)
class MeasuredInterval:
    """Energy of one interval. energy_wh: shape (n_meters, n_channels), columns as messages.CHANNELS.

    available_wh: shape (n_meters,), net export that the interval offered, setpoints seen through (market.forecast).
    """

    interval: int
    energy: IntervalEnergy
    available_wh: Int64Array

    @property
    def net_export_wh(self) -> Int64Array:
        """Return export less import of every meter, shape (n_meters,)."""
        return np.asarray(self.energy.energy_wh[:, EXPORT_COLUMN] - self.energy.energy_wh[:, IMPORT_COLUMN])

    @property
    def net_export_varh(self) -> Int64Array:
        """Return reactive export less reactive import of every meter, shape (n_meters,)."""
        energy = self.energy.energy_wh
        return np.asarray(energy[:, REACTIVE_EXPORT_COLUMN] - energy[:, REACTIVE_IMPORT_COLUMN])

    def metered(self) -> MeteredEnergy:
        """Return import and export of every meter as settlement takes them."""
        return MeteredEnergy(
            import_wh=np.ascontiguousarray(self.energy.energy_wh[:, IMPORT_COLUMN]),
            export_wh=np.ascontiguousarray(self.energy.energy_wh[:, EXPORT_COLUMN]),
            substituted=np.asarray(self.energy.substituted[:, [IMPORT_COLUMN, EXPORT_COLUMN]].any(axis=1)),
        )

    def gateway(self, county: CountyModel) -> GatewayEnergy:
        """Return what the county gateway's meter says of the exchange with the province."""
        row = self.energy.energy_wh[county.gateway_meter]
        return GatewayEnergy(import_wh=int(row[IMPORT_COLUMN]), export_wh=int(row[EXPORT_COLUMN]))

    def loss_wh(self, county: CountyModel) -> Int64Array:
        """Return the measured loss of every unit that has a boundary meter, from registers alone, shape (n_units,)."""
        net_import_wh = -self.net_export_wh
        is_metered = county.boundary_meter != NONE
        inflow_wh = np.where(is_metered, net_import_wh[county.boundary_meter], 0)
        market_wh = np.where(county.standing.is_market, net_import_wh, 0)
        net_load_wh = np.zeros(len(county.units), dtype=np.int64)
        np.add.at(net_load_wh, county.standing.unit, market_wh)
        return loss_by_unit(county.tree.parent, inflow_wh, is_metered, net_load_wh)


class EnergyMeasurement:
    """Walks from interval to interval and remembers each register's last value; rebuilt from the store when it must."""

    def __init__(self) -> None:
        self._state: SubstitutionState | None = None
        self._measured: dict[int, MeasuredInterval] = {}
        self._next = NONE
        self._start_wh = np.empty((0, 0), dtype=np.int64)
        self._end_wh = self._start_wh
        self._sum_wh = self._start_wh

    def of_interval(self, session: Session, county: CountyModel, interval: int) -> MeasuredInterval:
        """Return the energy of an interval whose end has been read; what was estimated is kept in the store.

        Intervals are measured in order, each once in this process; those that were measured before a restart are
        measured again from the same registers and come out the same. So a reading that came in late, after its
        instant was measured without it, is left out for good: the next register holds its energy as well.
        """
        if interval in self._measured:
            return self._measured[interval]
        if self._state is None or self._next > interval:
            self._start(session, county, interval)
        while self._next <= interval:
            self._step(session, county)
        return self._measured[interval]

    def before(self, interval: int) -> MeasuredInterval | None:
        """Return the energy of the interval before the given one, if it has been measured."""
        return self._measured.get(interval - 1)

    def check_sums(self, county: CountyModel) -> list[Violation]:
        """Law 4: all interval energies since the first instant sum to the register differences.

        What was estimated too much in a gap, and is still to be taken off the following intervals, is taken off here.
        """
        if self._state is None:
            return []
        sum_wh = self._sum_wh - self._state.estimated_wh
        shape = (1, *sum_wh.shape)
        summed = IntervalEnergy(sum_wh[np.newaxis], np.zeros(shape, np.int8), np.zeros(shape, np.int8))
        return check_register_sums(self._start_wh, self._end_wh, summed, county.channel_present, county.points.meter_id)

    def _start(self, session: Session, county: CountyModel, interval: int) -> None:
        """Begin where this hub's first gate did, whatever old readings have come in since."""
        first_used = session.execute(_FIRST_USED).scalar_one()
        self._next = interval if first_used is None else min(int(first_used), interval)
        self._start_wh = _registers(session, county, start_utc_s(self._next))
        self._end_wh = self._start_wh
        self._sum_wh = np.zeros_like(self._start_wh)
        self._state = initial_state(self._start_wh)
        self._measured = {}

    def _seen_through(self, session: Session, interval: int, energy: IntervalEnergy) -> MeasuredInterval:
        """Return the interval with what it offered, which builds on what the interval before did."""
        net_export_wh = np.asarray(energy.energy_wh[:, EXPORT_COLUMN] - energy.energy_wh[:, IMPORT_COLUMN])
        before = self._measured.get(interval - 1)
        available_wh = available_net_export_wh(
            metered_wh=net_export_wh,
            setpoint_wh=setpoints_of_interval(session, interval, net_export_wh.size),
            before_wh=net_export_wh if before is None else before.available_wh,
        )
        return MeasuredInterval(interval, energy, available_wh)

    def _step(self, session: Session, county: CountyModel) -> None:
        interval, state = self._next, self._state
        assert state is not None
        end_wh = _registers(session, county, end_utc_s(interval))
        energy, self._state = next_interval(state, end_wh, county.channel_present)
        self._end_wh, self._sum_wh = end_wh, self._sum_wh + energy.energy_wh
        self._measured[interval] = self._seen_through(session, interval, energy)
        self._measured.pop(interval - 4, None)
        self._next = interval + 1
        _keep_substitutions(session, interval, energy)


def _registers(session: Session, county: CountyModel, utc_s: int) -> Int64Array:
    registers = registers_at(session, utc_s, len(county.points.meter_id))
    known = registers.present & county.channel_present
    for meter, channel in session.execute(_LATE, {"instant": utc_s, "late": ReadingFlag.LATE.value}):
        known[meter, channel] = False
    return np.asarray(np.where(known, registers.values, MISSING), dtype=np.int64)


def _keep_substitutions(session: Session, interval: int, energy: IntervalEnergy) -> None:
    substituted: BoolArray = energy.substituted
    meters, channels = np.nonzero(substituted)
    if not meters.size:
        return
    names = [RULE_NAMES[rule] for rule in energy.rule[meters, channels].tolist()]
    columns: dict[str, ColumnValues] = {
        "interval": interval,
        "meter": meters,
        "channel": channels,
        "energy_wh": energy.energy_wh[meters, channels],
        "rule": names,
    }
    insert_columns(session, SubstitutionRow, columns, OnConflict.KEEP)
