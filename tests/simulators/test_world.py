"""The world on the whole demo network: registers, balance, setpoints, comparison without control."""

from collections import defaultdict
from dataclasses import replace
from itertools import pairwise

import msgspec
import numpy as np
import pytest

from edge.contract.driver import Limited, LimitExport, ReadRegisters, Refused, Registers, encode_line
from edge.contract.interval import end_utc_s, first_interval_of_day, start_utc_s
from edge.contract.messages import (
    BATTERY_CHARGE,
    BATTERY_DISCHARGE,
    CHANNELS,
    EXPORT,
    GENERATION,
    IMPORT,
    Setpoint,
)
from edge.contract.registry import MeteringPoint, MeterKind
from grid_models.power_flow import PowerFlow
from simulators.world.devices import MJ_PER_WH
from simulators.world.model import WorldModel
from simulators.world.world import World

from .conftest import DAY

FIRST = first_interval_of_day(DAY)
NOON = FIRST + 48
LATE_MORNING = FIRST + 41
COLUMN = {channel: column for column, channel in enumerate(CHANNELS)}
MARKET = {MeterKind.LOAD, MeterKind.GENERATOR, MeterKind.PROSUMER, MeterKind.MICROGRID_GATEWAY}


def world_at(model: WorldModel, interval: int) -> World:
    return World(model, start_utc_s(interval))


def passed(world: World, intervals: int = 1) -> np.ndarray:
    """Let intervals pass; return what each register gained, mJ."""
    before = world.registers_mj()
    world.advance(world.now_utc_s + 900 * intervals)
    return world.registers_mj() - before


def setpoints_by_gateway(model: WorldModel, limits: dict[int, int]) -> dict[str, tuple[Setpoint, ...]]:
    by_gateway = defaultdict(list)
    for position, limit_w in limits.items():
        point = model.registry.metering_points[position]
        by_gateway[point.gateway_id].append(Setpoint(point.meter_id, limit_w))
    return {gateway: tuple(setpoints) for gateway, setpoints in by_gateway.items()}


def limit(world: World, model: WorldModel, interval: int, limits: dict[int, int]) -> None:
    for gateway, setpoints in setpoints_by_gateway(model, limits).items():
        answer = world.limit(LimitExport(gateway, interval, setpoints))
        assert isinstance(answer, Limited)
        assert [acknowledgement.outcome for acknowledgement in answer.acknowledgements] == ["ok"] * len(setpoints)


def positions(model: WorldModel, kind: MeterKind, channel: str = IMPORT) -> list[int]:
    return [n for n, p in enumerate(model.registry.metering_points) if p.kind is kind and channel in p.channels]


def every_reading(world: World, model: WorldModel, instant_utc_s: int) -> bytes:
    return b"".join(
        encode_line(world.read(ReadRegisters(gateway.gateway_id, instant_utc_s))) for gateway in model.registry.gateways
    )


def test_same_seed_gives_the_same_registers_to_the_byte_and_another_seed_does_not(model: WorldModel) -> None:
    def day_part(of: WorldModel) -> bytes:
        world = world_at(of, NOON)
        limit(world, of, NOON + 1, dict.fromkeys(positions(of, MeterKind.GENERATOR), 0))
        world.advance(start_utc_s(NOON + 4))
        return b"".join(every_reading(world, of, start_utc_s(NOON + k)) for k in range(5))

    assert day_part(model) == day_part(model)
    assert day_part(replace(model, seed=model.seed + 1)) != day_part(model)


def test_advancing_step_by_step_again_or_at_once_is_the_same(model: WorldModel) -> None:
    steps, leap = world_at(model, NOON), world_at(model, NOON)
    for k in (1, 1, 2, 0, 3):
        steps.advance(start_utc_s(NOON + k) + 899)
    leap.advance(start_utc_s(NOON + 3))
    assert steps.now_utc_s == leap.now_utc_s == start_utc_s(NOON + 3)
    assert np.array_equal(steps.registers_mj(), leap.registers_mj())
    assert steps.summary() == leap.summary()


