"""The tables of the month: billing terms, bills with their lines and postings, what is closed, carried and corrected.

A month is year x 100 + month. Everything but the billing terms is append-only by trigger: a bill that changes is a new
version, a closed month stays, a correction is posted in a later month.
"""

from sqlalchemy import BigInteger, LargeBinary, SmallInteger, Text
from sqlmodel import Field, SQLModel

from hub.store.tables import BULK, GIVEN


class BillingTermRow(SQLModel, table=True):
    """By what a metering point is billed from a day on (YYYY-MM-DD), beyond what the registry says.

    tariff_type: TariffType value. user_class: the province's own word, or "". election: BasicChargeMode value or "".
    package: JSON of RetailTerms, None for who has no retail contract.
    """

    __tablename__ = "billing_term"
    meter: int = Field(primary_key=True, sa_column_kwargs=GIVEN)
    effective_from: str = Field(primary_key=True, sa_type=Text)
    tariff_type: str = Field(sa_type=Text)
    user_class: str = Field(sa_type=Text)
    capacity_va: int = Field(sa_type=BigInteger)
    election: str = Field(sa_type=Text)
    package: str | None = Field(default=None, sa_type=Text)


class BillRow(SQLModel, table=True):
    """One version of a metering point's bill of a month; append-only by trigger.

    version: from 1. posting_month: in which it is booked, its own month or, for a correction after its close, a later
    one. exact = total + rounding. sha256: of the bill as JSON; document: that JSON, deflated (zlib).
    """

    __tablename__ = "bill"
    month: int = Field(primary_key=True, sa_column_kwargs=GIVEN)
    meter: int = Field(primary_key=True, sa_column_kwargs=GIVEN)
    version: int = Field(primary_key=True, sa_type=SmallInteger, sa_column_kwargs=GIVEN)
    posting_month: int
    bill_id: str = Field(sa_type=Text)
    account: int
    energy_wh: int = Field(sa_type=BigInteger)
    total_fen: int = Field(sa_type=BigInteger)
    exact_nano_yuan: int = Field(sa_type=BigInteger)
    rounding_nano_yuan: int = Field(sa_type=BigInteger)
    sha256: str = Field(sa_type=Text)
    document: bytes = Field(sa_type=LargeBinary)


class BillLineRow(SQLModel, table=True):
    """One line of a bill, as in hub.settlement.bills.bill.BillLine; append-only by trigger."""

    __tablename__ = "bill_line"
    __table_args__ = BULK
    month: int = Field(primary_key=True)
    meter: int = Field(primary_key=True)
    version: int = Field(primary_key=True, sa_type=SmallInteger)
    line: int = Field(primary_key=True, sa_type=SmallInteger)
    component: str = Field(sa_type=Text)
    period: str = Field(sa_type=Text)
    quantity: int = Field(sa_type=BigInteger)
    unit: str = Field(sa_type=Text)
    price_uyuan: int | None = Field(default=None, sa_type=BigInteger)
    amount_nano_yuan: int = Field(sa_type=BigInteger)
    amount_fen: int = Field(sa_type=BigInteger)
    posting: str = Field(sa_type=Text)


class BillPostingRow(SQLModel, table=True):
    """What a bill moves between two accounts, by name; append-only by trigger. A negative amount flows the other way.

    posting_month: in which it is booked. version: of the bill that it belongs to; a version that replaces another one
    of an open month begins with the reversal of that one's postings.
    """

    __tablename__ = "bill_posting"
    __table_args__ = BULK
    posting_month: int = Field(primary_key=True)
    meter: int = Field(primary_key=True)
    version: int = Field(primary_key=True, sa_type=SmallInteger)
    seq: int = Field(primary_key=True, sa_type=SmallInteger)
    payer: str = Field(sa_type=Text)
    payee: str = Field(sa_type=Text)
    kind: str = Field(sa_type=Text)
    amount_nano_yuan: int = Field(sa_type=BigInteger)


