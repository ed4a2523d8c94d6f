"""A small county with a day of results, written by the store's functions: what a report is made from.

Three transformer areas with four meters each: a prosumer who sells directly, a plant (sold directly, by purchase, on
commission), a direct user and a guaranteed one. Around noon they export and the first area is congested. Nobody cleared
or settled this, but the energy balances with a loss of 150 Wh + the interval's position, and the accounts sum to zero.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np
from sqlmodel import Session

from edge.contract.interval import end_utc_s, first_interval_of_day, position_in_day, start_utc_s
from edge.contract.messages import CHANNELS
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
from hub.market.network_fee import network_fees
from hub.market.registry_columns import balance_tree, metering_points, parents_of, units_in_tree_order
from hub.market.trades import Party, TradeSide
from hub.settlement.accounts import SYSTEM_ACCOUNT_NAMES, account_table
from hub.settlement.inputs import standing_from_registry
from hub.settlement.prices import resolve_parameters
from hub.store.bulk import insert_columns, insert_rows
from hub.store.counters import add_to_counters
from hub.store.orders import insert_orders
from hub.store.quarantine import Refusal, save_refusals
from hub.store.readings import insert_readings
from hub.store.registry import save_registry
from hub.store.setpoints import save_outcomes, save_setpoints
from hub.store.tables import (
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
    SubstitutionRow,
    UnitPriceRow,
)
from hub.usecases.load_county import CountyModel, channels_present, demo_parameters

DAY = date(2016, 5, 17)
FIRST = first_interval_of_day(DAY)
LAST = FIRST + 95
AREAS = ("A001", "A002", "A003")
PLANTS = (
    (SellerClass.INDEPENDENT_DG_DEVELOPER, SaleMode.DIRECT),
    (SellerClass.DSO_OWN_GENERATION, SaleMode.PURCHASE),
    (SellerClass.INDEPENDENT_DG_DEVELOPER, SaleMode.COMMISSION),
)
GATEWAY_METER = 12
NOON, CONGESTED, CURTAILED = range(32, 60), range(40, 48), range(44, 48)
METER_COLUMN = {channel: column for column, channel in enumerate(CHANNELS)}
PAIR_NAMES = (
    *("interval", "seq", "seller_order_id", "buyer_order_id", "seller", "buyer", "seller_party", "buyer_party"),
    *("apex", "mode", "energy_wh", "price_paid_uyuan_per_kwh", "price_received_uyuan_per_kwh"),
    *("network_charge_uyuan_per_kwh", "upstream_loss_uyuan_per_kwh"),
)


def registry(county: str = "c1") -> Registry:
    units = [
        BalanceUnit("county", None, UnitKind.COUNTY, "110kV", 10_000_000, 10_000_000, ()),
        BalanceUnit("F1", "county", UnitKind.FEEDER, "10(20)kV", 2_000_000, 2_500_000, ("线路 1",)),
        *(BalanceUnit(area, "F1", UnitKind.AREA, "<1kV", 32_000, 40_000, (f"trafo {area}",)) for area in AREAS),
    ]
    points, participants = [], []
    for area, (plant_class, plant_mode) in enumerate(PLANTS):
        sales = (SaleMode.DIRECT, plant_mode, SaleMode.NONE, SaleMode.NONE)
        supplies = (SupplyMode.DIRECT, SupplyMode.NONE, SupplyMode.DIRECT, SupplyMode.GUARANTEED)
        classes = (SellerClass.PROSUMER, plant_class, None, None)
        kinds = (MeterKind.PROSUMER, MeterKind.GENERATOR, MeterKind.LOAD, MeterKind.LOAD)
        for place in range(4):
            number = 4 * area + place
            channels = CHANNELS if place == 0 else CHANNELS[:4]
            points.append(
                _point(number, AREAS[area], kinds[place], channels, supply=supplies[place], sale=sales[place])
            )
            participants.append(Participant(f"P{number + 1:05d}", classes[place]))
    points.append(
        _point(
            GATEWAY_METER, "county", MeterKind.COUNTY_GATEWAY, CHANNELS[:2], supply=SupplyMode.NONE, sale=SaleMode.NONE
        )
    )
    participants.append(Participant(f"P{GATEWAY_METER + 1:05d}", None))
    gateways = [
        Gateway(f"G{n + 1:04d}", "s0", unit, tuple(one.meter_id for one in points if one.unit_id == unit))
        for n, unit in enumerate((*AREAS, "county"))
    ]
    return Registry(county, tuple(units), tuple(gateways), tuple(points), tuple(participants))


def county_model(of: Registry) -> CountyModel:
    """Return what a report needs of the county; it asks for no power flow, so there is no network."""
    units = units_in_tree_order(of)
    parameters = resolve_parameters(demo_parameters(), province="demo", day=DAY, gateway_class="110kV")
    tariff = dict(zip(parameters.voltage_class, parameters.network_tariff_uyuan_per_kwh.tolist(), strict=True))
    fees = network_fees(
        unit_id=[unit.unit_id for unit in units],
        parent=parents_of(units),
        voltage_class=[unit.voltage_class for unit in units],
        tariff_uyuan_per_kwh=tariff,
    )
    tree = balance_tree(units, fees)
    accounts = account_table(one.participant_id for one in of.participants)
    return CountyModel(
        day=DAY,
        registry=of,
        units=units,
        tree=tree,
        fees=fees,
        points=metering_points(of, tree, fees),
        accounts=accounts,
        standing=standing_from_registry(of, tree.unit_id, parameters.voltage_class, accounts),
        parameters=parameters,
        security=None,
        market_meters=np.arange(GATEWAY_METER),
        boundary_meter=np.array([GATEWAY_METER, -1, -1, -1, -1]),
        channel_present=channels_present(of),
    )


@dataclass(frozen=True)
class MeterEnergy:
    """Energy of one meter in one interval, Wh."""

    imported: int = 0
    exported: int = 0
    generated: int = 0
    charged: int = 0
    discharged: int = 0

    @property
    def registers(self) -> tuple[int, ...]:
        return (self.imported, self.exported, 7, 3, self.generated, self.charged, self.discharged)


def energies(interval: int) -> list[MeterEnergy]:
    """Return the energy of every meter; the county gateway's makes the balance with the loss of loss_wh."""
    position = position_in_day(interval)
    meters = []
    for area in range(3):
        if position in NOON:
            prosumer = MeterEnergy(exported=3_000 + 100 * area, generated=5_000, charged=400)
            plant = MeterEnergy(exported=8_000)
        else:
            prosumer = MeterEnergy(imported=700, discharged=100)
            plant = MeterEnergy(imported=5)
        meters += [prosumer, plant, MeterEnergy(imported=1_100 + position), MeterEnergy(imported=600)]
    net = sum(one.imported - one.exported for one in meters) + loss_wh(interval)
    return [*meters, MeterEnergy(imported=max(net, 0), exported=max(-net, 0))]


