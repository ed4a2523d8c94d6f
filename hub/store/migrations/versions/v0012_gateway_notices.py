"""Notices to gateways: elections that change a meter's mode, orders that were withdrawn."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0010"

TABLE = "gateway_notice"


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("gateway", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("notice", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("made_utc_s", sa.BigInteger(), nullable=False),
        sa.Column("answered_utc_s", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("gateway", "notice"),
    )
    op.create_index("ix_gateway_notice_answered_utc_s", TABLE, ["answered_utc_s"])


def downgrade() -> None:
    op.drop_table(TABLE)
