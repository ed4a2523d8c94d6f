"""The metering points of a county as a month's bills see them: classes, elections, contracts, by position.

Energy Wh, power W or VA, price micro-yuan/kWh, money nano-yuan, int64. -1 means "none".
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from types import MappingProxyType

from edge.contract.registry import SupplyMode
from hub.market.trades import Int8Array, Int64Array
from hub.settlement.bills.bill_case import ChargeRow, CorrectionRow
from hub.settlement.bills.class_month import UserClass
from hub.settlement.provinces.library import Library
from hub.settlement.retail.contract_terms import RetailTerms

NONE = -1


class CountyMonthError(ValueError):
    """A month that cannot be billed: the text says in one line the row, the date and what to load."""


class Election(IntEnum):
    """What the basic charge is measured by, as a column code; the names are those of BasicChargeMode."""

    NONE = -1
    CAPACITY = 0
    DEMAND = 1


@dataclass(frozen=True)
class BillingPoints:
    """Columns of shape (n_points,), and what they point to.

    user_id: the account that pays. user_class: position in `classes`. election: codes of Election. capacity_va: all
    transformers together. price_zone: row of the interval prices that a DIRECT user's metered energy is settled at.
    package: position in `packages` of a RETAIL user. traded, charges, corrections: rows of single points by position,
    settled elsewhere (contracts, green value, an earlier month). supplier: whom energy is paid to, but retailers'.
    """

    metering_point: tuple[str, ...]
    user_id: tuple[str, ...]
    user_class: Int64Array
    classes: tuple[UserClass, ...]
    election: Int8Array
    capacity_va: Int64Array
    price_zone: Int64Array
    package: Int64Array
    packages: tuple[RetailTerms, ...] = ()
    traded: Mapping[int, tuple[ChargeRow, ...]] = field(default_factory=lambda: MappingProxyType({}))
    charges: Mapping[int, tuple[ChargeRow, ...]] = field(default_factory=lambda: MappingProxyType({}))
    corrections: Mapping[int, tuple[CorrectionRow, ...]] = field(default_factory=lambda: MappingProxyType({}))
    supplier: str = "D_sup"

    def __post_init__(self) -> None:
        shape = (len(self.metering_point),)
        assert len(self.user_id) == len(self.metering_point)
        for column in (self.user_class, self.election, self.capacity_va, self.price_zone, self.package):
            assert column.shape == shape

    def __len__(self) -> int:
        """Return the number of metering points."""
        return len(self.metering_point)

    def class_of(self, point: int) -> UserClass:
        """Return the class of a metering point."""
        return self.classes[int(self.user_class[point])]


def class_positions(library: Library, of_point: Sequence[UserClass]) -> tuple[tuple[UserClass, ...], list[int]]:
    """Return the distinct classes, in order of first use, and the position of each point's.

    Capacities count by the calendars' own limits: points that no calendar of the province tells apart are one class.
    """
    limits = {province: _capacity_limits_va(library, province) for province in {one.province for one in of_point}}
    position: dict[UserClass, int] = {}
    found = []
    for one in of_point:
        reached = max((limit for limit in limits[one.province] if limit <= one.capacity_va), default=0)
        found.append(position.setdefault(replace(one, capacity_va=reached), len(position)))
    return tuple(position), found


def check_points(points: BillingPoints) -> None:
    """Check that each point has what its supply mode is billed by, and nothing of another (row 2).

    :raises CountyMonthError: naming the first point that has not
    """
    for number, one in enumerate(points.classes):
        of_class = points.user_class == number
        faults = (
            (of_class & (points.package != NONE), SupplyMode.RETAIL, "a retail package"),
            (of_class & (points.price_zone != NONE), SupplyMode.DIRECT, "interval prices"),
        )
        for has, mode, what in faults:
            if one.supply_mode is not mode and bool(has.any()):
                name = points.metering_point[int(has.argmax())]
                raise CountyMonthError(
                    f"row 2: {name} is supplied by {one.supply_mode.value} and has {what}; "
                    "load one supply mode at a time"
                )


def _capacity_limits_va(library: Library, province: str) -> list[int]:
    scopes: Iterable[object] = (
        *(row.scope for row in library.calendars.get(province, ())),
        *(row.scope for row in library.overlays.get(province, ())),
    )
    found = {getattr(scope, name) for scope in scopes for name in ("capacity_min_va", "capacity_below_va")}
    return sorted(limit for limit in found if limit is not None)
