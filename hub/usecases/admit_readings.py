"""Admit readings: each is Admitted, a Duplicate, or Quarantined with a reason (DESIGN 8, laws 3 and 4; row 187).

A reading is all registers of one meter at one instant and stands or falls as a whole. An identical repeat is counted
and dropped. Another value at the same instant is kept as the next revision and quarantined; the first stands. A
register that would run backwards between the meter's neighbouring admitted readings changes nothing. A reading that
comes after its interval was settled is stored and flagged late; the closed settlement does not change.
"""

import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from sqlmodel import Session

from edge.contract.energy import register_difference_wh
from edge.contract.messages import CHANNELS, Quality, Reading
from edge.contract.registry import Registry
from hub.store.bulk import OnConflict, Row
from hub.store.counters import add_to_counters
from hub.store.quarantine import Refusal, save_refusals
from hub.store.readings import (
    MeterSpan,
    insert_readings,
    load_meter_spans,
    neighbours_of,
    registers_at,
    revisions_at,
    save_meter_spans,
)
from hub.store.registry import positions_of
from hub.store.tables import ReadingFlag, RefusedKind
from hub.usecases.moment import Moment

Values: TypeAlias = tuple[int, ...]
"""Register values of one meter in the order of its channels."""


class ReadingRefusal(Enum):
    """Why a reading was quarantined. The first that holds, in this order, is given."""

    UNKNOWN_METER = "unknown-meter"
    FOREIGN_METER = "foreign-meter"
    UNKNOWN_CHANNEL = "unknown-channel"
    MISSING_CHANNEL = "missing-channel"
    FUTURE = "future"
    CONFLICT = "conflict"
    BACKWARDS = "backwards"


