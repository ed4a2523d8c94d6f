"""What a province asks of retail contracts, and whether terms keep it (requirements rows 79, 81 to 86, 89).

Rules are dated data with a document; where a field is None the province sets no such rule. Refusals name every fault
at once; warnings stop nothing but must be acknowledged by the user, and the acknowledgement is kept with the contract.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import Enum

from hub.settlement.exact_shares import PPM
from hub.settlement.retail.contract_terms import (
    Fixed,
    FlatPlusRatio,
    PerPeriodPrice,
    RetailTerms,
    Spread,
    market_share_ppm,
)
from hub.settlement.retail.package_prices import benchmark_cap_uyuan_per_kwh


@dataclass(frozen=True)
class RetailRules:
    """A province's rules of retail contracts on a day; versions: ids of the loaded ones (`loaded_rules.py`).

    fixed_floor, fixed_cap: of the fixed price, the wholesale market's annual limits (row 82). coal_factor_ppm times
    coal_benchmark: another cap (row 83). limited_period: whose price is limited where each period has its own.
    linked_share_min_ppm: x (row 81). ceiling_year_weight_ppm: w; ceiling_uplift_max_ppm: the highest u (row 84).
    warn_*: thresholds (row 85). deviation_off_below_v: the clause is off by default below this voltage (row 86).
    """

    province: str
    versions: tuple[str, ...] = ()
    fixed_floor_uyuan_per_kwh: int | None = None
    fixed_cap_uyuan_per_kwh: int | None = None
    coal_factor_ppm: int | None = None
    coal_benchmark_uyuan_per_kwh: int | None = None
    limited_period: str | None = None
    linked_share_min_ppm: int | None = None
    ceiling_year_weight_ppm: int | None = None
    ceiling_uplift_max_ppm: int | None = None
    warn_fixed_uyuan_per_kwh: int | None = None
    warn_market_share_ppm: int | None = None
    deviation_off_below_v: int | None = None


class TermsFault(Enum):
    """Why terms are refused."""

    NO_MODEL_TEXT = "no-model-text"
    NO_PRICE = "no-price"
    PRICE_TWICE = "price-twice"
    PERIOD_WITHOUT_PRICE = "period-without-price"
    UNKNOWN_PERIOD = "unknown-period"
    SHARE_OUTSIDE_ONE = "share-outside-one"
    LINKED_SHARE_TOO_SMALL = "linked-share-too-small"
    FIXED_PRICE_TOO_LOW = "fixed-price-too-low"
    FIXED_PRICE_TOO_HIGH = "fixed-price-too-high"
    LIMITED_PERIOD_NOT_SET = "limited-period-not-set"
    COAL_LINK_WITHOUT_FIXED_PRICE = "coal-link-without-fixed-price"
    NO_CEILING_RULE = "no-ceiling-rule"
    CEILING_TOO_HIGH = "ceiling-too-high"
    NO_DEVIATION_DEFAULT = "no-deviation-default"
    NO_DEVIATION_TERMS = "no-deviation-terms"
    NEGATIVE_TERM = "negative-term"


class RiskWarning(Enum):
    """What a user must acknowledge before signing (row 85)."""

    FIXED_PRICE_HIGH = "fixed-price-high"
    FLOATING_SHARE_HIGH = "floating-share-high"


@dataclass(frozen=True)
class TermsAdmitted:
    """The terms may be signed. acknowledged: the warnings that the user has confirmed."""

    acknowledged: tuple[RiskWarning, ...]


@dataclass(frozen=True)
class AcknowledgementNeeded:
    """The terms may be signed once the user has confirmed these warnings."""

    warnings: tuple[RiskWarning, ...]


@dataclass(frozen=True)
class TermsRefused:
    """The terms break rules; all of them are named."""

    faults: tuple[TermsFault, ...]


TermsOutcome = TermsAdmitted | AcknowledgementNeeded | TermsRefused


def admit_terms(
    terms: RetailTerms, rules: RetailRules, *, periods: Collection[str], acknowledged: Collection[RiskWarning] = ()
) -> TermsOutcome:
    """Return whether the terms may be signed.

    :param periods: the names of the province's time-of-use periods
    :param acknowledged: warnings that the user has confirmed
    """
    faults = terms_faults(terms, rules, periods=periods)
    if faults:
        return TermsRefused(faults)
    warnings = risk_warnings(terms, rules)
    open_warnings = tuple(one for one in warnings if one not in acknowledged)
    return AcknowledgementNeeded(open_warnings) if open_warnings else TermsAdmitted(warnings)


def terms_faults(terms: RetailTerms, rules: RetailRules, *, periods: Collection[str]) -> tuple[TermsFault, ...]:
    """Return every fault of the terms under the rules, in a fixed order."""
    checks: tuple[Callable[[], list[TermsFault]], ...] = (
        lambda: [] if terms.model_text.strip() else [TermsFault.NO_MODEL_TEXT],
        lambda: _shape_faults(terms, periods),
        lambda: _share_faults(terms, rules),
        lambda: _limit_faults(terms, rules),
        lambda: _modifier_faults(terms, rules),
    )
    return tuple(fault for check in checks for fault in check())


def risk_warnings(terms: RetailTerms, rules: RetailRules) -> tuple[RiskWarning, ...]:
    """Return the warnings that the terms give rise to: P_fix > th_fix, floating share > th_float (row 85)."""
    found = []
    price, threshold = limited_price_uyuan_per_kwh(terms, rules), rules.warn_fixed_uyuan_per_kwh
    if price is not None and threshold is not None and price > threshold:
        found.append(RiskWarning.FIXED_PRICE_HIGH)
    share_max = rules.warn_market_share_ppm
    if share_max is not None and market_share_ppm(terms.package) > share_max:
        found.append(RiskWarning.FLOATING_SHARE_HIGH)
    return tuple(found)


def deviation_clause_is_on(terms: RetailTerms, rules: RetailRules) -> bool | None:
    """Return whether the contract has a deviation clause: as it says, else by voltage; None without a default (86)."""
    if terms.has_deviation_clause is not None:
        return terms.has_deviation_clause
    limit = rules.deviation_off_below_v
    return None if limit is None else terms.voltage_v >= limit


def fixed_cap_uyuan_per_kwh(rules: RetailRules) -> int | None:
    """Return the lowest cap of the fixed price that the rules set, None if they set none (rows 82, 83)."""
    caps = [] if rules.fixed_cap_uyuan_per_kwh is None else [rules.fixed_cap_uyuan_per_kwh]
    if rules.coal_factor_ppm is not None and rules.coal_benchmark_uyuan_per_kwh is not None:
        caps.append(benchmark_cap_uyuan_per_kwh(rules.coal_benchmark_uyuan_per_kwh, rules.coal_factor_ppm))
    return min(caps, default=None)


def limited_price_uyuan_per_kwh(terms: RetailTerms, rules: RetailRules) -> int | None:
    """Return the fixed price that limits and warnings look at: the contract's, or its limited period's."""
    if not isinstance(terms.package, Fixed):
        return None
    if isinstance(terms.tou, PerPeriodPrice):
        return terms.tou.price_uyuan_per_kwh.get(rules.limited_period or "")
    return terms.package.price_uyuan_per_kwh


def _shape_faults(terms: RetailTerms, periods: Collection[str]) -> list[TermsFault]:
    """Return what is wrong with periods: one price schema, and every period in it (row 89)."""
    own_price = terms.package.price_uyuan_per_kwh if isinstance(terms.package, Fixed) else None
    has_own_price = not isinstance(terms.package, Fixed) or own_price is not None
    named: Collection[str] | None = None
    faults = []
    match terms.tou:
        case PerPeriodPrice():
            named = terms.tou.price_uyuan_per_kwh
            faults = [TermsFault.PRICE_TWICE] if has_own_price else []
        case FlatPlusRatio():
            named = terms.tou.factor_ppm
            faults = [] if has_own_price else [TermsFault.NO_PRICE]
            faults += [TermsFault.NEGATIVE_TERM] if min(terms.tou.factor_ppm.values(), default=0) < 0 else []
        case None:
            faults = [] if has_own_price else [TermsFault.NO_PRICE]
    if named is not None and set(periods) - set(named):
        faults.append(TermsFault.PERIOD_WITHOUT_PRICE)
    if named is not None and set(named) - set(periods):
        faults.append(TermsFault.UNKNOWN_PERIOD)
    return faults


def _share_faults(terms: RetailTerms, rules: RetailRules) -> list[TermsFault]:
    shares = [market_share_ppm(terms.package)]
    if isinstance(terms.package, Spread):
        shares.append(terms.package.user_share_ppm)
    faults = [] if all(0 <= share <= PPM for share in shares) else [TermsFault.SHARE_OUTSIDE_ONE]
    share_min = rules.linked_share_min_ppm
    if share_min is not None and shares[0] < share_min:
        faults.append(TermsFault.LINKED_SHARE_TOO_SMALL)
    return faults


def _limit_faults(terms: RetailTerms, rules: RetailRules) -> list[TermsFault]:
    floor, cap = rules.fixed_floor_uyuan_per_kwh, fixed_cap_uyuan_per_kwh(rules)
    if not isinstance(terms.package, Fixed) or (floor is None and cap is None):
        return []
    price = limited_price_uyuan_per_kwh(terms, rules)
    if price is None:
        return [TermsFault.LIMITED_PERIOD_NOT_SET] if isinstance(terms.tou, PerPeriodPrice) else []
    faults = [TermsFault.FIXED_PRICE_TOO_LOW] if floor is not None and price < floor else []
    return faults + ([TermsFault.FIXED_PRICE_TOO_HIGH] if cap is not None and price > cap else [])


def _modifier_faults(terms: RetailTerms, rules: RetailRules) -> list[TermsFault]:
    faults = []
    own_price = terms.package.price_uyuan_per_kwh if isinstance(terms.package, Fixed) else None
    if terms.coal is not None and own_price is None:
        faults.append(TermsFault.COAL_LINK_WITHOUT_FIXED_PRICE)
    if terms.ceiling is not None:
        if rules.ceiling_year_weight_ppm is None:
            faults.append(TermsFault.NO_CEILING_RULE)
        elif rules.ceiling_uplift_max_ppm is not None and terms.ceiling.uplift_ppm > rules.ceiling_uplift_max_ppm:
            faults.append(TermsFault.CEILING_TOO_HIGH)
    is_on = deviation_clause_is_on(terms, rules)
    if is_on is None:
        faults.append(TermsFault.NO_DEVIATION_DEFAULT)
    elif is_on and terms.deviation is None:
        faults.append(TermsFault.NO_DEVIATION_TERMS)
    amounts = [] if terms.green is None else [terms.green.energy_wh]
    amounts += [] if terms.deviation is None else [terms.deviation.tolerance_ppm, terms.deviation.price_uyuan_per_kwh]
    return [*faults, TermsFault.NEGATIVE_TERM] if min(amounts, default=0) < 0 else faults
