"""Done-marks of jobs: what was due at which instant and is committed."""

from sqlalchemy import func
from sqlmodel import Session, col, select

from hub.store.tables import JobDoneRow


def is_job_done(session: Session, job: str, utc_s: int) -> bool:
    """Tell whether the job that was due at utc_s has its done-mark."""
    return session.get(JobDoneRow, (job, utc_s)) is not None


def mark_job_done(session: Session, job: str, utc_s: int) -> None:
    """Write the done-mark of a job into the transaction of its work; it must not be there yet."""
    session.add(JobDoneRow(job=job, utc_s=utc_s))
    session.flush()


def last_job_utc_s(session: Session, job: str | None = None) -> int | None:
    """Return the latest instant at which the job (None: any job) is done, or None if it never was.

    A hub that restarts takes its time, its closed gate and what is settled from here, never from a clock.
    """
    query = select(func.max(col(JobDoneRow.utc_s)))
    if job is not None:
        query = query.where(col(JobDoneRow.job) == job)
    return session.exec(query).one()
