"""What a county sets for its assessments of hosting capacity: a version of parameters, in force from an interval."""

from dataclasses import dataclass

from sqlmodel import Session

from edge.contract.interval import day_of_interval
from grid_models.standard_2041 import Edition, EffectiveEdition, Parameters2025
from hub.store.parameters import NoParametersError, load_parameters

KIND = "hosting"
"""The kind of the version in the store."""

_EDITIONS = {2019: Edition.DLT_2041_2019, 2025: Edition.DLT_2041_2025}


@dataclass(frozen=True)
class HostingParameters:
    """One version. Integers, as they stand in the store under the same names.

    edition_year: of DL/T 2041. tau_max_per_mille: largest simultaneous output of distributed generation of its
    installed capacity, and power_factor_per_mille: of the reverse power, both for the 2025 edition.
    plant_power_factor_per_mille: of a new plant in the AC power flow, which absorbs reactive power.
    noon_from_minute, noon_until_minute: the typical noon, in minutes of the county's day, half-open.
    intervals_min: how many intervals of a day must be measured. read_min_per_mille: the least share of the market
    meters that must have been read, not estimated, for an interval to count as measured.
    critical_intervals_max: how many intervals the hosting capacity by AC power flow is searched in.
    """

    edition_year: int
    tau_max_per_mille: int
    power_factor_per_mille: int
    plant_power_factor_per_mille: int
    noon_from_minute: int
    noon_until_minute: int
    intervals_min: int
    read_min_per_mille: int
    critical_intervals_max: int

    @property
    def parameters_2025(self) -> Parameters2025:
        """What the 2025 edition's formulas take.

        :raises grid_models.standard_2041.StandardError: if a value is out of range
        """
        return Parameters2025(tau_max=self.tau_max_per_mille / 1000, power_factor=self.power_factor_per_mille / 1000)


@dataclass(frozen=True)
class HostingParameterVersion:
    """The version that holds. editions: the one that it names, in force on the day asked about."""

    version_id: str
    parameters: HostingParameters
    editions: tuple[EffectiveEdition, ...]


def load_hosting_parameters(session: Session, interval: int) -> HostingParameterVersion:
    """Return the version that holds in the interval.

    :raises hub.store.parameters.NoParametersError: if none does, or the one that does is not whole
    """
    version_id, values = load_parameters(session, KIND, interval)
    names = HostingParameters.__dataclass_fields__.keys()
    if values.keys() != names:
        wrong = min(values.keys() ^ names)
        raise NoParametersError(f"parameter version {version_id!r}: {wrong} is missing or unknown")
    edition = _EDITIONS.get(values["edition_year"])
    if edition is None:
        raise NoParametersError(f"parameter version {version_id!r}: DL/T 2041 has no edition {values['edition_year']}")
    in_force = EffectiveEdition(edition, day_of_interval(interval))
    return HostingParameterVersion(version_id, HostingParameters(**values), (in_force,))
