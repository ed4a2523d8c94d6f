"""The two files of a county folder that only the world reads: world.json and profiles.npz.

Written by simulators.county. Metering points are numbered by their position in registry.json.
"""

import zipfile
from dataclasses import dataclass, fields
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from edge.contract.interval import INTERVALS_PER_DAY

FloatArray = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]

WORLD_FILE = "world.json"
PROFILES_FILE = "profiles.npz"
NETWORK_FILE = "network.json"
REGISTRY_FILE = "registry.json"


class CountyFileError(ValueError):
    """A file of the county folder that cannot be read or contradicts the others."""


class Battery(msgspec.Struct, frozen=True):
    """One battery behind a meter.

    efficiency_per_mille holds once each way. initial_wh: energy stored at the start. valley_charging: nothing
    generates behind this meter, so the battery is filled from the network in the valley window instead of from surplus.
    """

    name: str
    meter_id: str
    power_w: int
    energy_wh: int
    initial_wh: int
    efficiency_per_mille: int
    valley_charging: bool


class Prosumer(msgspec.Struct, frozen=True):
    """What stands behind one prosumer's meter: names of network elements."""

    meter_id: str
    loads: tuple[str, ...]
    generators: tuple[str, ...]
    battery: str | None


class TransformerMeter(msgspec.Struct, frozen=True):
    """A meter on the low-voltage side of a transformer; import is energy that flows down."""

    meter_id: str
    transformer: str


class Microgrid(msgspec.Struct, frozen=True):
    """One microgrid: its gateway meter, the meters inside, and its own battery (run on the microgrid's net)."""

    unit_id: str
    gateway_meter_id: str
    inside_meter_ids: tuple[str, ...]
    battery: str


class WorldFile(msgspec.Struct, frozen=True):
    """world.json. valley_from_position, valley_to_position: positions in the day of the valley window, half-open."""

    county: str
    seed: int
    day: str
    valley_from_position: int
    valley_to_position: int
    county_gateway_meter_id: str
    transformer_meters: tuple[TransformerMeter, ...]
    microgrids: tuple[Microgrid, ...]
    prosumers: tuple[Prosumer, ...]
    batteries: tuple[Battery, ...]
    version: int = 1


@dataclass(frozen=True, eq=False)
class ProfileColumns:
    """profiles.npz: factored profiles, value[t, i] = factor[t, column[i]] * nominal[i], and whose meter each is behind.

    first_interval: interval of row 0, shape (). *_factor: (n_rows, n_columns); *_column, *_nominal_*, *_point:
    (n_elements,), elements in the order of the network's columns; *_point: position of the metering point.
    """

    first_interval: Int64Array
    load_p_factor: FloatArray
    load_p_column: Int64Array
    load_p_nominal_mw: FloatArray
    load_q_factor: FloatArray
    load_q_column: Int64Array
    load_q_nominal_mvar: FloatArray
    load_point: Int64Array
    generator_p_factor: FloatArray
    generator_p_column: Int64Array
    generator_p_nominal_mw: FloatArray
    generator_point: Int64Array

    def row_of_interval(self, interval: int) -> int:
        """Return the row of the interval; a world that runs live past the stored rows repeats the last whole day."""
        row = interval - int(self.first_interval)
        n_rows = len(self.load_p_factor)
        if 0 <= row < n_rows:
            return row
        day_start = n_rows - INTERVALS_PER_DAY
        return day_start + (row - day_start) % INTERVALS_PER_DAY


def read_world_file(folder: Path) -> WorldFile:
    """Return world.json of the county folder.

    :raises CountyFileError: if it cannot be read
    """
    path = folder / WORLD_FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=WorldFile)
    except (OSError, msgspec.DecodeError) as error:
        raise CountyFileError(f"{path}: {error}") from None


def write_world_file(world_file: WorldFile, folder: Path) -> None:
    """Write world.json; the same value gives the same bytes."""
    (folder / WORLD_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(world_file), indent=1))


def read_profile_columns(folder: Path) -> ProfileColumns:
    """Return profiles.npz of the county folder.

    :raises CountyFileError: if it cannot be read
    """
    path = folder / PROFILES_FILE
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return ProfileColumns(**{field.name: arrays[field.name] for field in fields(ProfileColumns)})
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise CountyFileError(f"{path}: {error}") from None


def write_profile_columns(columns: ProfileColumns, folder: Path) -> None:
    """Write profiles.npz; the same value gives the same bytes."""
    np.savez(folder / PROFILES_FILE, allow_pickle=False, **vars(columns))
