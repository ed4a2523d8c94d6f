"""The benchmark `market`: exact clearing on the balance tree against a sparse linear program on the same case.

The peer is HiGHS, handed its matrix ready made: variables are fills and the flows up and down each edge, with one
balance row a unit. By highspy's arrays it is faster than by scipy, so that is the peer; both are shown for one case.
Both must reach the same welfare. Pairing of the fills is timed as well; it has no peer. Then come one call auction, a
continuous book (auctions.py) and the network-secured day of the county (secured_day.py, `secured` alone).
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import highspy
import numpy as np
import numpy.typing as npt
import scipy.sparse
from scipy.optimize import linprog

from grid_models.bench.machine import versions_of
from grid_models.bench.measuring import BenchError, Comparison, Contender, Outcome, Show, Workbench, time_in_turn
from hub.bench import secured_day
from hub.bench.auctions import compare_auction, compare_book
from hub.market.network_fee import NetworkFees, network_fees
from hub.market.pairing import pair
from hub.market.registry_columns import MeteringPoints
from hub.market.trades import NO_LIMIT_WH, BalanceTree, ClearingResult, Int64Array, OrderBatch, Party, TradeSide
from hub.market.tree_clearing import clear

CASES: Final = ((3_000, 50), (10_000, 50), (3_000, 300), (10_000, 300))
SMALL_CASES: Final = ((60, 8), (90, 12))
TICK_UYUAN_PER_KWH: Final = 1_000
UPSTREAM_LOSS_UYUAN_PER_KWH: Final = 13_643
FLOOR_UYUAN_PER_KWH, CAP_UYUAN_PER_KWH = 0, 1_500_000
INDICATIVE_UYUAN_PER_KWH: Final = 350_000
TARIFF_UYUAN_PER_KWH: Final = {"<1kV": 200_000, "10(20)kV": 180_000, "110kV": 140_000}
ENERGY_MAX_WH: Final = 2_500
SELLER_SHARES: Final = (0.05, 0.85)
CLEAN_SHARE: Final = 0.6
LIMITED_SHARE: Final = 0.3
NEVER_REACHED_WH: Final = 2**40
"""Stands for "no limit" in the linear program, which takes no number as large as 2**62."""

PEER_OPTIONS: Final = {"presolve": False}
"""What makes HiGHS fastest in these cases: measured, it spends up to half its time in presolve."""

RELATIVE_TOLERANCE: Final = 1e-9
BOOKS: Final = (
    (Party.PURCHASE, TradeSide.SELL),
    (Party.COMMISSION, TradeSide.SELL),
    (Party.SUPPLY, TradeSide.BUY),
    (Party.LOSS, TradeSide.BUY),
)


@dataclass(frozen=True, eq=False)
class MarketCase:
    """One interval's market: a tree, its fees, the metering points behind the orders, and the orders."""

    tree: BalanceTree
    fees: NetworkFees
    points: MeteringPoints
    orders: OrderBatch


@dataclass(frozen=True, eq=False)
class LinearProgram:
    """Minimise cost @ x, balance @ x = 0, 0 <= x <= upper; the optimum is the welfare with its sign turned."""

    cost: Any
    balance: Any
    upper: Any

    def solve(self) -> float:
        """Return the welfare, in Wh x micro-yuan/kWh, by highspy.

        :raises BenchError: if HiGHS finds no optimum
        """
        highs: Any = highspy.Highs()  # type: ignore[no-untyped-call]
        program = highspy.HighsLp()
        highs.silent()
        highs.setOptionValue("presolve", "off")
        zero = np.zeros(self.balance.shape[0])
        program.num_row_, program.num_col_ = self.balance.shape
        program.col_cost_, program.col_lower_, program.col_upper_ = self.cost, np.zeros_like(self.upper), self.upper
        program.row_lower_, program.row_upper_ = zero, zero
        program.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        program.a_matrix_.start_, program.a_matrix_.index_ = self.balance.indptr, self.balance.indices
        program.a_matrix_.value_ = self.balance.data
        highs.passModel(program)
        highs.run()
        if highs.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            raise BenchError(f"HiGHS: {highs.modelStatusToString(highs.getModelStatus())}")
        highs.getSolution()
        return -float(highs.getInfo().objective_function_value)

    def solve_by_scipy(self) -> float:
        """Return the welfare as `solve` does, by scipy's linprog.

        :raises BenchError: if HiGHS finds no optimum
        """
        bounds = np.column_stack((np.zeros_like(self.upper), self.upper))
        zero = np.zeros(self.balance.shape[0])
        found = linprog(self.cost, A_eq=self.balance, b_eq=zero, bounds=bounds, method="highs", options=PEER_OPTIONS)
        if found.status != 0:
            raise BenchError(f"HiGHS: {found.message}")
        return -float(found.fun)


