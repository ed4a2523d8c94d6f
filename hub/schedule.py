"""The jobs of the hub, in one fixed order, and the two clocks that call them: the conductor's and the wall's.

A job knows the instant it is due for and nothing of the clock. Each runs in a transaction of its own that also holds
its done-mark, so a job that was interrupted runs again from its start and one that was committed never runs twice.
What a job says to the outside (MQTT, the province) is said by a job of its own after the commit, and saying it again
changes nothing.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger
from sqlalchemy import Engine
from sqlmodel import Session

from edge.contract.interval import SECONDS_PER_INTERVAL
from hub.store.jobs import is_job_done, mark_job_done

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """One entry of the table.

    name: key of the done-mark. due: whether the job has work at the instant (UTC seconds, a quarter-hour).
    work: does it inside the given session and must not commit. stage: under which name its seconds are reported.
    in_time_only: the work has no use, and may not be done, once the next quarter-hour has begun.
    """

    name: str
    stage: str
    due: Callable[[int], bool]
    work: Callable[[Session, int], None]
    in_time_only: bool = False


class JobTable:
    """The jobs in their order, and how long each stage took in this process."""

    def __init__(self, engine: Engine, jobs: Sequence[Job]) -> None:
        self._engine = engine
        self._jobs = tuple(jobs)
        self.seconds: dict[str, float] = {}

    def run_due(self, utc_s: int, after: Callable[[Job], None] = lambda _: None, *, is_late: bool = False) -> None:
        """Run every job that is due at the instant and has no done-mark, in table order.

        :param after: called after each job that was due and is done, whether it ran now or before
        :param is_late: the next quarter-hour has begun, as when the hub was down; jobs in time only are left out
        """
        for job in self._jobs:
            if not job.due(utc_s):
                continue
            started = time.perf_counter()
            with Session(self._engine) as session:
                if not is_job_done(session, job.name, utc_s):
                    if is_late and job.in_time_only:
                        logger.warning("instant %d is over: its job %s is left out", utc_s, job.name)
                        continue
                    job.work(session, utc_s)
                    mark_job_done(session, job.name, utc_s)
                    session.commit()
            self.seconds[job.stage] = self.seconds.get(job.stage, 0.0) + time.perf_counter() - started
            after(job)


def missed_instants(done_utc_s: int | None, now_utc_s: int, delay_s: int) -> range:
    """Return the quarter-hours whose jobs should have begun by now, after the last one that has a done-mark.

    :param done_utc_s: the last instant with a done-mark, None for a hub that never ran: it missed nothing
    :param delay_s: as of wall_clock_scheduler
    """
    if done_utc_s is None:
        return range(0)
    return range(done_utc_s, now_utc_s - delay_s + 1, SECONDS_PER_INTERVAL)


def wall_clock_scheduler(run: Callable[[int], None], delay_s: int) -> BackgroundScheduler:
    """Return an APScheduler 3 scheduler that calls `run(instant)` at every quarter-hour of the wall clock.

    :param run: takes the quarter-hour instant in UTC seconds; it must only hand over to the engine's thread
    :param delay_s: seconds after the quarter-hour at which the call is made, so that readings can arrive; below 900
    """
    assert 0 <= delay_s < SECONDS_PER_INTERVAL
    scheduler = BackgroundScheduler(timezone="UTC")

    def tick() -> None:
        run((int(time.time()) - delay_s) // SECONDS_PER_INTERVAL * SECONDS_PER_INTERVAL)

    minutes = ",".join(str(minute + delay_s // 60) for minute in (0, 15, 30, 45))
    trigger = CronTrigger(minute=minutes, second=delay_s % 60, timezone="UTC")
    scheduler.add_job(tick, trigger, id="quarter-hour", coalesce=True, max_instances=1, misfire_grace_time=600)
    return scheduler
