"""The meters' cumulative registers, exact: energy is summed in mJ (or mvar s) and shown in whole Wh (or varh)."""

import numpy as np
import numpy.typing as npt

from edge.contract.interval import SECONDS_PER_INTERVAL
from edge.contract.messages import (
    BATTERY_CHARGE,
    BATTERY_DISCHARGE,
    CHANNELS,
    EXPORT,
    GENERATION,
    IMPORT,
    REACTIVE_EXPORT,
    REACTIVE_IMPORT,
)
from simulators.seeded_draws import draw_below
from simulators.world.devices import MJ_PER_WH, DevicePowers

Int64Array = npt.NDArray[np.int64]

# Full-load hours that a meter may have on it when the world starts.
_HOURS_BEFORE_START_MAX = 2000
INSTANTS_KEPT = 12
_COLUMN = {channel: column for column, channel in enumerate(CHANNELS)}


class Registers:
    """All registers of all metering points, now and at the last few instants.

    :param offset_mj: shape (n_points, n_channels), registers at the start
    """

    def __init__(self, offset_mj: Int64Array, start_utc_s: int) -> None:
        assert offset_mj.shape[1] == len(CHANNELS)
        self._total_mj = offset_mj.copy()
        self._wh_by_instant: dict[int, Int64Array] = {}
        self._keep(start_utc_s)

    def accumulate(
        self, powers: DevicePowers, net_mw: Int64Array, reactive_import_millivar: Int64Array, end_utc_s: int
    ) -> None:
        """Add one interval that ends at `end_utc_s`.

        :param net_mw: shape (n_points,), net export at the meter, mW
        :param reactive_import_millivar: shape (n_points,), reactive power drawn from the network, millivar
        """
        added = {
            IMPORT: np.maximum(-net_mw, 0),
            EXPORT: np.maximum(net_mw, 0),
            REACTIVE_IMPORT: np.maximum(reactive_import_millivar, 0),
            REACTIVE_EXPORT: np.maximum(-reactive_import_millivar, 0),
            GENERATION: powers.generation_mw,
            BATTERY_CHARGE: powers.charge_mw,
            BATTERY_DISCHARGE: powers.discharge_mw,
        }
        for channel, power in added.items():
            self._total_mj[:, _COLUMN[channel]] += power * SECONDS_PER_INTERVAL
        self._keep(end_utc_s)

    def wh_at(self, instant_utc_s: int) -> Int64Array | None:
        """Return all registers at the instant in Wh, shape (n_points, n_channels), or None if it is not kept."""
        return self._wh_by_instant.get(instant_utc_s)

    def total_mj(self) -> Int64Array:
        """Return a copy of the exact totals, shape (n_points, n_channels), mJ."""
        return self._total_mj.copy()

    def _keep(self, instant_utc_s: int) -> None:
        self._wh_by_instant[instant_utc_s] = self._total_mj // MJ_PER_WH
        while len(self._wh_by_instant) > INSTANTS_KEPT:
            del self._wh_by_instant[min(self._wh_by_instant)]


def channel_columns(channels: tuple[str, ...]) -> tuple[tuple[str, int], ...]:
    """Return each channel with its column in the arrays of Registers."""
    return tuple((channel, _COLUMN[channel]) for channel in channels)


def seeded_offsets_mj(seed: int, meter_ids: list[str], capacity_w: list[tuple[int, int]]) -> Int64Array:
    """Return plausible registers of meters that have run for some time, sub-Wh remainders included.

    :param capacity_w: import and export capacity of each meter
    """
    offsets = np.zeros((len(meter_ids), len(CHANNELS)), dtype=np.int64)
    importing = {IMPORT, REACTIVE_IMPORT}
    for row, (meter_id, (import_w, export_w)) in enumerate(zip(meter_ids, capacity_w, strict=True)):
        for channel, column in _COLUMN.items():
            full_load_wh = (import_w if channel in importing else export_w) * _HOURS_BEFORE_START_MAX
            whole_wh = draw_below(full_load_wh + 1, seed, "offset", meter_id, channel)
            offsets[row, column] = whole_wh * MJ_PER_WH + draw_below(MJ_PER_WH, seed, "remainder", meter_id, channel)
    return offsets
