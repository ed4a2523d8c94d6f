"""Read model of trading intervals: one summary a row, from which overview, interval list and day table are shown.

Nothing is decided here: values are read, counted and added. A value that the hub does not have is None, never 0.
"""

from dataclasses import dataclass
from datetime import date
from typing import TypeVar

from sqlalchemy import ColumnElement, func
from sqlmodel import Session, SQLModel, col, select

from edge.contract.energy import register_difference_wh
from edge.contract.interval import (
    INTERVALS_PER_DAY,
    day_of_interval,
    end_utc_s,
    first_interval_of_day,
    iso_utc,
    label_of_interval,
    start_utc_s,
)
from edge.contract.messages import CHANNELS, EXPORT, IMPORT
from edge.contract.registry import MeterKind
from hub.market.trades import Party
from hub.store.tables import (
    AccountTotalRow,
    Binding,
    ClearingRunRow,
    CurtailmentRow,
    ExchangeScheduleRow,
    LawViolationRow,
    LossRow,
    MeteredStateRow,
    MeteringPointRow,
    OrderRow,
    OrderStatus,
    PairRow,
    ProvincePriceRow,
    ReadingRow,
    SetpointRow,
    SettlementRunRow,
    SubstitutionRow,
    UnitPriceRow,
)

RowT = TypeVar("RowT", bound=SQLModel)

STAGES = ("none", "open", "cleared", "settled")
"""How far an interval is: no order yet, orders but not cleared, cleared, settled on metered energy."""


@dataclass(frozen=True)
class ModeVolume:
    """Energy of the pairs of one mode: 1 direct, 2 commission, 3 purchase, 0 bought from the province.

    to_province_wh: the part of the energy that the province bought.
    """

    mode: int
    pairs: int
    energy_wh: int
    to_province_wh: int


@dataclass(frozen=True)
class OrderCounts:
    """Orders of one interval by outcome; books and the province included."""

    accepted: int
    rejected: int


@dataclass(frozen=True)
class Prices:
    """Prices of one interval, micro-yuan/kWh. root: cleared at the gateway; lowest, highest: over all units."""

    root_uyuan_per_kwh: int | None
    lowest_uyuan_per_kwh: int | None
    highest_uyuan_per_kwh: int | None
    day_ahead_uyuan_per_kwh: int | None
    indicative_uyuan_per_kwh: int | None
    real_time_uyuan_per_kwh: int | None


@dataclass(frozen=True)
class Exchange:
    """Energy over the county gateway: scheduled by the clearing, metered by its registers, and their difference.

    deviation_wh: (metered import - export) - (scheduled import - export), the imbalance that D_sup settles.
    """

    scheduled_import_wh: int | None
    scheduled_export_wh: int | None
    metered_import_wh: int | None
    metered_export_wh: int | None
    deviation_wh: int | None


@dataclass(frozen=True)
class ExpectedState:
    """AC power flow of the expected physical state, and what the rounds of the network check did about it."""

    rounds: int
    violations_before: int
    violations_after: int
    vm_min_upu: int | None
    vm_max_upu: int | None
    loading_max_mpercent: int | None
    price_rule: str
    method: str


@dataclass(frozen=True)
class MeteredState:
    """AC power flow of the metered state: worst values with the names of bus and element."""

    violations: int
    vm_min_upu: int | None
    vm_min_bus: str
    vm_max_upu: int | None
    vm_max_bus: str
    loading_max_mpercent: int | None
    loading_max_element: str
    loss_wh: int | None


@dataclass(frozen=True)
class Limitation:
    """What limited the sellers of an interval: binding edges, setpoints and their answers, curtailed energy."""

    binding_export_edges: int
    binding_import_edges: int
    setpoints: int
    setpoints_answered_ok: int
    curtailed_orders: int
    curtailed_wh: int


