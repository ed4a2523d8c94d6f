"""A small county with a day of results, written by the store's own functions: what the API and the console read.

The figures have the shape of a sunny spring day (export at noon, import in the evening); they were not cleared or
settled by anyone, but every sum that a reader can check holds: fills and exchange balance, accounts come to zero.
"""

import hashlib
import math
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Engine
from sqlmodel import Session

from edge.contract.interval import end_utc_s, first_interval_of_day, iso_utc, position_in_day, start_utc_s
from edge.contract.messages import EXPORT, IMPORT
from edge.contract.registry import (
    BalanceUnit,
    Gateway,
    MeteringPoint,
    MeterKind,
    Participant,
    Registry,
    SaleMode,
    SellerClass,
    SupplyMode,
    UnitKind,
    UserCategory,
)
from grid_models.capacity_list import CapacityEntry, CapacityFeature
from hub.market.trades import Party, TradeSide
from hub.store.bulk import insert_columns, insert_rows
from hub.store.counters import add_to_counters
from hub.store.gateways import save_gateway_states
from hub.store.hosting import AssessmentHead, save_assessment
from hub.store.jobs import mark_job_done
from hub.store.orders import insert_orders
from hub.store.quarantine import Refusal, save_refusals
from hub.store.readings import MeterSpan, insert_readings, save_meter_spans
from hub.store.registry import positions_of, save_registry
from hub.store.setpoints import save_outcomes, save_setpoints
from hub.store.tables import (
    AccountRow,
    AccountTotalRow,
    ClearingRunRow,
    CurtailmentRow,
    ExchangeScheduleRow,
    FillRow,
    LimitViolationRow,
    LossRow,
    MeteredStateRow,
    PairRow,
    ProvincePriceRow,
    RefusedKind,
    SettlementRunRow,
    StatementLineRow,
    StatementRow,
    UnitPriceRow,
)

DAY = date(2016, 5, 17)
FIRST = first_interval_of_day(DAY)
FEEDERS, AREAS_PER_FEEDER, METERS_PER_AREA = 4, 5, 12
OWN_ACCOUNTS = ("D_sup", "D_net", "operator", "province", "upper_grid", "loss_fund", "congestion", "rounding")


@dataclass(frozen=True)
class County:
    """The registry and the positions of its things."""

    registry: Registry
    areas: tuple[str, ...]


def county() -> County:
    areas = tuple(f"A{number:03d}" for number in range(1, FEEDERS * AREAS_PER_FEEDER + 1))
    units = [
        BalanceUnit("county", None, UnitKind.COUNTY, "110kV", 10_000_000, 10_000_000, ()),
        BalanceUnit("station", "county", UnitKind.STATION, "10(20)kV", 8_000_000, 10_000_000, ("T1", "T2")),
    ]
    units += [
        BalanceUnit(f"F{n}", "station", UnitKind.FEEDER, "10(20)kV", 2_000_000, 2_500_000, (f"MV1.101 Line {n}",))
        for n in range(1, FEEDERS + 1)
    ]
    for number, area in enumerate(areas):
        kind = UnitKind.MICROGRID if number == len(areas) - 1 else UnitKind.AREA
        feeder = f"F{number // AREAS_PER_FEEDER + 1}"
        element = f"MV1.101-LV{number + 1:02d}.201-Trafo 1"
        units.append(BalanceUnit(area, feeder, kind, "<1kV", 32_000, 40_000, (element,)))
    points, gateways, owners = [], [], []
    for number, area in enumerate(areas):
        gateway_id = f"G{number + 1:04d}"
        meters = []
        for place in range(METERS_PER_AREA):
            position = number * METERS_PER_AREA + place
            points.append(_point(position, area, gateway_id, place))
            owners.append(Participant(f"P{position + 1:05d}", _seller_class(place)))
            meters.append(points[-1].meter_id)
        gateways.append(Gateway(gateway_id, "s0", area, tuple(meters)))
    owners.append(Participant("P90000", None))
    points.append(_county_gateway())
    gateways.append(Gateway("G9000", "s0", "county", ("M900000",)))
    registry = Registry("demo", tuple(units), tuple(gateways), tuple(points), tuple(owners))
    return County(registry, areas)


