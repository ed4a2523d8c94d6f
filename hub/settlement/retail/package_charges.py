"""What a retail package costs in a month, line by line, and the true-up of a provisional month (79-81, 84, 89-91).

Order of the modifiers: the package gives its price, the coal link moves a fixed one, factors of periods shape it, the
ceiling limits the month's energy as a whole with a line of its own, environmental value is a stream beside all of it.
The user pays the retailer; energy Wh, price micro-yuan/kWh, money nano-yuan.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hub.market.pro_rata import largest_remainder_of_list
from hub.settlement.exact_shares import PPM, share_half_up
from hub.settlement.retail.contract_terms import (
    Fixed,
    FlatPlusRatio,
    Linked,
    PassThrough,
    PerPeriodPrice,
    PublishedIndex,
    RetailTerms,
    Spread,
)
from hub.settlement.retail.package_prices import (
    ceiling_price,
    coal_linked_price,
    linked_price,
    period_price,
    spread_price,
)
from hub.settlement.retail.published_indices import IndexPrice
from hub.settlement.rule_lines import RuleLine, amount_line, priced_line, total_nano_yuan

PACKAGE_RULE = "retail-package-1"
CEILING_RULE = "retail-ceiling-1"
GREEN_RULE = "retail-green-1"
TRUE_UP_RULE = "retail-true-up-1"


class RetailPriceMissingError(LookupError):
    """A package needs a price that was not given; the text names the row and what to load."""


@dataclass(frozen=True)
class NamedPrice:
    """A number and the version that it comes from: a retailer's mean (micro-yuan/kWh) or a coal index (fen/t)."""

    value: int
    version_id: str


@dataclass(frozen=True)
class RetailPrices:
    """What a month is settled with; None or absent: not given, and refused where a package needs it.

    wholesale_mean: by retailer, each passes on its own (row 80). coal_index_fen_per_t: by the index's name.
    ceiling_year_weight_ppm: w of row 84.
    """

    index: Mapping[PublishedIndex, IndexPrice] = field(default_factory=dict)
    wholesale_mean: Mapping[str, NamedPrice] = field(default_factory=dict)
    coal_index_fen_per_t: Mapping[str, NamedPrice] = field(default_factory=dict)
    ceiling_year_weight_ppm: int | None = None


@dataclass(frozen=True)
class PackageCharges:
    """A month's lines. is_provisional: a price in them is an earlier month's, and a true-up follows (row 80)."""

    lines: tuple[RuleLine, ...]
    is_provisional: bool

    @property
    def total_nano_yuan(self) -> int:
        """Return what the user pays, the sum of the lines."""
        return total_nano_yuan(self.lines)


@dataclass(frozen=True)
class _PartPrice:
    """The price of a part of the energy before periods shape it, and what it was made from."""

    uyuan_per_kwh: int
    versions: tuple[str, ...]
    is_provisional: bool = False


def package_charges(
    terms: RetailTerms, *, energy_wh: Mapping[str, int], prices: RetailPrices, green_wh: int = 0
) -> PackageCharges:
    """Return the month's lines of one contract.

    :param energy_wh: metered energy by period of the day, >= 0
    :param green_wh: the settled environmental quantity (whole certificates), at most what the green terms say
    :raises RetailPriceMissingError: if the package needs a price that is not given
    """
    assert all(energy >= 0 for energy in energy_wh.values()), "metered energy is not negative"
    energy = energy_wh if terms.tou is not None else {"": sum(energy_wh.values())}
    package, used = terms.package, []
    if isinstance(package, Fixed) and package.linked is not None:
        rest, linked = _split_by_share(energy, package.linked.share_ppm)
        part = _index_part(prices, package.linked.index, package.linked.service_fee_uyuan_per_kwh)
        is_shaped = isinstance(terms.tou, FlatPlusRatio) and terms.tou.shapes_linked_part
        used.append(part)
        lines = _lines_of_part(terms, "retail-linked-energy", linked, part, is_shaped=is_shaped)
    else:
        rest, lines = dict(energy), []
    if isinstance(package, Fixed) and isinstance(terms.tou, PerPeriodPrice):
        lines = _lines_at_period_prices(terms, terms.tou, rest) + lines
    else:
        used.append(_package_price(terms, prices))
        is_shaped = isinstance(terms.tou, FlatPlusRatio)
        lines = _lines_of_part(terms, "retail-energy", rest, used[-1], is_shaped=is_shaped) + lines
    if terms.ceiling is not None:
        relief, is_provisional = _ceiling_relief(terms, terms.ceiling.uplift_ppm, lines, prices)
        used.append(_PartPrice(0, (), is_provisional))
        lines += relief
    if terms.green is not None and green_wh:
        assert 0 <= green_wh <= terms.green.energy_wh, "no more green energy settles than was contracted"
        lines.append(_green_line(terms, green_wh, terms.green.environmental_uyuan_per_kwh))
    return PackageCharges(tuple(lines), any(part.is_provisional for part in used))


