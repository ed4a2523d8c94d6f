"""Green attributes and certificates; limits that a network check asked for; sessions and hand-overs with events."""

import sqlalchemy as sa
from alembic import op

from hub.store.migrations.versions.v0003_hosting_capacity import refuse_on_postgresql, refuse_on_sqlite

revision = "0009"
down_revision = "0008"

TABLES = (
    "green_trade",
    "green_interval",
    "green_plant_day",
    "green_plant_month",
    "asked_limit",
    "market_session",
    "session_state",
    "hand_over",
    "hand_over_event",
)
APPEND_ONLY = ("green_plant_month", "session_state", "hand_over_event")


def upgrade() -> None:
    create_green()
    create_limits()
    create_sessions()
    create_hand_overs()
    for table in APPEND_ONLY:
        if op.get_context().dialect.name == "postgresql":
            refuse_on_postgresql(table)
        else:
            refuse_on_sqlite(table)


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
        if table in APPEND_ONLY and op.get_context().dialect.name == "postgresql":
            op.execute(f"DROP FUNCTION {table}_is_append_only()")


def create_green() -> None:
    op.create_table(
        "green_trade",
        sa.Column("interval", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("pair", sa.Integer(), nullable=False),
        sa.Column("plant", sa.Integer(), nullable=False),
        sa.Column("energy_wh", sa.BigInteger(), nullable=False),
        sa.Column("delivered_wh", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("interval", "seq"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "green_interval",
        sa.Column("interval", sa.BigInteger(), nullable=False),
        sa.Column("meter", sa.Integer(), nullable=False),
        sa.Column("generation_wh", sa.BigInteger(), nullable=False),
        sa.Column("bound_wh", sa.BigInteger(), nullable=False),
        sa.Column("delivered_wh", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("interval", "meter"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "green_plant_day",
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("meter", sa.Integer(), nullable=False),
        sa.Column("generation_wh", sa.BigInteger(), nullable=False),
        sa.Column("bound_wh", sa.BigInteger(), nullable=False),
        sa.Column("delivered_wh", sa.BigInteger(), nullable=False),
        sa.Column("month", sa.Integer(), nullable=False),
        sa.Column("month_generation_wh", sa.BigInteger(), nullable=False),
        sa.Column("carried_in_wh", sa.BigInteger(), nullable=False),
        sa.Column("certificates", sa.BigInteger(), nullable=False),
        sa.Column("carried_out_wh", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("day", "meter"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "green_plant_month",
        sa.Column("meter", sa.Integer(), nullable=False),
        sa.Column("month", sa.Integer(), nullable=False),
        sa.Column("owner", sa.Integer(), nullable=False),
        sa.Column("generation_wh", sa.BigInteger(), nullable=False),
        sa.Column("mechanism_wh", sa.BigInteger(), nullable=False),
        sa.Column("certificates", sa.BigInteger(), nullable=False),
        sa.Column("carried_wh", sa.BigInteger(), nullable=False),
        sa.Column("rule_version", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("meter", "month"),
        sqlite_with_rowid=False,
    )


def create_limits() -> None:
    op.create_table(
        "asked_limit",
        sa.Column("interval", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.SmallInteger(), nullable=False),
        sa.Column("round", sa.SmallInteger(), nullable=False),
        sa.Column("unit", sa.Integer(), nullable=False),
        sa.Column("element", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("n_breaches", sa.Integer(), nullable=False),
        sa.Column("coverage", sa.Text(), nullable=False),
        sa.Column("limit_wh", sa.BigInteger(), nullable=False),
        sa.Column("sufficient", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("interval", "seq"),
        sqlite_with_rowid=False,
    )


def create_sessions() -> None:
    op.create_table(
        "market_session",
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("trading_day", sa.Text(), nullable=False),
        sa.Column("first_interval", sa.BigInteger(), nullable=False),
        sa.Column("end_interval", sa.BigInteger(), nullable=False),
        sa.Column("opens_utc_s", sa.BigInteger(), nullable=False),
        sa.Column("closes_utc_s", sa.BigInteger(), nullable=False),
        sa.Column("is_sub_market", sa.Boolean(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("session_id"),
    )
    op.create_index("ix_market_session_trading_day", "market_session", ["trading_day"])
    op.create_table(
        "session_state",
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("seq", sa.SmallInteger(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("before", sa.Text(), nullable=False),
        sa.Column("after", sa.Text(), nullable=False),
        sa.Column("at_utc_s", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("session_id", "seq"),
        sqlite_with_rowid=False,
    )


def create_hand_overs() -> None:
    op.create_table(
        "hand_over",
        sa.Column("interval", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("version", sa.SmallInteger(), nullable=False),
        sa.Column("import_wh", sa.BigInteger(), nullable=True),
        sa.Column("set_by", sa.Text(), nullable=True),
        sa.Column("set_utc_s", sa.BigInteger(), nullable=True),
        sa.Column("standing_version", sa.SmallInteger(), nullable=False),
        sa.Column("standing_import_wh", sa.BigInteger(), nullable=True),
        sa.Column("standing_set_utc_s", sa.BigInteger(), nullable=True),
        sa.Column("finality", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("interval"),
    )
    op.create_table(
        "hand_over_event",
        sa.Column("interval", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.SmallInteger(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("before", sa.Text(), nullable=False),
        sa.Column("after", sa.Text(), nullable=False),
        sa.Column("version", sa.SmallInteger(), nullable=False),
        sa.Column("at_utc_s", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("interval", "seq"),
        sqlite_with_rowid=False,
    )
