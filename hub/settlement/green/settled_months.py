"""What environmental value has been settled stays settled: later meter corrections do not reopen it (outside rules 11).

The book holds each plant's month once. The same figures again change nothing; other figures are kept as a correction
that was not followed, so that nothing refused disappears. What a contract carries comes from its month before.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from types import MappingProxyType

import numpy as np

from hub.market.green.green_quantities import SettlementPeriod
from hub.market.trades import Violation
from hub.settlement.green.environmental_settlement import PlantMonth, SettledPlantMonth, settle_plant_month


class GreenBookRefusal(Enum):
    """Why a month is not entered."""

    ALREADY_SETTLED = "already-settled"
    OUT_OF_ORDER = "out-of-order"


@dataclass(frozen=True)
class GreenBook:
    """All settled months by (plant, month). carried_wh: by contract. not_followed: what was refused, in order."""

    wh_per_certificate: int
    period: SettlementPeriod
    months: Mapping[tuple[str, int], SettledPlantMonth] = field(default_factory=lambda: MappingProxyType({}))
    carried_wh: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    not_followed: tuple[tuple[PlantMonth, GreenBookRefusal], ...] = ()


@dataclass(frozen=True)
class MonthSettled:
    """The month is in the book now, with its lines."""

    book: GreenBook
    settled: SettledPlantMonth


@dataclass(frozen=True)
class MonthRepeated:
    """The same month with the same figures was in the book; nothing changed."""

    settled: SettledPlantMonth


@dataclass(frozen=True)
class MonthRefused:
    """The settled month stands; the book keeps the refused figures."""

    book: GreenBook
    reason: GreenBookRefusal


GreenBookOutcome = MonthSettled | MonthRepeated | MonthRefused


def enter_month(book: GreenBook, month: PlantMonth) -> GreenBookOutcome:
    """Settle a plant's month once, with what its contracts carry."""
    stands = book.months.get((month.plant_id, month.month))
    if stands is not None and _is_same(stands.month, month):
        return MonthRepeated(stands)
    if stands is not None:
        return _refused(book, month, GreenBookRefusal.ALREADY_SETTLED)
    if any(plant == month.plant_id and number > month.month for plant, number in book.months):
        return _refused(book, month, GreenBookRefusal.OUT_OF_ORDER)
    settled = settle_plant_month(month, book.carried_wh, period=book.period, wh_per_certificate=book.wh_per_certificate)
    carried = {one.contract_id: one.carried_wh for one in settled.settled}
    return MonthSettled(
        replace(
            book,
            months=MappingProxyType({**book.months, (month.plant_id, month.month): settled}),
            carried_wh=MappingProxyType({**book.carried_wh, **carried}),
        ),
        settled,
    )


def check_book(book: GreenBook) -> list[Violation]:
    """Law 2 over all months: a contract's certificates and carry are all that was matched, and no plant gives twice."""
    found = []
    matched: dict[str, int] = {}
    certificates: dict[str, int] = {}
    for (plant, month), one in book.months.items():
        available = int((one.month.generation_wh - one.month.mechanism_wh).sum())
        given = sum(settled.matched_wh for settled in one.settled)
        if given > available:
            found.append(Violation(2, f"{plant}, {month}", f"{given} Wh settled of {available} Wh outside mechanisms"))
        for settled in one.settled:
            name = settled.contract_id
            matched[name] = matched.get(name, 0) + settled.matched_wh
            certificates[name] = certificates.get(name, 0) + settled.certificates
    for name, energy in sorted(matched.items()):
        kept = certificates[name] * book.wh_per_certificate + book.carried_wh.get(name, 0)
        if kept != energy:
            found.append(Violation(2, name, f"{energy} Wh matched, {kept} Wh settled and carried"))
    return found


def _refused(book: GreenBook, month: PlantMonth, reason: GreenBookRefusal) -> MonthRefused:
    return MonthRefused(replace(book, not_followed=(*book.not_followed, (month, reason))), reason)


def _is_same(one: PlantMonth, other: PlantMonth) -> bool:
    """Return whether two months have the same figures, column by column."""
    if len(one.deals) != len(other.deals):
        return False
    columns = [(one.generation_wh, other.generation_wh), (one.mechanism_wh, other.mechanism_wh)]
    for left, right in zip(one.deals, other.deals, strict=True):
        columns += [(left.contract_wh, right.contract_wh), (left.consumption_wh, right.consumption_wh)]
        terms = [
            (
                deal.contract_id,
                deal.buyer_account,
                deal.seller_account,
                deal.environmental_uyuan_per_kwh,
                deal.seller_short_uyuan_per_kwh,
                deal.buyer_short_uyuan_per_kwh,
            )
            for deal in (left, right)
        ]
        if terms[0] != terms[1]:
            return False
    return all(np.array_equal(left, right) for left, right in columns)
