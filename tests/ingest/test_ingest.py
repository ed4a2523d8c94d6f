"""From a gateway's message over a real broker into a real database, and the receipt back."""

import queue
import time
from collections.abc import Callable
from typing import Any

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlmodel import Session

from edge.contract.codec import decode_broadcast, encode
from edge.contract.messages import (
    CHANNELS,
    Acknowledgement,
    Order,
    OrdersMessage,
    PriceMessage,
    Reading,
    ReadingsMessage,
    ReceiptMessage,
    Rejection,
    ResponseMessage,
    Setpoint,
    SetpointsMessage,
    Side,
    StatusMessage,
    TradesMessage,
)
from edge.contract.messages import Fill as ContractFill
from hub.mqtt import Ingest
from hub.store.gateways import load_gateway_states
from hub.store.setpoints import SetpointsForGateway, save_setpoints, sent_setpoints

K = 1_629_001
T = 900 * K


def readings(seq: int, *values: int, boot: str = "b1", meter: str = "M000002", instant: int = T) -> ReadingsMessage:
    """One message of one meter's readings at consecutive instants."""
    rows = [
        Reading(meter, instant + 900 * step, dict.fromkeys(CHANNELS[:4], value)) for step, value in enumerate(values)
    ]
    return ReadingsMessage(boot, seq, tuple(rows))


def stored(hub: Any) -> list[tuple[int, ...]]:
    with Session(hub.engine) as session:
        rows = session.execute(
            text(
                "SELECT read_instant_utc_s, meter, value FROM reading WHERE channel = 0 AND revision = 0 ORDER BY 1, 2"
            )
        )
        return [tuple(row) for row in rows]


def rejections(gateway: Any) -> set[Rejection]:
    return {rejection for receipt in gateway.receipts for rejection in receipt.rej}


def test_readings_of_two_gateways_arrive_and_receipts_come(hub: Any, gateways: Any) -> None:
    first, second = gateways
    for seq in (1, 2, 3):
        first.send(seq, "iv", readings(seq, 100 * seq, instant=T + 900 * seq))
        second.send(seq, "iv", readings(seq, 10 * seq, instant=T + 900 * seq, meter="M000005"))
    hub.pump_until_receipts(gateways)
    assert stored(hub) == [
        (T + 900 * seq, meter, value * seq) for seq in (1, 2, 3) for meter, value in ((1, 100), (4, 10))
    ]
    assert {receipt.boot for receipt in first.receipts} == {"b1"}
    assert max(receipt.upto for receipt in first.receipts) == 3
    assert not rejections(first)
    assert hub.counters()["readings_admitted"] == 6
    assert hub.refusals() == {}


def test_orders_travel_the_same_way(hub: Any, gateways: Any) -> None:
    good = Order("M000003", K + 1, 1, Side.BUY, 500, 400_000, T)
    bad = Order("M000003", K + 1, 2, Side.BUY, 500, 400_001, T)
    gateways[0].send(1, "ord", OrdersMessage("b1", 1, (good, bad)))
    hub.pump_until_receipts(gateways)
    assert rejections(gateways[0]) == {Rejection(1, "M000003", 900 * (K + 1), "off-tick")}
    counters = hub.counters()
    assert (counters["orders_accepted"], counters["orders_rejected"]) == (1, 1)


def test_the_receipt_waits_before_a_gap_and_then_covers_what_came_after_it(hub: Any, gateways: Any) -> None:
    gateway = gateways[0]
    for seq in (3, 1):
        gateway.send(seq, "iv", readings(seq, 100 * seq, instant=T + 900 * seq))
    hub.pump_until(lambda: hub.counters().get("readings_admitted") == 2)
    hub.pump_until(lambda: any(receipt.upto == 1 for receipt in gateway.receipts))
    assert max(receipt.upto for receipt in gateway.receipts) == 1
    gateway.send(2, "iv", readings(2, 200, instant=T + 1800))
    hub.pump_until(lambda: any(receipt.upto == 3 for receipt in gateway.receipts))
    assert [value for *_, value in stored(hub)] == [100, 200, 300]
    assert hub.counters().get("readings_duplicate", 0) == 0


