"""Postings of a month that join its bills to the ledger of its intervals."""

import sqlalchemy as sa
from alembic import op

from hub.store.migrations.versions.v0003_hosting_capacity import refuse_on_postgresql, refuse_on_sqlite

revision = "0010"
down_revision = "0009"

TABLE = "month_posting"


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("posting_month", sa.Integer(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("month", sa.Integer(), nullable=False),
        sa.Column("meter", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("of_kind", sa.Text(), nullable=False),
        sa.Column("payer", sa.Integer(), nullable=False),
        sa.Column("payee", sa.Integer(), nullable=False),
        sa.Column("amount_nano_yuan", sa.BigInteger(), nullable=False),
        sa.Column("first_interval", sa.BigInteger(), nullable=False),
        sa.Column("last_interval", sa.BigInteger(), nullable=False),
        sa.Column("rule_version", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("posting_month", "seq"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_month_posting_month", TABLE, ["month"])
    if op.get_context().dialect.name == "postgresql":
        refuse_on_postgresql(TABLE)
    else:
        refuse_on_sqlite(TABLE)


def downgrade() -> None:
    op.drop_table(TABLE)
    if op.get_context().dialect.name == "postgresql":
        op.execute(f"DROP FUNCTION {TABLE}_is_append_only()")
