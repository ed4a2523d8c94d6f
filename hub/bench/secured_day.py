"""The benchmark `secured`: a network-secured day of the reference county, each metering point an order, by stage.

96 intervals of one day of SimBench profiles on the county's network (32,802 buses): each load bids for what it uses,
each plant offers what it can make, prices are drawn once. All intervals go through the market's loop together: orders,
clearing, AC check, tightened limits, curtailment, pairs. The peer is the same loop interval by interval.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Final

import numpy as np

from edge.contract.interval import first_interval_of_day, start_utc_s
from edge.contract.registry import (
    BalanceUnit,
    Gateway,
    MeteringPoint,
    MeterKind,
    Participant,
    Registry,
    SaleMode,
    SupplyMode,
    UnitKind,
)
from grid_models.bench.machine import versions_of
from grid_models.bench.measuring import BenchError, Comparison, Contender, Outcome, Show, Timed, Workbench, time_in_turn
from grid_models.elements import FloatArray, NetworkError
from grid_models.networks import Network, simbench_network
from grid_models.reference_networks import reference_network, reference_profiles
from grid_models.security import CheckedState, SecurityModel
from grid_models.simbench_profiles import NetworkProfiles, network_profiles
from grid_models.topology import BalanceUnits, balance_units
from hub.market.network_fee import network_fees
from hub.market.order_batch import DirectOrders
from hub.market.registry_columns import balance_tree, metering_points, parents_of
from hub.market.trades import Int64Array, TradeSide
from hub.settlement.accounts import account_table
from hub.settlement.inputs import standing_from_registry
from hub.settlement.prices import resolve_parameters
from hub.usecases.clear_interval import clear_interval
from hub.usecases.load_county import INTERVALS_AN_HOUR, NONE, CountyModel, channels_present, demo_parameters
from hub.usecases.secure_day import secure_day
from hub.usecases.secured_interval import ClearedInterval, Gate, GateRules, Outlook
from hub.usecases.stage_times import Stage

DAY: Final = date(2016, 5, 17)
"""A sunny, windy day of the profiles, on which every kind of limit is breached by export in most intervals."""

SEED: Final = 3
SMALL: Final = "1-LV-rural1--0-sw"
INTERVALS_A_DAY: Final = 96
SMALL_INTERVALS: Final = 6
PEER_INTERVALS: Final = 4
RULES: Final = GateRules(0, 1_500_000, 1_000)
INDICATIVE_UYUAN_PER_KWH: Final = 350_000
SELLERS_YUAN_PER_MWH: Final = (150, 350)
BUYERS_YUAN_PER_MWH: Final = (500, 750)


@dataclass(frozen=True, eq=False)
class SecuredDayCase:
    """A county and what is known at the gate closure of each of its intervals."""

    county: CountyModel
    gates: tuple[Gate, ...]
    text: str


def measure(workbench: Workbench) -> Outcome:
    """Measure the day in one batch against interval by interval, and each stage's share of it.

    :raises BenchError: if the network cannot be had, a state has no solution, or the two differ
    """
    try:
        case = secured_day_case(small=workbench.small)
    except NetworkError as error:
        raise BenchError(str(error)) from None
    sample = case.gates[:: max(1, len(case.gates) // PEER_INTERVALS)]
    days: list[_Day] = []
    ours, theirs = time_in_turn(
        Contender("one batch", lambda _run: partial(_run_day, case, sample, days), len(case.gates)),
        Contender("interval by interval", lambda _run: partial(_one_by_one, case, sample), len(sample)),
        runs=1,
        peer_runs=1,
    )
    day = days[-1]
    _require_same(day, case, sample)
    what = f"a secured day: {len(case.gates)} intervals, {day.n_orders:,} orders"
    agreed = f"fills, prices, limits, setpoints, pairs and checked states of {len(sample)} intervals"
    comparisons = [Comparison(what, Show.MILLISECONDS, "intervals", ours, theirs, agreed)]
    comparisons += [
        Comparison(
            f"of it: {stage.value} ({seconds / sum(day.seconds.values()):.1%})",
            Show.MILLISECONDS,
            "intervals",
            Timed(stage.value, (seconds,), (seconds,), len(case.gates)),
            None,
            "",
        )
        for stage, seconds in day.seconds.items()
        if seconds > 0
    ]
    notes = (case.text, *day.notes(), "Reading the network, drawing the orders and forecasting losses is not timed.")
    return Outcome(tuple(comparisons), versions_of(("numpy", "scipy", "power-grid-model")), notes)


def secured_day_case(*, small: bool) -> SecuredDayCase:
    """Return the county's day, or a tiny network's few intervals.

    :raises NetworkError: if the network cannot be had
    :raises BenchError: if a state of the day has no AC solution
    """
    if small:
        network = simbench_network(SMALL)
        profiles = network_profiles(network)
    else:
        network, profiles = reference_network("county"), reference_profiles("county")
    county = county_of(network)
    gates = _gates(county, profiles, SMALL_INTERVALS if small else INTERVALS_A_DAY)
    text = (
        f"Network: {network.name}: {len(network.buses):,} buses, {len(county.units):,} balance units, "
        f"{len(county.points.meter_id):,} metering points."
    )
    return SecuredDayCase(county, gates, text)


def county_of(network: Network) -> CountyModel:
    """Return the network as a county: a direct user at each load, a mode 1 seller at each plant."""
    found = balance_units(network)
    units = _registered_units(found)
    registry = _registry(network, found, units)
    parameters = resolve_parameters(demo_parameters(), province="demo", day=DAY, gateway_class=units[0].voltage_class)
    fees = network_fees(
        unit_id=[unit.unit_id for unit in units],
        parent=parents_of(units),
        voltage_class=[unit.voltage_class for unit in units],
        tariff_uyuan_per_kwh=dict(
            zip(parameters.voltage_class, parameters.network_tariff_uyuan_per_kwh.tolist(), strict=True)
        ),
    )
    tree = balance_tree(units, fees)
    accounts = account_table(row.participant_id for row in registry.participants)
    return CountyModel(
        day=DAY,
        registry=registry,
        units=units,
        tree=tree,
        fees=fees,
        points=metering_points(registry, tree, fees),
        accounts=accounts,
        standing=standing_from_registry(registry, tree.unit_id, parameters.voltage_class, accounts),
        parameters=parameters,
        security=SecurityModel(
            network,
            unit_parent=tree.parent.tolist(),
            unit_elements=[unit.elements for unit in units],
            unit_export_limit_w=[_limit_w(unit.export_limit_wh) for unit in units],
            unit_import_limit_w=[_limit_w(unit.import_limit_wh) for unit in units],
            point_bus=[point.bus for point in registry.metering_points],
        ),
        market_meters=np.arange(len(registry.metering_points)),
        boundary_meter=np.full(len(units), NONE),
        channel_present=channels_present(registry),
    )


@dataclass(frozen=True, eq=False)
class _Day:
    """What the batch found and took. digests: of the sampled intervals."""

    digests: tuple[str, ...]
    seconds: dict[Stage, float]
    n_orders: int
    rounds: tuple[int, ...]
    breaches_before: int
    breaches_after: int
    limits_asked: int
    cut_wh: int
    sold_wh: int

    def notes(self) -> tuple[str, ...]:
        """Return what the day was like, for the reader."""
        breaches = f"{self.breaches_before:,} before, {self.breaches_after:,} after"
        rounds = f"{min(self.rounds)} to {max(self.rounds)}, {sum(self.rounds)} in all"
        cut = f"{self.cut_wh / 1e6:,.3f} MWh of {self.sold_wh / 1e6:,.1f} MWh sold"
        return (
            f"Breaches by export in the expected states: {breaches}; clearings of an interval: {rounds}.",
            f"{self.limits_asked:,} limits were asked for; {cut} were curtailed after the last clearing.",
        )


def _run_day(case: SecuredDayCase, sample: Sequence[Gate], days: list[_Day]) -> None:
    sampled = {gate.interval for gate in sample}
    seconds = dict.fromkeys(Stage, 0.0)
    digests: list[str] = []
    rounds: list[int] = []
    totals = np.zeros(6, np.int64)
    for cleared in secure_day(case.county, case.gates):
        if cleared.interval in sampled:
            digests.append(digest_of(cleared))
        for stage, taken in cleared.stages.seconds.items():
            seconds[stage] += taken
        rounds.append(cleared.rounds)
        sells = cleared.orders.side == TradeSide.SELL
        totals += [
            cleared.orders.energy_wh.size,
            _export_breaches(cleared.before),
            _export_breaches(cleared.after),
            len(cleared.asked),
            int(cleared.cut_wh.sum()),
            int(cleared.filled_wh[sells].sum()),
        ]
    n_orders, before, after, asked, cut_wh, sold_wh = totals.tolist()
    days.append(_Day(tuple(digests), seconds, n_orders, tuple(rounds), before, after, asked, cut_wh, sold_wh))


def _one_by_one(case: SecuredDayCase, gates: Iterable[Gate]) -> list[ClearedInterval]:
    return [
        clear_interval(
            county=case.county,
            interval=gate.interval,
            direct=gate.direct,
            expected=gate.expected,
            rules=gate.rules,
            indicative_uyuan_per_kwh=gate.indicative_uyuan_per_kwh,
        )
        for gate in gates
    ]


def _require_same(day: _Day, case: SecuredDayCase, sample: Sequence[Gate]) -> None:
    for gate, digest, alone in zip(sample, day.digests, _one_by_one(case, sample), strict=True):
        if digest_of(alone) != digest:
            raise BenchError(f"interval {gate.interval}: cleared in a batch it differs from cleared alone")


def digest_of(cleared: ClearedInterval) -> str:
    """Return the SHA-256 of what an interval's clearing found, times left out."""
    found = hashlib.sha256()
    arrays: list[Int64Array] = [cleared.filled_wh, cleared.cut_wh, cleared.setpoint_wh, cleared.curtailed_wh]
    arrays += [cleared.tree.export_limit_wh, cleared.pairs.seller, cleared.pairs.buyer, cleared.pairs.energy_wh]
    arrays += [cleared.pairs.price_paid_uyuan_per_kwh, cleared.pairs.price_received_uyuan_per_kwh]
    arrays += [cleared.result.price_uyuan_per_kwh, cleared.result.flow_up_wh, cleared.book_fills.export_wh]
    for state in (cleared.before, cleared.after):
        if isinstance(state, CheckedState):
            arrays += [state.p_w, state.unit_export_w, state.unit_loss_w]
            found.update(repr(state.violations).encode())
        else:
            found.update(repr(state).encode())
    for array in arrays:
        found.update(np.ascontiguousarray(array).tobytes())
    found.update(repr((cleared.rounds, cleared.cause, cleared.asked)).encode())
    return found.hexdigest()


