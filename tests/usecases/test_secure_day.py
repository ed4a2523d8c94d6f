"""Many intervals in one batch: byte for byte what each gives alone, and only those that need it are checked again."""

from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from enum import Enum

import numpy as np
import pytest

from edge.contract.interval import start_utc_s
from grid_models.security import CheckedState, LimitKind, UnsolvedState
from hub.market.curtailment import CurtailmentPolicy, CurtailmentRule
from hub.market.order_batch import DirectOrders
from hub.market.security import LimitCoverage
from hub.market.trades import Party, TradeSide
from hub.usecases import clear_interval as module
from hub.usecases.clear_interval import clear_interval
from hub.usecases.run_gate import market_violations
from hub.usecases.secure_day import secure_day
from hub.usecases.secured_interval import Gate, GateRules, Outlook
from hub.usecases.stage_times import Stage

RULES = GateRules(0, 1_500_000, 1_000)
A002_SELLER, A002_OWN_PLANT, A002_LOAD = 6, 7, 5
CALM, SUNNY, REVERSE, HIGH, LOADED, UNSOLVED = (
    {},
    {A002_SELLER: 150_000, A002_OWN_PLANT: 90_000},
    {A002_SELLER: 170_000, A002_OWN_PLANT: 110_000},
    {A002_SELLER: 215_000, A002_OWN_PLANT: 0},
    {A002_LOAD: -330_000, A002_SELLER: 0, A002_OWN_PLANT: 0},
    {A002_LOAD: -40_000_000},
)
WEATHERS = (CALM, REVERSE, HIGH, LOADED, UNSOLVED, SUNNY, HIGH, CALM)


class Watched:
    """A network check that counts the states it is asked about, call by call."""

    def __init__(self, security):
        self.security = security
        self.asked: list[int] = []

    def check_states(self, p_w, q_var):
        self.asked.append(len(p_w))
        return self.security.check_states(p_w, q_var)

    def __getattr__(self, name):
        return getattr(self.security, name)


@pytest.fixture
def model(toy, toy_county):
    return toy_county.on(toy.DAY)


