"""What the register yields for clearing: modes of a day as market columns, views of the arms, prices along paths."""

from collections.abc import Callable
from datetime import date
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.contract.registry import (
    BalanceUnit,
    Gateway,
    MeteringPoint,
    MeterKind,
    Participant,
    Registry,
    SaleMode,
    SellerClass,
    SupplyMode,
    UnitKind,
    UserCategory,
)
from hub.market.elections.arm_views import visible_orders
from hub.market.elections.mode_allocation import allocate_to_modes, check_allocation
from hub.market.elections.operating_day import RegisterGapError, modes_of_day
from hub.market.network_fee import network_fees
from hub.market.pairing import pair
from hub.market.registry.access import READABLE, Resource, Role, may_read, role_of
from hub.market.registry.events import Event
from hub.market.registry.fold import fold
from hub.market.registry.participant_classes import UTILITY_CLASSES, ParticipantClass
from hub.market.registry.register import Register
from hub.market.registry_columns import balance_tree, metering_points, parents_of, units_in_tree_order
from hub.market.trades import Party
from hub.market.tree_clearing import clear

Decoder = Callable[[list[dict[str, Any]]], list[Event]]
County = Callable[..., SimpleNamespace]
TARIFF = {"<1kV": 200_000, "10(20)kV": 180_000, "35kV": 160_000, "110kV": 140_000, "220kV": 120_000}


def device(meter: str, kind: MeterKind, supply: SupplyMode, sale: SaleMode) -> MeteringPoint:
    return MeteringPoint(
        meter_id=meter,
        gateway_id="G",
        unit_id="A-T1",
        bus="b",
        kind=kind,
        channels=(),
        voltage_class="<1kV",
        participant_id="anyone",
        supply_mode=supply,
        sale_mode=sale,
        category=UserCategory.COMMERCIAL_INDUSTRIAL,
        clean=True,
        export_capacity_w=4000,
        import_capacity_w=4000,
    )


def devices() -> Registry:
    points = (
        device("m-roof", MeterKind.PROSUMER, SupplyMode.AGENCY, SaleMode.PURCHASE),
        device("m-shop", MeterKind.LOAD, SupplyMode.DIRECT, SaleMode.NONE),
        device("sum", MeterKind.AREA_SUMMARY, SupplyMode.NONE, SaleMode.NONE),
    )
    return Registry(
        county="A",
        units=(
            BalanceUnit("A", None, UnitKind.COUNTY, "110kV", None, None, ()),
            BalanceUnit("A-T1", "A", UnitKind.AREA, "<1kV", None, None, ()),
        ),
        gateways=(Gateway("G", "s", "A-T1", tuple(point.meter_id for point in points)),),
        metering_points=points,
        participants=(Participant("anyone", SellerClass.PROSUMER),),
    )


@pytest.fixture(scope="module")
def register(world: Register, golden_row: Callable[[str], dict[str, Any]], events_of: Decoder) -> Register:
    rows = list(golden_row("ACT-10")["events"])
    identity = {"kind": "NATURAL_PERSON", "name": "roof", "legal_id": "L-roof"}
    common = {"recorded_on": "2026-02-02", "participant_id": "roof"}
    place = {"unit_id": "A-T1", "transformer_area": "T1", "voltage_v": 380, "effective_from": "2026-02-02"}
    rows += [
        common | {"event": "ParticipantApplied", "event_id": "r1", "participant_class": "PROSUMER",
                  "identity": identity, "settlement_account": "acc-roof", "certificate_account": "gc",
                  "utility_id": None, "effective_from": "2026-02-02"},
        common | {"event": "ParticipantAdmitted", "event_id": "r2", "effective_from": "2026-02-02"},
        common | place | {"event": "UserPointRegistered", "event_id": "r3", "meter_id": "m-roof",
                          "contracted_capacity_va": 8000, "category": "RESIDENTIAL", "tariff": "SINGLE_PART",
                          "annual_consumption_wh": 3_000_000},
        common | place | {"event": "ProjectApplied", "event_id": "r4", "project_id": "roof", "meter_ids": ["m-roof"],
                          "element": "A-T1", "installed_capacity_w": 5000, "own_load_max_w": 1000,
                          "is_consumed_within_level": True, "technology": "SOLAR", "is_self_use": True,
                          "commercial_operation_on": None},
        {"event": "SaleElected", "event_id": "r5", "recorded_on": "2026-02-02", "election_id": "r5",
         "meter_id": "m-roof", "mode": "DIRECT", "surplus_mode": "PURCHASE", "period": {"from_day": "2026-04-15"}},
    ]  # fmt: skip
    folded = fold(events_of(rows), after=world)
    assert {type(one).__name__ for one in folded.outcomes} == {"Recorded"}
    return folded.register


