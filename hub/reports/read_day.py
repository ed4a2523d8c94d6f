"""Read the figures of a day report from the store. The sums are made by the database; nothing is worded here.

Every query is about the intervals first..last of the day, both included, and runs on SQLite and on PostgreSQL, which
sort text differently: what is sorted by text is sorted here.
"""

import hashlib
from collections.abc import Iterable, Mapping

import numpy as np
from sqlalchemy import TextClause, text
from sqlmodel import Session

from edge.contract.interval import day_of_interval, end_utc_s, start_utc_s
from hub.market.registry.published_results import only_stamp
from hub.market.trades import Party, TradeSide
from hub.reports.day_figures import (
    MODES,
    STAGES,
    AccountFigures,
    AccountTotal,
    BindingEdge,
    CurtailmentFigures,
    DayFigures,
    FlowFigures,
    GapFigures,
    HostingFigures,
    LawFigures,
    LimitedSeller,
    ModeFigures,
    OrderFigures,
    PairSums,
    Provenance,
    ProvinceFigures,
    RefusedFigures,
    SetpointFigures,
    ViolatedElement,
    ViolationFigures,
)
from hub.reports.read_intervals import Span, read_intervals, read_pair_sums
from hub.reports.read_reasons import read_green, read_reasons
from hub.settlement.transfers import TransferKind
from hub.store.hosting import read_assessments, read_capacity_list, read_omission
from hub.store.readings import registers_at
from hub.store.registry import county_of
from hub.store.tables import OrderStatus, RefusedKind
from hub.usecases.load_county import CountyModel
from hub.usecases.registry_event import LoadedRegister, load_register
from hub.usecases.summarise_run import energy_totals_wh, laws

USERS = "USERS"
RECEIVED = ".received"
WARM_UP_S = 1800
"""A run meets what concerns its first interval up to two intervals before it: gate closure and first registers."""

