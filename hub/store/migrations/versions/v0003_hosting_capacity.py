"""Assessments of hosting capacity and their published lists, append-only by trigger."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

APPEND_ONLY = ("hosting_assessment", "hosting_capacity")


def upgrade() -> None:
    op.create_table(
        "hosting_assessment",
        sa.Column("assessed_at_utc_s", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("county", sa.Text(), nullable=False),
        sa.Column("edition", sa.Text(), nullable=False),
        sa.Column("inputs_sha256", sa.Text(), nullable=False),
        sa.Column("inputs", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("assessed_at_utc_s"),
    )
    op.create_table(
        "hosting_capacity",
        sa.Column("assessed_at_utc_s", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("parent", sa.Text(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("elements", sa.Text(), nullable=False),
        sa.Column("rated_kva", sa.Integer(), nullable=False),
        sa.Column("connected_kw", sa.Integer(), nullable=False),
        sa.Column("registered_kw", sa.Integer(), nullable=False),
        sa.Column("capacity_min_kw", sa.Integer(), nullable=False),
        sa.Column("capacity_max_kw", sa.Integer(), nullable=False),
        sa.Column("c1_kw", sa.Integer(), nullable=False),
        sa.Column("c2_kw", sa.Integer(), nullable=False),
        sa.Column("open_c1_kw", sa.Integer(), nullable=False),
        sa.Column("open_c2_kw", sa.Integer(), nullable=False),
        sa.Column("grade", sa.Text(), nullable=False),
        sa.Column("limited_by", sa.Text(), nullable=False),
        sa.Column("hosting_kw", sa.Integer(), nullable=True),
        sa.Column("hosting_element", sa.Text(), nullable=True),
        sa.Column("hosting_limit", sa.Text(), nullable=True),
        sa.Column("reverse_kw", sa.Integer(), nullable=True),
        sa.Column("reverse_load_mpercent", sa.Integer(), nullable=True),
        sa.Column("reverse_alert", sa.Boolean(), nullable=True),
        sa.Column("reverse_into_high_voltage", sa.Boolean(), nullable=True),
        sa.Column("short_circuit", sa.Text(), nullable=False),
        sa.Column("voltage_deviation", sa.Text(), nullable=False),
        sa.Column("harmonics", sa.Text(), nullable=False),
        sa.Column("edition", sa.Text(), nullable=False),
        sa.Column("assessed_at", sa.Text(), nullable=False),
        sa.Column("geometry", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["assessed_at_utc_s"], ["hosting_assessment.assessed_at_utc_s"]),
        sa.PrimaryKeyConstraint("assessed_at_utc_s", "seq"),
        sqlite_with_rowid=False,
    )
    for table in APPEND_ONLY:
        if op.get_context().dialect.name == "postgresql":
            refuse_on_postgresql(table)
        else:
            refuse_on_sqlite(table)


def refuse_on_sqlite(table: str) -> None:
    for action in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER {table}_no_{action.lower()} BEFORE {action} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        )


def refuse_on_postgresql(table: str) -> None:
    op.execute(
        f"CREATE FUNCTION {table}_is_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{table} is append-only'; END $$"
    )
    op.execute(
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_is_append_only()"
    )


def downgrade() -> None:
    for table in reversed(APPEND_ONLY):
        op.drop_table(table)
        if op.get_context().dialect.name == "postgresql":
            op.execute(f"DROP FUNCTION {table}_is_append_only()")
