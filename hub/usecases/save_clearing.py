"""Write what clearing an interval found: orders, fills, prices, pairs, setpoints, curtailments, the checked states."""

from collections.abc import Sequence

import numpy as np
from sqlalchemy import text
from sqlmodel import Session

from grid_models.security import CheckedState, LimitViolation, UnsolvedState
from hub.market.books import split_book_fills
from hub.market.trades import ClearingResult, Int64Array, Party, Violation
from hub.store.bulk import insert_columns, insert_rows
from hub.store.green_tables import AskedLimitRow
from hub.store.orders import save_market_orders
from hub.store.setpoints import save_setpoints
from hub.store.tables import (
    Binding,
    ClearingRunRow,
    CurtailmentRow,
    ExchangeScheduleRow,
    FillRow,
    LawViolationRow,
    LimitViolationRow,
    PairRow,
    UnitPriceRow,
)
from hub.usecases.load_county import INTERVALS_AN_HOUR, CountyModel
from hub.usecases.secured_interval import ClearedInterval, violations_of

TREE, SPARSE_PROGRAM = "tree", "sparse-program"
_LAST_OF_LAW = text("SELECT law, max(seq) FROM law_violation WHERE interval = :interval GROUP BY law")


def save_clearing(session: Session, county: CountyModel, cleared: ClearedInterval) -> None:
    """Write the whole result of one interval; it is written once."""
    save_market_orders(session, cleared.orders)
    _save_fills(session, cleared)
    _save_unit_prices(session, cleared)
    _save_pairs(session, cleared)
    _save_setpoints(session, county, cleared)
    _save_curtailments(session, county, cleared)
    _save_schedule(session, cleared)
    save_limit_violations(session, cleared.interval, "expected", violations_of(cleared.before))
    save_limit_violations(session, cleared.interval, "cleared", violations_of(cleared.after))
    _save_asked_limits(session, cleared)
    _save_run(session, cleared)


def save_limit_violations(session: Session, interval: int, stage: str, violations: Sequence[LimitViolation]) -> None:
    """Write the breached network limits of one state: stage "expected", "cleared" or "metered"."""
    rows = [
        (
            interval,
            stage,
            seq,
            one.kind.value,
            one.element,
            one.unit,
            one.direction.value,
            one.value,
            one.limit,
            one.excess_per_mille,
        )
        for seq, one in enumerate(violations)
    ]
    names = (
        "interval",
        "stage",
        "seq",
        "kind",
        "element",
        "unit",
        "direction",
        "value",
        "limit",
        "excess_per_mille",
    )
    insert_rows(session, LimitViolationRow, names, rows)


def save_law_violations(session: Session, interval: int, violations: Sequence[Violation]) -> None:
    """Write the breaches of laws found in an interval, numbered on from what is there for the same law."""
    # The gate, the settlement and the check of the metered state may each find breaches of law 2.
    following = {int(law): int(last) + 1 for law, last in session.execute(_LAST_OF_LAW, {"interval": interval})}
    rows = []
    for one in violations:
        seq = following.get(one.law, 0)
        following[one.law] = seq + 1
        rows.append((interval, one.law, seq, one.where, one.what))
    insert_rows(session, LawViolationRow, ("interval", "law", "seq", "place", "what"), rows)


def _save_fills(session: Session, cleared: ClearedInterval) -> None:
    orders = cleared.orders
    insert_columns(
        session,
        FillRow,
        {
            "interval": cleared.interval,
            "order_id": orders.order_id,
            "meter": orders.meter,
            "unit": orders.unit,
            "side": orders.side,
            "party": orders.party,
            "cleared_wh": cleared.result.filled_wh,
            "filled_wh": cleared.filled_wh,
            "price_uyuan_per_kwh": cleared.result.price_uyuan_per_kwh[orders.unit],
        },
    )


def _save_unit_prices(session: Session, cleared: ClearedInterval) -> None:
    result: ClearingResult = cleared.result
    binding = result.binding_export * Binding.EXPORT.value + result.binding_import * Binding.IMPORT.value
    insert_columns(
        session,
        UnitPriceRow,
        {
            "interval": cleared.interval,
            "unit": np.arange(len(cleared.tree.unit_id)),
            "price_uyuan_per_kwh": result.price_uyuan_per_kwh,
            "shadow_uyuan_per_kwh": result.shadow_uyuan_per_kwh,
            "basis_uyuan_per_kwh": result.basis_uyuan_per_kwh,
            "flow_up_wh": result.flow_up_wh,
            "binding": binding,
        },
    )


