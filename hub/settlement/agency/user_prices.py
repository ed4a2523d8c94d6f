"""What users pay who have no contract of their own choice: 1.5 times the agency price, or 1.5 times the spot mean.

Outside rules section 12 (发改办价格〔2021〕809号): energy-intensive users and users who left the market pay 1.5 times
the agency price for energy; network, funds and all else as anybody. Outside rules section 9 (Shaanxi): a market user
without a contract pays 1.5 times the month's real-time mean for all its energy. Factors are dated data.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from hub.settlement.exact_shares import PPM
from hub.settlement.money import divide_half_up
from hub.settlement.rule_lines import RuleLine, priced_line, priced_lines

AGENCY_PRICE_RULE = "agency-energy-1"
NO_CONTRACT_RULE = "no-contract-energy-1"


class AgencyUserKind(Enum):
    """Why a user is served by the agency."""

    ORDINARY = "ORDINARY"
    ENERGY_INTENSIVE = "ENERGY_INTENSIVE"
    LEFT_THE_MARKET = "LEFT_THE_MARKET"


@dataclass(frozen=True)
class SurchargeRules:
    """A province's factors on the energy price of users without a contract; versions: ids of the loaded ones.

    agency_factor_ppm: of energy-intensive users and those who left the market; no_contract_factor_ppm: of market users
    without a contract. None: the province has not set it, and what needs it is refused.
    """

    province: str
    versions: tuple[str, ...] = ()
    agency_factor_ppm: int | None = None
    no_contract_factor_ppm: int | None = None


class SurchargeNotSetError(LookupError):
    """A factor that the province has not set is needed; the text says which."""


class EmptyMonthError(ValueError):
    """A month without prices has no mean."""


@dataclass(frozen=True)
class AgencyEnergyPrice:
    """The energy price of a user of the agency: the pool's price, and what is on top of it (0 for ordinary users)."""

    pool_uyuan_per_kwh: int
    surcharge_uyuan_per_kwh: int


def agency_energy_price(kind: AgencyUserKind, pool_uyuan_per_kwh: int, rules: SurchargeRules) -> AgencyEnergyPrice:
    """Return the pool's price, and the surcharge (factor - 1) x price for users who bear it (outside rules 12).

    :raises SurchargeNotSetError: if the user bears one and the province has not set it
    """
    if kind is AgencyUserKind.ORDINARY:
        return AgencyEnergyPrice(pool_uyuan_per_kwh, 0)
    if rules.agency_factor_ppm is None:
        raise SurchargeNotSetError(
            f"outside rules 12: {rules.province} has no factor for {kind.value} users; load its notice"
        )
    raised = divide_half_up(pool_uyuan_per_kwh * rules.agency_factor_ppm, PPM)
    return AgencyEnergyPrice(pool_uyuan_per_kwh, raised - pool_uyuan_per_kwh)


def agency_energy_lines(
    price: AgencyEnergyPrice, *, user: str, d_sup: str, surcharge_account: str, energy_wh: int, price_version: str
) -> list[RuleLine]:
    """Return the user's energy at the pool's price, and the surcharge as a line of its own.

    :param surcharge_account: who the surcharge goes to; it is no income of the pool and stays visible
    """
    rows = (
        ("agency-energy", user, d_sup, energy_wh, price.pool_uyuan_per_kwh),
        ("agency-surcharge", user, surcharge_account, energy_wh, price.surcharge_uyuan_per_kwh),
    )
    return priced_lines(
        rows if price.surcharge_uyuan_per_kwh else rows[:1],
        rule_version=AGENCY_PRICE_RULE,
        price_versions=(price_version,),
    )


def real_time_mean_uyuan_per_kwh(prices_uyuan_per_kwh: Sequence[int]) -> int:
    """Return the plain mean of a month's real-time prices, one a settlement period, rounded half up once.

    :raises EmptyMonthError: if there is none
    """
    if not prices_uyuan_per_kwh:
        raise EmptyMonthError("outside rules 9: the month has no real-time price")
    return divide_half_up(sum(prices_uyuan_per_kwh), len(prices_uyuan_per_kwh))


def no_contract_price_uyuan_per_kwh(real_time_mean_uyuan_per_kwh: int, rules: SurchargeRules) -> int:
    """Return factor x monthly real-time mean, for all energy of a market user without a contract (outside rules 9).

    A negative mean is multiplied too: the rule as found knows no other way.

    :raises SurchargeNotSetError: if the province has not set the factor
    """
    if rules.no_contract_factor_ppm is None:
        raise SurchargeNotSetError(
            f"outside rules 9: {rules.province} has no factor for users without a contract; load its rules"
        )
    return divide_half_up(real_time_mean_uyuan_per_kwh * rules.no_contract_factor_ppm, PPM)


def no_contract_line(*, user: str, d_sup: str, energy_wh: int, price_uyuan_per_kwh: int, version: str) -> RuleLine:
    """Return the whole energy of a user without a contract at its price (outside rules 9)."""
    return priced_line(
        "no-contract-energy",
        payer=user,
        payee=d_sup,
        quantity=energy_wh,
        price_uyuan=price_uyuan_per_kwh,
        rule_version=NO_CONTRACT_RULE,
        price_versions=(version,),
    )
