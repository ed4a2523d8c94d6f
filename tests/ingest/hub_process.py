"""A hub in a process of its own that takes in messages until it is killed.

Arguments: database URL, credential file, and a point at which it kills itself with signal 9: "before-commit",
"after-commit" (so before the broker's acknowledgement), "after-acknowledge" (so before the receipt), or "never".
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlmodel import Session

from hub.market.order_rules import SessionParameters
from hub.mqtt import HubConnection, Ingest, SetpointSender
from hub.store.engine import open_engine
from hub.store.registry import load_registry
from hub.usecases.moment import Moment
from hub.usecases.prepare_county import read_credential


def die(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main(url: str, credential: str, point: str) -> None:
    engine = open_engine(url)
    with Session(engine) as session:
        registry = load_registry(session)
    connection = HubConnection(read_credential(Path(credential)), registry.county)
    ingest = Ingest(engine, connection, registry, SetpointSender(connection, registry))
    if point == "before-commit":
        event.listen(engine, "commit", die)
    elif point == "after-commit":
        connection.acknowledge = die
    elif point == "after-acknowledge":
        connection.publish_down = die
    connection.start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    far = 2**40
    parameters = SessionParameters(1, far, 0, 1_500_000, 1000, 10)
    while True:
        ingest.pump(Moment(0, far, 0), parameters, timeout_s=0.1)


main(*sys.argv[1:])