@dataclass(frozen=True)
class IntervalSummary:
    """One trading interval. account_sum_nano_yuan: sum over all accounts by ledger, which must be 0; None if open."""

    interval: int
    day: str
    label: str
    starts_at: str
    ends_at: str
    stage: str
    orders: OrderCounts
    prices: Prices
    exchange: Exchange
    modes: tuple[ModeVolume, ...]
    limitation: Limitation
    expected: ExpectedState | None
    metered: MeteredState | None
    loss_wh: int | None
    substitutions: int
    law_violations: int
    account_sum_nano_yuan: int | None


def intervals_of_day(day: date) -> range:
    """Return the 96 interval numbers of the operating day."""
    first = first_interval_of_day(day)
    return range(first, first + INTERVALS_PER_DAY)


def read_newest_interval(session: Session) -> int | None:
    """Return the newest interval that was cleared, else the newest that has an order, else None."""
    cleared = session.exec(select(func.max(ClearingRunRow.interval))).one()
    return cleared if cleared is not None else session.exec(select(func.max(OrderRow.interval))).one()


def read_known_intervals(session: Session, *, before: int | None, limit: int) -> list[int]:
    """Return at most `limit` cleared intervals below `before` (None: from the newest), newest first."""
    statement = select(ClearingRunRow.interval).order_by(col(ClearingRunRow.interval).desc()).limit(limit)
    if before is not None:
        statement = statement.where(ClearingRunRow.interval < before)
    return list(session.exec(statement))


def read_interval_span(session: Session, *, first: int, last: int) -> tuple[int, int] | None:
    """Return the lowest and the highest interval of first..last that has an order or a provincial price, or None."""
    ends: list[int] = []
    for column in (col(OrderRow.interval), col(ProvincePriceRow.interval)):
        for end in (func.min(column), func.max(column)):  # one by one, so that each is a look into the index
            found = session.exec(select(end).where(column >= first, column <= last)).one()
            ends += [found] if found is not None else []
    return (min(ends), max(ends)) if ends else None


def read_settlement_runs(session: Session, *, first: int, last: int) -> dict[int, int]:
    """Return the newest settlement run of each settled interval of first..last."""
    interval, run = col(SettlementRunRow.interval), func.max(SettlementRunRow.run)
    return dict(session.exec(select(interval, run).where(interval >= first, interval <= last).group_by(interval)).all())


def read_law_violation_counts(session: Session, *, first: int, last: int) -> dict[int, int]:
    """Return how many breaches of laws are written down for each interval of first..last that has any."""
    interval = col(LawViolationRow.interval)
    statement = select(interval, func.count()).where(interval >= first, interval <= last).group_by(interval)
    return dict(session.exec(statement).all())


def empty_summary(interval: int) -> IntervalSummary:
    """Return the summary of an interval of which the hub knows nothing."""
    return IntervalSummary(
        interval=interval,
        day=day_of_interval(interval).isoformat(),
        label=label_of_interval(interval),
        starts_at=iso_utc(start_utc_s(interval)),
        ends_at=iso_utc(end_utc_s(interval)),
        stage="none",
        orders=OrderCounts(0, 0),
        prices=Prices(None, None, None, None, None, None),
        exchange=Exchange(None, None, None, None, None),
        modes=(),
        limitation=Limitation(0, 0, 0, 0, 0, 0),
        expected=None,
        metered=None,
        loss_wh=None,
        substitutions=0,
        law_violations=0,
        account_sum_nano_yuan=None,
    )


