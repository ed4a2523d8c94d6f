"""Where a day's spot prices contradict its periods, and what a change of hours leaves for flat (row 78)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations

from hub.market.trades import Int8Array, Int64Array
from hub.settlement.exact_shares import PPM
from hub.settlement.money import divide_half_up, exact_sum
from hub.settlement.provinces.keys import PeriodKind


class MonitorError(ValueError):
    """Prices of which there is no index: no interval, or a mean that is not positive."""


@dataclass(frozen=True)
class PeriodMismatch:
    """A period that should be the cheaper of two and is not: its lowest index is above the other's.

    positions: intervals of the day of the cheaper kind whose price is above the dearer kind's lowest.
    """

    cheaper: PeriodKind
    dearer: PeriodKind
    cheaper_index_min_ppm: int
    dearer_index_min_ppm: int
    positions: tuple[int, ...]


def price_index_ppm(price_uyuan_per_kwh: int, mean_uyuan_per_kwh: int) -> int:
    """Return P_h / P_month_avg in ppm, rounded half-up (row 78).

    :raises MonitorError: if the mean is not positive
    """
    if mean_uyuan_per_kwh <= 0:
        raise MonitorError(f"row 78: a mean price of {mean_uyuan_per_kwh} micro-yuan/kWh gives no index")
    return divide_half_up(price_uyuan_per_kwh * PPM, mean_uyuan_per_kwh)


def mean_price_uyuan_per_kwh(price_uyuan_per_kwh: Int64Array) -> int:
    """Return the arithmetic mean of the prices, rounded half-up once.

    :raises MonitorError: if there is none
    """
    if not price_uyuan_per_kwh.size:
        raise MonitorError("row 78: no price to compare")
    return divide_half_up(exact_sum(price_uyuan_per_kwh), price_uyuan_per_kwh.size)


def period_mismatches(
    price_uyuan_per_kwh: Int64Array, kinds: Int8Array, *, month_mean_uyuan_per_kwh: int
) -> list[PeriodMismatch]:
    """Return each pair of kinds of which the cheaper one's lowest index is above the dearer one's (row 78).

    :param price_uyuan_per_kwh, kinds: of each interval of a day, same shape
    :raises MonitorError: if the mean is not positive
    """
    assert price_uyuan_per_kwh.shape == kinds.shape
    lowest = {kind: int(price_uyuan_per_kwh[kinds == kind].min()) for kind in PeriodKind if (kinds == kind).any()}
    found = []
    for dearer, cheaper in combinations(sorted(lowest), 2):
        if lowest[cheaper] <= lowest[dearer]:
            continue
        above = (kinds == cheaper) & (price_uyuan_per_kwh > lowest[dearer])
        found.append(
            PeriodMismatch(
                PeriodKind(cheaper),
                PeriodKind(dearer),
                price_index_ppm(lowest[cheaper], month_mean_uyuan_per_kwh),
                price_index_ppm(lowest[dearer], month_mean_uyuan_per_kwh),
                tuple(int(position) for position in above.nonzero()[0]),
            )
        )
    return found


def change_left_for_flat(change_by_kind: Mapping[PeriodKind, int] | Iterable[int]) -> int:
    """Return by how much flat time changes when the other kinds change so, in the same unit (row 78)."""
    changes = change_by_kind.values() if isinstance(change_by_kind, Mapping) else change_by_kind
    return -sum(changes)
