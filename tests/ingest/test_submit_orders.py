from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text
from sqlmodel import Session

from edge.contract.messages import Acknowledgement, Order, ResponseMessage, Side
from edge.contract.registry import Registry
from hub.market.order_rules import Accepted, OrderOutcome, Rejected, SessionParameters
from hub.market.trades import Party, TradeSide
from hub.store.counters import read_counters
from hub.store.engine import open_engine
from hub.store.orders import accepted_orders, orders_of_interval
from hub.store.quarantine import refusal_counts
from hub.store.registry import positions_of
from hub.store.setpoints import save_setpoints, sent_setpoints
from hub.usecases.moment import Moment
from hub.usecases.record_responses import GatewayResponse, Recorded, RefusedResponse, record_responses
from hub.usecases.submit_orders import GatewayOrders, OrderMemory, submit_orders

K = 1_629_001
MOMENT = Moment(900 * (K - 2), 900 * K, 0)


def parameters(open_from: int = K) -> SessionParameters:
    return SessionParameters(
        open_from_interval=open_from,
        open_until_interval=open_from + 4,
        price_floor_uyuan_per_kwh=0,
        price_cap_uyuan_per_kwh=1_500_000,
        price_tick_uyuan_per_kwh=1000,
        lot_wh=10,
    )


def buy(
    energy_wh: int = 1000, price: int = 400_000, *, meter: str = "M000003", number: int = 1, interval: int = K
) -> Order:
    return Order(meter, interval, number, Side.BUY, energy_wh, price, 900 * (K - 2))


SELL = Order("M000001", K, 1, Side.SELL, 500, 250_000, 900 * (K - 2))


class Desk:
    """A database, a registry and the memory of the process; restart() forgets what a process would forget."""

    def __init__(self, engine: Engine, registry: Registry) -> None:
        self.engine, self.registry = engine, registry
        self.restart()

    def restart(self, open_from: int = K) -> None:
        with Session(self.engine) as session:
            self.memory = OrderMemory(session, self.registry, open_from)

    def submit(self, *orders: Order, open_from: int = K) -> list[str]:
        with Session(self.engine) as session:
            message = GatewayOrders(0, "G0001", orders)
            (outcomes,) = submit_orders(session, self.memory, [message], parameters(open_from), MOMENT)
            session.commit()
        return [answer(outcome) for outcome in outcomes]

    def rows(self) -> list[tuple[object, ...]]:
        with Session(self.engine) as session:
            return [
                tuple(row)
                for row in session.execute(text('SELECT order_id, status, reason, energy_wh FROM "order" ORDER BY 1'))
            ]


def answer(outcome: OrderOutcome) -> str:
    if isinstance(outcome, Rejected):
        return outcome.reason.value
    assert isinstance(outcome, Accepted)
    return "repeat" if outcome.repeat else "accepted"


@pytest.fixture
def desk(database_url: str, small_registry: Registry) -> Iterator[Desk]:
    engine = open_engine(database_url)
    yield Desk(engine, small_registry)
    engine.dispose()


def test_accepted_orders_come_back_as_columns_sorted_by_id(desk: Desk) -> None:
    assert desk.submit(buy(), SELL, buy(20, number=12), buy(30, number=2)) == ["accepted"] * 4
    with Session(desk.engine) as session:
        batch = orders_of_interval(session, K)
        standing = accepted_orders(session, K)
    ids = [f"G0001/{K}/M000001/1", f"G0001/{K}/M000003/1", f"G0001/{K}/M000003/12", f"G0001/{K}/M000003/2"]
    assert list(batch.order_id) == ids == [name for name, _ in standing]
    assert batch.meter.tolist() == [0, 2, 2, 2]
    assert batch.unit.tolist() == [2, 2, 2, 2]
    assert batch.side.tolist() == [TradeSide.SELL, TradeSide.BUY, TradeSide.BUY, TradeSide.BUY]
    assert batch.party.tolist() == [Party.DIRECT] * 4
    assert batch.energy_wh.tolist() == [500, 1000, 20, 30]
    assert batch.price_uyuan_per_kwh.tolist() == [250_000, 400_000, 400_000, 400_000]
    assert batch.clean.tolist() == [True, False, False, False]
    assert [order for _, order in standing] == [SELL, buy(), buy(20, number=12), buy(30, number=2)]