def read_interval_summary(session: Session, interval: int) -> IntervalSummary:
    """Return the summary of an interval; for an interval that the hub knows nothing of, stage is "none"."""
    orders = _order_counts(session, interval)
    expected = _expected_state(session, interval)
    settled = _exists(session, SettlementRunRow, col(SettlementRunRow.interval) == interval)
    return IntervalSummary(
        interval=interval,
        day=day_of_interval(interval).isoformat(),
        label=label_of_interval(interval),
        starts_at=iso_utc(start_utc_s(interval)),
        ends_at=iso_utc(end_utc_s(interval)),
        stage=_stage(orders, cleared=expected is not None, settled=settled),
        orders=orders,
        prices=_prices(session, interval),
        exchange=_exchange(session, interval),
        modes=read_modes(session, interval),
        limitation=_limitation(session, interval),
        expected=expected,
        metered=_metered_state(session, interval),
        loss_wh=_loss_wh(session, interval),
        substitutions=_count(session, SubstitutionRow, col(SubstitutionRow.interval) == interval),
        law_violations=_count(session, LawViolationRow, col(LawViolationRow.interval) == interval),
        account_sum_nano_yuan=_account_sum_nano_yuan(session, interval) if settled else None,
    )


def read_modes(session: Session, interval: int) -> tuple[ModeVolume, ...]:
    """Return pairs and energy of the interval by trading mode, in the order of the mode numbers."""
    statement = (
        select(PairRow.mode, PairRow.buyer_party, func.count(), func.sum(PairRow.energy_wh))
        .where(PairRow.interval == interval)
        .group_by(col(PairRow.mode), col(PairRow.buyer_party))
    )
    volumes: dict[int, ModeVolume] = {}
    for mode, buyer_party, pairs, energy in session.exec(statement):
        before = volumes.get(mode, ModeVolume(mode, 0, 0, 0))
        volumes[mode] = ModeVolume(
            mode=mode,
            pairs=before.pairs + pairs,
            energy_wh=before.energy_wh + int(energy),
            to_province_wh=before.to_province_wh + (int(energy) if buyer_party == Party.PROVINCE else 0),
        )
    return tuple(volumes[mode] for mode in sorted(volumes))


def read_gateway_exchange_wh(session: Session, interval: int) -> tuple[int | None, int | None]:
    """Return (import, export) of the county gateway's registers over the interval; None where a reading is missing."""
    point = col(MeteringPointRow.kind) == MeterKind.COUNTY_GATEWAY.value
    registers = {
        (instant, channel): value
        for instant, channel, value in session.exec(
            select(ReadingRow.read_instant_utc_s, ReadingRow.channel, ReadingRow.value)
            .where(col(ReadingRow.read_instant_utc_s).in_([start_utc_s(interval), end_utc_s(interval)]))
            .where(col(ReadingRow.meter).in_(select(MeteringPointRow.position).where(point)))
            .where(ReadingRow.revision == 0)
        )
    }

    def difference(channel: str) -> int | None:
        start = registers.get((start_utc_s(interval), CHANNELS.index(channel)))
        end = registers.get((end_utc_s(interval), CHANNELS.index(channel)))
        return None if start is None or end is None else register_difference_wh(start, end)

    return difference(IMPORT), difference(EXPORT)


def _stage(orders: OrderCounts, *, cleared: bool, settled: bool) -> str:
    if settled:
        return "settled"
    if cleared:
        return "cleared"
    return "open" if orders.accepted + orders.rejected else "none"


def _order_counts(session: Session, interval: int) -> OrderCounts:
    statement = (
        select(OrderRow.status, func.count()).where(OrderRow.interval == interval).group_by(col(OrderRow.status))
    )
    by_status = dict(session.exec(statement).all())
    return OrderCounts(by_status.get(OrderStatus.ACCEPTED, 0), by_status.get(OrderStatus.REJECTED, 0))


def _prices(session: Session, interval: int) -> Prices:
    price = col(UnitPriceRow.price_uyuan_per_kwh)
    here = col(UnitPriceRow.interval) == interval
    root = session.exec(select(price).where(here, UnitPriceRow.unit == 0)).first()
    lowest, highest = session.exec(select(func.min(price), func.max(price)).where(here)).one()
    province = session.get(ProvincePriceRow, interval)
    return Prices(
        root_uyuan_per_kwh=root,
        lowest_uyuan_per_kwh=lowest,
        highest_uyuan_per_kwh=highest,
        day_ahead_uyuan_per_kwh=province.day_ahead_uyuan_per_kwh if province else None,
        indicative_uyuan_per_kwh=province.indicative_uyuan_per_kwh if province else None,
        real_time_uyuan_per_kwh=province.real_time_uyuan_per_kwh if province else None,
    )


