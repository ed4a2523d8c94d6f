"""Deviation of retail users: the clause's fee, the shared wholesale cost, the refund of excess (rows 86, 87, 88).

Money nano-yuan, energy Wh; a split sums exactly, by largest remainder.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from hub.market.trades import Violation
from hub.settlement.exact_shares import PPM, share_half_up, split_exactly
from hub.settlement.money import divide_half_up
from hub.settlement.retail.contract_terms import DeviationTerms
from hub.settlement.rule_lines import RuleLine, priced_line, share_lines

DEVIATION_RULE = "retail-deviation-1"
SHARED_DEVIATION_RULE = "retail-shared-deviation-1"
DEVIATION_REFUND_RULE = "retail-deviation-refund-1"


@dataclass(frozen=True)
class SharedCost:
    """Who bears a retailer's wholesale deviation cost, nano-yuan; all parts sum to it (row 87)."""

    user_nano_yuan: Mapping[str, int]
    retailer_nano_yuan: int


def deviation_energy_wh(contract_wh: int, actual_wh: int, *, tolerance_ppm: int) -> int:
    """Return Dev = max(0, |Q_act - Q_c| - r Q_c), the tolerance rounded half up to 1 Wh (row 86)."""
    return max(0, abs(actual_wh - contract_wh) - divide_half_up(contract_wh * tolerance_ppm, PPM))


def deviation_line(
    terms: DeviationTerms, *, user: str, retailer: str, contract_id: str, contract_wh: int, actual_wh: int
) -> RuleLine:
    """Return the fee Dev x price of a contract whose clause is on, as `deviation_clause_is_on` says (row 86)."""
    return priced_line(
        "retail-deviation",
        detail=contract_id,
        payer=user,
        payee=retailer,
        quantity=deviation_energy_wh(contract_wh, actual_wh, tolerance_ppm=terms.tolerance_ppm),
        price_uyuan=terms.price_uyuan_per_kwh,
        rule_version=DEVIATION_RULE,
        price_versions=(contract_id,),
    )


def shared_deviation_cost(
    wholesale_nano_yuan: int, *, user_share_ppm: int, deviation_wh: Mapping[str, int]
) -> SharedCost:
    """Return Fee_i = phi x cost x |d_i| / sum |d_j|, the rest with the retailer (row 87).

    Nobody deviated: the retailer keeps all of it.

    :param wholesale_nano_yuan: the retailer's wholesale deviation cost, >= 0
    :param user_share_ppm: phi, in the contracts
    :param deviation_wh: signed, by user
    """
    assert wholesale_nano_yuan >= 0
    users = sorted(deviation_wh)
    weights = [abs(deviation_wh[user]) for user in users]
    pool = share_half_up(wholesale_nano_yuan, user_share_ppm) if any(weights) else 0
    return SharedCost(dict(zip(users, split_exactly(pool, weights), strict=True)), wholesale_nano_yuan - pool)


def excess_refund_nano_yuan(collected_nano_yuan: int, wholesale_nano_yuan: int, *, margin_ppm: int) -> int:
    """Return max(0, F_collected - (1 + theta) F_wholesale) (row 88); the allowance is rounded half up.

    :param margin_ppm: theta, of the province
    """
    assert min(collected_nano_yuan, wholesale_nano_yuan, margin_ppm) >= 0
    allowance = divide_half_up(wholesale_nano_yuan * (PPM + margin_ppm), PPM)
    return max(0, collected_nano_yuan - allowance)


def deviation_refunds(
    collected_nano_yuan: Mapping[str, int], *, wholesale_nano_yuan: int, margin_ppm: int
) -> Mapping[str, int]:
    """Return each user's part of the refund, in proportion to what it paid; the parts sum to the refund (row 88)."""
    users = sorted(collected_nano_yuan)
    paid = [collected_nano_yuan[user] for user in users]
    refund = excess_refund_nano_yuan(sum(paid), wholesale_nano_yuan, margin_ppm=margin_ppm)
    return dict(zip(users, split_exactly(refund, paid), strict=True))


def shared_cost_lines(cost: SharedCost, *, retailer: str) -> list[RuleLine]:
    """Return a line for each user that bears a part of the retailer's deviation cost (row 87)."""
    return share_lines(
        "retail-shared-deviation", cost.user_nano_yuan, account=retailer, rule_version=SHARED_DEVIATION_RULE
    )


def refund_lines(refunds: Mapping[str, int], *, retailer: str) -> list[RuleLine]:
    """Return a line for each user that gets a part of the refund back, negative: the retailer pays (row 88)."""
    given_back = {user: -refund for user, refund in refunds.items()}
    return share_lines("retail-deviation-refund", given_back, account=retailer, rule_version=DEVIATION_REFUND_RULE)


def check_refunds(
    collected_nano_yuan: Mapping[str, int], refunds_nano_yuan: Mapping[str, int], *, wholesale_nano_yuan: int
) -> list[Violation]:
    """Row 88: nobody gets back more than it paid, and the retailer keeps at least its wholesale cost's worth."""
    found = [
        Violation(5, user, f"refund {refund} of {collected_nano_yuan.get(user, 0)} nano-yuan paid")
        for user, refund in refunds_nano_yuan.items()
        if not 0 <= refund <= collected_nano_yuan.get(user, 0)
    ]
    collected, refunded = sum(collected_nano_yuan.values()), sum(refunds_nano_yuan.values())
    if refunded and collected - refunded < wholesale_nano_yuan:
        found.append(Violation(5, "retailer", f"keeps {collected - refunded} of a cost of {wholesale_nano_yuan}"))
    return found


def deviation_by_user(contract_wh: Mapping[str, int], actual_wh: Mapping[str, int]) -> Mapping[str, int]:
    """Return Q_act - Q_c by user; a user without a contracted quantity deviates by all it used."""
    return {user: actual_wh.get(user, 0) - contract_wh.get(user, 0) for user in sorted({*contract_wh, *actual_wh})}
