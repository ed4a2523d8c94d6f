"""The golden interval, from forecasts and orders to pairs, line by line (tests/golden/worked_interval/case.json)."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from hub.market.books import book_orders, province_orders, split_book_fills
from hub.market.checks import check_balance, check_edge_prices, check_fills, check_pairs, check_reproduced
from hub.market.network_fee import network_fees
from hub.market.order_batch import DirectOrders, assemble_orders
from hub.market.pairing import pair
from hub.market.registry_columns import MeteringPoints
from hub.market.security import NO_SETPOINT, limited_units, no_control, setpoints_wh
from hub.market.trades import NO_LIMIT_WH, BalanceTree, Party, TradeSide
from hub.market.tree_clearing import clear

CASE = json.loads((Path(__file__).parents[1] / "golden" / "worked_interval" / "case.json").read_text())
PARTY = {"DIRECT": Party.DIRECT, "PURCHASE": Party.PURCHASE, "COMMISSION": Party.COMMISSION, "AGENCY": Party.SUPPLY}


def market_of_the_case() -> SimpleNamespace:
    given = CASE["given"]
    units, parties = given["unit"], given["party"]
    position = {unit["unit"]: number for number, unit in enumerate(units)}
    parent = np.array([position.get(unit["parent"], -1) for unit in units], np.int64)
    fees = network_fees(
        unit_id=[unit["unit"] for unit in units],
        parent=parent,
        voltage_class=[unit["voltage_class"] for unit in units],
        tariff_uyuan_per_kwh=given["tariff_uyuan_per_kwh"],
        levels_up=np.full(len(units), given["levels_up"], np.int64),
    )

    def limits(name: str) -> np.ndarray:
        return np.array([NO_LIMIT_WH if unit[name] is None else unit[name] for unit in units], np.int64)

    tree = BalanceTree(
        tuple(position), parent, limits("export_limit_wh"), limits("import_limit_wh"), fees.edge_fee_uyuan_per_kwh
    )
    is_seller = np.array([row["role"] == "seller" for row in parties])
    energy = np.array([row["energy_wh"] for row in parties], np.int64)
    low_voltage = given["tariff_uyuan_per_kwh"]["<1kV"]
    points = MeteringPoints(
        meter_id=tuple(row["who"] for row in parties),
        unit=np.array([position[row["unit"]] for row in parties], np.int64),
        sale=np.array([PARTY[row["sale"]] if "sale" in row else -1 for row in parties], np.int8),
        supply=np.array([PARTY[row["supply"]] if "supply" in row else -1 for row in parties], np.int8),
        clean=is_seller,
        export_capacity_wh=np.where(is_seller, energy, 0),
        import_capacity_wh=np.where(is_seller, 0, energy),
        user_tariff_uyuan_per_kwh=np.full(len(parties), low_voltage, np.int64),
    )
    direct = [number for number, row in enumerate(parties) if row["price_uyuan_per_kwh"] is not None]
    orders = DirectOrders(
        order_id=tuple(f"G/{parties[number]['who']}" for number in direct),
        meter=np.array(direct, np.int64),
        side=np.where(is_seller[direct], TradeSide.SELL, TradeSide.BUY).astype(np.int8),
        energy_wh=energy[direct],
        price_uyuan_per_kwh=np.array([parties[number]["price_uyuan_per_kwh"] for number in direct], np.int64),
        submitted_utc_s=np.zeros(len(direct), np.int64),
    )
    loss = np.zeros(len(units), np.int64)
    loss[position[given["loss"]["unit"]]] = given["loss"]["forecast_wh"]
    books = book_orders(
        points,
        n_units=len(units),
        import_forecast_wh=np.where(is_seller, 0, energy),
        export_forecast_wh=np.where(is_seller, energy, 0),
        loss_forecast_wh=loss,
        price_floor_uyuan_per_kwh=given["price_floor_uyuan_per_kwh"],
        price_cap_uyuan_per_kwh=given["price_cap_uyuan_per_kwh"],
    )
    province = province_orders(
        tree,
        price_uyuan_per_kwh=given["indicative_uyuan_per_kwh"],
        gateway_fee_uyuan_per_kwh=fees.gateway_fee_uyuan_per_kwh,
        upstream_loss_uyuan_per_kwh=given["upstream_loss_uyuan_per_kwh"],
    )
    batch = assemble_orders(
        interval=given["interval"],
        tree=tree,
        fees=fees,
        points=points,
        direct=orders,
        books=books,
        province=province,
        gate_utc_s=0,
    )
    result = clear(tree, batch, tick_uyuan_per_kwh=given["price_tick_uyuan_per_kwh"])
    book_fills = split_book_fills(books, batch, result.filled_wh, n_meters=len(parties))
    pairs = pair(
        tree,
        batch,
        result,
        fees=fees,
        points=points,
        upstream_loss_uyuan_per_kwh=given["upstream_loss_uyuan_per_kwh"],
    )
    return SimpleNamespace(**{name: value for name, value in locals().items() if name not in {"limits", "given"}})


@pytest.fixture(scope="module")
def case() -> SimpleNamespace:
    return market_of_the_case()


def names_of_orders(case: SimpleNamespace) -> list[str]:
    """Who stands behind each order, in the page's words; each book of the case has one member."""
    names = []
    for name, party, unit in zip(case.batch.order_id, case.batch.party, case.batch.unit, strict=True):
        if party == Party.DIRECT:
            names.append(name.removeprefix("G/"))
        elif party == Party.PROVINCE:
            names.append("province " + name.rpartition("/")[2])
        elif party == Party.LOSS:
            names.append("LOSS")
        else:
            (row,) = [
                number
                for number in range(len(case.parties))
                if case.points.unit[number] == unit and party in {case.points.sale[number], case.points.supply[number]}
            ]
            names.append(case.points.meter_id[row])
    return names


