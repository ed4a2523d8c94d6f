"""Builders of settlement inputs: from a case file in the form of tests/golden/worked_interval, and from columns."""

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hub.market.trades import BalanceTree, ClearingResult, OrderBatch, Pairs, Party, TradeSide
from hub.settlement.accounts import account_table
from hub.settlement.inputs import (
    NO_LISTING,
    GatewayEnergy,
    ListingContracts,
    MeteredEnergy,
    MeteringStanding,
    ProvincePrices,
    Sale,
    Session,
    SessionKind,
    SettlementInputs,
    Supply,
)
from hub.settlement.prices import Price, SettlementParameters

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
NO_LIMIT_WH = 2**62
BOOK_OF_SALE = {"PURCHASE": Party.PURCHASE, "COMMISSION": Party.COMMISSION}


def column(values: Any, dtype: Any = np.int64) -> Any:
    return np.array(list(values), dtype)


def parameters_of(given: dict[str, Any]) -> SettlementParameters:
    classes = tuple(given["tariff_uyuan_per_kwh"])

    def price(name: str) -> Price:
        return Price(given[name], f"case-{name}")

    return SettlementParameters(
        province="case",
        day=date(2016, 5, 17),
        voltage_class=classes,
        gateway_class=classes.index(given["unit"][0]["voltage_class"]),
        network_tariff=tuple(Price(v, f"case-T-{c}") for c, v in given["tariff_uyuan_per_kwh"].items()),
        upstream_loss=price("upstream_loss_uyuan_per_kwh"),
        loss_fee=price("loss_fee_uyuan_per_kwh"),
        agency_energy=price("agency_energy_uyuan_per_kwh"),
        guaranteed_price=Price(given.get("guaranteed_uyuan_per_kwh", 558_000), "case-guaranteed"),
        on_grid_price=price("on_grid_uyuan_per_kwh"),
        comprehensive_price=price("comprehensive_uyuan_per_kwh"),
        comprehensive_class=classes.index(given["comprehensive_voltage_class"]),
    )


def session_of(given: dict[str, Any], expected: dict[str, Any], kind: SessionKind, price: int) -> Session:
    """The orders, fills and pairs of one session as the case lists them."""
    units = [unit["unit"] for unit in given["unit"]]
    who = [party["who"] for party in given["party"]]
    orders: dict[tuple[int, int, int, int], int] = {}

    def order(name: str, side: TradeSide) -> int:
        if name == "province":
            key = (0, Party.PROVINCE, side, -1)
        elif name == "LOSS":
            key = (units.index(given["loss"]["unit"]), Party.LOSS, side, -1)
        else:
            meter = who.index(name)
            party = given["party"][meter]
            direct = party.get("sale" if side == TradeSide.SELL else "supply") == "DIRECT"
            book = BOOK_OF_SALE[party["sale"]] if side == TradeSide.SELL and not direct else Party.SUPPLY
            key = (units.index(party["unit"]), Party.DIRECT if direct else book, side, meter if direct else -1)
        return orders.setdefault(key, len(orders))

    rows = expected["pairs"]
    seller = column(order(row["seller"], TradeSide.SELL) for row in rows)
    buyer = column(order(row["buyer"], TradeSide.BUY) for row in rows)
    energy = column(row["energy_wh"] for row in rows)
    filled = np.zeros(len(orders), np.int64)
    np.add.at(filled, seller, energy)
    np.add.at(filled, buyer, energy)
    keys = list(orders)
    n_units = len(units)
    return Session(
        kind=kind,
        orders=OrderBatch(
            interval=given["interval"],
            order_id=tuple(f"{kind.name}/{number}" for number in range(len(keys))),
            unit=column(key[0] for key in keys),
            meter=column(key[3] for key in keys),
            side=column((key[2] for key in keys), np.int8),
            party=column((key[1] for key in keys), np.int8),
            energy_wh=filled.copy(),
            price_uyuan_per_kwh=np.zeros(len(keys), np.int64),
            clean=np.zeros(len(keys), np.bool_),
            submitted_utc_s=np.zeros(len(keys), np.int64),
        ),
        clearing=ClearingResult(
            filled_wh=filled,
            price_uyuan_per_kwh=column(expected["price_uyuan_per_kwh"][unit] for unit in units),
            flow_up_wh=np.zeros(n_units, np.int64),
            shadow_uyuan_per_kwh=np.zeros(n_units, np.int64),
            basis_uyuan_per_kwh=column(expected["basis_uyuan_per_kwh"][unit] for unit in units),
            binding_export=np.zeros(n_units, np.bool_),
            binding_import=np.zeros(n_units, np.bool_),
            price_rule="case",
        ),
        pairs=Pairs(
            seller=seller,
            buyer=buyer,
            energy_wh=energy,
            apex=column(units.index(row["apex"]) for row in rows),
            mode=column((row["mode"] for row in rows), np.int8),
            price_paid_uyuan_per_kwh=column(row["price_paid_uyuan_per_kwh"] for row in rows),
            price_received_uyuan_per_kwh=column(row["price_received_uyuan_per_kwh"] for row in rows),
            network_charge_uyuan_per_kwh=column(row["network_charge_uyuan_per_kwh"] for row in rows),
            upstream_loss_uyuan_per_kwh=column(row["upstream_loss_uyuan_per_kwh"] for row in rows),
        ),
        curtailed_wh=column(row.get("curtailed_wh", 0) for row in rows),
        province_price_uyuan_per_kwh=price,
    )


