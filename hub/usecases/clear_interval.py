"""Clear one trading interval and make it safe: orders and books -> tree clearing -> AC check -> limits -> pairs.

The loop is DESIGN 5 "Network check": the expected physical state is solved by AC power flow, a violation tightens the
limit of the lowest covering tree edge and the interval is cleared again; a branch inside a mesh, which no edge covers,
becomes a row of the sparse program (meshed_check.py). What stays after the last round is curtailed by the published
rule. The steps of one interval are a generator that stops wherever it needs an AC check, so that
secure_day.py can answer many intervals together.
"""

import logging
from collections.abc import Generator
from dataclasses import dataclass, field, replace

import numpy as np

from edge.contract.interval import start_utc_s
from grid_models.security import (
    CheckedState,
    FlowDirection,
    LimitKind,
    StateOutcome,
    TightenedLimit,
    UnsolvedState,
)
from hub.market.books import BookFills, Books, book_orders, province_orders, split_book_fills
from hub.market.coupled.highs import HighsError
from hub.market.curtailment import Curtailment, curtail, curtail_pairs
from hub.market.forecast import forecast_net_export_wh
from hub.market.meshed_rows import MeshedClearing, MeshedRow, clear_with_rows, loading_units
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
from hub.market.trades import BalanceTree, BoolArray, ClearingResult, Int64Array, OrderBatch
from hub.market.tree_clearing import clear
from hub.usecases.load_county import INTERVALS_AN_HOUR, CountyModel
from hub.usecases.measure_energy import MeasuredInterval
from hub.usecases.meshed_check import MeshedBreaches, MeshedCheck, same_rows
from hub.usecases.secured_interval import (
    AskedLimit,
    CheckedStates,
    ClearedInterval,
    Gate,
    GateRules,
    Outlook,
    SecuredInterval,
    SecuredRound,
    Securing,
    StatesToCheck,
)
from hub.usecases.stage_times import Stage, StageTimes

logger = logging.getLogger(__name__)

ROUNDS_MAX = 4
CURTAILMENT_ROUNDS_MAX = 6
NO_LIMIT_WH = 2**62
POWER_LIMITS = (LimitKind.REVERSE_POWER, LimitKind.FORWARD_POWER)


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
    secured, controls, rounds, before = yield from desk.clear_until_secure()
    filled_wh, book_fills = secured.result.filled_wh, secured.book_fills
    curtailment, secured, controls = yield from desk.curtail_the_rest(secured, controls)
    if curtailment is not None:
        filled_wh, book_fills = curtailment.filled_wh, curtailment.book_fills
    return SecuredInterval(
        interval=gate.interval,
        tree=controls.tree,
        orders=desk.orders,
        books=desk.books,
        secured=secured,
        filled_wh=filled_wh,
        book_fills=book_fills,
        curtailment=curtailment,
        limited=controls.limited(secured.result),
        cause=_causes(county, controls.tree, secured, curtailment),
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
        meshed=secured.meshed,
        outlook=found.expected,
        stages=found.stages,
    )


@dataclass(frozen=True)
class _Controls:
    """What the network check has asked for so far: limits of edges, rows inside meshes, and who is held to its fills.

    controlled: shape (n_units,), edges whose sellers are held, binding or not. held: shape (n_units,), units whose own
    sellers are held, because they load a branch inside a mesh.
    """

    tree: BalanceTree
    controlled: BoolArray
    held: BoolArray
    rows: tuple[MeshedRow, ...] = ()

    def limited(self, result: ClearingResult) -> BoolArray:
        """Return the units whose sellers get setpoints, shape (n_units,)."""
        return limited_units(self.tree, result, self.controlled) | self.held


