"""A month's metered energy, day by day: energy by kind of period, maximum demand, and what interval prices make of it.

A day comes as (96 intervals x metering points), as metering gives it: the energies of an interval lie together, so the
sums of a period are sums of whole rows. All calendars cut the day into the same runs, which are summed once; then a few
runs are added for each calendar. Only one day is in memory at a time.
Sources: requirements rows 65 (periods), 103 (maximum demand), 188 (interval energy); DESIGN 3 "overflow checked".
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

import numpy as np

from edge.contract.interval import INTERVALS_PER_DAY
from hub.market.registry.periods import next_month
from hub.market.trades import Int8Array, Int64Array
from hub.settlement.bills.class_month import ClassMonth
from hub.settlement.columns import read_only
from hub.settlement.county_month.points import NONE, BillingPoints, CountyMonthError
from hub.settlement.money import INT64_MAX, magnitude_max
from hub.settlement.provinces.keys import PeriodKind

INTERVALS_AN_HOUR = 4
_LOAD = "load the metered energy again, with its unit"


@dataclass(frozen=True)
class MonthEnergy:
    """What a month's energy comes to, columns of shape (n_points,).

    by_kind_wh: shape (5, n_points), by PeriodKind; points without periods have all of theirs in FLAT.
    demand_w: the largest mean power of an interval. at_interval_prices_nano_yuan: metered energy times the price of
    each interval, 0 for points without a price zone. price_version: of the interval prices, "" where there are none.
    """

    month: date
    by_kind_wh: Int64Array
    demand_w: Int64Array
    at_interval_prices_nano_yuan: Int64Array
    price_version: str

    @property
    def energy_wh(self) -> Int64Array:
        """Return the month's energy of each point."""
        return np.asarray(self.by_kind_wh.sum(axis=0), dtype=np.int64)


