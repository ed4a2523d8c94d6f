"""A made-up county of a few metering points of every kind, with prices of Hubei, January 2026."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np

from edge.contract.registry import SupplyMode, UserCategory
from hub.bench.made_up_province import INDUSTRY, PROVINCE, made_up_province
from hub.settlement.bills.class_month import ClassMonth, UserClass
from hub.settlement.county_month.month_energy import MonthEnergy, MonthEnergyCount
from hub.settlement.county_month.points import NONE, BillingPoints, Election, class_positions
from hub.settlement.provinces import shipped_library
from hub.settlement.provinces.keys import PeriodKind, TariffType
from hub.settlement.provinces.library import Library
from hub.settlement.retail.contract_terms import (
    Ceiling,
    Fixed,
    FlatPlusRatio,
    Linked,
    LinkedPart,
    PassThrough,
    PerPeriodPrice,
    PublishedIndex,
    RetailTerms,
    Spread,
)
from hub.settlement.retail.package_charges import NamedPrice, RetailPrices
from hub.settlement.retail.published_indices import IndexPrice

MONTH = date(2026, 1, 1)
N_DAYS = 31
ZONES = 2
PRICE_VERSION = "real-time-2026-01"
WHOLESALE_MEAN_UYUAN_PER_KWH = 372_222


def library() -> Library:
    """The shipped profiles and the made-up province."""
    return shipped_library([made_up_province(MONTH)])


def commercial(
    voltage: str,
    tariff: TariffType,
    mode: SupplyMode,
    capacity_va: int = 0,
    *,
    province: str = PROVINCE,
    user_class: str = "",
) -> UserClass:
    """A commercial class."""
    return UserClass(province, UserCategory.COMMERCIAL_INDUSTRIAL, voltage, tariff, user_class, capacity_va, mode)


def packages() -> tuple[RetailTerms, ...]:
    """Packages of all four kinds that are products of energy and price, and two that are not (3 and 4)."""
    common = {"user_id": "any", "retailer_id": "retailer", "voltage_v": 10_000, "model_text": "2025"}
    per_period = {"SHARP": 700_001, "PEAK": 600_003, "FLAT": 400_007, "VALLEY": 200_009, "DEEP_VALLEY": 99_991}
    return (
        RetailTerms(contract_id="fixed", package=Fixed(412_345), **common),
        RetailTerms(contract_id="by-period", package=Fixed(None), tou=PerPeriodPrice(per_period), **common),
        RetailTerms(
            contract_id="linked", package=Linked(PublishedIndex.SPOT_MEAN, 5_001),
            tou=FlatPlusRatio({"SHARP": 1_700_000, "VALLEY": 480_000}, shapes_linked_part=False), **common,
        ),
        RetailTerms(
            contract_id="part-linked", package=Fixed(398_765, LinkedPart(333_333, PublishedIndex.SPOT_MEAN, 7)),
            tou=FlatPlusRatio({"SHARP": 1_600_000, "PEAK": 1_490_000, "VALLEY": 490_000}, shapes_linked_part=True),
            **common,
        ),
        RetailTerms(contract_id="capped", package=Fixed(450_000), ceiling=Ceiling(50_000), **common),
        RetailTerms(contract_id="pass-through", package=PassThrough(4_321), **common),
        RetailTerms(contract_id="spread", package=Spread(401_002, 333_333), **common),
        RetailTerms(
            contract_id="index-spread", package=Spread(PublishedIndex.MONTHLY_CONTRACT_MEAN, 700_001),
            tou=FlatPlusRatio({"PEAK": 1_300_001, "DEEP_VALLEY": 250_000}, shapes_linked_part=False), **common,
        ),
    )  # fmt: skip


def retail_prices() -> RetailPrices:
    """What the packages are settled with."""
    index = {
        PublishedIndex.SPOT_MEAN: IndexPrice(381_111, "spot-2026-01", is_provisional=False),
        PublishedIndex.ANNUAL_CONTRACT_MEAN: IndexPrice(390_000, "annual-2026", is_provisional=False),
        PublishedIndex.MONTHLY_CONTRACT_MEAN: IndexPrice(385_000, "monthly-2026-01", is_provisional=False),
    }
    return RetailPrices(
        index=index,
        wholesale_mean={"retailer": NamedPrice(WHOLESALE_MEAN_UYUAN_PER_KWH, "mean-2026-01")},
        ceiling_year_weight_ppm=600_000,
    )


@dataclass(frozen=True)
class MadeUpCounty:
    """Points with their energies by day, shape (96, n_points) each, and interval prices, shape (zones, 96)."""

    points: BillingPoints
    days: tuple[Any, ...]
    prices: tuple[Any, ...]


KINDS = (
    (
        "resident",
        UserClass(PROVINCE, UserCategory.RESIDENTIAL, "<1kV", TariffType.SINGLE, "", 0, SupplyMode.GUARANTEED),
    ),
    ("shop", commercial("<1kV", TariffType.SINGLE, SupplyMode.AGENCY)),
    ("works", commercial("10(20)kV", TariffType.TWO_PART, SupplyMode.AGENCY, 630_000, province="hubei")),
    ("works by demand", commercial("10(20)kV", TariffType.TWO_PART, SupplyMode.AGENCY, 630_000, user_class=INDUSTRY)),
    ("direct", commercial("35kV", TariffType.TWO_PART, SupplyMode.DIRECT, 2_000_000)),
    *((f"retail {number}", commercial("10(20)kV", TariffType.SINGLE, SupplyMode.RETAIL)) for number in range(8)),
)


def made_up_county(
    seed: int, n_points: int, *, energy_max_wh: int = 30_000, held: Library | None = None
) -> MadeUpCounty:
    """Return points of all kinds in turn, with drawn energies; some take none in some kinds of period."""
    draws = np.random.default_rng(seed)
    named = [KINDS[number % len(KINDS)] for number in range(n_points)]
    classes, position = class_positions(held or library(), [one for _, one in named])
    election = {"works": Election.CAPACITY, "works by demand": Election.DEMAND, "direct": Election.DEMAND}
    points = BillingPoints(
        metering_point=tuple(f"M{number:04d}" for number in range(n_points)),
        user_id=tuple(f"U{number:04d}" for number in range(n_points)),
        user_class=np.array(position, np.int64),
        classes=classes,
        election=np.array([election.get(name, Election.NONE) for name, _ in named], np.int8),
        capacity_va=np.array([one.capacity_va for _, one in named], np.int64),
        price_zone=np.array([number % ZONES if name == "direct" else NONE for number, (name, _) in enumerate(named)]),
        package=np.array([int(name[-1]) if name.startswith("retail") else NONE for name, _ in named], np.int64),
        packages=packages(),
    )
    sleeps = draws.random((96, n_points)) < 0.3
    idle = np.repeat(draws.random((12, n_points)) < 0.2, 8, axis=0)
    days = [np.where(sleeps | idle, 0, draws.integers(0, energy_max_wh, (96, n_points))) for _ in range(N_DAYS)]
    prices = [draws.integers(-50_000, 900_000, (ZONES, 96)) for _ in range(N_DAYS)]
    return MadeUpCounty(points, tuple(days), tuple(prices))


def class_months(points: BillingPoints, held: Library) -> list[ClassMonth]:
    """The prices of each class."""
    return [ClassMonth(held, MONTH, one) for one in points.classes]


def counted(county: MadeUpCounty, prices: list[ClassMonth]) -> MonthEnergy:
    """Return the month's energy, counted day by day."""
    count = MonthEnergyCount(county.points, prices, MONTH, price_version=PRICE_VERSION)
    for number, (energy, price) in enumerate(zip(county.days, county.prices, strict=True)):
        count.add_day(MONTH + timedelta(days=number), energy, price)
    return count.close()


def kinds_of(energy: MonthEnergy, point: int) -> dict[PeriodKind, int]:
    """The energy of a point by kind of period."""
    return {kind: int(energy.by_kind_wh[kind, point]) for kind in PeriodKind}