_TOTALS = text(
    "SELECT account, sum(ledger_nano_yuan), sum(independent_nano_yuan) FROM account_total "
    "WHERE interval BETWEEN :first AND :last GROUP BY account ORDER BY account"
)
_STATEMENTS = text(
    "SELECT account, total_fen, rounding_nano_yuan FROM statement "
    "WHERE day = :day AND first_interval = :first AND last_interval = :last"
)
_FLOWS = text(
    "SELECT l.kind, sum(l.energy_wh), sum(l.exact_nano_yuan) FROM statement_line l JOIN statement s "
    "ON s.day = l.day AND s.account = l.account WHERE l.day = :day AND s.first_interval = :first "
    "AND s.last_interval = :last GROUP BY l.kind"
)
_PROVINCE = text(
    "SELECT coalesce(sum(import_wh), 0), coalesce(sum(export_wh), 0), coalesce(sum(settled_import_wh), 0), "
    "coalesce(sum(settled_export_wh), 0), "
    "CASE WHEN count(settled_nano_yuan) = count(*) THEN sum(settled_nano_yuan) END "
    "FROM exchange_schedule WHERE interval BETWEEN :first AND :last"
)
_ORDERS = text(
    'SELECT side, status, count(*), sum(energy_wh) FROM "order" WHERE party = :direct AND gateway >= 0 '
    "AND interval BETWEEN :first AND :last GROUP BY side, status"
)
_FILLED = text(
    "SELECT side, sum(filled_wh) FROM fill WHERE party = :direct AND interval BETWEEN :first AND :last GROUP BY side"
)
_SETPOINTS_BY_METER = text(
    "SELECT meter, count(*) FROM setpoint WHERE interval BETWEEN :first AND :last GROUP BY meter"
)
_UNSOLD = text(
    "SELECT s.meter, sum(o.energy_wh - f.cleared_wh) FROM fill f "
    "JOIN setpoint s ON s.interval = f.interval AND s.meter = f.meter "
    'JOIN "order" o ON o.interval = f.interval AND o.order_id = f.order_id '
    "WHERE f.interval BETWEEN :first AND :last AND f.side = :sell AND f.party = :direct GROUP BY s.meter"
)
_CURTAILED_BY_METER = text(
    "SELECT meter, sum(curtailed_wh) FROM curtailment WHERE interval BETWEEN :first AND :last GROUP BY meter"
)
_SETPOINTS = text(
    "SELECT cause, count(*), sum(CASE WHEN outcome = 'ok' THEN 1 ELSE 0 END), "
    "sum(CASE WHEN outcome <> 'ok' THEN 1 ELSE 0 END), sum(CASE WHEN outcome IS NULL THEN 1 ELSE 0 END) "
    "FROM setpoint WHERE interval BETWEEN :first AND :last GROUP BY cause"
)
_CURTAILMENTS = text(
    "SELECT cause, count(*), count(DISTINCT interval), count(DISTINCT meter), sum(curtailed_wh) FROM curtailment "
    "WHERE interval BETWEEN :first AND :last GROUP BY cause"
)
_BINDING = text(
    "SELECT b.unit_id, b.kind, count(*), max(p.flow_up_wh), min(p.flow_up_wh), min(p.shadow_uyuan_per_kwh), "
    "max(p.shadow_uyuan_per_kwh) FROM unit_price p JOIN balance_unit b ON b.position = p.unit "
    "WHERE p.interval BETWEEN :first AND :last AND p.binding <> 0 GROUP BY b.unit_id, b.kind"
)
_VIOLATIONS = text(
    "SELECT stage, kind, count(*), count(DISTINCT interval), max(excess_per_mille) FROM limit_violation "
    "WHERE interval BETWEEN :first AND :last GROUP BY stage, kind"
)
_VIOLATED = text(
    "SELECT v.element, b.unit_id, v.kind, count(DISTINCT v.interval), max(v.excess_per_mille) FROM limit_violation v "
    "JOIN balance_unit b ON b.position = v.unit WHERE v.interval BETWEEN :first AND :last AND v.stage = 'metered' "
    "GROUP BY v.element, b.unit_id, v.kind"
)
_REFUSED = text(
    "SELECT kind, reason, count(*), sum(count) FROM quarantine WHERE first_seen_utc_s BETWEEN :since AND :until "
    "GROUP BY kind, reason"
)
_GAPS = (
    "SELECT {group}, count(*), count(DISTINCT s.meter), count(DISTINCT s.interval), sum(s.energy_wh) "
    "FROM substitution s JOIN metering_point m ON m.position = s.meter JOIN gateway g ON g.position = m.gateway "
    "WHERE s.interval BETWEEN :first AND :last GROUP BY {group}"
)
_GAPS_BY_RULE, _GAPS_BY_GATEWAY = text(_GAPS.format(group="s.rule")), text(_GAPS.format(group="g.gateway_id"))
_BREACHES = text(
    "SELECT law, interval, place, what FROM law_violation WHERE interval BETWEEN :first AND :last "
    "ORDER BY law, interval, seq"
)
_RUNS = text(
    "SELECT rule_version, input_hash FROM settlement_run WHERE interval BETWEEN :first AND :last ORDER BY interval, run"
)
_RULES = text("SELECT DISTINCT price_rule, method FROM clearing_run WHERE interval BETWEEN :first AND :last")
_SETTLED = text(
    "SELECT count(DISTINCT interval) FROM settlement_run WHERE interval BETWEEN :first AND :last AND run = 0"
)


