"""A county whose 110 kV level is a ring of three buses and whose one feeder is a ring too, run closed.

    H1 (grid) - H2 - H3 - H1; station S1 hangs on H2, station S2 on H3.
    From B3, the busbar of S2: B3 - M1 - M2 - B3, the feeder F1; area A001 hangs on M1, area A002 on M2.

Lines of one ring are alike, so that a bus's power parts 2 : 1 on its two ways.
"""

import importlib
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np

from edge.contract.interval import first_interval_of_day, start_utc_s
from edge.contract.messages import EXPORT, IMPORT, REACTIVE_EXPORT, REACTIVE_IMPORT
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
from grid_models.networks import from_pandapower, write_network
from hub.market.order_batch import DirectOrders
from hub.market.trades import Party, TradeSide
from hub.usecases.load_county import CountyModel
from hub.usecases.secured_interval import Gate, GateRules, Outlook

DAY = date(2016, 5, 17)
FIRST = first_interval_of_day(DAY) + 48
RULES = GateRules(0, 1_500_000, 1_000)
INDICATIVE = 300_000
WIDE_WH = 100_000_000
HV_RING_KA, MV_RING_KA = 0.16, 0.11
METERED = (IMPORT, EXPORT, REACTIVE_IMPORT, REACTIVE_EXPORT)


@dataclass(frozen=True)
class Site:
    """One metering point: a plant (direct, or in the PURCHASE book) or a load (direct, or in the SUPPLY book)."""

    unit_id: str
    bus: str
    sells: bool
    is_direct: bool = True
    clean: bool = True


SITES = (
    Site("S1", "B2", sells=True),
    Site("S1", "B2", sells=False),
    Site("S2", "B3", sells=True),
    Site("S2", "B3", sells=False),
    Site("S2", "B3", sells=False, is_direct=False),
    Site("A001", "N1", sells=True),
    Site("A001", "N1", sells=False, is_direct=False),
    Site("A002", "N2", sells=True),
    Site("A002", "N2", sells=True, is_direct=False),
    Site("A002", "N2", sells=False, is_direct=False),
    Site("county", "H1", sells=False, is_direct=False),
)
S1_PLANT, S1_LOAD, S2_PLANT, S2_LOAD, S2_SUPPLY, A1_PLANT, A1_LOAD, A2_PLANT, A2_BOOK, A2_LOAD, GATEWAY = range(11)
UNITS = ("county", "S1", "S2", "F1", "A001", "A002")


def meter_id(number: int) -> str:
    """Return the id of the site at position `number`."""
    return f"M{number + 1:06d}"


def registry() -> Registry:
    """The registry of the sites, one gateway for all."""

    def unit(name: str, parent: str | None, kind: UnitKind, kv: str, *elements: str) -> BalanceUnit:
        return BalanceUnit(name, parent, kind, kv, WIDE_WH, WIDE_WH, elements)

    units = (
        unit("county", None, UnitKind.COUNTY, "110kV"),
        unit("S1", "county", UnitKind.STATION, "10(20)kV", "T1"),
        unit("S2", "county", UnitKind.STATION, "10(20)kV", "T2"),
        unit("F1", "S2", UnitKind.FEEDER, "10(20)kV", "L1", "L3"),
        unit("A001", "F1", UnitKind.AREA, "<1kV", "A1"),
        unit("A002", "F1", UnitKind.AREA, "<1kV", "A2"),
    )
    points, owners = [], []
    for number, site in enumerate(SITES):
        owner = f"P{number + 1:05d}"
        is_gateway = site.unit_id == "county"
        owners.append(Participant(owner, SellerClass.INDEPENDENT_DG_DEVELOPER if site.sells else None))
        sale = SaleMode.DIRECT if site.is_direct else SaleMode.PURCHASE
        supply = SupplyMode.DIRECT if site.is_direct else SupplyMode.AGENCY
        points.append(
            MeteringPoint(
                meter_id=meter_id(number),
                gateway_id="G0001",
                unit_id=site.unit_id,
                bus=site.bus,
                kind=MeterKind.COUNTY_GATEWAY if is_gateway else MeterKind.GENERATOR if site.sells else MeterKind.LOAD,
                channels=METERED,
                voltage_class={"county": "110kV", "S1": "10(20)kV", "S2": "10(20)kV"}.get(site.unit_id, "<1kV"),
                participant_id=owner,
                supply_mode=SupplyMode.NONE if is_gateway else SupplyMode.AGENCY if site.sells else supply,
                sale_mode=sale if site.sells else SaleMode.NONE,
                category=None if is_gateway else UserCategory.COMMERCIAL_INDUSTRIAL,
                clean=site.clean and site.sells,
                export_capacity_w=200_000_000,
                import_capacity_w=200_000_000,
            )
        )
    gateway = Gateway("G0001", "s0", "county", tuple(point.meter_id for point in points))
    return Registry("ring", units, (gateway,), tuple(points), tuple(owners))


