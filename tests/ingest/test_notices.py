"""Notices over real brokers: told until they are answered, again by a hub that was killed, again to a new boot."""

import queue
import time
from collections.abc import Iterator
from typing import Any

import pytest
from sqlmodel import Session

from edge.contract.messages import (
    MeterModes,
    ModesFrom,
    ModesMessage,
    NoticeAnswer,
    Rejection,
    StatusMessage,
    WithdrawalsMessage,
    WithdrawnOrder,
)
from edge.contract.registry import SaleMode, SupplyMode
from hub.mqtt import Ingest
from hub.repeated_sending import NoticeSender
from hub.store.notices import UNNUMBERED, add_notices, notices_without_answer

K = 1_629_001
MODES = ModesMessage(UNNUMBERED, (MeterModes("M000001", (ModesFrom(K + 96, SupplyMode.AGENCY, SaleMode.DIRECT),)),))
WITHDRAWN = WithdrawalsMessage(UNNUMBERED, K + 1, (WithdrawnOrder("M000001", 1, "not-direct"),))


@pytest.fixture
def telling(hub: Any) -> Iterator[Any]:
    """A hub with two notices for its first gateway and one for the second, as one that starts finds them."""
    with Session(hub.engine) as session:
        add_notices(session, [(0, MODES), (1, WITHDRAWN), (0, WITHDRAWN)], 0)
        session.commit()
    start(hub)
    return hub


def start(hub: Any) -> None:
    """Let the hub know no more than the database does."""
    hub.notices = NoticeSender(hub.connection, hub.registry)
    hub.ingest = Ingest(hub.engine, hub.connection, hub.registry, hub.setpoints, notices=hub.notices)
    with Session(hub.engine) as session:
        hub.notices.send(notices_without_answer(session), time.monotonic())


def told(gateway: Any, into: list[Any]) -> list[tuple[str, int]]:
    """Return (kind, number) of every notice so far."""
    while True:
        try:
            message = gateway.received.get_nowait()
        except queue.Empty:
            return into
        if isinstance(message, ModesMessage | WithdrawalsMessage):
            into.append((type(message).__name__, message.notice))


def test_a_notice_is_told_until_it_is_answered_and_a_hub_that_starts_again_tells_the_rest(
    telling: Any, gateways: Any
) -> None:
    first, second = gateways
    heard: list[Any] = []
    telling.pump_until(lambda: min(map(told(first, heard).count, heard), default=0) >= 2)
    assert set(heard) == {("ModesMessage", 1), ("WithdrawalsMessage", 2)}
    assert set(told(second, [])) == {("WithdrawalsMessage", 1)}
    assert telling.notices.pending == 3

    first.send(1, "ack", NoticeAnswer("b1", 1, 1))
    telling.pump_until_receipts([first])
    assert telling.notices.pending == 2
    start(telling)
    assert telling.notices.pending == 2
    heard.clear()
    telling.pump_until(lambda: told(first, heard).count(("WithdrawalsMessage", 2)) >= 3)
    assert telling.counters()["notices_answered"] == 1


def test_a_gateway_that_starts_anew_is_told_all_modes_again(telling: Any, gateways: Any) -> None:
    """Not so one that only says its boot again, as when the hub starts: the message is retained."""
    gateway = gateways[0]
    gateway.client.publish(gateway.topic("st"), b'{"state":"online","boot":"b1","v":1}', qos=1, retain=True)
    gateway.send(1, "ack", NoticeAnswer("b1", 1, 1))
    gateway.send(2, "ack", NoticeAnswer("b1", 2, 2))
    telling.pump_until(lambda: telling.notices.pending == 1, [gateway])
    gateway.send(3, "st", StatusMessage("online", "b1"))
    gateway.send(3, "ack", NoticeAnswer("b1", 3, 2))
    telling.pump_until_receipts([gateway])
    assert telling.notices.pending == 1
    gateway.client.publish(gateway.topic("st"), b'{"state":"online","boot":"b2","v":1}', qos=1, retain=True)
    heard: list[Any] = []
    telling.pump_until(lambda: telling.notices.pending == 2)
    told(gateway, [])
    telling.pump_until(lambda: ("ModesMessage", 1) in told(gateway, heard))
    assert ("WithdrawalsMessage", 2) not in heard
    gateway.send(1, "ack", NoticeAnswer("b2", 1, 1))
    telling.pump_until(lambda: telling.notices.pending == 1, [gateway])


def test_an_answer_to_a_notice_that_was_never_made_is_refused(telling: Any, gateways: Any) -> None:
    gateways[1].send(1, "ack", NoticeAnswer("b1", 1, 2))
    telling.pump_until_receipts([gateways[1]])
    refused = {rejection for receipt in gateways[1].receipts for rejection in receipt.rej}
    assert refused == {Rejection(1, "", 0, "unknown-notice")}
    assert telling.refusals() == {"unknown-notice": 1}
    assert telling.notices.pending == 3