def test_registers_balance_with_the_loss_of_the_network(model: WorldModel) -> None:
    points = model.registry.metering_points
    world = world_at(model, NOON)
    power_flow = PowerFlow(model.network)
    for interval in (NOON, NOON + 1):
        start_wh = registers_wh(world, model)
        gained = passed(world)
        difference_wh = registers_wh(world, model) - start_wh
        market = [position for position, point in enumerate(points) if point.kind in MARKET]
        gateway = difference_wh[model.county_gateway]
        loss_wh = (
            gateway[COLUMN[IMPORT]]
            + difference_wh[market, COLUMN[EXPORT]].sum()
            - gateway[COLUMN[EXPORT]]
            - difference_wh[market, COLUMN[IMPORT]].sum()
        )
        branch_loss_wh = branch_losses_mw(model, power_flow, gained).sum() * 250_000
        inside_wh = world.records()[-1].loss_inside_microgrids_mw * 900 / MJ_PER_WH
        assert 0 < loss_wh < 0.1 * difference_wh[market].sum()
        assert 0 <= inside_wh < 0.1 * branch_loss_wh
        # Each of 6,000 registers shows whole Wh: the sum is off by about 0.4 Wh times sqrt(6,000).
        assert loss_wh == pytest.approx(branch_loss_wh - inside_wh, abs=150)
        exact_mj = world.records()[-1].state.loss_mw * 900
        assert exact_mj == pytest.approx(branch_loss_wh * MJ_PER_WH, rel=1e-5)
        assert interval == world.records()[-1].interval


def registers_wh(world: World, model: WorldModel) -> np.ndarray:
    rows = np.zeros((model.n_points, len(CHANNELS)), np.int64)
    position = {point.meter_id: n for n, point in enumerate(model.registry.metering_points)}
    for gateway in model.registry.gateways:
        answer = world.read(ReadRegisters(gateway.gateway_id, world.now_utc_s))
        assert isinstance(answer, Registers)
        for reading in answer.readings:
            for channel, value in reading.registers.items():
                rows[position[reading.meter], COLUMN[channel]] = value
    return rows


def branch_losses_mw(model: WorldModel, power_flow: PowerFlow, gained_mj: np.ndarray) -> np.ndarray:
    """Solve again from what the meters registered, and return what goes into each branch and does not come out."""
    mega = gained_mj / 900 / 1e9
    p_mw, q_mvar = np.zeros((1, len(model.network.buses))), np.zeros((1, len(model.network.buses)))
    devices = model.device_points
    np.add.at(p_mw[0], model.bus[devices], (mega[:, COLUMN[EXPORT]] - mega[:, COLUMN[IMPORT]])[devices])
    np.add.at(q_mvar[0], model.bus[devices], (mega[:, 3] - mega[:, 2])[devices])
    result = power_flow.solve(p_mw, q_mvar)
    lines = result.line_p_from_mw[0] + result.line_p_to_mw[0]
    return np.concatenate([lines, result.transformer_p_hv_mw[0] + result.transformer_p_lv_mw[0]])


def test_every_area_balances_at_its_summary_meter(model: WorldModel) -> None:
    points = model.registry.metering_points
    gained = passed(world_at(model, NOON), 2)
    net_mj = gained[:, COLUMN[IMPORT]] - gained[:, COLUMN[EXPORT]]
    members = defaultdict(list)
    for position, point in enumerate(points):
        if point.kind in {MeterKind.LOAD, MeterKind.PROSUMER, MeterKind.GENERATOR, MeterKind.INTERNAL}:
            members[point.unit_id].append(position)
    edges = [n for n, p in enumerate(points) if p.kind in {MeterKind.AREA_SUMMARY, MeterKind.MICROGRID_GATEWAY}]
    assert len(edges) == 90
    for edge in edges:
        inside = members[points[edge].unit_id]
        loss_mj = net_mj[edge] - net_mj[inside].sum()
        assert 0 <= loss_mj <= 0.06 * np.abs(net_mj[inside]).sum(), points[edge].unit_id


def test_what_stands_behind_a_meter_agrees_with_its_registers(model: WorldModel) -> None:
    world = world_at(model, FIRST + 76)  # evening: batteries discharge
    demand = model.demand(FIRST + 76)
    gained = passed(world)
    inner = gained[:, COLUMN[IMPORT]] - gained[:, COLUMN[EXPORT]] + gained[:, COLUMN[GENERATION]]
    inner += gained[:, COLUMN[BATTERY_DISCHARGE]] - gained[:, COLUMN[BATTERY_CHARGE]]
    assert np.array_equal(inner[model.device_points], demand.load_mw[model.device_points] * 900)
    assert gained[:, COLUMN[BATTERY_DISCHARGE]].sum() > 0
    plants = positions(model, MeterKind.GENERATOR)
    assert np.array_equal(gained[plants, COLUMN[EXPORT]], demand.available_mw[plants] * 900)
    assert not np.any((gained[:, COLUMN[IMPORT]] > 0) & (gained[:, COLUMN[EXPORT]] > 0))


