"""Exact charges, sums, rounding and allocation against Fraction, and texts against Decimal."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.settlement.money import (
    INT64_MAX,
    MoneyTextError,
    allocate_by_largest_remainder,
    charge_nano_yuan,
    divide_half_up,
    exact_sum,
    nano_yuan_from_text,
    round_half_up_fen,
    round_half_up_fen_column,
    sum_by_group,
    sum_columns,
    yuan_text_from_fen,
    yuan_text_from_nano_yuan,
)
from hub.settlement.units import energy_wh_from_text, price_uyuan_per_kwh_from_text


def column(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def test_a_charge_is_exact_and_signed() -> None:
    assert charge_nano_yuan(column(1_500, -2_000), column(384_471, -80_000)).tolist() == [576_706_500, 160_000_000]


def test_a_charge_that_could_overflow_is_refused_before_it_does() -> None:
    assert charge_nano_yuan(column(2**31), column(2**31)).tolist() == [2**62]
    with pytest.raises(OverflowError, match="nano-yuan"):
        charge_nano_yuan(column(2**32, 0), column(0, -(2**31)))


def test_sums_are_refused_or_exact_beyond_int64() -> None:
    near = column(INT64_MAX, INT64_MAX, -5)
    assert exact_sum(near) == 2 * INT64_MAX - 5
    with pytest.raises(OverflowError):
        sum_by_group(near, column(0, 0, 0), 1)
    with pytest.raises(OverflowError):
        sum_columns(column(INT64_MAX), column(1))
    # magnitude times rows would exceed int64, the sum of magnitudes does not
    assert sum_by_group(column(2**62, 1, 1), column(0, 1, 1), 2).tolist() == [2**62, 2]


@pytest.mark.parametrize(
    ("nano_yuan", "fen"),
    [(4_999_999, 0), (5_000_000, 1), (-4_999_999, 0), (-5_000_000, -1), (14_999_999, 1), (15_000_000, 2), (0, 0)],
)
def test_half_a_fen_goes_away_from_zero(nano_yuan: int, fen: int) -> None:
    assert round_half_up_fen(nano_yuan) == fen
    assert round_half_up_fen_column(column(nano_yuan)).tolist() == [fen]


@given(st.integers(-(10**15), 10**15), st.integers(1, 10**9))
def test_divide_half_up_is_the_nearest_integer(numerator: int, denominator: int) -> None:
    found = divide_half_up(numerator, denominator)
    off = abs(Fraction(numerator, denominator) - found)
    assert off <= Fraction(1, 2)
    assert off != Fraction(1, 2) or abs(found) > abs(Fraction(numerator, denominator))


GROUPS = st.lists(st.tuples(st.integers(0, 9), st.lists(st.integers(0, 4), max_size=4)), min_size=1, max_size=4)


@given(GROUPS)
def test_an_allocation_sums_exactly_and_lies_within_one_of_the_share(groups: list[tuple[int, list[int]]]) -> None:
    groups = [(total if sum(weights) else 0, weights) for total, weights in groups]
    rows = [(number, weight) for number, (_, weights) in enumerate(groups) for weight in weights]
    found = allocate_by_largest_remainder(
        column(*(total for total, _ in groups)), column(*(w for _, w in rows)), column(*(g for g, _ in rows))
    ).tolist()
    for number, (total, weights) in enumerate(groups):
        shares = [found[row] for row, (group, _) in enumerate(rows) if group == number]
        assert sum(shares) == total
        exact = [Fraction(total * weight, sum(weights) or 1) for weight in weights]
        assert all(abs(share - part) < 1 for share, part in zip(shares, exact, strict=True))
        # whoever was rounded up has no smaller remainder than whoever was not; of equal ones the earlier
        up = [(-(p - p.__floor__()), i) for i, (s, p) in enumerate(zip(shares, exact, strict=True)) if s > p]
        down = [(-(p - p.__floor__()), i) for i, (s, p) in enumerate(zip(shares, exact, strict=True)) if s < p]
        assert not up or not down or max(up) < min(down)


def test_an_allocation_without_weights_is_refused() -> None:
    with pytest.raises(ValueError, match="no weight"):
        allocate_by_largest_remainder(column(3), column(0, 0), column(0, 0))


@pytest.mark.parametrize(
    ("text", "nano_yuan"), [("0.7", 700_000_000), ("-119677.08", -119_677_080_000_000), ("1.000000001", 1_000_000_001)]
)
def test_money_texts(text: str, nano_yuan: int) -> None:
    assert nano_yuan_from_text(text) == nano_yuan
    assert nano_yuan_from_text(yuan_text_from_nano_yuan(nano_yuan)) == nano_yuan


@pytest.mark.parametrize("text", ["", "1e3", "NaN", "1,000", "０.1", "1_0", "0.0000000001", " 1", "Infinity", "+1"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(MoneyTextError):
        nano_yuan_from_text(text)


def test_printing_cuts_nothing() -> None:
    assert yuan_text_from_nano_yuan(-700_000_000) == "-0.700000000"
    assert yuan_text_from_nano_yuan(12_340_000_000, decimals=2) == "12.34"
    assert yuan_text_from_fen(11_967_708) == "119677.08"
    assert yuan_text_from_fen(-5) == "-0.05"
    with pytest.raises(MoneyTextError):
        yuan_text_from_nano_yuan(12_345_000_000, decimals=2)


@pytest.mark.parametrize(
    ("text", "unit", "energy_wh"),
    [
        ("10", "万 kWh", 100_000_000),  # row 187: 10万 kWh = 100 MWh
        ("100", "MWh", 100_000_000),
        ("5.7", "万亿 kWh", 5_700 * 10**12),  # 5,700 TWh
        ("1", "亿 kWh", 100 * 10**9),  # 100 GWh
        ("1", "度", 1_000),
        ("0.001", "kWh", 1),
    ],
)
def test_energy_units_of_row_187(text: str, unit: str, energy_wh: int) -> None:
    assert energy_wh_from_text(text, unit) == energy_wh


@pytest.mark.parametrize(
    ("text", "unit", "price"),
    [("0.01", "yuan/kWh", 10_000), ("10", "yuan/MWh", 10_000), ("1.7", "分/kWh", 17_000), ("3", "厘/kWh", 3_000)],
)
def test_price_units_of_row_188(text: str, unit: str, price: int) -> None:
    assert price_uyuan_per_kwh_from_text(text, unit) == price


@pytest.mark.parametrize(("text", "unit"), [("0.0000001", "yuan/kWh"), ("1", "yuan/Wh")])
def test_prices_off_the_unit_are_refused(text: str, unit: str) -> None:
    with pytest.raises(MoneyTextError):
        price_uyuan_per_kwh_from_text(text, unit)


def test_a_fraction_of_a_wh_is_refused() -> None:
    with pytest.raises(MoneyTextError):
        energy_wh_from_text("0.0001", "kWh")