def _gates(county: CountyModel, profiles: NetworkProfiles, n_intervals: int) -> tuple[Gate, ...]:
    first_row = (DAY - date(DAY.year, 1, 1)).days * INTERVALS_A_DAY
    rows = first_row + np.linspace(0, INTERVALS_A_DAY, n_intervals, endpoint=False).astype(np.int64)
    load_p, load_q, plant_p = (
        np.concatenate([series.rows(row, row + 1) for row in rows.tolist()])
        for series in (profiles.load_p, profiles.load_q, profiles.generator_p)
    )
    net_wh = _wh(np.concatenate([-load_p, plant_p], axis=1))
    reactive_varh = _wh(np.concatenate([-load_q, np.zeros_like(plant_p)], axis=1))
    states = county.security.check_states(net_wh * INTERVALS_AN_HOUR, reactive_varh * INTERVALS_AN_HOUR)
    draws = np.random.default_rng(SEED)
    n_meters = net_wh.shape[1]
    asks = _drawn_uyuan_per_kwh(draws, SELLERS_YUAN_PER_MWH, n_meters)
    bids = _drawn_uyuan_per_kwh(draws, BUYERS_YUAN_PER_MWH, n_meters)
    order_id = tuple(f"{meter_id}/1" for meter_id in county.points.meter_id)
    gates = []
    for number, state in enumerate(states):
        if not isinstance(state, CheckedState):
            raise BenchError(f"row {rows[number]} has no AC solution: {state.reason}")
        interval = first_interval_of_day(DAY) + int(rows[number]) - first_row
        meters = np.flatnonzero(net_wh[number])
        energy_wh = net_wh[number, meters]
        direct = DirectOrders(
            order_id=tuple(order_id[meter] for meter in meters.tolist()),
            meter=meters,
            side=np.where(energy_wh > 0, TradeSide.SELL, TradeSide.BUY).astype(np.int8),
            energy_wh=np.abs(energy_wh),
            price_uyuan_per_kwh=np.where(energy_wh > 0, asks[meters], bids[meters]),
            submitted_utc_s=np.full(meters.size, start_utc_s(interval - 2)),
        )
        expected = Outlook(net_wh[number], reactive_varh[number], state.unit_loss_w // INTERVALS_AN_HOUR)
        gates.append(Gate(interval, direct, expected, RULES, INDICATIVE_UYUAN_PER_KWH))
    return tuple(gates)


def _drawn_uyuan_per_kwh(draws: np.random.Generator, bounds_yuan_per_mwh: tuple[int, int], n: int) -> Int64Array:
    low, high = bounds_yuan_per_mwh
    return draws.integers(low, high, size=n).astype(np.int64) * 1_000


def _registered_units(found: BalanceUnits) -> tuple[BalanceUnit, ...]:
    return tuple(
        BalanceUnit(
            unit_id=unit_id,
            parent_id=None if parent < 0 else found.unit_id[parent],
            kind=UnitKind(kind.value),
            voltage_class=voltage_class,
            export_limit_wh=_limit_wh(export_mw),
            import_limit_wh=_limit_wh(import_mw),
            elements=elements,
        )
        for unit_id, parent, kind, voltage_class, export_mw, import_mw, elements in zip(
            found.unit_id,
            found.parent.tolist(),
            found.kind,
            found.voltage_class,
            found.export_limit_mw.tolist(),
            found.import_limit_mw.tolist(),
            found.elements,
            strict=True,
        )
    )


def _registry(network: Network, found: BalanceUnits, units: tuple[BalanceUnit, ...]) -> Registry:
    """Return a registry with one gateway, one owner, a load meter at each load and a plant's at each plant."""
    buses = [*network.loads.bus.tolist(), *network.generators.bus.tolist()]
    powers_mw = [*network.loads.p_mw.tolist(), *network.generators.p_mw.tolist()]
    points = []
    for number, (bus, p_mw) in enumerate(zip(buses, powers_mw, strict=True)):
        is_load = number < len(network.loads)
        unit = units[int(found.unit_of_bus[bus])]
        points.append(
            MeteringPoint(
                meter_id=f"M{number + 1:06d}",
                gateway_id="G0001",
                unit_id=unit.unit_id,
                bus=network.buses.name[bus],
                kind=MeterKind.LOAD if is_load else MeterKind.GENERATOR,
                channels=(),
                voltage_class=unit.voltage_class,
                participant_id="P00001",
                supply_mode=SupplyMode.DIRECT if is_load else SupplyMode.NONE,
                sale_mode=SaleMode.NONE if is_load else SaleMode.DIRECT,
                category=None,
                clean=not is_load,
                export_capacity_w=0 if is_load else round(abs(p_mw) * 1e6),
                import_capacity_w=round(abs(p_mw) * 1e6) if is_load else 0,
            )
        )
    gateway = Gateway("G0001", "s0", units[0].unit_id, tuple(point.meter_id for point in points))
    return Registry("bench", units, (gateway,), tuple(points), (Participant("P00001", None),))


def _export_breaches(state: object) -> int:
    if not isinstance(state, CheckedState):
        return 1
    return sum(one.direction.value == "export" for one in state.violations)


def _wh(power_mw: FloatArray) -> Int64Array:
    return np.asarray(np.rint(power_mw * 1e6 / INTERVALS_AN_HOUR), dtype=np.int64)


def _limit_wh(limit_mw: float) -> int | None:
    return round(limit_mw * 1e6) // INTERVALS_AN_HOUR if np.isfinite(limit_mw) else None


def _limit_w(limit_wh: int | None) -> int | None:
    return None if limit_wh is None else limit_wh * INTERVALS_AN_HOUR
