"""Bad input: what is said must deserve its refusal, and what the receipts say is read rightly."""

import queue
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from edge.contract.codec import decode_up, encode
from edge.contract.interval import interval_from_utc_s
from edge.contract.messages import ContractError, OrdersMessage, ReadingsMessage, ReceiptMessage, Rejection
from edge.contract.registry import (
    BalanceUnit,
    Gateway,
    MeteringPoint,
    MeterKind,
    Participant,
    Registry,
    SaleMode,
    SupplyMode,
    UnitKind,
    UserCategory,
)
from edge.contract.topics import down_topic, parse_up_topic, up_filter
from hub.broker import LOOPBACK, EmbeddedBroker, choose_port, write_nats_configuration
from hub.usecases.prepare_county import HUB_USER, Credential, issue_credentials
from simulators.demo.bad_input import (
    BadInputError,
    Offence,
    OffenceOutcome,
    choose_meters,
    offences,
    outcomes,
    send_bad_input,
)

NOON = 1_463_457_600


def point(meter_id: str, gateway_id: str, supply_mode: SupplyMode, import_capacity_w: int) -> MeteringPoint:
    return MeteringPoint(
        meter_id=meter_id,
        gateway_id=gateway_id,
        unit_id="county",
        bus="bus",
        kind=MeterKind.LOAD,
        channels=("1-0:1.8.0", "1-0:2.8.0"),
        voltage_class="<1kV",
        participant_id="P00001",
        supply_mode=supply_mode,
        sale_mode=SaleMode.NONE,
        category=UserCategory.RESIDENTIAL,
        clean=False,
        export_capacity_w=0,
        import_capacity_w=import_capacity_w,
    )


REGISTRY = Registry(
    "c1",
    (BalanceUnit("county", None, UnitKind.COUNTY, "110kV", None, None, ()),),
    (Gateway("G0001", "s0", "county", ("M1",)), Gateway("G0002", "s0", "county", ("M2", "M3"))),
    (
        point("M1", "G0001", SupplyMode.GUARANTEED, 9000),
        point("M2", "G0002", SupplyMode.DIRECT, 1000),
        point("M3", "G0002", SupplyMode.DIRECT, 2000),
    ),
    (Participant("P00001", None),),
)


def judge(payload: bytes, kind: str) -> list[str]:
    """Return the reasons for which a hub would refuse the parts of a message; it knows M3 at 5 Wh."""
    try:
        message = decode_up(kind, payload)
    except ContractError:
        return ["malformed"]
    reasons = []
    if isinstance(message, ReadingsMessage):
        for reading in message.r:
            if reading.meter not in {"M2", "M3"}:
                reasons.append("foreign-meter")
            elif set(reading.registers) == {"1-0:1.8.0", "1-0:2.8.0"} and reading.registers["1-0:1.8.0"] < 5:
                reasons.append("backwards")
    if isinstance(message, OrdersMessage):
        for order in message.o:
            assert order.interval == interval_from_utc_s(NOON) + 1
            assert order.energy_wh % 10 == 0
            assert 0 < order.energy_wh <= 2000 // 4
            if order.price_uyuan_per_kwh % 1000:
                reasons.append("off-tick")
            elif order.price_uyuan_per_kwh > 1_500_000:
                reasons.append("above-cap")
    return reasons


def test_the_meters_are_a_direct_user_and_a_stranger() -> None:
    gateway, own, foreign = choose_meters(REGISTRY)
    assert (gateway.gateway_id, own.meter_id, foreign.gateway_id) == ("G0002", "M3", "G0001")


def test_a_registry_without_direct_users_is_refused() -> None:
    without = Registry("c1", REGISTRY.units, REGISTRY.gateways, (REGISTRY.metering_points[0],), REGISTRY.participants)
    with pytest.raises(BadInputError, match="may place orders"):
        choose_meters(without)


def test_each_offence_deserves_its_own_reason_and_no_other() -> None:
    _, own, foreign = choose_meters(REGISTRY)
    said = offences(own, foreign, NOON, "rogue")
    assert [offence.reason for offence in said] == ["malformed", "foreign-meter", "backwards", "off-tick", "above-cap"]
    for offence in said:
        assert judge(offence.payload, offence.kind) == [offence.reason]
    assert [offence.seq for offence in said] == [0, 1, 2, 3, 4]