@dataclass(frozen=True, slots=True)
class Admitted:
    """The reading counts. late: its interval was settled before it came."""

    reading: Reading
    late: bool


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The same reading was admitted before; nothing is stored."""

    reading: Reading


@dataclass(frozen=True, slots=True)
class Quarantined:
    """The reading does not count."""

    reading: Reading
    reason: ReadingRefusal


ReadingOutcome: TypeAlias = Admitted | Duplicate | Quarantined


@dataclass(frozen=True)
class GatewayReadings:
    """The readings of one message. gateway: position; gateway_id: the device in the topic."""

    gateway: int
    gateway_id: str
    readings: tuple[Reading, ...]


@dataclass(frozen=True, slots=True)
class _Meter:
    """What admission needs of a metering point. channels: its OBIS codes; channel_positions: theirs in CHANNELS."""

    position: int
    gateway: int
    channels: tuple[str, ...]
    channel_positions: tuple[int, ...]


@dataclass(slots=True)
class _Last:
    """The newest admitted reading of a meter, and the instant of its oldest."""

    instant_utc_s: int
    values: Values
    first_utc_s: int


class RegisterMemory:
    """The newest admitted registers of every meter, so that admission reads nothing from the database as a rule.

    It is rebuilt from the database at start, and must be thrown away and rebuilt when a transaction in which it was
    used does not commit.
    """

    def __init__(self, session: Session, registry: Registry) -> None:
        positions = positions_of(registry)
        self.meters = {
            point.meter_id: _Meter(
                positions.meter[point.meter_id],
                positions.gateway[point.gateway_id],
                point.channels,
                tuple(CHANNELS.index(channel) for channel in point.channels),
            )
            for point in registry.metering_points
        }
        self.last: dict[int, _Last] = {}
        spans = load_meter_spans(session)
        by_position = {meter.position: meter for meter in self.meters.values()}
        for instant in sorted({span.last_utc_s for span in spans.values()}):
            registers = registers_at(session, instant, len(by_position))
            for position, span in spans.items():
                if span.last_utc_s == instant:
                    values = registers.values[position, list(by_position[position].channel_positions)].tolist()
                    self.last[position] = _Last(instant, tuple(values), span.first_utc_s)


def admit_readings(
    session: Session, memory: RegisterMemory, messages: Sequence[GatewayReadings], moment: Moment
) -> list[tuple[ReadingOutcome, ...]]:
    """Decide on the readings of some messages in their order, write what follows, and return one outcome a reading.

    Rows, quarantine and counters go into the session's transaction; nothing is committed here.

    :raises hub.store.bulk.RowRefusedError: if the memory is out of date, because another process wrote readings
    """
    admission = _Admission(session, memory, messages, moment)
    outcomes = [tuple(admission.decide(message, reading) for reading in message.readings) for message in messages]
    admission.flush()
    save_refusals(session, _refusals(messages, outcomes), moment.now_utc_s)
    _count(session, itertools.chain.from_iterable(outcomes))
    return outcomes


class _Admission:
    """One call of admit_readings: the rows it will write, and what is stored at instants that came in again."""

    def __init__(
        self, session: Session, memory: RegisterMemory, messages: Sequence[GatewayReadings], moment: Moment
    ) -> None:
        self._session = session
        self._memory = memory
        self._messages = messages
        self._moment = moment
        self._rows: list[Row] = []
        self._touched: set[int] = set()
        self._staged: dict[tuple[int, int], dict[int, Values]] = {}
        self._stored: dict[int, dict[int, dict[int, dict[int, int]]]] = {}

    def decide(self, message: GatewayReadings, reading: Reading) -> ReadingOutcome:
        """Return the outcome of one reading and note the rows that follow from it."""
        meter = self._memory.meters.get(reading.meter)
        reason = self._refusal_at_sight(meter, message, reading)
        if meter is None or reason is not None:
            return Quarantined(reading, reason or ReadingRefusal.UNKNOWN_METER)
        values = tuple([reading.registers[channel] for channel in meter.channels])
        last = self._memory.last.get(meter.position)
        if last is None:
            return self._admit(meter, reading, values)
        if reading.instant_utc_s > last.instant_utc_s:
            if _runs_backwards(last.values, values):
                return Quarantined(reading, ReadingRefusal.BACKWARDS)
            return self._admit(meter, reading, values)
        if reading.instant_utc_s == last.instant_utc_s:
            return Duplicate(reading) if values == last.values else self._conflict(meter, reading, values)
        return self._decide_older(meter, reading, values)

    def flush(self) -> None:
        """Write the noted rows; one that is there already means that the memory is out of date, and raises."""
        self._rows.sort()
        insert_readings(self._session, self._rows, OnConflict.FAIL)
        last = self._memory.last
        spans = {meter: MeterSpan(last[meter].first_utc_s, last[meter].instant_utc_s) for meter in self._touched}
        save_meter_spans(self._session, spans)
        self._rows.clear()
        self._touched.clear()

    def _refusal_at_sight(
        self, meter: _Meter | None, message: GatewayReadings, reading: Reading
    ) -> ReadingRefusal | None:
        """Return why the reading cannot count whatever was read before, or None."""
        if meter is None:
            return ReadingRefusal.UNKNOWN_METER
        if meter.gateway != message.gateway:
            return ReadingRefusal.FOREIGN_METER
        if any(channel not in meter.channels for channel in reading.registers):
            return ReadingRefusal.UNKNOWN_CHANNEL
        if len(reading.registers) < len(meter.channels):
            return ReadingRefusal.MISSING_CHANNEL
        is_future = reading.instant_utc_s > self._moment.latest_reading_utc_s
        return ReadingRefusal.FUTURE if is_future else None

    def _decide_older(self, meter: _Meter, reading: Reading, values: Values) -> ReadingOutcome:
        """Decide on a reading of an instant before the meter's newest one."""
        stored = self._revisions(meter, reading.instant_utc_s)
        if 0 in stored:
            return Duplicate(reading) if stored[0] == values else self._conflict(meter, reading, values)
        self.flush()
        last = self._memory.last[meter.position]
        span = MeterSpan(last.first_utc_s, last.instant_utc_s)
        before, after = neighbours_of(self._session, meter.position, reading.instant_utc_s, span)
        runs_backwards = (before is not None and _runs_backwards(self._admitted(meter, before), values)) or (
            after is not None and _runs_backwards(values, self._admitted(meter, after))
        )
        if runs_backwards:
            return Quarantined(reading, ReadingRefusal.BACKWARDS)
        return self._admit(meter, reading, values)

    def _admit(self, meter: _Meter, reading: Reading, values: Values) -> Admitted:
        late = reading.instant_utc_s <= self._moment.settled_through_utc_s
        self._note(meter, reading, values, 0, ReadingFlag.LATE if late else ReadingFlag(0))
        last = self._memory.last.get(meter.position)
        if last is None:
            self._memory.last[meter.position] = _Last(reading.instant_utc_s, values, reading.instant_utc_s)
        else:
            last.first_utc_s = min(last.first_utc_s, reading.instant_utc_s)
            if reading.instant_utc_s > last.instant_utc_s:
                last.instant_utc_s, last.values = reading.instant_utc_s, values
        self._touched.add(meter.position)
        return Admitted(reading, late)

    def _conflict(self, meter: _Meter, reading: Reading, values: Values) -> Quarantined:
        stored = self._revisions(meter, reading.instant_utc_s)
        if values not in stored.values():
            self._note(meter, reading, values, max(stored) + 1, ReadingFlag.CONFLICT)
        return Quarantined(reading, ReadingRefusal.CONFLICT)

    def _note(self, meter: _Meter, reading: Reading, values: Values, revision: int, flag: ReadingFlag) -> None:
        if reading.quality is Quality.ESTIMATED:
            flag |= ReadingFlag.ESTIMATED
        flags, instant, position, gateway = flag.value, reading.instant_utc_s, meter.position, meter.gateway
        self._rows += [
            (instant, position, channel, revision, value, flags, gateway)
            for channel, value in zip(meter.channel_positions, values, strict=True)
        ]
        self._staged.setdefault((instant, position), {})[revision] = values

    def _revisions(self, meter: _Meter, instant_utc_s: int) -> dict[int, Values]:
        """Return revision -> values of the meter at the instant: stored, and noted by this call."""
        if instant_utc_s not in self._stored:
            self._stored[instant_utc_s] = revisions_at(
                self._session, instant_utc_s, self._meters_read_at(instant_utc_s)
            )
        stored = self._stored[instant_utc_s].get(meter.position, {})
        known = {revision: _values(meter, channels) for revision, channels in stored.items()}
        return known | self._staged.get((instant_utc_s, meter.position), {})

    def _meters_read_at(self, instant_utc_s: int) -> set[int]:
        """Return the positions of the known meters of which a reading of the instant is in this call."""
        return {
            self._memory.meters[reading.meter].position
            for message in self._messages
            for reading in message.readings
            if reading.instant_utc_s == instant_utc_s and reading.meter in self._memory.meters
        }

    def _admitted(self, meter: _Meter, instant_utc_s: int) -> Values:
        return _values(meter, revisions_at(self._session, instant_utc_s, [meter.position])[meter.position][0])


