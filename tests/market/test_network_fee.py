"""Network fee: both readings, the published table, parts that sum to T(V_user) - g(apex), refusals."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.market.network_fee import (
    VOLTAGE_CLASSES,
    LevelCostReading,
    NetworkFeeError,
    NetworkFees,
    access_fee_uyuan_per_kwh,
    level_above,
    network_fees,
    trade_fee_uyuan_per_kwh,
)

# Hubei, January 2026, two-part volumetric prices (outside rules, section 1); the low-voltage price is illustrative.
HUBEI = {"<1kV": 150_000, "10(20)kV": 126_300, "35kV": 106_500, "110kV": 88_400, "220kV": 69_400}
CHAIN = ("110kV", "35kV", "10(20)kV")


def chain(reading: LevelCostReading, k: int, classes: tuple[str, ...] = CHAIN) -> NetworkFees:
    return network_fees(
        unit_id=[f"U{i}" for i in range(len(classes))],
        parent=np.arange(-1, len(classes) - 1),
        voltage_class=classes,
        tariff_uyuan_per_kwh=HUBEI,
        levels_up=np.full(len(classes), k, np.int64),
        reading=reading,
    )


@pytest.mark.parametrize(
    ("apex", "reading", "k", "expected"),
    [
        (2, LevelCostReading.LITERAL, 0, 0),
        (2, LevelCostReading.LITERAL, 1, 19_800),
        (2, LevelCostReading.LEVEL_ABOVE, 0, 19_800),
        (1, LevelCostReading.LITERAL, 0, 19_800),
        (1, LevelCostReading.LITERAL, 1, 37_900),
        (0, LevelCostReading.LITERAL, 0, 37_900),
        (0, LevelCostReading.LITERAL, 1, 56_900),
        (0, LevelCostReading.LEVEL_ABOVE, 0, 56_900),
    ],
)
def test_the_published_table_for_a_10_kv_user(apex: int, reading: LevelCostReading, k: int, expected: int) -> None:
    fee = trade_fee_uyuan_per_kwh(chain(reading, k), np.array([apex]), np.array([HUBEI["10(20)kV"]]))
    assert fee.tolist() == [expected]


@pytest.mark.parametrize(("apex", "expected"), [(1, 37_900), (0, 56_900)])
def test_the_other_reading_with_k_1(apex: int, expected: int) -> None:
    fees = chain(LevelCostReading.LEVEL_ABOVE, 1, ("35kV", "10(20)kV"))
    assert trade_fee_uyuan_per_kwh(fees, np.array([apex]), np.array([126_300])).tolist() == [expected]


def test_row_28_and_the_level_beyond_the_highest() -> None:
    literal = chain(LevelCostReading.LITERAL, 0)
    assert trade_fee_uyuan_per_kwh(literal, np.array([0]), np.array([126_300])).tolist() == [37_900]
    with pytest.raises(NetworkFeeError, match=r"U0.*beyond 220kV"):
        chain(LevelCostReading.LEVEL_ABOVE, 1)
    assert level_above("35kV", 1) == "110kV"
    with pytest.raises(NetworkFeeError, match="no tariff class"):
        level_above("6kV", 0)


def test_a_negative_edge_fee_is_refused_with_the_unit_named() -> None:
    with pytest.raises(NetworkFeeError, match="unit U1: the fee of the edge from U0 would be -1"):
        network_fees(
            unit_id=["U0", "U1"],
            parent=np.array([-1, 0]),
            voltage_class=["110kV", "10(20)kV"],
            tariff_uyuan_per_kwh={**HUBEI, "10(20)kV": HUBEI["110kV"] - 1},
        )
    with pytest.raises(NetworkFeeError, match="unit U1: the tariff column has no price for 35kV"):
        network_fees(
            unit_id=["U0", "U1"],
            parent=np.array([-1, 0]),
            voltage_class=["110kV", "35kV"],
            tariff_uyuan_per_kwh={"110kV": 1},
        )


def test_a_user_above_its_units_level_is_refused() -> None:
    with pytest.raises(NetworkFeeError, match="unit number 2"):
        access_fee_uyuan_per_kwh(chain(LevelCostReading.LITERAL, 0), np.array([1, 2]), np.array([126_300, 88_400]))


@given(
    st.lists(st.integers(0, 5), min_size=5, max_size=5),
    st.lists(st.integers(0, 2), min_size=1, max_size=3),
    st.sampled_from(LevelCostReading),
    st.integers(0, 3),
)
def test_access_fee_and_edge_fees_sum_to_the_trade_fee(
    steps: list[int], levels_up: list[int], reading: LevelCostReading, user_level: int
) -> None:
    tariff = dict(zip(VOLTAGE_CLASSES, np.cumsum(steps[::-1])[::-1].tolist(), strict=True))
    classes = CHAIN[: len(levels_up)]
    try:
        fees = network_fees(
            unit_id=[str(i) for i in range(len(classes))],
            parent=np.arange(-1, len(classes) - 1),
            voltage_class=classes,
            tariff_uyuan_per_kwh=tariff,
            levels_up=np.array(levels_up, np.int64),
            reading=reading,
        )
    except NetworkFeeError:
        g = [
            tariff_at(tariff, v, k + (reading is LevelCostReading.LEVEL_ABOVE))
            for v, k in zip(classes, levels_up, strict=True)
        ]
        assert None in g or any(child < above for above, child in pairwise(x for x in g if x is not None))
        return
    unit = len(classes) - 1
    user_tariff = tariff[VOLTAGE_CLASSES[min(user_level, VOLTAGE_CLASSES.index(classes[unit]))]]
    access = access_fee_uyuan_per_kwh(fees, np.array([unit]), np.array([user_tariff]))
    for apex in range(unit + 1):
        path = int(fees.edge_fee_uyuan_per_kwh[apex + 1 : unit + 1].sum())
        total = trade_fee_uyuan_per_kwh(fees, np.array([apex]), np.array([user_tariff]))
        assert access + path == total
    assert int(access[0]) + int(fees.edge_fee_uyuan_per_kwh.sum()) + fees.gateway_fee_uyuan_per_kwh == user_tariff


def tariff_at(tariff: dict[str, int], voltage: str, steps: int) -> int | None:
    position = VOLTAGE_CLASSES.index(voltage) + steps
    return tariff[VOLTAGE_CLASSES[position]] if position < len(VOLTAGE_CLASSES) else None