def read_day_figures(session: Session, county: CountyModel, *, first: int, last: int) -> DayFigures:
    """Return the figures of the intervals first..last (inclusive) of one operating day."""
    span = Span(first, last)
    flows, pairs = _flows(session, span), read_pair_sums(session, span)
    totals = _account_totals(session, county, span)
    registry = county.registry
    return DayFigures(
        day=day_of_interval(last),
        county=registry.county,
        published_by=only_stamp(
            load_register(session, LoadedRegister(registry.county)).register, day_of_interval(last)
        ),
        first=first,
        last=last,
        settled=int(session.execute(_SETTLED, span.bounds).scalar_one()),
        metering_points=len(registry.metering_points),
        gateways=len(registry.gateways),
        participants=len(registry.participants),
        meters_unread=_meters_unread(session, county, span),
        intervals=read_intervals(session, span, pairs),
        pairs=pairs,
        modes=_modes(pairs),
        energy_wh=energy_totals_wh(session, county, first=first, last=last),
        province=_province(session, span, flows),
        account_totals=totals,
        accounts=_accounts(session, county, span, totals),
        flows=flows,
        orders=_orders(session, span),
        limited=_limited(session, county, span),
        setpoints=_setpoints(session, span),
        curtailments=_curtailments(session, span),
        binding=_binding(session, span),
        violations=_violations(session, span),
        violated=_violated(session, span),
        refused=_refused(session, span),
        gap_rules=_gaps(session, _GAPS_BY_RULE, span),
        gap_gateways=_gaps(session, _GAPS_BY_GATEWAY, span),
        laws=_laws(session, span),
        hosting=_hosting(session, end_utc_s(last)),
        reasons=read_reasons(session, span),
        green=read_green(session, span),
        provenance=_provenance(session, span),
    )


def _account_groups(county: CountyModel) -> tuple[str, ...]:
    """Return the name under which each account is shown, by position: its own, or its participant's seller class."""
    classes = {one.participant_id: one.seller_class for one in county.registry.participants}
    groups = []
    for name in county.accounts.names:
        seller_class = classes.get(name)
        groups.append(name if name not in classes else USERS if seller_class is None else seller_class.value)
    return tuple(groups)


def seen_between_utc_s(first: int, last: int) -> dict[str, int]:
    """Return the hub's times, both included, in which what the report counts as refused was first seen."""
    return {"since": start_utc_s(first) - WARM_UP_S, "until": end_utc_s(last)}


def _meters_unread(session: Session, county: CountyModel, span: Span) -> int:
    n_meters = len(county.points.meter_id)
    present = (
        registers_at(session, start_utc_s(span.first), n_meters).present
        & registers_at(session, end_utc_s(span.last), n_meters).present
    )
    return int(np.count_nonzero((county.channel_present & ~present).any(axis=1)))


def _modes(pairs: Iterable[PairSums]) -> tuple[ModeFigures, ...]:
    sums = {mode: [0, 0, 0, 0, 0] for mode in MODES}
    for one in pairs:
        exported_wh = one.energy_wh if one.buyer_party is Party.PROVINCE else 0
        row = (one.pairs, one.energy_wh, exported_wh, one.paid_nano_yuan, one.received_nano_yuan)
        for position, value in enumerate(row):
            sums[one.mode][position] += value
    return tuple(ModeFigures(mode, *sums[mode]) for mode in MODES)


def _account_totals(session: Session, county: CountyModel, span: Span) -> tuple[AccountTotal, ...]:
    """Return every account that an interval of the span was settled for, by position."""
    names, groups = county.accounts.names, _account_groups(county)
    return tuple(
        AccountTotal(names[account], groups[account], int(ledger), int(independent))
        for account, ledger, independent in session.execute(_TOTALS, span.bounds)
    )


def _accounts(
    session: Session, county: CountyModel, span: Span, totals: Iterable[AccountTotal]
) -> tuple[AccountFigures, ...]:
    names = county.accounts.names
    statements = {
        names[account]: (int(total_fen), int(rounding))
        for account, total_fen, rounding in session.execute(_STATEMENTS, span.of_day)
    }
    summed: dict[str, list[int]] = {}
    for one in totals:
        sums = summed.setdefault(one.group, [0, 0, 0, 0, 0])
        row = (1, one.ledger_nano_yuan, one.independent_nano_yuan, *statements.get(one.account, (0, 0)))
        for position, value in enumerate(row):
            sums[position] += value
    return tuple(
        AccountFigures(
            name=name,
            accounts=accounts,
            ledger_nano_yuan=ledger,
            independent_nano_yuan=independent,
            statement_fen=statement_fen if statements else None,
            rounding_nano_yuan=rounding if statements else None,
        )
        for name, (accounts, ledger, independent, statement_fen, rounding) in summed.items()
    )


