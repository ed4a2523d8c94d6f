"""Published index prices, and what holds until one is published (requirements row 80).

A linked contract follows the official series only. A month whose index is not published on the day of settlement is
billed provisionally at the series' latest published month; the difference follows as a line of its own.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

import msgspec

from hub.settlement.money import divide_half_up
from hub.settlement.retail.contract_terms import PublishedIndex


class IndexPublication(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One month of one official series. month: year x 100 + month. A correction is a later publication of the month."""

    version_id: str
    province: str
    index: PublishedIndex
    month: int
    price_uyuan_per_kwh: int
    published_on: date
    document: str


@dataclass(frozen=True)
class IndexPrice:
    """The price to settle a month with. is_provisional: it is an earlier month's, the month's own being unpublished."""

    price_uyuan_per_kwh: int
    version_id: str
    is_provisional: bool


class IndexNotPublishedError(LookupError):
    """A series has no published month up to the one to be settled; the text says what to load."""


class NoWholesaleDealError(ValueError):
    """A retailer without wholesale energy has no mean price to pass on."""


def index_price(
    publications: Iterable[IndexPublication], index: PublishedIndex, *, province: str, month: int, on: date
) -> IndexPrice:
    """Return the month's price as known on a day: the latest publication, else provisionally the month's before it.

    :raises IndexNotPublishedError: if no month up to this one is published by then
    """
    known = [
        one
        for one in publications
        if one.province == province and one.index is index and one.month <= month and one.published_on <= on
    ]
    if not known:
        raise IndexNotPublishedError(
            f"row 80: {province} has no {index.value} published by {on} for {month} or before; load its publication"
        )
    newest = max(known, key=lambda one: (one.month, one.published_on, one.version_id))
    return IndexPrice(newest.price_uyuan_per_kwh, newest.version_id, is_provisional=newest.month < month)


def wholesale_mean_uyuan_per_kwh(deals: Sequence[tuple[int, int]]) -> int:
    """Return the retailer's own P_wh_avg = sum Q_i P_i / sum Q_i, rounded half up once (rows 79, 80).

    :param deals: (Wh, micro-yuan/kWh) of all that it bought for the month, deviation energy included
    :raises NoWholesaleDealError: if it bought nothing
    """
    energy = sum(energy_wh for energy_wh, _ in deals)
    if energy <= 0:
        raise NoWholesaleDealError("row 79: the retailer bought no energy, so it has no wholesale mean to pass on")
    return divide_half_up(sum(energy_wh * price for energy_wh, price in deals), energy)