def test_a_setpoint_caps_net_export_and_self_use_is_not_cut(model: WorldModel) -> None:
    plants = positions(model, MeterKind.GENERATOR)
    prosumers = positions(model, MeterKind.PROSUMER, GENERATION)
    free = passed(world_at(model, NOON))
    limits = {
        position: int(free[position, COLUMN[EXPORT]]) // 900 // 1000 // 8 * 4
        for position in plants[::2] + prosumers[::2]
        if free[position, COLUMN[EXPORT]] > 0
    }
    assert len(limits) > 100
    world = world_at(model, NOON)
    limit(world, model, NOON, limits)
    held = passed(world)
    after = passed(world)
    unlimited = np.setdiff1d(model.device_points, list(limits))
    assert np.array_equal(held[unlimited], free[unlimited])
    for position, limit_w in limits.items():
        # A multiple of 4 W is whole Wh in an interval: the register gains exactly the limit, whatever its remainder.
        assert held[position, COLUMN[EXPORT]] == limit_w // 4 * MJ_PER_WH
        assert held[position, COLUMN[IMPORT]] == 0
        self_use_free = free[position, COLUMN[GENERATION]] - free[position, COLUMN[EXPORT]]
        self_use_held = held[position, COLUMN[GENERATION]] - held[position, COLUMN[EXPORT]]
        assert self_use_held == self_use_free >= 0
    # The limit holds for its interval only.
    assert after[list(limits), COLUMN[EXPORT]].sum() > 1.5 * held[list(limits), COLUMN[EXPORT]].sum()


def test_a_setpoint_on_the_microgrid_holds_at_its_gateway(model: WorldModel) -> None:
    (microgrid,) = model.microgrids
    interval = FIRST + 56  # the battery is about full, the sun still high
    world = world_at(model, FIRST + 28)
    world.advance(start_utc_s(interval))
    limit(world, model, interval, {microgrid.gateway: 8_000})
    undisturbed = world_at(model, FIRST + 28)
    undisturbed.advance(start_utc_s(interval))
    free, held = passed(undisturbed), passed(world)
    exported_mj = held[microgrid.gateway, COLUMN[EXPORT]]
    assert free[microgrid.gateway, COLUMN[EXPORT]] > 2000 * MJ_PER_WH
    assert 0.9 * 2000 * MJ_PER_WH < exported_mj <= 2000 * MJ_PER_WH
    assert np.array_equal(
        held[microgrid.inside, COLUMN[BATTERY_CHARGE]], free[microgrid.inside, COLUMN[BATTERY_CHARGE]]
    )
    curtailed = world.records()[-1].powers.curtailed_mw
    assert set(np.flatnonzero(curtailed).tolist()) <= set(microgrid.inside.tolist())
    assert curtailed.sum() * 900 == pytest.approx(free[microgrid.gateway, COLUMN[EXPORT]] - exported_mj, rel=0.05)


def test_the_comparison_without_control_is_the_world_that_nobody_limited(model: WorldModel) -> None:
    undisturbed, controlled = world_at(model, LATE_MORNING), world_at(model, LATE_MORNING)
    limits = dict.fromkeys(positions(model, MeterKind.GENERATOR) + positions(model, MeterKind.PROSUMER, GENERATION), 0)
    for interval in (LATE_MORNING + 1, LATE_MORNING + 2):
        limit(controlled, model, interval, limits)
    undisturbed.advance(start_utc_s(LATE_MORNING + 4))
    controlled.advance(start_utc_s(LATE_MORNING + 4))
    free, held = undisturbed.summary(), controlled.summary()
    assert held["without_control"] == free["without_control"] == free["with_control"]
    assert free["without_control"]["worst_transformer"]["value"] > 1.3
    assert free["without_control"]["highest_voltage"]["value"] > 1.08
    part = controlled.summary(LATE_MORNING + 1, LATE_MORNING + 3)
    assert part["intervals"] == 2
    assert part["with_control"]["worst_transformer"]["value"] < 0.8
    assert part["with_control"]["transformers_overloaded"] == 0 < part["without_control"]["transformers_overloaded"]
    assert free["curtailed_meters"] == 0 < held["curtailed_meters"] <= len(limits)
    assert held["limited_meter_intervals"] == 2 * len(limits)
    top = held["curtailed_by_meter"]
    assert [row["wh"] for row in top] == sorted((row["wh"] for row in top), reverse=True)