def true_up_line(terms: RetailTerms, *, month: int, provisional: PackageCharges, final: PackageCharges) -> RuleLine:
    """Return the difference of the final to the provisional charges of a month, one line of the next bill (row 80).

    :param month: year x 100 + month of the provisional bill
    """
    assert not final.is_provisional, "a true-up needs every index of its month"
    versions = {version for line in (*provisional.lines, *final.lines) for version in line.price_versions}
    return amount_line(
        "retail-true-up",
        detail=str(month),
        payer=terms.user_id,
        payee=terms.retailer_id,
        amount_nano_yuan=final.total_nano_yuan - provisional.total_nano_yuan,
        rule_version=TRUE_UP_RULE,
        price_versions=tuple(sorted(versions)),
    )


def _package_price(terms: RetailTerms, prices: RetailPrices) -> _PartPrice:
    """Return the price of the package's own formula (row 79), a fixed one moved by the coal index (row 90)."""
    package, version = terms.package, terms.contract_id
    match package:
        case Fixed():
            assert package.price_uyuan_per_kwh is not None, "admitted terms have a price"
            if terms.coal is None:
                return _PartPrice(package.price_uyuan_per_kwh, (version,))
            coal = prices.coal_index_fen_per_t.get(terms.coal.index_name)
            if coal is None:
                raise RetailPriceMissingError(f"row 90, {version}: load the month's coal index {terms.coal.index_name}")
            price = coal_linked_price(
                package.price_uyuan_per_kwh,
                beta_uyuan_per_kwh_per_yuan_per_t=terms.coal.beta_uyuan_per_kwh_per_yuan_per_t,
                index_fen_per_t=coal.value,
                base_index_fen_per_t=terms.coal.base_index_fen_per_t,
            )
            return _PartPrice(price, (version, coal.version_id))
        case Linked():
            return _index_part(prices, package.index, package.service_fee_uyuan_per_kwh, version)
        case PassThrough():
            mean = _wholesale_mean(prices, terms)
            return _PartPrice(linked_price(mean.value, package.service_fee_uyuan_per_kwh), (version, mean.version_id))
        case Spread():
            mean = _wholesale_mean(prices, terms)
            if isinstance(package.reference, int):
                reference = _PartPrice(package.reference, (version,))
            else:
                reference = _index_part(prices, package.reference, 0, version)
            price = spread_price(reference.uyuan_per_kwh, mean.value, user_share_ppm=package.user_share_ppm)
            return _PartPrice(price, (*reference.versions, mean.version_id), reference.is_provisional)


def _index_part(prices: RetailPrices, index: PublishedIndex, service_fee: int, version: str = "") -> _PartPrice:
    found = prices.index.get(index)
    if found is None:
        raise RetailPriceMissingError(f"row 80: load the publications of {index.value}")
    versions = (version, found.version_id) if version else (found.version_id,)
    return _PartPrice(linked_price(found.price_uyuan_per_kwh, service_fee), versions, found.is_provisional)


