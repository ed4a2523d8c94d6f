"""500 random trees, up to 300 edges: the welfare of HiGHS to 1e-9, every law, supporting prices."""

from types import ModuleType

import pytest

pytestmark = pytest.mark.soak


@pytest.mark.parametrize("block", range(10))
def test_random_trees_are_proved(market_modules: dict[str, ModuleType], block: int) -> None:
    make_market = market_modules["conftest"].random_market
    for seed in range(block * 50, block * 50 + 50):
        market_modules["tree_proof"].prove(make_market, seed)
