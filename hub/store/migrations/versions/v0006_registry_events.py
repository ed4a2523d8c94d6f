"""The log of the registry's events, append-only by trigger, and the installed capacity behind a metering point."""

import sqlalchemy as sa
from alembic import op

from hub.store.migrations.versions.v0003_hosting_capacity import refuse_on_postgresql, refuse_on_sqlite

revision = "0006"
down_revision = "0005"

TABLE = "registry_event"


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("county", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("recorded_on", sa.Text(), nullable=False),
        sa.Column("taken_utc_s", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("county", "sequence"),
        sa.UniqueConstraint("county", "event_id"),
    )
    if op.get_context().dialect.name == "postgresql":
        refuse_on_postgresql(TABLE)
    else:
        refuse_on_sqlite(TABLE)
    op.add_column("metering_point", sa.Column("installed_capacity_w", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("metering_point", "installed_capacity_w")
    op.drop_table(TABLE)
    if op.get_context().dialect.name == "postgresql":
        op.execute(f"DROP FUNCTION {TABLE}_is_append_only()")
