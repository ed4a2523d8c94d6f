"""A toy county: four low-voltage areas on two feeders, 27 meters, and registers that obey an AC power flow.

What it offers: `write_county` makes the county folder, `Physics` lets chosen powers flow interval by interval and
reads every meter, `orders_at` places the orders of the direct parties as an edge would.
"""

import functools
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from edge.contract.interval import SECONDS_PER_INTERVAL, first_interval_of_day, start_utc_s
from edge.contract.messages import (
    BATTERY_CHARGE,
    BATTERY_DISCHARGE,
    CHANNELS,
    EXPORT,
    GENERATION,
    IMPORT,
    REACTIVE_EXPORT,
    REACTIVE_IMPORT,
    Order,
    Reading,
    Side,
)
from edge.contract.registry import (
    BalanceUnit,
    Gateway,
    MeteringPoint,
    MeterKind,
    Participant,
    Registry,
    SaleMode,
    SellerClass,
    SupplyMode,
    UnitKind,
    UserCategory,
    encode_registry,
)
from grid_models.networks import Network, from_pandapower, read_network, write_network
from grid_models.power_flow import PowerFlow
from hub.market.registry_columns import units_in_tree_order

DAY = date(2016, 5, 17)
FIRST = first_interval_of_day(DAY) + 40
"""The first interval that is cleared and settled: 10:00 to 10:15 in the county."""

SHARD = "s0"
MJ_PER_WH = 3_600_000
MV_LINE = {"r_ohm_per_km": 0.443, "x_ohm_per_km": 0.132, "c_nf_per_km": 190.0, "max_i_ka": 0.22}
LV_LINE = {"r_ohm_per_km": 0.2067, "x_ohm_per_km": 0.0804, "c_nf_per_km": 830.0, "max_i_ka": 0.6}
METERED = (IMPORT, EXPORT, REACTIVE_IMPORT, REACTIVE_EXPORT)
BOUNDARY = {MeterKind.AREA_SUMMARY, MeterKind.COUNTY_GATEWAY}


@dataclass(frozen=True)
class Site:
    """One metering point and what stands behind it: rated load and generation in kW, and whether a battery does."""

    gateway_id: str
    unit_id: str
    bus: str
    kind: MeterKind
    supply: SupplyMode = SupplyMode.NONE
    sale: SaleMode = SaleMode.NONE
    load_kw: int = 0
    plant_kw: int = 0
    battery_kw: int = 0
    seller: SellerClass | None = None
    clean: bool = False


_LOAD, _PLANT, _BOTH = MeterKind.LOAD, MeterKind.GENERATOR, MeterKind.PROSUMER
_DIRECT, _AGENCY, _GUARANTEED, _NO_SUPPLY = (
    SupplyMode.DIRECT,
    SupplyMode.AGENCY,
    SupplyMode.GUARANTEED,
    SupplyMode.NONE,
)
_MODE_1, _MODE_2, _MODE_3, _NO_SALE = SaleMode.DIRECT, SaleMode.COMMISSION, SaleMode.PURCHASE, SaleMode.NONE
_DEVELOPER, _HOUSE = SellerClass.INDEPENDENT_DG_DEVELOPER, SellerClass.PROSUMER
_OPERATOR, _UTILITY = SellerClass.MICROGRID_OPERATOR, SellerClass.DSO_OWN_GENERATION

