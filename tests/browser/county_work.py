"""What stands around a county's day: sessions, exchange, registry events, bills and green accounts, for the console.

Written by the store's own functions and the cores' own transitions; the day is the one of tests/api/county_day.py.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import numpy as np
from sqlalchemy import Engine
from sqlmodel import Session

from edge.contract.interval import first_interval_of_day, start_utc_s
from edge.contract.registry import Registry, SellerClass
from hub.market.green.green_trades import GreenTrades
from hub.market.province.hand_over import HandOverEvent, HandOverState, HandOverStep, IntervalHandOver
from hub.market.registry.events import Event
from hub.market.registry.published_results import Finality
from hub.market.timetable.exchange_schedule import ExchangeSchedule, Level
from hub.market.timetable.session_states import SessionAction, SessionEvent, planned, replay
from hub.market.timetable.sessions import Session as MarketSession
from hub.market.timetable.sessions import SessionKind
from hub.settlement.bills.bill import Bill
from hub.settlement.bills.bill_case import decode_bill_case, encode_bill
from hub.settlement.bills.change import explain_change
from hub.settlement.bills.issue import bill_of_case
from hub.store.bill_tables import MonthCloseRow
from hub.store.bills import BillVersion, ledger_lines, month_number, save_bills
from hub.store.green import (
    EnteredMonth,
    bound_attributes,
    save_deliveries,
    save_entered_months,
    save_green_interval,
    save_green_trades,
    save_plant_days,
)
from hub.store.parameters import save_parameters
from hub.store.sessions import add_session, save_hand_over, save_moves
from hub.usecases.registry_event import LoadedRegister, submit_event

DAY_S, INTERVAL_S = 86_400, 900
DONE = (SessionAction.CLEAR, SessionAction.SECURE, SessionAction.HAND_OVER, SessionAction.ACKNOWLEDGE)
CASE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "bill-hubei-2026-01.json"
APRIL, MAY = 201604, 201605


def write_sessions(session: Session, first: int, *, now_utc_s: int) -> None:
    """Write the day's rolling sessions that are open by now, each as far as the timetable has it; one was cancelled."""
    for interval in range(first, first + 96):
        closes = start_utc_s(interval) - INTERVAL_S
        opens = closes - 6 * 3600
        if opens > now_utc_s:
            continue
        one = MarketSession(
            f"R/{interval}", SessionKind.ROLLING, "", date(2016, 5, 17), interval, interval + 1, None, opens, closes
        )
        before = planned(one, is_sub_market=True)
        moves = [SessionEvent(one.session_id, SessionAction.OPEN, opens)]
        if interval == first + 70:
            moves.append(SessionEvent(one.session_id, SessionAction.CANCEL, now_utc_s - 60))
        elif closes <= now_utc_s:
            moves.append(SessionEvent(one.session_id, SessionAction.CLOSE_GATE, closes))
            done = DONE if closes + INTERVAL_S <= now_utc_s else DONE[:3]  # the newest still waits for its answer
            moves += [SessionEvent(one.session_id, action, closes + 30) for action in done]
        after, refused = replay(before, moves)
        assert not refused
        add_session(session, before)
        save_moves(session, before, after)


def write_exchange(session: Session, first: int, *, until: int, scheduled: Any) -> None:
    """Write the exchange of first..until: frozen, one missed, the last two open. scheduled: import and export."""
    for interval in range(first, until + 1):
        imported, exported = scheduled(interval)
        at = start_utc_s(interval) - INTERVAL_S
        newest = ExchangeSchedule(interval, imported - exported, Level.COUNTY, at)
        states = [HandOverState.AWAITED, HandOverState.HANDED_OVER]
        steps = [HandOverStep.HAND_OVER]
        if interval != first + 30:
            states.append(HandOverState.ACKNOWLEDGED)
            steps.append(HandOverStep.ACKNOWLEDGE)
        else:
            states += [HandOverState.REFUSED, HandOverState.MISSED]
            steps += [HandOverStep.REFUSE, HandOverStep.CLOSE_GATE]
        if states[-1] is HandOverState.ACKNOWLEDGED and interval < until - 1:
            states.append(HandOverState.FROZEN)
            steps.append(HandOverStep.CLOSE_GATE)
        stands = HandOverStep.ACKNOWLEDGE in steps
        now = IntervalHandOver(states[-1], 1, newest, newest if stands else None, 1 if stands else 0)
        events = [
            HandOverEvent(interval, step, before, after, 1, at)
            for step, before, after in zip(steps, states[:-1], states[1:], strict=True)
        ]
        save_hand_over(session, interval, now, Finality.FINAL if stands else Finality.REFUSED, events)


def take(engine: Engine, county: str, events: Iterable[Mapping[str, Any]], day: date) -> list[str]:
    """Let the events be recorded at noon of the day; return the outcome of each."""
    loaded, outcomes = LoadedRegister(county), []
    noon = start_utc_s(first_interval_of_day(day) + 48)
    for row in events:
        event = msgspec.convert({"recorded_on": "0001-01-01", **row}, Event)
        loaded, submission = submit_event(engine, loaded, event, actor="operator", now=lambda: noon)
        outcomes.append(submission.record.outcomes.outcome)
    return outcomes