def by_unit(case: SimpleNamespace, column: np.ndarray) -> dict[str, int]:
    return dict(zip(case.tree.unit_id, column.tolist(), strict=True))


def test_fees_and_the_provinces_orders(case: SimpleNamespace) -> None:
    expected = CASE["expected"]
    assert by_unit(case, case.fees.edge_fee_uyuan_per_kwh) == expected["edge_fee_uyuan_per_kwh"]
    assert case.province.import_price_uyuan_per_kwh == expected["import_order_uyuan_per_kwh"]
    assert case.province.export_price_uyuan_per_kwh == expected["export_order_uyuan_per_kwh"]


def test_cleared_prices_flows_and_fills(case: SimpleNamespace) -> None:
    expected = CASE["expected"]
    result = case.result
    assert by_unit(case, result.price_uyuan_per_kwh) == expected["price_uyuan_per_kwh"]
    assert by_unit(case, result.shadow_uyuan_per_kwh) == expected["shadow_uyuan_per_kwh"]
    assert by_unit(case, result.basis_uyuan_per_kwh) == expected["basis_uyuan_per_kwh"]
    assert by_unit(case, result.flow_up_wh) == expected["flow_up_wh"]
    assert dict(zip(names_of_orders(case), result.filled_wh.tolist(), strict=True)) == expected["filled_wh"]
    binding = [case.tree.unit_id[unit] for unit in np.flatnonzero(result.binding_export)]
    assert binding == expected["binding_export"]
    assert not result.binding_import.any()


def test_pairs_line_by_line(case: SimpleNamespace) -> None:
    names = names_of_orders(case)
    pairs = case.pairs

    def who(row: int) -> str:
        return "province" if names[row].startswith("province") else names[row]

    found: list[dict[str, Any]] = [
        {
            "apex": case.tree.unit_id[pairs.apex[row]],
            "seller": who(pairs.seller[row]),
            "buyer": who(pairs.buyer[row]),
            **{
                name: int(getattr(pairs, name)[row])
                for name in CASE["expected"]["pairs"][0]
                if name not in {"apex", "seller", "buyer"}
            },
        }
        for row in range(pairs.energy_wh.size)
    ]

    def key(row: dict[str, Any]) -> tuple[str, str, str]:
        return row["apex"], row["seller"], row["buyer"]

    assert sorted(found, key=key) == sorted(CASE["expected"]["pairs"], key=key)


def test_energy_money_of_each_transfer_and_the_rent(case: SimpleNamespace) -> None:
    names = names_of_orders(case)
    transfers = {row["what"]: row["nano_yuan"] for row in CASE["expected"]["transfers"]}
    pairs, rent = case.pairs, 0
    for row in range(pairs.energy_wh.size):
        what = f"{names[pairs.seller[row]]}->{names[pairs.buyer[row]]}"
        received = int(pairs.energy_wh[row] * pairs.price_received_uyuan_per_kwh[row])
        paid = int(pairs.energy_wh[row] * pairs.price_paid_uyuan_per_kwh[row])
        rent += paid - received
        stated = transfers.get(f"energy {what} apex {case.tree.unit_id[pairs.apex[row]]}")
        assert stated in {None, received}
    assert rent == transfers["rent S1->U2"]


def test_the_seller_behind_the_binding_edge_gets_its_fill_as_setpoint(case: SimpleNamespace) -> None:
    limited = limited_units(case.tree, case.result, no_control(case.tree))
    setpoint = setpoints_wh(limited, case.batch, case.points, case.result.filled_wh, case.book_fills)
    given = {
        name: limit for name, limit in zip(case.points.meter_id, setpoint.tolist(), strict=True) if limit != NO_SETPOINT
    }
    assert given == CASE["expected"]["setpoint_wh"]


def test_the_laws_hold(case: SimpleNamespace) -> None:
    assert check_fills(case.batch, case.result) == []
    assert check_balance(case.tree, case.batch, case.result) == []
    assert check_edge_prices(case.tree, case.batch, case.result) == []
    assert check_pairs(case.tree, case.batch, case.result, case.pairs) == []
    assert check_reproduced(case.tree, case.batch, case.result, tick_uyuan_per_kwh=1000, clean_first=True) == []