def test_a_repeated_message_gets_its_receipt_and_its_rejections_again(hub: Any, gateways: Any) -> None:
    gateway = gateways[0]
    gateway.send(1, "iv", readings(1, 100, 90))
    hub.pump_until(lambda: len(gateway.receipts) == 1)
    before = stored(hub)
    gateway.send(1, "iv", readings(1, 100, 90))
    hub.pump_until(lambda: len(gateway.receipts) == 2)
    assert (
        gateway.receipts[0]
        == gateway.receipts[1]
        == ReceiptMessage("b1", 1, (Rejection(1, "M000002", T + 900, "backwards"),))
    )
    assert stored(hub) == before
    assert hub.counters()["readings_duplicate"] == 1
    assert hub.refusals() == {"backwards": 1}


def test_a_new_boot_starts_at_its_own_first_message(hub: Any, gateways: Any) -> None:
    gateway = gateways[0]
    for seq in (1, 2):
        gateway.send(seq, "iv", readings(seq, 100 * seq, instant=T + 900 * seq))
    hub.pump_until(lambda: any(receipt.upto == 2 for receipt in gateway.receipts))
    gateway.send(1, "iv", readings(1, 300, instant=T + 2700, boot="b2"))
    hub.pump_until(lambda: any(receipt.boot == "b2" for receipt in gateway.receipts))
    assert [receipt.upto for receipt in gateway.receipts if receipt.boot == "b2"] == [1]


def test_a_hub_that_starts_again_goes_on_where_its_receipts_ended(hub: Any, gateways: Any) -> None:
    gateway = gateways[0]
    for seq in (1, 2, 4):
        gateway.send(seq, "iv", readings(seq, 100 * seq, instant=T + 900 * seq))
    hub.pump_until(lambda: hub.counters().get("readings_admitted") == 3)
    hub.ingest = Ingest(hub.engine, hub.connection, hub.registry, hub.setpoints)
    gateway.send(3, "iv", readings(3, 300, instant=T + 2700))
    hub.pump_until(lambda: any(receipt.upto == 4 for receipt in gateway.receipts))
    gateway.send(5, "iv", readings(5, 499, instant=T + 4500))
    hub.pump_until_receipts([gateway])
    assert [value for *_, value in stored(hub)] == [100, 200, 300, 400, 499]


BAD: list[tuple[str, Callable[[int], bytes]]] = [
    ("malformed", lambda seq: b'{"v":1,"boot":"b1","seq":%d,"r":[["M000002",5,{"1-0:9.9.9":1},"A"]]}' % seq),
    ("malformed", lambda seq: b'{"v":2,"boot":"b1","seq":%d,"r":[]}' % seq),
    ("oversize", lambda seq: b'{"v":1,"boot":"b1","seq":%d,"r":[],"x":"%s"}' % (seq, b"x" * 140_000)),
    ("foreign-meter", lambda seq: encode(readings(seq, 500, meter="M000005"))),
    ("backwards", lambda seq: encode(readings(seq, 99, instant=T + 900))),
]


@pytest.mark.parametrize(("reason", "bad"), BAD)
def test_a_bad_message_is_refused_with_its_reason_and_delivery_goes_on(
    hub: Any, gateways: Any, reason: str, bad: Callable[[int], bytes]
) -> None:
    gateway = gateways[0]
    gateway.send(1, "iv", readings(1, 100))
    gateway.send(2, "iv", bad(2))
    gateway.send(3, "iv", readings(3, 200, instant=T + 1800))
    hub.pump_until_receipts([gateway])
    assert stored(hub) == [(T, 1, 100), (T + 1800, 1, 200)]
    assert hub.refusals() == {reason: 1}
    assert {(rejection.seq, rejection.reason) for rejection in rejections(gateway)} == {(2, reason)}


def test_garbage_without_a_number_is_refused_and_delivery_goes_on(hub: Any, gateways: Any) -> None:
    gateway = gateways[0]
    for garbage in (b"", b"\xff\x00", b"[]", b'{"boot":"b1","seq":"x"}', b'{"boot":"b/1","seq":1,"r":[],"v":1}'):
        gateway.client.publish(gateway.topic("iv"), garbage, qos=1)
    gateway.client.publish(gateway.topic("tel"), b"{}", qos=0)
    gateway.client.publish("cmb/v1/c1/s0/m/G0001/nonsense", b"{}", qos=1)
    gateway.send(1, "iv", readings(1, 100))
    hub.pump_until_receipts([gateway])
    assert hub.refusals() == {"malformed": 7}
    assert hub.counters()["messages_refused"] == 7
    assert stored(hub) == [(T, 1, 100)]


