"""Operating days that were to give a list of hosting capacity and did not, append-only by trigger."""

import sqlalchemy as sa
from alembic import op

from hub.store.migrations.versions.v0003_hosting_capacity import refuse_on_postgresql, refuse_on_sqlite

revision = "0004"
down_revision = "0003"

TABLE = "hosting_omission"


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("closed_utc_s", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("closed_utc_s"),
    )
    if op.get_context().dialect.name == "postgresql":
        refuse_on_postgresql(TABLE)
    else:
        refuse_on_sqlite(TABLE)


def downgrade() -> None:
    op.drop_table(TABLE)
    if op.get_context().dialect.name == "postgresql":
        op.execute(f"DROP FUNCTION {TABLE}_is_append_only()")
