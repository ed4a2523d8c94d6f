"""The tables of hosting capacity: one row an assessment, one a unit of its published list, one a day without a list.

All are append-only by trigger: the list of a new quarter stands beside the older ones, which stay as published. Ids
and names stand as text, as they were published, not as positions of a registry that may be another one later.
"""

from typing import Literal, TypeAlias

from sqlalchemy import BigInteger, Text
from sqlmodel import Field, SQLModel

from hub.store.tables import BULK, GIVEN

Grade: TypeAlias = Literal["green", "yellow", "red"]
CheckWord: TypeAlias = Literal["passed", "failed", "not_assessed"]


class HostingAssessmentRow(SQLModel, table=True):
    """One assessment. edition: of DL/T 2041. inputs: all that it was computed from, as JSON; inputs_sha256: of that."""

    __tablename__ = "hosting_assessment"
    assessed_at_utc_s: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs=GIVEN)
    county: str = Field(sa_type=Text)
    edition: str = Field(sa_type=Text)
    inputs_sha256: str = Field(sa_type=Text)
    inputs: str = Field(sa_type=Text)


class HostingUnit(SQLModel):
    """One unit of a published list: the columns that the table and the API share.

    They are the fields of grid_models.capacity_list.CapacityEntry, which cannot know this library. Room is rounded
    down to kW, what uses room is rounded up. connected_kw, registered_kw: distributed generation in the unit and below.
    capacity_min_kw, capacity_max_kw: what it can carry by its own figures, without and with all planned storage. c1_kw
    = capacity_min - connected; c2_kw = C1 - registered. open_c1_kw, open_c2_kw: what can be connected now, its
    superiors considered. hosting_kw: by AC power flow. Null: not computed or not known.
    """

    unit: str = Field(sa_type=Text, schema_extra={"examples": ["A001"]})
    parent: str | None = Field(sa_type=Text, schema_extra={"examples": ["F1"]})
    kind: str = Field(sa_type=Text, schema_extra={"examples": ["AREA"]})
    elements: str = Field(sa_type=Text)
    rated_kva: int
    connected_kw: int
    registered_kw: int
    capacity_min_kw: int
    capacity_max_kw: int
    c1_kw: int
    c2_kw: int
    open_c1_kw: int
    open_c2_kw: int
    grade: Grade = Field(sa_type=Text)
    limited_by: str = Field(sa_type=Text)
    hosting_kw: int | None
    hosting_element: str | None = Field(sa_type=Text)
    hosting_limit: str | None = Field(sa_type=Text)
    reverse_kw: int | None
    reverse_load_mpercent: int | None
    reverse_alert: bool | None
    reverse_into_high_voltage: bool | None
    short_circuit: CheckWord = Field(sa_type=Text)
    voltage_deviation: CheckWord = Field(sa_type=Text)
    harmonics: CheckWord = Field(sa_type=Text)
    edition: str = Field(sa_type=Text, schema_extra={"examples": ["DL/T 2041-2025"]})
    assessed_at: str = Field(sa_type=Text, schema_extra={"examples": ["2026-04-01T00:00:00+08:00"]})


class HostingCapacityRow(HostingUnit, table=True):
    """One unit of the list of an assessment; seq: its place there, from 0.

    geometry: GeoJSON, None where the network has no coordinates.
    """

    __tablename__ = "hosting_capacity"
    __table_args__ = BULK
    assessed_at_utc_s: int = Field(
        primary_key=True, sa_type=BigInteger, foreign_key="hosting_assessment.assessed_at_utc_s"
    )
    seq: int = Field(primary_key=True)
    geometry: str | None = Field(default=None, sa_type=Text)


class HostingOmissionRow(SQLModel, table=True):
    """One operating day that was to give a list and did not. closed_utc_s: its end. reason: a code; what: in words."""

    __tablename__ = "hosting_omission"
    closed_utc_s: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs=GIVEN)
    reason: str = Field(sa_type=Text)
    what: str = Field(sa_type=Text)