def loss_wh(interval: int) -> int:
    return 150 + position_in_day(interval)


def indicative(interval: int) -> int:
    return 300_000 + 1_000 * position_in_day(interval)


def real_time(interval: int) -> int:
    return indicative(interval) - 20_500


def root_price(interval: int) -> int:
    return 120_010 if position_in_day(interval) in NOON else indicative(interval) + 150_000


def fill_day(session: Session, of: Registry, *, first: int = FIRST, last: int = LAST) -> CountyModel:
    """Write the registry and the intervals first..last, cleared and settled, and their statements."""
    save_registry(session, of, "ab" * 32)
    county = county_model(of)
    write_registers(session, of, first, last)
    for interval in range(first, last + 1):
        clear(session, interval)
        settle(session, county, interval)
    write_statements(session, county, first, last)
    refuse(session)
    add_to_counters(session, {f"law_{law}_checked": 96 for law in range(1, 9)})
    session.commit()
    return county


def write_registers(session: Session, of: Registry, first: int, last: int) -> None:
    values = {
        (meter, METER_COLUMN[channel]): 1_000_000 + 17 * meter
        for meter, point in enumerate(of.metering_points)
        for channel in point.channels
    }
    rows = []
    for interval in range(first, last + 2):
        rows += [(start_utc_s(interval), meter, column, 0, value, 0, 0) for (meter, column), value in values.items()]
        for meter, energy in enumerate(energies(interval)):
            for column, increase in enumerate(energy.registers):
                if (meter, column) in values:
                    values[meter, column] += increase
    insert_readings(session, rows)


