"""The tables of hosting capacity: one row an assessment, and one row a unit of its published list.

Both are append-only by trigger: the list of a new quarter stands beside the older ones, which stay as published. Ids
and names stand as text, as they were published, not as positions of a registry that may be another one later.
"""

from sqlalchemy import BigInteger, Text
from sqlmodel import Field, SQLModel

from hub.store.tables import BULK, GIVEN


class HostingAssessmentRow(SQLModel, table=True):
    """One assessment. edition: of DL/T 2041. inputs: all that it was computed from, as JSON; inputs_sha256: of that."""

    __tablename__ = "hosting_assessment"
    assessed_at_utc_s: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs=GIVEN)
    county: str = Field(sa_type=Text)
    edition: str = Field(sa_type=Text)
    inputs_sha256: str = Field(sa_type=Text)
    inputs: str = Field(sa_type=Text)


class HostingCapacityRow(SQLModel, table=True):
    """One unit of the list of an assessment; seq: its place there, from 0.

    The columns are the fields of grid_models.capacity_list.CapacityEntry, where they are explained. geometry: GeoJSON,
    None where the network has no coordinates.
    """

    __tablename__ = "hosting_capacity"
    __table_args__ = BULK
    assessed_at_utc_s: int = Field(
        primary_key=True, sa_type=BigInteger, foreign_key="hosting_assessment.assessed_at_utc_s"
    )
    seq: int = Field(primary_key=True)
    unit: str = Field(sa_type=Text)
    parent: str | None = Field(default=None, sa_type=Text)
    kind: str = Field(sa_type=Text)
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
    grade: str = Field(sa_type=Text)
    limited_by: str = Field(sa_type=Text)
    hosting_kw: int | None = None
    hosting_element: str | None = Field(default=None, sa_type=Text)
    hosting_limit: str | None = Field(default=None, sa_type=Text)
    reverse_kw: int | None = None
    reverse_load_mpercent: int | None = None
    reverse_alert: bool | None = None
    reverse_into_high_voltage: bool | None = None
    short_circuit: str = Field(sa_type=Text)
    voltage_deviation: str = Field(sa_type=Text)
    harmonics: str = Field(sa_type=Text)
    edition: str = Field(sa_type=Text)
    assessed_at: str = Field(sa_type=Text)
    geometry: str | None = Field(default=None, sa_type=Text)
