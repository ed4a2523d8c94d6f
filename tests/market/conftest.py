"""Builders of trees, orders and random markets that the market's tests share."""

import importlib.util
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from hub.market.books import book_orders, province_orders
from hub.market.network_fee import network_fees
from hub.market.order_batch import DirectOrders, assemble_orders
from hub.market.registry_columns import MeteringPoints
from hub.market.trades import NO_LIMIT_WH, BalanceTree, OrderBatch, Party, TradeSide

TARIFF = {"<1kV": 200_000, "10(20)kV": 180_000, "35kV": 160_000, "110kV": 140_000, "220kV": 120_000}
Row = tuple[int, TradeSide, Party, int, int]
"""Unit, side, party, energy Wh, price micro-yuan/kWh; a sixth field may be the submission time, a seventh clean."""


def tree_of(
    parent: Sequence[int],
    *,
    fee: Sequence[int] | None = None,
    export_limit: Sequence[int | None] | None = None,
    import_limit: Sequence[int | None] | None = None,
) -> BalanceTree:
    n = len(parent)

    def limits(given: Sequence[int | None] | None) -> np.ndarray:
        return np.array([NO_LIMIT_WH if x is None else x for x in (given or [None] * n)], np.int64)

    return BalanceTree(
        unit_id=tuple(f"U{i:03d}" for i in range(n)),
        parent=np.array(parent, np.int64),
        export_limit_wh=limits(export_limit),
        import_limit_wh=limits(import_limit),
        fee_uyuan_per_kwh=np.array(fee or [0] * n, np.int64),
    )


def batch_of(rows: Sequence[tuple], *, interval: int = 1000, meters: Sequence[int] | None = None) -> OrderBatch:
    column = list(zip(*rows, strict=True)) if rows else [[]] * 5
    submitted = column[5] if rows and len(rows[0]) > 5 else [0] * len(rows)
    clean = column[6] if rows and len(rows[0]) > 6 else [False] * len(rows)
    return OrderBatch(
        interval=interval,
        order_id=tuple(f"O{i:05d}" for i in range(len(rows))),
        unit=np.array(column[0], np.int64),
        meter=np.array(meters if meters is not None else [-1] * len(rows), np.int64),
        side=np.array(column[1], np.int8),
        party=np.array(column[2], np.int8),
        energy_wh=np.array(column[3], np.int64),
        price_uyuan_per_kwh=np.array(column[4], np.int64),
        clean=np.array(clean, np.bool_),
        submitted_utc_s=np.array(submitted, np.int64),
    )