def prepare(session: Session, there: County) -> None:
    """Write registry and accounts, gateways online, as before the first interval."""
    save_registry(session, there.registry, "ab" * 32)
    accounts = [*OWN_ACCOUNTS, *(owner.participant_id for owner in there.registry.participants)]
    participants = [-1] * len(OWN_ACCOUNTS) + list(range(len(there.registry.participants)))
    columns = {"position": range(len(accounts)), "account_id": accounts, "participant": participants}
    insert_columns(session, AccountRow, columns)
    save_gateway_states(session, dict.fromkeys(range(len(there.registry.gateways)), ("online", "b1")))
    session.commit()


def read_registers(session: Session, there: County, interval: int) -> None:
    """Write the county gateway's registers at both ends of the interval, and that every meter was read at its end."""
    gateway = len(there.registry.metering_points) - 1
    channels = (IMPORT, EXPORT)
    rows = []
    for instant in (start_utc_s(interval), end_utc_s(interval)):
        done = range(FIRST - 8, instant // 900)
        values = (sum(_metered_import_wh(k) for k in done), sum(_metered_export_wh(k) for k in done))
        rows += [
            (instant, gateway, channels.index(channel), 0, 500_000_000 + value, 0, len(there.areas))
            for channel, value in zip(channels, values, strict=True)
        ]
    insert_readings(session, rows)
    span = MeterSpan(start_utc_s(FIRST - 2), end_utc_s(interval))
    save_meter_spans(session, dict.fromkeys(range(gateway + 1), span))
    add_to_counters(session, {"readings_admitted": gateway + 1, "messages": len(there.registry.gateways)})


def clear(session: Session, there: County, interval: int) -> None:
    """Write orders, fills, prices, pairs, setpoints, curtailment and the expected state of the interval."""
    sun, root = _sun(interval), root_price(interval)
    orders, fills = _orders(there, interval)
    insert_orders(session, orders)
    names = ("interval", "order_id", "meter", "unit", "side", "party", "cleared_wh", "filled_wh", "price_uyuan_per_kwh")
    insert_rows(session, FillRow, names, fills)
    _write_prices(session, there, interval)
    _write_pairs(session, interval, fills)
    exchange = {
        "interval": [interval],
        "import_wh": scheduled(interval)[0],
        "export_wh": scheduled(interval)[1],
        "settled_import_wh": None,
        "settled_export_wh": None,
        "settled_nano_yuan": None,
    }
    insert_columns(session, ExchangeScheduleRow, exchange)
    province = {
        "interval": [interval],
        "day_ahead_uyuan_per_kwh": root + 9_000,
        "indicative_uyuan_per_kwh": _indicative(interval),
        "real_time_uyuan_per_kwh": None,
    }
    insert_columns(session, ProvincePriceRow, province)
    congested = sun > 0.7
    run = {
        "interval": [interval],
        "rounds": 3 if congested else 1,
        "violations_before": 17 if congested else 0,
        "violations_after": 0,
        "price_rule": "midpoint",
        "method": "tree",
        "vm_min_upu": 962_000,
        "vm_max_upu": 1_010_000 + int(58_000 * sun),
        "loading_max_mpercent": 34_000 + int(45_900 * sun),
        "wall_us": 2_900,
    }
    insert_columns(session, ClearingRunRow, run)
    if congested:
        _limit(session, there, interval)


def settle(session: Session, there: County, interval: int) -> None:
    """Write what is known after the interval: real-time price, metered state, loss, account totals."""
    real_time = _indicative(interval) + int(30_000 * math.sin(interval * 1.7))
    row = session.get(ProvincePriceRow, interval)
    assert row is not None
    row.real_time_uyuan_per_kwh = real_time
    session.add(row)
    run = {
        "interval": [interval],
        "run": 0,
        "rule_version": "demo-1",
        "input_hash": hashlib.sha256(str(interval).encode()).hexdigest(),
    }
    insert_columns(session, SettlementRunRow, run)
    sun = _sun(interval)
    state = {
        "interval": [interval],
        "vm_min_upu": 958_300,
        "vm_min_bus": "LV18.201 Bus 41",
        "vm_max_upu": 1_012_000 + int(60_400 * sun),
        "vm_max_bus": "LV07.201 Bus 12",
        "loading_max_mpercent": 36_000 + int(66_500 * sun),
        "loading_max_element": "MV1.101-LV07.201-Trafo 1",
        "violations": 2 if sun > 0.97 else 0,
        "loss_wh": 21_000,
    }
    insert_columns(session, MeteredStateRow, state)
    n_units = len(there.registry.units)
    insert_columns(session, LossRow, {"interval": interval, "unit": range(n_units), "loss_wh": [820] * n_units})
    ledger = _account_totals(there, interval)
    totals = {
        "interval": interval,
        "account": range(len(ledger)),
        "ledger_nano_yuan": ledger,
        "independent_nano_yuan": ledger,
    }
    insert_columns(session, AccountTotalRow, totals)
    mark_job_done(session, "settle", end_utc_s(interval) + 900)
    add_to_counters(session, {f"law_{law}_checked": 1 for law in range(1, 9)})


def write_statements(session: Session, there: County, day: date, first: int, last: int) -> None:
    """Write a statement of three lines for every account."""
    n_accounts = len(OWN_ACCOUNTS) + len(there.registry.participants)
    lines, heads = [], []
    for account in range(n_accounts):
        parts = [
            ("ENERGY.paid", 41_250 + 13 * account, -(21_437_650_000 + 7_919_000 * account)),
            ("NETWORK_UNCOVERED.paid", 41_250 + 13 * account, -(8_250_004_000 + 101_000 * account)),
            ("IMPORT_DEVIATION.paid", 1_310 + account, 502_113_000 - 3_331 * account),
        ]
        for number, (kind, energy_wh, exact) in enumerate(parts):
            lines.append((day.isoformat(), account, number, kind, energy_wh, _fen(exact), exact, "demo-1", "cd" * 32))
        exact_total, total_fen = sum(exact for *_, exact in parts), sum(_fen(exact) for *_, exact in parts)
        rounding = total_fen * 10_000_000 - exact_total
        heads.append((day.isoformat(), account, first, last, total_fen, exact_total, rounding))
    names = (
        "day",
        "account",
        "line",
        "kind",
        "energy_wh",
        "amount_fen",
        "exact_nano_yuan",
        "rule_version",
        "input_hash",
    )
    insert_rows(session, StatementLineRow, names, lines)
    names = ("day", "account", "first_interval", "last_interval", "total_fen", "ledger_nano_yuan", "rounding_nano_yuan")
    insert_rows(session, StatementRow, names, heads)


def refuse(session: Session, interval: int) -> None:
    """Write five refusals of four kinds, one of them repeated."""
    at = start_utc_s(interval)
    save_refusals(
        session,
        [
            Refusal(RefusedKind.ORDER, "off-tick", "G0003", f"G0003/{interval}/M000031/1", at, b"412345"),
            Refusal(RefusedKind.ORDER, "above-cap", "G0003", f"G0003/{interval}/M000032/1", at, b"1600000"),
            Refusal(RefusedKind.READING, "backwards", "G0007", "M000077", at, b"1-0:1.8.0 81234 < 81240"),
            Refusal(RefusedKind.READING, "foreign-meter", "G0002", "M000155", at, b"M000155"),
            Refusal(RefusedKind.MALFORMED, "malformed", "G0011", "", None, b'{"boot":"b1","seq":'),
            Refusal(RefusedKind.MALFORMED, "malformed", "G0011", "", None, b'{"boot":"b1","seq":'),
        ],
        at,
    )


def silence(session: Session, gateway: int, since_utc_s: int) -> None:
    """Let a gateway go silent: offline, and its meters not read since the instant."""
    save_gateway_states(session, {gateway: ("offline", "b1")})
    meters = range(gateway * METERS_PER_AREA, (gateway + 1) * METERS_PER_AREA)
    save_meter_spans(session, dict.fromkeys(meters, MeterSpan(start_utc_s(FIRST - 2), since_utc_s)))


def write_day(engine: Engine, *, settled: int, cleared: int, refused: bool = True) -> County:
    """Write the first intervals of the day: `settled` settled ones, then `cleared` that are only cleared."""
    there = county()
    with Session(engine) as session:
        prepare(session, there)
        for interval in range(FIRST, FIRST + settled + cleared):
            clear(session, there, interval)
            if interval < FIRST + settled:
                read_registers(session, there, interval)
                settle(session, there, interval)
        if refused:
            refuse(session, FIRST + settled)
        if settled == 96:
            write_statements(session, there, DAY, FIRST, FIRST + 95)
        session.commit()
    return there


def assess(session: Session, there: County, assessed_at_utc_s: int) -> None:
    """Write a list of hosting capacity: the first feeder is full, the second has promised what it had left."""
    inputs = f'{{"assessed": {assessed_at_utc_s}}}'
    digest = hashlib.sha256(inputs.encode()).hexdigest()
    head = AssessmentHead(assessed_at_utc_s, there.registry.county, "DL/T 2041-2025", digest)
    units = there.registry.units
    save_assessment(session, head, inputs, tuple(_capacity(unit, place, head) for place, unit in enumerate(units)))


def _capacity(unit: BalanceUnit, place: int, head: AssessmentHead) -> CapacityFeature:
    feeder = unit.unit_id if unit.kind is UnitKind.FEEDER else unit.parent_id
    c1_kw = -310 - place if feeder == "F1" else 4_000 - 37 * place
    registered_kw = c1_kw + 20 if feeder == "F2" else 0
    grade = {"F1": "red", "F2": "yellow"}.get(feeder or "", "green")
    is_known = unit.parent_id is not None
    entry = CapacityEntry(
        unit=unit.unit_id,
        parent=unit.parent_id,
        kind=unit.kind.value,
        elements=" + ".join(unit.elements),
        rated_kva=160,
        connected_kw=800 + place,
        registered_kw=registered_kw,
        capacity_min_kw=800 + place + c1_kw,
        capacity_max_kw=800 + place + c1_kw,
        c1_kw=c1_kw,
        c2_kw=c1_kw - registered_kw,
        open_c1_kw=max(c1_kw, 0),
        open_c2_kw=max(c1_kw - registered_kw, 0),
        grade=grade,
        limited_by=(feeder or unit.unit_id) if grade != "green" else unit.unit_id,
        hosting_kw=7 * place if is_known else None,
        hosting_element="LV07.201 Bus 12" if is_known else None,
        hosting_limit="voltage-high 428 V" if is_known else None,
        reverse_kw=12 * place,
        reverse_load_mpercent=91_250 - 1000 * place if grade == "red" else 30_000 + place,
        reverse_alert=grade == "red",
        reverse_into_high_voltage=False,
        short_circuit="not_assessed",
        voltage_deviation="failed" if place == 8 else "passed",
        harmonics="not_assessed",
        edition=head.edition,
        assessed_at=iso_utc(head.assessed_at_utc_s),
    )
    return CapacityFeature(entry, None)


def root_price(interval: int) -> int:
    return round((_indicative(interval) - 140_000 * _sun(interval) + 25_000) / 500) * 500


def scheduled(interval: int) -> tuple[int, int]:
    net = int(820_000 * _evening(interval) - 1_300_000 * _sun(interval))
    return (net, 0) if net >= 0 else (0, -net)


def _metered_import_wh(interval: int) -> int:
    import_wh, export_wh = scheduled(interval)
    return max(0, import_wh - export_wh + int(46_000 * math.sin(interval * 2.3)))


def _metered_export_wh(interval: int) -> int:
    import_wh, export_wh = scheduled(interval)
    return max(0, export_wh - import_wh - int(46_000 * math.sin(interval * 2.3)))


def _hour(interval: int) -> float:
    return (position_in_day(interval) + 0.5) / 4


def _sun(interval: int) -> float:
    return (
        max(0.0, math.cos((_hour(interval) - 12.6) / 7.2 * math.pi / 2)) ** 1.4 if 5.4 < _hour(interval) < 19.8 else 0.0
    )


def _evening(interval: int) -> float:
    hour = _hour(interval)
    return 0.45 + 0.5 * math.exp(-((hour - 19.6) ** 2) / 6) + 0.25 * math.exp(-((hour - 7.6) ** 2) / 4)


def _indicative(interval: int) -> int:
    hour = _hour(interval)
    peak = 150_000 * math.exp(-((hour - 18.6) ** 2) / 5) + 90_000 * math.exp(-((hour - 7.8) ** 2) / 4)
    return round((360_000 + peak - 130_000 * math.exp(-((hour - 13) ** 2) / 3)) / 1000) * 1000


def _seller_class(place: int) -> SellerClass | None:
    classes = {2: SellerClass.PROSUMER, 5: SellerClass.PROSUMER, 8: SellerClass.INDEPENDENT_DG_DEVELOPER}
    return classes.get(place)


def _point(position: int, area: str, gateway_id: str, place: int) -> MeteringPoint:
    sells = _seller_class(place) is not None
    return MeteringPoint(
        meter_id=f"M{position + 1:06d}",
        gateway_id=gateway_id,
        unit_id=area,
        bus=f"LV{position // METERS_PER_AREA + 1:02d}.201 Bus {place + 1}",
        kind=MeterKind.PROSUMER if sells else MeterKind.LOAD,
        channels=("1-0:1.8.0", "1-0:2.8.0", "1-0:3.8.0", "1-0:4.8.0"),
        voltage_class="<1kV",
        participant_id=f"P{position + 1:05d}",
        supply_mode=SupplyMode.DIRECT if place % 3 else SupplyMode.AGENCY,
        sale_mode=SaleMode.DIRECT if sells else SaleMode.NONE,
        category=UserCategory.RESIDENTIAL,
        clean=sells,
        export_capacity_w=10_000 if sells else 0,
        import_capacity_w=12_000,
    )


def _county_gateway() -> MeteringPoint:
    return MeteringPoint(
        "M900000", "G9000", "county", "HV1 Bus 1", MeterKind.COUNTY_GATEWAY, ("1-0:1.8.0", "1-0:2.8.0"), "110kV",
        "P90000", SupplyMode.NONE, SaleMode.NONE, None, False, 40_000_000, 40_000_000,
    )  # fmt: skip


def _orders(there: County, interval: int) -> tuple[list[tuple], list[tuple]]:
    """Return order rows and fill rows: meters with their own orders, a supply book an area, and the province."""
    positions = positions_of(there.registry)
    orders, fills = [], []
    sun = _sun(interval)
    for meter, point in enumerate(there.registry.metering_points[:-1]):
        place = meter % METERS_PER_AREA
        sells = point.sale_mode is SaleMode.DIRECT and sun > 0.05
        if not sells and point.supply_mode is not SupplyMode.DIRECT:
            continue
        order_id = f"{point.gateway_id}/{interval}/{point.meter_id}/1"
        unit = positions.unit[point.unit_id]
        gateway = positions.gateway[point.gateway_id]
        spread = (meter * 7919) % 97
        side = TradeSide.SELL if sells else TradeSide.BUY
        energy = (int(2_200 * sun) if sells else 380) // 10 * 10 + spread * 10
        price = (180_000 + spread * 2_000) if sells else (430_000 + spread * 3_000)
        rejected = place == 7 and meter % 5 == 0
        orders.append(
            (interval, order_id, gateway, meter, unit, int(side), int(Party.DIRECT), energy, price, sells,
             start_utc_s(interval) - 1800, 0 if rejected else 1, "off-tick" if rejected else "")
        )  # fmt: skip
        if not rejected:
            filled = energy if price < 360_000 or not sells else energy // 2
            node = root_price(interval) + 40_000
            fills.append((interval, order_id, meter, unit, int(side), int(Party.DIRECT), filled, filled, node))
    for name, side, party, unit, energy, price in _book_orders(there, interval):
        order_id = f"{name}/{interval}"
        orders.append(
            (interval, order_id, -1, -1, unit, int(side), int(party), energy, price, False,
             start_utc_s(interval) - 900, 1, "")
        )  # fmt: skip
        fills.append((interval, order_id, -1, unit, int(side), int(party), energy, energy, root_price(interval)))
    ordered = [(row[0], row[1], row[2], row[3], row[4], 1, *row[5:]) for row in orders]
    return ordered, fills


def _book_orders(there: County, interval: int) -> list[tuple[str, TradeSide, Party, int, int, int]]:
    positions = positions_of(there.registry)
    books = []
    for area in there.areas:
        unit = positions.unit[area]
        books.append((f"SUPPLY/{area}", TradeSide.BUY, Party.SUPPLY, unit, 9_000, 1_500_000))
        books.append((f"LOSS/{area}", TradeSide.BUY, Party.LOSS, unit, 800, 1_500_000))
        if _sun(interval) > 0.05:
            offered = int(21_000 * _sun(interval))
            books.append((f"PURCHASE/{area}", TradeSide.SELL, Party.PURCHASE, unit, offered, 0))
            books.append((f"COMMISSION/{area}", TradeSide.SELL, Party.COMMISSION, unit, offered // 2, 0))
    import_wh, export_wh = scheduled(interval)
    if import_wh:
        price = _indicative(interval) + 153_643
        books.append(("PROVINCE/import", TradeSide.SELL, Party.PROVINCE, 0, import_wh, price))
    else:
        books.append(("PROVINCE/export", TradeSide.BUY, Party.PROVINCE, 0, export_wh, _indicative(interval)))
    return books


def _write_prices(session: Session, there: County, interval: int) -> None:
    root, sun = root_price(interval), _sun(interval)
    units = there.registry.units
    n_units = len(units)
    fees = {UnitKind.COUNTY: 0, UnitKind.STATION: 0, UnitKind.FEEDER: 40_000}
    bound = [sun > 0.7 and position in {12, 13, 17} for position in range(n_units)]
    shadow = [-84_000 if one else 0 for one in bound]
    prices = [root + fees.get(unit.kind, 60_000) + part for unit, part in zip(units, shadow, strict=True)]
    flows = [
        limit if bound[position] else int((limit or 0) * (1.4 * sun - 0.5) * (0.45 + position % 5 / 10))
        for position, limit in enumerate(unit.export_limit_wh for unit in units)
    ]
    columns = {
        "interval": interval,
        "unit": range(n_units),
        "price_uyuan_per_kwh": prices,
        "shadow_uyuan_per_kwh": shadow,
        "basis_uyuan_per_kwh": shadow,
        "flow_up_wh": flows,
        "binding": [int(one) for one in bound],
    }
    insert_columns(session, UnitPriceRow, columns)


def _write_pairs(session: Session, interval: int, fills: list[tuple]) -> None:
    sun = _sun(interval)
    volumes = [
        (0, int(Party.PROVINCE), sum(scheduled(interval))),
        (1, int(Party.DIRECT), int(310_000 * sun)),
        (2, int(Party.COMMISSION), int(120_000 * sun)),
        (3, int(Party.PURCHASE), int(205_000 * sun)),
    ]
    rows = []
    for seq, (mode, party, energy) in enumerate(one for one in volumes if one[2]):
        sale, purchase = fills[seq], fills[-1]
        rows.append(
            (interval, seq, sale[1], purchase[1], -1, -1, party, int(Party.SUPPLY), 0, mode, energy,
             root_price(interval), root_price(interval), 0, 0)
        )  # fmt: skip
    names = (
        "interval", "seq", "seller_order_id", "buyer_order_id", "seller", "buyer", "seller_party", "buyer_party",
        "apex", "mode", "energy_wh", "price_paid_uyuan_per_kwh", "price_received_uyuan_per_kwh",
        "network_charge_uyuan_per_kwh", "upstream_loss_uyuan_per_kwh",
    )  # fmt: skip
    insert_rows(session, PairRow, names, rows)


def _limit(session: Session, there: County, interval: int) -> None:
    """Send setpoints to the sellers of three areas, all answered, and curtail two fills."""
    sellers = [
        (meter, point)
        for meter, point in enumerate(there.registry.metering_points)
        if point.sale_mode is SaleMode.DIRECT and point.unit_id in {"A007", "A008", "A012"}
    ]
    gateways = positions_of(there.registry).gateway
    rows = [
        (interval, meter, gateways[point.gateway_id], 6_400, 1_600, "export-limit", f"{interval}-{point.gateway_id}")
        for meter, point in sellers
    ]
    save_setpoints(session, rows)
    save_outcomes(session, interval, {meter: "ok" for meter, _ in sellers})
    units = positions_of(there.registry).unit
    curtailed = [
        (interval, f"{point.gateway_id}/{interval}/{point.meter_id}/1", meter, units[point.unit_id], 410, "voltage")
        for meter, point in sellers[:2]
    ]
    names = ("interval", "order_id", "meter", "unit", "curtailed_wh", "cause")
    insert_rows(session, CurtailmentRow, names, curtailed)
    unit = units["A007"]
    breached = [
        (interval, "expected", 0, "current", "MV1.101-LV07.201-Trafo 1", unit, "export", 642_310, 577_350, 113),
        (interval, "expected", 1, "voltage_high", "LV07.201 Bus 12", unit, "export", 433_120, 428_000, 12),
        (interval, "metered", 0, "voltage_high", "LV07.201 Bus 12", unit, "export", 428_960, 428_000, 3),
    ]
    names = ("interval", "stage", "seq", "kind", "element", "unit", "direction", "value", "limit", "excess_per_mille")
    insert_rows(session, LimitViolationRow, names, breached)


def _account_totals(there: County, interval: int) -> list[int]:
    """Return a total for every account; they add up to zero."""
    n_participants = len(there.registry.participants)
    sun = _sun(interval)
    totals = [
        int((9_100_000_000 * sun if place % METERS_PER_AREA in {2, 5, 8} else 0) - 310_000_000 - 1_117 * place)
        for place in range(n_participants)
    ]
    net, province, congestion = 18_400_000_123, int(9e10 * sun - 4e10), int(2_310_000_000 * sun)
    own = [0, net, 0, province, 1_204_000_000, -55_000_001, congestion, 0]
    own[0] = -sum(totals) - sum(own)
    return own + totals


def _fen(exact_nano_yuan: int) -> int:
    magnitude = (abs(exact_nano_yuan) + 5_000_000) // 10_000_000
    return magnitude if exact_nano_yuan >= 0 else -magnitude
