"""What clearing one interval and making it safe takes and gives: gate, rounds, limits asked for, and the result."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeAlias

from grid_models.security import CheckedState, LimitKind, LimitViolation, StateOutcome
from hub.market.books import BookFills, Books
from hub.market.curtailment import PRO_RATA, Curtailment, CurtailmentPolicy
from hub.market.meshed_rows import MeshedClearing
from hub.market.order_batch import DirectOrders
from hub.market.security import LimitCoverage
from hub.market.trades import BalanceTree, BoolArray, ClearingResult, Int64Array, OrderBatch, Pairs
from hub.usecases.stage_times import StageTimes


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
    own limit, or one inside the network that is mapped to this, the lowest covering edge that can cure it, or one that
    the sparse program keeps (then the unit is where the element lies). limit_wh: the edge's new limit of export, or
    what may flow over the element. sufficient: whether that cures all of it, by the check's estimate.
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
    """One clearing and the physical state that it leads to. setpoint_wh: shape (n_meters,), -1 none.

    meshed: what the sparse program was asked and found; None where the tree cleared.
    """

    result: ClearingResult
    book_fills: BookFills
    setpoint_wh: Int64Array
    expected_wh: Int64Array
    state: StateOutcome
    meshed: MeshedClearing | None = None


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
    meshed: as in SecuredRound.
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
    meshed: MeshedClearing | None
    outlook: Outlook
    stages: StageTimes

    @property
    def wall_us(self) -> int:
        """Return the time that it took, its share of a batch of power flows included."""
        return self.stages.total_us


def violations_of(state: StateOutcome) -> tuple[LimitViolation, ...]:
    """Return the state's violations, worst first; none for a state without a solution, which is reported by itself."""
    return state.violations if isinstance(state, CheckedState) else ()
