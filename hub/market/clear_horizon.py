"""A horizon of intervals from a file, cleared together: storage, block and linked orders, meshed limits.

What `microbalance clear` does with a case that names `intervals`: the same as the hub's coupled clearing
(hub.market.coupled), of which this file is the border. Each interval has orders of its own on the one tree; an order or
a block that breaks a rule of the session is rejected with its reason, everything else that is wrong refuses the case.
Energy Wh, price micro-yuan/kWh, money nano-yuan, efficiency and ratio parts per million.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from types import MappingProxyType
from typing import Annotated, TypeAlias

import msgspec
import numpy as np

from hub.market.clear_case import (
    CaseError,
    CaseOrder,
    CaseSide,
    CaseUnit,
    ClearCase,
    Count,
    Name,
    Number,
    Positive,
    Province,
    RejectedRow,
    UnitRow,
    batch_of,
    rejection_of,
    require_rules,
    sorted_out,
    tree_of,
)
from hub.market.coupled.checks import check_coupled
from hub.market.coupled.clearing import BlockOutcome, CoupledInterval, CoupledResult, Route, Selection, clear_coupled
from hub.market.coupled.highs import HighsError
from hub.market.coupled.problem import (
    PPM,
    BlockOrders,
    CoupledProblem,
    CoupledProblemError,
    IntervalMarket,
    MeshedLimits,
    Storages,
    no_blocks,
    no_limits,
    no_storages,
)
from hub.market.price_rule import PriceRule
from hub.market.trades import BalanceTree, Int64Array, Party, TradeSide, Violation
from hub.market.tree_clearing import ClearingRangeError

SharePpm = Annotated[int, msgspec.Meta(ge=1, le=PPM)]
INTERVALS_MAX = 672
"""A week of quarter-hours: beyond it the linear program is no tool for a desk."""


class CaseInterval(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One interval: its orders and what the province offers or takes; a unit's limits stand in the case."""

    orders: list[CaseOrder] = []
    province: Province | None = None


class CaseStorage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Storage at a unit that the market schedules; see coupled.problem.Storages.

    charge_max_wh, discharge_max_wh: at the meter, in one interval. terminal_value: worth of a stored kWh after the last
    interval. reserve_wh: kept free at both limits for the rounding to whole Wh.
    """

    storage: Name
    unit: Name
    charge_max_wh: Count
    discharge_max_wh: Count
    energy_max_wh: Count
    energy_min_wh: Count = 0
    energy_start_wh: Count = 0
    reserve_wh: Count = 0
    charge_efficiency_ppm: SharePpm = PPM
    discharge_efficiency_ppm: SharePpm = PPM
    terminal_value_uyuan_per_kwh: Number = 0


class CaseBlock(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An order over the intervals, accepted in one ratio or not at all, at a limit for its mean price.

    energy_wh: one for each interval. ratio_min_ppm: the smallest ratio; 1,000,000 is all or nothing. parent: the block
    without which this one is not accepted, null for none.
    """

    block: Name
    unit: Name
    side: CaseSide
    price_uyuan_per_kwh: Number
    energy_wh: list[Number]
    ratio_min_ppm: SharePpm = PPM
    parent: Name | None = None
    clean: bool = False
    submitted_utc_s: Count = 0


class CaseFactor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much of a unit's net injection flows over the element: numerator / the limit's denominator."""

    unit: Name
    numerator: Number


class CaseMeshedLimit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A limit of an element that is no edge of the tree; the root is the slack. It lets a flow of zero through."""

    limit: Name
    factors: list[CaseFactor]
    low_wh: Number
    high_wh: Number
    denominator: Positive = 1


