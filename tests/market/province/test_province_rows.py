"""The acceptance examples of the provincial rows, verbatim in numbers, each a golden case; and where rules refuse."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from hub.market.province.price_shape import (
    PriceShape,
    PriceShapeError,
    change_ppm,
    mixed_price_nano_yuan,
    shaped_prices,
)
from hub.market.province.spot_rules import (
    SpotRuleError,
    base_energy_nano_yuan,
    collar_nano_yuan,
    congestion_nano_yuan,
    non_market_nano_yuan,
    unified_price_uyuan_per_kwh,
)

GOLDEN = Path(__file__).parents[2] / "golden" / "market"
SHANDONG = {
    "province": "Shandong",
    "period": {"from_day": "2023-01-01"},
    "document": "row 55",
    "lowest_to_mean_ppm": 500_000,
    "highest_to_lowest_ppm": 2_700_000,
    "lowest_hours": [12, 13],
    "highest_hours": [17, 18],
}


def case(row_id: str) -> tuple[dict[str, Any], dict[str, Any]]:
    document = json.loads((GOLDEN / row_id / "case.json").read_text(encoding="utf8"))
    return document["given"], document["expected"]


def wh(values: list[int]) -> np.ndarray:
    return np.array(values, np.int64)


def test_row_53_unified_settlement_point() -> None:
    given, expected = case("SPOT-04")
    found = unified_price_uyuan_per_kwh(wh(given["energy_wh"]), wh(given["price_uyuan_per_kwh"]))
    assert found == expected["unified_uyuan_per_kwh"]
    with pytest.raises(SpotRuleError):
        unified_price_uyuan_per_kwh(wh([0]), wh([1]))


def test_row_54_congestion_account() -> None:
    given, expected = case("SPOT-05")
    for received, congestion in zip(given["received_uyuan_per_kwh"], expected["congestion_nano_yuan"], strict=True):
        found = congestion_nano_yuan(
            bought_wh=wh(given["bought_wh"]),
            paid_uyuan=wh(given["paid_uyuan_per_kwh"]),
            sold_wh=wh(given["sold_wh"]),
            received_uyuan=wh(received),
            upper=0,
        )
        assert found == congestion


def test_row_55_the_shape_of_shandong_and_of_guangdong() -> None:
    shandong = shaped_prices(msgspec.convert(SHANDONG, PriceShape), 400_000)
    assert (shandong.lowest_uyuan_per_kwh, shandong.highest_uyuan_per_kwh) == (200_000, 540_000)
    assert shandong.by_hour_uyuan_per_kwh[12:14] == (200_000, 200_000)
    assert shandong.by_hour_uyuan_per_kwh[17:19] == (540_000, 540_000)
    guangdong = msgspec.convert(SHANDONG | {"province": "Guangdong", "lowest_hours": [4, 5]}, PriceShape)
    prices = shaped_prices(guangdong, 443_101).by_hour_uyuan_per_kwh
    assert sum(prices) == 24 * 443_101
    assert [hour for hour, price in enumerate(prices) if price == min(prices)] == [4, 5]
    for wrong in ({"highest_hours": [13]}, {"lowest_hours": [24]}, {"highest_to_lowest_ppm": 100_000}):
        with pytest.raises(PriceShapeError):
            shaped_prices(msgspec.convert(SHANDONG | wrong, PriceShape), 400_000)


def test_row_56_price_anchors() -> None:
    given, expected = case("SPOT-07")
    mean = given["mean_uyuan_per_kwh"]
    change = change_ppm(mean["spot-2023"], mean["spot-2022"])
    assert change == expected["change_ppm"]
    percent = (Decimal(change) / 10_000).quantize(Decimal("0.01"))
    assert percent == Decimal(expected["change_percent"])
    low, high = (Decimal(text) for text in expected["range_percent"])
    assert low <= percent <= high
    assert mean["annual-contract-2023"] - mean["spot-2023"] == expected["spread_uyuan_per_kwh"]
    paid = mixed_price_nano_yuan(
        given["energy_wh"],
        fixed_share_ppm=given["fixed_share_ppm"],
        fixed_uyuan_per_kwh=mean["annual-contract-2023"],
        linked_uyuan_per_kwh=mean["spot-2023"],
    )
    assert paid == expected["pays_nano_yuan"]


def test_row_61_non_market_plants_at_spot() -> None:
    given, expected = case("SPOT-12")
    prices = {"approved_uyuan": given["approved_uyuan_per_kwh"], "spot_uyuan": given["spot_uyuan_per_kwh"]}
    found = non_market_nano_yuan(given["energy_wh"], spot_share_ppm=given["spot_share_ppm"], **prices)
    assert found == expected["approved_nano_yuan"] + expected["spot_nano_yuan"] == expected["total_nano_yuan"]
    with pytest.raises(SpotRuleError):
        non_market_nano_yuan(1, spot_share_ppm=1_000_001, **prices)


def test_row_62_base_energy_and_spot_deviation() -> None:
    given, expected = case("SPOT-13")
    found = base_energy_nano_yuan(
        given["energy_wh"],
        base_share_ppm=given["base_share_ppm"],
        node_uyuan=given["node_uyuan_per_kwh"],
        approved_uyuan=given["approved_uyuan_per_kwh"],
        reference_uyuan=given["reference_uyuan_per_kwh"],
    )
    assert found == expected["node_nano_yuan"] + expected["base_nano_yuan"] == expected["total_nano_yuan"]


def test_row_64_risk_compensation() -> None:
    given, expected = case("SPOT-15")

    def collar(mean: int) -> int:
        contract = given["contract_uyuan_per_kwh"]
        return collar_nano_yuan(
            given["energy_wh"], band_ppm=given["band_ppm"], contract_uyuan=contract, mean_uyuan=mean
        )

    assert collar(given["mean_uyuan_per_kwh"]) == expected["compensation_nano_yuan"]
    assert collar(330_000) == -expected["compensation_nano_yuan"]
    assert [collar(mean) for mean in (360_000, 400_000, 440_000)] == [0, 0, 0]
    with pytest.raises(SpotRuleError):
        collar_nano_yuan(1, band_ppm=-1, contract_uyuan=1, mean_uyuan=1)
