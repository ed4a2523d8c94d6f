"""The price of a period: coefficients on the components that float, flat contracts, and a check of published prices.

Sources: requirements rows 66, 67, 68, 74, 175; outside rules, section 13. Prices micro-yuan/kWh, coefficients ppm. A
derived price is rounded half-up to 1 micro-yuan/kWh once. A published absolute price wins over the coefficients; those
are then only a check, whose difference is shown.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from hub.settlement.exact_shares import PPM
from hub.settlement.money import divide_half_up
from hub.settlement.provinces.keys import Component, PeriodKind
from hub.settlement.tariffs.user_price import ComponentPrices

RULE_VERSION_FLOATING = "tou-floating-1"
RULE_VERSION_PUBLISHED = "tou-published-1"


class TouPriceError(ValueError):
    """A coefficient or part with which there is no period price; the text says which."""


@dataclass(frozen=True)
class PriceDifference:
    """What a period's published price has over the price by coefficients, which is 0 where they agree."""

    kind: PeriodKind
    published_uyuan_per_kwh: int
    by_factor_uyuan_per_kwh: int

    @property
    def difference_uyuan_per_kwh(self) -> int:
        """Return published less computed."""
        return self.published_uyuan_per_kwh - self.by_factor_uyuan_per_kwh


def scaled_price_uyuan_per_kwh(price_uyuan_per_kwh: int, factor_ppm: int) -> int:
    """Return P k, rounded half-up once: a flat contract's price in a period (row 74), an agency price (row 175).

    :raises TouPriceError: if the coefficient is negative
    """
    if factor_ppm < 0:
        raise TouPriceError(f"row 66: a coefficient of {factor_ppm} ppm; load one that is not negative")
    return divide_half_up(price_uyuan_per_kwh * factor_ppm, PPM)


def period_price_uyuan_per_kwh(
    prices: ComponentPrices, *, floating: Component, factor_ppm: int, energy_not_floating_uyuan_per_kwh: int = 0
) -> int:
    """Return P_s = k_s sum of floating components + sum of the others (rows 66, 67), rounded half-up once.

    :param floating: the province's mask; capacity and demand charges are no components and never float
    :param energy_not_floating_uyuan_per_kwh: part of the energy price that stays outside, such as history in Shanxi
    :raises TouPriceError: if the coefficient is negative, or a part of the energy is held back that does not float
    """
    if energy_not_floating_uyuan_per_kwh and Component.ENERGY not in floating:
        raise TouPriceError("row 67: a part of the energy price is kept from floating where energy does not float")
    floats = prices.of(floating) - energy_not_floating_uyuan_per_kwh
    return prices.total_uyuan_per_kwh - floats + scaled_price_uyuan_per_kwh(floats, factor_ppm)


def contract_period_prices_uyuan_per_kwh(
    contract_uyuan_per_kwh: int, factor_ppm: Mapping[PeriodKind, int]
) -> dict[PeriodKind, int]:
    """Return P_c,s = P_c k_s for each kind: a contract without period prices at settlement (row 74)."""
    return {kind: scaled_price_uyuan_per_kwh(contract_uyuan_per_kwh, factor) for kind, factor in factor_ppm.items()}


def compare_published_prices(
    published_uyuan_per_kwh: Mapping[PeriodKind, int],
    prices: ComponentPrices,
    *,
    floating: Component,
    factor_ppm: Mapping[PeriodKind, int],
    energy_not_floating_uyuan_per_kwh: int = 0,
) -> list[PriceDifference]:
    """Return what each published price has over the one by coefficients (outside rules, section 13).

    A kind without a coefficient cannot be compared and is left out.
    """
    return [
        PriceDifference(
            kind,
            published,
            period_price_uyuan_per_kwh(
                prices,
                floating=floating,
                factor_ppm=factor_ppm[kind],
                energy_not_floating_uyuan_per_kwh=energy_not_floating_uyuan_per_kwh,
            ),
        )
        for kind, published in published_uyuan_per_kwh.items()
        if kind in factor_ppm
    ]