SITES = (
    Site("G0001", "A001", "E1", _LOAD, _DIRECT, load_kw=60),
    Site("G0001", "A001", "E2", _LOAD, _GUARANTEED, load_kw=15),
    Site("G0001", "A001", "E2", _PLANT, _AGENCY, _MODE_1, plant_kw=150, seller=_DEVELOPER, clean=True),
    Site("G0001", "A001", "E1", _BOTH, _DIRECT, _MODE_2, 4, 14, 2, _HOUSE, clean=True),
    Site("G0001", "A001", "N1", MeterKind.AREA_SUMMARY),
    Site("G0002", "A002", "E3", _LOAD, _AGENCY, load_kw=30),
    Site("G0002", "A002", "E3", _PLANT, _AGENCY, _MODE_1, plant_kw=160, seller=_DEVELOPER, clean=True),
    Site("G0002", "A002", "E4", _PLANT, _AGENCY, _MODE_3, plant_kw=120, seller=_UTILITY, clean=True),
    Site("G0002", "A002", "E4", _LOAD, _DIRECT, load_kw=20),
    Site("G0002", "A002", "N2", MeterKind.AREA_SUMMARY),
    Site("G0003", "A003", "E5", _LOAD, _GUARANTEED, load_kw=25),
    Site("G0003", "A003", "E5", _PLANT, _AGENCY, _MODE_2, plant_kw=40, seller=_DEVELOPER),
    Site("G0003", "A003", "E6", _LOAD, _DIRECT, load_kw=45),
    Site("G0003", "A003", "E6", _BOTH, _GUARANTEED, _MODE_3, 3, 9, 0, _HOUSE, clean=True),
    Site("G0003", "A003", "N3", MeterKind.AREA_SUMMARY),
    Site("G0004", "MG1", "N4", MeterKind.MICROGRID_GATEWAY, _DIRECT, _MODE_1, seller=_OPERATOR, clean=True),
    Site("G0004", "MG1", "N4", MeterKind.INTERNAL, load_kw=30),
    Site("G0004", "MG1", "N4", MeterKind.INTERNAL, plant_kw=60),
    Site("G0004", "MG1", "N4", MeterKind.INTERNAL, battery_kw=10),
    Site("G0005", "F2", "M3", _LOAD, _DIRECT, load_kw=300),
    Site("G0005", "F2", "M3", _PLANT, _DIRECT, _MODE_1, plant_kw=80, seller=_DEVELOPER, clean=True),
    Site("G0006", "station", "B1", _LOAD, _AGENCY, load_kw=200),
    Site("G0006", "station", "B1", _PLANT, _AGENCY, _MODE_3, plant_kw=100, seller=_UTILITY),
    Site("G0007", "county", "H1", MeterKind.COUNTY_GATEWAY),
)
VOLTAGE_CLASS = {"county": "110kV", "station": "10(20)kV", "F1": "10(20)kV", "F2": "10(20)kV"}


def meter_id(number: int) -> str:
    """Return the id of the site at position `number`."""
    return f"M{number + 1:06d}"


def units() -> tuple[BalanceUnit, ...]:
    """The tree, 20 kV edges wide, each area with 100 % of its transformer down and 80 % up."""

    def area(unit_id: str, parent: str, element: str, kva: int, kind: UnitKind = UnitKind.AREA) -> BalanceUnit:
        return BalanceUnit(unit_id, parent, kind, "<1kV", kva * 200, kva * 250, (element,))

    return (
        BalanceUnit("county", None, UnitKind.COUNTY, "110kV", 10_000_000, 12_500_000, ()),
        BalanceUnit("station", "county", UnitKind.STATION, "10(20)kV", 10_000_000, 12_500_000, ("T1", "T2")),
        BalanceUnit("F1", "station", UnitKind.FEEDER, "10(20)kV", 1_500_000, 1_900_000, ("L1",)),
        BalanceUnit("F2", "station", UnitKind.FEEDER, "10(20)kV", 1_500_000, 1_900_000, ("L3",)),
        area("A001", "F1", "A1", 400),
        area("A002", "F1", "A2", 250),
        area("A003", "F2", "A3", 250),
        area("MG1", "F2", "A4", 160, UnitKind.MICROGRID),
    )


