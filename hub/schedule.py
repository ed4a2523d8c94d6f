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

from hub.store.jobs import is_job_done, mark_job_done

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """One entry of the table.

    name: key of the done-mark. due: whether the job has work at the instant (UTC seconds, a quarter-hour).
    work: does it inside the given session and must not commit. stage: under which name its seconds are reported.
    """

    name: str
    stage: str
    due: Callable[[int], bool]
    work: Callable[[Session, int], None]


class JobTable:
    """The jobs in their order, and how long each stage took in this process."""

    def __init__(self, engine: Engine, jobs: Sequence[Job]) -> None:
        self._engine = engine
        self._jobs = tuple(jobs)
        self.seconds: dict[str, float] = {}

    def run_due(self, utc_s: int, after: Callable[[Job], None] = lambda _: None) -> None:
        """Run every job that is due at the instant and has no done-mark, in table order.

        :param after: called after each job that was due, whether it ran now or before
        """
        for job in self._jobs:
            if not job.due(utc_s):
                continue
            started = time.perf_counter()
            with Session(self._engine) as session:
                if not is_job_done(session, job.name, utc_s):
                    job.work(session, utc_s)
                    mark_job_done(session, job.name, utc_s)
                    session.commit()
            self.seconds[job.stage] = self.seconds.get(job.stage, 0.0) + time.perf_counter() - started
            after(job)


def wall_clock_scheduler(run: Callable[[int], None], delay_s: int) -> BackgroundScheduler:
    """Return an APScheduler 3 scheduler that calls `run(instant)` at every quarter-hour of the wall clock.

    :param run: takes the quarter-hour instant in UTC seconds; it must only hand over to the engine's thread
    :param delay_s: seconds after the quarter-hour at which the call is made, so that readings can arrive
    """
    scheduler = BackgroundScheduler(timezone="UTC")

    def tick() -> None:
        run(int(time.time()) // 900 * 900)

    trigger = CronTrigger(minute="0,15,30,45", second=delay_s % 60, timezone="UTC")
    scheduler.add_job(tick, trigger, id="quarter-hour", coalesce=True, max_instances=1, misfire_grace_time=600)
    return scheduler
