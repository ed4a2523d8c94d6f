"""What every route needs: sessions, the clock, the limits to draw, and summaries of closed intervals kept in memory."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy import Engine
from sqlmodel import Session

from hub.api.events import EventStream
from hub.api.listing_cache import ListingCache
from hub.market.registry.access import Role
from hub.settlement.bills.bill import Bill
from hub.store.read_days import (
    IntervalSummary,
    empty_summary,
    read_interval_span,
    read_interval_summary,
    read_law_violation_counts,
    read_settlement_runs,
)
from hub.store.read_money import AccountTotal, read_account_totals
from hub.store.registry_events import last_registry_sequence
from hub.usecases.registry_event import LoadedRegister, load_register

DAY_REGISTERS_KEPT = 4
"""A reader looks at a few days in turn, most of which rest on the same records."""


@dataclass(frozen=True)
class NetworkLimits:
    """The limits that the network check holds, to be drawn beside the values: micro-pu of nominal, thousandths of %."""

    vm_min_upu: int
    vm_max_upu: int
    loading_max_mpercent: int


class SummaryCache:
    """Summaries by interval. One that is settled and checked is read once, until a re-settlement gives it a new run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[int, tuple[int, IntervalSummary]] = {}

    def read(self, session: Session, intervals: Sequence[int]) -> list[IntervalSummary]:
        """Return the summaries of the intervals, which ascend."""
        if not intervals:
            return []
        first, last = intervals[0], intervals[-1]
        span = read_interval_span(session, first=first, last=last)
        runs = read_settlement_runs(session, first=first, last=last)
        breaches = read_law_violation_counts(session, first=first, last=last)
        summaries = []
        for interval in intervals:
            if span is None or not span[0] <= interval <= span[1]:
                summaries.append(empty_summary(interval))
                continue
            summary = self._one(session, interval, runs.get(interval))
            summaries.append(replace(summary, law_violations=breaches.get(interval, 0)))
        return summaries

    def _one(self, session: Session, interval: int, run: int | None) -> IntervalSummary:
        with self._lock:
            kept = self._kept.get(interval)
        if kept is not None and kept[0] == run:
            return kept[1]
        summary = read_interval_summary(session, interval)
        if run is not None and summary.metered is not None:
            with self._lock:
                self._kept[interval] = (run, summary)
        return summary


class AccountTotalsCache:
    """Account totals by settled interval, which only a re-settlement changes: kept by the number of its run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[int, tuple[int, list[AccountTotal]]] = {}

    def read(self, session: Session, runs: dict[int, int]) -> list[list[AccountTotal]]:
        """Return the totals of each interval of `runs` (interval -> newest settlement run)."""
        return [self._one(session, interval, run) for interval, run in sorted(runs.items())]

    def _one(self, session: Session, interval: int, run: int) -> list[AccountTotal]:
        with self._lock:
            kept = self._kept.get(interval)
        if kept is not None and kept[0] == run:
            return kept[1]
        totals = read_account_totals(session, interval)
        with self._lock:
            self._kept[interval] = (run, totals)
        return totals


class RegisterCache:
    """The register of the county as far as its log was read, so that a request reads what is new alone."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: LoadedRegister | None = None
        self._of_days: tuple[LoadedRegister, ...] = ()

    def read(self, session: Session, county: str) -> LoadedRegister:
        """Return the register with every record that the session sees.

        :raises hub.usecases.event_log.EventLogError: if the stored log is not what was written
        """
        with self._lock:
            kept = self._kept if self._kept is not None and self._kept.county == county else LoadedRegister(county)
            self._kept = load_register(session, kept)
            return self._kept

    def read_before(self, session: Session, county: str, day: date) -> LoadedRegister:
        """Return the register that the day's modes rest on: what was recorded before it (usecases.day_registry).

        :raises hub.usecases.event_log.EventLogError: if the stored log is not what was written
        """
        sequence = last_registry_sequence(session, county, recorded_before=day)
        with self._lock:
            kept = next(
                (
                    one
                    for one in (self._kept, *self._of_days)
                    if one and (one.county, one.sequence) == (county, sequence)
                ),
                None,
            )
        if kept is not None or not sequence:
            return kept or LoadedRegister(county)
        found = load_register(session, LoadedRegister(county), recorded_before=day)
        with self._lock:
            self._of_days = (found, *self._of_days)[:DAY_REGISTERS_KEPT]
        return found


@dataclass(frozen=True)
class Caller:
    """Who calls. participant_id: whose own records it may read, None for who is no participant."""

    name: str
    role: Role
    participant_id: str | None = None


BillForm = Callable[[Bill, str], bytes]
"""Makes a document of a bill in a language of hub.texts."""


@dataclass(frozen=True)
class ApiContext:
    """What the routes share.

    open_session: opens a session that only reads. now_utc_s: the hub's time, virtual or of the wall.
    data_age_limit_s: a gateway whose newest reading is older counts as missing. heartbeat_s: see EventStream.listen.
    writer: the database for what operators write, None where nobody may. access_keys: callers by SHA-256 of the key.
    bill_forms: what makes a workbook ("xlsx") or a PDF ("pdf") of a bill.
    """

    open_session: Callable[[], Session]
    now_utc_s: Callable[[], int]
    events: EventStream
    limits: NetworkLimits
    data_age_limit_s: int
    heartbeat_s: float
    summaries: SummaryCache
    account_totals: AccountTotalsCache
    writer: Engine | None
    access_keys: Mapping[str, Caller]
    registers: RegisterCache
    listings: ListingCache
    bill_forms: Mapping[str, BillForm]


def get_context(request: Request) -> ApiContext:
    """Return what `create_app` was given."""
    context = request.app.state.context
    assert isinstance(context, ApiContext)
    return context


Context = Annotated[ApiContext, Depends(get_context)]


def get_session(context: Context) -> Iterator[Session]:
    """Open a session for one request."""
    with context.open_session() as session:
        yield session


ReadSession = Annotated[Session, Depends(get_session)]
