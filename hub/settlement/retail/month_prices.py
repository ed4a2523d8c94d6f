"""What retail packages of a month are settled with, as a document: indices, wholesale means, coal indices (79, 80, 90).

Prices are micro-yuan/kWh, a coal index is fen/t; a month is year x 100 + month. What a package needs and the document
has not is refused where the package is settled.
"""

from collections.abc import Iterable
from datetime import date

import msgspec

from hub.settlement.retail.contract_terms import PublishedIndex
from hub.settlement.retail.package_charges import NamedPrice, RetailPrices
from hub.settlement.retail.published_indices import IndexNotPublishedError, IndexPublication, index_price


class MonthPriceError(ValueError):
    """Two prices of one month, or a month that is none; the text says in one line which."""


class WholesaleMean(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A retailer's own mean of all that it bought for a month, deviation energy included (rows 79, 80)."""

    version_id: str
    retailer_id: str
    month: int
    price_uyuan_per_kwh: int
    document: str


class CoalIndex(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A coal index of a month (row 90)."""

    version_id: str
    index_name: str
    month: int
    price_fen_per_t: int
    document: str


class RetailDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All of it, any months: an index that is not published yet leaves a bill provisional, at the last one that is."""

    index_publications: tuple[IndexPublication, ...] = ()
    wholesale_means: tuple[WholesaleMean, ...] = ()
    coal_indices: tuple[CoalIndex, ...] = ()


def check_retail_document(document: RetailDocument) -> None:
    """Check that no price stands twice.

    :raises MonthPriceError: naming the first fault
    """
    months = [one.month for one in document.index_publications]
    months += [one.month for one in document.wholesale_means]
    months += [one.month for one in document.coal_indices]
    for month in months:
        if not (1_00 <= month <= 9999_12 and 1 <= month % 100 <= 12):
            raise MonthPriceError(f"rows 79, 80, 90: {month} is no month; load it as year x 100 + month")
    _refuse_twice("row 79: wholesale means of", [(one.retailer_id, one.month) for one in document.wholesale_means])
    _refuse_twice("row 90: coal indices", [(one.index_name, one.month) for one in document.coal_indices])


def retail_prices(
    document: RetailDocument, *, province: str, month: int, on: date, ceiling_year_weight_ppm: int | None
) -> RetailPrices:
    """Return what a month's packages are settled with, as published by a day.

    :param ceiling_year_weight_ppm: w of row 84, None where the province has none
    """
    index = {}
    for one in PublishedIndex:
        try:
            index[one] = index_price(document.index_publications, one, province=province, month=month, on=on)
        except IndexNotPublishedError:
            continue  # refused by the package that needs it
    return RetailPrices(
        index=index,
        wholesale_mean={
            one.retailer_id: NamedPrice(one.price_uyuan_per_kwh, one.version_id)
            for one in document.wholesale_means
            if one.month == month
        },
        coal_index_fen_per_t={
            one.index_name: NamedPrice(one.price_fen_per_t, one.version_id)
            for one in document.coal_indices
            if one.month == month
        },
        ceiling_year_weight_ppm=ceiling_year_weight_ppm,
    )


def _refuse_twice(what: str, keys: Iterable[tuple[str, int]]) -> None:
    seen: set[tuple[str, int]] = set()
    for name, month in keys:
        if (name, month) in seen:
            raise MonthPriceError(f"{what} {name} in {month} stand twice; load one of them")
        seen.add((name, month))
