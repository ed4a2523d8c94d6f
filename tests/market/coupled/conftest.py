"""Builders of coupled problems in few words, and the independent linear programs that referee them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hub.market.coupled.problem import (
    BlockOrders,
    CoupledProblem,
    IntervalMarket,
    MeshedLimits,
    Storages,
    no_blocks,
    no_limits,
    no_storages,
)
from hub.market.trades import BalanceTree, OrderBatch, TradeSide

PPM = 1_000_000
Problem = Callable[..., CoupledProblem]


def storages_of(rows: Sequence[dict[str, int]]) -> Storages:
    """One storage a row: unit, power (both ways), size, start, efficiency (both ways), terminal; all but power free."""

    def column(name: str, default: int, other: str | None = None) -> np.ndarray:
        return np.array([row.get(name, row.get(other or name, default)) for row in rows], np.int64)

    return Storages(
        storage_id=tuple(f"B{number}" for number in range(len(rows))),
        unit=column("unit", 0),
        meter=np.full(len(rows), -1, np.int64),
        charge_max_wh=column("charge", 0, "power"),
        discharge_max_wh=column("discharge", 0, "power"),
        energy_min_wh=column("least", 0),
        energy_max_wh=column("size", 10**6),
        energy_start_wh=column("start", 0),
        reserve_wh=column("reserve", 0),
        charge_efficiency_ppm=column("charge_efficiency", PPM, "efficiency"),
        discharge_efficiency_ppm=column("discharge_efficiency", PPM, "efficiency"),
        terminal_value_uyuan_per_kwh=column("terminal", 0),
    )


def blocks_of(rows: Sequence[dict[str, Any]]) -> BlockOrders:
    """One block a row: side, price, energy by interval; unit, ratio_min, parent are free."""
    return BlockOrders(
        block_id=tuple(f"K{number}" for number in range(len(rows))),
        unit=np.array([row.get("unit", 0) for row in rows], np.int64),
        meter=np.full(len(rows), -1, np.int64),
        side=np.array([row["side"] for row in rows], np.int8),
        price_uyuan_per_kwh=np.array([row["price"] for row in rows], np.int64),
        ratio_min_ppm=np.array([row.get("ratio_min", PPM) for row in rows], np.int64),
        parent=np.array([row.get("parent", -1) for row in rows], np.int64),
        clean=np.zeros(len(rows), np.bool_),
        submitted_utc_s=np.zeros(len(rows), np.int64),
        energy_wh=np.array([row["energy"] for row in rows], np.int64),
    )


def limits_of(rows: Sequence[dict[str, Any]], n_intervals: int) -> MeshedLimits:
    """One limit a row: factor {unit: numerator}, over (the denominator), low, high."""
    entries = [(number, unit, value) for number, row in enumerate(rows) for unit, value in row["factor"].items()]
    columns = [np.array(column, np.int64) for column in zip(*entries, strict=True)]
    return MeshedLimits(
        tuple(f"L{number}" for number in range(len(rows))),
        *columns,
        denominator=np.array([row.get("over", 1) for row in rows], np.int64),
        low_wh=np.array([[row["low"]] * n_intervals for row in rows], np.int64),
        high_wh=np.array([[row["high"]] * n_intervals for row in rows], np.int64),
    )


def problem_of(
    trees: BalanceTree | Sequence[BalanceTree],
    batches: Sequence[OrderBatch],
    *,
    storages: Sequence[dict[str, int]] = (),
    blocks: Sequence[dict[str, Any]] = (),
    limits: Sequence[dict[str, Any]] = (),
) -> CoupledProblem:
    n = len(batches)
    each = [trees] * n if isinstance(trees, BalanceTree) else trees
    markets = tuple(
        IntervalMarket(tree, replace(orders, interval=1000 + number))
        for number, (tree, orders) in enumerate(zip(each, batches, strict=True))
    )
    return CoupledProblem(
        markets,
        storages_of(storages) if storages else no_storages(),
        blocks_of(blocks) if blocks else no_blocks(n),
        limits_of(limits, n) if limits else no_limits(n),
    )


def welfare_of(tree: BalanceTree, orders: OrderBatch, filled: np.ndarray, flow: np.ndarray) -> int:
    value = np.where(orders.side == TradeSide.SELL, -1, 1) * orders.price_uyuan_per_kwh
    down = np.maximum(-flow, 0)[1:]
    return sum(int(v) * int(e) for v, e in zip(value, filled, strict=True)) - sum(
        int(e) * int(f) for e, f in zip(down, tree.fee_uyuan_per_kwh[1:], strict=True)
    )


@pytest.fixture(scope="session")
def make_problem() -> Problem:
    return problem_of


@pytest.fixture(scope="session")
def interval_welfare() -> Callable[..., int]:
    return welfare_of


def random_problem(make_market: Callable[..., tuple], seed: int, kinds: str) -> CoupledProblem:
    """A random horizon of up to four intervals on one tree, with storage (s, with a reserve: r), blocks (b) and
    meshed limits (m)."""
    r = np.random.default_rng(seed)
    n, n_units = int(r.integers(1, 5)), int(r.integers(2, 6))
    size = {"n_units": n_units, "n_orders": 8, "price": (-100, 600), "energy_max": 5000}
    tree, _ = make_market(seed, fee_max=50, **size)
    batches = [make_market(100 * seed + number, **size)[1] for number in range(n)]
    more: dict[str, Any] = {}
    if "s" in kinds:
        more["storages"] = [
            {
                "unit": int(r.integers(0, n_units)),
                "power": int(r.integers(500, 4000)),
                "size": int(r.integers(1000, 8000)),
                "start": int(r.integers(20, 980)),
                "reserve": 10 if "r" in kinds else 0,
                "efficiency": int(r.choice([PPM, 900_000, 950_000])),
                "terminal": int(r.integers(0, 300)),
            }
            for _ in range(int(r.integers(1, 3)))
        ]
    if "b" in kinds:
        more["blocks"] = [
            {
                "unit": int(r.integers(0, n_units)),
                "side": TradeSide(int(r.integers(0, 2))),
                "price": int(r.integers(0, 500)),
                "energy": np.maximum(r.integers(-1000, 4000, n), 1).tolist(),
                "ratio_min": int(r.choice([PPM, PPM, 400_000])),
                "parent": int(r.integers(-1, number)) if number and r.random() < 0.3 else -1,
            }
            for number in range(int(r.integers(1, 6)))
        ]
    if "m" in kinds:
        more["limits"] = [
            {
                "factor": {unit: int(r.integers(-10, 11)) for unit in range(1, n_units)},
                "over": 10,
                "low": -int(r.integers(0, 6000)),
                "high": int(r.integers(0, 6000)),
            }
            for _ in range(int(r.integers(1, 3)))
        ]
    return problem_of(tree, batches, **more)


@pytest.fixture(scope="session")
def make_random_problem(make_market: Callable[..., tuple]) -> Callable[[int, str], CoupledProblem]:
    return lambda seed, kinds: random_problem(make_market, seed, kinds)
