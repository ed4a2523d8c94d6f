"""The exchange schedule between county and province: handed over after the clearing, frozen when its interval begins.

In a sub-market a schedule is provisional until the province acknowledges it; in an independent market the local check
makes it final (rows 18, 57). Every step is an event; a step that was taken before is taken no second time.
"""

from dataclasses import dataclass
from types import MappingProxyType

from sqlmodel import Session

from edge.contract.interval import interval_from_utc_s
from hub.market.province.hand_over import (
    HandOverOutcome,
    HandOverRefusal,
    HandOverRefused,
    HandOvers,
    answer,
    check_frozen,
    check_standing,
    close_gate,
    hand_over_schedule,
    no_hand_overs,
    of_interval,
    schedule_finality,
)
from hub.market.registry.participant_classes import OperatingMode
from hub.market.timetable.exchange_schedule import Exchange, ExchangeSchedule, Level
from hub.market.timetable.session_states import SessionAction
from hub.market.trades import Violation
from hub.store.sessions import read_hand_over, save_hand_over
from hub.usecases.load_county import CountyModel
from hub.usecases.run_sessions import move_session
from hub.usecases.timetable_parameters import Timetable, load_timetable


@dataclass(frozen=True)
class HandedOver:
    """The schedule stands under a version and can be said to the province; None: the county keeps no hand-overs."""

    version: int | None


@dataclass(frozen=True)
class NotHandedOver:
    """The schedule was refused before it was said to anybody."""

    reason: HandOverRefusal


def hand_over_exchange(
    session: Session, county: CountyModel, interval: int, *, import_wh: int, export_wh: int, utc_s: int
) -> HandedOver | NotHandedOver:
    """Hand the interval's schedule over, and let its session wait for the province, or be final without it."""
    timetable = load_timetable(session, interval)
    if timetable is None:
        return HandedOver(None)
    before = _loaded(session, timetable, interval)
    schedule = ExchangeSchedule(interval, import_wh - export_wh, Level.COUNTY, utc_s)
    outcome = hand_over_schedule(
        before,
        schedule,
        import_limit_wh=int(county.tree.import_limit_wh[0]),
        export_limit_wh=int(county.tree.export_limit_wh[0]),
    )
    if isinstance(outcome, HandOverRefused):
        return NotHandedOver(outcome.reason)
    _save(session, interval, outcome)
    is_sub_market = timetable.mode is OperatingMode.SUB_MARKET
    move_session(session, interval, (SessionAction.HAND_OVER if is_sub_market else SessionAction.PUBLISH,), utc_s)
    return HandedOver(of_interval(outcome.hand_overs, interval).version)


def answer_exchange(session: Session, interval: int, version: int, *, utc_s: int, is_accepted: bool) -> None:
    """Take the province's answer to a version of the interval's schedule.

    In an independent market the schedule is final already, and the answer changes nothing.
    """
    timetable = load_timetable(session, interval)
    if timetable is None or timetable.mode is OperatingMode.INDEPENDENT:
        return
    before = _loaded(session, timetable, interval)
    outcome = answer(before, interval, version=version, at_utc_s=utc_s, is_accepted=is_accepted)
    assert not isinstance(outcome, HandOverRefused), f"interval {interval}: the version was handed over just now"
    _save(session, interval, outcome)
    move_session(session, interval, (SessionAction.ACKNOWLEDGE if is_accepted else SessionAction.REJECT,), utc_s)


def stands_with_province(session: Session, interval: int) -> bool:
    """Return whether the province knows a schedule of the interval; a county without a timetable keeps no account."""
    return load_timetable(session, interval) is None or read_hand_over(session, interval).standing is not None


def freeze_exchange(session: Session, utc_s: int) -> list[Violation]:
    """Close the exchange's gate that closes at the instant; return breaches of rows 18 and 57."""
    timetable = load_timetable(session, interval_from_utc_s(utc_s))
    if timetable is None:
        return []
    interval = interval_from_utc_s(utc_s) + timetable.exchange.gate_lead_intervals
    before = _loaded(session, timetable, interval)
    outcome = close_gate(before, interval, at_utc_s=utc_s)
    assert not isinstance(outcome, HandOverRefused), f"interval {interval}: its gate closes now"
    _save(session, interval, outcome)
    after = outcome.hand_overs
    return check_frozen(before, after, at_utc_s=utc_s) + check_standing(after)


def _loaded(session: Session, timetable: Timetable, interval: int) -> HandOvers:
    """Return the hand-overs as far as the interval goes; intervals do not touch."""
    now = read_hand_over(session, interval)
    empty = no_hand_overs(timetable.mode, Level.COUNTY, timetable.exchange)
    schedules = {} if now.newest is None else {interval: now.newest}
    exchange = Exchange(empty.exchange.boundary_of, empty.exchange.rules, MappingProxyType(schedules))
    return HandOvers(empty.mode, exchange, MappingProxyType({interval: now}))


def _save(session: Session, interval: int, outcome: HandOverOutcome) -> None:
    assert not isinstance(outcome, HandOverRefused)
    finality = schedule_finality(outcome.hand_overs, interval)
    save_hand_over(session, interval, of_interval(outcome.hand_overs, interval), finality, outcome.events)
