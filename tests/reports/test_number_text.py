from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from hub.reports.number_text import count_text, decimal_text, mean_rounded
from hub.reports.wording import exact_yuan, share


def test_numbers_have_separators_and_a_true_minus_sign() -> None:
    assert count_text(-1_234_567) == "−1,234,567"
    assert decimal_text(-1_234_567_890, scale=1_000_000, digits=3) == "−1,234.568"
    assert decimal_text(999_999_500, scale=1_000_000, digits=0) == "1,000"
    assert decimal_text(7, scale=10**9, digits=9) == "0.000000007"


def test_what_rounds_to_zero_has_no_sign() -> None:
    assert decimal_text(-499, scale=1_000_000, digits=3) == "0.000"
    assert decimal_text(-500, scale=1_000_000, digits=3) == "−0.001"


@given(st.integers(-(10**12), 10**12), st.integers(0, 9), st.integers(0, 9))
def test_rounding_is_half_up_in_magnitude(value: int, power: int, digits: int) -> None:
    expected = (Decimal(value) / 10**power).quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_UP)
    shown = decimal_text(value, scale=10**power, digits=digits)
    assert Decimal(shown.replace(",", "").replace("−", "-")) == expected


@given(st.integers(-(10**9), 10**9))
def test_an_exact_amount_keeps_every_nano_yuan(nano_yuan: int) -> None:
    cell = exact_yuan(nano_yuan)
    text = (cell["text"] + cell["fine"]).replace(",", "").replace("−", "-")
    assert Decimal(text) * 10**9 == nano_yuan
    assert cell["text"][-3] == "."


@given(st.integers(-1_000, 1_000), st.integers(1, 50))
def test_a_mean_is_the_nearest_integer(total: int, weight: int) -> None:
    mean = mean_rounded(total, weight)
    assert mean is not None
    assert -Fraction(1, 2) < mean - Fraction(total, weight) <= Fraction(1, 2)


def test_nothing_has_no_mean_and_no_share() -> None:
    assert mean_rounded(5, 0) is None
    assert share(5, 0) == "—"
    assert share(1, 3) == "33.3"
