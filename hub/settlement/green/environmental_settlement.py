"""A plant's month of green contracts: environmental value and compensation, apart from energy (row 146; outside 11).

Energy follows the spot and deviation rules and its own accounts. Here is the other stream: Q_env = min(contract,
generation without mechanism energy, consumption) in whole certificates, the remainder rolled on within the contract;
who is at fault for a shortfall compensates it, remainders excluded. Energy Wh, price micro-yuan/kWh, money nano-yuan.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hub.market.green.green_quantities import (
    GreenContract,
    SettledContract,
    SettlementPeriod,
    SubscriptionRules,
    settle_contracts,
    subscription_charge,
)
from hub.market.trades import Int64Array, Violation
from hub.settlement.rule_lines import RuleLine, priced_lines, total_nano_yuan

ENVIRONMENTAL_RULE = "environmental-value-1"
COMPENSATION_RULE = "environmental-compensation-1"
SUBSCRIPTION_RULE = "green-subscription-1"


@dataclass(frozen=True)
class GreenDeal:
    """A buyer's green contract with a plant. Columns: shape (n_intervals,) of the month.

    buyer_account, seller_account: of environmental value, not the ones that energy is settled on (row 146).
    seller_short_uyuan_per_kwh, buyer_short_uyuan_per_kwh: what a shortfall costs the one at fault.
    """

    contract_id: str
    buyer_account: str
    seller_account: str
    contract_wh: Int64Array
    consumption_wh: Int64Array
    environmental_uyuan_per_kwh: int
    seller_short_uyuan_per_kwh: int
    buyer_short_uyuan_per_kwh: int


@dataclass(frozen=True)
class PlantMonth:
    """A plant's month: year x 100 + month; generation and the part under a mechanism price, shape (n_intervals,)."""

    plant_id: str
    month: int
    generation_wh: Int64Array
    mechanism_wh: Int64Array
    deals: tuple[GreenDeal, ...]


@dataclass(frozen=True)
class SettledPlantMonth:
    """What a month settled: quantities by contract, and the lines of the environmental stream."""

    month: PlantMonth
    settled: tuple[SettledContract, ...]
    lines: tuple[RuleLine, ...]


def settle_plant_month(
    month: PlantMonth, carried_wh: Mapping[str, int], *, period: SettlementPeriod, wh_per_certificate: int
) -> SettledPlantMonth:
    """Return the month's environmental stream; buyers of one plant share its generation in proportion.

    :param carried_wh: by contract, what its months before left below one certificate
    :param period: over what the minimum is taken (outside rules 11), a parameter of the province
    """
    contracts = [
        GreenContract(deal.contract_id, deal.contract_wh, deal.consumption_wh, carried_wh.get(deal.contract_id, 0))
        for deal in month.deals
    ]
    settled = settle_contracts(
        contracts,
        generation_wh=month.generation_wh,
        mechanism_wh=month.mechanism_wh,
        period=period,
        wh_per_certificate=wh_per_certificate,
    )
    lines = [
        line
        for deal, one in zip(month.deals, settled, strict=True)
        for line in _lines_of_deal(deal, one, month.month, wh_per_certificate)
    ]
    return SettledPlantMonth(month, settled, tuple(lines))


def subscription_lines(
    rules: SubscriptionRules,
    *,
    user: str,
    d_sup: str,
    user_environmental_account: str,
    seller_environmental_account: str,
    energy_wh: int,
    certificates: int,
    agency_uyuan_per_kwh: int,
    environmental_uyuan_per_kwh: int,
    wh_per_certificate: int,
    price_versions: tuple[str, str],
) -> list[RuleLine]:
    """Return a subscribed agency user's two lines: energy at the agency price, environmental value apart (row 150).

    :param price_versions: of the agency price, and of the subscription
    :raises SubscriptionClosedError: if the province has none
    """
    charge = subscription_charge(
        rules,
        energy_wh=energy_wh,
        certificates=certificates,
        agency_uyuan_per_kwh=agency_uyuan_per_kwh,
        environmental_uyuan_per_kwh=environmental_uyuan_per_kwh,
        wh_per_certificate=wh_per_certificate,
    )
    agency_version, subscription_version = price_versions
    energy = [("agency-energy", user, d_sup, energy_wh, agency_uyuan_per_kwh)]
    quantity = certificates * wh_per_certificate
    value = [
        (
            "environmental-value",
            user_environmental_account,
            seller_environmental_account,
            quantity,
            environmental_uyuan_per_kwh,
        )
    ]
    lines = [
        *priced_lines(energy, rule_version=SUBSCRIPTION_RULE, price_versions=(agency_version,)),
        *priced_lines(value, rule_version=SUBSCRIPTION_RULE, price_versions=(subscription_version,)),
    ]
    assert total_nano_yuan(lines) == charge.energy_nano_yuan + charge.environmental_nano_yuan
    return lines


def check_two_streams(energy: Sequence[RuleLine], environmental: Sequence[RuleLine]) -> list[Violation]:
    """Row 146: energy and environmental value share no account and no kind of line."""
    accounts = [
        {end for line in lines for end in (line.from_account, line.to_account)} for lines in (energy, environmental)
    ]
    kinds = [{line.component for line in lines} for lines in (energy, environmental)]
    found = [
        Violation(6, account, "settles both energy and environmental value")
        for account in sorted(accounts[0] & accounts[1])
    ]
    return found + [Violation(6, kind, "is a line of both streams") for kind in sorted(kinds[0] & kinds[1])]


def _lines_of_deal(deal: GreenDeal, one: SettledContract, month: int, wh_per_certificate: int) -> list[RuleLine]:
    """Return Fee_env = Q_env P_env, and what a shortfall costs the side whose fault it is; zeros are left out."""
    buyer, seller = deal.buyer_account, deal.seller_account
    quantity = one.certificates * wh_per_certificate
    shortfalls = (
        (
            "environmental-shortfall-seller",
            seller,
            buyer,
            one.seller_short_wh if deal.seller_short_uyuan_per_kwh else 0,
            deal.seller_short_uyuan_per_kwh,
        ),
        (
            "environmental-shortfall-buyer",
            buyer,
            seller,
            one.buyer_short_wh if deal.buyer_short_uyuan_per_kwh else 0,
            deal.buyer_short_uyuan_per_kwh,
        ),
    )
    value = [("environmental-value", buyer, seller, quantity, deal.environmental_uyuan_per_kwh)]
    detail, version = f"{deal.contract_id}, {month}", (deal.contract_id,)
    return [
        *priced_lines(value, rule_version=ENVIRONMENTAL_RULE, price_versions=version, detail=detail),
        *priced_lines(shortfalls, rule_version=COMPENSATION_RULE, price_versions=version, detail=detail),
    ]
