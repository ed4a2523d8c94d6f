"""Clear one trading interval and make it safe: orders and books -> tree clearing -> AC check -> limits -> pairs.

The loop is DESIGN 5 "Network check": the expected physical state is solved by AC power flow, a violation tightens the
limit of the lowest covering tree edge and the interval is cleared again; what stays after the last round is curtailed
by the published rule. The steps of one interval are a generator that stops wherever it needs an AC check, so that
secure_day.py can answer many intervals together.
"""

from collections.abc import Generator
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np

from edge.contract.interval import start_utc_s
from grid_models.security import (
    CheckedState,
    FlowDirection,
    LimitKind,
    LimitViolation,
    StateOutcome,
    TightenedLimit,
    UnsolvedState,
)
from hub.market.books import BookFills, Books, book_orders, province_orders, split_book_fills
from hub.market.curtailment import PRO_RATA, Curtailment, CurtailmentPolicy, curtail, curtail_pairs
from hub.market.forecast import forecast_net_export_wh
from hub.market.order_batch import DirectOrders, assemble_orders
from hub.market.pairing import pair
from hub.market.security import (
    LimitCoverage,
    Tightened,
    expected_net_export_wh,
    limited_units,
    no_control,
    setpoints_wh,
    tighten,
    units_behind,
)
from hub.market.trades import BalanceTree, BoolArray, ClearingResult, Int64Array, OrderBatch, Pairs
from hub.market.tree_clearing import clear
from hub.usecases.load_county import CountyModel
from hub.usecases.measure_energy import MeasuredInterval
from hub.usecases.stage_times import Stage, StageTimes

ROUNDS_MAX = 4
CURTAILMENT_ROUNDS_MAX = 6
NO_LIMIT_WH = 2**62
INTERVALS_AN_HOUR = 4
POWER_LIMITS = (LimitKind.REVERSE_POWER, LimitKind.FORWARD_POWER)


@dataclass(frozen=True)
class GateRules:
    """What the session announced: price limits and tick of orders, and the rule of curtailment."""

    price_floor_uyuan_per_kwh: int
    price_cap_uyuan_per_kwh: int
    price_tick_uyuan_per_kwh: int
    curtailment: CurtailmentPolicy = PRO_RATA


@dataclass(frozen=True)
class Outlook:
    """What is expected of an interval at its gate closure, from readings alone.

    net_export_wh, reactive_export_varh: shape (n_meters,). loss_wh: shape (n_units,), >= 0.
    """

    net_export_wh: Int64Array
    reactive_export_varh: Int64Array
    loss_wh: Int64Array


@dataclass(frozen=True)
class Gate:
    """What is known of an interval when its gate closes.

    direct: accepted orders of direct parties. indicative_uyuan_per_kwh: r, published before gate closure.
    """

    interval: int
    direct: DirectOrders
    expected: Outlook
    rules: GateRules
    indicative_uyuan_per_kwh: int


@dataclass(frozen=True)
class StatesToCheck:
    """Expected states of one interval that wait for their AC check, shape (n_states, n_market_meters), W and var."""

    p_w: Int64Array
    q_var: Int64Array
    stages: StageTimes


CheckedStates: TypeAlias = tuple[StateOutcome, ...]


@dataclass(frozen=True)
class AskedLimit:
    """One limit that a round of the network check asked for.

    round: number of the clearing after which it was asked, from 1. unit: the tree edge that is limited. element, kind:
    what is breached worst of all that the edge answers for, n_breaches of them. coverage: whether that is the edge's
    own limit, or one inside the network that is mapped to this, the lowest covering edge that can cure it. limit_wh:
    the edge's new limit of export. sufficient: whether that cures all of it, by the check's estimate.
    """

    round: int
    unit: int
    element: str
    kind: LimitKind
    n_breaches: int
    coverage: LimitCoverage
    limit_wh: int
    sufficient: bool


@dataclass(frozen=True)
class SecuredRound:
    """One clearing and the physical state that it leads to. setpoint_wh: shape (n_meters,), -1 none."""

    result: ClearingResult
    book_fills: BookFills
    setpoint_wh: Int64Array
    expected_wh: Int64Array
    state: StateOutcome


