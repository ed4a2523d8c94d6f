"""Close the gate of one interval and clear it: load, clear, check the laws, save."""

from collections.abc import Sequence

from sqlmodel import Session

from edge.contract.interval import day_of_interval
from grid_models.security import LimitViolation, UnsolvedState
from hub.market.checks import (
    check_balance,
    check_curtailed_balance,
    check_edge_prices,
    check_fills,
    check_pairs,
    check_reproduced,
    check_setpoints,
    check_ties,
)
from hub.market.meshed_rows import check_meshed_clearing
from hub.market.order_batch import direct_orders
from hub.market.registry_columns import MeteringPoints
from hub.market.security import net_export_fills_wh
from hub.market.trades import Violation
from hub.store.counters import add_to_counters
from hub.store.orders import accepted_orders
from hub.store.parameters import load_parameters
from hub.usecases.bind_green import bind_green
from hub.usecases.clear_interval import clear_interval, outlook
from hub.usecases.load_county import County
from hub.usecases.measure_energy import EnergyMeasurement
from hub.usecases.record_prices import prices_of
from hub.usecases.save_clearing import save_clearing, save_law_violations
from hub.usecases.secured_interval import ClearedInterval, GateRules
from hub.usecases.withdraw_orders import withdraw_orders

MARKET_LAWS = (1, 2, 3, 8)


class NoIndicativePriceError(LookupError):
    """The province has not published the indicative price of the interval whose gate closes."""


def run_gate(session: Session, county: County, measurement: EnergyMeasurement, interval: int) -> ClearedInterval:
    """Clear the interval on what is known at its gate closure, one interval before it begins, and save the result.

    :raises NoIndicativePriceError: if r is not known
    """
    model = county.on(day_of_interval(interval))
    indicative = prices_of(session, interval).indicative_uyuan_per_kwh
    if indicative is None:
        raise NoIndicativePriceError(f"interval {interval} has no indicative price")
    newest = measurement.of_interval(session, model, interval - 2)
    accepted = [entry for entry in accepted_orders(session, interval) if entry[1].interval == interval]
    orders = withdraw_orders(session, county.registry, model.registry, interval, accepted)
    rules = gate_rules(session, interval)
    cleared = clear_interval(
        county=model,
        interval=interval,
        direct=direct_orders(orders, model.points),
        expected=outlook(model, newest, measurement.before(interval - 2)),
        rules=rules,
        indicative_uyuan_per_kwh=indicative,
    )
    violations = market_violations(cleared, rules, model.points)
    save_clearing(session, model, cleared)
    violations += bind_green(session, model, cleared)
    save_law_violations(session, interval, violations)
    add_to_counters(session, {f"law_{law}_checked": 1 for law in MARKET_LAWS})
    return cleared


def gate_rules(session: Session, interval: int) -> GateRules:
    """Return the price limits and the tick that hold in the interval."""
    _, values = load_parameters(session, "session", interval)
    return GateRules(
        price_floor_uyuan_per_kwh=values["price_floor_uyuan_per_kwh"],
        price_cap_uyuan_per_kwh=values["price_cap_uyuan_per_kwh"],
        price_tick_uyuan_per_kwh=values["price_tick_uyuan_per_kwh"],
    )


def market_violations(cleared: ClearedInterval, rules: GateRules, points: MeteringPoints) -> list[Violation]:
    """Return the breaches of laws 1, 2, 3 and 8 in one cleared interval."""
    tree, orders, result = cleared.tree, cleared.orders, cleared.result
    tick = rules.price_tick_uyuan_per_kwh
    sold_wh = net_export_fills_wh(orders, points, cleared.filled_wh, cleared.book_fills)
    if cleared.meshed is None:
        of_clearing = [
            *check_fills(orders, result),
            *check_balance(tree, orders, result),
            *check_edge_prices(tree, orders, result),
            *check_ties(orders, result, clean_first=True),
            *check_reproduced(tree, orders, result, tick_uyuan_per_kwh=tick, clean_first=True),
        ]
    else:
        of_clearing = check_meshed_clearing(cleared.meshed, tick_uyuan_per_kwh=tick)
    return [
        *of_clearing,
        *check_pairs(tree, orders, result, cleared.pairs),
        *check_curtailed_balance(orders, cleared.pairs, cleared.curtailed_wh, cleared.cut_wh),
        *check_setpoints(points, cleared.limited, sold_wh, cleared.setpoint_wh),
        *_expected_state_violations(cleared),
    ]


def _expected_state_violations(cleared: ClearedInterval) -> list[Violation]:
    """Law 8: the expected physical state after clearing, setpoints and curtailment keeps every limit."""
    where = f"interval {cleared.interval}"
    if isinstance(cleared.after, UnsolvedState):
        return [Violation(8, where, f"the expected state has no AC solution: {cleared.after.reason}")]
    remaining: Sequence[LimitViolation] = cleared.after.violations
    return [
        Violation(8, f"{where}, {one.element}", f"{one.kind.value} {one.value} beyond {one.limit}") for one in remaining
    ]
