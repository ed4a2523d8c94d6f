"""Load what does not change during an operating day: registry, balance tree, fees, prices, standing, network model."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from pathlib import Path

import numpy as np
from sqlalchemy import Engine

from edge.contract.messages import CHANNELS
from edge.contract.registry import BalanceUnit, MeterKind, Registry, RegistryError, decode_registry
from grid_models.networks import NetworkError, read_network
from grid_models.security import SecurityModel, UnknownBusError
from grid_models.topology import TopologyError
from hub.market.elections.bidding_terms import BiddingTerms
from hub.market.network_fee import NetworkFeeError, NetworkFees, network_fees
from hub.market.registry_columns import MeteringPoints, balance_tree, metering_points, units_in_tree_order
from hub.market.trades import BalanceTree, BoolArray, Int64Array
from hub.settlement.accounts import AccountTable, AccountTableError, account_table
from hub.settlement.inputs import MARKET_METER_KINDS, MeteringStanding, standing_from_registry
from hub.settlement.prices import ParameterTable, SettlementParameters, decode_parameters, resolve_parameters
from hub.usecases.day_registry import DayRegistries

NONE = -1
INTERVALS_AN_HOUR = 4
BOUNDARY_KINDS = (MeterKind.COUNTY_GATEWAY, MeterKind.AREA_SUMMARY, MeterKind.MICROGRID_GATEWAY)


class CountyFolderError(ValueError):
    """The county folder cannot be used; the message names the file and what is wrong with it."""


@dataclass(frozen=True, eq=False)
class CountyModel:
    """One county on one operating day.

    units: in tree order, as `tree`. market_meters: positions of the metering points that the county settles, in the
    order in which they are the points of `security`. boundary_meter: shape (n_units,), position of the meter at the
    unit's edge to its parent, -1 where there is none. channel_present: shape (n_meters, n_channels), channels in the
    order of messages.CHANNELS.
    """

    day: date
    registry: Registry
    units: tuple[BalanceUnit, ...]
    tree: BalanceTree
    fees: NetworkFees
    points: MeteringPoints
    accounts: AccountTable
    standing: MeteringStanding
    parameters: SettlementParameters
    security: SecurityModel
    market_meters: Int64Array
    boundary_meter: Int64Array
    channel_present: BoolArray

    @property
    def gateway_meter(self) -> int:
        """Return the position of the county gateway's meter."""
        return int(self.boundary_meter[0])