def write_county(folder: Path, *, r23: tuple[str, str] = ("H3", "H2")) -> Path:
    """Write network.json and registry.json and return the folder.

    :param r23: from and to bus of the line between the stations, which no path to the grid runs over
    """
    pandapower = importlib.import_module("pandapower")
    net = pandapower.create_empty_network(name="ring", f_hz=50.0)
    buses = {
        "H1": 110.0,
        "H2": 110.0,
        "H3": 110.0,
        "B2": 20.0,
        "B3": 20.0,
        "M1": 20.0,
        "M2": 20.0,
        "N1": 0.4,
        "N2": 0.4,
    }
    at = {name: pandapower.create_bus(net, kv, name=name) for name, kv in buses.items()}
    pandapower.create_ext_grid(net, at["H1"], vm_pu=1.0, name="grid")
    for name, (start, end) in (("R12", ("H1", "H2")), ("R23", r23), ("R13", ("H1", "H3"))):
        high = {"r_ohm_per_km": 0.06, "x_ohm_per_km": 0.4, "c_nf_per_km": 9.0, "max_i_ka": HV_RING_KA}
        pandapower.create_line_from_parameters(net, at[start], at[end], 10.0, name=name, **high)
    for name, start, end in (("L1", "B3", "M1"), ("L2", "M1", "M2"), ("L3", "M2", "B3")):
        medium = {"r_ohm_per_km": 0.1, "x_ohm_per_km": 0.12, "c_nf_per_km": 200.0, "max_i_ka": MV_RING_KA}
        pandapower.create_line_from_parameters(net, at[start], at[end], 2.0, name=name, **medium)
    for name, ends, mva in (
        ("T1", ("H2", "B2"), 120.0),
        ("T2", ("H3", "B3"), 120.0),
        ("A1", ("M1", "N1"), 12.0),
        ("A2", ("M2", "N2"), 12.0),
    ):
        kv = tuple(buses[end] for end in ends)
        pandapower.create_transformer_from_parameters(
            net, at[ends[0]], at[ends[1]], sn_mva=mva, vn_hv_kv=kv[0], vn_lv_kv=kv[1], vkr_percent=0.4,
            vk_percent=6.0, pfe_kw=1.0, i0_percent=0.05, shift_degree=150.0, name=name,
        )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    write_network(from_pandapower(net), folder / "network.json")
    (folder / "registry.json").write_bytes(encode_registry(registry()))
    return folder


def gate(
    model: CountyModel,
    net_kw: dict[int, int],
    *,
    prices: dict[int, int] | None = None,
    silent: frozenset[int] = frozenset(),
    rules: GateRules = RULES,
    interval: int = FIRST,
) -> Gate:
    """Return an interval in which every direct party orders what is expected of it.

    :param net_kw: net export by site; the others do nothing
    :param prices: limit prices by site; sellers ask 200 or 250, buyers bid 900 without one
    :param silent: sites that do as is expected and place no order
    """
    net_wh = np.zeros(len(SITES), np.int64)
    for site, power in net_kw.items():
        net_wh[site] = power * 250
    is_direct = np.array([site.is_direct for site in SITES]) & (np.arange(len(SITES)) != GATEWAY)
    meters = np.flatnonzero(is_direct & (net_wh != 0) & ~np.isin(np.arange(len(SITES)), list(silent)))
    given = {S1_PLANT: 200_000, A1_PLANT: 200_000, S2_PLANT: 250_000, A2_PLANT: 250_000} | (prices or {})
    sells = net_wh[meters] > 0
    assert (np.where(sells, model.points.sale[meters], model.points.supply[meters]) == Party.DIRECT).all()
    direct = DirectOrders(
        order_id=tuple(f"G0001/{interval}/{meter_id(meter)}/1" for meter in meters.tolist()),
        meter=meters,
        side=np.where(sells, TradeSide.SELL, TradeSide.BUY).astype(np.int8),
        energy_wh=np.abs(net_wh[meters]),
        price_uyuan_per_kwh=np.array([given.get(meter, 900_000) for meter in meters.tolist()], np.int64),
        submitted_utc_s=np.full(meters.size, start_utc_s(interval - 2)),
    )
    expected = Outlook(net_wh, np.where(net_wh < 0, net_wh // 10, 0), np.zeros(len(model.units), np.int64))
    return Gate(interval, direct, expected, rules, INDICATIVE)
