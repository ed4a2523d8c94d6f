"""What gateways are told of elections and of withdrawn orders: once for each change, whatever the hub remembers."""

import importlib.util
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from datetime import date, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlmodel import Session

from edge.contract.interval import first_interval_of_day, start_utc_s
from edge.contract.messages import ModesFrom, ModesMessage, Order, Side, WithdrawalsMessage, WithdrawnOrder
from edge.contract.registry import SaleMode
from hub.market.elections.mode_schedule import schedule_from
from hub.store.engine import open_engine
from hub.store.notices import add_notices, notices_without_answer, save_notice_answer, told_modes
from hub.usecases.load_county import County
from hub.usecases.prepare_county import load_county
from hub.usecases.tell_modes import ModeNotices
from hub.usecases.withdraw_orders import withdraw_orders

MAY_1, TODAY = date(2016, 5, 1), date(2016, 5, 17)
TOMORROW = TODAY + timedelta(days=1)
PLANT, SHOP = "M000007", "M000009"
"""By the county's file the plant sells directly and the shop buys directly; both are of gateway G0002."""


@pytest.fixture(scope="session")
def register() -> ModuleType:
    spec = importlib.util.spec_from_file_location("toy_register_here", Path(__file__).with_name("toy_register.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def county_of(toy_folder: Path, engine: Engine, database_url: str) -> Iterator[Callable[[], County]]:
    """Return a function that opens the toy county with the log of the database, as a process that starts does."""
    load_county(engine, toy_folder / "registry.json")
    with ExitStack() as opened:

        def county() -> County:
            reader = open_engine(database_url, read_only=True)
            opened.callback(reader.dispose)
            return County(toy_folder, log=reader)

        yield county


def at(day: date, quarter: int = 48) -> int:
    return start_utc_s(first_interval_of_day(day) + quarter)


def founded(engine: Engine, register: ModuleType) -> None:
    events = [*register.rules(), *register.party("dev", "INDEPENDENT_DG_DEVELOPER"), register.plant("dev", PLANT)]
    events += [*register.party("shop", "POWER_USER"), register.user_point("shop", SHOP)]
    register.stand(engine, events, MAY_1)


def unanswered(engine: Engine) -> list[Any]:
    with Session(engine) as session:
        return notices_without_answer(session)


def told(engine: Engine) -> dict[str, list[tuple[date, str, str]]]:
    """Return what was told last of each meter, with days for intervals."""
    epoch, day_one = date(2016, 1, 1), first_interval_of_day(date(2016, 1, 1))
    with Session(engine) as session:
        return {
            meter: [
                (epoch + timedelta((one.from_interval - day_one) // 96), one.supply_mode.value, one.sale_mode.value)
                for one in modes
            ]
            for meter, modes in told_modes(session).items()
        }


def test_a_change_is_told_once_with_its_day_and_the_next_one_replaces_it(
    engine: Engine, county_of: Callable[[], County], register: ModuleType
) -> None:
    modes = ModeNotices(county_of())
    assert modes.make(engine, at(TODAY)) == 0
    founded(engine, register)
    register.stand(engine, [register.sale_elected("direct", PLANT, "DIRECT", date(2016, 6, 2))], TODAY)
    register.stand(engine, [register.supply_elected("retail", SHOP, "DIRECT", date(2016, 7, 1))], TODAY)
    assert modes.make(engine, at(TODAY)) == 1
    assert told(engine) == {
        PLANT: [(TODAY, "AGENCY", "PURCHASE"), (date(2016, 6, 2), "AGENCY", "DIRECT")],
        SHOP: [(TODAY, "AGENCY", "NONE"), (date(2016, 7, 1), "DIRECT", "NONE")],
    }
    (notice,) = unanswered(engine)
    assert (notice.gateway, notice.kind, notice.message.notice) == (1, "cfg", 1)
    # Nothing new: neither again, nor on a later day, nor by a process that starts.
    for later in (TODAY, TOMORROW, date(2016, 6, 2), date(2016, 7, 2)):
        assert modes.make(engine, at(later)) == 0
        assert ModeNotices(county_of()).make(engine, at(later, 95)) == 0
    assert unanswered(engine) == [notice]
    # The developer is suspended: from its day on the default holds, and only its meter is told of.
    suspended = {"event": "ParticipantSuspended", "event_id": "stop", "participant_id": "dev"}
    register.stand(engine, [suspended | {"effective_from": "2016-07-05"}], date(2016, 7, 2))
    assert ModeNotices(county_of()).make(engine, at(date(2016, 7, 2))) == 1
    message = unanswered(engine)[1].message
    assert (message.notice, [one.meter for one in message.m]) == (2, [PLANT])
    assert told(engine)[PLANT] == [(date(2016, 7, 5), "AGENCY", "PURCHASE")]  # until then as in the county's file


def test_what_is_told_is_what_every_day_is_cleared_by(
    engine: Engine, county_of: Callable[[], County], register: ModuleType
) -> None:
    """For weeks ahead, the modes that a gateway knows are those of the day's registry at the hub."""
    county = county_of()
    founded(engine, register)
    register.stand(engine, [register.sale_elected("one", PLANT, "DIRECT", date(2016, 5, 25))], TODAY)
    ended = register.sale_elected("two", PLANT, "COMMISSION", date(2016, 6, 20))
    register.stand(engine, [register.supply_elected("shop", SHOP, "DIRECT", date(2016, 6, 1))], TODAY)
    ModeNotices(county).make(engine, at(TODAY))
    register.take(engine, [ended], date(2016, 5, 20))
    stop = {"event": "ParticipantSuspended", "event_id": "stop", "participant_id": "shop"}
    register.stand(engine, [stop | {"effective_from": "2016-06-10"}], date(2016, 5, 21))
    ModeNotices(county).make(engine, at(date(2016, 5, 21)))
    with Session(engine) as session:
        known = told_modes(session)
    for ahead in range(60):
        day = date(2016, 5, 21) + timedelta(ahead)
        for prepared, point in zip(
            county.registry.metering_points, county.registry_on(day).metering_points, strict=True
        ):
            modes = schedule_from(prepared, known.get(point.meter_id, ()), first_interval_of_day(day))
            begun = [one for one in modes if one.from_interval <= first_interval_of_day(day)]
            sold = begun[-1] if begun else prepared
            assert (sold.supply_mode, sold.sale_mode) == (point.supply_mode, point.sale_mode), (day, point.meter_id)


def test_an_event_recorded_after_a_days_first_gate_is_not_told_for_that_day(
    engine: Engine, county_of: Callable[[], County], register: ModuleType
) -> None:
    """At 23:50 the first gate of tomorrow has closed: what is recorded then changes the day after tomorrow."""
    founded(engine, register)
    register.stand(engine, [register.sale_elected("direct", PLANT, "DIRECT", TODAY)], MAY_1)
    county = county_of()
    ModeNotices(county).make(engine, at(TODAY, 94))
    suspended = {"event": "ParticipantSuspended", "event_id": "stop", "participant_id": "dev"}
    register.stand(engine, [suspended | {"effective_from": TOMORROW.isoformat()}], TOMORROW)
    assert ModeNotices(county).make(engine, at(TODAY, 95)) == 1
    assert told(engine)[PLANT][-1] == (TOMORROW + timedelta(1), "AGENCY", "PURCHASE")
    assert SaleMode.DIRECT in {one.sale_mode for one in county.registry_on(TOMORROW).metering_points}


def test_withdrawn_orders_are_told_to_their_gateways_in_the_gates_transaction(
    engine: Engine, county_of: Callable[[], County], register: ModuleType
) -> None:
    county = county_of()
    founded(engine, register)
    interval = first_interval_of_day(TODAY) + 40
    of_day = county.registry_on(TODAY)
    orders = [entry(meter, gateway, interval) for meter, gateway in ((PLANT, "G0002"), ("M000001", "G0001"))]
    with Session(engine) as session:
        stands = withdraw_orders(session, county.registry, of_day, interval, orders)
        session.rollback()
    assert unanswered(engine) == []
    with Session(engine) as session:
        withdraw_orders(session, county.registry, of_day, interval, orders)
        session.commit()
    (notice,) = unanswered(engine)
    gone = [order for entry_id, order in orders if (entry_id, order) not in stands]
    assert [order.meter for order in gone] == [PLANT]
    assert notice.message == WithdrawalsMessage(1, interval, (WithdrawnOrder(PLANT, 1, "not-direct"),))
    with Session(engine) as session:
        save_notice_answer(session, notice.gateway, 1, 7)
        session.commit()
    assert unanswered(engine) == []


def entry(meter: str, gateway: str, interval: int) -> tuple[str, Order]:
    side = Side.SELL if meter == PLANT else Side.BUY
    return f"{gateway}/{interval}/{meter}/1", Order(meter, interval, 1, side, 1000, 300_000, 0)


def test_every_gateway_counts_its_own_notices(engine: Engine) -> None:
    with Session(engine) as session:
        some: Iterable[Any] = add_notices(session, [(g, ModesMessage(0, ())) for g in (3, 1, 3)], 5)
        assert [(one.gateway, one.message.notice) for one in some] == [(3, 1), (1, 1), (3, 2)]
        session.commit()
    with Session(engine) as session:
        (more,) = add_notices(session, [(3, ModesMessage(0, ()))], 6)
    assert more.message.notice == 3


def test_two_schedules_that_say_the_same_have_one_form(toy_county: County) -> None:
    point = next(one for one in toy_county.registry.metering_points if one.meter_id == PLANT)
    direct, purchase = SaleMode.DIRECT, SaleMode.PURCHASE
    assert point.sale_mode is direct

    def at_interval(k: int, sale: SaleMode) -> ModesFrom:
        return ModesFrom(k, point.supply_mode, sale)

    assert schedule_from(point, (), 10) == ()
    assert schedule_from(point, (at_interval(5, direct), at_interval(20, direct)), 10) == ()
    two = (at_interval(5, purchase), at_interval(20, direct))
    assert schedule_from(point, two, 10) == (at_interval(10, purchase), at_interval(20, direct))
    assert schedule_from(point, two, 20) == ()