class MonthCloseRow(SQLModel, table=True):
    """A closed month: how many bills it has, what they come to, and the hash over them all; append-only by trigger."""

    __tablename__ = "month_close"
    month: int = Field(primary_key=True, sa_column_kwargs=GIVEN)
    closed_on: str = Field(sa_type=Text)
    bills: int
    total_fen: int = Field(sa_type=BigInteger)
    rounding_nano_yuan: int = Field(sa_type=BigInteger)
    bills_sha256: str = Field(sa_type=Text)


class MonthEventRow(SQLModel, table=True):
    """What happened to the settlement basis of a month, from its issue to its booking; append-only by trigger.

    event: PartEvent value; account "" : all parts. settled_month: of the part, an earlier one if it was carried over.
    refused: reason code, "" if the event moved its part.
    """

    __tablename__ = "month_event"
    month: int = Field(primary_key=True)
    seq: int = Field(primary_key=True)
    event: str = Field(sa_type=Text)
    account: str = Field(sa_type=Text)
    settled_month: int
    on_day: str = Field(sa_type=Text)
    refused: str = Field(sa_type=Text)


class PassThroughRow(SQLModel, table=True):
    """The month of an account that earns nothing (system operation, funds, losses); append-only by trigger.

    carried_in + collected - remitted - carried_out = 0.
    """

    __tablename__ = "pass_through"
    item: str = Field(sa_type=Text, primary_key=True)
    month: int = Field(primary_key=True)
    carried_in_nano_yuan: int = Field(sa_type=BigInteger)
    collected_nano_yuan: int = Field(sa_type=BigInteger)
    remitted_nano_yuan: int = Field(sa_type=BigInteger)
    carried_out_nano_yuan: int = Field(sa_type=BigInteger)


class SettledEnergyRow(SQLModel, table=True):
    """Energy that replaces what an interval was settled on before; the highest run holds; append-only by trigger.

    rule: flag of the substitution rule, "" if it was measured in the end.
    """

    __tablename__ = "settled_energy"
    __table_args__ = BULK
    interval: int = Field(primary_key=True, sa_type=BigInteger)
    run: int = Field(primary_key=True, sa_type=SmallInteger)
    meter: int = Field(primary_key=True)
    channel: int = Field(primary_key=True, sa_type=SmallInteger)
    energy_wh: int = Field(sa_type=BigInteger)
    rule: str = Field(sa_type=Text)


class SettlementDifferenceRow(SQLModel, table=True):
    """What a re-settlement of an interval changes for an account, booked in posting_month; append-only by trigger."""

    __tablename__ = "settlement_difference"
    __table_args__ = BULK
    interval: int = Field(primary_key=True, sa_type=BigInteger)
    run: int = Field(primary_key=True, sa_type=SmallInteger)
    account: int = Field(primary_key=True)
    corrected_month: int
    posting_month: int
    amount_nano_yuan: int = Field(sa_type=BigInteger)
    rule_version: str = Field(sa_type=Text)


class MonthPostingRow(SQLModel, table=True):
    """What joins a month's bills to its intervals' ledger, between accounts by position; append-only by trigger.

    posting_month: in which it is booked; month: whose intervals first..last (inclusive) it is about. kind: JoinKind
    value; of_kind: the TransferKind that is reversed or paid on; meter: -1 none. A negative amount flows the other way.
    """

    __tablename__ = "month_posting"
    __table_args__ = BULK
    posting_month: int = Field(primary_key=True)
    seq: int = Field(primary_key=True)
    month: int = Field(index=True)
    meter: int
    kind: str = Field(sa_type=Text)
    of_kind: str = Field(sa_type=Text)
    payer: int
    payee: int
    amount_nano_yuan: int = Field(sa_type=BigInteger)
    first_interval: int = Field(sa_type=BigInteger)
    last_interval: int = Field(sa_type=BigInteger)
    rule_version: str = Field(sa_type=Text)
