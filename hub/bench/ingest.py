"""The benchmark `ingest`: the readings of all meters of a county at one instant, admitted and committed.

The peer keeps the same rules the plain way: for each reading it asks the database for the meter's last registers,
compares, and adds one object a register. Both take the same instants, one after another, each into its own database.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Final

from sqlalchemy import Engine
from sqlmodel import Session, col, select

from edge.contract.interval import SECONDS_PER_INTERVAL
from edge.contract.messages import CHANNELS, Reading
from edge.contract.registry import Registry
from grid_models.bench.machine import versions_of
from grid_models.bench.measuring import (
    BenchError,
    Comparison,
    Contender,
    Outcome,
    Show,
    Timed,
    Workbench,
    require_equal,
    time_in_turn,
)
from hub.bench.databases import Database, server_version, sqlite_database, table_content
from hub.store.tables import MeterStatusRow, ReadingRow
from hub.usecases.admit_readings import Admitted, GatewayReadings, RegisterMemory, admit_readings
from hub.usecases.load_county import CountyFolderError, read_registry
from hub.usecases.moment import Moment

FIRST_UTC_S: Final = 900 * 1_629_000
REGISTER_START: Final = 10_000_000
PEER_NAME: Final = "SQLModel objects, one by one"
PEER_SHARE: Final = 8
"""The peer takes about one meter in so many; it needs the better part of a minute for all of a county."""


def measure(workbench: Workbench) -> Outcome:
    """Measure instants of the county's whole registry on SQLite.

    :raises BenchError: if the registry cannot be used, or the two databases do not hold the same at the end
    """
    try:
        registry = read_registry(workbench.county / "registry.json")
    except CountyFolderError as error:
        raise BenchError(str(error)) from None
    n_meters, n_gateways = len(registry.metering_points), len(registry.gateways)
    sample = peer_sample(registry)
    with ExitStack() as stack:
        ours, peer = (
            stack.enter_context(sqlite_database(workbench.folder, f"ingest-{who}")) for who in ("ours", "peer")
        )
        timed, timed_peer = _time_both(registry, (ours, peer), sample, workbench.few_runs)
        versions = versions_of(("sqlmodel", "sqlalchemy")) | {ours.name: server_version(ours)}
    n_registers = sum(len(point.channels) for point in registry.metering_points)
    what = f"one instant: {n_meters:,} meters, {n_registers:,} registers"
    agreed = "all readings of the peer's meters, and their first and last instants, in both databases"
    comparison = Comparison(what, Show.MILLISECONDS, "instants", timed, timed_peer, agreed)
    ours_note = f"An instant comes in {n_gateways:,} messages, decoded beforehand, and one commit that is on the disk."
    peer_note = f"The peer takes the {len(sample.meters):,} meters of {sample.n_gateways} gateways; its time is scaled."
    return Outcome((comparison,), versions, (ours_note, peer_note))


@dataclass(frozen=True)
class PeerSample:
    """What the peer takes of an instant: the first gateways, and the positions of their meters."""

    n_gateways: int
    meters: frozenset[int]


def peer_sample(registry: Registry) -> PeerSample:
    """Return the first gateways that together have one meter in PEER_SHARE."""
    position = {point.meter_id: number for number, point in enumerate(registry.metering_points)}
    meters: set[int] = set()
    for n_gateways, gateway in enumerate(registry.gateways, 1):
        meters |= {position[meter_id] for meter_id in gateway.meter_ids}
        if len(meters) * PEER_SHARE >= len(position):
            return PeerSample(n_gateways, frozenset(meters))
    raise BenchError("the registry has no meters")


def _time_both(
    registry: Registry, databases: tuple[Database, Database], sample: PeerSample, runs: int
) -> tuple[Timed, Timed | None]:
    ours, peer = databases
    # The instant before the first run gives both their last registers.
    first = instant_messages(registry, 0)
    with Session(ours.engine) as session, Session(peer.engine) as peer_session:
        memory = RegisterMemory(session, registry)
        admit_readings(session, memory, first, moment_of(0))
        admit_readings(peer_session, RegisterMemory(peer_session, registry), first, moment_of(0))
        session.commit()
        peer_session.commit()

    def admit_ours(run: int) -> Callable[[], None]:
        return partial(_admit, ours.engine, memory, instant_messages(registry, run + 1), moment_of(run + 1))

    def admit_peer(run: int) -> Callable[[], None]:
        messages = instant_messages(registry, run + 1)[: sample.n_gateways]
        return partial(admit_one_by_one, peer.engine, registry, messages)

    share = len(sample.meters) / len(registry.metering_points)
    timed = time_in_turn(
        Contender("admit_readings", admit_ours), Contender(PEER_NAME, admit_peer, share), runs=runs, peer_runs=runs
    )
    for table in ("reading", "meter_status"):
        found, found_by_peer = (table_content(each, table, sample.meters) for each in databases)
        require_equal(f"table {table}", found, found_by_peer)
    return timed


def moment_of(number: int) -> Moment:
    """Return the hub's time at an instant."""
    instant = FIRST_UTC_S + number * SECONDS_PER_INTERVAL
    return Moment(now_utc_s=instant, latest_reading_utc_s=instant, settled_through_utc_s=instant - 1800)