BAD: list[tuple[str, Order]] = [
    ("off-tick", buy(price=400_001)),
    ("above-cap", buy(price=1_501_000)),
    ("below-floor", buy(price=-1000)),
    ("off-lot", buy(energy_wh=1005)),
    ("not-positive", buy(energy_wh=0)),
    ("above-capacity", buy(energy_wh=5010)),
    ("foreign-meter", buy(meter="M000006")),
    ("unknown-meter", buy(meter="M000099")),
    ("not-direct", buy(meter="M000002")),
    ("gate-closed", buy(interval=K - 1)),
    ("wrong-interval", buy(interval=K + 4)),
]


@pytest.mark.parametrize(("reason", "bad"), BAD)
def test_a_bad_order_has_its_own_reason_is_kept_and_changes_nothing_else(desk: Desk, reason: str, bad: Order) -> None:
    assert desk.submit(SELL, bad, buy(number=7)) == ["accepted", reason, "accepted"]
    with Session(desk.engine) as session:
        assert [name for name, _ in accepted_orders(session, 0)] == [f"G0001/{K}/M000001/1", f"G0001/{K}/M000003/7"]
        (count,) = refusal_counts(session)
        assert read_counters(session) == {"orders_accepted": 2, "orders_rejected": 1}
    assert (count.reason, count.distinct, count.total) == (reason, 1, 1)
    assert len(desk.rows()) == 3
    assert (f"G0001/{bad.interval}/{bad.meter}/1", 0, reason, bad.energy_wh) in desk.rows()


def test_a_repeat_is_accepted_again_and_other_content_is_not(desk: Desk) -> None:
    assert desk.submit(buy()) == ["accepted"]
    before = desk.rows()
    for restart, open_from in ((False, K), (True, K), (False, K + 2), (True, K + 2)):
        if restart:
            desk.restart(open_from)
        assert desk.submit(buy(), open_from=open_from) == ["repeat"]
    desk.restart()
    assert desk.submit(buy(2000)) == ["conflict"]
    assert desk.submit(buy(2000), open_from=K + 2) == ["gate-closed"]
    assert desk.rows() == before


def test_an_id_that_was_rejected_stays_rejected(desk: Desk) -> None:
    assert desk.submit(buy(price=400_001)) == ["off-tick"]
    desk.restart()
    assert desk.submit(buy(price=400_001), buy()) == ["off-tick", "conflict"]
    assert desk.rows() == [(f"G0001/{K}/M000003/1", 0, "off-tick", 1000)]
    with Session(desk.engine) as session:
        assert accepted_orders(session, 0) == []


def test_answers_to_setpoints_are_kept_and_answers_to_nothing_are_refused(
    database_url: str, small_registry: Registry
) -> None:
    engine = open_engine(database_url)
    meters = positions_of(small_registry).meter

    def respond(gateway: int, setpoints_id: str, *answers: tuple[str, str]) -> Recorded | RefusedResponse:
        message = ResponseMessage("b", 1, K, setpoints_id, tuple(Acknowledgement(*answer) for answer in answers))
        with Session(engine) as session:
            (outcome,) = record_responses(
                session, meters, [GatewayResponse(gateway, f"G{gateway + 1:04d}", message)], MOMENT
            )
            session.commit()
        return outcome

    with Session(engine) as session:
        save_setpoints(session, [(K, meter, 0, 4000, 1000, "export-limit", "s1") for meter in (0, 2)])
        session.commit()
    first = respond(0, "s1", ("M000001", "ok"), ("M000002", "ok"), ("M999999", "ok"))
    assert isinstance(first, Recorded)
    assert (first.complete, [answer.meter for answer in first.refused]) == (False, ["M000002", "M999999"])
    assert respond(0, "s1", ("M000003", "refused"), ("M000001", "changed")) == Recorded(
        0, "s1", complete=True, refused=()
    )
    assert isinstance(respond(1, "s1", ("M000001", "ok")), RefusedResponse)
    assert isinstance(respond(0, "s2", ("M000001", "ok")), RefusedResponse)
    with Session(engine) as session:
        assert sent_setpoints(session, K, 0, "s1") == {0: "ok", 2: "refused"}
        counts = {(count.reason, count.distinct) for count in refusal_counts(session)}
        assert counts == {("unknown-meter", 2), ("unknown-setpoints", 2)}
        assert read_counters(session) == {"responses_recorded": 2, "responses_refused": 2}
    engine.dispose()
