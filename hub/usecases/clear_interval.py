"""Clear one trading interval and make it safe: orders and books -> tree clearing -> AC check -> limits -> pairs.

The loop is DESIGN 5 "Network check": the expected physical state is solved by AC power flow, a violation tightens the
limit of the lowest covering tree edge and the interval is cleared again; what stays after the last round is curtailed
by the published rule.
"""

import time
from dataclasses import dataclass, replace

import numpy as np

from edge.contract.interval import start_utc_s
from grid_models.security import CheckedState, FlowDirection, LimitViolation, TightenedLimit, UnsolvedState
from hub.market.books import BookFills, Books, book_orders, province_orders, split_book_fills
from hub.market.curtailment import Curtailment, curtail, curtail_pairs
from hub.market.forecast import forecast_net_export_wh
from hub.market.order_batch import DirectOrders, assemble_orders
from hub.market.pairing import pair
from hub.market.security import (
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

ROUNDS_MAX = 4
CURTAILMENT_ROUNDS_MAX = 6
NO_LIMIT_WH = 2**62
INTERVALS_AN_HOUR = 4


@dataclass(frozen=True)
class GateRules:
    """What the session announced: price limits and tick of orders."""

    price_floor_uyuan_per_kwh: int
    price_cap_uyuan_per_kwh: int
    price_tick_uyuan_per_kwh: int


@dataclass(frozen=True)
class Outlook:
    """What is expected of an interval at its gate closure, from readings alone.

    net_export_wh, reactive_export_varh: shape (n_meters,). loss_wh: shape (n_units,), >= 0.
    """

    net_export_wh: Int64Array
    reactive_export_varh: Int64Array
    loss_wh: Int64Array


@dataclass(frozen=True)
class SecuredRound:
    """One clearing and the physical state that it leads to. setpoint_wh: shape (n_meters,), -1 none."""

    result: ClearingResult
    book_fills: BookFills
    setpoint_wh: Int64Array
    expected_wh: Int64Array
    state: CheckedState | UnsolvedState


@dataclass(frozen=True)
class ClearedInterval:
    """Everything that clearing one interval found.

    result: of the last clearing round; filled_wh, book_fills: after curtailment. curtailed_wh: shape (n_pairs,).
    before: the state without any control; after: the state that clearing, setpoints and curtailment lead to.
    limited: shape (n_units,), the units whose sellers get setpoints. cause: shape (n_meters,) names why a meter has a
    setpoint, "" where it has none.
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
    before: CheckedState | UnsolvedState
    after: CheckedState | UnsolvedState
    rounds: int
    outlook: Outlook
    wall_us: int


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
    started = time.perf_counter()
    desk = _open_desk(
        county, interval, direct, expected, rules=rules, indicative_uyuan_per_kwh=indicative_uyuan_per_kwh
    )
    secured, tree, controlled, rounds, before = desk.clear_until_secure()
    filled_wh, book_fills = secured.result.filled_wh, secured.book_fills
    curtailment, secured, controlled = desk.curtail_the_rest(tree, secured, controlled)
    if curtailment is not None:
        filled_wh, book_fills = curtailment.filled_wh, curtailment.book_fills
    pairs = pair(
        tree,
        desk.orders,
        secured.result,
        fees=county.fees,
        points=county.points,
        upstream_loss_uyuan_per_kwh=county.parameters.upstream_loss.value_uyuan_per_kwh,
    )
    cut_wh = secured.result.filled_wh - filled_wh
    return ClearedInterval(
        interval=interval,
        tree=tree,
        orders=desk.orders,
        books=desk.books,
        result=secured.result,
        pairs=pairs,
        filled_wh=filled_wh,
        cut_wh=cut_wh,
        book_fills=book_fills,
        curtailed_wh=curtail_pairs(desk.orders, pairs, cut_wh).curtailed_wh,
        curtailment=curtailment,
        setpoint_wh=secured.setpoint_wh,
        limited=limited_units(tree, secured.result, controlled),
        cause=_causes(county, tree, secured, curtailment),
        before=before,
        after=secured.state,
        rounds=rounds,
        outlook=expected,
        wall_us=round((time.perf_counter() - started) * 1_000_000),
    )


@dataclass(frozen=True)
class _Desk:
    """One interval's orders on the table, and the steps of the loop over them."""

    county: CountyModel
    orders: OrderBatch
    books: Books
    expected: Outlook
    rules: GateRules

    def clear_until_secure(
        self,
    ) -> tuple[SecuredRound, BalanceTree, BoolArray, int, CheckedState | UnsolvedState]:
        """Clear, check, tighten and clear again, at most ROUNDS_MAX times."""
        tree, controlled = self.county.tree, no_control(self.county.tree)
        secured, before = self._first_round(tree, controlled)
        rounds = 1
        while rounds < ROUNDS_MAX:
            limits_wh = self._asked_limits_wh(secured)
            if limits_wh is None:
                break
            tightened = tighten(tree, secured.result, controlled, limits_wh)
            tree, controlled = tightened.tree, tightened.controlled
            secured = self._round(tree, controlled)
            rounds += 1
        return secured, tree, controlled, rounds, before

    def curtail_the_rest(
        self, tree: BalanceTree, secured: SecuredRound, controlled: BoolArray
    ) -> tuple[Curtailment | None, SecuredRound, BoolArray]:
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
            if at_fills_wh.any():
                curtailment = curtail(
                    tree,
                    self.orders,
                    self.county.points,
                    self.books,
                    filled_wh,
                    book_fills,
                    reduction_wh=at_fills_wh,
                    earlier=curtailment,
                )
                filled_wh, book_fills = curtailment.filled_wh, curtailment.book_fills
            limited = limited_units(tree, secured.result, controlled)
            setpoint_wh = setpoints_wh(limited, self.orders, self.county.points, filled_wh, book_fills)
            expected_wh = self._expected_wh(setpoint_wh)
            (state,) = self._solve(expected_wh[np.newaxis])
            secured = replace(secured, setpoint_wh=setpoint_wh, expected_wh=expected_wh, state=state)
        return curtailment, secured, controlled

    def _first_round(
        self, tree: BalanceTree, controlled: BoolArray
    ) -> tuple[SecuredRound, CheckedState | UnsolvedState]:
        result, book_fills, setpoint_wh = self._clear(tree, controlled)
        free_wh = self._expected_wh(np.full_like(setpoint_wh, -1))
        expected_wh = self._expected_wh(setpoint_wh)
        before, state = self._solve(np.stack([free_wh, expected_wh]))
        return SecuredRound(result, book_fills, setpoint_wh, expected_wh, state), before

    def _round(self, tree: BalanceTree, controlled: BoolArray) -> SecuredRound:
        result, book_fills, setpoint_wh = self._clear(tree, controlled)
        expected_wh = self._expected_wh(setpoint_wh)
        (state,) = self._solve(expected_wh[np.newaxis])
        return SecuredRound(result, book_fills, setpoint_wh, expected_wh, state)

    def _clear(self, tree: BalanceTree, controlled: BoolArray) -> tuple[ClearingResult, BookFills, Int64Array]:
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

    def _solve(self, expected_wh: Int64Array) -> tuple[CheckedState | UnsolvedState, ...]:
        meters = self.county.market_meters
        p_w = np.ascontiguousarray(expected_wh[:, meters] * INTERVALS_AN_HOUR)
        q_var = np.broadcast_to(self.expected.reactive_export_varh[meters] * INTERVALS_AN_HOUR, p_w.shape)
        return self.county.security.check_states(p_w, np.ascontiguousarray(q_var))

    def _tightened(self, secured: SecuredRound) -> tuple[TightenedLimit, ...]:
        if isinstance(secured.state, UnsolvedState):
            return ()
        violations = tuple(one for one in secured.state.violations if one.direction is FlowDirection.EXPORT)
        if not violations:
            return ()
        meters = self.county.market_meters
        controllable_w = np.maximum(secured.expected_wh[meters], 0) * INTERVALS_AN_HOUR
        limits = self.county.security.tightened_limits(secured.state, controllable_w)
        return tuple(limit for limit in limits if limit.direction is FlowDirection.EXPORT)

    def _asked_limits_wh(self, secured: SecuredRound) -> Int64Array | None:
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
        return limits_wh

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


def _open_desk(
    county: CountyModel,
    interval: int,
    direct: DirectOrders,
    expected: Outlook,
    *,
    rules: GateRules,
    indicative_uyuan_per_kwh: int,
) -> _Desk:
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
        price_uyuan_per_kwh=indicative_uyuan_per_kwh,
        gateway_fee_uyuan_per_kwh=county.fees.gateway_fee_uyuan_per_kwh,
        upstream_loss_uyuan_per_kwh=county.parameters.upstream_loss.value_uyuan_per_kwh,
    )
    orders = assemble_orders(
        interval=interval,
        tree=county.tree,
        fees=county.fees,
        points=county.points,
        direct=direct,
        books=books,
        province=province,
        gate_utc_s=start_utc_s(interval - 1),
    )
    return _Desk(county, orders, books, expected, rules)


def violations_of(state: CheckedState | UnsolvedState) -> tuple[LimitViolation, ...]:
    """Return the state's violations, worst first; none for a state without a solution, which is reported by itself."""
    return state.violations if isinstance(state, CheckedState) else ()


def _causes(
    county: CountyModel, tree: BalanceTree, secured: SecuredRound, curtailment: Curtailment | None
) -> tuple[str, ...]:
    """Return why each meter has its setpoint: a limit of the registry binds, or the network check asked for it."""
    is_registered = tree.export_limit_wh == county.tree.export_limit_wh
    behind_limit = units_behind(tree, np.asarray(secured.result.binding_export & is_registered, dtype=np.bool_))
    curtailed = set() if curtailment is None else set(curtailment.meter.tolist())
    causes = []
    for meter, (setpoint_wh, unit) in enumerate(zip(secured.setpoint_wh.tolist(), county.points.unit, strict=True)):
        if setpoint_wh < 0:
            causes.append("")
        elif meter in curtailed:
            causes.append("curtailment")
        elif behind_limit[unit]:
            causes.append("export-limit")
        else:
            causes.append("network-check")
    return tuple(causes)