def _save_pairs(session: Session, cleared: ClearedInterval) -> None:
    orders, pairs = cleared.orders, cleared.pairs
    if not pairs.energy_wh.size:
        return
    ids = np.array(orders.order_id, dtype=object)
    insert_columns(
        session,
        PairRow,
        {
            "interval": cleared.interval,
            "seq": np.arange(pairs.energy_wh.size),
            "seller_order_id": ids[pairs.seller],
            "buyer_order_id": ids[pairs.buyer],
            "seller": orders.meter[pairs.seller],
            "buyer": orders.meter[pairs.buyer],
            "seller_party": orders.party[pairs.seller],
            "buyer_party": orders.party[pairs.buyer],
            "apex": pairs.apex,
            "mode": pairs.mode,
            "energy_wh": pairs.energy_wh,
            "price_paid_uyuan_per_kwh": pairs.price_paid_uyuan_per_kwh,
            "price_received_uyuan_per_kwh": pairs.price_received_uyuan_per_kwh,
            "network_charge_uyuan_per_kwh": pairs.network_charge_uyuan_per_kwh,
            "upstream_loss_uyuan_per_kwh": pairs.upstream_loss_uyuan_per_kwh,
        },
    )


def _save_setpoints(session: Session, county: CountyModel, cleared: ClearedInterval) -> None:
    gateways = {gateway.gateway_id: position for position, gateway in enumerate(county.registry.gateways)}
    rows = []
    for meter in np.flatnonzero(cleared.setpoint_wh >= 0).tolist():
        point = county.registry.metering_points[meter]
        limit_wh = int(cleared.setpoint_wh[meter])
        rows.append(
            (
                cleared.interval,
                meter,
                gateways[point.gateway_id],
                limit_wh * INTERVALS_AN_HOUR,
                limit_wh,
                cleared.cause[meter],
                f"{cleared.interval}-{point.gateway_id}",
            )
        )
    save_setpoints(session, rows)


def _save_curtailments(session: Session, county: CountyModel, cleared: ClearedInterval) -> None:
    if cleared.curtailment is None:
        return
    before = _book_export_wh(county, cleared)
    rows: list[tuple[int, str, int, int, int, str]] = []
    for order in np.flatnonzero(cleared.cut_wh > 0).tolist():
        if cleared.orders.party[order] != Party.DIRECT:
            continue
        meter, unit = int(cleared.orders.meter[order]), int(cleared.orders.unit[order])
        cut_wh = int(cleared.cut_wh[order])
        rows.append((cleared.interval, cleared.orders.order_id[order], meter, unit, cut_wh, cleared.curtailment.rule))
    lost_wh = before - cleared.book_fills.export_wh
    for meter in np.flatnonzero(lost_wh > 0).tolist():
        point = county.registry.metering_points[meter]
        order_id = f"book/{cleared.interval}/{point.unit_id}/{point.meter_id}"
        unit = int(county.points.unit[meter])
        rows.append((cleared.interval, order_id, meter, unit, int(lost_wh[meter]), cleared.curtailment.rule))
    insert_rows(session, CurtailmentRow, ("interval", "order_id", "meter", "unit", "curtailed_wh", "cause"), rows)


def _book_export_wh(county: CountyModel, cleared: ClearedInterval) -> Int64Array:
    """Return what the books' members sold before curtailment: the clearing's fills, split in the same way."""
    fills = split_book_fills(
        cleared.books, cleared.orders, cleared.result.filled_wh, n_meters=len(county.points.meter_id)
    )
    return fills.export_wh


def _save_schedule(session: Session, cleared: ClearedInterval) -> None:
    """Write what will cross the tie: what was cleared, less what was curtailed (it is replaced at the root)."""
    export_wh = int(cleared.result.flow_up_wh[0]) - int(cleared.cut_wh.sum())
    row = ExchangeScheduleRow(interval=cleared.interval, import_wh=max(-export_wh, 0), export_wh=max(export_wh, 0))
    session.add(row)
    session.flush()


def _save_asked_limits(session: Session, cleared: ClearedInterval) -> None:
    names = ("interval", "seq", "round", "unit", "element", "kind", "n_breaches", "coverage", "limit_wh", "sufficient")
    rows = [
        (
            cleared.interval,
            seq,
            one.round,
            one.unit,
            one.element,
            one.kind.value,
            one.n_breaches,
            one.coverage.value,
            one.limit_wh,
            one.sufficient,
        )
        for seq, one in enumerate(cleared.asked)
    ]
    insert_rows(session, AskedLimitRow, names, rows)


def _save_run(session: Session, cleared: ClearedInterval) -> None:
    after = cleared.after
    solved = after if isinstance(after, CheckedState) else None
    loadings = [] if solved is None else [one.per_mille for one in (solved.worst_line, solved.worst_transformer) if one]
    loading = max(loadings, default=None)
    session.add(
        ClearingRunRow(
            interval=cleared.interval,
            rounds=cleared.rounds,
            violations_before=_count(cleared.before),
            violations_after=_count(after),
            price_rule=cleared.result.price_rule,
            method=TREE if cleared.meshed is None else SPARSE_PROGRAM,
            vm_min_upu=None if solved is None else solved.lowest_voltage.per_mille * 1000,
            vm_max_upu=None if solved is None else solved.highest_voltage.per_mille * 1000,
            loading_max_mpercent=None if loading is None else loading * 100,
            wall_us=cleared.wall_us,
        )
    )
    session.flush()


def _count(state: CheckedState | UnsolvedState) -> int:
    """Return how many limits the state breaches; a state without a solution counts as one."""
    return len(state.violations) if isinstance(state, CheckedState) else 1
