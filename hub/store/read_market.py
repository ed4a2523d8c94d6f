"""Read model of one cleared interval: orders with their fills, offered curves, units, pairs, setpoints, curtailment.

Positions are turned into ids and numbers of enums into their names; nothing is decided here.
Pages are by key: `after` is the key of the last row that the reader has, None for the first page.
"""

import json
from dataclasses import dataclass

from sqlalchemy import and_, func, or_
from sqlmodel import Session, col, select

from hub.market.trades import Party, TradeSide
from hub.store.tables import (
    BalanceUnitRow,
    Binding,
    CurtailmentRow,
    FillRow,
    GatewayRow,
    LimitViolationRow,
    LossRow,
    MeteringPointRow,
    OrderRow,
    OrderStatus,
    PairRow,
    SetpointRow,
    UnitPriceRow,
)


@dataclass(frozen=True)
class OrderView:
    """One order and what became of it. meter: None for a book of the supply arm and the province.

    cleared_wh, filled_wh and cleared_price (the price at the order's unit) are None while the interval is not cleared.
    """

    order_id: str
    meter: str | None
    unit: str | None
    side: str
    party: str
    energy_wh: int
    price_uyuan_per_kwh: int
    clean: bool
    submitted_utc_s: int
    status: str
    reason: str
    cleared_wh: int | None
    filled_wh: int | None
    cleared_price_uyuan_per_kwh: int | None


@dataclass(frozen=True)
class CurvePoint:
    """One price level of all accepted orders of a side, and the energy up to and including it in merit order.

    Sellers accumulate from the lowest price up, buyers from the highest price down. Orders stand at the price that
    was offered at their own unit: limits and fees of the tree between units are not in the curve.
    """

    price_uyuan_per_kwh: int
    energy_wh: int
    filled_wh: int
    cumulative_wh: int


@dataclass(frozen=True)
class UnitView:
    """One balance unit of the registry. depth: 0 for the root."""

    unit: str
    parent: str | None
    kind: str
    voltage_class: str
    depth: int
    export_limit_wh: int | None
    import_limit_wh: int | None
    elements: tuple[str, ...]
    metering_points: int


@dataclass(frozen=True)
class UnitResult:
    """The clearing result at one balance unit, its limits beside its flow. binds: "export", "import" or None."""

    unit: str
    parent: str | None
    kind: str
    depth: int
    price_uyuan_per_kwh: int
    shadow_uyuan_per_kwh: int
    basis_uyuan_per_kwh: int
    flow_up_wh: int
    export_limit_wh: int | None
    import_limit_wh: int | None
    binds: str | None
    bought_wh: int
    sold_wh: int
    loss_wh: int | None


@dataclass(frozen=True)
class PairView:
    """One pair. seller, buyer: meter ids, None for a book and the province (see the party)."""

    seq: int
    seller_order_id: str
    buyer_order_id: str
    seller: str | None
    buyer: str | None
    seller_party: str
    buyer_party: str
    apex: str
    mode: int
    energy_wh: int
    price_paid_uyuan_per_kwh: int
    price_received_uyuan_per_kwh: int
    network_charge_uyuan_per_kwh: int
    upstream_loss_uyuan_per_kwh: int


@dataclass(frozen=True)
class SetpointView:
    """One limit of net export at a metering point. outcome: the gateway's answer, None while there is none."""

    meter: str
    gateway: str
    unit: str
    export_limit_w: int
    export_limit_wh: int
    cause: str
    outcome: str | None


@dataclass(frozen=True)
class CurtailmentView:
    """Energy by which one fill was lowered after the last clearing round."""

    order_id: str
    meter: str | None
    unit: str | None
    curtailed_wh: int
    cause: str


@dataclass(frozen=True)
class LimitViolationView:
    """One breached network limit. stage: "expected", "cleared" or "metered". value, limit: mV, mA or W by kind.

    seq: 0 for the worst of its stage. excess_per_mille: by how much of the limit it is breached.
    """

    stage: str
    seq: int
    kind: str
    element: str
    unit: str | None
    direction: str
    value: int
    limit: int
    excess_per_mille: int