def write_registry(engine: Engine, registry: Registry, toy_register: ModuleType) -> tuple[str, str]:
    """Let a plant sell by commission and a shop buy directly from May on; one plant waits, one election is refused.

    Return the meters of plant and shop.
    """
    classes = {one.participant_id: one.seller_class for one in registry.participants}
    plants = [
        point.meter_id
        for point in registry.metering_points
        if classes[point.participant_id] is SellerClass.INDEPENDENT_DG_DEVELOPER
    ]
    shop = registry.metering_points[0]
    owner = {point.meter_id: point.participant_id for point in registry.metering_points}
    seller, late = owner[plants[0]], owner[plants[1]]
    made = toy_register
    early = date(2016, 4, 20)
    events = [
        *made.rules(),
        *made.party(seller, "INDEPENDENT_DG_DEVELOPER"),
        *made.party(late, "INDEPENDENT_DG_DEVELOPER"),
    ]
    events += [*made.party(shop.participant_id, "POWER_USER"), made.plant(seller, plants[0])]
    events.append(made.plant(late, plants[1]) | {"installed_capacity_w": 19_000_000})
    events.append(made.user_point(shop.participant_id, shop.meter_id))
    events.append(made.sale_elected("sale-1", plants[0], "COMMISSION", date(2016, 5, 2)))
    events.append(made.supply_elected("supply-1", shop.meter_id, "DIRECT", date(2016, 6, 1)))
    events.append(made.sale_elected("sale-2", plants[0], "DIRECT", date(2016, 5, 10)))
    outcomes = take(engine, registry.county, events, early)
    assert sorted(set(outcomes)) == ["recorded", "refused", "waiting"], outcomes
    return plants[0], shop.meter_id


def write_bills(session: Session, registry: Registry, *, bills: int) -> None:
    """Write bills of January, which is closed, and of February, which say why they changed; one was issued twice."""
    january = [_bill(registry, meter, 1) for meter in range(bills)]
    versions = [*january, _bill(registry, 1, 2)]
    versions += [_bill(registry, meter, 1, after=january[meter].bill) for meter in range(bills)]
    save_bills(session, versions)
    session.add(
        MonthCloseRow(
            month=202601, closed_on="2026-02-09", bills=bills, total_fen=0, rounding_nano_yuan=0, bills_sha256=""
        )
    )


def write_green(session: Session, registry: Registry, first: int, day: date) -> None:
    """Write a day of two plants, of which one delivers less than was bound; April stands in the register."""
    save_parameters(
        session,
        kind="green",
        version_id="green-1",
        effective_from_interval=0,
        values={"wh_per_certificate": 1_000_000, "validity_months": 24},
    )
    n_meters = len(registry.metering_points)
    meters = [row for row, point in enumerate(registry.metering_points) if point.clean][:2]
    fed_in, bound = np.zeros(n_meters, np.int64), np.zeros(n_meters, np.int64)
    fed_in[meters], bound[meters] = (1_600_000, 900_000), (1_500_000, 1_000_000)
    delivered = np.minimum(fed_in, bound)
    trades = GreenTrades(first, np.array([0, 1]), np.array(meters), bound[meters].copy(), *np.zeros((2, 2), np.int64))
    save_green_trades(session, trades)
    attributes, pairs = bound_attributes(session, first)
    save_deliveries(session, attributes, pairs, delivered[meters])
    save_green_interval(session, first, generation_wh=fed_in, bound_wh=bound, delivered_wh=delivered)
    owners = {one.participant_id: row for row, one in enumerate(registry.participants)}
    rows, entered = [], []
    for meter in meters:
        so_far = 300_000 + int(fed_in[meter])
        rows.append(
            {
                "meter": meter,
                "generation_wh": int(fed_in[meter]),
                "bound_wh": int(bound[meter]),
                "delivered_wh": int(delivered[meter]),
                "month_generation_wh": int(fed_in[meter]),
                "carried_in_wh": 300_000,
                "certificates": so_far // 1_000_000,
                "carried_out_wh": so_far % 1_000_000,
            }
        )
        owner = owners[registry.metering_points[meter].participant_id]
        entered.append(EnteredMonth(meter, APRIL, owner, 2_300_000, 0, 2, 300_000, "green-1"))
    save_plant_days(session, day.isoformat(), MAY, rows)
    save_entered_months(session, entered)


def _bill(registry: Registry, meter: int, version: int, after: Bill | None = None) -> BillVersion:
    """Return a bill of January, or of February by January's prices and more energy; the latter says why it changed."""
    point, month = registry.metering_points[meter], date(2026, 1 if after is None else 2, 1)
    case = json.loads(CASE.read_text("utf-8"))
    case |= {
        "bill_id": f"{point.meter_id}/{month:%Y-%m}/{version}",
        "user_id": point.participant_id,
        "metering_point": point.meter_id,
        "energy": [
            {"period": "SHARP", "quantity": str(12_000 + 10 * meter), "unit": "kWh"},
            {"period": "FLAT", "quantity": str(55_000 + 1000 * version + 4000 * month.month), "unit": "kWh"},
            {"period": "VALLEY", "quantity": "38000.123", "unit": "kWh"},
        ],
    }
    bill = bill_of_case(decode_bill_case(json.dumps(case).encode()))
    bill = replace(bill, head=replace(bill.head, month=month))
    bill = bill if after is None else replace(bill, change=explain_change(after, bill))
    # An account's position is behind the eight that are no participant's.
    return BillVersion(meter, version, 8 + meter, month_number(month), bill, encode_bill(bill), ledger_lines(bill))
