"""The table of notices: what gateways are told until they have answered that they keep it."""

from sqlalchemy import BigInteger, Integer, Text
from sqlmodel import Field, SQLModel

from hub.store.tables import GIVEN


class GatewayNoticeRow(SQLModel, table=True):
    """One notice to a gateway, by its position and a number that counts its notices from 1.

    kind: topic kind, "cfg" (modes) or "wdr" (withdrawn orders). content: the message as JSON. made_utc_s: the hub's
    time. answered_utc_s: when the gateway answered, None until then, and again when it starts with another boot.
    """

    __tablename__ = "gateway_notice"
    gateway: int = Field(primary_key=True, sa_type=Integer, sa_column_kwargs=GIVEN)
    notice: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs=GIVEN)
    kind: str = Field(sa_type=Text)
    content: str = Field(sa_type=Text)
    made_utc_s: int = Field(sa_type=BigInteger)
    answered_utc_s: int | None = Field(default=None, sa_type=BigInteger, index=True)
