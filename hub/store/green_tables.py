"""The tables of green attributes and certificates. Units and positions as in hub/store/tables.py."""

from sqlalchemy import BigInteger, SmallInteger, Text
from sqlmodel import Field, SQLModel

from hub.store.tables import BULK


class GreenTradeRow(SQLModel, table=True):
    """A green attribute: energy of a clean plant that a pair's buyer bought, as bound when the interval was cleared.

    pair: of `pair`; seq: by pair, then plant. energy_wh: after curtailment. delivered_wh: what the plant's meter covers
    of it, None until the interval is settled. The environmental value has no price of its own: no order quotes one.
    """

    __tablename__ = "green_trade"
    __table_args__ = BULK
    interval: int = Field(primary_key=True, sa_type=BigInteger)
    seq: int = Field(primary_key=True)
    pair: int
    plant: int
    energy_wh: int = Field(sa_type=BigInteger)
    delivered_wh: int | None = Field(default=None, sa_type=BigInteger)


class GreenIntervalRow(SQLModel, table=True):
    """A clean plant in a settled interval: what it fed in by meter, what was bound, and what was delivered of that."""

    __tablename__ = "green_interval"
    __table_args__ = BULK
    interval: int = Field(primary_key=True, sa_type=BigInteger)
    meter: int = Field(primary_key=True)
    generation_wh: int = Field(sa_type=BigInteger)
    bound_wh: int = Field(sa_type=BigInteger)
    delivered_wh: int = Field(sa_type=BigInteger)


class GreenPlantDayRow(SQLModel, table=True):
    """A clean plant at the close of a day (YYYY-MM-DD): the day's energies, and its account of certificates by then.

    month: year x 100 + month. month_generation_wh: from the month's first closed day on. carried_in_wh: what earlier
    months left below one certificate. certificates: whole ones of both together, carried_out_wh: the rest.
    """

    __tablename__ = "green_plant_day"
    __table_args__ = BULK
    day: str = Field(sa_type=Text, primary_key=True)
    meter: int = Field(primary_key=True)
    generation_wh: int = Field(sa_type=BigInteger)
    bound_wh: int = Field(sa_type=BigInteger)
    delivered_wh: int = Field(sa_type=BigInteger)
    month: int
    month_generation_wh: int = Field(sa_type=BigInteger)
    carried_in_wh: int = Field(sa_type=BigInteger)
    certificates: int = Field(sa_type=BigInteger)
    carried_out_wh: int = Field(sa_type=BigInteger)


class GreenPlantMonthRow(SQLModel, table=True):
    """A month entered in the register of certificates, once it is over; append-only by trigger.

    Certificates plant/month/1..certificates were issued to the owner (participant position); what is below one goes on.
    rule_version: of the parameters.
    """

    __tablename__ = "green_plant_month"
    __table_args__ = BULK
    meter: int = Field(primary_key=True)
    month: int = Field(primary_key=True)
    owner: int
    generation_wh: int = Field(sa_type=BigInteger)
    mechanism_wh: int = Field(sa_type=BigInteger)
    certificates: int = Field(sa_type=BigInteger)
    carried_wh: int = Field(sa_type=BigInteger)
    rule_version: str = Field(sa_type=Text)


class AskedLimitRow(SQLModel, table=True):
    """A limit that a round of the network check asked the clearing for. coverage: market.security.LimitCoverage value.

    round: after which clearing. unit, element, kind: where, and the worst breach that it is for, of n_breaches.
    limit_wh: of export over the unit's edge, or over the element itself. sufficient: whether that was enough by the
    estimate.
    """

    __tablename__ = "asked_limit"
    __table_args__ = BULK
    interval: int = Field(primary_key=True, sa_type=BigInteger)
    seq: int = Field(primary_key=True, sa_type=SmallInteger)
    round: int = Field(sa_type=SmallInteger)
    unit: int
    element: str = Field(sa_type=Text)
    kind: str = Field(sa_type=Text)
    n_breaches: int
    coverage: str = Field(sa_type=Text)
    limit_wh: int = Field(sa_type=BigInteger)
    sufficient: bool