@dataclass(frozen=True)
class SecuredInterval:
    """An interval after its last round, before its fills are paired; fields as ClearedInterval."""

    interval: int
    tree: BalanceTree
    orders: OrderBatch
    books: Books
    secured: SecuredRound
    filled_wh: Int64Array
    book_fills: BookFills
    curtailment: Curtailment | None
    limited: BoolArray
    cause: tuple[str, ...]
    before: StateOutcome
    rounds: int
    asked: tuple[AskedLimit, ...]
    expected: Outlook
    stages: StageTimes


Securing: TypeAlias = Generator[StatesToCheck, CheckedStates, SecuredInterval]


@dataclass(frozen=True)
class ClearedInterval:
    """Everything that clearing one interval found.

    result: of the last clearing round; filled_wh, book_fills: after curtailment. curtailed_wh: shape (n_pairs,).
    before: the state without any control; after: the state that clearing, setpoints and curtailment lead to.
    limited: shape (n_units,), the units whose sellers get setpoints. cause: shape (n_meters,) names why a meter has a
    setpoint, "" where it has none. rounds: how often it was cleared. asked: the limits that its rounds asked for.
    """

    interval: int
    tree: BalanceTree
    orders: OrderBatch
    books: Books
    result: ClearingResult
    pairs: Pairs
    filled_wh: Int64Array
    cut_wh: Int64Array
    book_fills: BookFills
    curtailed_wh: Int64Array
    curtailment: Curtailment | None
    setpoint_wh: Int64Array
    limited: BoolArray
    cause: tuple[str, ...]
    before: StateOutcome
    after: StateOutcome
    rounds: int
    asked: tuple[AskedLimit, ...]
    outlook: Outlook
    stages: StageTimes

    @property
    def wall_us(self) -> int:
        """Return the time that it took, its share of a batch of power flows included."""
        return self.stages.total_us


def outlook(county: CountyModel, last: MeasuredInterval, before: MeasuredInterval | None) -> Outlook:
    """Return what to expect two intervals after `last`: forecasts of every meter, and the last measured losses."""
    last_wh = last.available_wh
    return Outlook(
        net_export_wh=forecast_net_export_wh(
            last_wh=last_wh,
            before_wh=last_wh if before is None else before.available_wh,
            export_limit_wh=county.points.export_capacity_wh,
            import_limit_wh=county.points.import_capacity_wh,
        ),
        reactive_export_varh=last.net_export_varh,
        loss_wh=np.maximum(last.loss_wh(county), 0),
    )


def clear_interval(
    *,
    county: CountyModel,
    interval: int,
    direct: DirectOrders,
    expected: Outlook,
    rules: GateRules,
    indicative_uyuan_per_kwh: int,
) -> ClearedInterval:
    """Return the secured result of one interval.

    :param direct: accepted orders of direct parties
    :param indicative_uyuan_per_kwh: r, published before gate closure
    """
    steps = securing(county, Gate(interval, direct, expected, rules, indicative_uyuan_per_kwh))
    states = next(steps)
    while True:
        with states.stages.timed(Stage.POWER_FLOW):
            outcomes = county.security.check_states(states.p_w, states.q_var)
        try:
            states = steps.send(outcomes)
        except StopIteration as done:
            return pair_interval(county, done.value)


def securing(county: CountyModel, gate: Gate) -> Securing:
    """Clear, check and curtail one interval, step by step: yields the states to check, is sent what was found."""
    stages = StageTimes()
    with stages.timed(Stage.ORDERS):
        desk = _open_desk(county, gate, stages)
    secured, tree, controlled, rounds, before = yield from desk.clear_until_secure()
    filled_wh, book_fills = secured.result.filled_wh, secured.book_fills
    curtailment, secured, controlled = yield from desk.curtail_the_rest(tree, secured, controlled)
    if curtailment is not None:
        filled_wh, book_fills = curtailment.filled_wh, curtailment.book_fills
    return SecuredInterval(
        interval=gate.interval,
        tree=tree,
        orders=desk.orders,
        books=desk.books,
        secured=secured,
        filled_wh=filled_wh,
        book_fills=book_fills,
        curtailment=curtailment,
        limited=limited_units(tree, secured.result, controlled),
        cause=_causes(county, tree, secured, curtailment),
        before=before,
        rounds=rounds,
        asked=tuple(desk.asked),
        expected=gate.expected,
        stages=stages,
    )