@pytest.mark.parametrize(
    ("text", "sale", "supply"),
    [
        ("2026-03-31", [Party.PURCHASE, -1, -1], [Party.SUPPLY, Party.SUPPLY, -1]),
        ("2026-04-01", [Party.PURCHASE, -1, -1], [Party.SUPPLY, Party.DIRECT, -1]),
        ("2026-04-15", [Party.DIRECT, -1, -1], [Party.SUPPLY, Party.DIRECT, -1]),
    ],
)
def test_the_market_columns_of_a_day_follow_the_elections(
    text: str, sale: list[int], supply: list[int], register: Register
) -> None:
    day = modes_of_day(devices(), register, date.fromisoformat(text))
    units = units_in_tree_order(day.registry)
    fees = network_fees(
        unit_id=[unit.unit_id for unit in units],
        parent=parents_of(units),
        voltage_class=[unit.voltage_class for unit in units],
        tariff_uyuan_per_kwh=TARIFF,
    )
    points = metering_points(day.registry, balance_tree(units, fees), fees)
    assert points.sale.tolist() == sale
    assert points.supply.tolist() == supply
    assert day.registry.metering_points[0].supply_mode is SupplyMode.GUARANTEED
    assert "P-supply-resident-1" in day.rule_versions


def test_a_meter_that_the_register_does_not_know_is_named(register: Register) -> None:
    stranger = device("m-new", MeterKind.LOAD, SupplyMode.DIRECT, SaleMode.NONE)
    more = msgspec.structs.replace(devices(), metering_points=(*devices().metering_points, stranger))
    with pytest.raises(RegisterGapError, match="m-new"):
        modes_of_day(more, register, date(2026, 4, 1))
    with pytest.raises(RegisterGapError, match="m-roof"):
        modes_of_day(devices(), register, date(2026, 2, 1))


# --- separate views ---------------------------------------------------------------------------------------------------


def test_every_role_and_class_stands_in_the_table() -> None:
    assert set(READABLE) == set(Role)
    assert {role_of(one) for one in ParticipantClass} == set(Role) - {Role.COMMITTEE, Role.REGULATOR}
    arms = [role_of(one) for one in UTILITY_CLASSES]
    assert len(set(arms)) == len(arms) == 4
    secret = {Resource.OTHERS_OPEN_QUOTAS, Resource.IDENTIFIED_ORDERS}
    readers = {role for role in Role if any(may_read(role, resource) for resource in secret)}
    assert readers == {Role.OPERATOR, Role.REGULATOR}
    assert not may_read(Role.D_NET, Resource.OWN_ORDERS)
    assert not may_read(Role.D_SUP, Resource.AGENCY_PURCHASES)


def test_an_arm_sees_its_own_orders_only(make_county: County) -> None:
    county = make_county(seed=3, meters=200, areas=5, feeders=2)
    orders = county.orders
    own = np.array([5, 17], np.int64)
    assert set(orders.meter[visible_orders(orders, Role.D_GEN, own)].tolist()) <= {5, 17}
    assert not visible_orders(orders, Role.D_NET, own).any()
    assert visible_orders(orders, Role.OPERATOR, own[:0]).all()
    books = visible_orders(orders, Role.D_SUP, own[:0])
    assert set(orders.party[books].tolist()) <= {Party.PURCHASE, Party.COMMISSION, Party.SUPPLY, Party.LOSS}
    assert books.sum() == ((orders.party != Party.DIRECT) & (orders.party != Party.PROVINCE)).sum()