def clear(session: Session, interval: int) -> None:
    position = position_in_day(interval)
    direct = [0, 1, 4, 8] if position in NOON else []
    orders, fills = [], []
    for meter in [*direct, 2, 6, 10]:
        side = TradeSide.SELL if meter in direct else TradeSide.BUY
        order_id = f"G{meter // 4 + 1:04d}/{interval}/M{meter + 1:06d}/1"
        limited = position in CONGESTED and meter in {0, 1}
        cleared = 3_000 if limited else 4_000
        filled = cleared - (100 + meter if limited and position in CURTAILED else 0)
        unit = 2 + meter // 4
        orders.append(
            (interval, order_id, meter // 4, meter, unit, 1, side.value, Party.DIRECT.value, 4_000, 200_000, True,
             start_utc_s(interval) - 1_800, 1, "")
        )  # fmt: skip
        fills.append((interval, order_id, meter, unit, side.value, Party.DIRECT.value, cleared, filled, 150_000))
    orders.append(
        (interval, f"G0003/{interval}/M000011/9", 2, 10, 4, 9, 1, 0, 55, 200_000, False, 0, 0, "off-lot")
    )  # fmt: skip
    insert_orders(session, orders)
    names = ("interval", "order_id", "meter", "unit", "side", "party", "cleared_wh", "filled_wh", "price_uyuan_per_kwh")
    insert_rows(session, FillRow, names, fills)
    insert_rows(session, PairRow, PAIR_NAMES, pairs(interval))
    _write_prices(session, interval)
    if position in CONGESTED:
        _limit(session, interval)


def pairs(interval: int) -> list[tuple]:
    """Return the pairs of an interval: all modes at noon, else what the province sells."""
    root = root_price(interval)
    if position_in_day(interval) not in NOON:
        return [(interval, 0, "PROVINCE", "x", -1, -1, Party.PROVINCE.value, Party.SUPPLY.value, 0, 0, 7_001, root,
                 root, 0, 0)]  # fmt: skip
    rows = [
        (1, Party.DIRECT, Party.DIRECT, 9_000, root + 60_000, root + 20_000),
        (1, Party.DIRECT, Party.PROVINCE, 5_000, root, root - 10_000),
        (2, Party.COMMISSION, Party.SUPPLY, 1_800, root, root),
        (3, Party.PURCHASE, Party.PROVINCE, 8_003, root, root),
    ]
    return [
        (interval, seq, f"s{seq}", f"b{seq}", -1, -1, seller.value, buyer.value, 0, mode, energy, paid, received, 0, 0)
        for seq, (mode, seller, buyer, energy, paid, received) in enumerate(rows)
    ]


def settle(session: Session, county: CountyModel, interval: int) -> None:
    gateway, position = energies(interval)[GATEWAY_METER], position_in_day(interval)
    schedule = {
        "interval": [interval],
        "import_wh": max(gateway.imported - 40, 0),
        "export_wh": gateway.exported,
        "settled_import_wh": gateway.imported,
        "settled_export_wh": gateway.exported,
        "settled_nano_yuan": (gateway.imported - gateway.exported) * real_time(interval),
    }
    insert_columns(session, ExchangeScheduleRow, schedule)
    insert_columns(session, LossRow, {"interval": interval, "unit": [0], "loss_wh": loss_wh(interval)})
    metered = {
        "interval": [interval],
        "vm_min_upu": 951_000,
        "vm_min_bus": "母线 3",
        "vm_max_upu": 1_076_000 if position in CONGESTED else 1_021_000,
        "vm_max_bus": "母线 1",
        "loading_max_mpercent": 104_200 if position in CONGESTED else 31_700,
        "loading_max_element": "trafo A001",
        "violations": 1 if position in CONGESTED else 0,
        "loss_wh": loss_wh(interval) + 1,
    }
    insert_columns(session, MeteredStateRow, metered)
    run = {"interval": [interval], "run": 0, "rule_version": "rules-1 prices-2", "input_hash": f"{interval:064d}"}
    insert_columns(session, SettlementRunRow, run)
    ledger = totals(county, interval)
    columns = {"interval": interval, "account": range(len(ledger))}
    columns |= {"ledger_nano_yuan": ledger, "independent_nano_yuan": ledger}
    insert_columns(session, AccountTotalRow, columns)
    if position in {50, 51}:
        rule = "similar-interval" if position == 50 else "remainder"
        rows = [(interval, meter, 0, 1_150, rule) for meter in (2, 3)]
        insert_rows(session, SubstitutionRow, ("interval", "meter", "channel", "energy_wh", "rule"), rows)