def test_a_gateway_can_neither_speak_nor_listen_for_another(hub: Any, gateways: Any, broker: Any) -> None:
    first, second = gateways
    spy: list[str] = []
    first.client.on_message = lambda _client, _data, message: spy.append(message.topic)
    first.client.subscribe([("cmb/v1/c1/s0/d/G0002/+", 0), ("cmb/v1/c1/s0/m/G0002/+", 0), ("#", 0)])
    forged = encode(readings(1, 100, meter="M000005"))
    for topic in (second.topic("iv"), "cmb/v1/c1/s9/m/G0001/iv", "cmb/v1/c1/s0/d/G0002/set", "cmb/v1/c1/b/price"):
        first.client.publish(topic, forged, qos=1)
    first.client.publish(first.topic("iv"), encode(readings(1, 200)), qos=1)
    second.send(1, "iv", readings(1, 300, meter="M000005", boot="b7"))
    hub.pump_until(lambda: hub.counters().get("readings_admitted") == 2)
    hub.pump_until(lambda: bool(second.receipts) and bool(spy))
    assert [receipt.boot for receipt in second.receipts] == ["b7"]
    assert stored(hub) == [(T, 1, 200), (T, 4, 300)]
    assert set(spy) == {"cmb/v1/c1/s0/d/G0001/rcpt"}
    if hasattr(broker, "denials"):
        assert broker.denials() >= 3


def test_setpoints_are_repeated_until_every_one_is_answered(hub: Any, gateways: Any) -> None:
    gateway = gateways[0]
    message = SetpointsMessage(f"{K + 1}-G0001", K + 1, (Setpoint("M000001", 2000), Setpoint("M000003", 0)))
    with Session(hub.engine) as session:
        rows = [(K + 1, meter, 0, 2000, 500, "export-limit", message.setpoints_id) for meter in (0, 2)]
        save_setpoints(session, rows)
        session.commit()
    hub.setpoints.send([SetpointsForGateway(0, message)], time.monotonic())
    got: list[Any] = []

    def take_setpoints() -> bool:
        try:
            while True:
                got.append(gateway.received.get_nowait())
        except queue.Empty:
            return sum(one == message for one in got) >= 3

    hub.pump_until(take_setpoints)
    assert hub.setpoints.pending == 1
    gateway.send(1, "rsp", _response(message, 1, "M000001"))
    hub.pump_until_receipts([gateway])
    assert hub.setpoints.pending == 1
    gateway.send(2, "rsp", _response(message, 2, "M000001", "M000003"))
    hub.pump_until_receipts([gateway])
    assert hub.setpoints.pending == 0
    with Session(hub.engine) as session:
        assert sent_setpoints(session, K + 1, 0, message.setpoints_id) == {0: "ok", 2: "ok"}


def test_an_answer_to_setpoints_that_were_never_sent_is_refused(hub: Any, gateways: Any) -> None:
    gateways[0].send(1, "rsp", ResponseMessage("b1", 1, K, "s9", (Acknowledgement("M000001", "ok"),)))
    hub.pump_until_receipts(gateways)
    assert rejections(gateways[0]) == {Rejection(1, "", T, "unknown-setpoints")}
    assert hub.refusals() == {"unknown-setpoints": 1}


def test_trades_reach_their_gateway_and_prices_reach_whoever_comes_later(hub: Any, gateways: Any, broker: Any) -> None:
    trades = TradesMessage(K + 1, (ContractFill("M000003", 1, 500, 300_000),))
    hub.connection.publish_trades(hub.registry.gateways[0], trades)
    assert gateways[0].take(TradesMessage) == trades
    price = PriceMessage(K + 1, 300_000, {"county": 310_000, "A001": 290_000})
    hub.connection.publish_broadcast(price)
    hub.connection.wait_until_delivered(30.0)
    prices: queue.SimpleQueue[Any] = queue.SimpleQueue()
    late = Client(CallbackAPIVersion.VERSION2, client_id=f"late-{time.monotonic_ns()}")
    credential = broker.credentials["G0002"]
    late.username_pw_set(credential.user, credential.password)
    late.on_connect = lambda client, *_: client.subscribe("cmb/v1/c1/b/+", 0)
    late.on_message = lambda _client, _data, message: prices.put((message.retain, message.payload))
    gateways[1].stop()
    late.connect(credential.host, credential.port)
    late.loop_start()
    is_retained, payload = prices.get(timeout=30)
    late.disconnect()
    late.loop_stop()
    assert decode_broadcast("price", payload) == price
    assert is_retained