@dataclass(frozen=True)
class _Desk:
    """One interval's orders on the table, and the steps of the loop over them.

    mesh: the limits inside meshes that were met. asked: grows by each round's limits. known: the last checked state and
    its limits, which rounds and curtailment ask for alike.
    """

    county: CountyModel
    orders: OrderBatch
    books: Books
    expected: Outlook
    rules: GateRules
    stages: StageTimes
    mesh: MeshedCheck
    asked: list[AskedLimit] = field(default_factory=list)
    known: list[tuple[CheckedState, tuple[TightenedLimit, ...]]] = field(default_factory=list)

    def clear_until_secure(
        self,
    ) -> Generator[StatesToCheck, CheckedStates, tuple[SecuredRound, _Controls, int, StateOutcome]]:
        """Clear, check, tighten and clear again, at most ROUNDS_MAX times, and no more once nothing changes."""
        nobody = no_control(self.county.tree)
        controls = _Controls(self.county.tree, nobody, nobody)
        secured, before = yield from self._first_round(controls)
        rounds = 1
        while rounds < ROUNDS_MAX:
            tightened = self._tightened_controls(secured, controls, rounds)
            if tightened is None:
                break
            try:
                secured = yield from self._round(tightened)
            except HighsError as error:
                # The tree's last result stands, and what it breaches is curtailed.
                logger.warning("interval %d: the sparse program has no answer: %s", self.orders.interval, error)
                break
            controls = tightened
            rounds += 1
        return secured, controls, rounds, before

    def curtail_the_rest(
        self, secured: SecuredRound, controls: _Controls
    ) -> Generator[StatesToCheck, CheckedStates, tuple[Curtailment | None, SecuredRound, _Controls]]:
        """Lower fills by the published rule until no violation is left that sellers cause.

        Where sellers are not limited yet, they may generate beyond their fills: there setpoints come first, and fills
        are lowered only if those do not do.
        """
        curtailment: Curtailment | None = None
        filled_wh, book_fills = secured.result.filled_wh, secured.book_fills
        for _ in range(CURTAILMENT_ROUNDS_MAX):
            reduction_wh, flagged = self._asked_reductions_wh(secured)
            own_wh = self._breaches(secured).own_reductions_wh
            if not flagged.any() and not own_wh.any():
                break
            limited = controls.limited(secured.result)
            at_fills_wh, own_at_fills_wh = np.where(limited, reduction_wh, 0), np.where(limited, own_wh, 0)
            controls = replace(
                controls, controlled=controls.controlled | flagged, held=np.asarray(controls.held | (own_wh > 0))
            )
            with self.stages.timed(Stage.CURTAIL):
                if at_fills_wh.any() or own_at_fills_wh.any():
                    curtailment = curtail(
                        controls.tree,
                        self.orders,
                        self.county.points,
                        self.books,
                        filled_wh,
                        book_fills,
                        reduction_wh=at_fills_wh,
                        own_reduction_wh=own_at_fills_wh,
                        policy=self.rules.curtailment,
                        earlier=curtailment,
                    )
                    filled_wh, book_fills = curtailment.filled_wh, curtailment.book_fills
                limited = controls.limited(secured.result)
                setpoint_wh = setpoints_wh(limited, self.orders, self.county.points, filled_wh, book_fills)
                expected_wh = self._expected_wh(setpoint_wh)
            (state,) = yield from self._solve(expected_wh[np.newaxis])
            secured = replace(secured, setpoint_wh=setpoint_wh, expected_wh=expected_wh, state=state)
        return curtailment, secured, controls

    def _first_round(
        self, controls: _Controls
    ) -> Generator[StatesToCheck, CheckedStates, tuple[SecuredRound, StateOutcome]]:
        cleared = self._clear(controls)
        free_wh = self._expected_wh(np.full_like(cleared.setpoint_wh, -1))
        expected_wh = self._expected_wh(cleared.setpoint_wh)
        before, state = yield from self._solve(np.stack([free_wh, expected_wh]))
        return self._secured(cleared, expected_wh, state), before

    def _round(self, controls: _Controls) -> Generator[StatesToCheck, CheckedStates, SecuredRound]:
        cleared = self._clear(controls)
        expected_wh = self._expected_wh(cleared.setpoint_wh)
        (state,) = yield from self._solve(expected_wh[np.newaxis])
        return self._secured(cleared, expected_wh, state)

    @staticmethod
    def _secured(cleared: "_Cleared", expected_wh: Int64Array, state: StateOutcome) -> SecuredRound:
        return SecuredRound(cleared.result, cleared.book_fills, cleared.setpoint_wh, expected_wh, state, cleared.meshed)

    def _clear(self, controls: _Controls) -> "_Cleared":
        tick = self.rules.price_tick_uyuan_per_kwh
        with self.stages.timed(Stage.CLEAR):
            meshed = None
            if controls.rows:
                meshed = clear_with_rows(controls.tree, self.orders, controls.rows, tick_uyuan_per_kwh=tick)
                result = meshed.result
            else:
                result = clear(controls.tree, self.orders, tick_uyuan_per_kwh=tick)
            n_meters = len(self.county.points.meter_id)
            book_fills = split_book_fills(self.books, self.orders, result.filled_wh, n_meters=n_meters)
            limited = controls.limited(result)
            setpoint_wh = setpoints_wh(limited, self.orders, self.county.points, result.filled_wh, book_fills)
            return _Cleared(result, book_fills, setpoint_wh, meshed)

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

    def _breaches(self, secured: SecuredRound) -> MeshedBreaches:
        """Return what the round's state breaches inside meshes."""
        return self.mesh.breaches(secured.state, secured.expected_wh, secured.result.filled_wh)

    def _tightened_controls(self, secured: SecuredRound, controls: _Controls, round_number: int) -> _Controls | None:
        """Return what the next clearing is asked to keep, None if nothing is asked or nothing new."""
        rows, held = self._asked_rows(secured, controls, round_number)
        limits_wh = self._asked_limits_wh(secured, round_number)
        tree, controlled = controls.tree, controls.controlled
        if limits_wh is not None:
            tightened = tighten(tree, secured.result, controlled, limits_wh)
            if not _is_same(tightened, tree, controlled):
                tree, controlled = tightened.tree, tightened.controlled
        if tree is controls.tree and controlled is controls.controlled and same_rows(rows, controls.rows):
            return None
        return _Controls(tree, controlled, held, rows)

    def _asked_rows(
        self, secured: SecuredRound, controls: _Controls, round_number: int
    ) -> tuple[tuple[MeshedRow, ...], BoolArray]:
        """Return the rows that the next clearing keeps, and the units whose sellers load one of their branches."""
        breaches = self._breaches(secured)
        for one in breaches.curable:
            self.asked.append(
                AskedLimit(
                    round=round_number,
                    unit=one.violation.unit,
                    element=one.violation.element,
                    kind=one.violation.kind,
                    n_breaches=1,
                    coverage=LimitCoverage.SPARSE_PROGRAM,
                    limit_wh=one.row.limit_wh,
                    sufficient=one.row.is_curable,
                )
            )
        rows = breaches.rows or controls.rows
        return rows, controls.held | loading_units(rows, len(self.county.units))

    def _tightened(self, secured: SecuredRound) -> tuple[TightenedLimit, ...]:
        if isinstance(secured.state, UnsolvedState):
            return ()
        violations = self.mesh.left_to_edges(secured.state, self._breaches(secured))
        if not any(one.direction is FlowDirection.EXPORT for one in violations):
            return ()
        if self.known and self.known[-1][0] is secured.state:
            return self.known[-1][1]
        meters = self.county.market_meters
        controllable_w = np.maximum(secured.expected_wh[meters], 0) * INTERVALS_AN_HOUR
        with self.stages.timed(Stage.TIGHTEN):
            state = replace(secured.state, violations=violations)
            limits = self.county.security.tightened_limits(state, controllable_w)
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


@dataclass(frozen=True)
class _Cleared:
    """One clearing before its check; fields as SecuredRound."""

    result: ClearingResult
    book_fills: BookFills
    setpoint_wh: Int64Array
    meshed: MeshedClearing | None


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
    return _Desk(county, orders, books, expected, rules, stages, MeshedCheck(county, orders, stages))


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