def registry(county: str = "toy") -> Registry:
    """The registry of the sites; every site has a participant of its own."""
    points, owners = [], []
    for number, site in enumerate(SITES):
        owner = f"P{number + 1:05d}"
        owners.append(Participant(owner, site.seller))
        points.append(
            MeteringPoint(
                meter_id=meter_id(number),
                gateway_id=site.gateway_id,
                unit_id=site.unit_id,
                bus=site.bus,
                kind=site.kind,
                channels=_channels(site),
                voltage_class=VOLTAGE_CLASS.get(site.unit_id, "<1kV"),
                participant_id=owner,
                supply_mode=site.supply,
                sale_mode=site.sale,
                category=UserCategory.COMMERCIAL_INDUSTRIAL if site.load_kw > 20 else UserCategory.RESIDENTIAL,
                clean=site.clean,
                export_capacity_w=5_000_000 if site.kind in BOUNDARY else 400_000,
                import_capacity_w=5_000_000 if site.kind in BOUNDARY else 400_000,
            )
        )
    names = sorted({site.gateway_id for site in SITES})
    gateways = tuple(
        Gateway(name, SHARD, mine[0].unit_id, tuple(point.meter_id for point in mine))
        for name in names
        for mine in [[point for point in points if point.gateway_id == name]]
    )
    return Registry(county, units(), gateways, tuple(points), tuple(owners))


def build_network() -> Network:
    """110 kV, two parallel transformers, a 20 kV busbar with two feeders, four low-voltage areas.

    E3 hangs on a long line: a strong sun lifts its voltage above the limit before A2 carries too much.
    """
    pandapower = importlib.import_module("pandapower")
    net = pandapower.create_empty_network(name="toy", f_hz=50.0)
    buses = {"H1": 110.0, "B1": 20.0, "M1": 20.0, "M2": 20.0, "M3": 20.0}
    buses |= dict.fromkeys(("N1", "E1", "E2", "N2", "E3", "E4", "N3", "E5", "E6", "N4"), 0.4)
    at = {name: pandapower.create_bus(net, kv, name=name) for name, kv in buses.items()}
    pandapower.create_ext_grid(net, at["H1"], vm_pu=1.0, name="grid")
    for name in ("T1", "T2"):
        _transformer(net, name, (at["H1"], at["B1"]), 25.0, (110.0, 20.0))
    for name, start, end, km in (("L1", "B1", "M1", 3.0), ("L2", "M1", "M2", 2.0), ("L3", "B1", "M3", 4.0)):
        pandapower.create_line_from_parameters(net, at[start], at[end], km, name=name, **MV_LINE)
    for name, high, low, mva in (("A1", "M1", "N1", 0.4), ("A2", "M2", "N2", 0.25), ("A3", "M3", "N3", 0.25)):
        _transformer(net, name, (at[high], at[low]), mva, (20.0, 0.4))
    _transformer(net, "A4", (at["M3"], at["N4"]), 0.16, (20.0, 0.4))
    for number, end in enumerate(("E1", "E2", "E3", "E4", "E5", "E6")):
        start, km = at[f"N{number // 2 + 1}"], 0.35 if end == "E3" else 0.06
        pandapower.create_line_from_parameters(net, start, at[end], km, name=f"C{number + 1}", **LV_LINE)
    return from_pandapower(net)


