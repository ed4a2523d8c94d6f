"""kill -9 of the hub anywhere between a message and its receipt: nothing is lost, nothing counts twice."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import Session

from edge.contract.messages import CHANNELS, Order, OrdersMessage, Reading, ReadingsMessage, Side
from edge.contract.registry import Registry, encode_registry
from hub.store.counters import read_counters
from hub.store.engine import open_engine
from hub.usecases.prepare_county import HUB_USER, load_county

T = 900 * 1_629_001
CASES = (
    ("sqlite", "nats", "before-commit"),
    ("sqlite", "nats", "after-commit"),
    ("sqlite", "nats", "after-acknowledge"),
    ("postgresql", "mosquitto", "after-commit"),
)


@contextmanager
def hub_process(url: str, credential: Path, point: str) -> Iterator["subprocess.Popen[bytes]"]:
    command = [sys.executable, Path(__file__).with_name("hub_process.py"), url, credential, point]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            yield process
        finally:
            process.kill()


def send(gateway: Any, seq: int, meter: str) -> None:
    registers = dict.fromkeys(CHANNELS[:4], 100 * seq)
    gateway.send(2 * seq - 1, "iv", ReadingsMessage("b1", 2 * seq - 1, (Reading(meter, T + 900 * seq, registers),)))
    order = Order(meter, 1_629_003, seq, Side.BUY, 10 * seq, 400_000, T)
    gateway.send(2 * seq, "ord", OrdersMessage("b1", 2 * seq, (order,)))


@pytest.mark.parametrize(("database_url", "broker", "point"), CASES, indirect=["database_url", "broker"])
@pytest.mark.usefixtures("broker")
def test_a_killed_hub_costs_nothing(  # noqa: PLR0917
    database_url: str,
    gateways: Any,
    tmp_path: Path,
    small_registry: Registry,
    until: Callable[..., None],
    point: str,
) -> None:
    (tmp_path / "registry.json").write_bytes(encode_registry(small_registry))
    engine = open_engine(database_url)
    load_county(engine, tmp_path / "registry.json")
    credential = tmp_path / "credentials" / f"{HUB_USER}.json"
    with hub_process(database_url, credential, point) as process:
        for gateway, meter in zip(gateways, ("M000003", "M000006"), strict=True):
            for seq in range(1, 6):
                send(gateway, seq, meter)
        assert process.wait(30) == -9
    assert all(gateway.without_receipt for gateway in gateways)
    assert not any(gateway.receipts for gateway in gateways)
    with hub_process(database_url, credential, "never"):
        until(lambda: not any(gateway.without_receipt for gateway in gateways), "receipts for all", gateways)
    with Session(engine) as session:
        rows = session.execute(text("SELECT meter, value FROM reading WHERE channel = 0 ORDER BY 1, 2")).all()
        orders = session.execute(text('SELECT meter, energy_wh, status FROM "order" ORDER BY 1, 2')).all()
        counters = read_counters(session)
        refused = session.execute(text("SELECT count(*) FROM quarantine")).scalar_one()
    engine.dispose()
    assert [tuple(row) for row in rows] == [(meter, 100 * seq) for meter in (2, 5) for seq in range(1, 6)]
    assert [tuple(row) for row in orders] == [(meter, 10 * seq, 1) for meter in (2, 5) for seq in range(1, 6)]
    assert (counters["readings_admitted"], counters["orders_accepted"], refused) == (10, 10, 0)
    if point != "before-commit":
        assert counters.get("readings_duplicate", 0) + counters.get("orders_repeated", 0) > 0
