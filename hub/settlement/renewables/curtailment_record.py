"""Curtailed energy by cause: only what the grid caused is a breach of the duty to purchase (requirements row 185)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum


class CurtailmentCause(Enum):
    """Why a plant generated less than it could: the grid, the plant itself, or its bid's price."""

    GRID = "GRID"
    OWN = "OWN"
    BID_PRICE = "BID_PRICE"


@dataclass(frozen=True)
class Curtailment:
    """One record: energy that a plant did not generate in an interval, Wh, with its cause and evidence."""

    plant_id: str
    interval: int
    energy_wh: int
    cause: CurtailmentCause
    document: str


@dataclass(frozen=True)
class CurtailmentReport:
    """Energy by plant and cause; every record counts once. breach_wh: by plant, what the grid caused."""

    energy_wh: Mapping[tuple[str, CurtailmentCause], int]
    breach_wh: Mapping[str, int]


class RepeatedCurtailmentError(ValueError):
    """An interval of a plant stands twice with one cause, so its energy would count twice."""


def curtailment_report(records: Iterable[Curtailment]) -> CurtailmentReport:
    """Return curtailed energy by plant and cause, and the breach (row 185).

    :raises RepeatedCurtailmentError: if a plant's interval stands twice with one cause
    """
    seen: set[tuple[str, int, CurtailmentCause]] = set()
    energy: dict[tuple[str, CurtailmentCause], int] = {}
    for one in sorted(records, key=lambda row: (row.plant_id, row.interval, row.cause.value)):
        key = (one.plant_id, one.interval, one.cause)
        if key in seen:
            raise RepeatedCurtailmentError(f"row 185: {one.plant_id}, interval {one.interval} stands twice")
        seen.add(key)
        energy[one.plant_id, one.cause] = energy.get((one.plant_id, one.cause), 0) + one.energy_wh
    breach = {plant: amount for (plant, cause), amount in energy.items() if cause is CurtailmentCause.GRID}
    return CurtailmentReport(energy, breach)
