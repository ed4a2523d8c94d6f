"""What the world needs to know of a planned county: who stands behind which meter, which profile rows. Pure."""

import math
from datetime import date

import numpy as np

from edge.contract.interval import INTERVALS_PER_DAY, first_interval_of_day
from edge.contract.registry import MeterKind
from grid_models.elements import FloatArray, Int64Array
from grid_models.networks import Network
from grid_models.simbench_profiles import NetworkProfiles
from grid_models.topology import BalanceUnits
from simulators.county import parameters
from simulators.county.composition import SiteKind
from simulators.county.meter_plan import MeterPlan, PlannedMeter
from simulators.county.registry_builder import MICROGRID_UNIT_ID
from simulators.seeded_draws import draw_below
from simulators.world.county_files import (
    Battery,
    Microgrid,
    ProfileColumns,
    Prosumer,
    TransformerMeter,
    WorldFile,
)


def build_world_file(
    network: Network, units: BalanceUnits, plan: MeterPlan, *, microgrid_battery: int, seed: int, day: date
) -> WorldFile:
    """Return world.json. microgrid_battery: position of the microgrid's own battery in the network's storages."""
    hosts = {
        meter.site.storage: meter for meter in plan.meters if meter.site is not None and meter.site.storage is not None
    }
    transformer_kinds = {MeterKind.AREA_SUMMARY, MeterKind.MICROGRID_GATEWAY}
    return WorldFile(
        county=parameters.COUNTY_NAME,
        seed=seed,
        day=day.isoformat(),
        valley_from_position=parameters.VALLEY_FROM_POSITION,
        valley_to_position=parameters.VALLEY_TO_POSITION,
        county_gateway_meter_id=next(m.meter_id for m in plan.meters if m.kind is MeterKind.COUNTY_GATEWAY),
        transformer_meters=tuple(
            TransformerMeter(meter.meter_id, units.elements[meter.unit][0])
            for meter in plan.meters
            if meter.kind in transformer_kinds
        ),
        microgrids=(_microgrid(network, plan, microgrid_battery),),
        prosumers=tuple(prosumer for meter in plan.meters if (prosumer := _prosumer(network, meter)) is not None),
        batteries=tuple(
            _battery(network, storage, hosts[storage], seed, own=storage == microgrid_battery)
            for storage in sorted(hosts)
        ),
    )


def profile_rows(day: date, n_rows: int) -> Int64Array:
    """Return the rows of the year that drive the day and the intervals around it (parameters.ROWS_BEFORE_DAY, ...).

    Row k of the year is its k-th interval, counted from 1 January 00:00 county time, whatever the labels say; rows wrap
    at the year's edges. A day of another year takes the rows of the same date in the profiles' year.
    """
    days = (day.replace(year=parameters.PROFILE_YEAR) - date(parameters.PROFILE_YEAR, 1, 1)).days
    offsets = np.arange(-parameters.ROWS_BEFORE_DAY, INTERVALS_PER_DAY + parameters.ROWS_AFTER_DAY)
    return np.asarray((INTERVALS_PER_DAY * days + offsets) % n_rows, dtype=np.int64)


def build_profile_columns(profiles: NetworkProfiles, plan: MeterPlan, day: date) -> ProfileColumns:
    """Return the rows of the year's profiles around the day, and whose meter each element is behind."""
    rows = profile_rows(day, len(profiles.load_p.factor))
    return ProfileColumns(
        first_interval=np.array(first_interval_of_day(day) - parameters.ROWS_BEFORE_DAY, dtype=np.int64),
        load_p_factor=_rows(profiles.load_p.factor, rows),
        load_p_column=profiles.load_p.column,
        load_p_nominal_mw=profiles.load_p.nominal,
        load_q_factor=_rows(profiles.load_q.factor, rows),
        load_q_column=profiles.load_q.column,
        load_q_nominal_mvar=profiles.load_q.nominal,
        load_point=_point_of_element(plan, [meter.site.loads if meter.site else () for meter in plan.meters]),
        generator_p_factor=_rows(profiles.generator_p.factor, rows),
        generator_p_column=profiles.generator_p.column,
        generator_p_nominal_mw=profiles.generator_p.nominal,
        generator_point=_point_of_element(plan, [meter.site.generators if meter.site else () for meter in plan.meters]),
    )


def _rows(factor: FloatArray, rows: Int64Array) -> FloatArray:
    return np.ascontiguousarray(factor[rows])


def _point_of_element(plan: MeterPlan, elements_of_point: list[tuple[int, ...]]) -> Int64Array:
    """Return for each element the position of its metering point; each element stands behind exactly one."""
    assert len(elements_of_point) == len(plan.meters)
    pairs = [(element, point) for point, elements in enumerate(elements_of_point) for element in elements]
    point_of_element = np.full(len(pairs), -1, dtype=np.int64)
    for element, point in pairs:
        assert point_of_element[element] == -1
        point_of_element[element] = point
    return point_of_element


def _prosumer(network: Network, meter: PlannedMeter) -> Prosumer | None:
    site = meter.site
    if site is None or site.kind is not SiteKind.PROSUMER:
        return None
    return Prosumer(
        meter_id=meter.meter_id,
        loads=tuple(network.loads.name[load] for load in site.loads),
        generators=tuple(network.generators.name[plant] for plant in site.generators),
        battery=None if site.storage is None else network.storages.name[site.storage],
    )


def _microgrid(network: Network, plan: MeterPlan, battery: int) -> Microgrid:
    return Microgrid(
        unit_id=MICROGRID_UNIT_ID,
        gateway_meter_id=next(m.meter_id for m in plan.meters if m.kind is MeterKind.MICROGRID_GATEWAY),
        inside_meter_ids=tuple(m.meter_id for m in plan.meters if m.kind is MeterKind.INTERNAL),
        battery=network.storages.name[battery],
    )


def _battery(network: Network, storage: int, host: PlannedMeter, seed: int, *, own: bool) -> Battery:
    assert host.site is not None
    name = network.storages.name[storage]
    energy_wh = round(float(network.storages.energy_mwh[storage]) * 1e6)
    stated = float(network.storages.efficiency[storage])
    round_trip = stated if math.isfinite(stated) else parameters.BATTERY_ROUND_TRIP_EFFICIENCY
    valley_charging = not own and not host.site.generators
    low, high = parameters.INITIAL_PER_MILLE_VALLEY if valley_charging else parameters.INITIAL_PER_MILLE_SURPLUS
    initial_per_mille = low + draw_below(high - low + 1, seed, "initial charge", name)
    return Battery(
        name=name,
        meter_id=host.meter_id,
        power_w=round(float(network.storages.p_rated_mw[storage]) * 1e6),
        energy_wh=energy_wh,
        initial_wh=energy_wh * initial_per_mille // 1000,
        efficiency_per_mille=round(1000 * math.sqrt(round_trip)),
        valley_charging=valley_charging,
    )