class MonthEnergyCount:
    """Counts a month's energy day by day; the days come in order, each once."""

    def __init__(
        self, points: BillingPoints, prices: Sequence[ClassMonth], month: date, *, price_version: str = ""
    ) -> None:
        """Begin a month, named by its first day.

        :param prices: of each of the points' classes
        :raises hub.settlement.prices.ParameterError: if a class has no calendar on a day of the month
        """
        assert month.day == 1
        self._points, self._month, self._next, self._price_version = points, month, month, price_version
        calendar_of_class, calendars = _calendars(prices)
        self._calendar = calendar_of_class[points.user_class] if len(points) else np.empty(0, np.int64)
        self._kinds = calendars
        n_points = len(points)
        self._by_kind = np.zeros((calendars.shape[0], len(PeriodKind), n_points), np.int64)
        self._peak = np.zeros(n_points, np.int64)
        self._priced = np.zeros(n_points, np.int64)
        self._priced_bound = 0
        self._zones: Mapping[int, Int64Array] = {
            int(zone): np.flatnonzero(points.price_zone == zone)
            for zone in np.unique(points.price_zone).tolist()
            if zone != NONE
        }

    def add_day(self, day: date, energy_wh: Int64Array, price_uyuan_per_kwh: Int64Array | None = None) -> None:
        """Count the metered energy of the next day.

        :param energy_wh: shape (96, n_points), >= 0
        :param price_uyuan_per_kwh: shape (n_zones, 96), signed; needed where a point has a price zone
        :raises CountyMonthError: if it is not the next day, an energy is negative or leaves 64 bits, or a price is
            missing
        """
        if day != self._next or day >= next_month(self._month):
            raise CountyMonthError(f"row 188 on {self._next}: {day} came instead; load each day of the month once")
        assert energy_wh.shape == (INTERVALS_PER_DAY, len(self._points))
        assert energy_wh.dtype == np.int64
        # A negative energy is a huge unsigned one: one pass finds the largest of each point and any below zero.
        largest = energy_wh.view(np.uint64).max(axis=0)
        self._check_range(day, largest, energy_wh)
        np.maximum(self._peak, largest.view(np.int64), out=self._peak)
        self._add_runs((day - self._month).days, energy_wh)
        if self._zones:
            self._add_prices(day, energy_wh, price_uyuan_per_kwh)
        self._next = day + timedelta(days=1)

    def close(self) -> MonthEnergy:
        """Return the month, of which every day has come.

        :raises CountyMonthError: if a day has not
        """
        if self._next != next_month(self._month):
            raise CountyMonthError(f"row 188 on {self._next}: no metered energy; load that day")
        by_kind = self._by_kind[0]
        for calendar in range(1, self._by_kind.shape[0]):
            by_kind = np.where(self._calendar == calendar, self._by_kind[calendar], by_kind)
        return MonthEnergy(
            month=self._month,
            by_kind_wh=read_only(np.ascontiguousarray(by_kind)),
            demand_w=read_only(self._peak * INTERVALS_AN_HOUR),
            at_interval_prices_nano_yuan=read_only(self._priced),
            price_version=self._price_version if self._zones else "",
        )

    def _check_range(self, day: date, largest: "np.ndarray[tuple[int], np.dtype[np.uint64]]", wh: Int64Array) -> None:
        """Refuse what is negative, and what could leave int64 if the whole month were like it."""
        limit = INT64_MAX // (31 * INTERVALS_PER_DAY)
        if not largest.size or int(largest.max()) <= limit:
            return
        point = int(largest.argmax())
        interval = int(wh.view(np.uint64)[:, point].argmax())
        energy, name = int(wh[interval, point]), self._points.metering_point[point]
        what = "is negative" if energy < 0 else "leaves 64 bits in a month"
        raise CountyMonthError(f"row 189 on {day}, interval {interval}: {name} has {energy} Wh, which {what}; {_LOAD}")

    def _add_runs(self, number: int, energy_wh: Int64Array) -> None:
        kinds = self._kinds[:, number]
        changes = (kinds[:, 1:] != kinds[:, :-1]).any(axis=0)
        edges = [0, *(np.flatnonzero(changes) + 1).tolist(), INTERVALS_PER_DAY]
        for first, until in pairwise(edges):
            run_wh = energy_wh[first:until].sum(axis=0)
            for calendar, kind in enumerate(kinds[:, first].tolist()):
                self._by_kind[calendar, kind] += run_wh

    def _add_prices(self, day: date, energy_wh: Int64Array, price_uyuan_per_kwh: Int64Array | None) -> None:
        n_zones = max(self._zones) + 1
        if price_uyuan_per_kwh is None or price_uyuan_per_kwh.shape[0] < n_zones:
            raise CountyMonthError(f"row 52 on {day}: no interval prices; load the prices of the day's 96 intervals")
        assert price_uyuan_per_kwh.shape[1] == INTERVALS_PER_DAY
        for zone, held in self._zones.items():
            price = price_uyuan_per_kwh[zone]
            energy = energy_wh[:, held]
            self._priced_bound += magnitude_max(energy) * magnitude_max(price) * INTERVALS_PER_DAY
            if self._priced_bound > INT64_MAX:
                name = self._points.metering_point[int(held[energy.max(axis=0).argmax()])]
                raise CountyMonthError(
                    f"row 189 on {day}: the energy of {name} times its prices may leave 64 bits; "
                    "load the prices and the metered energy again, with their units"
                )
            self._priced[held] += price @ energy


class MeterDataHashes:
    """The sha256 of each point's energies of a month: its intervals in order, 64-bit little-endian integers of Wh."""

    def __init__(self, n_points: int) -> None:
        """Begin a month."""
        self._digests = [hashlib.sha256() for _ in range(n_points)]

    def add_day(self, energy_wh: Int64Array) -> None:
        """Add the next day's energies, shape (96, n_points)."""
        rows = memoryview(np.ascontiguousarray(energy_wh.T).astype("<i8", copy=False).tobytes())
        size = energy_wh.shape[0] * energy_wh.itemsize
        for number, digest in enumerate(self._digests):
            digest.update(rows[number * size : (number + 1) * size])

    def close(self) -> tuple[str, ...]:
        """Return the hash of each point, hex."""
        return tuple(digest.hexdigest() for digest in self._digests)


def _calendars(prices: Sequence[ClassMonth]) -> tuple[Int64Array, Int8Array]:
    """Return the calendar of each class and the distinct calendars, shape (n_calendars, n_days, 96).

    Classes without periods need none: they follow the first, and their bills add up what it tells apart.
    """
    distinct: dict[bytes, int] = {}
    kinds: list[Int8Array] = []
    position = []
    for one in prices:
        if one.table is None:
            position.append(0)
            continue
        key = one.kinds.tobytes()
        if key not in distinct:
            distinct[key] = len(kinds)
            kinds.append(one.kinds)
        position.append(distinct[key])
    if not kinds:
        kinds = [one.kinds for one in prices[:1]]
    return np.array(position, np.int64), np.stack(kinds)
