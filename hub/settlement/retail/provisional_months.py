"""Months billed before their index was published, and the true-ups that follow by themselves (requirements row 80)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from hub.settlement.retail.contract_terms import PublishedIndex, RetailTerms, indices_of
from hub.settlement.retail.package_charges import PackageCharges, RetailPrices, package_charges, true_up_line
from hub.settlement.retail.published_indices import IndexPublication, index_price
from hub.settlement.rule_lines import RuleLine


@dataclass(frozen=True)
class MonthToSettle:
    """A contract's month: year x 100 + month, energy by period (Wh), settled green Wh, and prices but for indices."""

    terms: RetailTerms
    province: str
    month: int
    energy_wh: Mapping[str, int]
    green_wh: int
    prices: RetailPrices


@dataclass(frozen=True)
class ProvisionalMonth:
    """A month whose bill stands on an earlier month's index, with the charges that were billed."""

    settled: MonthToSettle
    charges: PackageCharges


@dataclass(frozen=True)
class TrueUps:
    """What is due on a day: a line for each month that is now final; pending: months that still wait."""

    lines: tuple[RuleLine, ...]
    pending: tuple[ProvisionalMonth, ...]


def settle_month(one: MonthToSettle, publications: Iterable[IndexPublication], *, on: date) -> PackageCharges:
    """Return the month's charges with what is published on the day; provisional where an index is not (row 80).

    :raises IndexNotPublishedError: if a series has no published month at all
    """
    needed = set(indices_of(one.terms.package))
    if one.terms.ceiling is not None:
        needed |= {PublishedIndex.ANNUAL_CONTRACT_MEAN, PublishedIndex.MONTHLY_CONTRACT_MEAN}
    known = tuple(publications)
    index = {
        name: index_price(known, name, province=one.province, month=one.month, on=on)
        for name in sorted(needed, key=lambda name: name.value)
    }
    prices = replace(one.prices, index=index)
    return package_charges(one.terms, energy_wh=one.energy_wh, prices=prices, green_wh=one.green_wh)


def true_ups_due(pending: Sequence[ProvisionalMonth], publications: Iterable[IndexPublication], *, on: date) -> TrueUps:
    """Return the true-up of each pending month whose indices are all published by the day, and what still waits."""
    known = tuple(publications)
    lines, waiting = [], []
    for one in pending:
        final = settle_month(one.settled, known, on=on)
        if final.is_provisional:
            waiting.append(one)
        else:
            month = one.settled.month
            lines.append(true_up_line(one.settled.terms, month=month, provisional=one.charges, final=final))
    return TrueUps(tuple(lines), tuple(waiting))
