"""The month: billing terms, bills with lines and postings, closes, objections, carried amounts, corrections."""

import sqlalchemy as sa
from alembic import op

from hub.store.migrations.versions.v0003_hosting_capacity import refuse_on_postgresql, refuse_on_sqlite

revision = "0008"
down_revision = "0006"

TABLES = (
    "billing_term",
    "bill",
    "bill_line",
    "bill_posting",
    "month_close",
    "month_event",
    "pass_through",
    "settled_energy",
    "settlement_difference",
)
APPEND_ONLY = TABLES[1:]


def upgrade() -> None:
    create_bills()
    create_months()
    create_corrections()
    for table in APPEND_ONLY:
        if op.get_context().dialect.name == "postgresql":
            refuse_on_postgresql(table)
        else:
            refuse_on_sqlite(table)


def create_bills() -> None:
    op.create_table(
        "billing_term",
        sa.Column("meter", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("effective_from", sa.Text(), nullable=False),
        sa.Column("tariff_type", sa.Text(), nullable=False),
        sa.Column("user_class", sa.Text(), nullable=False),
        sa.Column("capacity_va", sa.BigInteger(), nullable=False),
        sa.Column("election", sa.Text(), nullable=False),
        sa.Column("package", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("meter", "effective_from"),
    )
    op.create_table(
        "bill",
        sa.Column("month", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("meter", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("version", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("posting_month", sa.Integer(), nullable=False),
        sa.Column("bill_id", sa.Text(), nullable=False),
        sa.Column("account", sa.Integer(), nullable=False),
        sa.Column("energy_wh", sa.BigInteger(), nullable=False),
        sa.Column("total_fen", sa.BigInteger(), nullable=False),
        sa.Column("exact_nano_yuan", sa.BigInteger(), nullable=False),
        sa.Column("rounding_nano_yuan", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("month", "meter", "version"),
    )
    op.create_table(
        "bill_line",
        sa.Column("month", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("meter", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("version", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("line", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("component", sa.Text(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("price_uyuan", sa.BigInteger(), nullable=True),
        sa.Column("amount_nano_yuan", sa.BigInteger(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("posting", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("month", "meter", "version", "line"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "bill_posting",
        sa.Column("posting_month", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("meter", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("version", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("payer", sa.Text(), nullable=False),
        sa.Column("payee", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("amount_nano_yuan", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("posting_month", "meter", "version", "seq"),
        sqlite_with_rowid=False,
    )


def create_months() -> None:
    op.create_table(
        "month_close",
        sa.Column("month", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("closed_on", sa.Text(), nullable=False),
        sa.Column("bills", sa.Integer(), nullable=False),
        sa.Column("total_fen", sa.BigInteger(), nullable=False),
        sa.Column("rounding_nano_yuan", sa.BigInteger(), nullable=False),
        sa.Column("bills_sha256", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("month"),
    )
    op.create_table(
        "month_event",
        sa.Column("month", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("settled_month", sa.Integer(), nullable=False),
        sa.Column("on_day", sa.Text(), nullable=False),
        sa.Column("refused", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("month", "seq"),
    )
    op.create_table(
        "pass_through",
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("month", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("carried_in_nano_yuan", sa.BigInteger(), nullable=False),
        sa.Column("collected_nano_yuan", sa.BigInteger(), nullable=False),
        sa.Column("remitted_nano_yuan", sa.BigInteger(), nullable=False),
        sa.Column("carried_out_nano_yuan", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("item", "month"),
    )


def create_corrections() -> None:
    op.create_table(
        "settled_energy",
        sa.Column("interval", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("run", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("meter", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("channel", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("energy_wh", sa.BigInteger(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("interval", "run", "meter", "channel"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "settlement_difference",
        sa.Column("interval", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("run", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("account", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("corrected_month", sa.Integer(), nullable=False),
        sa.Column("posting_month", sa.Integer(), nullable=False),
        sa.Column("amount_nano_yuan", sa.BigInteger(), nullable=False),
        sa.Column("rule_version", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("interval", "run", "account"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
    if op.get_context().dialect.name == "postgresql":
        for table in APPEND_ONLY:
            op.execute(f"DROP FUNCTION {table}_is_append_only()")
