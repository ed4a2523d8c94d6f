"""Retail packages under any numbers: every Wh is priced once, ceilings only lower, refunds stay below what was paid."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.settlement.exact_shares import PPM, ShareError, share_half_up, split_exactly
from hub.settlement.retail.contract_terms import (
    Ceiling,
    CoalLink,
    Fixed,
    FlatPlusRatio,
    Linked,
    LinkedPart,
    PassThrough,
    PublishedIndex,
    RetailTerms,
    Spread,
    indices_of,
    market_share_ppm,
)
from hub.settlement.retail.deviation_fees import (
    check_refunds,
    deviation_by_user,
    deviation_energy_wh,
    deviation_refunds,
    shared_deviation_cost,
)
from hub.settlement.retail.package_charges import (
    NamedPrice,
    RetailPriceMissingError,
    RetailPrices,
    package_charges,
)
from hub.settlement.retail.package_prices import ceiling_price, spread_price
from hub.settlement.retail.published_indices import (
    IndexNotPublishedError,
    IndexPrice,
    NoWholesaleDealError,
    index_price,
    wholesale_mean_uyuan_per_kwh,
)
from hub.settlement.retail.retail_rules import RetailRules, terms_faults
from hub.settlement.rule_lines import check_rule_lines

ENERGY = st.dictionaries(st.sampled_from(["PEAK", "FLAT", "VALLEY"]), st.integers(0, 9), max_size=3)
PRICE = st.integers(-7, 7)
SHARE = st.integers(0, PPM)
ALL_INDICES = {name: IndexPrice(3, name.value, is_provisional=False) for name in PublishedIndex}
PRICES = RetailPrices(ALL_INDICES, {"retailer": NamedPrice(-2, "mean")}, {"coal": NamedPrice(700, "coal-6")}, 800_000)
PACKAGES = st.one_of(
    st.builds(Fixed, PRICE),
    st.builds(Fixed, PRICE, st.builds(LinkedPart, SHARE, st.sampled_from(PublishedIndex), PRICE)),
    st.builds(Linked, st.sampled_from(PublishedIndex), PRICE),
    st.builds(PassThrough, PRICE),
    st.builds(Spread, PRICE, SHARE),
    st.builds(Spread, st.sampled_from(PublishedIndex), SHARE),
)
STYLE = st.one_of(
    st.none(),
    st.builds(FlatPlusRatio, st.just({"PEAK": 1_700_000, "FLAT": PPM, "VALLEY": 380_000}), st.booleans()),
)


def terms_of(package: object, **fields: object) -> RetailTerms:
    return RetailTerms("C", "user", "retailer", 10_000, "model", package, **fields)


@settings(deadline=None)
@given(PACKAGES, STYLE, ENERGY, st.one_of(st.none(), st.builds(Ceiling, st.integers(0, PPM))))
def test_every_wh_is_priced_once_and_a_ceiling_only_lowers(
    package: object, tou: object, energy: dict, ceiling: object
) -> None:
    free = package_charges(terms_of(package, tou=tou), energy_wh=energy, prices=PRICES)
    capped = package_charges(terms_of(package, tou=tou, ceiling=ceiling), energy_wh=energy, prices=PRICES)
    for charges in (free, capped):
        assert check_rule_lines(charges.lines) == []
        priced = [line for line in charges.lines if line.price_uyuan is not None]
        assert sum(line.quantity for line in priced) == sum(energy.values())
    assert capped.total_nano_yuan <= free.total_nano_yuan
    if ceiling is not None:
        cap = ceiling_price(3, 3, year_weight_ppm=800_000, uplift_ppm=ceiling.uplift_ppm)
        assert capped.total_nano_yuan == min(free.total_nano_yuan, cap * sum(energy.values()))


@settings(deadline=None)
@given(PACKAGES, ENERGY)
def test_a_contract_without_periods_does_not_see_them(package: object, energy: dict) -> None:
    together = package_charges(terms_of(package), energy_wh={"": sum(energy.values())}, prices=PRICES)
    apart = package_charges(terms_of(package), energy_wh=energy, prices=PRICES)
    assert apart.total_nano_yuan == together.total_nano_yuan


@settings(deadline=None)
@given(PACKAGES)
def test_a_missing_or_unpublished_index_is_seen(package: object) -> None:
    terms = terms_of(package)
    late = {name: replace(one, is_provisional=True) for name, one in ALL_INDICES.items()}
    charges = package_charges(terms, energy_wh={"": 5}, prices=replace(PRICES, index=late))
    assert charges.is_provisional == bool(indices_of(package))
    needs_mean = isinstance(package, PassThrough | Spread)
    bare = RetailPrices(wholesale_mean=PRICES.wholesale_mean)
    if indices_of(package):
        with pytest.raises(RetailPriceMissingError):
            package_charges(terms, energy_wh={"": 5}, prices=bare)
    if needs_mean:
        with pytest.raises(RetailPriceMissingError):
            package_charges(terms, energy_wh={"": 5}, prices=RetailPrices(ALL_INDICES))
    assert 0 <= market_share_ppm(package) <= PPM


def test_coal_and_ceiling_need_their_figures() -> None:
    coal = terms_of(Fixed(5), coal=CoalLink("other", 1, 0))
    capped = terms_of(Fixed(5), ceiling=Ceiling(0))
    for terms in (coal, capped):
        with pytest.raises(RetailPriceMissingError):
            package_charges(terms, energy_wh={"": 1}, prices=RetailPrices())
    faults = terms_faults(capped, RetailRules("x", deviation_off_below_v=1_000_000), periods=())
    assert [fault.value for fault in faults] == ["no-ceiling-rule"]


@settings(deadline=None)
@given(PRICE, PRICE, SHARE, SHARE)
def test_a_larger_share_of_a_gain_never_costs_more(reference: int, realised: int, one: int, other: int) -> None:
    low, high = sorted((one, other))
    less, more = (spread_price(reference, realised, user_share_ppm=share) for share in (low, high))
    assert (more <= less) if realised <= reference else (more >= less)
    assert spread_price(reference, realised, user_share_ppm=0) == reference
    assert spread_price(reference, realised, user_share_ppm=PPM) == realised


@settings(deadline=None)
@given(st.integers(0, 99), st.integers(0, 99), st.integers(0, 99), st.integers(0, PPM))
def test_deviation_grows_with_distance_and_shrinks_with_tolerance(
    contract: int, actual: int, further: int, tolerance: int
) -> None:
    found = deviation_energy_wh(contract, actual, tolerance_ppm=tolerance)
    assert 0 <= found <= abs(actual - contract)
    away = actual + further if actual >= contract else max(0, actual - further)
    assert deviation_energy_wh(contract, away, tolerance_ppm=tolerance) >= found
    assert deviation_energy_wh(contract, actual, tolerance_ppm=tolerance // 2) >= found
    assert deviation_energy_wh(contract, contract, tolerance_ppm=0) == 0
    assert deviation_energy_wh(contract, actual, tolerance_ppm=0) == abs(actual - contract)


@settings(deadline=None)
@given(st.integers(0, 10**6), SHARE, st.dictionaries(st.sampled_from("ABCD"), st.integers(-9, 9)))
def test_a_shared_cost_is_borne_exactly(cost: int, share: int, deviations: dict) -> None:
    found = shared_deviation_cost(cost, user_share_ppm=share, deviation_wh=deviations)
    assert sum(found.user_nano_yuan.values()) + found.retailer_nano_yuan == cost
    assert found.retailer_nano_yuan >= 0
    assert all(found.user_nano_yuan[user] >= 0 for user in deviations)
    assert all(found.user_nano_yuan[user] == 0 for user, deviation in deviations.items() if deviation == 0)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from("ABCD"), st.integers(0, 50)), st.integers(0, 100), st.integers(0, 2 * PPM))
def test_refunds_never_exceed_what_was_collected(collected: dict, wholesale: int, margin: int) -> None:
    refunds = deviation_refunds(collected, wholesale_nano_yuan=wholesale, margin_ppm=margin)
    assert check_refunds(collected, refunds, wholesale_nano_yuan=wholesale) == []
    total = sum(collected.values())
    due = max(Fraction(0), total - wholesale * Fraction(PPM + margin, PPM))
    assert abs(sum(refunds.values()) - due) <= Fraction(1, 2)
    wider = deviation_refunds(collected, wholesale_nano_yuan=wholesale, margin_ppm=margin + 1_000)
    assert sum(wider.values()) <= sum(refunds.values())


@settings(deadline=None)
@given(st.integers(-(10**30), 10**30), st.lists(st.integers(0, 10**18), min_size=1, max_size=6))
def test_a_split_sums_and_each_part_is_within_one_of_its_share(total: int, weights: list[int]) -> None:
    if total and not any(weights):
        with pytest.raises(ShareError):
            split_exactly(total, weights)
        return
    parts = split_exactly(total, weights)
    assert sum(parts) == total
    whole = sum(weights) or 1
    assert all(abs(part - Fraction(total * weight, whole)) < 1 for part, weight in zip(parts, weights, strict=True))


def test_shares_outside_one_and_negative_weights_are_refused() -> None:
    for share in (-1, PPM + 1):
        with pytest.raises(ShareError):
            share_half_up(1, share)
    with pytest.raises(ShareError):
        split_exactly(1, [2, -1])


def test_no_index_and_no_deal_are_refused() -> None:
    with pytest.raises(IndexNotPublishedError):
        index_price([], PublishedIndex.SPOT_MEAN, province="x", month=202606, on=None)
    with pytest.raises(NoWholesaleDealError):
        wholesale_mean_uyuan_per_kwh([(0, 5)])
    assert wholesale_mean_uyuan_per_kwh([(3, 400_000), (1, 500_001)]) == 425_000


def test_deviation_of_users_with_or_without_a_contract() -> None:
    assert deviation_by_user({"A": 5, "B": 2}, {"A": 3, "C": 4}) == {"A": -2, "B": -2, "C": 4}
