"""The first schema: registry, ingest, market, settlement; postings and readings are append-only by trigger."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

APPEND_ONLY = ("posting", "reading")


def upgrade() -> None:
    create_registry()
    create_metering_points()
    create_ingest()
    create_market()
    create_control()
    create_ledger()
    create_states()
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


def create_registry() -> None:
    op.create_table(
        "county",
        sa.Column("position", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("county", sa.Text(), nullable=False),
        sa.Column("registry_sha256", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("position"),
    )
    op.create_table(
        "participant",
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("participant_id", sa.Text(), nullable=False),
        sa.Column("seller_class", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("position"),
        sa.UniqueConstraint("participant_id"),
    )
    op.create_table(
        "balance_unit",
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("unit_id", sa.Text(), nullable=False),
        sa.Column("parent", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("voltage_class", sa.Text(), nullable=False),
        sa.Column("export_limit_wh", sa.BigInteger(), nullable=True),
        sa.Column("import_limit_wh", sa.BigInteger(), nullable=True),
        sa.Column("elements", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("position"),
        sa.UniqueConstraint("unit_id"),
    )
    op.create_table(
        "gateway",
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("gateway_id", sa.Text(), nullable=False),
        sa.Column("shard", sa.Text(), nullable=False),
        sa.Column("unit", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["unit"],
            ["balance_unit.position"],
        ),
        sa.PrimaryKeyConstraint("position"),
        sa.UniqueConstraint("gateway_id"),
    )


def create_metering_points() -> None:
    op.create_table(
        "metering_point",
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("meter_id", sa.Text(), nullable=False),
        sa.Column("gateway", sa.Integer(), nullable=False),
        sa.Column("unit", sa.Integer(), nullable=False),
        sa.Column("participant", sa.Integer(), nullable=False),
        sa.Column("bus", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("channels", sa.Text(), nullable=False),
        sa.Column("voltage_class", sa.Text(), nullable=False),
        sa.Column("supply_mode", sa.Text(), nullable=False),
        sa.Column("sale_mode", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=True),
        sa.Column("clean", sa.Boolean(), nullable=False),
        sa.Column("export_capacity_w", sa.BigInteger(), nullable=False),
        sa.Column("import_capacity_w", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["gateway"],
            ["gateway.position"],
        ),
        sa.ForeignKeyConstraint(
            ["participant"],
            ["participant.position"],
        ),
        sa.ForeignKeyConstraint(
            ["unit"],
            ["balance_unit.position"],
        ),
        sa.PrimaryKeyConstraint("position"),
        sa.UniqueConstraint("meter_id"),
    )
    op.create_index(op.f("ix_metering_point_gateway"), "metering_point", ["gateway"], unique=False)
    op.create_index(op.f("ix_metering_point_participant"), "metering_point", ["participant"], unique=False)
    op.create_index(op.f("ix_metering_point_unit"), "metering_point", ["unit"], unique=False)
    op.create_table(
        "parameter_version",
        sa.Column("version_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("effective_from_interval", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("version_id"),
    )
    op.create_table(
        "parameter",
        sa.Column("version_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["version_id"],
            ["parameter_version.version_id"],
        ),
        sa.PrimaryKeyConstraint("version_id", "name"),
    )


def create_ingest() -> None:
    op.create_table(
        "reading",
        sa.Column("read_instant_utc_s", sa.BigInteger(), nullable=False),
        sa.Column("meter", sa.Integer(), nullable=False),
        sa.Column("channel", sa.SmallInteger(), nullable=False),
        sa.Column("revision", sa.SmallInteger(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.Column("flags", sa.SmallInteger(), nullable=False),
        sa.Column("gateway", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("read_instant_utc_s", "meter", "channel", "revision"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "quarantine",
        sa.Column("refusal_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("at_utc_s", sa.BigInteger(), nullable=True),
        sa.Column("first_seen_utc_s", sa.BigInteger(), nullable=False),
        sa.Column("last_seen_utc_s", sa.BigInteger(), nullable=False),
        sa.Column("excerpt", sa.Text(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("refusal_id"),
    )
    op.create_index(op.f("ix_quarantine_first_seen_utc_s"), "quarantine", ["first_seen_utc_s"], unique=False)
    op.create_table(
        "message_cursor",
        sa.Column("gateway", sa.Integer(), nullable=False),
        sa.Column("boot", sa.Text(), nullable=False),
        sa.Column("upto", sa.BigInteger(), nullable=False),
        sa.Column("ahead", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("gateway", "boot"),
    )
    op.create_table(
        "gateway_status",
        sa.Column("gateway", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("boot", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("gateway"),
    )
    op.create_table(
        "meter_status",
        sa.Column("meter", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("first_read_instant_utc_s", sa.BigInteger(), nullable=False),
        sa.Column("last_read_instant_utc_s", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("meter"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "counter",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )


def create_market() -> None:
    op.create_table(
        "order",
        sa.Column("interval", sa.BigInteger(), nullable=False),
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("gateway", sa.Integer(), nullable=False),
        sa.Column("meter", sa.Integer(), nullable=False),
        sa.Column("unit", sa.Integer(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("side", sa.SmallInteger(), nullable=False),
        sa.Column("party", sa.SmallInteger(), nullable=False),
        sa.Column("energy_wh", sa.BigInteger(), nullable=False),
        sa.Column("price_uyuan_per_kwh", sa.BigInteger(), nullable=False),
        sa.Column("clean", sa.Boolean(), nullable=False),
        sa.Column("submitted_utc_s", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("interval", "order_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "fill",
        sa.Column("interval", sa.BigInteger(), nullable=False),
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("meter", sa.Integer(), nullable=False),
        sa.Column("unit", sa.Integer(), nullable=False),
        sa.Column("side", sa.SmallInteger(), nullable=False),
        sa.Column("party", sa.SmallInteger(), nullable=False),
        sa.Column("cleared_wh", sa.BigInteger(), nullable=False),
        sa.Column("filled_wh", sa.BigInteger(), nullable=False),
        sa.Column("price_uyuan_per_kwh", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("interval", "order_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "unit_price",
        sa.Column("interval", sa.BigInteger(), nullable=False),
        sa.Column("unit", sa.Integer(), nullable=False),
        sa.Column("price_uyuan_per_kwh", sa.BigInteger(), nullable=False),
        sa.Column("shadow_uyuan_per_kwh", sa.BigInteger(), nullable=False),
        sa.Column("basis_uyuan_per_kwh", sa.BigInteger(), nullable=False),
        sa.Column("flow_up_wh", sa.BigInteger(), nullable=False),
        sa.Column("binding", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("interval", "unit"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "pair",
        sa.Column("interval", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("seller_order_id", sa.Text(), nullable=False),
        sa.Column("buyer_order_id", sa.Text(), nullable=False),
        sa.Column("seller", sa.Integer(), nullable=False),
        sa.Column("buyer", sa.Integer(), nullable=False),
        sa.Column("seller_party", sa.SmallInteger(), nullable=False),
        sa.Column("buyer_party", sa.SmallInteger(), nullable=False),
        sa.Column("apex", sa.Integer(), nullable=False),
        sa.Column("mode", sa.SmallInteger(), nullable=False),
        sa.Column("energy_wh", sa.BigInteger(), nullable=False),
        sa.Column("price_paid_uyuan_per_kwh", sa.BigInteger(), nullable=False),
        sa.Column("price_received_uyuan_per_kwh", sa.BigInteger(), nullable=False),
        sa.Column("network_charge_uyuan_per_kwh", sa.BigInteger(), nullable=False),
        sa.Column("upstream_loss_uyuan_per_kwh", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("interval", "seq"),
        sqlite_with_rowid=False,
    )


def create_control() -> None:
    op.create_table(
        "setpoint",
        sa.Column("interval", sa.BigInteger(), nullable=False),
        sa.Column("meter", sa.Integer(), nullable=False),
        sa.Column("gateway", sa.Integer(), nullable=False),
        sa.Column("export_limit_w", sa.BigInteger(), nullable=False),
        sa.Column("export_limit_wh", sa.BigInteger(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("setpoints_id", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("interval", "meter"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "clearing_run",
        sa.Column("interval", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("rounds", sa.Integer(), nullable=False),
        sa.Column("violations_before", sa.Integer(), nullable=False),
        sa.Column("violations_after", sa.Integer(), nullable=False),
        sa.Column("price_rule", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("vm_min_upu", sa.Integer(), nullable=True),
        sa.Column("vm_max_upu", sa.Integer(), nullable=True),
        sa.Column("loading_max_mpercent", sa.Integer(), nullable=True),
        sa.Column("wall_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("interval"),
    )
    op.create_table(
        "curtailment",
        sa.Column("interval", sa.BigInteger(), nullable=False),
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("meter", sa.Integer(), nullable=False),
        sa.Column("unit", sa.Integer(), nullable=False),
        sa.Column("curtailed_wh", sa.BigInteger(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("interval", "order_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "province_price",
        sa.Column("interval", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("day_ahead_uyuan_per_kwh", sa.BigInteger(), nullable=True),
        sa.Column("indicative_uyuan_per_kwh", sa.BigInteger(), nullable=True),
        sa.Column("real_time_uyuan_per_kwh", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("interval"),
    )
    op.create_table(
        "exchange_schedule",
        sa.Column("interval", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("import_wh", sa.BigInteger(), nullable=False),
        sa.Column("export_wh", sa.BigInteger(), nullable=False),
        sa.Column("settled_import_wh", sa.BigInteger(), nullable=True),
        sa.Column("settled_export_wh", sa.BigInteger(), nullable=True),
        sa.Column("settled_nano_yuan", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("interval"),
    )


def create_ledger() -> None:
    op.create_table(
        "account",
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("participant", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("position"),
        sa.UniqueConstraint("account_id"),
    )
    op.create_table(
        "settlement_run",
        sa.Column("interval", sa.BigInteger(), nullable=False),
        sa.Column("run", sa.SmallInteger(), nullable=False),
        sa.Column("rule_version", sa.Text(), nullable=False),
        sa.Column("input_hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("interval", "run"),
    )
    op.create_table(
        "posting",
        sa.Column("interval", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("run", sa.SmallInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("debit", sa.Integer(), nullable=False),
        sa.Column("credit", sa.Integer(), nullable=False),
        sa.Column("amount_nano_yuan", sa.BigInteger(), nullable=False),
        sa.Column("meter", sa.Integer(), nullable=False),
        sa.Column("energy_wh", sa.BigInteger(), nullable=False),
        sa.Column("price_uyuan_per_kwh", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("interval", "seq"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "account_total",
        sa.Column("interval", sa.BigInteger(), nullable=False),
        sa.Column("account", sa.Integer(), nullable=False),
        sa.Column("ledger_nano_yuan", sa.BigInteger(), nullable=False),
        sa.Column("independent_nano_yuan", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("interval", "account"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "statement",
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("account", sa.Integer(), nullable=False),
        sa.Column("first_interval", sa.BigInteger(), nullable=False),
        sa.Column("last_interval", sa.BigInteger(), nullable=False),
        sa.Column("total_fen", sa.BigInteger(), nullable=False),
        sa.Column("ledger_nano_yuan", sa.BigInteger(), nullable=False),
        sa.Column("rounding_nano_yuan", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("day", "account"),
    )
    op.create_table(
        "statement_line",
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("account", sa.Integer(), nullable=False),
        sa.Column("line", sa.SmallInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("energy_wh", sa.BigInteger(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("exact_nano_yuan", sa.BigInteger(), nullable=False),
        sa.Column("rule_version", sa.Text(), nullable=False),
        sa.Column("input_hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("day", "account", "line"),
        sqlite_with_rowid=False,
    )


def create_states() -> None:
    op.create_table(
        "substitution",
        sa.Column("interval", sa.BigInteger(), nullable=False),
        sa.Column("meter", sa.Integer(), nullable=False),
        sa.Column("channel", sa.SmallInteger(), nullable=False),
        sa.Column("energy_wh", sa.BigInteger(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("interval", "meter", "channel"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "loss",
        sa.Column("interval", sa.BigInteger(), nullable=False),
        sa.Column("unit", sa.Integer(), nullable=False),
        sa.Column("loss_wh", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("interval", "unit"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "metered_state",
        sa.Column("interval", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("vm_min_upu", sa.Integer(), nullable=True),
        sa.Column("vm_min_bus", sa.Text(), nullable=False),
        sa.Column("vm_max_upu", sa.Integer(), nullable=True),
        sa.Column("vm_max_bus", sa.Text(), nullable=False),
        sa.Column("loading_max_mpercent", sa.Integer(), nullable=True),
        sa.Column("loading_max_element", sa.Text(), nullable=False),
        sa.Column("violations", sa.Integer(), nullable=False),
        sa.Column("loss_wh", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("interval"),
    )
    op.create_table(
        "job_done",
        sa.Column("job", sa.Text(), nullable=False),
        sa.Column("utc_s", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("job", "utc_s"),
    )
    op.create_table(
        "law_violation",
        sa.Column("interval", sa.BigInteger(), nullable=False),
        sa.Column("law", sa.SmallInteger(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("interval", "law", "seq"),
    )
