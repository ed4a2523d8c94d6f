"""120 random trees proved: the welfare of HiGHS, every law, supporting prices. All 500 of them are in tests/soak."""

from collections.abc import Callable
from types import ModuleType

import pytest

from hub.market.trades import BalanceTree, OrderBatch

Market = Callable[..., tuple[BalanceTree, OrderBatch]]


@pytest.mark.parametrize("block", range(10))
def test_random_trees_are_proved(tree_proof: ModuleType, make_market: Market, block: int) -> None:
    for seed in range(block * 12, block * 12 + 12):
        tree_proof.prove(make_market, seed)


def test_deep_chains_and_single_units_are_proved(tree_proof: ModuleType, make_market: Market) -> None:
    for seed in range(9_000, 9_024):
        tree_proof.prove(make_market, seed, n_units=(1, 4))