def _values(meter: _Meter, channels: dict[int, int]) -> Values:
    return tuple(channels[channel] for channel in meter.channel_positions)


def _runs_backwards(earlier: Values, later: Values) -> bool:
    return any(register_difference_wh(start, end) is None for start, end in zip(earlier, later, strict=True))


def _refusals(messages: Sequence[GatewayReadings], outcomes: Sequence[tuple[ReadingOutcome, ...]]) -> Iterator[Refusal]:
    for message, decided in zip(messages, outcomes, strict=True):
        for outcome in decided:
            if isinstance(outcome, Quarantined):
                reading = outcome.reading
                content = json.dumps([reading.registers, reading.quality.value], sort_keys=True).encode()
                reason, instant = outcome.reason.value, reading.instant_utc_s
                yield Refusal(RefusedKind.READING, reason, message.gateway_id, reading.meter, instant, content)


def _count(session: Session, outcomes: Iterable[ReadingOutcome]) -> None:
    counts = {"readings_admitted": 0, "readings_duplicate": 0, "readings_quarantined": 0, "readings_late": 0}
    for outcome in outcomes:
        if isinstance(outcome, Admitted):
            counts["readings_admitted"] += 1
            counts["readings_late"] += outcome.late
        elif isinstance(outcome, Duplicate):
            counts["readings_duplicate"] += 1
        else:
            counts["readings_quarantined"] += 1
    add_to_counters(session, counts)
