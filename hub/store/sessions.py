"""Sessions and hand-overs in the database: where each stands, and every change as an event that is never changed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import text
from sqlmodel import Session as StoreSession
from sqlmodel import col, select

from hub.market.province.hand_over import HandOverEvent, HandOverState, IntervalHandOver
from hub.market.registry.published_results import Finality
from hub.market.timetable.exchange_schedule import ExchangeSchedule, Level
from hub.market.timetable.session_states import (
    SessionAction,
    SessionEvent,
    SessionRun,
    SessionState,
    planned,
    replay,
)
from hub.market.timetable.sessions import Session, SessionKind
from hub.store.session_tables import HandOverEventRow, HandOverRow, MarketSessionRow, SessionStateRow

_ORDERS = text(
    'SELECT interval, status, count(*) FROM "order" WHERE interval BETWEEN :first AND :last AND gateway >= 0 '
    "GROUP BY interval, status"
)


def known_session_ids(session: StoreSession, session_ids: Sequence[str]) -> set[str]:
    """Return which of the sessions are in the store."""
    query = select(MarketSessionRow.session_id).where(col(MarketSessionRow.session_id).in_(session_ids))
    return set(session.exec(query))


def add_session(session: StoreSession, run: SessionRun) -> None:
    """Write a session before its first event."""
    one = run.session
    session.add(
        MarketSessionRow(
            session_id=one.session_id,
            kind=one.kind.value,
            trading_day=one.trading_day.isoformat(),
            first_interval=one.first_interval,
            end_interval=one.end_interval,
            opens_utc_s=one.opens_utc_s,
            closes_utc_s=one.closes_utc_s,
            is_sub_market=run.is_sub_market,
            state=run.state.value,
        )
    )
    session.flush()


def read_due_runs(session: StoreSession, moment_utc_s: int) -> list[SessionRun]:
    """Return the sessions that the timetable opens or closes by the moment and that have not done so, by closure."""
    row = MarketSessionRow
    opens = (col(row.state) == SessionState.ANNOUNCED.value) & (col(row.opens_utc_s) <= moment_utc_s)
    closes = (col(row.state) == SessionState.OPEN.value) & (col(row.closes_utc_s) <= moment_utc_s)
    rows = session.exec(select(row).where(opens | closes).order_by(col(row.closes_utc_s), col(row.session_id))).all()
    return [_run(session, one) for one in rows]


def read_run(session: StoreSession, session_id: str) -> SessionRun | None:
    """Return a session with its events, None if it is not in the store."""
    row = session.get(MarketSessionRow, session_id)
    return None if row is None else _run(session, row)


def save_moves(session: StoreSession, before: SessionRun, after: SessionRun) -> None:
    """Write the transitions that brought a session from `before` to `after`, and where it stands now."""
    row = session.get(MarketSessionRow, before.session.session_id)
    assert row is not None, "a session is written before its first event"
    state = before.state
    for seq in range(len(before.events), len(after.events)):
        event = after.events[seq]
        moved, refused = replay(SessionRun(before.session, before.is_sub_market, state, ()), (event,))
        assert not refused, "what happened once can be replayed"
        session.add(
            SessionStateRow(
                session_id=event.session_id,
                seq=seq,
                action=event.action.value,
                before=state.value,
                after=moved.state.value,
                at_utc_s=event.at_utc_s,
            )
        )
        state = moved.state
    assert state is after.state
    row.state = state.value
    session.add(row)
    session.flush()


@dataclass(frozen=True)
class StoredSession:
    """A session of a day as it is shown: its transitions, and the orders that came into it."""

    row: MarketSessionRow
    events: tuple[SessionStateRow, ...]
    accepted: int
    rejected: int


def read_sessions(session: StoreSession, day: str) -> list[StoredSession]:
    """Return the sessions of a trading day (YYYY-MM-DD) in the order of their gate closure."""
    row = MarketSessionRow
    rows = session.exec(
        select(row).where(row.trading_day == day).order_by(col(row.closes_utc_s), col(row.session_id))
    ).all()
    if not rows:
        return []
    ids = [one.session_id for one in rows]
    events: dict[str, list[SessionStateRow]] = {}
    query = select(SessionStateRow).where(col(SessionStateRow.session_id).in_(ids)).order_by(col(SessionStateRow.seq))
    for event in session.exec(query):
        events.setdefault(event.session_id, []).append(event)
    bounds = {"first": min(one.first_interval for one in rows), "last": max(one.end_interval for one in rows) - 1}
    counts = {(int(interval), int(status)): int(count) for interval, status, count in session.execute(_ORDERS, bounds)}
    return [
        StoredSession(
            one,
            tuple(events.get(one.session_id, ())),
            accepted=_sum(counts, one, status=1),
            rejected=_sum(counts, one, status=0),
        )
        for one in rows
    ]


def read_hand_over(session: StoreSession, interval: int) -> IntervalHandOver:
    """Return where the interval's exchange stands; awaited if nothing happened to it yet."""
    row = session.get(HandOverRow, interval)
    if row is None:
        return IntervalHandOver()
    newest = standing = None
    if row.import_wh is not None and row.set_by is not None and row.set_utc_s is not None:
        newest = ExchangeSchedule(interval, row.import_wh, Level(row.set_by), row.set_utc_s)
    if row.standing_import_wh is not None and row.set_by is not None and row.standing_set_utc_s is not None:
        standing = ExchangeSchedule(interval, row.standing_import_wh, Level(row.set_by), row.standing_set_utc_s)
    return IntervalHandOver(HandOverState(row.state), row.version, newest, standing, row.standing_version)