def test_receipts_are_read_by_message_and_repeats_count_once() -> None:
    said = (Offence("a", "malformed", "iv", 0, b""), Offence("b", "backwards", "iv", 1, b""))
    receipts = [
        ReceiptMessage("rogue", 1, (Rejection(1, "M3", NOON, "backwards"),)),
        ReceiptMessage("rogue", 1, (Rejection(1, "M3", NOON, "backwards"), Rejection(9, "M3", NOON, "late"))),
    ]
    found = outcomes(said, receipts)
    assert found == (OffenceOutcome("a", "malformed", ()), OffenceOutcome("b", "backwards", ("backwards",)))
    assert all(outcome.is_refused_as_it_should for outcome in found)
    silent = outcomes(said, [ReceiptMessage("rogue", 1)])
    assert [outcome.is_refused_as_it_should for outcome in silent] == [True, False]


@contextmanager
def broker_and_credentials(folder: Path) -> Iterator[dict[str, Credential]]:
    broker_folder = folder / "broker"
    port = choose_port(broker_folder)
    users = [HUB_USER, *(gateway.gateway_id for gateway in REGISTRY.gateways)]
    credentials = issue_credentials(folder / "credentials", users, LOOPBACK, port)
    write_nats_configuration(broker_folder, county="c1", gateways=REGISTRY.gateways, credentials=credentials, port=port)
    broker = EmbeddedBroker(broker_folder)
    broker.start()
    try:
        yield credentials
    finally:
        broker.stop()


@contextmanager
def judging_hub(credential: Credential) -> Iterator["queue.SimpleQueue[str]"]:
    """Keep a small hub on the broker that judges every message and says so in receipts; yields what is malformed."""
    malformed: queue.SimpleQueue[str] = queue.SimpleQueue()
    ready: queue.SimpleQueue[None] = queue.SimpleQueue()

    def on_message(client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        topic = parse_up_topic(message.topic)
        reasons = judge(message.payload, topic.kind)
        if reasons == ["malformed"]:
            malformed.put(topic.device)
            return
        decoded = decode_up(topic.kind, message.payload)
        assert isinstance(decoded, ReadingsMessage | OrdersMessage)
        rejections = tuple(Rejection(decoded.seq, "M", NOON, reason) for reason in reasons)
        receipt = encode(ReceiptMessage(decoded.boot, decoded.seq, rejections))
        client.publish(down_topic("c1", "s0", topic.device, "rcpt"), receipt)

    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=credential.client_id, protocol=mqtt.MQTTv311)
    client.username_pw_set(credential.user, credential.password)
    client.on_message = on_message
    client.on_connect = lambda connected, *_: connected.subscribe(up_filter("c1"), qos=1)
    client.on_subscribe = lambda *_: ready.put(None)
    client.connect(credential.host, credential.port)
    client.loop_start()
    try:
        ready.get(timeout=60)
        yield malformed
    finally:
        client.disconnect()
        client.loop_stop()


def test_bad_input_goes_through_a_real_broker_with_a_real_credential(tmp_path: Path) -> None:
    with broker_and_credentials(tmp_path) as credentials, judging_hub(credentials[HUB_USER]) as malformed:
        found = send_bad_input(REGISTRY, tmp_path / "credentials", NOON)
    assert malformed.get_nowait() == "G0002"
    assert [outcome.told for outcome in found] == [
        (),
        ("foreign-meter",),
        ("backwards",),
        ("off-tick",),
        ("above-cap",),
    ]
    assert all(outcome.is_refused_as_it_should for outcome in found)


def test_without_a_hub_no_receipt_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulators.demo.bad_input.RECEIPT_LIMIT_S", 0.3)
    with broker_and_credentials(tmp_path), pytest.raises(BadInputError, match="no receipt"):
        send_bad_input(REGISTRY, tmp_path / "credentials", NOON)


def test_without_a_broker_or_a_credential_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"G0002\.json"):
        send_bad_input(REGISTRY, tmp_path, NOON)
    issue_credentials(tmp_path, ["G0002"], LOOPBACK, 1)
    with pytest.raises(BadInputError, match=r"no broker at 127\.0\.0\.1:1"):
        send_bad_input(REGISTRY, tmp_path, NOON)
