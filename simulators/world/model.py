"""A county folder as the world computes with it: columns by metering point, checked against each other."""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge.contract.interval import position_in_day
from edge.contract.registry import Registry, RegistryError, decode_registry
from grid_models.networks import Network, NetworkError, read_network
from simulators.world.county_files import (
    NETWORK_FILE,
    REGISTRY_FILE,
    Battery,
    CountyFileError,
    ProfileColumns,
    WorldFile,
    read_profile_columns,
    read_world_file,
)
from simulators.world.devices import MJ_PER_WH, BatteryColumns, Demand, MicrogridColumns

Int64Array = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

_MW_PER_MEGAWATT = 1e9  # milliwatts
_MW_PER_W = 1000


@dataclass(frozen=True, eq=False)
class WorldModel:
    """What does not change while the world runs. Metering points are numbered as in the registry.

    bus: (n_points,), position of each point's bus. device_points: points whose devices feed the network themselves
    (not summary and gateway meters). transformer_points, transformers: summary meters and what they measure.
    """

    registry: Registry
    network: Network
    seed: int
    profiles: ProfileColumns
    bus: Int64Array
    device_points: Int64Array
    batteries: BatteryColumns
    batteries_initial_mj: Int64Array
    microgrids: tuple[MicrogridColumns, ...]
    microgrids_initial_mj: tuple[Int64Array, ...]
    county_gateway: int
    transformer_points: Int64Array
    transformers: Int64Array
    valley_from_position: int
    valley_to_position: int

    @property
    def n_points(self) -> int:
        """How many metering points there are."""
        return len(self.registry.metering_points)

    def demand(self, interval: int) -> Demand:
        """Return what loads, sun and wind want in the interval; tiny negative factors in the profiles count as 0."""
        profiles = self.profiles
        row = profiles.row_of_interval(interval)
        load = profiles.load_p_factor[row][profiles.load_p_column] * profiles.load_p_nominal_mw
        generation = profiles.generator_p_factor[row][profiles.generator_p_column] * profiles.generator_p_nominal_mw
        position = position_in_day(interval)
        in_valley = self.valley_from_position <= position < self.valley_to_position
        return Demand(
            load_mw=self._by_point(np.maximum(load, 0.0), profiles.load_point),
            available_mw=self._by_point(np.maximum(generation, 0.0), profiles.generator_point),
            valley_intervals_left=self.valley_to_position - position if in_valley else 0,
        )

    def reactive_load_millivar(self, interval: int) -> Int64Array:
        """Return the reactive power that the loads behind each point draw (negative: give) in the interval."""
        profiles = self.profiles
        row = profiles.row_of_interval(interval)
        reactive = profiles.load_q_factor[row][profiles.load_q_column] * profiles.load_q_nominal_mvar
        return self._by_point(reactive, profiles.load_point)

    def _by_point(self, mega: FloatArray, point: Int64Array) -> Int64Array:
        """Return the sum over each point's elements in milli-units; each element is rounded on its own."""
        by_point = np.zeros(self.n_points, dtype=np.int64)
        np.add.at(by_point, point, np.rint(mega * _MW_PER_MEGAWATT).astype(np.int64))
        return by_point


def read_world_model(folder: Path) -> WorldModel:
    """Return the world of a county folder.

    :raises CountyFileError: if a file cannot be read or contradicts another
    """
    # The network last: it takes seconds.
    world_file, profiles, registry = read_world_file(folder), read_profile_columns(folder), _read_registry(folder)
    network = _read_network(folder)
    points = {point.meter_id: position for position, point in enumerate(registry.metering_points)}
    transformers = {name: position for position, name in enumerate(network.transformers.name)}
    try:
        return _assembled(registry, network, world_file, profiles, points=points, transformers=transformers)
    except KeyError as error:
        raise CountyFileError(f"{folder}: the files contradict each other: {error} is unknown to one of them") from None


def _assembled(
    registry: Registry,
    network: Network,
    world_file: WorldFile,
    profiles: ProfileColumns,
    *,
    points: dict[str, int],
    transformers: dict[str, int],
) -> WorldModel:
    for field in fields(profiles):
        if field.name.endswith("_point") and not np.isin(getattr(profiles, field.name), np.arange(len(points))).all():
            raise KeyError(field.name)
    own_names = {microgrid.battery for microgrid in world_file.microgrids}
    behind_meters = [battery for battery in world_file.batteries if battery.name not in own_names]
    own = {battery.name: battery for battery in world_file.batteries if battery.name in own_names}
    transformer_points = [points[meter.meter_id] for meter in world_file.transformer_meters]
    county_gateway = points[world_file.county_gateway_meter_id]
    device_points = np.setdiff1d(np.arange(len(points)), [*transformer_points, county_gateway])
    return WorldModel(
        registry=registry,
        network=network,
        seed=world_file.seed,
        profiles=profiles,
        bus=np.array([network.bus_position[point.bus] for point in registry.metering_points], dtype=np.int64),
        device_points=device_points.astype(np.int64),
        batteries=_battery_columns(behind_meters, points),
        batteries_initial_mj=_initial_mj(behind_meters),
        microgrids=tuple(
            MicrogridColumns(
                gateway=points[microgrid.gateway_meter_id],
                inside=np.array([points[meter_id] for meter_id in microgrid.inside_meter_ids], dtype=np.int64),
                battery=_battery_columns([own[microgrid.battery]], points),
            )
            for microgrid in world_file.microgrids
        ),
        microgrids_initial_mj=tuple(_initial_mj([own[microgrid.battery]]) for microgrid in world_file.microgrids),
        county_gateway=county_gateway,
        transformer_points=np.array(transformer_points, dtype=np.int64),
        transformers=np.array([transformers[meter.transformer] for meter in world_file.transformer_meters], np.int64),
        valley_from_position=world_file.valley_from_position,
        valley_to_position=world_file.valley_to_position,
    )


def _battery_columns(batteries: list[Battery], points: dict[str, int]) -> BatteryColumns:
    return BatteryColumns(
        point=np.array([points[battery.meter_id] for battery in batteries], dtype=np.int64),
        power_mw=np.array([battery.power_w * _MW_PER_W for battery in batteries], dtype=np.int64),
        energy_mj=np.array([battery.energy_wh * MJ_PER_WH for battery in batteries], dtype=np.int64),
        efficiency_per_mille=np.array([battery.efficiency_per_mille for battery in batteries], dtype=np.int64),
        valley_charging=np.array([battery.valley_charging for battery in batteries], dtype=np.bool_),
    )


def _initial_mj(batteries: list[Battery]) -> Int64Array:
    return np.array([battery.initial_wh * MJ_PER_WH for battery in batteries], dtype=np.int64)


def _read_registry(folder: Path) -> Registry:
    path = folder / REGISTRY_FILE
    try:
        return decode_registry(path.read_bytes())
    except (OSError, RegistryError) as error:
        raise CountyFileError(f"{path}: {error}") from None


def _read_network(folder: Path) -> Network:
    try:
        return read_network(folder / NETWORK_FILE)
    except NetworkError as error:
        raise CountyFileError(str(error)) from None