def random_market(
    seed: int,
    *,
    n_units: int,
    n_orders: int,
    price: tuple[int, int] = (-20, 60),
    energy_max: int = 50,
    fee_max: int = 8,
    province: bool = True,
    limited: float = 0.6,
) -> tuple[BalanceTree, OrderBatch]:
    """A random tree with fees, limits in both directions (0 among them), and orders with many ties."""
    r = np.random.default_rng(seed)
    parent = [-1, *(int(r.integers(max(0, i - 8), i)) for i in range(1, n_units))]
    scale = max(1, energy_max * n_orders // max(1, n_units))

    def limits() -> list[int | None]:
        return [None if r.random() > limited else int(r.integers(0, scale + 1)) for _ in range(n_units)]

    fee = [0, *(int(x) for x in r.integers(0, fee_max + 1, n_units - 1))]
    if r.random() < 0.3:
        fee = [0] * n_units
    tree = tree_of(parent, fee=fee, export_limit=limits(), import_limit=limits())
    sellers, buyers = (Party.DIRECT, Party.PURCHASE, Party.COMMISSION), (Party.DIRECT, Party.SUPPLY, Party.LOSS)
    rows: list[tuple] = []
    for _ in range(n_orders):
        side = TradeSide(int(r.integers(0, 2)))
        party = (sellers if side == TradeSide.SELL else buyers)[int(r.choice(3, p=[0.6, 0.2, 0.2]))]
        limit = int(r.integers(price[0], price[1] + 1))
        if party != Party.DIRECT:
            limit = price[0] - 5 if side == TradeSide.SELL else price[1] + 5
        unit, energy = int(r.integers(0, n_units)), int(r.integers(1, energy_max + 1))
        rows.append((unit, side, party, energy, limit, int(r.integers(0, 3)), bool(r.random() < 0.5)))
    if province:
        r_price = int(r.integers(price[0], price[1] + 1))
        tie = [int(x) for x in r.integers(0, scale * n_units + 1, 2)]
        rows.append((0, TradeSide.SELL, Party.PROVINCE, tie[0], r_price + int(r.integers(0, 10)), 5, False))
        rows.append((0, TradeSide.BUY, Party.PROVINCE, tie[1], r_price, 5, False))
    return tree, batch_of(rows)


def county(
    seed: int,
    *,
    feeders: int = 9,
    areas: int = 99,
    meters: int = 4000,
    direct_share: float = 0.75,
    tight: float = 0.3,
    levels_up: bool = False,
    upstream_loss: int = 13_643,
    tie_wh: int | None = None,
) -> SimpleNamespace:
    """A county like the demo's: points, fees, tree, forecasts, direct orders, books, province and the whole batch."""
    r = np.random.default_rng(seed)
    parent = [-1, 0, *[1] * feeders, *(int(x) for x in r.integers(2, 2 + feeders, areas))]
    n = len(parent)
    classes = ["110kV", "10(20)kV", *["10(20)kV"] * feeders, *["<1kV"] * areas]
    k = r.integers(0, 2, n) if levels_up else np.zeros(n, np.int64)
    k[:2] = int(levels_up)
    k[2 : 2 + feeders] = np.minimum(k[2 : 2 + feeders], k[1])
    fees = network_fees(
        unit_id=[f"U{i:03d}" for i in range(n)],
        parent=np.array(parent, np.int64),
        voltage_class=classes,
        tariff_uyuan_per_kwh=TARIFF,
        levels_up=k.astype(np.int64),
    )
    area_wh = meters * 300 // areas
    export = [None if r.random() > tight else int(r.integers(0, area_wh)) for _ in range(n)]
    limits = [None if r.random() > tight else int(r.integers(0, 2 * area_wh)) for _ in range(n)]
    export[0] = limits[0] = tie_wh
    tree = tree_of(parent, fee=fees.edge_fee_uyuan_per_kwh.tolist(), export_limit=export, import_limit=limits)
    unit = r.integers(1, n, meters)
    direct = r.random(meters) < direct_share
    sale = np.where(direct, Party.DIRECT, np.where(r.random(meters) < 0.5, Party.PURCHASE, Party.COMMISSION))
    sale = np.where(r.random(meters) < 0.4, -1, sale)
    points = MeteringPoints(
        meter_id=tuple(f"M{i:06d}" for i in range(meters)),
        unit=unit,
        sale=sale.astype(np.int8),
        supply=np.where(direct, Party.DIRECT, Party.SUPPLY).astype(np.int8),
        clean=r.random(meters) < 0.7,
        export_capacity_wh=np.full(meters, 5000, np.int64),
        import_capacity_wh=np.full(meters, 5000, np.int64),
        user_tariff_uyuan_per_kwh=np.array([TARIFF[classes[u]] for u in unit], np.int64),
    )
    net = r.integers(-2000, 2500, meters)
    net = np.where((sale < 0) & (net > 0), -net, net)
    placing = np.flatnonzero(direct & (net != 0))
    price = r.integers(100, 700, placing.size) * 1000
    price = np.where(net[placing] < 0, price + 250_000, price)
    orders = DirectOrders(
        order_id=tuple(f"G{unit[m]:04d}/1000/{points.meter_id[m]}/1" for m in placing),
        meter=placing,
        side=np.where(net[placing] > 0, TradeSide.SELL, TradeSide.BUY).astype(np.int8),
        energy_wh=np.abs(net[placing]),
        price_uyuan_per_kwh=price,
        submitted_utc_s=r.integers(0, 5, placing.size),
    )
    loss = np.where(np.arange(n) > 0, r.integers(0, 400, n), 0)
    forecast = {"import_forecast_wh": np.maximum(-net, 0), "export_forecast_wh": np.maximum(net, 0)}
    books = book_orders(
        points,
        n_units=n,
        loss_forecast_wh=loss,
        price_floor_uyuan_per_kwh=0,
        price_cap_uyuan_per_kwh=1_500_000,
        **forecast,
    )
    province = province_orders(
        tree,
        price_uyuan_per_kwh=int(r.integers(-50, 500)) * 1000,
        gateway_fee_uyuan_per_kwh=fees.gateway_fee_uyuan_per_kwh,
        upstream_loss_uyuan_per_kwh=upstream_loss,
    )
    batch = assemble_orders(
        interval=1000,
        tree=tree,
        fees=fees,
        points=points,
        direct=orders,
        books=books,
        province=province,
        gate_utc_s=9,
    )
    return SimpleNamespace(
        tree=tree,
        fees=fees,
        points=points,
        direct=orders,
        books=books,
        province=province,
        orders=batch,
        forecast=forecast,
        upstream_loss=upstream_loss,
    )


@pytest.fixture(scope="session")
def make_county() -> Callable[..., SimpleNamespace]:
    return county


@pytest.fixture(scope="session")
def make_tree() -> Callable[..., BalanceTree]:
    return tree_of


@pytest.fixture(scope="session")
def make_batch() -> Callable[..., OrderBatch]:
    return batch_of


@pytest.fixture(scope="session")
def make_market() -> Callable[..., tuple[BalanceTree, OrderBatch]]:
    return random_market


@pytest.fixture(scope="session")
def tree_proof() -> ModuleType:
    path = Path(__file__).with_name("tree_proof.py")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module
