"""Energy as integers: nothing is rounded, nothing is guessed."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.contract.energy import EnergyTextError, kwh_text_from_wh, register_difference_wh, wh_from_kwh_text


@given(st.integers(0, 10**18 - 1))
def test_text_and_wh_are_the_same_thing(energy_wh):
    assert wh_from_kwh_text(kwh_text_from_wh(energy_wh)) == energy_wh
    assert Decimal(kwh_text_from_wh(-energy_wh)) == Decimal(-energy_wh) / 1000


@pytest.mark.parametrize(("text", "energy_wh"), [("123.456", 123456), ("0", 0), ("7.5", 7500), ("007.05", 7050)])
def test_texts(text, energy_wh):
    assert wh_from_kwh_text(text) == energy_wh


@pytest.mark.parametrize(
    "text", ["", "-1", "+1", "1e3", "1.2345", "1.", ".5", "1,5", " 1", "1\n", "١", "nan", "1" * 16, "1_000"]
)
def test_what_is_no_energy_is_refused(text):
    with pytest.raises(EnergyTextError):
        wh_from_kwh_text(text)


@given(st.integers(0, 50), st.integers(0, 50))
def test_a_register_that_runs_backwards_gives_no_energy(start_wh, end_wh):
    difference = register_difference_wh(start_wh, end_wh)
    if end_wh < start_wh:
        assert difference is None
    else:
        assert start_wh + difference == end_wh