def write_county(folder: Path) -> Path:
    """Write network.json and registry.json into the folder and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    write_network(build_network(), folder / "network.json")
    (folder / "registry.json").write_bytes(encode_registry(registry()))
    return folder


@dataclass(frozen=True)
class Weather:
    """What drives an interval: shares of rated load and generation, per mille; meters whose power is given in W.

    net_w: meter id -> net export, instead of what the shares say.
    """

    load_per_mille: int = 1000
    sun_per_mille: int = 1000
    net_w: Mapping[str, int] | None = None


def weather_of(interval: int) -> Weather:
    """The toy day: load falls and the sun rises a little from interval to interval."""
    step = interval - FIRST
    return Weather(load_per_mille=1000 - 7 * step, sun_per_mille=700 + 11 * step)


class Physics:
    """The devices and their meters: exact registers in mW s, shown in whole Wh.

    limits: (interval, meter id) -> W, the setpoints that inverters obey; set them before the interval is run.
    """

    def __init__(self, county: Path, begin: int) -> None:
        self.network = _network(county / "network.json")
        self.registry = registry()
        self.limits: dict[tuple[int, str], int] = {}
        self._flow = PowerFlow(self.network)
        self._total = np.zeros((len(SITES), len(CHANNELS)), np.int64)
        self._total[:] = 12_345_678 * MJ_PER_WH + np.arange(len(SITES))[:, np.newaxis] * 777_777
        self._at = {begin: self._total // MJ_PER_WH}
        self.loss_w: dict[int, int] = {}
        self.generation_w: dict[int, int] = {}
        self.charge_w: dict[int, int] = {}
        self.net_w: dict[int, dict[str, int]] = {}
        self.offered_w: dict[int, list[int]] = {}
        self.now = begin

    def run(self, weather: Weather | None = None) -> None:
        """Let the next interval pass."""
        interval = self.now
        powers = self._powers(weather or weather_of(interval))
        self._solve(interval, powers)
        for channel, column in powers.items():
            self._total[:, CHANNELS.index(channel)] += column * SECONDS_PER_INTERVAL
        self.now += 1
        self._at[self.now] = self._total // MJ_PER_WH

    def run_until(self, interval: int) -> None:
        """Let the toy day pass until the interval begins."""
        while self.now < interval:
            self.run()

    def registers(self, interval: int) -> np.ndarray:
        """Return all registers at the start of the interval, shape (n_meters, n_channels)."""
        return self._at[interval]

    def readings(self, interval: int, gateway_id: str) -> tuple[Reading, ...]:
        """Return what the gateway reads at the start of the interval."""
        rows = self._at[interval]
        return tuple(
            Reading(
                point.meter_id,
                start_utc_s(interval),
                {channel: int(rows[row, CHANNELS.index(channel)]) for channel in point.channels},
            )
            for row, point in enumerate(self.registry.metering_points)
            if point.gateway_id == gateway_id
        )

    def _powers(self, weather: Weather) -> dict[str, np.ndarray]:
        """Return each channel's power in mW; the boundary meters' rows are still 0."""
        load = np.array([site.load_kw * weather.load_per_mille for site in SITES], np.int64) * 1000
        plant = np.array([site.plant_kw * weather.sun_per_mille for site in SITES], np.int64) * 1000
        battery = np.array([site.battery_kw for site in SITES], np.int64) * 300_000
        net = plant - load - battery
        for name, net_w in (weather.net_w or {}).items():
            row = int(name[1:]) - 1
            net[row] = net_w * 1000
            plant[row] = max(net[row] + load[row] + battery[row], 0)
        inside = np.array([site.kind is MeterKind.INTERNAL for site in SITES])
        gateway = next(row for row, site in enumerate(SITES) if site.kind is MeterKind.MICROGRID_GATEWAY)
        net[gateway] = net[inside].sum()
        self.offered_w[self.now] = (net // 1000).tolist()
        for (interval, name), limit_w in self.limits.items():
            row = int(name[1:]) - 1
            cut = net[row] - limit_w * 1000
            if interval != self.now or cut <= 0:
                continue
            net[row] -= cut
            if row == gateway:  # the microgrid's own plant stands behind a meter of its own
                row = next(row for row, site in enumerate(SITES) if site.kind is MeterKind.INTERNAL and site.plant_kw)
                net[row] -= cut
            plant[row] -= cut
        reactive = np.where(net < 0, -net // 5, 0)
        self.generation_w[self.now], self.charge_w[self.now] = int(plant.sum()) // 1000, int(battery.sum()) // 1000
        return {
            IMPORT: np.maximum(-net, 0),
            EXPORT: np.maximum(net, 0),
            REACTIVE_IMPORT: reactive,
            REACTIVE_EXPORT: np.zeros_like(net),
            GENERATION: np.where([GENERATION in _channels(site) for site in SITES], plant, 0),
            BATTERY_CHARGE: np.where([BATTERY_CHARGE in _channels(site) for site in SITES], battery, 0),
            BATTERY_DISCHARGE: np.zeros_like(net),
        }

    def _solve(self, interval: int, powers: dict[str, np.ndarray]) -> None:
        """Solve the network and give the boundary meters what flows past them."""
        position = self.network.bus_position
        p_mw, q_mvar = np.zeros((1, len(self.network.buses))), np.zeros((1, len(self.network.buses)))
        net = powers[EXPORT] - powers[IMPORT]
        for row, site in enumerate(SITES):
            if site.kind not in BOUNDARY and site.kind is not MeterKind.INTERNAL:
                p_mw[0, position[site.bus]] += net[row] / 1e9
                q_mvar[0, position[site.bus]] -= powers[REACTIVE_IMPORT][row] / 1e9
        result = self._flow.solve(p_mw, q_mvar)
        assert not result.failures, result.failures
        edge = {f"N{number}": self.network.transformers.name.index(f"A{number}") for number in (1, 2, 3)}
        for row, site in enumerate(SITES):
            if site.kind is MeterKind.AREA_SUMMARY:
                transformer = edge[site.bus]
                flow = (result.transformer_p_lv_mw[0, transformer], -result.transformer_q_lv_mvar[0, transformer])
            elif site.kind is MeterKind.COUNTY_GATEWAY:
                flow = (-result.source_p_mw[0].sum(), result.source_q_mvar[0].sum())
            else:
                continue
            export_mw, reactive_mw = (round(float(value) * 1e9) for value in flow)
            powers[IMPORT][row], powers[EXPORT][row] = max(-export_mw, 0), max(export_mw, 0)
            powers[REACTIVE_IMPORT][row] = max(reactive_mw, 0)
            powers[REACTIVE_EXPORT][row] = max(-reactive_mw, 0)
        self.loss_w[interval] = round(float(result.loss_mw[0]) * 1e6)
        self.net_w[interval] = {meter_id(row): int(value) // 1000 for row, value in enumerate(net)}


@functools.cache
def _network(path: Path) -> Network:
    return read_network(path)


def orders_at(
    physics: Physics,
    interval: int,
    *,
    sell_uyuan_per_kwh: int = 250_000,
    buy_uyuan_per_kwh: int = 700_000,
    sell_prices: Mapping[str, int] | None = None,
    skip: frozenset[str] = frozenset(),
) -> dict[str, tuple[Order, ...]]:
    """Return the orders for an interval by gateway: what each direct meter offered two intervals before, in lots.

    :param sell_prices: other prices of single sellers, by meter id
    :param skip: meters that place no order
    """
    net = physics.offered_w[interval - 2]
    found: dict[str, list[Order]] = {}
    for row, site in enumerate(SITES):
        energy_wh = abs(net[row]) // 40 * 10
        sells = net[row] > 0 and site.sale is _MODE_1
        buys = net[row] < 0 and site.supply is _DIRECT
        if not (sells or buys) or not energy_wh or meter_id(row) in skip:
            continue
        price = (sell_prices or {}).get(meter_id(row), sell_uyuan_per_kwh) if sells else buy_uyuan_per_kwh
        side = Side.SELL if sells else Side.BUY
        order = Order(meter_id(row), interval, 1, side, energy_wh, price, start_utc_s(interval - 1) - 900 + row)
        found.setdefault(site.gateway_id, []).append(order)
    return {gateway_id: tuple(orders) for gateway_id, orders in found.items()}


def positions() -> dict[str, int]:
    """Position of every unit in the tree, by id."""
    return {unit.unit_id: position for position, unit in enumerate(units_in_tree_order(registry()))}


def _channels(site: Site) -> tuple[str, ...]:
    extra: list[str] = []
    if site.kind is _BOTH and site.plant_kw:
        extra.append(GENERATION)
    if site.battery_kw:
        extra += [BATTERY_CHARGE, BATTERY_DISCHARGE]
    return (*METERED, *extra)


def _transformer(net: Any, name: str, buses: tuple[int, int], mva: float, kv: tuple[float, float]) -> None:
    importlib.import_module("pandapower").create_transformer_from_parameters(
        net,
        *buses,
        sn_mva=mva,
        vn_hv_kv=kv[0],
        vn_lv_kv=kv[1],
        vkr_percent=0.41 if mva > 1 else 1.2,
        vk_percent=12.0 if mva > 1 else 4.0,
        pfe_kw=14.0 if mva > 1 else 0.6,
        i0_percent=0.07 if mva > 1 else 0.24,
        shift_degree=150.0,
        name=name,
    )