def _wholesale_mean(prices: RetailPrices, terms: RetailTerms) -> NamedPrice:
    mean = prices.wholesale_mean.get(terms.retailer_id)
    if mean is None:
        raise RetailPriceMissingError(
            f"row 79, {terms.contract_id}: load {terms.retailer_id}'s wholesale mean of the month"
        )
    return mean


def _split_by_share(energy_wh: Mapping[str, int], share_ppm: int) -> tuple[dict[str, int], dict[str, int]]:
    """Return each period's energy outside and inside a share x of the month's energy; the inside sums to x Q (81)."""
    inside = largest_remainder_of_list(share_half_up(sum(energy_wh.values()), share_ppm), list(energy_wh.values()))
    linked = dict(zip(energy_wh, inside, strict=True))
    return {period: energy - linked[period] for period, energy in energy_wh.items()}, linked


def _lines_of_part(
    terms: RetailTerms, component: str, energy_wh: Mapping[str, int], part: _PartPrice, *, is_shaped: bool
) -> list[RuleLine]:
    """Return a line a period with energy; shaped: the price times the period's factor (row 89)."""
    factor = terms.tou.factor_ppm if is_shaped and isinstance(terms.tou, FlatPlusRatio) else {}
    return [
        priced_line(
            component,
            detail=period,
            payer=terms.user_id,
            payee=terms.retailer_id,
            quantity=energy,
            price_uyuan=period_price(part.uyuan_per_kwh, factor.get(period, PPM)),
            rule_version=PACKAGE_RULE,
            price_versions=part.versions,
        )
        for period, energy in energy_wh.items()
        if energy
    ]


def _lines_at_period_prices(terms: RetailTerms, style: PerPeriodPrice, energy_wh: Mapping[str, int]) -> list[RuleLine]:
    """Return a line a period with energy at the period's own price (row 89)."""
    found = []
    for period, energy in energy_wh.items():
        part = _PartPrice(style.price_uyuan_per_kwh[period], (terms.contract_id,))
        found += _lines_of_part(terms, "retail-energy", {period: energy}, part, is_shaped=False)
    return found


def _ceiling_relief(
    terms: RetailTerms, uplift_ppm: int, lines: list[RuleLine], prices: RetailPrices
) -> tuple[list[RuleLine], bool]:
    """Return the line that takes the month's energy down to Q x P_cap where it costs more (row 84)."""
    needed = (PublishedIndex.ANNUAL_CONTRACT_MEAN, PublishedIndex.MONTHLY_CONTRACT_MEAN)
    means = [prices.index.get(index) for index in needed]
    year, month = means
    if year is None or month is None or prices.ceiling_year_weight_ppm is None:
        what = "annual and monthly contract means and the province's weight of them"
        raise RetailPriceMissingError(f"row 84, {terms.contract_id}: load {what}")
    cap = ceiling_price(
        year.price_uyuan_per_kwh,
        month.price_uyuan_per_kwh,
        year_weight_ppm=prices.ceiling_year_weight_ppm,
        uplift_ppm=uplift_ppm,
    )
    energy = sum(line.quantity for line in lines)
    relief = min(0, energy * cap - total_nano_yuan(lines))
    is_provisional = year.is_provisional or month.is_provisional
    if not relief:
        return [], is_provisional
    line = amount_line(
        "retail-ceiling",
        detail=f"{cap} micro-yuan/kWh",
        payer=terms.user_id,
        payee=terms.retailer_id,
        amount_nano_yuan=relief,
        quantity=energy,
        rule_version=CEILING_RULE,
        price_versions=(terms.contract_id, year.version_id, month.version_id),
    )
    return [line], is_provisional


def _green_line(terms: RetailTerms, green_wh: int, price_uyuan_per_kwh: int) -> RuleLine:
    """Return Q_green x P_env, the environmental stream of a green package (row 91)."""
    return priced_line(
        "retail-environmental-value",
        payer=terms.user_id,
        payee=terms.retailer_id,
        quantity=green_wh,
        price_uyuan=price_uyuan_per_kwh,
        rule_version=GREEN_RULE,
        price_versions=(terms.contract_id,),
    )