def _exchange(session: Session, interval: int) -> Exchange:
    schedule = session.get(ExchangeScheduleRow, interval)
    import_wh, export_wh = read_gateway_exchange_wh(session, interval)
    deviation = None
    if schedule is not None and import_wh is not None and export_wh is not None:
        deviation = (import_wh - export_wh) - (schedule.import_wh - schedule.export_wh)
    return Exchange(
        scheduled_import_wh=schedule.import_wh if schedule else None,
        scheduled_export_wh=schedule.export_wh if schedule else None,
        metered_import_wh=import_wh,
        metered_export_wh=export_wh,
        deviation_wh=deviation,
    )


def _limitation(session: Session, interval: int) -> Limitation:
    binding = col(UnitPriceRow.binding)
    here = col(UnitPriceRow.interval) == interval
    edges = session.exec(select(binding, func.count()).where(here).group_by(binding)).all()
    answers = dict(
        session.exec(
            select(col(SetpointRow.outcome), func.count())
            .where(SetpointRow.interval == interval)
            .group_by(col(SetpointRow.outcome))
        ).all()
    )
    curtailed_orders, curtailed_wh = session.exec(
        select(func.count(), func.sum(CurtailmentRow.curtailed_wh)).where(CurtailmentRow.interval == interval)
    ).one()
    return Limitation(
        binding_export_edges=sum(count for flags, count in edges if flags & Binding.EXPORT),
        binding_import_edges=sum(count for flags, count in edges if flags & Binding.IMPORT),
        setpoints=sum(answers.values()),
        setpoints_answered_ok=answers.get("ok", 0),
        curtailed_orders=curtailed_orders,
        curtailed_wh=int(curtailed_wh or 0),
    )


def _expected_state(session: Session, interval: int) -> ExpectedState | None:
    row = session.get(ClearingRunRow, interval)
    if row is None:
        return None
    return ExpectedState(
        rounds=row.rounds,
        violations_before=row.violations_before,
        violations_after=row.violations_after,
        vm_min_upu=row.vm_min_upu,
        vm_max_upu=row.vm_max_upu,
        loading_max_mpercent=row.loading_max_mpercent,
        price_rule=row.price_rule,
        method=row.method,
    )


def _metered_state(session: Session, interval: int) -> MeteredState | None:
    row = session.get(MeteredStateRow, interval)
    if row is None:
        return None
    return MeteredState(
        violations=row.violations,
        vm_min_upu=row.vm_min_upu,
        vm_min_bus=row.vm_min_bus,
        vm_max_upu=row.vm_max_upu,
        vm_max_bus=row.vm_max_bus,
        loading_max_mpercent=row.loading_max_mpercent,
        loading_max_element=row.loading_max_element,
        loss_wh=row.loss_wh,
    )


def _loss_wh(session: Session, interval: int) -> int | None:
    """Return the loss of the whole county by registers: the sum over its units; None if one of them is unknown."""
    losses = session.exec(select(LossRow.loss_wh).where(LossRow.interval == interval)).all()
    known = [loss for loss in losses if loss is not None]
    return sum(known) if losses and len(known) == len(losses) else None


def _account_sum_nano_yuan(session: Session, interval: int) -> int:
    total = func.sum(AccountTotalRow.ledger_nano_yuan)
    return int(session.exec(select(total).where(AccountTotalRow.interval == interval)).one() or 0)


def _count(session: Session, table: type[RowT], condition: ColumnElement[bool]) -> int:
    return session.exec(select(func.count()).select_from(table).where(condition)).one()


def _exists(session: Session, table: type[RowT], condition: ColumnElement[bool]) -> bool:
    return session.exec(select(table).where(condition).limit(1)).first() is not None
