"""Assessments of hosting capacity in the database: written once, read as they were published."""

from dataclasses import dataclass
from hashlib import sha256

from sqlmodel import Session, col, select

from grid_models.capacity_list import ENTRY_FIELDS, CapacityEntry, CapacityFeature
from hub.store.bulk import ColumnValues, insert_columns
from hub.store.hosting_tables import HostingAssessmentRow, HostingCapacityRow, HostingOmissionRow


class AssessmentChangedError(ValueError):
    """An assessment of that instant is there already, with other inputs; it stands as it was published."""


@dataclass(frozen=True)
class AssessmentHead:
    """One assessment without its list. edition: of DL/T 2041. inputs_sha256: of all that it was computed from."""

    assessed_at_utc_s: int
    county: str
    edition: str
    inputs_sha256: str


@dataclass(frozen=True)
class HostingOmission:
    """An operating day that was to give a list and did not. closed_utc_s: its end. reason: a code; what: in words."""

    closed_utc_s: int
    reason: str
    what: str


def save_assessment(
    session: Session, head: AssessmentHead, inputs: str, features: tuple[CapacityFeature, ...]
) -> AssessmentHead:
    """Write an assessment and its list; writing the same one again changes nothing.

    :param inputs: JSON, the same inputs always the same text
    :raises AssessmentChangedError: if one of that instant is there with other inputs
    """
    assert head.inputs_sha256 == sha256(inputs.encode()).hexdigest()
    present = session.get(HostingAssessmentRow, head.assessed_at_utc_s)
    if present is not None:
        if _head(present) != head:
            raise AssessmentChangedError(f"the assessment at {head.assessed_at_utc_s} is there with other inputs")
        return head
    session.add(HostingAssessmentRow(**vars(head), inputs=inputs))
    session.flush()
    columns: dict[str, ColumnValues] = {
        "assessed_at_utc_s": head.assessed_at_utc_s,
        "seq": range(len(features)),
        "geometry": [feature.geometry for feature in features],
    }
    columns |= {name: [getattr(feature.entry, name) for feature in features] for name in ENTRY_FIELDS}
    insert_columns(session, HostingCapacityRow, columns)
    return head


def read_assessments(session: Session, *, before: int | None, limit: int) -> list[AssessmentHead]:
    """Return at most `limit` assessments, the newest first.

    :param before: assessed_at_utc_s of the last one that the reader has, None for the first page
    """
    instant = col(HostingAssessmentRow.assessed_at_utc_s)
    statement = select(HostingAssessmentRow).order_by(instant.desc()).limit(limit)
    if before is not None:
        statement = statement.where(instant < before)
    return [_head(row) for row in session.exec(statement)]


def read_assessment(session: Session, assessed_at_utc_s: int | None) -> AssessmentHead | None:
    """Return the assessment of the instant, the newest for None; None if there is none."""
    if assessed_at_utc_s is None:
        return next(iter(read_assessments(session, before=None, limit=1)), None)
    row = session.get(HostingAssessmentRow, assessed_at_utc_s)
    return None if row is None else _head(row)


def read_capacity_list(session: Session, assessed_at_utc_s: int) -> list[CapacityFeature]:
    """Return the list of an assessment, in its order; empty if there is none."""
    rows = session.exec(
        select(HostingCapacityRow)
        .where(HostingCapacityRow.assessed_at_utc_s == assessed_at_utc_s)
        .order_by(col(HostingCapacityRow.seq))
    )
    return [
        CapacityFeature(CapacityEntry(**{name: getattr(row, name) for name in ENTRY_FIELDS}), row.geometry)
        for row in rows
    ]


def read_assessment_inputs(session: Session, assessed_at_utc_s: int) -> str:
    """Return what an assessment that is there was computed from, as JSON."""
    instant = HostingAssessmentRow.assessed_at_utc_s
    return session.exec(select(HostingAssessmentRow.inputs).where(instant == assessed_at_utc_s)).one()


def save_omission(session: Session, omission: HostingOmission) -> None:
    """Write why a day gave no list; a day is asked once."""
    session.add(HostingOmissionRow(**vars(omission)))
    session.flush()


def read_omissions(session: Session, *, since_utc_s: int, limit: int) -> list[HostingOmission]:
    """Return at most `limit` days that gave no list and closed after the instant, the newest first."""
    closed = col(HostingOmissionRow.closed_utc_s)
    rows = session.exec(select(HostingOmissionRow).where(closed > since_utc_s).order_by(closed.desc()).limit(limit))
    return [_omission(row) for row in rows]


def read_omission(session: Session, closed_utc_s: int) -> HostingOmission | None:
    """Return why the day that closed at the instant gave no list, None if it gave one or was not to."""
    row = session.get(HostingOmissionRow, closed_utc_s)
    return None if row is None else _omission(row)


def _omission(row: HostingOmissionRow) -> HostingOmission:
    return HostingOmission(row.closed_utc_s, row.reason, row.what)


def _head(row: HostingAssessmentRow) -> AssessmentHead:
    return AssessmentHead(row.assessed_at_utc_s, row.county, row.edition, row.inputs_sha256)