class HorizonCase(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A horizon of consecutive intervals on one tree. source: where it comes from, in words."""

    units: Annotated[list[CaseUnit], msgspec.Meta(min_length=1)]
    intervals: Annotated[list[CaseInterval], msgspec.Meta(min_length=1, max_length=INTERVALS_MAX)]
    storages: list[CaseStorage] = []
    blocks: list[CaseBlock] = []
    meshed_limits: list[CaseMeshedLimit] = []
    price_tick_uyuan_per_kwh: Positive = 1
    price_floor_uyuan_per_kwh: Number | None = None
    price_cap_uyuan_per_kwh: Number | None = None
    lot_wh: Positive = 1
    clean_first: bool = True
    price_rule: PriceRule = PriceRule.MIDPOINT
    source: str = ""


class FillReason(Enum):
    """Why an order of a horizon has its fill.

    FILLED: whole. AT_ITS_PRICE: its limit is its unit's price, where a part is as good as all. PRICE: its limit is
    worse than its unit's price. WHOLE_WH: its limit is better, but plans with efficiencies or factors are not whole Wh.
    """

    FILLED = "filled"
    AT_ITS_PRICE = "at-its-price"
    PRICE = "price"
    WHOLE_WH = "whole-wh"


class HorizonOrderRow(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an accepted order."""

    order: str
    unit: str
    side: CaseSide
    energy_wh: int
    price_uyuan_per_kwh: int
    filled_wh: int
    unit_price_uyuan_per_kwh: int
    reason: FillReason


class HorizonInterval(msgspec.Struct, frozen=True, kw_only=True):
    """One interval: which way it was cleared, by which rule of prices, and what was found."""

    interval: int
    route: Route
    price_rule: str
    imported_wh: int
    exported_wh: int
    units: list[UnitRow]
    orders: list[HorizonOrderRow]
    rejected: list[RejectedRow]


class StorageRow(msgspec.Struct, frozen=True, kw_only=True):
    """A storage's schedule by interval. stored_micro_wh: at its end, millionths of a Wh; stored_value: of a kWh."""

    storage: str
    charge_wh: list[int]
    discharge_wh: list[int]
    stored_micro_wh: list[int]
    stored_value_uyuan_per_kwh: list[int]


class BlockRow(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an accepted block order. ratio_micro_ppm: millionths of a ppm."""

    block: str
    outcome: BlockOutcome
    ratio_micro_ppm: int
    filled_wh: list[int]


class RejectedBlockRow(msgspec.Struct, frozen=True, kw_only=True):
    """A block that was rejected. position: in the case's list, from 0. reason: as of orders, or unknown-parent."""

    position: int
    block: str
    reason: str


class LimitRow(msgspec.Struct, frozen=True, kw_only=True):
    """A meshed limit by interval: its price in millionths of a micro-yuan/kWh, and by how much it was drawn in."""

    limit: str
    price_micro: list[int]
    margin_wh: list[int]


class HorizonResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a horizon. welfare: of the whole Wh, the worth of what is stored at the end included.

    bound: what the program found before it was rounded to Wh. selection: whether blocks were given up on the way; cuts:
    how many sets of blocks had no prices. bent: by how much conditions bend because plans are not whole Wh.
    """

    welfare_nano_yuan: int
    bound_nano_yuan: int
    selection: Selection
    cuts: int
    bent_uyuan_per_kwh: int
    intervals: list[HorizonInterval]
    storages: list[StorageRow]
    blocks: list[BlockRow]
    rejected_blocks: list[RejectedBlockRow]
    meshed_limits: list[LimitRow]


DOCUMENTS: Mapping[str, type[msgspec.Struct]] = MappingProxyType(
    {"clear-horizon": HorizonCase, "clear-horizon-result": HorizonResult}
)
"""Name -> type, for `microbalance schema`: the input and the output."""

_Rejected: TypeAlias = list[list[RejectedRow]]


@dataclass(frozen=True)
class ClearedHorizon:
    """A horizon's result, and what breaks a law in it: nothing, or there is a bug."""

    result: HorizonResult
    violations: list[Violation]


def decode_horizon(text: bytes) -> HorizonCase:
    """Return the horizon that a JSON text holds.

    :raises CaseError: if it is none
    """
    try:
        return msgspec.json.decode(text, type=HorizonCase)
    except msgspec.MsgspecError as error:
        raise CaseError(str(error)) from None


def is_horizon(text: bytes) -> bool:
    """Tell whether a case names intervals; what is no JSON object is none."""
    try:
        return "intervals" in msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except msgspec.MsgspecError:
        return False


def clear_horizon(case: HorizonCase) -> ClearedHorizon:
    """Return the result of a horizon.

    :raises CaseError: if the units are no tree, something contradicts itself, or numbers leave 64 bits
    """
    tree = tree_of(case.units)
    markets, rejected = _markets(case, tree)
    blocks, rejected_blocks = _blocks(case, tree)
    problem = CoupledProblem(markets, _storages(case, tree), blocks, _limits(case, tree))
    try:
        found = clear_coupled(
            problem,
            tick_uyuan_per_kwh=case.price_tick_uyuan_per_kwh,
            clean_first=case.clean_first,
            price_rule=case.price_rule,
        )
    except (CoupledProblemError, ClearingRangeError, HighsError) as error:
        raise CaseError(str(error)) from None
    violations = check_coupled(problem, found, clean_first=case.clean_first)
    return ClearedHorizon(_result(problem, found, rejected, rejected_blocks), violations)


def _markets(case: HorizonCase, tree: BalanceTree) -> tuple[tuple[IntervalMarket, ...], _Rejected]:
    """Return the intervals' markets, and the orders that are rejected in each."""
    markets, rejected = [], []
    for number, interval in enumerate(case.intervals):
        rules = _rules(case, interval.orders, interval.province)
        try:
            require_rules(rules)
        except CaseError as error:
            raise CaseError(f"interval {number}: {error}") from None
        accepted, refused = sorted_out(rules, set(tree.unit_id))
        reserved = next((one.order for one in accepted if one.order.startswith(("storage/", "block/"))), None)
        if reserved is not None:
            raise CaseError(f"interval {number}: order {reserved!r}: such names are those of storage and blocks")
        orders = batch_of(tree, accepted, interval.province)
        markets.append(IntervalMarket(tree, replace(orders, interval=number)))
        rejected.append(refused)
    return tuple(markets), rejected


def _rules(case: HorizonCase, orders: list[CaseOrder], province: Province | None = None) -> ClearCase:
    """Return the session's rules as of a case of one interval."""
    return ClearCase(
        units=case.units,
        orders=orders,
        province=province,
        price_tick_uyuan_per_kwh=case.price_tick_uyuan_per_kwh,
        price_floor_uyuan_per_kwh=case.price_floor_uyuan_per_kwh,
        price_cap_uyuan_per_kwh=case.price_cap_uyuan_per_kwh,
        lot_wh=case.lot_wh,
    )


def _storages(case: HorizonCase, tree: BalanceTree) -> Storages:
    if not case.storages:
        return no_storages()
    unit = {name: number for number, name in enumerate(tree.unit_id)}
    for one in case.storages:
        if one.unit not in unit:
            raise CaseError(f"storage {one.storage!r}: no unit {one.unit!r}")

    def column(name: str) -> Int64Array:
        return np.array([getattr(one, name) for one in case.storages], np.int64)

    return Storages(
        storage_id=tuple(one.storage for one in case.storages),
        unit=np.array([unit[one.unit] for one in case.storages], np.int64),
        meter=np.full(len(case.storages), -1, np.int64),
        charge_max_wh=column("charge_max_wh"),
        discharge_max_wh=column("discharge_max_wh"),
        energy_min_wh=column("energy_min_wh"),
        energy_max_wh=column("energy_max_wh"),
        energy_start_wh=column("energy_start_wh"),
        reserve_wh=column("reserve_wh"),
        charge_efficiency_ppm=column("charge_efficiency_ppm"),
        discharge_efficiency_ppm=column("discharge_efficiency_ppm"),
        terminal_value_uyuan_per_kwh=column("terminal_value_uyuan_per_kwh"),
    )


def _blocks(case: HorizonCase, tree: BalanceTree) -> tuple[BlockOrders, list[RejectedBlockRow]]:
    """Return the accepted blocks, parents first, and the rejected ones as they stand."""
    units, rules = set(tree.unit_id), _rules(case, [])
    accepted: dict[str, CaseBlock] = {}
    rejected: dict[int, RejectedBlockRow] = {}
    for position, block in enumerate(case.blocks):
        if len(block.energy_wh) != len(case.intervals):
            what = f"{len(block.energy_wh)} energies for {len(case.intervals)} intervals"
            raise CaseError(f"block {block.block!r}: {what}")
        reason = "duplicate-id" if block.block in accepted else _block_rejection(rules, block, units)
        if reason is None:
            accepted[block.block] = block
        else:
            rejected[position] = RejectedBlockRow(position=position, block=block.block, reason=reason)
    ordered: dict[str, CaseBlock] = {}
    while more := [
        one for one in accepted.values() if one.block not in ordered and (one.parent is None or one.parent in ordered)
    ]:
        ordered |= {one.block: one for one in more}
    for position, block in enumerate(case.blocks):
        if position not in rejected and block.block not in ordered:
            row = RejectedBlockRow(position=position, block=block.block, reason="unknown-parent")
            rejected[position] = row
    return _block_columns(list(ordered.values()), tree, len(case.intervals)), [
        rejected[row] for row in sorted(rejected)
    ]


def _block_rejection(rules: ClearCase, block: CaseBlock, units: set[str]) -> str | None:
    """Return the first rule that the block breaks in one of its intervals, None if it keeps all."""
    energies = [energy for energy in block.energy_wh if energy] or [0]
    for energy_wh in energies:
        part = CaseOrder(
            order=block.block,
            unit=block.unit,
            side=block.side,
            energy_wh=energy_wh,
            price_uyuan_per_kwh=block.price_uyuan_per_kwh,
        )
        reason = rejection_of(rules, part, units)
        if reason is not None:
            return reason.value
    return None


def _block_columns(blocks: Sequence[CaseBlock], tree: BalanceTree, n_intervals: int) -> BlockOrders:
    if not blocks:
        return no_blocks(n_intervals)
    unit = {name: number for number, name in enumerate(tree.unit_id)}
    position = {one.block: number for number, one in enumerate(blocks)}
    sides = [TradeSide.SELL if one.side is CaseSide.SELL else TradeSide.BUY for one in blocks]
    return BlockOrders(
        block_id=tuple(one.block for one in blocks),
        unit=np.array([unit[one.unit] for one in blocks], np.int64),
        meter=np.full(len(blocks), -1, np.int64),
        side=np.array(sides, np.int8),
        price_uyuan_per_kwh=np.array([one.price_uyuan_per_kwh for one in blocks], np.int64),
        ratio_min_ppm=np.array([one.ratio_min_ppm for one in blocks], np.int64),
        parent=np.array([-1 if one.parent is None else position[one.parent] for one in blocks], np.int64),
        clean=np.array([one.clean and one.side is CaseSide.SELL for one in blocks], np.bool_),
        submitted_utc_s=np.array([one.submitted_utc_s for one in blocks], np.int64),
        energy_wh=np.array([one.energy_wh for one in blocks], np.int64),
    )


def _limits(case: HorizonCase, tree: BalanceTree) -> MeshedLimits:
    n = len(case.intervals)
    if not case.meshed_limits:
        return no_limits(n)
    unit = {name: number for number, name in enumerate(tree.unit_id)}
    entries = []
    for number, limit in enumerate(case.meshed_limits):
        for factor in limit.factors:
            if factor.unit not in unit:
                raise CaseError(f"limit {limit.limit!r}: no unit {factor.unit!r}")
            entries.append((number, unit[factor.unit], factor.numerator))
    columns = np.array(entries, np.int64).reshape(len(entries), 3)
    return MeshedLimits(
        name=tuple(one.limit for one in case.meshed_limits),
        entry_limit=columns[:, 0],
        entry_unit=columns[:, 1],
        entry_numerator=columns[:, 2],
        denominator=np.array([one.denominator for one in case.meshed_limits], np.int64),
        low_wh=np.array([[one.low_wh] * n for one in case.meshed_limits], np.int64),
        high_wh=np.array([[one.high_wh] * n for one in case.meshed_limits], np.int64),
    )


def _result(
    problem: CoupledProblem, found: CoupledResult, rejected: _Rejected, rejected_blocks: list[RejectedBlockRow]
) -> HorizonResult:
    storages = [
        StorageRow(
            storage=name,
            charge_wh=found.charge_wh[row].tolist(),
            discharge_wh=found.discharge_wh[row].tolist(),
            stored_micro_wh=found.stored_micro_wh[row].tolist(),
            stored_value_uyuan_per_kwh=found.stored_value_uyuan_per_kwh[row].tolist(),
        )
        for row, name in enumerate(problem.storages.storage_id)
    ]
    blocks = [
        BlockRow(
            block=name,
            outcome=found.block_outcome[row],
            ratio_micro_ppm=int(found.block_ratio_micro_ppm[row]),
            filled_wh=found.block_fill_wh[row].tolist(),
        )
        for row, name in enumerate(problem.blocks.block_id)
    ]
    limits = [
        LimitRow(
            limit=name,
            price_micro=found.limit_price_micro[row].tolist(),
            margin_wh=found.limit_margin_wh[row].tolist(),
        )
        for row, name in enumerate(problem.limits.name)
    ]
    return HorizonResult(
        welfare_nano_yuan=found.welfare_nano_yuan,
        bound_nano_yuan=found.bound_nano_yuan,
        selection=found.selection,
        cuts=found.cuts,
        bent_uyuan_per_kwh=found.bent_uyuan_per_kwh,
        intervals=[_interval(one, refused) for one, refused in zip(found.intervals, rejected, strict=True)],
        storages=storages,
        blocks=sorted(blocks, key=lambda one: one.block),
        rejected_blocks=rejected_blocks,
        meshed_limits=limits,
    )


def _interval(found: CoupledInterval, rejected: list[RejectedRow]) -> HorizonInterval:
    orders, filled = found.orders, found.result.filled_wh
    is_province, sells = orders.party == Party.PROVINCE, orders.side == TradeSide.SELL
    ordinary = [
        row
        for row in np.flatnonzero(~is_province).tolist()
        if not orders.order_id[row].startswith(("storage/", "block/"))
    ]
    return HorizonInterval(
        interval=orders.interval,
        route=found.route,
        price_rule=found.result.price_rule,
        imported_wh=int(filled[is_province & sells].sum()),
        exported_wh=int(filled[is_province & ~sells].sum()),
        units=[_unit_row(found, unit) for unit in range(len(found.tree.unit_id))],
        orders=sorted((_order_row(found, row) for row in ordinary), key=lambda one: one.order),
        rejected=rejected,
    )


def _unit_row(found: CoupledInterval, unit: int) -> UnitRow:
    tree, result = found.tree, found.result
    flow, shadow = int(result.flow_up_wh[unit]), int(result.shadow_uyuan_per_kwh[unit])
    return UnitRow(
        unit=tree.unit_id[unit],
        price_uyuan_per_kwh=int(result.price_uyuan_per_kwh[unit]),
        flow_up_wh=flow,
        shadow_uyuan_per_kwh=shadow,
        basis_uyuan_per_kwh=int(result.basis_uyuan_per_kwh[unit]),
        fee_nano_yuan=max(-flow, 0) * int(tree.fee_uyuan_per_kwh[unit]),
        congestion_rent_nano_yuan=-flow * shadow,
        binding="export" if result.binding_export[unit] else "import" if result.binding_import[unit] else None,
    )


def _order_row(found: CoupledInterval, row: int) -> HorizonOrderRow:
    orders, unit = found.orders, int(found.orders.unit[row])
    is_sell = bool(orders.side[row] == TradeSide.SELL)
    limit, price = int(orders.price_uyuan_per_kwh[row]), int(found.result.price_uyuan_per_kwh[unit])
    energy_wh, filled_wh = int(orders.energy_wh[row]), int(found.result.filled_wh[row])
    gain = price - limit if is_sell else limit - price
    return HorizonOrderRow(
        order=orders.order_id[row],
        unit=found.tree.unit_id[unit],
        side=CaseSide.SELL if is_sell else CaseSide.BUY,
        energy_wh=energy_wh,
        price_uyuan_per_kwh=limit,
        filled_wh=filled_wh,
        unit_price_uyuan_per_kwh=price,
        reason=_reason(gain, is_whole=filled_wh == energy_wh),
    )


def _reason(gain: int, *, is_whole: bool) -> FillReason:
    """Return why an order has its fill. gain: by how much its unit's price is better than its limit."""
    if is_whole:
        return FillReason.FILLED
    if gain < 0:
        return FillReason.PRICE
    return FillReason.AT_ITS_PRICE if gain == 0 else FillReason.WHOLE_WH
