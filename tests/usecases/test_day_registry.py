"""Elections reach clearing: the mode of a meter on a day is the register's of that day, from its day and not before."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date, timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlmodel import Session

from edge.contract.interval import first_interval_of_day, start_utc_s
from edge.contract.messages import Order, Side
from edge.contract.registry import SaleMode, SupplyMode
from hub.market.order_rules import Accepted, OrderRefusal, Rejected
from hub.market.trades import Party
from hub.store.counters import read_counters
from hub.store.engine import open_engine
from hub.store.quarantine import refusal_counts
from hub.usecases.event_log import EventLogError
from hub.usecases.hash_result import hash_result
from hub.usecases.load_county import County
from hub.usecases.run_gate import gate_rules, market_violations

TODAY = date(2016, 5, 17)
TOMORROW = TODAY + timedelta(days=1)
MIDNIGHT = first_interval_of_day(TOMORROW)
FOUNDED = date(2016, 5, 1)
PLANT, SHOP, BUYER = "M000007", "M000009", "M000001"
"""By the county's file the plant sells directly and both users buy directly."""


@pytest.fixture
def county_of(toy_folder: Path) -> Iterator[Callable[[str], County]]:
    """Return a function that opens the toy county with the registry log of a database."""
    with ExitStack() as opened:

        def county(url: str) -> County:
            reader = open_engine(url, read_only=True)
            opened.callback(reader.dispose)
            return County(toy_folder, log=reader)

        yield county


@pytest.fixture
def open_market(toy: ModuleType, toy_folder: Path, make_market: Any) -> Iterator[Callable[..., Any]]:
    """Return a function that opens a market over the toy county as the caller has it."""
    assert make_market is not None, "it loads the module"
    with ExitStack() as opened:

        def opened_market(url: str, county: County, *, first: int = toy.FIRST, **how: Any) -> Any:
            there = SimpleNamespace(**{**vars(toy), "FIRST": first})
            market = sys.modules["toy_market"].ToyMarket(there, url, toy_folder, county, **how)
            opened.callback(market.close)
            return market

        yield opened_market


@pytest.fixture
def night(open_market: Callable[..., Any], county_of: Callable[[str], County], database_url: str) -> Any:
    """A market whose first interval is today's last one and whose second is tomorrow's first."""
    return open_market(database_url, county_of(database_url), first=MIDNIGHT - 1, intervals=2)


def modes(county: County, day: date, meter_id: str) -> tuple[SupplyMode, SaleMode]:
    points = {point.meter_id: point for point in county.on(day).registry.metering_points}
    return points[meter_id].supply_mode, points[meter_id].sale_mode


def founded(engine: Engine, toy_register: ModuleType) -> None:
    """Rules, the developer "dev" with its plant and "shop" with its point are recorded on 1 May."""
    events = [*toy_register.rules(), *toy_register.party("dev", "INDEPENDENT_DG_DEVELOPER")]
    events += [toy_register.plant("dev", PLANT), *toy_register.party("shop", "POWER_USER")]
    toy_register.stand(engine, [*events, toy_register.user_point("shop", SHOP)], FOUNDED)


def test_an_election_changes_the_mode_from_its_day_and_not_before(night: Any, toy_register: ModuleType) -> None:
    """Elected DIRECT from tomorrow: tonight's last interval still sells it in the PURCHASE book, by the default."""
    founded(night.engine, toy_register)
    elected = toy_register.sale_elected("direct", PLANT, "DIRECT", TOMORROW)
    toy_register.stand(night.engine, [elected], TOMORROW - timedelta(days=toy_register.SALE_NOTICE_DAYS))
    row = int(PLANT[1:]) - 1
    night.take_in(MIDNIGHT - 3)
    night.take_in(MIDNIGHT - 2)
    refused = night.rows('SELECT order_id, reason FROM "order" WHERE status = 0')
    assert [(order_id.split("/")[2], reason) for order_id, reason in refused] == [
        (PLANT, "not-direct"),
        (SHOP, "not-direct"),
    ]
    before = night.gate(MIDNIGHT - 1)
    night.take_in(MIDNIGHT - 1)
    after = night.gate(MIDNIGHT)
    assert before.outlook.net_export_wh[row] > 0
    assert row not in before.orders.meter
    assert row in before.books.member_meter
    assert row in after.orders.meter[after.orders.party == Party.DIRECT]
    assert row not in after.books.member_meter
    in_books = [int(one.books.energy_wh[one.books.party == Party.PURCHASE].sum()) for one in (before, after)]
    assert in_books[0] >= before.outlook.net_export_wh[row] > 0
    assert in_books[1] < in_books[0]
    for interval, cleared in ((MIDNIGHT - 1, before), (MIDNIGHT, after)):
        model = night.county.on(TODAY if interval < MIDNIGHT else TOMORROW)
        with Session(night.engine) as session:
            assert market_violations(cleared, gate_rules(session, interval), model.points) == []