def pair_interval(county: CountyModel, found: SecuredInterval) -> ClearedInterval:
    """Pair the fills of a secured interval, and return all that was found of it."""
    secured = found.secured
    cut_wh = secured.result.filled_wh - found.filled_wh
    with found.stages.timed(Stage.PAIR):
        pairs = pair(
            found.tree,
            found.orders,
            secured.result,
            fees=county.fees,
            points=county.points,
            upstream_loss_uyuan_per_kwh=county.parameters.upstream_loss.value_uyuan_per_kwh,
        )
        curtailed_wh = curtail_pairs(found.orders, pairs, cut_wh).curtailed_wh
    return ClearedInterval(
        interval=found.interval,
        tree=found.tree,
        orders=found.orders,
        books=found.books,
        result=secured.result,
        pairs=pairs,
        filled_wh=found.filled_wh,
        cut_wh=cut_wh,
        book_fills=found.book_fills,
        curtailed_wh=curtailed_wh,
        curtailment=found.curtailment,
        setpoint_wh=secured.setpoint_wh,
        limited=found.limited,
        cause=found.cause,
        before=found.before,
        after=secured.state,
        rounds=found.rounds,
        asked=found.asked,
        outlook=found.expected,
        stages=found.stages,
    )


@dataclass(frozen=True)
class _Desk:
    """One interval's orders on the table, and the steps of the loop over them.

    asked: grows by each round's limits. known: the last checked state and its limits, which rounds and curtailment ask
    for alike.
    """

    county: CountyModel
    orders: OrderBatch
    books: Books
    expected: Outlook
    rules: GateRules
    stages: StageTimes
    asked: list[AskedLimit] = field(default_factory=list)
    known: list[tuple[CheckedState, tuple[TightenedLimit, ...]]] = field(default_factory=list)

    def clear_until_secure(
        self,
    ) -> Generator[StatesToCheck, CheckedStates, tuple[SecuredRound, BalanceTree, BoolArray, int, StateOutcome]]:
        """Clear, check, tighten and clear again, at most ROUNDS_MAX times, and no more once nothing changes."""
        tree, controlled = self.county.tree, no_control(self.county.tree)
        secured, before = yield from self._first_round(tree, controlled)
        rounds = 1
        while rounds < ROUNDS_MAX:
            limits_wh = self._asked_limits_wh(secured, rounds)
            if limits_wh is None:
                break
            tightened = tighten(tree, secured.result, controlled, limits_wh)
            if _is_same(tightened, tree, controlled):
                break
            tree, controlled = tightened.tree, tightened.controlled
            secured = yield from self._round(tree, controlled)
            rounds += 1
        return secured, tree, controlled, rounds, before

    def curtail_the_rest(
        self, tree: BalanceTree, secured: SecuredRound, controlled: BoolArray
    ) -> Generator[StatesToCheck, CheckedStates, tuple[Curtailment | None, SecuredRound, BoolArray]]:
        """Lower fills by the published rule until no violation is left that sellers cause.

        Where sellers are not limited yet, they may generate beyond their fills: there setpoints come first, and fills
        are lowered only if those do not do.
        """
        curtailment: Curtailment | None = None
        filled_wh, book_fills = secured.result.filled_wh, secured.book_fills
        for _ in range(CURTAILMENT_ROUNDS_MAX):
            reduction_wh, flagged = self._asked_reductions_wh(secured)
            if not flagged.any():
                break
            at_fills_wh = np.where(limited_units(tree, secured.result, controlled), reduction_wh, 0)
            controlled = controlled | flagged
            with self.stages.timed(Stage.CURTAIL):
                if at_fills_wh.any():
                    curtailment = curtail(
                        tree,
                        self.orders,
                        self.county.points,
                        self.books,
                        filled_wh,
                        book_fills,
                        reduction_wh=at_fills_wh,
                        policy=self.rules.curtailment,
                        earlier=curtailment,
                    )
                    filled_wh, book_fills = curtailment.filled_wh, curtailment.book_fills
                limited = limited_units(tree, secured.result, controlled)
                setpoint_wh = setpoints_wh(limited, self.orders, self.county.points, filled_wh, book_fills)
                expected_wh = self._expected_wh(setpoint_wh)
            (state,) = yield from self._solve(expected_wh[np.newaxis])
            secured = replace(secured, setpoint_wh=setpoint_wh, expected_wh=expected_wh, state=state)
        return curtailment, secured, controlled

    def _first_round(
        self, tree: BalanceTree, controlled: BoolArray
    ) -> Generator[StatesToCheck, CheckedStates, tuple[SecuredRound, StateOutcome]]:
        result, book_fills, setpoint_wh = self._clear(tree, controlled)
        free_wh = self._expected_wh(np.full_like(setpoint_wh, -1))
        expected_wh = self._expected_wh(setpoint_wh)
        before, state = yield from self._solve(np.stack([free_wh, expected_wh]))
        return SecuredRound(result, book_fills, setpoint_wh, expected_wh, state), before

    def _round(self, tree: BalanceTree, controlled: BoolArray) -> Generator[StatesToCheck, CheckedStates, SecuredRound]:
        result, book_fills, setpoint_wh = self._clear(tree, controlled)
        expected_wh = self._expected_wh(setpoint_wh)
        (state,) = yield from self._solve(expected_wh[np.newaxis])
        return SecuredRound(result, book_fills, setpoint_wh, expected_wh, state)

    def _clear(self, tree: BalanceTree, controlled: BoolArray) -> tuple[ClearingResult, BookFills, Int64Array]:
        with self.stages.timed(Stage.CLEAR):
            result = clear(tree, self.orders, tick_uyuan_per_kwh=self.rules.price_tick_uyuan_per_kwh)
            n_meters = len(self.county.points.meter_id)
            book_fills = split_book_fills(self.books, self.orders, result.filled_wh, n_meters=n_meters)
            limited = limited_units(tree, result, controlled)
            setpoint_wh = setpoints_wh(limited, self.orders, self.county.points, result.filled_wh, book_fills)
            return result, book_fills, setpoint_wh

    def _expected_wh(self, setpoint_wh: Int64Array) -> Int64Array:
        expected = self.expected.net_export_wh
        return expected_net_export_wh(
            self.orders,
            self.county.points,
            import_forecast_wh=np.maximum(-expected, 0),
            export_forecast_wh=np.maximum(expected, 0),
            setpoint_wh=setpoint_wh,
        )

    def _solve(self, expected_wh: Int64Array) -> Generator[StatesToCheck, CheckedStates, CheckedStates]:
        meters = self.county.market_meters
        p_w = np.ascontiguousarray(expected_wh[:, meters] * INTERVALS_AN_HOUR)
        q_var = np.broadcast_to(self.expected.reactive_export_varh[meters] * INTERVALS_AN_HOUR, p_w.shape)
        outcomes = yield StatesToCheck(p_w, np.ascontiguousarray(q_var), self.stages)
        # A state's number is its own interval's, whatever else was checked with it.
        return tuple(
            replace(outcome, scenario=number) if isinstance(outcome, UnsolvedState) else outcome
            for number, outcome in enumerate(outcomes)
        )

    def _tightened(self, secured: SecuredRound) -> tuple[TightenedLimit, ...]:
        if isinstance(secured.state, UnsolvedState):
            return ()
        violations = tuple(one for one in secured.state.violations if one.direction is FlowDirection.EXPORT)
        if not violations:
            return ()
        if self.known and self.known[-1][0] is secured.state:
            return self.known[-1][1]
        meters = self.county.market_meters
        controllable_w = np.maximum(secured.expected_wh[meters], 0) * INTERVALS_AN_HOUR
        with self.stages.timed(Stage.TIGHTEN):
            limits = self.county.security.tightened_limits(secured.state, controllable_w)
        exports = tuple(limit for limit in limits if limit.direction is FlowDirection.EXPORT)
        self.known[:] = [(secured.state, exports)]
        return exports

    def _asked_limits_wh(self, secured: SecuredRound, round_number: int) -> Int64Array | None:
        limits = self._tightened(secured)
        if not limits:
            return None
        assert isinstance(secured.state, CheckedState)
        # The check asks for a physical flow; the market clears fills and a loss that was forecast. What the loss
        # behind an edge differs from its forecast is the difference between the two.
        excess_loss_wh = self._behind(self.expected.loss_wh - secured.state.unit_loss_w // INTERVALS_AN_HOUR)
        limits_wh = np.full(len(self.county.units), NO_LIMIT_WH, dtype=np.int64)
        for limit in limits:
            asked_wh = limit.limit_w // INTERVALS_AN_HOUR - max(int(excess_loss_wh[limit.unit]), 0)
            limits_wh[limit.unit] = min(int(limits_wh[limit.unit]), max(asked_wh, 0))
            self.asked.append(self._named(limit, round_number, int(limits_wh[limit.unit])))
        return limits_wh

    def _named(self, limit: TightenedLimit, round_number: int, limit_wh: int) -> AskedLimit:
        """Return the limit with what it is for: the worst breach that is the edge's own, else the worst of all."""
        edge = self.county.units[limit.unit].elements
        own = [
            one for one in limit.cures if one.element in edge or (one.kind in POWER_LIMITS and one.unit == limit.unit)
        ]
        worst = (own or limit.cures)[0]
        return AskedLimit(
            round=round_number,
            unit=limit.unit,
            element=worst.element,
            kind=worst.kind,
            n_breaches=len(limit.cures),
            coverage=LimitCoverage.TREE_EDGE if own else LimitCoverage.COVERING_EDGE,
            limit_wh=limit_wh,
            sufficient=limit.sufficient,
        )

    def _behind(self, of_unit: Int64Array) -> Int64Array:
        """Return the sum over each unit and all units below it."""
        behind = of_unit.astype(np.int64)
        for unit in range(behind.size - 1, 0, -1):
            behind[self.county.tree.parent[unit]] += behind[unit]
        return behind

    def _asked_reductions_wh(self, secured: SecuredRound) -> tuple[Int64Array, BoolArray]:
        reduction_wh = np.zeros(len(self.county.units), dtype=np.int64)
        for limit in self._tightened(secured):
            asked_wh = -(-max(limit.reduction_w, 0) // INTERVALS_AN_HOUR)
            reduction_wh[limit.unit] = max(int(reduction_wh[limit.unit]), asked_wh)
        return reduction_wh, np.asarray(reduction_wh > 0)


def _is_same(tightened: Tightened, tree: BalanceTree, controlled: BoolArray) -> bool:
    """Return whether another clearing would find what the last one found."""
    return np.array_equal(tightened.tree.export_limit_wh, tree.export_limit_wh) and np.array_equal(
        tightened.controlled, controlled
    )


def _open_desk(county: CountyModel, gate: Gate, stages: StageTimes) -> _Desk:
    direct, expected, rules = gate.direct, gate.expected, gate.rules
    ordered = np.zeros(len(county.points.meter_id), dtype=np.bool_)
    ordered[direct.meter] = True
    # A meter that placed an order is in the tree by that order, not a second time inside a book.
    in_books_wh = np.where(ordered | ~county.standing.is_market, 0, expected.net_export_wh)
    books = book_orders(
        county.points,
        n_units=len(county.units),
        import_forecast_wh=np.maximum(-in_books_wh, 0),
        export_forecast_wh=np.maximum(in_books_wh, 0),
        loss_forecast_wh=expected.loss_wh,
        price_floor_uyuan_per_kwh=rules.price_floor_uyuan_per_kwh,
        price_cap_uyuan_per_kwh=rules.price_cap_uyuan_per_kwh,
    )
    province = province_orders(
        county.tree,
        price_uyuan_per_kwh=gate.indicative_uyuan_per_kwh,
        gateway_fee_uyuan_per_kwh=county.fees.gateway_fee_uyuan_per_kwh,
        upstream_loss_uyuan_per_kwh=county.parameters.upstream_loss.value_uyuan_per_kwh,
    )
    orders = assemble_orders(
        interval=gate.interval,
        tree=county.tree,
        fees=county.fees,
        points=county.points,
        direct=direct,
        books=books,
        province=province,
        gate_utc_s=start_utc_s(gate.interval - 1),
    )
    return _Desk(county, orders, books, expected, rules, stages)


def violations_of(state: StateOutcome) -> tuple[LimitViolation, ...]:
    """Return the state's violations, worst first; none for a state without a solution, which is reported by itself."""
    return state.violations if isinstance(state, CheckedState) else ()


def _causes(
    county: CountyModel, tree: BalanceTree, secured: SecuredRound, curtailment: Curtailment | None
) -> tuple[str, ...]:
    """Return why each meter has its setpoint: a limit of the registry binds, or the network check asked for it."""
    is_registered = tree.export_limit_wh == county.tree.export_limit_wh
    behind_limit = units_behind(tree, np.asarray(secured.result.binding_export & is_registered, dtype=np.bool_))
    curtailed = np.zeros(secured.setpoint_wh.size, np.bool_)
    if curtailment is not None:
        curtailed[curtailment.meter] = True
    at_limit = behind_limit[county.points.unit]
    cause = np.where(curtailed, "curtailment", np.where(at_limit, "export-limit", "network-check"))
    return tuple(np.where(secured.setpoint_wh < 0, "", cause).tolist())