def _flows(session: Session, span: Span) -> tuple[FlowFigures, ...]:
    """Return what was paid by kind, as the payees' statement lines have it, in the order of TransferKind."""
    found = {str(row[0]): (int(row[1]), int(row[2])) for row in session.execute(_FLOWS, span.of_day)}
    return tuple(
        FlowFigures(kind.name, *found[kind.name + RECEIVED]) for kind in TransferKind if kind.name + RECEIVED in found
    )


def _province(session: Session, span: Span, flows: Iterable[FlowFigures]) -> ProvinceFigures:
    *energies, settled = session.execute(_PROVINCE, span.bounds).one()
    amounts = {flow.kind: flow.amount_nano_yuan for flow in flows}
    ledger = amounts.get(TransferKind.GATEWAY_IMPORT.name, 0) - amounts.get(TransferKind.GATEWAY_EXPORT.name, 0)
    scheduled_import, scheduled_export, metered_import, metered_export = (int(value) for value in energies)
    return ProvinceFigures(
        scheduled_import_wh=scheduled_import,
        scheduled_export_wh=scheduled_export,
        import_wh=metered_import,
        export_wh=metered_export,
        province_nano_yuan=None if settled is None else int(settled),
        ledger_nano_yuan=ledger if amounts else None,
    )


def _orders(session: Session, span: Span) -> tuple[OrderFigures, ...]:
    parameters = {**span.bounds, "direct": Party.DIRECT.value}
    filled = {int(side): int(energy) for side, energy in session.execute(_FILLED, parameters)}
    found = {(int(row[0]), int(row[1])): (int(row[2]), int(row[3])) for row in session.execute(_ORDERS, parameters)}
    figures = []
    for side in TradeSide:
        accepted, offered_wh = found.get((side, OrderStatus.ACCEPTED), (0, 0))
        rejected, _ = found.get((side, OrderStatus.REJECTED), (0, 0))
        figures.append(OrderFigures(side.name, accepted, rejected, offered_wh, filled.get(side, 0)))
    return tuple(figures)


def _limited(session: Session, county: CountyModel, span: Span) -> tuple[LimitedSeller, ...]:
    """Return every seller whom limits hit, most hit first; also one who was curtailed without a setpoint."""
    parameters = {**span.bounds, "direct": Party.DIRECT.value, "sell": TradeSide.SELL.value}
    setpoints = _by_meter(session.execute(_SETPOINTS_BY_METER, span.bounds))
    unsold_wh = _by_meter(session.execute(_UNSOLD, parameters))
    curtailed_wh = _by_meter(session.execute(_CURTAILED_BY_METER, span.bounds))
    classes = {one.participant_id: one.seller_class for one in county.registry.participants}
    sellers = []
    for meter in setpoints.keys() | curtailed_wh.keys():
        point = county.registry.metering_points[meter]
        seller_class = classes[point.participant_id]
        sellers.append(
            LimitedSeller(
                participant=point.participant_id,
                participant_class="" if seller_class is None else seller_class.value,
                meter=point.meter_id,
                unit=point.unit_id,
                setpoints=setpoints.get(meter, 0),
                unsold_wh=unsold_wh.get(meter, 0),
                curtailed_wh=curtailed_wh.get(meter, 0),
            )
        )
    return tuple(sorted(sellers, key=lambda one: (-one.unsold_wh - one.curtailed_wh, -one.setpoints, one.meter)))


def _by_meter(rows: Iterable[tuple[int, int]]) -> Mapping[int, int]:
    return {int(meter): int(value) for meter, value in rows}


def _setpoints(session: Session, span: Span) -> tuple[SetpointFigures, ...]:
    rows = [
        SetpointFigures(str(row[0]), *(int(value) for value in row[1:]))
        for row in session.execute(_SETPOINTS, span.bounds)
    ]
    return tuple(sorted(rows, key=lambda one: (-one.setpoints, one.cause)))


def _curtailments(session: Session, span: Span) -> tuple[CurtailmentFigures, ...]:
    rows = [
        CurtailmentFigures(str(row[0]), *(int(value) for value in row[1:]))
        for row in session.execute(_CURTAILMENTS, span.bounds)
    ]
    return tuple(sorted(rows, key=lambda one: one.cause))