def save_hand_over(
    session: StoreSession, interval: int, now: IntervalHandOver, finality: Finality, events: Iterable[HandOverEvent]
) -> None:
    """Write where an interval's exchange stands now, and the steps that brought it there."""
    session.merge(
        HandOverRow(
            interval=interval,
            state=now.state.value,
            version=now.version,
            import_wh=None if now.newest is None else now.newest.import_wh,
            set_by=None if now.newest is None else now.newest.set_by.value,
            set_utc_s=None if now.newest is None else now.newest.at_utc_s,
            standing_version=now.standing_version,
            standing_import_wh=None if now.standing is None else now.standing.import_wh,
            standing_set_utc_s=None if now.standing is None else now.standing.at_utc_s,
            finality=finality.value,
        )
    )
    query = select(HandOverEventRow.seq).where(HandOverEventRow.interval == interval)
    following = max(session.exec(query), default=-1) + 1
    session.add_all(
        HandOverEventRow(
            interval=interval,
            seq=seq,
            step=event.step.value,
            before=event.before.value,
            after=event.after.value,
            version=event.version,
            at_utc_s=event.at_utc_s,
        )
        for seq, event in enumerate(events, following)
    )
    session.flush()


@dataclass(frozen=True)
class StoredHandOver:
    """The exchange of an interval as it is shown, with its steps."""

    row: HandOverRow
    events: tuple[HandOverEventRow, ...]


def read_hand_overs(session: StoreSession, *, first: int, last: int) -> list[StoredHandOver]:
    """Return the exchanges of the intervals first..last that anything happened to, in order."""
    here = col(HandOverRow.interval).between(first, last)
    rows = session.exec(select(HandOverRow).where(here).order_by(col(HandOverRow.interval))).all()
    events: dict[int, list[HandOverEventRow]] = {}
    happened = col(HandOverEventRow.interval).between(first, last)
    for event in session.exec(select(HandOverEventRow).where(happened).order_by(col(HandOverEventRow.seq))):
        events.setdefault(event.interval, []).append(event)
    return [StoredHandOver(row, tuple(events.get(row.interval, ()))) for row in rows]


def _run(session: StoreSession, row: MarketSessionRow) -> SessionRun:
    one = Session(
        session_id=row.session_id,
        kind=SessionKind(row.kind),
        product="",
        trading_day=date.fromisoformat(row.trading_day),
        first_interval=row.first_interval,
        end_interval=row.end_interval,
        announce_by_utc_s=None,
        opens_utc_s=row.opens_utc_s,
        closes_utc_s=row.closes_utc_s,
    )
    query = (
        select(SessionStateRow).where(SessionStateRow.session_id == row.session_id).order_by(col(SessionStateRow.seq))
    )
    events = [
        SessionEvent(event.session_id, SessionAction(event.action), event.at_utc_s) for event in session.exec(query)
    ]
    run, refused = replay(planned(one, is_sub_market=row.is_sub_market), events)
    assert not refused, f"{row.session_id}: its events are those that happened"
    assert run.state.value == row.state, f"{row.session_id}: stands where its events led"
    return run


def _sum(counts: dict[tuple[int, int], int], row: MarketSessionRow, *, status: int) -> int:
    return sum(counts.get((interval, status), 0) for interval in range(row.first_interval, row.end_interval))
