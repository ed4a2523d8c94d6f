"""Clearing and pairing give what the first implementation gave, unit by unit and pair by pair, to the byte.

The digests were made with that implementation (one merged curve a unit, one meeting of groups at a time), before the
sweeps by level replaced it.
"""

import hashlib
from collections.abc import Callable
from dataclasses import fields
from types import SimpleNamespace

import numpy as np

from hub.market.pairing import pair
from hub.market.trades import BalanceTree, ClearingResult, OrderBatch, Pairs
from hub.market.tree_clearing import clear

Market = Callable[..., tuple[BalanceTree, OrderBatch]]
RESULTS = "adc6bef33e0044ede580175aa39277441109e925fa0413267fb68b156db128a4"
PAIRS = "c67f2412156a84317c03ef6e4b375fcf35950a15c052d705020b7f1c6151f90b"


def add(digest: "hashlib._Hash", of: type, found: object) -> None:
    for column in fields(of):
        value = getattr(found, column.name)
        digest.update(value.tobytes() if isinstance(value, np.ndarray) else str(value).encode())


def test_results_are_the_same(make_market: Market) -> None:
    digest = hashlib.sha256()
    for seed in range(80):
        r = np.random.default_rng(seed)
        tree, orders = make_market(
            seed,
            n_units=int(r.integers(1, 60)),
            n_orders=int(r.integers(0, 300)),
            price=[(-20, 60), (-3, 3), (-200_000, 1_500_000)][seed % 3],
            province=bool(seed % 4),
            limited=[0.0, 0.5, 0.9][seed % 3],
        )
        result = clear(tree, orders, tick_uyuan_per_kwh=[1, 5][seed % 2], clean_first=bool(seed % 5))
        add(digest, ClearingResult, result)
    assert digest.hexdigest() == RESULTS


def test_pairs_are_the_same(make_county: Callable[..., SimpleNamespace]) -> None:
    digest = hashlib.sha256()
    for seed in range(8):
        county = make_county(
            seed, feeders=1 + seed, areas=5 + 9 * seed, meters=60 + 250 * seed, levels_up=seed % 2 == 1
        )
        result = clear(county.tree, county.orders, tick_uyuan_per_kwh=1_000)
        add(digest, ClearingResult, result)
        prices = {"fees": county.fees, "points": county.points, "upstream_loss_uyuan_per_kwh": county.upstream_loss}
        add(digest, Pairs, pair(county.tree, county.orders, result, **prices))
    assert digest.hexdigest() == PAIRS