def read_orders(
    session: Session,
    interval: int,
    *,
    after: str | None,
    limit: int,
    side: TradeSide | None = None,
    status: OrderStatus | None = None,
    text: str = "",
) -> list[OrderView]:
    """Return at most `limit` orders of the interval by order id, those after `after`.

    :param text: only orders whose order, meter or unit id contains it
    """
    fill = and_(col(FillRow.interval) == col(OrderRow.interval), col(FillRow.order_id) == col(OrderRow.order_id))
    statement = (
        select(OrderRow, FillRow, MeteringPointRow.meter_id, BalanceUnitRow.unit_id)
        .join(FillRow, fill, isouter=True)
        .join(MeteringPointRow, col(MeteringPointRow.position) == col(OrderRow.meter), isouter=True)
        .join(BalanceUnitRow, col(BalanceUnitRow.position) == col(OrderRow.unit), isouter=True)
        .where(OrderRow.interval == interval)
        .order_by(col(OrderRow.order_id))
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(OrderRow.order_id > after)
    if side is not None:
        statement = statement.where(OrderRow.side == int(side))
    if status is not None:
        statement = statement.where(OrderRow.status == int(status))
    if text:
        ids = (col(OrderRow.order_id), col(MeteringPointRow.meter_id), col(BalanceUnitRow.unit_id))
        statement = statement.where(or_(*(column.contains(text, autoescape=True) for column in ids)))
    return [_order_view(*row) for row in session.exec(statement)]


def read_curve(session: Session, interval: int, side: TradeSide) -> list[CurvePoint]:
    """Return the offered curve of one side in merit order."""
    price = col(OrderRow.price_uyuan_per_kwh)
    fill = and_(col(FillRow.interval) == col(OrderRow.interval), col(FillRow.order_id) == col(OrderRow.order_id))
    statement = (
        select(price, func.sum(OrderRow.energy_wh), func.sum(FillRow.filled_wh))
        .join(FillRow, fill, isouter=True)
        .where(OrderRow.interval == interval, OrderRow.side == int(side))
        .where(OrderRow.status == int(OrderStatus.ACCEPTED))
        .group_by(price)
        .order_by(price if side is TradeSide.SELL else price.desc())
    )
    points: list[CurvePoint] = []
    cumulative_wh = 0
    for level, energy_wh, filled_wh in session.exec(statement):
        cumulative_wh += int(energy_wh)
        points.append(CurvePoint(level, int(energy_wh), int(filled_wh or 0), cumulative_wh))
    return points


def read_units(session: Session) -> list[UnitView]:
    """Return the balance-unit tree, each unit followed by what is below it, children by id."""
    counts = dict(session.exec(select(MeteringPointRow.unit, func.count()).group_by(col(MeteringPointRow.unit))).all())
    return [
        UnitView(
            unit=unit.unit_id,
            parent=parent,
            kind=unit.kind,
            voltage_class=unit.voltage_class,
            depth=depth,
            export_limit_wh=unit.export_limit_wh,
            import_limit_wh=unit.import_limit_wh,
            elements=tuple(json.loads(unit.elements)),
            metering_points=counts.get(unit.position, 0),
        )
        for unit, parent, depth in _tree(session)
    ]


def read_unit_results(session: Session, interval: int) -> list[UnitResult]:
    """Return the clearing result of every unit in the order of `read_units`; empty if the interval is not cleared."""
    prices = {
        row.unit: row for row in session.exec(select(UnitPriceRow).where(UnitPriceRow.interval == interval)).all()
    }
    losses = dict(session.exec(select(LossRow.unit, LossRow.loss_wh).where(LossRow.interval == interval)).all())
    filled = func.sum(FillRow.filled_wh)
    fills = {
        (unit, side): int(energy)
        for unit, side, energy in session.exec(
            select(FillRow.unit, FillRow.side, filled)
            .where(FillRow.interval == interval)
            .group_by(col(FillRow.unit), col(FillRow.side))
        )
    }
    return [
        UnitResult(
            unit=unit.unit_id,
            parent=parent,
            kind=unit.kind,
            depth=depth,
            price_uyuan_per_kwh=price.price_uyuan_per_kwh,
            shadow_uyuan_per_kwh=price.shadow_uyuan_per_kwh,
            basis_uyuan_per_kwh=price.basis_uyuan_per_kwh,
            flow_up_wh=price.flow_up_wh,
            export_limit_wh=unit.export_limit_wh,
            import_limit_wh=unit.import_limit_wh,
            binds=_binds(price.binding),
            bought_wh=fills.get((unit.position, int(TradeSide.BUY)), 0),
            sold_wh=fills.get((unit.position, int(TradeSide.SELL)), 0),
            loss_wh=losses.get(unit.position),
        )
        for unit, parent, depth in _tree(session)
        if (price := prices.get(unit.position)) is not None
    ]


def read_pairs(session: Session, interval: int, *, after: int | None, limit: int) -> list[PairView]:
    """Return at most `limit` pairs of the interval in their fixed order, those after number `after`."""
    meters = _names(session, MeteringPointRow.position, MeteringPointRow.meter_id)
    units = _names(session, BalanceUnitRow.position, BalanceUnitRow.unit_id)
    statement = select(PairRow).where(PairRow.interval == interval).order_by(col(PairRow.seq)).limit(limit)
    if after is not None:
        statement = statement.where(PairRow.seq > after)
    return [
        PairView(
            seq=row.seq,
            seller_order_id=row.seller_order_id,
            buyer_order_id=row.buyer_order_id,
            seller=meters.get(row.seller),
            buyer=meters.get(row.buyer),
            seller_party=Party(row.seller_party).name,
            buyer_party=Party(row.buyer_party).name,
            apex=units[row.apex],
            mode=row.mode,
            energy_wh=row.energy_wh,
            price_paid_uyuan_per_kwh=row.price_paid_uyuan_per_kwh,
            price_received_uyuan_per_kwh=row.price_received_uyuan_per_kwh,
            network_charge_uyuan_per_kwh=row.network_charge_uyuan_per_kwh,
            upstream_loss_uyuan_per_kwh=row.upstream_loss_uyuan_per_kwh,
        )
        for row in session.exec(statement)
    ]


def read_setpoints(session: Session, interval: int, *, after: str | None, limit: int) -> list[SetpointView]:
    """Return at most `limit` setpoints of the interval by meter id, those after meter `after`."""
    statement = (
        select(SetpointRow, MeteringPointRow.meter_id, GatewayRow.gateway_id, BalanceUnitRow.unit_id)
        .join(MeteringPointRow, col(MeteringPointRow.position) == col(SetpointRow.meter))
        .join(GatewayRow, col(GatewayRow.position) == col(SetpointRow.gateway))
        .join(BalanceUnitRow, col(BalanceUnitRow.position) == col(MeteringPointRow.unit))
        .where(SetpointRow.interval == interval)
        .order_by(col(MeteringPointRow.meter_id))
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(MeteringPointRow.meter_id > after)
    return [
        SetpointView(meter, gateway, unit, row.export_limit_w, row.export_limit_wh, row.cause, row.outcome)
        for row, meter, gateway, unit in session.exec(statement)
    ]


def read_curtailments(session: Session, interval: int, *, after: str | None, limit: int) -> list[CurtailmentView]:
    """Return at most `limit` curtailed orders of the interval by order id, those after `after`."""
    statement = (
        select(CurtailmentRow, MeteringPointRow.meter_id, BalanceUnitRow.unit_id)
        .join(MeteringPointRow, col(MeteringPointRow.position) == col(CurtailmentRow.meter), isouter=True)
        .join(BalanceUnitRow, col(BalanceUnitRow.position) == col(CurtailmentRow.unit), isouter=True)
        .where(CurtailmentRow.interval == interval)
        .order_by(col(CurtailmentRow.order_id))
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(CurtailmentRow.order_id > after)
    return [
        CurtailmentView(row.order_id, meter, unit, row.curtailed_wh, row.cause)
        for row, meter, unit in session.exec(statement)
    ]


def read_limit_violations(
    session: Session, interval: int, *, after: tuple[str, int] | None, limit: int
) -> list[LimitViolationView]:
    """Return at most `limit` breached limits of the interval by (stage, seq), those after `after`."""
    stage, seq = col(LimitViolationRow.stage), col(LimitViolationRow.seq)
    statement = (
        select(LimitViolationRow, BalanceUnitRow.unit_id)
        .join(BalanceUnitRow, col(BalanceUnitRow.position) == col(LimitViolationRow.unit), isouter=True)
        .where(LimitViolationRow.interval == interval)
        .order_by(stage, seq)
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(or_(stage > after[0], and_(stage == after[0], seq > after[1])))
    return [
        LimitViolationView(
            stage=row.stage,
            seq=row.seq,
            kind=row.kind,
            element=row.element,
            unit=unit,
            direction=row.direction,
            value=row.value,
            limit=row.limit,
            excess_per_mille=row.excess_per_mille,
        )
        for row, unit in session.exec(statement)
    ]


def _order_view(order: OrderRow, fill: FillRow | None, meter: str | None, unit: str | None) -> OrderView:
    return OrderView(
        order_id=order.order_id,
        meter=meter,
        unit=unit,
        side=TradeSide(order.side).name,
        party=Party(order.party).name,
        energy_wh=order.energy_wh,
        price_uyuan_per_kwh=order.price_uyuan_per_kwh,
        clean=bool(order.clean),
        submitted_utc_s=order.submitted_utc_s,
        status=OrderStatus(order.status).name,
        reason=order.reason,
        cleared_wh=fill.cleared_wh if fill else None,
        filled_wh=fill.filled_wh if fill else None,
        cleared_price_uyuan_per_kwh=fill.price_uyuan_per_kwh if fill else None,
    )


def _tree(session: Session) -> list[tuple[BalanceUnitRow, str | None, int]]:
    """Return (unit, parent's id, depth), depth first, so that a table can be indented."""
    units = session.exec(select(BalanceUnitRow).order_by(col(BalanceUnitRow.position))).all()
    names = {unit.position: unit.unit_id for unit in units}
    children: dict[int, list[BalanceUnitRow]] = {}
    for unit in units:
        children.setdefault(unit.parent, []).append(unit)
    rows: list[tuple[BalanceUnitRow, str | None, int]] = []
    waiting = [(unit, 0) for unit in reversed(children.get(-1, []))]
    while waiting:
        unit, depth = waiting.pop()
        rows.append((unit, names.get(unit.parent), depth))
        waiting += [(child, depth + 1) for child in reversed(children.get(unit.position, []))]
    return rows


def _binds(binding: int) -> str | None:
    if binding & Binding.EXPORT:
        return "export"
    return "import" if binding & Binding.IMPORT else None


def _names(session: Session, position: int, name: str) -> dict[int, str]:
    return dict(session.exec(select(position, name)).all())