class County:
    """The county of one folder: its files are read once, a model is made for each operating day that is asked for.

    :param log: the database with the county's registry log, a read-only engine; None: modes are those of the folder
    :raises CountyFolderError: if a file cannot be used
    """

    def __init__(
        self,
        folder: Path,
        *,
        province: str = "demo",
        parameters: ParameterTable | None = None,
        log: Engine | None = None,
    ) -> None:
        self.registry = read_registry(folder / "registry.json")
        self._days = None if log is None else DayRegistries(log, self.registry)
        self._province = province
        self._parameters = parameters or demo_parameters()
        try:
            self._units = units_in_tree_order(self.registry)
            self._accounts = account_table(row.participant_id for row in self.registry.participants)
        except (RegistryError, AccountTableError) as error:
            raise CountyFolderError(f"{folder / 'registry.json'}: {error}") from None
        points = self.registry.metering_points
        market = [position for position, point in enumerate(points) if point.kind in MARKET_METER_KINDS]
        self._market_meters = np.array(market, dtype=np.int64)
        try:
            self._security = SecurityModel(
                read_network(folder / "network.json"),
                unit_parent=_parents(self._units).tolist(),
                unit_elements=[unit.elements for unit in self._units],
                unit_export_limit_w=[_limit_w(unit.export_limit_wh) for unit in self._units],
                unit_import_limit_w=[_limit_w(unit.import_limit_wh) for unit in self._units],
                point_bus=[points[position].bus for position in market],
            )
        except NetworkError as error:
            raise CountyFolderError(str(error)) from None
        except (TopologyError, UnknownBusError) as error:
            raise CountyFolderError(f"{folder}: network.json and registry.json do not fit: {error}") from None
        self._models: dict[date, CountyModel] = {}

    def registry_on(self, day: date) -> Registry:
        """Return the registry with the modes of the operating day.

        :raises hub.usecases.event_log.EventLogError: if the county's registry log is not what was written
        """
        return self.registry if self._days is None else self._days.on(day)

    def bidding_on(self, day: date) -> Mapping[str, BiddingTerms]:
        """Return how the orders of the metering points that are not free must look on the operating day, by meter id.

        :raises hub.usecases.event_log.EventLogError: if the county's registry log is not what was written
        """
        return {} if self._days is None else self._days.bidding_on(day)

    def on(self, day: date) -> CountyModel:
        """Return the model of the operating day.

        :raises hub.usecases.event_log.EventLogError: if the county's registry log is not what was written
        :raises hub.settlement.prices.ParameterError: if a price has no version in force on that day
        :raises CountyFolderError: if the tariff's classes do not fit the registry's
        """
        registry = self.registry_on(day)
        if day not in self._models or self._models[day].registry is not registry:
            try:
                self._models = {day: self._model(day, registry)}
            except NetworkFeeError as error:
                raise CountyFolderError(f"registry.json: {error}") from None
        return self._models[day]

    def _model(self, day: date, registry: Registry) -> CountyModel:
        parameters = resolve_parameters(
            self._parameters, province=self._province, day=day, gateway_class=self._units[0].voltage_class
        )
        tariff = dict(zip(parameters.voltage_class, parameters.network_tariff_uyuan_per_kwh.tolist(), strict=True))
        fees = network_fees(
            unit_id=[unit.unit_id for unit in self._units],
            parent=_parents(self._units),
            voltage_class=[unit.voltage_class for unit in self._units],
            tariff_uyuan_per_kwh=tariff,
        )
        tree = balance_tree(self._units, fees)
        return CountyModel(
            day=day,
            registry=registry,
            units=self._units,
            tree=tree,
            fees=fees,
            points=metering_points(registry, tree, fees),
            accounts=self._accounts,
            standing=standing_from_registry(registry, tree.unit_id, parameters.voltage_class, self._accounts),
            parameters=parameters,
            security=self._security,
            market_meters=self._market_meters,
            boundary_meter=_boundary_meters(registry, tree.unit_id),
            channel_present=channels_present(registry),
        )


def read_registry(path: Path) -> Registry:
    """Return the registry in the file.

    :raises CountyFolderError: if the file cannot be read or is no registry
    """
    try:
        return decode_registry(path.read_bytes())
    except OSError as error:
        raise CountyFolderError(f"{path}: {error.strerror}") from None
    except RegistryError as error:
        raise CountyFolderError(f"{path}: {error}") from None


def demo_parameters() -> ParameterTable:
    """Return the illustrative prices of the demo county, shipped with the program."""
    return decode_parameters(files("hub.settlement").joinpath("parameters/demo.json").read_bytes())


def channels_present(registry: Registry) -> BoolArray:
    """Return which channels each meter has, shape (n_meters, n_channels)."""
    position = {channel: index for index, channel in enumerate(CHANNELS)}
    present = np.zeros((len(registry.metering_points), len(CHANNELS)), dtype=np.bool_)
    for meter, point in enumerate(registry.metering_points):
        for channel in point.channels:
            present[meter, position[channel]] = True
    return present


def _limit_w(limit_wh: int | None) -> int | None:
    return None if limit_wh is None else limit_wh * INTERVALS_AN_HOUR


def _parents(units: tuple[BalanceUnit, ...]) -> Int64Array:
    position: Mapping[str | None, int] = {unit.unit_id: index for index, unit in enumerate(units)}
    return np.array([position.get(unit.parent_id, NONE) for unit in units], dtype=np.int64)


def _boundary_meters(registry: Registry, unit_id: tuple[str, ...]) -> Int64Array:
    position = {name: index for index, name in enumerate(unit_id)}
    boundary = np.full(len(unit_id), NONE, dtype=np.int64)
    for meter, point in enumerate(registry.metering_points):
        if point.kind in BOUNDARY_KINDS:
            boundary[position[point.unit_id]] = meter
    if boundary[0] == NONE:
        raise CountyFolderError("registry.json: the county has no gateway meter")
    return boundary
