"""What retail packages of a month are settled with, out of the document: indices by day, each retailer's own mean."""

from datetime import date
from typing import Any

import pytest

from hub.settlement.retail.contract_terms import Linked, PassThrough, PublishedIndex, RetailTerms
from hub.settlement.retail.month_prices import (
    CoalIndex,
    MonthPriceError,
    RetailDocument,
    WholesaleMean,
    check_retail_document,
    retail_prices,
)
from hub.settlement.retail.package_charges import RetailPriceMissingError, package_charges
from hub.settlement.retail.published_indices import IndexPublication

SPOT = PublishedIndex.SPOT_MEAN


def publication(month: int, price: int, published_on: date) -> IndexPublication:
    return IndexPublication(f"spot-{month}-{published_on}", "p", SPOT, month, price, published_on, "d")


def mean(retailer: str, price: int, month: int = 202602) -> WholesaleMean:
    return WholesaleMean(
        version_id=f"{retailer}-{month}", retailer_id=retailer, month=month, price_uyuan_per_kwh=price, document="d"
    )


def coal(month: int = 202602) -> CoalIndex:
    return CoalIndex(version_id="c", index_name="coal", month=month, price_fen_per_t=70_000, document="d")


DOCUMENT = RetailDocument(
    index_publications=(
        publication(202601, 400, date(2026, 2, 2)),
        publication(202602, 500, date(2026, 3, 2)),
        publication(202602, 510, date(2026, 3, 5)),
    ),
    wholesale_means=(mean("one", 100), mean("two", 200), mean("one", 300, 202601)),
    coal_indices=(coal(),),
)


def prices(on: date, month: int = 202602) -> Any:
    return retail_prices(DOCUMENT, province="p", month=month, on=on, ceiling_year_weight_ppm=None)


def terms(retailer: str, package: Any) -> RetailTerms:
    return RetailTerms("C", "user", retailer, 400, "2025", package)


def test_an_index_counts_from_the_day_of_its_publication() -> None:
    known = {day: prices(date(2026, 3, day)).index[SPOT] for day in (1, 2, 5)}
    assert {day: (one.price_uyuan_per_kwh, one.is_provisional) for day, one in known.items()} == {
        1: (400, True), 2: (500, False), 5: (510, False)
    }  # fmt: skip
    with pytest.raises(RetailPriceMissingError, match="load the publications of spot-mean"):
        package_charges(terms("one", Linked(SPOT, 0)), energy_wh={"": 1}, prices=prices(date(2026, 2, 1)))


def test_each_retailer_passes_on_its_own_mean_of_the_month() -> None:
    held = prices(date(2026, 3, 2))
    paid = {
        name: package_charges(terms(name, PassThrough(7)), energy_wh={"": 1_000}, prices=held).total_nano_yuan
        for name in ("one", "two")
    }
    assert paid == {"one": 107_000, "two": 207_000}
    assert prices(date(2026, 3, 2), 202601).wholesale_mean["one"].value == 300
    with pytest.raises(RetailPriceMissingError, match=r"row 79, C: load two's wholesale mean of the month"):
        package_charges(terms("two", PassThrough(7)), energy_wh={"": 1}, prices=prices(date(2026, 3, 2), 202601))


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (RetailDocument(wholesale_means=(mean("one", 1), mean("one", 2))), "means of one in 202602 stand twice"),
        (RetailDocument(coal_indices=(coal(), coal())), "coal indices coal in 202602 stand twice"),
        (RetailDocument(coal_indices=(coal(202613),)), "202613 is no month"),
        (RetailDocument(wholesale_means=(mean("one", 1, 26),)), "26 is no month"),
    ],
)  # fmt: skip
def test_a_price_that_stands_twice_or_in_no_month_is_refused(document: RetailDocument, words: str) -> None:
    with pytest.raises(MonthPriceError, match=words):
        check_retail_document(document)