def inputs_of(case: dict[str, Any]) -> SettlementInputs:
    """The settlement inputs of a case: one metering point a party, exports for sellers and imports for users."""
    given, expected = case["given"], case["expected"]
    parties, units = given["party"], [unit["unit"] for unit in given["unit"]]
    who = [party["who"] for party in parties]
    parameters = parameters_of(given)
    level = [parameters.voltage_class.index(unit["voltage_class"]) + given["levels_up"] for unit in given["unit"]]
    unit_class = {unit["unit"]: parameters.voltage_class.index(unit["voltage_class"]) for unit in given["unit"]}
    sessions = []
    if "day_ahead" in expected:
        sessions.append(
            session_of(given, expected["day_ahead"], SessionKind.DAY_AHEAD, given["day_ahead_uyuan_per_kwh"])
        )
    sessions.append(session_of(given, expected, SessionKind.ROLLING, given["indicative_uyuan_per_kwh"]))
    listing = given.get("listing", [])
    loss = np.zeros(len(units), np.int64)
    loss[units.index(given["loss"]["unit"])] = given["loss"]["by_registers_wh"]
    return SettlementInputs(
        interval=given["interval"],
        tree=BalanceTree(
            unit_id=tuple(units),
            parent=column(-1 if unit["parent"] is None else units.index(unit["parent"]) for unit in given["unit"]),
            export_limit_wh=column(unit["export_limit_wh"] or NO_LIMIT_WH for unit in given["unit"]),
            import_limit_wh=column(unit["import_limit_wh"] or NO_LIMIT_WH for unit in given["unit"]),
            fee_uyuan_per_kwh=np.zeros(len(units), np.int64),
        ),
        unit_tariff_uyuan_per_kwh=parameters.network_tariff_uyuan_per_kwh[level],
        accounts=account_table(who),
        standing=MeteringStanding(
            meter_id=tuple(f"meter of {name}" for name in who),
            unit=column(units.index(party["unit"]) for party in parties),
            supply=column((Supply[party.get("supply", "NONE")] for party in parties), np.int8),
            sale=column((Sale[party.get("sale", "NONE")] for party in parties), np.int8),
            voltage_class=column(unit_class[party["unit"]] for party in parties),
            account=np.arange(len(who)),
            is_market=np.ones(len(who), np.bool_),
        ),
        metered=MeteredEnergy(
            import_wh=column(party["metered_wh"] if "supply" in party else 0 for party in parties),
            export_wh=column(party["metered_wh"] if "sale" in party else 0 for party in parties),
            substituted=np.zeros(len(who), np.bool_),
        ),
        gateway=GatewayEnergy(**given["gateway"]),
        sessions=tuple(sessions),
        deviation_basis_uyuan_per_kwh=sessions[-1].clearing.basis_uyuan_per_kwh,
        setpoint_wh=column(expected["setpoint_wh"].get(name, -1) for name in who),
        loss_wh=loss,
        prices=ProvincePrices(
            real_time_uyuan_per_kwh=given["real_time_uyuan_per_kwh"],
            day_ahead_uyuan_per_kwh=given.get("day_ahead_uyuan_per_kwh", 0),
            reference_uyuan_per_kwh=given.get("reference_uyuan_per_kwh", 0),
        ),
        parameters=parameters,
        listing=ListingContracts(
            contract_id=tuple(row["contract"] for row in listing),
            seller_meter=column(who.index(row["seller"]) for row in listing),
            buyer_meter=column(who.index(row["buyer"]) for row in listing),
            energy_wh=column(row["energy_wh"] for row in listing),
            price_uyuan_per_kwh=column(row["price_uyuan_per_kwh"] for row in listing),
        )
        if listing
        else NO_LISTING,
    )


@pytest.fixture(scope="session")
def golden_case() -> Callable[[str], dict[str, Any]]:
    """Return a reader of the named golden case."""

    def read(name: str) -> dict[str, Any]:
        case: dict[str, Any] = json.loads((GOLDEN / name / "case.json").read_text(encoding="utf8"))
        return case

    return read


@pytest.fixture(scope="session")
def case_inputs() -> Callable[[dict[str, Any]], SettlementInputs]:
    """Return the builder of settlement inputs from a case."""
    return inputs_of