def test_totals_balance(model: WorldModel) -> None:
    world = world_at(model, FIRST)
    limit(world, model, FIRST + 5, dict.fromkeys(positions(model, MeterKind.GENERATOR), 1000))
    gained = passed(world, 8)
    energy = world.summary()["energy_wh"]
    supplied = energy["generation"] + energy["gateway_import"] + energy["battery_discharge"]
    used = energy["load"] + energy["gateway_export"] + energy["battery_charge"] + energy["loss"]
    assert abs(supplied - used) <= 5
    assert energy["available"] - energy["curtailed"] == pytest.approx(energy["generation"], abs=1)
    assert energy["curtailed"] > 0
    imported_wh = gained[model.county_gateway, COLUMN[IMPORT]] / MJ_PER_WH
    assert energy["gateway_import"] == pytest.approx(imported_wh, abs=1)
    assert msgspec.json.decode(msgspec.json.encode(world.summary())) == world.summary()


def test_registers_show_whole_wh_and_never_drift(model: WorldModel) -> None:
    world = world_at(model, NOON)
    shown, exact_start = [registers_wh(world, model)], world.registers_mj()
    for _ in range(6):
        passed(world)
        shown.append(registers_wh(world, model))
    carried = [n for n, point in enumerate(model.registry.metering_points) if GENERATION in point.channels]
    exact = world.registers_mj()
    assert np.array_equal(shown[-1][carried], exact[carried] // MJ_PER_WH * (shown[-1][carried] > 0))
    gained_wh = (shown[-1] - shown[0])[carried]
    assert np.all(np.abs(gained_wh - (exact - exact_start)[carried] * (shown[0][carried] > 0) / MJ_PER_WH) < 1)
    assert all(np.all(later >= earlier) for earlier, later in pairwise(shown))
    assert np.all(shown[0] < 10**12)
    assert shown[0].max() > 10**6


def test_registers_are_answered_at_kept_instants_only(model: WorldModel) -> None:
    world = world_at(model, NOON)
    gateway = model.registry.gateways[5].gateway_id
    first = world.read(ReadRegisters(gateway, start_utc_s(NOON)))
    world.advance(start_utc_s(NOON + 3))
    assert world.read(ReadRegisters(gateway, start_utc_s(NOON))) == first
    assert isinstance(world.read(ReadRegisters(gateway, end_utc_s(NOON))), Registers)
    for instant in (start_utc_s(NOON + 4), start_utc_s(NOON) + 1, start_utc_s(NOON - 1)):
        assert isinstance(world.read(ReadRegisters(gateway, instant)), Refused)
    assert isinstance(world.read(ReadRegisters("G9999", start_utc_s(NOON))), Refused)


def test_a_reading_has_every_meter_of_the_gateway_with_its_channels(model: WorldModel) -> None:
    world = world_at(model, NOON)
    by_id: dict[str, MeteringPoint] = {point.meter_id: point for point in model.registry.metering_points}
    for gateway in model.registry.gateways:
        answer = world.read(ReadRegisters(gateway.gateway_id, world.now_utc_s))
        assert isinstance(answer, Registers)
        assert tuple(reading.meter for reading in answer.readings) == gateway.meter_ids
        for reading in answer.readings:
            assert tuple(reading.registers) == by_id[reading.meter].channels


def test_each_setpoint_gets_its_own_outcome(model: WorldModel) -> None:
    world = world_at(model, NOON)
    points = model.registry.metering_points
    plant = points[positions(model, MeterKind.GENERATOR)[-1]]
    summary_meter = next(p for p in points if p.kind is MeterKind.AREA_SUMMARY and p.gateway_id == plant.gateway_id)
    elsewhere = next(p for p in points if p.kind is MeterKind.GENERATOR and p.gateway_id != plant.gateway_id)
    request = LimitExport(
        plant.gateway_id,
        NOON,
        (
            Setpoint(plant.meter_id, 100),
            Setpoint(summary_meter.meter_id, 100),
            Setpoint(elsewhere.meter_id, 100),
            Setpoint("M999999", 100),
            Setpoint(plant.meter_id, -1),
        ),
    )
    outcomes = ["ok", "not-controllable", "foreign-meter", "unknown-meter", "negative"]
    for _ in range(2):
        answer = world.limit(request)
        assert isinstance(answer, Limited)
        assert [acknowledgement.outcome for acknowledgement in answer.acknowledgements] == outcomes
    world.advance(start_utc_s(NOON + 1))
    late = LimitExport(plant.gateway_id, NOON, (Setpoint(plant.meter_id, 100), Setpoint(plant.meter_id, 200)))
    answer = world.limit(late)
    assert isinstance(answer, Limited)
    assert [acknowledgement.outcome for acknowledgement in answer.acknowledgements] == ["ok", "interval-over"]
    assert isinstance(world.limit(LimitExport("G9999", NOON, ())), Refused)
