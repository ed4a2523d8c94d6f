"""The wall clock's side: when a quarter-hour's jobs begin, and which instants a hub that was down has missed."""

from datetime import UTC, datetime

import pytest

import hub.schedule
from edge.contract.interval import start_utc_s
from hub.schedule import missed_instants, wall_clock_scheduler

K = 1_626_000


def calls(monkeypatch, delay_s, count):
    """The moments at which the scheduler would call, and the instants that it would call with."""
    heard = []
    (job,) = wall_clock_scheduler(heard.append, delay_s).get_jobs()
    moments = []
    at = datetime.fromtimestamp(start_utc_s(K) - 1, UTC)
    for _ in range(count):
        at = job.trigger.get_next_fire_time(at, at)
        moments.append(int(at.timestamp()))
        monkeypatch.setattr(hub.schedule.time, "time", at.timestamp)
        job.func()
    return moments, heard


@pytest.mark.parametrize("delay_s", [0, 30, 60, 95, 600])
def test_every_quarter_hour_begins_after_the_delay(monkeypatch, delay_s):
    moments, instants = calls(monkeypatch, delay_s, 6)
    late = [moment for moment in moments if moment >= start_utc_s(K) + delay_s]
    assert late[:3] == [start_utc_s(K + number) + delay_s for number in range(3)]
    assert instants == [moment - delay_s for moment in moments]
    assert all(instant % 900 == 0 for instant in instants)


def test_a_call_that_comes_late_is_still_for_its_quarter_hour(monkeypatch):
    """The scheduler may call up to ten minutes late, and the next quarter-hour may have begun by then."""
    heard = []
    (job,) = wall_clock_scheduler(heard.append, 600).get_jobs()
    monkeypatch.setattr(hub.schedule.time, "time", lambda: start_utc_s(K) + 600 + 599.5)
    job.func()
    assert heard == [start_utc_s(K)]


@pytest.mark.parametrize(
    ("now", "missed"),
    [
        (start_utc_s(K) + 40, [K]),
        (start_utc_s(K + 1) + 29, [K]),
        (start_utc_s(K + 1) + 30, [K, K + 1]),
        (start_utc_s(K + 3), [K, K + 1, K + 2]),
    ],
)
def test_what_a_hub_missed_begins_where_it_stopped(now, missed):
    """The last instant with a done-mark may not be done whole, so it is looked at again."""
    assert [instant // 900 for instant in missed_instants(start_utc_s(K), now, 30)] == missed


def test_a_hub_that_never_ran_missed_nothing():
    assert list(missed_instants(None, start_utc_s(K), 30)) == []
