"""The physical world of a county: advance it, read its meters, limit its inverters. No clock and no sockets."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.contract.driver import DriverAnswer, Limited, LimitExport, ReadRegisters, Refused, Registers
from edge.contract.interval import end_utc_s, interval_from_utc_s, iso_utc, start_utc_s
from edge.contract.messages import Acknowledgement, Reading, Setpoint
from edge.contract.registry import MeterKind
from simulators.world import registers as meter_registers
from simulators.world.devices import NO_LIMIT_MW, Demand, DevicePowers, run_microgrid, run_points
from simulators.world.model import WorldModel
from simulators.world.network_state import NetworkState, PhysicalNetwork
from simulators.world.totals import IntervalRecord, summary

Int64Array = npt.NDArray[np.int64]

_CONTROLLABLE = frozenset({MeterKind.LOAD, MeterKind.GENERATOR, MeterKind.PROSUMER, MeterKind.MICROGRID_GATEWAY})
_MW_PER_W = 1000


@dataclass(frozen=True, eq=False)
class StoredEnergy:
    """Energy in the batteries behind meters and in each microgrid's own, mJ."""

    batteries_mj: Int64Array
    microgrids_mj: tuple[Int64Array, ...]


class World:
    """All devices, batteries, meters and the network of one county, at one instant.

    Beside the real world runs another one without setpoints, from the same start, for comparison only.

    :param from_utc_s: where it starts; the interval's start at or before it
    """

    def __init__(self, model: WorldModel, from_utc_s: int) -> None:
        self._model = model
        self._network = PhysicalNetwork(model)
        self._interval = interval_from_utc_s(from_utc_s)
        start = StoredEnergy(model.batteries_initial_mj, model.microgrids_initial_mj)
        self._stored = start
        self._stored_uncontrolled = start
        self._limits_w: dict[int, dict[int, int]] = {}
        self._records: list[IntervalRecord] = []
        points = model.registry.metering_points
        self._meter_ids = [point.meter_id for point in points]
        self._registers = meter_registers.Registers(
            meter_registers.seeded_offsets_mj(
                model.seed, self._meter_ids, [(point.import_capacity_w, point.export_capacity_w) for point in points]
            ),
            self.now_utc_s,
        )
        self._gateway_points = _gateway_points(model)
        self._point_of_meter = {meter_id: position for position, meter_id in enumerate(self._meter_ids)}

    @property
    def now_utc_s(self) -> int:
        """The instant at which the world stands; the registers include every interval before it."""
        return start_utc_s(self._interval)

    def advance(self, utc_s: int) -> None:
        """Let every interval pass that ends at or before `utc_s`; an instant that is past changes nothing.

        :raises PowerFlowError: if the network has no state that fits what the devices do
        """
        while end_utc_s(self._interval) <= utc_s:
            self._pass_interval(self._interval)
            self._interval += 1

    def read(self, request: ReadRegisters) -> DriverAnswer:
        """Return the registers of every meter of a gateway at an instant that is not past for too long."""
        points = self._gateway_points.get(request.gateway)
        if points is None:
            return Refused(f"gateway {request.gateway!r} is unknown")
        registers_wh = self._registers.wh_at(request.instant_utc_s)
        if registers_wh is None:
            stands = iso_utc(self.now_utc_s)
            return Refused(f"no registers are kept for {iso_utc(request.instant_utc_s)}; the world stands at {stands}")
        rows = registers_wh[[point for point, _ in points]].tolist()
        return Registers(
            tuple(
                Reading(
                    self._meter_ids[point], request.instant_utc_s, {channel: row[column] for channel, column in columns}
                )
                for (point, columns), row in zip(points, rows, strict=True)
            )
        )

    def limit(self, request: LimitExport) -> DriverAnswer:
        """Take limits of net export for one interval; what was taken last holds, and repeating it changes nothing."""
        points = self._gateway_points.get(request.gateway)
        if points is None:
            return Refused(f"gateway {request.gateway!r} is unknown")
        own = {point for point, _ in points}
        return Limited(
            tuple(
                Acknowledgement(setpoint.meter, self._limit_one(request.interval, setpoint, own))
                for setpoint in request.setpoints
            )
        )

    def summary(self, from_interval: int | None = None, to_interval: int | None = None) -> dict[str, Any]:
        """Return totals of the intervals from_interval <= interval < to_interval that have passed; all by default."""
        records = (
            record
            for record in self._records
            if (from_interval is None or from_interval <= record.interval)
            and (to_interval is None or record.interval < to_interval)
        )
        return summary(records, self._meter_ids)

    def records(self) -> tuple[IntervalRecord, ...]:
        """Return every interval that has passed."""
        return tuple(self._records)

    def registers_mj(self) -> Int64Array:
        """Return the exact registers of all points, shape (n_points, n_channels), mJ."""
        return self._registers.total_mj()

    def _limit_one(self, interval: int, setpoint: Setpoint, own: set[int]) -> str:
        point = self._point_of_meter.get(setpoint.meter)
        if point is None or point not in own:
            return "unknown-meter" if point is None else "foreign-meter"
        if self._model.registry.metering_points[point].kind not in _CONTROLLABLE:
            return "not-controllable"
        if setpoint.export_limit_w < 0:
            return "negative"
        limits_w = self._limits_w.setdefault(interval, {})
        if limits_w.get(point) == setpoint.export_limit_w:
            return "ok"
        if interval < self._interval:
            return "interval-over"
        limits_w[point] = setpoint.export_limit_w
        return "ok"

    def _pass_interval(self, interval: int) -> None:
        model = self._model
        demand = model.demand(interval)
        reactive = model.reactive_load_millivar(interval)
        limits_w = self._limits_w.get(interval, {})
        powers, self._stored = self._run_devices(demand, self._stored, limits_w)
        uncontrolled, self._stored_uncontrolled = self._run_devices(demand, self._stored_uncontrolled, {})
        # As long as no limit has changed anything both worlds are the same, and one solution serves both.
        same = np.array_equal(powers.net_mw, uncontrolled.net_mw)
        states = self._network.solve([powers.net_mw] if same else [powers.net_mw, uncontrolled.net_mw], reactive)
        metered_mw, metered_reactive = self._metered(powers.net_mw, reactive, states[0])
        self._registers.accumulate(powers, metered_mw, metered_reactive, end_utc_s(interval))
        self._records.append(
            IntervalRecord(
                interval=interval,
                powers=powers,
                state=states[0],
                loss_inside_microgrids_mw=sum(
                    int(powers.net_mw[microgrid.inside].sum()) - int(metered_mw[microgrid.gateway])
                    for microgrid in model.microgrids
                ),
                uncontrolled=states[-1].stress,
                limited_meters=len(limits_w),
            )
        )

    def _run_devices(
        self, demand: Demand, stored: StoredEnergy, limits_w: dict[int, int]
    ) -> tuple[DevicePowers, StoredEnergy]:
        limit_mw = np.full(self._model.n_points, NO_LIMIT_MW)
        for point, limit_w in limits_w.items():
            limit_mw[point] = limit_w * _MW_PER_W
        powers, batteries_mj = run_points(demand, self._model.batteries, stored.batteries_mj, limit_mw)
        microgrids_mj = []
        for microgrid, stored_mj in zip(self._model.microgrids, stored.microgrids_mj, strict=True):
            powers, after_mj = run_microgrid(powers, microgrid, stored_mj, int(limit_mw[microgrid.gateway]))
            microgrids_mj.append(after_mj)
        return powers, StoredEnergy(batteries_mj, tuple(microgrids_mj))

    def _metered(
        self, net_mw: Int64Array, reactive_millivar: Int64Array, state: NetworkState
    ) -> tuple[Int64Array, Int64Array]:
        """Return net export and reactive import at every meter: summary and gateway meters see the network's state."""
        model = self._model
        metered_mw, metered_reactive = net_mw.copy(), reactive_millivar.copy()
        metered_mw[model.transformer_points] = state.transformer_export_mw
        metered_reactive[model.transformer_points] = state.transformer_reactive_import_millivar
        metered_mw[model.county_gateway] = -state.gateway_import_mw
        metered_reactive[model.county_gateway] = state.gateway_reactive_import_millivar
        return metered_mw, metered_reactive


def _gateway_points(model: WorldModel) -> dict[str, list[tuple[int, tuple[tuple[str, int], ...]]]]:
    """Return for each gateway its points, each with its channels and their columns."""
    points = model.registry.metering_points
    position = {point.meter_id: number for number, point in enumerate(points)}
    return {
        gateway.gateway_id: [
            (position[meter_id], meter_registers.channel_columns(points[position[meter_id]].channels))
            for meter_id in gateway.meter_ids
        ]
        for gateway in model.registry.gateways
    }