def instant_messages(registry: Registry, number: int) -> tuple[GatewayReadings, ...]:
    """Return what all gateways read at an instant: every register of every meter, a little more each time."""
    instant = FIRST_UTC_S + number * SECONDS_PER_INTERVAL
    channels = {point.meter_id: point.channels for point in registry.metering_points}
    return tuple(
        GatewayReadings(
            position,
            gateway.gateway_id,
            tuple(
                Reading(
                    meter_id,
                    instant,
                    {
                        channel: REGISTER_START + 1_000 * position + place + 250 * number
                        for place, channel in enumerate(channels[meter_id])
                    },
                )
                for meter_id in gateway.meter_ids
            ),
        )
        for position, gateway in enumerate(registry.gateways)
    )


def admit_one_by_one(engine: Engine, registry: Registry, messages: Sequence[GatewayReadings]) -> None:
    """Admit the readings of an instant with one query a reading and one object a register.

    :raises BenchError: at the first reading that does not count; the benchmark sends none
    """
    points = {point.meter_id: (position, point) for position, point in enumerate(registry.metering_points)}
    with Session(engine, autoflush=False) as session:
        for message in messages:
            for reading in message.readings:
                position, point = points[reading.meter]
                status = session.get(MeterStatusRow, position)
                is_ours = point.gateway_id == message.gateway_id and set(reading.registers) == set(point.channels)
                if status is None or not is_ours or reading.instant_utc_s <= status.last_read_instant_utc_s:
                    raise BenchError(f"the peer does not admit a reading of {reading.meter}")
                last = session.exec(
                    select(ReadingRow).where(
                        col(ReadingRow.read_instant_utc_s) == status.last_read_instant_utc_s,
                        col(ReadingRow.meter) == position,
                        col(ReadingRow.revision) == 0,
                    )
                ).all()
                if any(reading.registers[CHANNELS[row.channel]] < row.value for row in last):
                    raise BenchError(f"the peer sees the registers of {reading.meter} run backwards")
                for channel, value in reading.registers.items():
                    session.add(
                        ReadingRow(
                            read_instant_utc_s=reading.instant_utc_s,
                            meter=position,
                            channel=CHANNELS.index(channel),
                            revision=0,
                            value=value,
                            flags=0,
                            gateway=message.gateway,
                        )
                    )
                status.last_read_instant_utc_s = reading.instant_utc_s
                session.add(status)
        session.commit()


def _admit(engine: Engine, memory: RegisterMemory, messages: Sequence[GatewayReadings], moment: Moment) -> None:
    with Session(engine) as session:
        outcomes = admit_readings(session, memory, messages, moment)
        session.commit()
    refused = [one for decided in outcomes for one in decided if not isinstance(one, Admitted)]
    if refused:
        raise BenchError(f"a reading of {refused[0].reading.meter} was not admitted")