def measure(workbench: Workbench) -> Outcome:
    """Measure clearing against the linear program, pairing, one call auction, a continuous book and a secured day.

    :raises BenchError: if the welfare differs, or a batch of secured intervals from the same ones alone
    """
    cases = {size: made_up_market(*size) for size in (SMALL_CASES if workbench.small else CASES)}
    comparisons = [_compare_clearing(*size, case, workbench) for size, case in cases.items()]
    of_scipy = (SMALL_CASES if workbench.small else CASES)[1]
    comparisons.append(_compare_clearing(*of_scipy, cases[of_scipy], workbench, by_scipy=True))
    comparisons += [_time_pairing(*size, case, workbench) for size, case in cases.items()]
    comparisons += [compare_auction(workbench), compare_book(workbench)]
    secured = secured_day.measure(workbench)
    return Outcome(
        (*comparisons, *secured.comparisons),
        {**versions_of(("numpy", "highspy", "scipy")), **secured.versions},
        (
            "The peer's matrix is made beforehand; it passes and solves the model without presolve, fastest here.",
            *secured.notes,
        ),
    )


def made_up_market(n_orders: int, n_edges: int) -> MarketCase:
    """Return a county's market, the same one for the same sizes.

    Root, station, feeders and areas hang as in a county; every unit below the station has the supply arm's four books,
    the other orders are direct; three edges in ten have limits that may bind.
    """
    draws = np.random.default_rng([n_orders, n_edges])
    n_feeders = max(2, n_edges // 12)
    n_areas = n_edges - 1 - n_feeders
    parent = np.array([-1, 0, *[1] * n_feeders, *draws.integers(2, 2 + n_feeders, n_areas)], np.int64)
    classes = ["110kV", *["10(20)kV"] * (1 + n_feeders), *["<1kV"] * n_areas]
    unit_id = [f"U{number:04d}" for number in range(parent.size)]
    fees = network_fees(
        unit_id=unit_id, parent=parent, voltage_class=classes, tariff_uyuan_per_kwh=TARIFF_UYUAN_PER_KWH
    )
    area_wh = n_orders * ENERGY_MAX_WH // (2 * n_edges)
    limited = (draws.random(parent.size) < LIMITED_SHARE) & (np.arange(parent.size) > 1)
    tree = BalanceTree(
        unit_id=tuple(unit_id),
        parent=parent,
        export_limit_wh=np.where(limited, draws.integers(0, area_wh // 2, parent.size), NO_LIMIT_WH),
        import_limit_wh=np.where(limited, draws.integers(0, area_wh // 2, parent.size), NO_LIMIT_WH),
        fee_uyuan_per_kwh=fees.edge_fee_uyuan_per_kwh,
    )
    orders = _orders(draws, n_orders, n_units=parent.size, area_wh=area_wh)
    return MarketCase(tree, fees, _points(orders, classes), orders)


def linear_program(case: MarketCase) -> LinearProgram:
    """Return the case as a sparse linear program."""
    tree, orders = case.tree, case.orders
    n_units, n_orders = len(tree.unit_id), orders.energy_wh.size
    sign = np.where(orders.side == TradeSide.SELL, 1.0, -1.0)
    edge = np.arange(1, n_units)
    up, down = n_orders + edge - 1, n_orders + n_units - 1 + edge - 1
    one = np.ones(edge.size)
    rows = np.concatenate((orders.unit, edge, tree.parent[1:], edge, tree.parent[1:]))
    columns = np.concatenate((np.arange(n_orders), up, up, down, down))
    values = np.concatenate((sign, -one, one, one, -one))
    shape = (n_units, n_orders + 2 * edge.size)
    limits = (tree.export_limit_wh[1:], tree.import_limit_wh[1:])
    return LinearProgram(
        cost=np.concatenate(
            (orders.price_uyuan_per_kwh * sign, np.zeros(edge.size), tree.fee_uyuan_per_kwh[1:].astype(np.float64))
        ),
        balance=scipy.sparse.csc_matrix((values, (rows, columns)), shape=shape),
        upper=np.concatenate((orders.energy_wh, *(np.minimum(limit, NEVER_REACHED_WH) for limit in limits))),
    )


def welfare_of(case: MarketCase, result: ClearingResult) -> int:
    """Return bids less offers less fees of a clearing, exactly, in Wh x micro-yuan/kWh."""
    orders = case.orders
    value = np.where(orders.side == TradeSide.SELL, -1, 1) * orders.price_uyuan_per_kwh
    down_wh = np.maximum(-result.flow_up_wh, 0)[1:]
    fees = down_wh @ case.tree.fee_uyuan_per_kwh[1:]
    return int(value @ result.filled_wh) - int(fees)


def _compare_clearing(
    n_orders: int, n_edges: int, case: MarketCase, workbench: Workbench, *, by_scipy: bool = False
) -> Comparison:
    program = linear_program(case)
    solve = program.solve_by_scipy if by_scipy else program.solve
    ours, theirs = time_in_turn(
        Contender("tree clearing", lambda _run: partial(_clear, case)),
        Contender(f"sparse LP, HiGHS by {'scipy' if by_scipy else 'highspy'}", lambda _run: solve),
        runs=workbench.many_runs,
        peer_runs=workbench.many_runs,
    )
    welfare, welfare_of_peer = welfare_of(case, _clear(case)), solve()
    if abs(welfare - welfare_of_peer) > RELATIVE_TOLERANCE * max(abs(welfare), 1):
        raise BenchError(f"{n_orders} orders: welfare is {welfare} by the tree, {welfare_of_peer} by HiGHS")
    what = f"clear {n_orders:,} orders, {n_edges} edges"
    return Comparison(what, Show.MILLISECONDS, "intervals", ours, theirs, f"welfare to {RELATIVE_TOLERANCE:.0e} of it")


def _time_pairing(n_orders: int, n_edges: int, case: MarketCase, workbench: Workbench) -> Comparison:
    result = _clear(case)
    work = partial(
        pair,
        case.tree,
        case.orders,
        result,
        fees=case.fees,
        points=case.points,
        upstream_loss_uyuan_per_kwh=UPSTREAM_LOSS_UYUAN_PER_KWH,
    )
    ours, _ = time_in_turn(Contender("pairing", lambda _run: work), None, runs=workbench.many_runs, peer_runs=1)
    what = f"pair {n_orders:,} orders, {n_edges} edges ({work().energy_wh.size:,} pairs)"
    return Comparison(what, Show.MILLISECONDS, "intervals", ours, None, "")


def _clear(case: MarketCase) -> ClearingResult:
    return clear(case.tree, case.orders, tick_uyuan_per_kwh=TICK_UYUAN_PER_KWH)


def _orders(draws: np.random.Generator, n_orders: int, *, n_units: int, area_wh: int) -> OrderBatch:
    """Return direct orders, four books at every unit below the station, and the province's two orders, by id."""
    book_unit = np.repeat(np.arange(2, n_units), len(BOOKS))
    n_books = book_unit.size
    n_direct = n_orders - n_books - 2
    assert n_direct > 0, "fewer orders than books"
    unit = draws.integers(1, n_units, n_direct)
    # Some units have surplus and some lack energy, so that limits bind in both directions.
    sells = draws.random(n_direct) < draws.uniform(*SELLER_SHARES, n_units)[unit]
    price = np.where(sells, draws.integers(150, 500, n_direct), draws.integers(250, 750, n_direct)) * 1_000
    book_side = np.tile([side for _, side in BOOKS], n_units - 2)
    tie_wh = area_wh * n_units
    gateway_fee = TARIFF_UYUAN_PER_KWH["110kV"] + UPSTREAM_LOSS_UYUAN_PER_KWH

    def column(direct: npt.ArrayLike, books: npt.ArrayLike, province: list[int]) -> Int64Array:
        return np.concatenate((direct, books, province)).astype(np.int64)

    return OrderBatch(
        interval=1,
        order_id=tuple(f"O{number:06d}" for number in range(n_orders)),
        unit=column(unit, book_unit, [0, 0]),
        meter=column(np.arange(n_direct), np.full(n_books, -1), [-1, -1]),
        side=column(np.where(sells, TradeSide.SELL, TradeSide.BUY), book_side, [TradeSide.SELL, TradeSide.BUY]).astype(
            np.int8
        ),
        party=column(
            np.full(n_direct, Party.DIRECT),
            np.tile([party for party, _ in BOOKS], n_units - 2),
            [Party.PROVINCE, Party.PROVINCE],
        ).astype(np.int8),
        energy_wh=column(
            draws.integers(10, ENERGY_MAX_WH, n_direct), draws.integers(1, max(area_wh // 4, 2), n_books), [tie_wh] * 2
        ),
        price_uyuan_per_kwh=column(
            price,
            np.where(book_side == TradeSide.SELL, FLOOR_UYUAN_PER_KWH, CAP_UYUAN_PER_KWH),
            [INDICATIVE_UYUAN_PER_KWH + gateway_fee, INDICATIVE_UYUAN_PER_KWH],
        ),
        clean=column(draws.random(n_direct) < CLEAN_SHARE, np.zeros(n_books), [0, 0]).astype(np.bool_),
        submitted_utc_s=column(draws.integers(0, 5, n_direct), np.full(n_books, 9), [9, 9]),
    )


def _points(orders: OrderBatch, classes: list[str]) -> MeteringPoints:
    """Return one metering point for each direct order, which may sell and buy directly."""
    direct = np.flatnonzero(orders.party == Party.DIRECT)
    unit = orders.unit[direct]
    shared = np.full(direct.size, Party.DIRECT, np.int8)
    return MeteringPoints(
        meter_id=tuple(f"M{number:06d}" for number in range(direct.size)),
        unit=unit,
        sale=shared,
        supply=shared,
        clean=orders.clean[direct],
        export_capacity_wh=np.full(direct.size, ENERGY_MAX_WH),
        import_capacity_wh=np.full(direct.size, ENERGY_MAX_WH),
        user_tariff_uyuan_per_kwh=np.array([TARIFF_UYUAN_PER_KWH[classes[each]] for each in unit.tolist()], np.int64),
    )
