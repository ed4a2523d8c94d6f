"""The documents of `microbalance grid hosting` from what the models found: pure functions."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from grid_models.elements import Int64Array
from grid_models.grid_documents import (
    BreachRow,
    HostingDocument,
    HostingRow,
    KindTotal,
    PlacementBinding,
    PlacementDocument,
    PlacementDraw,
    PlacementQuantile,
    RegionDocument,
    RegionPoint,
    SearchedHours,
    ShortCircuitRow,
)
from grid_models.grid_reports import number_or_none, time_of
from grid_models.hosting import BindingKind, ExistingBreach, HostingCapacity, HostingLevels
from grid_models.hosting_placement import PERCENTILES, Placement, PlacementParameters
from grid_models.hosting_region import HostingRegion
from grid_models.hosting_year import PlantOptions, YearCapacity
from grid_models.power_flow import PowerFlow
from grid_models.short_circuit_stations import StationCheck
from grid_models.standard_checks import check_word


@dataclass(frozen=True, eq=False)
class HostingQuestion:
    """What was asked. scales: of loads and of generation. rows: of the profiles, ascending; None: the nominal state.

    registered_mw, storage_mw: sums of the plants and of the charging that were added.
    """

    scales: tuple[float, float]
    plant: PlantOptions
    rows: Int64Array | None
    registered_mw: float
    storage_mw: float

    def at(self, row: int) -> str | None:
        """Return the time of a row of the profiles, None for the nominal state and where nothing binds."""
        return None if self.rows is None or row < 0 else time_of(row)

    def hour(self, hour: int) -> str | None:
        """Return the time of an hour by its number among those asked for."""
        return None if self.rows is None or hour < 0 else time_of(int(self.rows[hour]))

    def columns(self, power_flow: PowerFlow) -> dict[str, Any]:
        """Return the fields that every document of hosting begins with."""
        rows = self.rows
        return {
            "network": power_flow.network.name,
            "engine": power_flow.engine.value,
            "load_scale": self.scales[0],
            "generation_scale": self.scales[1],
            "power_factor": self.plant.power_factor,
            "absorbs_reactive": self.plant.absorbs_reactive,
            "quarter_hours": 1 if rows is None else rows.size,
            "start": None if rows is None else time_of(int(rows[0])),
            "end": None if rows is None else time_of(int(rows[-1]) + 1),
            "registered_mw": self.registered_mw,
            "storage_mw": self.storage_mw,
        }


def hosting_document(
    power_flow: PowerFlow,
    question: HostingQuestion,
    levels: HostingLevels,
    *,
    hours: YearCapacity | None,
    screened: bool,
    breaches: Sequence[tuple[int, ExistingBreach]],
    stations: Sequence[StationCheck] | None,
) -> HostingDocument:
    """Return the hosting capacity's document.

    :param levels: scenarios are rows of the profiles
    :param hours: of the first level, None for the nominal state; screened: whether not every hour was searched
    :param breaches: what is breached without any plant, each with its row of the profiles
    """
    return HostingDocument(
        **question.columns(power_flow),
        hours=None if hours is None else _searched_hours(hours, screened=screened),
        totals=_totals(levels.existing),
        breaches=[
            BreachRow(breach.element, breach.kind.value, breach.value, breach.limit, question.at(row))
            for row, breach in breaches
        ],
        buses=_rows(question, levels, hours),
        short_circuits=None if stations is None else [_short_circuit(each) for each in stations],
    )


def placement_document(
    power_flow: PowerFlow, question: HostingQuestion, parameters: PlacementParameters, found: Placement
) -> PlacementDocument:
    """Return the document of a random placement."""
    bindings = Counter(zip(found.kind, found.element, strict=True))
    return PlacementDocument(
        **question.columns(power_flow),
        seed=parameters.seed,
        size_min_mw=parameters.size_min_mw,
        size_max_mw=parameters.size_max_mw,
        sites=len(found.bus),
        quantiles=[
            PlacementQuantile(percent=percent, mw=mw, draws=int((found.total_mw <= mw).sum()))
            for percent, mw in ((each, found.percentile_mw(each)) for each in PERCENTILES)
        ],
        bindings=[
            PlacementBinding(kind=kind.value, element=element, draws=draws, median_mw=_median(found, kind, element))
            for (kind, element), draws in sorted(bindings.items(), key=lambda one: (-one[1], one[0][1]))
        ],
        draws=[
            PlacementDraw(
                mw=float(found.total_mw[draw]),
                plants=int(found.plants[draw]),
                kind=found.kind[draw].value,
                element=found.element[draw],
                at=question.hour(int(found.hour[draw])),
            )
            for draw in range(found.total_mw.size)
        ],
    )


def region_document(power_flow: PowerFlow, question: HostingQuestion, found: HostingRegion) -> RegionDocument:
    """Return the document of a joint region."""
    return RegionDocument(
        **question.columns(power_flow),
        first=found.bus[0],
        second=found.bus[1],
        points=[
            RegionPoint(
                angle_degree=float(found.angle_degree[point]),
                first_mw=number_or_none(found.first_mw[point]),
                second_mw=number_or_none(found.second_mw[point]),
                kind=found.kind[point].value,
                element=found.element[point],
                at=question.hour(int(found.hour[point])),
                outside=number_or_none(found.outside[point]),
            )
            for point in range(found.angle_degree.size)
        ],
    )


def _rows(question: HostingQuestion, levels: HostingLevels, hours: YearCapacity | None) -> list[HostingRow]:
    one = levels.existing
    later = _level("with_registered", levels.with_registered, len(one.bus))
    charging = _level("with_storage", levels.with_storage, len(one.bus))
    return [
        HostingRow(
            bus=one.bus[bus],
            capacity_mw=number_or_none(one.capacity_mw[bus]),
            kind=one.kind[bus].value,
            element=one.element[bus],
            limit=number_or_none(one.limit[bus]),
            limit_unit=_unit(one.kind[bus]),
            at=question.at(int(one.scenario[bus])),
            certified=bool(one.certified[bus]),
            proven=None if hours is None else bool(hours.proven[bus]),
            **later[bus],
            **charging[bus],
        )
        for bus in range(len(one.bus))
    ]


def _level(name: str, found: HostingCapacity | None, n_buses: int) -> list[Mapping[str, Any]]:
    """Return the two fields of each bus for one more level."""
    if found is None:
        return [{f"{name}_mw": None, f"{name}_kind": None}] * n_buses
    return [
        {f"{name}_mw": number_or_none(found.capacity_mw[bus]), f"{name}_kind": found.kind[bus].value}
        for bus in range(n_buses)
    ]


def _searched_hours(hours: YearCapacity, *, screened: bool) -> SearchedHours:
    return SearchedHours(
        screened=screened,
        searched=hours.searched.size,
        searches=hours.searches,
        missed=[time_of(row) for row in hours.missed.tolist()],
        proven=int(hours.proven.sum()),
    )


def _short_circuit(check: StationCheck) -> ShortCircuitRow:
    return ShortCircuitRow(
        station=check.station,
        bus=check.plant.bus,
        plant_mva=check.plant.rated_mva,
        without_ka=check.without_ka,
        with_plants_ka=check.outcome.value,
        breaker_ka=check.outcome.limit,
        outcome=check_word(check.outcome),
    )


def _median(found: Placement, kind: BindingKind, element: str) -> float:
    stopped = [one == (kind, element) for one in zip(found.kind, found.element, strict=True)]
    return float(np.median(found.total_mw[np.array(stopped)]))


def _unit(kind: BindingKind) -> str:
    return {BindingKind.VOLTAGE_HIGH: "V", BindingKind.VOLTAGE_LOW: "V", BindingKind.CURRENT: "kA"}.get(kind, "")


def _totals(found: HostingCapacity) -> list[KindTotal]:
    kinds = np.array([kind.value for kind in found.kind])
    totals = []
    for kind in BindingKind:
        values = found.capacity_mw[kinds == kind.value]
        if values.size:
            low, middle, high = (number_or_none(pick(values)) for pick in (np.min, np.median, np.max))
            totals.append(KindTotal(kind=kind.value, buses=values.size, min_mw=low, median_mw=middle, max_mw=high))
    return totals
