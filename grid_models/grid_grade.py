"""The DL/T 2041 list of a network from its nominal state alone: the conditions that no county data are at hand for.

All generators count as distributed; the loads of the file, scaled, stand for the typical noon; the reverse power of an
edge is that of the nominal state, not of a period. Checks beside the load are not assessed.
"""

from collections import Counter
from dataclasses import fields, is_dataclass

import numpy as np

from grid_models.capacity_assessment import (
    Parameters,
    UnitConditions,
    assess_units,
    edition_of,
    usual_arrangement,
)
from grid_models.capacity_list import CapacityFeature
from grid_models.capacity_units import units_of_network
from grid_models.elements import FloatArray, Int64Array
from grid_models.grid_documents import GradeDocument
from grid_models.grid_inputs import nominal_base_state
from grid_models.networks import Network
from grid_models.nominal_state import solve_nominal
from grid_models.power_flow import PowerFlow
from grid_models.standard_2041 import Edition, Grade
from grid_models.topology import balance_units, locate_units
from grid_models.unit_flows import unit_flows
from grid_models.unit_hosting import unit_hosting

UNVERIFIED = (
    "the formulas and parameters come from secondary sources, not from the standard's own text",
    "tau_max and power_factor are a county's own figures; the defaults are examples",
    "the nominal state stands for the typical noon and for the period's largest reverse power",
    "all generators count as distributed generation",
)


def grade_network(
    power_flow: PowerFlow,
    parameters: Parameters,
    *,
    scales: tuple[float, float],
    registered_mw: FloatArray,
    assessed_at: str,
    plant_power_factor: float = 1.0,
) -> tuple[CapacityFeature, ...]:
    """Return the list of the network's balance units.

    :param scales: of loads and of generation in the nominal state
    :param registered_mw: registered plants by bus, (n_buses,)
    :param plant_power_factor: of the new plant, for the hosting capacity at each unit's busbar
    :raises TopologyError, NetworkError, StandardError, NoBaseStateError: naming what is in the way
    """
    network = power_flow.network
    units = units_of_network(network, balance_units(network))
    unit_of_bus = locate_units(network, units.parent.tolist(), units.elements)
    hosting = unit_hosting(
        power_flow,
        elements=units.elements,
        unit_of_bus=unit_of_bus,
        states_mw_mvar=nominal_base_state(power_flow, *scales),
        power_factor=plant_power_factor,
    )

    def of_units(bus: Int64Array, power_mw: FloatArray) -> FloatArray:
        return np.bincount(unit_of_bus[bus], weights=power_mw, minlength=len(units)).astype(np.float64)

    flows = unit_flows(network, units.parent.tolist(), units.elements)
    none = np.zeros(len(units))
    conditions = UnitConditions(
        connected_mw=of_units(network.generators.bus, network.generators.p_mw),
        registered_mw=of_units(np.arange(len(network.buses)), registered_mw),
        load_mw=of_units(network.loads.bus, network.loads.p_mw * scales[0]),
        other_generation_mw=none,
        storage_mw=of_units(network.storages.bus, network.storages.p_rated_mw),
        planned_storage_min_mw=none,
        planned_storage_max_mw=none,
        reverse_max_mw=flows.export_mw(solve_nominal(power_flow, *scales))[0],
        arrangement=usual_arrangement(units),
        checks=((),) * len(units),
    )
    return assess_units(units, conditions, parameters=parameters, assessed_at=assessed_at, hosting=hosting)


def grade_document(network: Network, features: tuple[CapacityFeature, ...], parameters: Parameters) -> GradeDocument:
    """Return the list's document."""
    edition = edition_of(parameters)
    grades = Counter(feature.entry.grade for feature in features)
    return GradeDocument(
        network=network.name,
        edition=edition.value,
        parameters=_flat(parameters),
        unverified=list(UNVERIFIED if edition is Edition.DLT_2041_2025 else (UNVERIFIED[0], *UNVERIFIED[2:])),
        grades={grade.value: grades[grade.value] for grade in Grade},
        entries=[feature.entry for feature in features],
    )


def _flat(parameters: object) -> dict[str, float | str | None]:
    assert is_dataclass(parameters)
    flat: dict[str, float | str | None] = {}
    for field in fields(parameters):
        value = getattr(parameters, field.name)
        if is_dataclass(value):
            flat |= {f"{field.name}_{name}": each for name, each in _flat(value).items()}
        else:
            flat[field.name] = getattr(value, "value", value)
    return flat