def test_without_an_election_a_registered_meter_has_the_default(
    engine: Engine, database_url: str, county_of: Callable[[str], County], toy_register: ModuleType
) -> None:
    """The file says DIRECT for both; who is not in the register keeps that, who is has AGENCY (row 10), PURCHASE."""
    county = county_of(database_url)
    prepared = county.registry
    assert county.on(TODAY).registry is prepared
    founded(engine, toy_register)
    assert modes(county, TODAY, SHOP)[0] is SupplyMode.AGENCY
    assert modes(county, TODAY, PLANT)[1] is SaleMode.PURCHASE
    changed = {
        point.meter_id
        for point, was in zip(county.on(TODAY).registry.metering_points, prepared.metering_points, strict=True)
        if point != was
    }
    assert changed == {SHOP, PLANT}
    assert county.on(FOUNDED).registry is prepared


def test_a_supply_election_holds_for_whole_months_with_notice(
    engine: Engine, database_url: str, county_of: Callable[[str], County], toy_register: ModuleType
) -> None:
    founded(engine, toy_register)
    june = date(2016, 6, 1)
    late = toy_register.supply_elected("late", SHOP, "DIRECT", june)
    (refused,) = toy_register.take(engine, [late], june - timedelta(days=toy_register.SUPPLY_NOTICE_DAYS - 1))
    assert refused.record.outcomes.reason == "notice"
    toy_register.stand(engine, [toy_register.supply_elected("in-july", SHOP, "DIRECT", date(2016, 7, 1))], june)
    county = county_of(database_url)
    for day, mode, party in (
        (june, SupplyMode.AGENCY, Party.SUPPLY),
        (date(2016, 6, 30), SupplyMode.AGENCY, Party.SUPPLY),
        (date(2016, 7, 1), SupplyMode.DIRECT, Party.DIRECT),
    ):
        assert modes(county, day, SHOP)[0] is mode
        model = county.on(day)
        assert model.points.supply[model.points.meter_id.index(SHOP)] == party


def test_what_is_recorded_on_a_day_leaves_that_day_as_it_is(
    engine: Engine, database_url: str, county_of: Callable[[str], County], toy_register: ModuleType
) -> None:
    founded(engine, toy_register)
    toy_register.stand(engine, [toy_register.sale_elected("direct", PLANT, "DIRECT", TODAY)], FOUNDED)
    county = county_of(database_url)
    model = county.on(TODAY)
    suspended = {"event": "ParticipantSuspended", "event_id": "stop", "participant_id": "dev"}
    toy_register.stand(engine, [suspended | {"effective_from": TODAY.isoformat()}], TODAY)
    assert county.on(TODAY) is model
    assert modes(county, TODAY, PLANT)[1] is SaleMode.DIRECT
    assert modes(county, TOMORROW, PLANT)[1] is SaleMode.PURCHASE
    assert modes(county, TODAY, PLANT)[1] is SaleMode.DIRECT
    again = county_of(database_url)
    assert modes(again, TODAY, PLANT) == modes(county, TODAY, PLANT)


