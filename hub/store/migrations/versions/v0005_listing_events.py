"""The log of listing trading, append-only by trigger."""

import sqlalchemy as sa
from alembic import op

from hub.store.migrations.versions.v0003_hosting_capacity import refuse_on_postgresql, refuse_on_sqlite

revision = "0005"
down_revision = "0004"

TABLE = "listing_event"


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("market", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=True),
        sa.Column("at_utc_s", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("outcomes", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("market", "sequence"),
        sa.UniqueConstraint("market", "event_id"),
        sa.UniqueConstraint("session_id", "market", "sequence"),
    )
    if op.get_context().dialect.name == "postgresql":
        refuse_on_postgresql(TABLE)
    else:
        refuse_on_sqlite(TABLE)


def downgrade() -> None:
    op.drop_table(TABLE)
    if op.get_context().dialect.name == "postgresql":
        op.execute(f"DROP FUNCTION {TABLE}_is_append_only()")