# --- each kWh in one mode, each price along its path ------------------------------------------------------------------


@given(st.lists(st.tuples(*[st.integers(0, 9)] * 3, st.integers(0, 1)), min_size=1, max_size=6))
def test_no_energy_is_settled_twice_and_direct_comes_first(rows: list[tuple[int, int, int, int]]) -> None:
    metered, direct, commission, purchases = (np.array(one, np.int64) for one in zip(*rows, strict=True))
    modes = allocate_to_modes(
        metered, direct_contract_wh=direct, commission_contract_wh=commission, purchases=purchases
    )
    assert check_allocation(metered, modes, where="x") == []
    later = modes.commission_wh + modes.purchase_wh + modes.deviation_wh
    assert ((later == 0) | (modes.direct_wh == direct)).all()
    rest = modes.purchase_wh + modes.deviation_wh
    assert ((rest == 0) | (modes.commission_wh == commission)).all()
    assert not (modes.deviation_wh[purchases == 1]).any()


def edges_up(parent: np.ndarray, unit: int, apex: int) -> list[int]:
    edges = []
    while unit != apex:
        edges.append(unit)
        unit = int(parent[unit])
    return edges


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    tight=st.sampled_from([0.0, 0.3, 0.9]),
    levels_up=st.booleans(),
    tie_wh=st.sampled_from([None, 0, 3000]),
)
def test_price_paid_less_price_received_is_the_sum_along_the_path(
    make_county: County, seed: int, tight: float, levels_up: bool, tie_wh: int | None
) -> None:
    """Edge by edge: what a buyer pays in all less what the seller receives is fees down the path, shadow prices of all
    its edges, and access fee; the energy prices alone differ by the shadow prices."""
    county = make_county(
        seed=seed, feeders=3, areas=8, meters=60, tight=tight, levels_up=levels_up, tie_wh=tie_wh, direct_share=0.6
    )
    orders, tree, fees = county.orders, county.tree, county.fees
    result = clear(tree, orders, tick_uyuan_per_kwh=1000)
    pairs = pair(
        tree, orders, result, fees=fees, points=county.points, upstream_loss_uyuan_per_kwh=county.upstream_loss
    )
    shadow, fee, price = result.shadow_uyuan_per_kwh, tree.fee_uyuan_per_kwh, result.price_uyuan_per_kwh
    for row, (seller, buyer, apex) in enumerate(zip(pairs.seller, pairs.buyer, pairs.apex, strict=True)):
        from_province, to_province = orders.party[[seller, buyer]] == Party.PROVINCE
        up = edges_up(tree.parent, int(orders.unit[seller]), int(apex))
        down = edges_up(tree.parent, int(orders.unit[buyer]), int(apex))
        tie = (int(from_province) - int(to_province)) * int(shadow[0])
        shadows = sum(int(shadow[edge]) for edge in down) - sum(int(shadow[edge]) for edge in up) + tie
        paid, received = int(pairs.price_paid_uyuan_per_kwh[row]), int(pairs.price_received_uyuan_per_kwh[row])
        assert paid - received == shadows
        if orders.party[buyer] == Party.DIRECT and orders.party[seller] == Party.DIRECT:
            charge = int(pairs.network_charge_uyuan_per_kwh[row])
            tariff = int(county.points.user_tariff_uyuan_per_kwh[orders.meter[buyer]])
            access = tariff - int(fees.unit_tariff_uyuan_per_kwh[orders.unit[buyer]])
            path_fees = sum(int(fee[edge]) for edge in down)
            assert paid + charge == int(price[orders.unit[buyer]]) + access
            assert paid + charge - received == shadows + path_fees + access