def test_an_order_whose_meter_leaves_direct_trade_is_rejected_at_the_gate(night: Any, toy_register: ModuleType) -> None:
    """Accepted this morning for tomorrow; in the afternoon its owner is suspended from tomorrow on."""
    founded(night.engine, toy_register)
    toy_register.stand(night.engine, [toy_register.sale_elected("direct", PLANT, "DIRECT", TODAY)], FOUNDED)
    night.take_in(MIDNIGHT - 3)
    night.take_in(MIDNIGHT - 2)
    night.physics.run_until(MIDNIGHT - 1)
    orders = night.toy.orders_at(night.physics, MIDNIGHT - 1)
    tomorrows = {"G0002": tuple(order for order in orders["G0002"] if order.meter == PLANT)}
    moved = {name: tuple(_for(one, MIDNIGHT) for one in some) for name, some in tomorrows.items()}
    (accepted,) = night.submit(moved, MIDNIGHT - 2)
    assert isinstance(accepted, Accepted)
    suspended = {"event": "ParticipantSuspended", "event_id": "stop", "participant_id": "dev"}
    toy_register.stand(night.engine, [suspended | {"effective_from": TOMORROW.isoformat()}], TODAY)
    night.take_in(MIDNIGHT - 1, orders=lambda *_: {})
    cleared = night.gate(MIDNIGHT)
    assert accepted.order_id not in cleared.orders.order_id
    assert int(PLANT[1:]) - 1 in cleared.books.member_meter
    (row,) = night.rows('SELECT status, reason FROM "order" WHERE interval = :at AND meter >= 0', at=MIDNIGHT)
    assert row == (0, OrderRefusal.NOT_DIRECT.value)
    with Session(night.engine) as session:
        counted = {(one.kind.name, one.reason): one.total for one in refusal_counts(session)}
        assert counted["ORDER", "not-direct"] >= 1
        counters = read_counters(session)
    stored = dict(night.rows('SELECT status, count(*) FROM "order" WHERE meter >= 0 GROUP BY status'))
    assert (counters["orders_rejected"], counters["orders_accepted"]) == (stored[0], stored[1])
    (late,) = night.submit(moved, MIDNIGHT)
    assert isinstance(late, Rejected)


def _for(order: Any, interval: int) -> Any:
    return type(order)(**{**{name: getattr(order, name) for name in order.__struct_fields__}, "interval": interval})


def test_without_a_log_a_run_is_what_it_was(
    undisturbed: Any, migrated_sqlite_url: str, county_of: Callable[[str], County], open_market: Callable[..., Any]
) -> None:
    """The same run with an eye on an empty log has the same hash, and nothing is copied."""
    county = county_of(migrated_sqlite_url)
    market = open_market(migrated_sqlite_url, county).whole_run()
    with Session(market.engine) as session, Session(undisturbed.engine) as other:
        assert hash_result(session) == hash_result(other)
    assert county.on(TODAY).registry is county.registry


def test_no_day_is_cleared_on_an_altered_log(
    migrated_sqlite_url: str, county_of: Callable[[str], County], toy_register: ModuleType
) -> None:
    engine = open_engine(migrated_sqlite_url)
    founded(engine, toy_register)
    with Session(engine) as session:
        session.execute(text("DROP TRIGGER registry_event_no_update"))
        session.execute(text("UPDATE registry_event SET event = replace(event, 'AGENCY', 'DIRECT')"))
        session.commit()
    engine.dispose()
    with pytest.raises(EventLogError, match="is not what was written"):
        county_of(migrated_sqlite_url).on(TODAY)


def test_orders_are_held_to_the_terms_of_their_day(night: Any, toy_register: ModuleType) -> None:
    """Row 60: the plant's owner is a price taker from tomorrow on; today its orders name prices, as all others' do."""
    points = {point.meter_id: point for point in night.registry.metering_points}
    owner = points[PLANT].participant_id
    choice = {"rule": "BiddingChoice", "participant_class": "INDEPENDENT_DG_DEVELOPER", "default": "PRICE_TAKER"}
    version = {"version_id": "bids", "province": "P", "document": "toy rules", "source": "made up"}
    version |= {"period": {"from_day": TOMORROW.isoformat()}, "rule": choice | {"allowed": ["PRICE_TAKER"]}}
    enacted = {"event": "RuleEnacted", "event_id": "bids", "version": version}
    events = [*toy_register.rules(), *toy_register.party(owner, "INDEPENDENT_DG_DEVELOPER"), enacted]
    toy_register.stand(night.engine, events, FOUNDED)

    def sent(meter_id: str, interval: int, number: int, price: int) -> str:
        side = Side.SELL if meter_id == PLANT else Side.BUY
        order = Order(meter_id, interval, number, side, 10, price, start_utc_s(MIDNIGHT - 3))
        (outcome,) = night.submit({points[meter_id].gateway_id: (order,)}, MIDNIGHT - 3)
        return "accepted" if isinstance(outcome, Accepted) else str(outcome.reason.value)

    assert sent(PLANT, MIDNIGHT - 1, 8, 400_000) == "accepted"
    assert [sent(PLANT, MIDNIGHT, 8, 400_000), sent(PLANT, MIDNIGHT, 9, 0)] == ["price-not-allowed", "accepted"]
    assert sent(BUYER, MIDNIGHT, 8, 400_000) == "accepted"
    assert modes(night.county, TOMORROW, PLANT)[1] is SaleMode.DIRECT, "a log without meters leaves the modes"
