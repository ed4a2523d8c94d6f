"""What the world has done, by interval and in all: energies from exact state, stress with and without control."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.contract.interval import SECONDS_PER_INTERVAL
from simulators.world.devices import MJ_PER_WH, DevicePowers
from simulators.world.network_state import Extreme, NetworkState, Stress

Int64Array = npt.NDArray[np.int64]

CURTAILED_METERS_SHOWN = 20
_COUNTS = (
    "buses_too_high",
    "buses_too_low",
    "transformers_overloaded",
    "transformers_reversed",
    "lines_overloaded",
)


@dataclass(frozen=True, eq=False)
class IntervalRecord:
    """One interval that has passed. powers, state: of the real world; uncontrolled: of the one without setpoints."""

    interval: int
    powers: DevicePowers
    state: NetworkState
    loss_inside_microgrids_mw: int
    uncontrolled: Stress
    limited_meters: int


def summary(records: Iterable[IntervalRecord], meter_ids: list[str]) -> dict[str, Any]:
    """Return the totals of some intervals as a JSON document; energies in Wh, rounded once from exact sums."""
    chosen = list(records)
    curtailed_mj = np.zeros(len(meter_ids), dtype=np.int64)
    for record in chosen:
        curtailed_mj += record.powers.curtailed_mw * SECONDS_PER_INTERVAL
    return {
        "intervals": len(chosen),
        "first_interval": chosen[0].interval if chosen else None,
        "last_interval": chosen[-1].interval if chosen else None,
        "energy_wh": {name: _wh(power_mw) for name, power_mw in _power_sums(chosen).items()},
        "limited_meter_intervals": sum(record.limited_meters for record in chosen),
        "curtailed_meters": int((curtailed_mj > 0).sum()),
        "curtailed_by_meter": _largest(curtailed_mj, meter_ids),
        "with_control": _stress_summary([(record.interval, record.state.stress) for record in chosen]),
        "without_control": _stress_summary([(record.interval, record.uncontrolled) for record in chosen]),
    }


def _power_sums(records: list[IntervalRecord]) -> dict[str, int]:
    """Return sums over intervals of mean powers, mW."""
    powers = [record.powers for record in records]
    imports = [record.state.gateway_import_mw for record in records]
    return {
        "available": sum(int(power.available_mw.sum()) for power in powers),
        "generation": sum(int(power.generation_mw.sum()) for power in powers),
        "curtailed": sum(int(power.curtailed_mw.sum()) for power in powers),
        "load": sum(int(power.load_mw.sum()) for power in powers),
        "battery_charge": sum(int(power.charge_mw.sum()) for power in powers),
        "battery_discharge": sum(int(power.discharge_mw.sum()) for power in powers),
        "loss": sum(record.state.loss_mw for record in records),
        "loss_inside_microgrids": sum(record.loss_inside_microgrids_mw for record in records),
        "gateway_import": sum(max(power_mw, 0) for power_mw in imports),
        "gateway_export": sum(max(-power_mw, 0) for power_mw in imports),
    }


def _wh(power_sum_mw: int) -> int:
    return (power_sum_mw * SECONDS_PER_INTERVAL + MJ_PER_WH // 2) // MJ_PER_WH


def _largest(curtailed_mj: Int64Array, meter_ids: list[str]) -> list[dict[str, Any]]:
    order = sorted(np.flatnonzero(curtailed_mj).tolist(), key=lambda point: (-int(curtailed_mj[point]), point))
    return [
        {"meter": meter_ids[point], "wh": (int(curtailed_mj[point]) + MJ_PER_WH // 2) // MJ_PER_WH}
        for point in order[:CURTAILED_METERS_SHOWN]
    ]


def _stress_summary(stresses: list[tuple[int, Stress]]) -> dict[str, Any]:
    if not stresses:
        return {}
    counts = {name: sum(getattr(stress, name) for _, stress in stresses) for name in _COUNTS}
    return {
        "highest_voltage": _extreme(max(stresses, key=lambda entry: entry[1].highest_voltage.value), "highest_voltage"),
        "lowest_voltage": _extreme(min(stresses, key=lambda entry: entry[1].lowest_voltage.value), "lowest_voltage"),
        "worst_transformer": _extreme(
            max(stresses, key=lambda entry: entry[1].worst_transformer.value), "worst_transformer"
        ),
        "worst_line": _extreme(max(stresses, key=lambda entry: entry[1].worst_line.value), "worst_line"),
        "violating_intervals": sum(any(getattr(stress, name) for name in _COUNTS) for _, stress in stresses),
        **counts,
    }


def _extreme(entry: tuple[int, Stress], name: str) -> dict[str, Any]:
    interval, stress = entry
    extreme: Extreme = getattr(stress, name)
    return {"element": extreme.element, "interval": interval, "value": round(extreme.value, 6)}