def _binding(session: Session, span: Span) -> tuple[BindingEdge, ...]:
    edges = []
    for unit, kind, *row in session.execute(_BINDING, span.bounds):
        intervals, flow_high, flow_low, shadow_low, shadow_high = (int(value) for value in row)
        flow_wh = flow_high if flow_high >= -flow_low else flow_low
        shadow = shadow_low if -shadow_low >= shadow_high else shadow_high
        edges.append(BindingEdge(str(unit), str(kind), intervals, flow_wh, shadow))
    return tuple(sorted(edges, key=lambda edge: (-edge.intervals, -abs(edge.shadow_uyuan_per_kwh), edge.unit)))


def _violations(session: Session, span: Span) -> tuple[ViolationFigures, ...]:
    rows = [
        (str(row[0]), str(row[1]), int(row[2]), int(row[3]), int(row[4]))
        for row in session.execute(_VIOLATIONS, span.bounds)
    ]
    return tuple(ViolationFigures(*row) for row in sorted(rows, key=lambda row: (STAGES.index(row[0]), row[1])))


def _violated(session: Session, span: Span) -> tuple[ViolatedElement, ...]:
    elements = [
        ViolatedElement(str(row[0]), str(row[1]), str(row[2]), int(row[3]), int(row[4]))
        for row in session.execute(_VIOLATED, span.bounds)
    ]
    return tuple(sorted(elements, key=lambda one: (-one.intervals, -one.excess_per_mille, one.kind, one.element)))


def _refused(session: Session, span: Span) -> tuple[RefusedFigures, ...]:
    rows = [
        RefusedFigures(RefusedKind(int(row[0])).name, str(row[1]), int(row[2]), int(row[3]))
        for row in session.execute(_REFUSED, seen_between_utc_s(span.first, span.last))
    ]
    return tuple(sorted(rows, key=lambda one: (RefusedKind[one.kind], -one.times, one.reason)))


def _gaps(session: Session, query: TextClause, span: Span) -> tuple[GapFigures, ...]:
    rows = [
        GapFigures(str(row[0]), int(row[1]), int(row[2]), int(row[3]), int(row[4]))
        for row in session.execute(query, span.bounds)
    ]
    return tuple(sorted(rows, key=lambda one: (-one.registers, one.name)))


def _laws(session: Session, span: Span) -> tuple[LawFigures, ...]:
    breaches: dict[int, list[tuple[int, str, str]]] = {}
    for law, interval, place, what in session.execute(_BREACHES, span.bounds):
        breaches.setdefault(int(law), []).append((int(interval), str(place), str(what)))
    checked = {int(law): int(found["checked"]) for law, found in laws(session).items()}
    return tuple(
        LawFigures(law, checked.get(law, 0), tuple(breaches.get(law, ())))
        for law in sorted(checked.keys() | breaches.keys())
    )


def _hosting(session: Session, closed_utc_s: int) -> HostingFigures:
    head = next(iter(read_assessments(session, before=closed_utc_s + 1, limit=1)), None)
    features = [] if head is None else read_capacity_list(session, head.assessed_at_utc_s)
    omission = read_omission(session, closed_utc_s)
    return HostingFigures(
        units=tuple(feature.entry for feature in features), omitted="" if omission is None else omission.reason
    )


def _provenance(session: Session, span: Span) -> Provenance:
    runs = [(str(version), str(digest)) for version, digest in session.execute(_RUNS, span.bounds)]
    rules = session.execute(_RULES, span.bounds).all()
    county = county_of(session)
    return Provenance(
        registry_sha256="" if county is None else county[1],
        price_rules=tuple(sorted({str(row[0]) for row in rules})),
        methods=tuple(sorted({str(row[1]) for row in rules})),
        rule_versions=tuple(sorted({version for versions, _ in runs for version in versions.split()})),
        input_hash=hashlib.sha256("\n".join(digest for _, digest in runs).encode()).hexdigest() if runs else "",
    )
