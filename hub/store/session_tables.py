"""The tables of market sessions and of the exchange's hand-over: where each stands, and every change as an event.

Instants are those of the timetable and of the hub's jobs, so a killed and an undisturbed run write the same rows.
"""

from sqlalchemy import BigInteger, SmallInteger, Text
from sqlmodel import Field, SQLModel

from hub.store.tables import BULK, GIVEN


class MarketSessionRow(SQLModel, table=True):
    """A session and where it stands. kind, state: timetable.sessions.SessionKind, session_states.SessionState values.

    first_interval, end_interval: what it delivers, half-open. It takes orders from opens_utc_s up to and without
    closes_utc_s. is_sub_market: whether its results need the province.
    """

    __tablename__ = "market_session"
    session_id: str = Field(sa_type=Text, primary_key=True)
    kind: str = Field(sa_type=Text)
    trading_day: str = Field(sa_type=Text, index=True)
    first_interval: int = Field(sa_type=BigInteger)
    end_interval: int = Field(sa_type=BigInteger)
    opens_utc_s: int = Field(sa_type=BigInteger)
    closes_utc_s: int = Field(sa_type=BigInteger)
    is_sub_market: bool
    state: str = Field(sa_type=Text)


class SessionStateRow(SQLModel, table=True):
    """One transition of a session, by its number from 0; append-only by trigger. action: SessionAction value."""

    __tablename__ = "session_state"
    __table_args__ = BULK
    session_id: str = Field(sa_type=Text, primary_key=True)
    seq: int = Field(primary_key=True, sa_type=SmallInteger)
    action: str = Field(sa_type=Text)
    before: str = Field(sa_type=Text)
    after: str = Field(sa_type=Text)
    at_utc_s: int = Field(sa_type=BigInteger)


class HandOverRow(SQLModel, table=True):
    """The exchange of an interval between county and province (row 57); import positive.

    state: province.hand_over.HandOverState value. version: of the newest schedule, 0 before the first; standing: the
    newest version that was acknowledged. set_by: who set the newest. finality: of the newest, registry Finality value.
    """

    __tablename__ = "hand_over"
    interval: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs=GIVEN)
    state: str = Field(sa_type=Text)
    version: int = Field(sa_type=SmallInteger)
    import_wh: int | None = Field(default=None, sa_type=BigInteger)
    set_by: str | None = Field(default=None, sa_type=Text)
    set_utc_s: int | None = Field(default=None, sa_type=BigInteger)
    standing_version: int = Field(sa_type=SmallInteger)
    standing_import_wh: int | None = Field(default=None, sa_type=BigInteger)
    standing_set_utc_s: int | None = Field(default=None, sa_type=BigInteger)
    finality: str = Field(sa_type=Text)


class HandOverEventRow(SQLModel, table=True):
    """One step of an interval's hand-over, by its number from 0; append-only by trigger. step: HandOverStep value."""

    __tablename__ = "hand_over_event"
    __table_args__ = BULK
    interval: int = Field(primary_key=True, sa_type=BigInteger)
    seq: int = Field(primary_key=True, sa_type=SmallInteger)
    step: str = Field(sa_type=Text)
    before: str = Field(sa_type=Text)
    after: str = Field(sa_type=Text)
    version: int = Field(sa_type=SmallInteger)
    at_utc_s: int = Field(sa_type=BigInteger)
