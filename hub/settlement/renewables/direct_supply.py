"""Green power supplied directly and consumed nearby: annual tests and the monthly network fee (outside rules 7, 8).

绿电直连 (发改能源〔2025〕650号, 688号) and 就近消纳 (发改价格〔2025〕1192号). Limits depend on when a project was
added and are dated data. Shares are compared exactly; energy Wh, capacity VA, price micro-yuan per kWh or per kVA.
"""

from dataclasses import dataclass
from enum import Enum

import msgspec

from edge.contract.registry import SupplyMode
from hub.market.registry.participant_classes import MarketStage
from hub.market.registry.periods import Period
from hub.market.registry.provincial_rules import trades_continuously
from hub.market.trades import Violation
from hub.settlement.exact_shares import PPM
from hub.settlement.money import divide_half_up
from hub.settlement.rule_lines import QuantityUnit, RuleLine, amount_line, priced_line

NEARBY_RULE = "nearby-consumption-1"


class DirectSupplyRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Annual limits of projects added in a period. feed_in_max_ppm: None where the document sets none."""

    version_id: str
    document: str
    added: Period
    self_use_of_available_min_ppm: int
    self_use_of_consumption_min_ppm: int
    feed_in_max_ppm: int | None


@dataclass(frozen=True)
class DirectSupplyYear:
    """A project's year, each by meters of its own (outside rules 7): available is used itself, fed in or curtailed."""

    available_wh: int
    self_used_wh: int
    fed_in_wh: int
    curtailed_wh: int
    consumption_wh: int


class AnnualTest(Enum):
    """Which share is tested."""

    SELF_USE_OF_AVAILABLE = "self-use-of-available"
    SELF_USE_OF_CONSUMPTION = "self-use-of-consumption"
    FEED_IN = "feed-in"


@dataclass(frozen=True)
class AnnualTestResult:
    """One test. share_ppm: for display, rounded half up; passes: compared exactly."""

    test: AnnualTest
    share_ppm: int
    limit_ppm: int
    passes: bool


@dataclass(frozen=True)
class NearbyConnection:
    """A project's connection in a month. motors_va: high-voltage motors that stand behind no transformer."""

    transformers_va: int
    motors_va: int
    is_connected: bool

    @property
    def capacity_va(self) -> int:
        """Return the connected capacity: transformers in use and motors beside them."""
        return self.transformers_va + self.motors_va


@dataclass(frozen=True)
class NearbyRules:
    """The monthly fee of a voltage level: capacity and volumetric price, the province's mean load rate, hours."""

    province: str
    versions: tuple[str, ...]
    capacity_uyuan_per_kva_month: int
    volumetric_uyuan_per_kwh: int
    load_rate_ppm: int
    hours_per_month: int


class NearbyRefusal(Enum):
    """Why a project cannot be supplied as asked."""

    MUST_TRADE_DIRECTLY = "must-trade-directly"
    NO_REVERSE_FEED = "no-reverse-feed"


class DirectSupplyError(ValueError):
    """A year without available energy or consumption has no shares."""


def annual_tests(year: DirectSupplyYear, rules: DirectSupplyRules) -> tuple[AnnualTestResult, ...]:
    """Return self-use over available, self-use over consumption and feed-in over available (outside rules 7, 8).

    :raises DirectSupplyError: if nothing was available or consumed
    """
    if year.available_wh <= 0 or year.consumption_wh <= 0:
        raise DirectSupplyError("outside rules 8: a year without available energy or consumption has no shares")
    floors = (
        (AnnualTest.SELF_USE_OF_AVAILABLE, year.available_wh, rules.self_use_of_available_min_ppm),
        (AnnualTest.SELF_USE_OF_CONSUMPTION, year.consumption_wh, rules.self_use_of_consumption_min_ppm),
    )
    results = [
        AnnualTestResult(
            test, divide_half_up(year.self_used_wh * PPM, whole), limit, year.self_used_wh * PPM >= limit * whole
        )
        for test, whole, limit in floors
    ]
    if rules.feed_in_max_ppm is not None:
        share = divide_half_up(year.fed_in_wh * PPM, year.available_wh)
        is_within = year.fed_in_wh * PPM <= rules.feed_in_max_ppm * year.available_wh
        results.append(AnnualTestResult(AnnualTest.FEED_IN, share, rules.feed_in_max_ppm, is_within))
    return tuple(results)


def supply_refusal(supply: SupplyMode, stage: MarketStage, *, feeds_in: bool) -> NearbyRefusal | None:
    """Return why a project may not be supplied so: no agency purchase (7), no feed-in without continuous spot (8)."""
    if supply is not SupplyMode.DIRECT:
        return NearbyRefusal.MUST_TRADE_DIRECTLY
    if feeds_in and not trades_continuously(stage):
        return NearbyRefusal.NO_REVERSE_FEED
    return None


def nearby_fee_lines(connection: NearbyConnection, rules: NearbyRules, *, project: str, d_net: str) -> list[RuleLine]:
    """Return the month's capacity charge and volumetric price x load rate x hours x capacity (outside rules 7).

    They replace the volumetric network tariff and the system reserve fee on grid energy; nothing without a connection.
    A project that stays on the two-part tariff has no such lines.
    """
    if not connection.is_connected:
        return []
    capacity = connection.capacity_va
    by_load_rate = rules.volumetric_uyuan_per_kwh * rules.load_rate_ppm * rules.hours_per_month * capacity
    return [
        priced_line(
            "nearby-capacity",
            payer=project,
            payee=d_net,
            quantity=capacity,
            unit=QuantityUnit.VOLT_AMPERE,
            price_uyuan=rules.capacity_uyuan_per_kva_month,
            rule_version=NEARBY_RULE,
            price_versions=rules.versions,
        ),
        amount_line(
            "nearby-network-by-load-rate",
            payer=project,
            payee=d_net,
            amount_nano_yuan=divide_half_up(by_load_rate, PPM),
            quantity=capacity,
            unit=QuantityUnit.VOLT_AMPERE,
            rule_version=NEARBY_RULE,
            price_versions=rules.versions,
        ),
    ]


def check_direct_year(where: str, year: DirectSupplyYear) -> list[Violation]:
    """Law 4: available energy is used itself, fed in or curtailed, and no more is used than consumed."""
    used = year.self_used_wh + year.fed_in_wh + year.curtailed_wh
    found = []
    if used != year.available_wh:
        found.append(Violation(4, where, f"{used} Wh used, fed in and curtailed of {year.available_wh} Wh available"))
    if year.self_used_wh > year.consumption_wh:
        found.append(Violation(4, where, f"{year.self_used_wh} Wh self-used of {year.consumption_wh} Wh consumed"))
    return found
