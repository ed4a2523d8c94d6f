"""The table of the registry: its append-only log of events. Who takes part, and how, is computed from it."""

from sqlalchemy import BigInteger, Text, UniqueConstraint
from sqlmodel import Field, SQLModel

from hub.store.tables import GIVEN


class RegistryEventRow(SQLModel, table=True):
    """One record of a county's registry log; append-only by trigger.

    sequence: from 1 without gaps. event_id: the idempotency key. recorded_on: YYYY-MM-DD, never before that of the
    record before it. taken_utc_s: the hub's time. actor: who sent it. event, outcome: JSON; sha256: of the record on
    top of all before it.
    """

    __tablename__ = "registry_event"
    __table_args__ = (UniqueConstraint("county", "event_id"),)
    county: str = Field(primary_key=True, sa_type=Text)
    sequence: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs=GIVEN)
    event_id: str = Field(sa_type=Text)
    recorded_on: str = Field(sa_type=Text)
    taken_utc_s: int = Field(sa_type=BigInteger)
    actor: str = Field(sa_type=Text)
    event: str = Field(sa_type=Text)
    outcome: str = Field(sa_type=Text)
    sha256: str = Field(sa_type=Text)