def gate_of(toy, model, number: int, net_w: dict[int, int], rules: GateRules = RULES) -> Gate:
    """An interval in which every direct party orders what is expected of it; prices differ from meter to meter."""
    power_w = np.array([(site.plant_kw * 700 - site.load_kw * (800 + number)) for site in toy.SITES], np.int64)
    for meter, given_w in net_w.items():
        power_w[meter] = given_w
    net_wh = np.where(model.standing.is_market, power_w // 4, 0)
    role = np.where(net_wh > 0, model.points.sale, model.points.supply)
    meters = np.flatnonzero((role == Party.DIRECT) & (net_wh != 0))
    sells = net_wh[meters] > 0
    interval = toy.FIRST + number
    direct = DirectOrders(
        order_id=tuple(f"G/{interval}/{model.points.meter_id[meter]}/1" for meter in meters),
        meter=meters,
        side=np.where(sells, TradeSide.SELL, TradeSide.BUY).astype(np.int8),
        energy_wh=np.abs(net_wh[meters]),
        price_uyuan_per_kwh=np.where(sells, 200_000, 600_000) + 1_000 * meters,
        submitted_utc_s=np.full(meters.size, start_utc_s(interval - 2)),
    )
    loss_wh = np.where(np.arange(len(model.units)) > 1, 100 + number, 0)
    expected = Outlook(net_wh, np.where(net_wh < 0, net_wh // 5, 0), loss_wh)
    return Gate(interval, direct, expected, rules, 300_000 + 1_010 * number)


def gates_of(toy, model, rules: GateRules = RULES, weathers: Sequence[dict[int, int]] = WEATHERS) -> list[Gate]:
    return [gate_of(toy, model, number, net_w, rules) for number, net_w in enumerate(weathers)]


def alone(model, gate: Gate):
    return clear_interval(
        county=model,
        interval=gate.interval,
        direct=gate.direct,
        expected=gate.expected,
        rules=gate.rules,
        indicative_uyuan_per_kwh=gate.indicative_uyuan_per_kwh,
    )


def flat(value: object) -> object:
    """Everything a result holds, arrays as their bytes; wall times left out."""
    if isinstance(value, np.ndarray):
        return (value.dtype.str, value.shape, value.tobytes())
    if isinstance(value, Enum):
        return value.name
    if is_dataclass(value):
        names = [field.name for field in fields(value) if field.name != "stages"]
        return (type(value).__name__, [(name, flat(getattr(value, name))) for name in names])
    if isinstance(value, list | tuple):
        return [flat(each) for each in value]
    return value


@pytest.mark.parametrize("rounds_max", [1, 2, 4])
@pytest.mark.parametrize("rule", list(CurtailmentRule))
def test_a_batch_gives_byte_for_byte_what_each_interval_gives_alone(toy, model, monkeypatch, rounds_max, rule) -> None:
    monkeypatch.setattr(module, "ROUNDS_MAX", rounds_max)
    connected_day = 736_000 + np.arange(len(model.points.meter_id))
    gates = gates_of(toy, model, replace(RULES, curtailment=CurtailmentPolicy(rule, connected_day)))
    together = list(secure_day(model, gates))
    assert [one.interval for one in together] == [gate.interval for gate in gates]
    for gate, one in zip(gates, together, strict=True):
        assert flat(one) == flat(alone(model, gate))
    assert isinstance(together[4].after, UnsolvedState)
    assert together[4].after.scenario == 1
    curtailed = [one for one in together if one.curtailment is not None]
    assert bool(curtailed) == (rounds_max == 1)
    assert {one.curtailment.rule for one in curtailed} <= {rule.value}


def test_the_results_do_not_depend_on_the_company(toy, model) -> None:
    gates = gates_of(toy, model)
    together = list(secure_day(model, gates))
    backwards = list(secure_day(model, gates[::-1]))[::-1]
    assert [flat(one) for one in together] == [flat(one) for one in backwards]


def test_all_states_of_a_round_are_one_batch_and_secure_intervals_drop_out(toy, model) -> None:
    watched = Watched(model.security)
    cleared = list(secure_day(replace(model, security=watched), gates_of(toy, model)))
    assert watched.asked[0] == 2 * len(WEATHERS)
    rounds = [one.rounds for one in cleared]
    assert watched.asked[1:] == [sum(each > number for each in rounds) for number in range(1, max(rounds))]
    assert rounds[0] == rounds[3] == rounds[4] == rounds[7] == 1
    assert rounds[2] > 1


def test_secured_intervals_break_no_law_but_what_load_causes(toy, model) -> None:
    cleared = list(secure_day(model, gates_of(toy, model)))
    for one, weather in zip(cleared, WEATHERS, strict=True):
        laws = {violation.law for violation in market_violations(one, RULES, model.points)}
        assert laws == ({8} if weather in (LOADED, UNSOLVED) else set())


def test_what_is_limited_and_why_is_named(toy, model) -> None:
    """A voltage inside an area is mapped to the area's edge; an edge's own reverse power is that edge's limit."""
    _, reverse, high, *_ = secure_day(model, gates_of(toy, model))
    area = toy.positions()["A002"]
    first = high.asked[0]
    assert (first.round, first.unit, first.element, first.kind) == (1, area, "E3", LimitKind.VOLTAGE_HIGH)
    assert first.coverage is LimitCoverage.COVERING_EDGE
    assert first.sufficient
    assert first.limit_wh == high.tree.export_limit_wh[area] < model.tree.export_limit_wh[area]
    if reverse.asked:
        assert {one.unit for one in reverse.asked} == {area}
    assert isinstance(reverse.after, CheckedState)
    assert not reverse.after.violations


def test_an_edge_of_its_own_is_named_as_one(toy, model) -> None:
    """A seller that is not cleared would run all the same: its plant breaches the reverse limit of its area's edge."""
    gate = gate_of(toy, model, 0, REVERSE)
    dear = np.where(gate.direct.meter == A002_SELLER, 900_000, gate.direct.price_uyuan_per_kwh)
    cleared = alone(model, replace(gate, direct=replace(gate.direct, price_uyuan_per_kwh=dear)))
    asked = cleared.asked[0]
    assert (asked.element, asked.kind, asked.coverage) == ("A2", LimitKind.REVERSE_POWER, LimitCoverage.TREE_EDGE)


def test_nothing_in_nothing_out(model) -> None:
    assert list(secure_day(model, [])) == []


def test_every_stage_is_timed_and_the_batch_is_shared_out(toy, model) -> None:
    for one in secure_day(model, gates_of(toy, model, weathers=(HIGH, CALM))):
        seconds = one.stages.seconds
        assert all(seconds[stage] > 0 for stage in (Stage.ORDERS, Stage.CLEAR, Stage.POWER_FLOW, Stage.PAIR))
        assert one.wall_us == round(sum(seconds.values()) * 1_000_000)
        assert (seconds[Stage.TIGHTEN] > 0) == (one.rounds > 1)
