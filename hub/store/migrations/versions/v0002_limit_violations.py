"""Every breached network limit by stage, so that a report can say what the market, setpoints and curtailment cured."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "limit_violation",
        sa.Column("interval", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("element", sa.Text(), nullable=False),
        sa.Column("unit", sa.Integer(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.Column("limit", sa.BigInteger(), nullable=False),
        sa.Column("excess_per_mille", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("interval", "stage", "seq"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("limit_violation")
