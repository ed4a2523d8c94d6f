"""The metered energy of a whole operating day, interval by interval: remembered while it is measured, else read again.

The energy is the one that was settled: differences of registers, and what a rule stands in for where one was missing.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from sqlalchemy import text
from sqlmodel import Session

from edge.contract.interval import INTERVALS_PER_DAY, end_utc_s, start_utc_s
from edge.contract.messages import CHANNELS, EXPORT, IMPORT, REACTIVE_EXPORT, REACTIVE_IMPORT
from hub.market.trades import BoolArray, Int64Array
from hub.settlement.metering import MISSING, difference
from hub.store.readings import registers_at
from hub.store.tables import MeteredStateRow
from hub.usecases.load_county import INTERVALS_AN_HOUR, CountyModel
from hub.usecases.measure_energy import MeasuredInterval

_SUBSTITUTED = text("SELECT meter, channel, energy_wh FROM substitution WHERE interval = :interval")
_ACTIVE = [CHANNELS.index(IMPORT), CHANNELS.index(EXPORT)]


@dataclass(frozen=True, eq=False)
class StoredEnergy:
    """Energy of an interval as it was settled. energy_wh, estimated: shape (n_meters, n_channels), by CHANNELS.

    estimated: whether a rule stands in for a register that was missing.
    """

    interval: int
    energy_wh: Int64Array
    estimated: BoolArray

    def of_channel(self, channel: str) -> Int64Array:
        """Return the energy that the channel counted, shape (n_meters,)."""
        return np.asarray(self.energy_wh[:, CHANNELS.index(channel)], dtype=np.int64)


@dataclass(frozen=True, eq=False)
class MarketPowers:
    """Mean net export of the market meters in an interval, shape (n_points,), in the order of the network check.

    estimated: for how many of them a rule stands in.
    """

    p_w: Int64Array
    q_var: Int64Array
    estimated: int


class MeteredDay:
    """What was metered in the intervals of the running day; what this process did not measure is read again."""

    def __init__(self) -> None:
        self._kept: dict[int, MarketPowers] = {}

    def keep(self, county: CountyModel, measured: MeasuredInterval) -> None:
        """Remember an interval that was measured just now."""
        self._kept.pop(measured.interval - INTERVALS_PER_DAY, None)
        estimated = measured.metered().substituted
        self._kept[measured.interval] = _market_powers(
            county, measured.net_export_wh, measured.net_export_varh, estimated
        )

    def powers(self, session: Session, county: CountyModel, intervals: Iterable[int]) -> dict[int, MarketPowers]:
        """Return the powers of those of the intervals that were metered; the others are left out."""
        asked = tuple(intervals)
        unknown = [interval for interval in asked if interval not in self._kept and _is_metered(session, interval)]
        for stored in stored_energies(session, county, unknown):
            self._kept[stored.interval] = _market_powers(
                county,
                stored.of_channel(EXPORT) - stored.of_channel(IMPORT),
                stored.of_channel(REACTIVE_EXPORT) - stored.of_channel(REACTIVE_IMPORT),
                np.asarray(stored.estimated[:, _ACTIVE].any(axis=1), dtype=np.bool_),
            )
        return {interval: self._kept[interval] for interval in asked if interval in self._kept}


def stored_energies(session: Session, county: CountyModel, intervals: Iterable[int]) -> Iterator[StoredEnergy]:
    """Yield the energy of each interval, from the registers and the estimates in the store.

    :param intervals: ascending; each has been measured
    """
    read_utc_s, register_wh = -1, np.empty(0, dtype=np.int64)
    for interval in intervals:
        start_wh = register_wh if read_utc_s == start_utc_s(interval) else _registers(session, county, interval)
        read_utc_s, register_wh = end_utc_s(interval), _registers(session, county, interval + 1)
        energy_wh = difference(start_wh, register_wh, county.channel_present).energy_wh.copy()
        estimated = np.zeros(energy_wh.shape, dtype=np.bool_)
        for meter, channel, value_wh in session.execute(_SUBSTITUTED, {"interval": interval}):
            energy_wh[meter, channel], estimated[meter, channel] = value_wh, True
        yield StoredEnergy(interval, energy_wh, estimated)


def _registers(session: Session, county: CountyModel, interval: int) -> Int64Array:
    registers = registers_at(session, start_utc_s(interval), len(county.points.meter_id))
    return np.where(registers.present, registers.values, MISSING).astype(np.int64)


def _is_metered(session: Session, interval: int) -> bool:
    return session.get(MeteredStateRow, interval) is not None


def _market_powers(
    county: CountyModel, net_export_wh: Int64Array, net_export_varh: Int64Array, estimated: BoolArray
) -> MarketPowers:
    meters = county.market_meters
    return MarketPowers(
        p_w=np.ascontiguousarray(net_export_wh[meters] * INTERVALS_AN_HOUR),
        q_var=np.ascontiguousarray(net_export_varh[meters] * INTERVALS_AN_HOUR),
        estimated=int(np.count_nonzero(estimated[meters])),
    )
