"""Readers of the registry's golden cases, and the province and counties that they start from."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hub.market.registry.events import Event, decode_events
from hub.market.registry.fold import fold
from hub.market.registry.register import Register

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "market"


@pytest.fixture(scope="session")
def world() -> Register:
    """Province P with its rules, counties A and B, utility DSO-1 serving A, a published capacity list."""
    folded = fold(decode_events((GOLDEN / "registry_world" / "events.jsonl").read_bytes()))
    assert all(type(outcome).__name__ == "Recorded" for outcome in folded.outcomes)
    return folded.register


@pytest.fixture(scope="session")
def golden_row() -> Callable[[str], dict[str, Any]]:
    """Return a reader of the golden case of a requirements row."""

    def read(row_id: str) -> dict[str, Any]:
        case: dict[str, Any] = json.loads((GOLDEN / row_id / "case.json").read_text(encoding="utf8"))
        return case

    return read


@pytest.fixture(scope="session")
def events_of() -> Callable[[list[dict[str, Any]]], list[Event]]:
    """Return a decoder of a case's events."""
    return lambda rows: [msgspec.convert(row, Event) for row in rows]
