"""What the tests of tariffs share: the shipped library, and the reader of a row's golden case."""

from collections.abc import Callable
from typing import Any

import pytest

from hub.settlement.provinces import shipped_library
from hub.settlement.provinces.library import Library


@pytest.fixture(scope="session")
def library() -> Library:
    """The library of all shipped profiles."""
    return shipped_library()


@pytest.fixture(scope="session")
def row_case(golden_case: Callable[[str], dict[str, Any]]) -> Callable[[str], tuple[Any, Any]]:
    """Return a reader of what a row's case gives and expects."""

    def read(row_id: str) -> tuple[Any, Any]:
        case = golden_case(f"settlement/{row_id}")
        assert case["row"] == row_id
        return case["given"], case["expected"]

    return read
