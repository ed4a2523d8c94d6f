"""What a role sees of the register: the example county, read as each of its parties and as those who watch over it."""

from datetime import date
from pathlib import Path

import pytest

from hub.market.registry.access import Role
from hub.market.registry.events import decode_events
from hub.market.registry.fold import fold
from hub.market.registry.register import Register
from hub.market.registry.register_document import register_tables
from hub.market.registry.register_view import register_view

EXAMPLE = Path(__file__).resolve().parents[3] / "docs" / "examples" / "registry-county.jsonl"
DAY = date(2026, 3, 16)


@pytest.fixture(scope="module")
def register() -> Register:
    return fold(decode_events(EXAMPLE.read_bytes())).register


@pytest.mark.parametrize(
    ("role", "own", "sees"),
    [
        (Role.SELLER, "developer-1", (["meter-1"], ["plant-1"], ["plant-3", "plant-4"], ["contract-1"])),
        (Role.SELLER, "household-1", (["meter-2"], ["roof-2"], [], [])),
        (Role.USER, "workshop-1", (["meter-3"], [], [], [])),
        (Role.USER, "factory-1", (["meter-4"], [], [], ["contract-1"])),
        (Role.RETAILER, "retailer-1", ([], [], [], [])),
        (Role.SELLER, None, ([], [], [], [])),
        (Role.COMMITTEE, "developer-1", ([], [], ["plant-3", "plant-4"], [])),
        (Role.D_NET, None, ([], [], ["plant-3", "plant-4"], [])),
    ],
)
def test_who_may_not_read_the_register_sees_its_own(
    role: Role, own: str | None, sees: tuple[list[str], ...], register: Register
) -> None:
    """Of meters, plants, waiting list and contracts, in this order."""
    meters, projects, waiting, contracts = sees
    shown = register_view(register, DAY, role, own)
    assert [row.meter_id for row in shown.meters] == meters
    assert [row.project_id for row in shown.projects] == projects
    assert [row.project_id for row in shown.waiting] == waiting
    assert list(shown.contracts) == contracts
    is_party = own is not None and role is not Role.COMMITTEE
    assert [row.participant_id for row in shown.participants] == ([own] if is_party else [])
    whole = register_tables(register, DAY)
    assert (shown.rules, shown.units, shown.territory) == (whole.rules, whole.units, whole.territory)
    assert shown.elements == whole.elements


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.REGULATOR])
def test_operator_and_regulator_see_all(role: Role, register: Register) -> None:
    assert register_view(register, DAY, role, None) == register_tables(register, DAY)