def totals(county: CountyModel, interval: int) -> list[int]:
    """Return every account's total in an interval; they add up to zero."""
    amounts = [(7 * account - 31) * (1_234_567_891 + interval) for account in range(len(county.accounts))]
    supply_arm = county.accounts.names.index("D_sup")
    amounts[supply_arm] -= sum(amounts)
    return amounts


def write_statements(session: Session, county: CountyModel, first: int, last: int) -> None:
    """Write a statement of one line for each account, and the lines of the gateway's money."""
    exact = np.sum([totals(county, interval) for interval in range(first, last + 1)], axis=0).tolist()
    fen = [_half_up_fen(amount) for amount in exact]
    heads = {
        "day": DAY.isoformat(),
        "account": range(len(exact)),
        "first_interval": first,
        "last_interval": last,
        "total_fen": fen,
        "ledger_nano_yuan": exact,
        "rounding_nano_yuan": [10_000_000 * one - amount for one, amount in zip(fen, exact, strict=True)],
    }
    insert_columns(session, StatementRow, heads)
    province = county.accounts.position(SYSTEM_ACCOUNT_NAMES.index("province"))
    supply_arm = county.accounts.position(SYSTEM_ACCOUNT_NAMES.index("D_sup"))
    lines = []
    for number, (kind, payer, payee, name) in enumerate(
        (("GATEWAY_IMPORT", supply_arm, province, "imported"), ("GATEWAY_EXPORT", province, supply_arm, "exported"))
    ):
        spans = [(getattr(energies(k)[GATEWAY_METER], name), real_time(k)) for k in range(first, last + 1)]
        energy, amount = sum(one for one, _ in spans), sum(one * price for one, price in spans)
        lines += [(payer, number, f"{kind}.paid", energy, -amount), (payee, number, f"{kind}.received", energy, amount)]
    names = ("account", "line", "kind", "energy_wh", "exact_nano_yuan")
    columns = {name: [line[column] for line in lines] for column, name in enumerate(names)}
    columns["amount_fen"] = [_half_up_fen(line[4]) for line in lines]
    insert_columns(
        session,
        StatementLineRow,
        columns | {"day": DAY.isoformat(), "rule_version": "rules-1", "input_hash": "cd" * 32},
    )


def refuse(session: Session) -> None:
    """Write what was refused on the day: one thing twice, and another one long before."""
    at = start_utc_s(FIRST + 50)
    repeated = Refusal(RefusedKind.MALFORMED, "malformed", "G0002", "=cmd|'x'", None, b"{")
    refusals = [
        repeated,
        repeated,
        Refusal(RefusedKind.ORDER, "off-lot", "G0003", "G0003/1/M000011/9", at, b"55"),
        Refusal(RefusedKind.READING, "backwards", "G0001", "M000002", at, b"5 < 6"),
        Refusal(RefusedKind.READING, "no-such-reason", "G0001", "M000003", at, b"7"),
    ]
    save_refusals(session, refusals, at)
    early = Refusal(RefusedKind.READING, "future", "G0001", "M000002", at, b"8")
    save_refusals(session, [early], start_utc_s(FIRST) - 7_200)