def test_birth_and_last_will_are_kept_as_the_state_of_the_gateway(hub: Any, gateways: Any) -> None:
    def states() -> dict[int, tuple[str, str]]:
        with Session(hub.engine) as session:
            return load_gateway_states(session)

    for state in ("online", "offline"):
        gateways[1].client.publish(gateways[1].topic("st"), encode(StatusMessage(state, "b1")), qos=1, retain=True)
        hub.pump_until(lambda state=state: states() == {1: (state, "b1")})
    gateways[1].client.publish(gateways[1].topic("st"), b"", qos=1, retain=True)
    gateways[0].send(1, "iv", readings(1, 100))
    hub.pump_until_receipts(gateways)
    assert hub.refusals() == {}


def test_a_killed_broker_costs_nothing(hub: Any, gateways: Any, broker: Any) -> None:
    expected = []
    for step in range(12):
        for gateway, meter, position in zip(gateways, ("M000002", "M000005"), (1, 4), strict=True):
            gateway.send(step + 1, "iv", readings(step + 1, 100 * step, instant=T + 900 * step, meter=meter))
            expected.append((T + 900 * step, position, 100 * step))
        if step in {3, 8}:
            broker.kill()
    hub.pump_until_receipts(gateways)
    assert stored(hub) == sorted(expected)
    assert hub.counters()["readings_admitted"] == len(expected)
    assert hub.refusals() == {}


def test_what_came_over_an_earlier_connection_is_not_acknowledged_on_this_one(
    hub: Any, gateways: Any, broker: Any, until: Callable[..., None]
) -> None:
    """The broker counts packet ids from 1 on every connection: an old id would acknowledge another message."""
    sent: list[str] = []
    hub.connection._client.on_log = lambda _client, _data, _level, line: sent.append(line)
    gateways[0].send(1, "iv", readings(1, 100))
    old = hub.connection.take(1, timeout_s=30)
    broker.kill()
    until(lambda: hub.connection.is_subscribed, "the hub is back", [])
    gateways[1].send(1, "iv", readings(1, 100, meter="M000005"))
    new: list[Any] = []
    until(lambda: bool(new) or new.extend(hub.connection.take(1)) or bool(new), "a new message", gateways[1:])
    assert (old[0].mid, old[0].epoch < new[0].epoch) == (new[0].mid, True)
    hub.connection.acknowledge(old)
    assert not [line for line in sent if "PUBACK (Mid" in line and line.startswith("Sending")]
    hub.connection.acknowledge(new)
    assert [line for line in sent if line == f"Sending PUBACK (Mid: {new[0].mid})"]


def test_what_could_not_be_committed_is_neither_acknowledged_nor_lost(hub: Any, gateways: Any) -> None:
    gateway = gateways[0]
    gateway.send(1, "iv", readings(1, 100))
    hub.pump_until_receipts([gateway])
    with hub.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE message_cursor RENAME TO hidden")
    gateway.send(2, "iv", readings(2, 200, instant=T + 900))
    gateway.send(3, "iv", readings(3, 300, instant=T + 1800))
    with pytest.raises(OperationalError):
        hub.pump_until(lambda: False)
    with pytest.raises(OperationalError):
        hub.pump_until(lambda: False)
    assert stored(hub) == [(T, 1, 100)]
    assert len(gateway.receipts) == 1
    with hub.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE hidden RENAME TO message_cursor")
    hub.pump_until(lambda: not gateway.without_receipt)
    assert stored(hub) == [(T, 1, 100), (T + 900, 1, 200), (T + 1800, 1, 300)]
    assert hub.counters()["readings_admitted"] == 3


def _response(message: SetpointsMessage, seq: int, *meters: str) -> ResponseMessage:
    answers = tuple(Acknowledgement(meter, "ok") for meter in meters)
    return ResponseMessage("b1", seq, message.interval, message.setpoints_id, answers)