def _point(
    number: int, unit: str, kind: MeterKind, channels: tuple[str, ...], *, supply: SupplyMode, sale: SaleMode
) -> MeteringPoint:
    return MeteringPoint(
        meter_id=f"M{number + 1:06d}",
        gateway_id=f"G{number // 4 + 1:04d}",
        unit_id=unit,
        bus=f"bus {number}",
        kind=kind,
        channels=channels,
        voltage_class="110kV" if unit == "county" else "<1kV",
        participant_id=f"P{number + 1:05d}",
        supply_mode=supply,
        sale_mode=sale,
        category=UserCategory.RESIDENTIAL,
        clean=sale is not SaleMode.NONE,
        export_capacity_w=40_000,
        import_capacity_w=40_000,
    )


def _write_prices(session: Session, interval: int) -> None:
    position = position_in_day(interval)
    congested = position in CONGESTED
    prices = {
        "interval": interval,
        "unit": range(5),
        "price_uyuan_per_kwh": [root_price(interval)] * 5,
        "shadow_uyuan_per_kwh": [0, 0, -(80_000 + position) if congested else 0, 0, 0],
        "basis_uyuan_per_kwh": 0,
        "flow_up_wh": [0, 0, 30_000 + position if congested else 500, 0, 0],
        "binding": [0, 0, int(congested), 0, 0],
    }
    insert_columns(session, UnitPriceRow, prices)
    province = {
        "interval": [interval],
        "day_ahead_uyuan_per_kwh": None,
        "indicative_uyuan_per_kwh": indicative(interval),
        "real_time_uyuan_per_kwh": real_time(interval),
    }
    insert_columns(session, ProvincePriceRow, province)
    run = {
        "interval": [interval],
        "rounds": 1,
        "violations_before": 3 if congested else 0,
        "violations_after": 0,
        "price_rule": "midpoint",
        "method": "tree",
        "vm_min_upu": 960_000,
        "vm_max_upu": 1_069_000 if congested else 1_020_000,
        "loading_max_mpercent": 99_100 if congested else 30_000,
        "wall_us": 1,
    }
    insert_columns(session, ClearingRunRow, run)
    if congested:
        _write_violations(session, interval)


def _write_violations(session: Session, interval: int) -> None:
    names = (
        *("interval", "stage", "seq", "kind", "element", "unit", "direction", "value", "limit", "excess_per_mille"),
    )
    rows = [
        (interval, "expected", 0, "current", "trafo A001", 2, "export", 1_402, 1_000, 402),
        (interval, "expected", 1, "reverse_power", "trafo A001", 2, "export", 1_100, 1_000, 100),
        (interval, "expected", 2, "voltage_high", "母线 1", 2, "export", 436_560, 428_000, 20),
        (interval, "metered", 0, "current", "trafo A001", 2, "export", 1_042, 1_000, 42),
    ]
    insert_rows(session, LimitViolationRow, names, rows)


def _limit(session: Session, interval: int) -> None:
    """Send setpoints to the first area's sellers, one without an answer at the end, and curtail some."""
    cut = position_in_day(interval) in CURTAILED
    cause = "curtailment" if cut else "export-limit"
    save_setpoints(session, [(interval, meter, 0, 12_000, 3_000, cause, f"{interval}-G0001") for meter in (0, 1)])
    answered = {0: "ok"} if position_in_day(interval) == CONGESTED[-1] else {0: "ok", 1: "ok"}
    save_outcomes(session, interval, answered)
    if cut:
        rows = [
            (interval, f"G0001/{interval}/M{meter + 1:06d}/1", meter, 2, 100 + meter, "pro-rata-available")
            for meter in (0, 1)
        ]
        rows.append((interval, f"book/{interval}/A002/M000006", 5, 3, 30, "pro-rata-available"))
        insert_rows(session, CurtailmentRow, ("interval", "order_id", "meter", "unit", "curtailed_wh", "cause"), rows)


def _half_up_fen(nano_yuan: int) -> int:
    magnitude = (abs(nano_yuan) + 5_000_000) // 10_000_000
    return magnitude if nano_yuan >= 0 else -magnitude


assert end_utc_s(LAST) == start_utc_s(FIRST) + 86_400
