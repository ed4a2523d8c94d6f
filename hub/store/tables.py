"""The tables of the hub. One class a table; what a row means, its units and its key stand in the class.

Numbers are integers: energy Wh, price micro-yuan/kWh, money nano-yuan (one interval) or fen (one statement line),
power W, time UTC seconds, an interval UTC seconds // 900. Meters, balance units, gateways, participants and accounts
are numbered by position (0, 1, 2, ...): the same numbers that the numpy columns of market and settlement use; -1 means
"none". Bulk tables are clustered by time first (DESIGN 8 "Store") and written by bulk statements only.
No foreign keys on bulk tables: positions are resolved against the registry before a row is written.
"""

from enum import IntEnum, IntFlag

from sqlalchemy import BigInteger, SmallInteger, Text
from sqlmodel import Field, SQLModel

NONE = -1
"""The position that means "none" (no meter behind a posting, no gateway behind a book's order)."""

GIVEN = {"autoincrement": False}
"""Column arguments of a key that the program gives, never the database."""

BULK = {"sqlite_with_rowid": False}
"""Table arguments of a table that SQLite keeps in primary key order."""


class ReadingFlag(IntFlag):
    """What is to be said about one admitted or kept reading."""

    ESTIMATED = 1
    LATE = 2
    CONFLICT = 4


class OrderStatus(IntEnum):
    """What became of a submitted order before clearing."""

    REJECTED = 0
    ACCEPTED = 1


class RefusedKind(IntEnum):
    """What was refused."""

    MALFORMED = 0
    READING = 1
    ORDER = 2
    RESPONSE = 3
    REGISTRY = 4


class Binding(IntFlag):
    """Which limit of a unit's edge binds."""

    EXPORT = 1
    IMPORT = 2


# --- registry -------------------------------------------------------------------------------------------------------


class CountyRow(SQLModel, table=True):
    """The one county of this database. position is 0; registry_sha256: of the registry file it was loaded from."""

    __tablename__ = "county"
    position: int = Field(primary_key=True, sa_type=SmallInteger, sa_column_kwargs=GIVEN)
    county: str = Field(sa_type=Text)
    registry_sha256: str = Field(sa_type=Text)


class ParticipantRow(SQLModel, table=True):
    """Who owns metering points. seller_class: edge.contract.registry.SellerClass value, None for a pure user."""

    __tablename__ = "participant"
    position: int = Field(primary_key=True, sa_column_kwargs=GIVEN)
    participant_id: str = Field(sa_type=Text, unique=True)
    seller_class: str | None = Field(default=None, sa_type=Text)


class BalanceUnitRow(SQLModel, table=True):
    """One node of the balance-unit tree; positions sorted by (depth, unit id), so parent < position; root 0, parent -1.

    kind: UnitKind value. Limits: Wh per interval over the edge to the parent, None where the edge has none.
    elements: JSON list of network element names.
    """

    __tablename__ = "balance_unit"
    position: int = Field(primary_key=True, sa_column_kwargs=GIVEN)
    unit_id: str = Field(sa_type=Text, unique=True)
    parent: int
    kind: str = Field(sa_type=Text)
    voltage_class: str = Field(sa_type=Text)
    export_limit_wh: int | None = Field(default=None, sa_type=BigInteger)
    import_limit_wh: int | None = Field(default=None, sa_type=BigInteger)
    elements: str = Field(sa_type=Text)


class GatewayRow(SQLModel, table=True):
    """One edge agent with its own MQTT user; positions are the order of the registry file."""

    __tablename__ = "gateway"
    position: int = Field(primary_key=True, sa_column_kwargs=GIVEN)
    gateway_id: str = Field(sa_type=Text, unique=True)
    shard: str = Field(sa_type=Text)
    unit: int = Field(foreign_key="balance_unit.position")


class MeteringPointRow(SQLModel, table=True):
    """One metering point; positions are the order of the registry file (by id).

    kind, supply_mode, sale_mode, category: values of the enums of edge.contract.registry. channels: OBIS codes joined
    by a blank, in the order of messages.CHANNELS. installed_capacity_w: rated power of the plants behind it, None where
    the registry file does not say.
    """

    __tablename__ = "metering_point"
    position: int = Field(primary_key=True, sa_column_kwargs=GIVEN)
    meter_id: str = Field(sa_type=Text, unique=True)
    gateway: int = Field(foreign_key="gateway.position", index=True)
    unit: int = Field(foreign_key="balance_unit.position", index=True)
    participant: int = Field(foreign_key="participant.position", index=True)
    bus: str = Field(sa_type=Text)
    kind: str = Field(sa_type=Text)
    channels: str = Field(sa_type=Text)
    voltage_class: str = Field(sa_type=Text)
    supply_mode: str = Field(sa_type=Text)
    sale_mode: str = Field(sa_type=Text)
    category: str | None = Field(default=None, sa_type=Text)
    clean: bool
    export_capacity_w: int = Field(sa_type=BigInteger)
    import_capacity_w: int = Field(sa_type=BigInteger)
    installed_capacity_w: int | None = Field(default=None, sa_type=BigInteger)


class ParameterVersionRow(SQLModel, table=True):
    """One version of a set of parameters. kind: "session" (price limits, tick, lot) or "price" (tariffs, fees, ...).

    It holds from effective_from_interval until the next version of its kind.
    """

    __tablename__ = "parameter_version"
    version_id: str = Field(sa_type=Text, primary_key=True)
    kind: str = Field(sa_type=Text)
    effective_from_interval: int = Field(sa_type=BigInteger)


class ParameterRow(SQLModel, table=True):
    """One integer parameter of a version; the unit is the last part of its name, for example lot_wh."""

    __tablename__ = "parameter"
    version_id: str = Field(sa_type=Text, primary_key=True, foreign_key="parameter_version.version_id")
    name: str = Field(sa_type=Text, primary_key=True)
    value: int = Field(sa_type=BigInteger)


# --- ingest ---------------------------------------------------------------------------------------------------------


class ReadingRow(SQLModel, table=True):
    """One register at one instant; append-only by trigger.

    channel: position in messages.CHANNELS. value: cumulative Wh or varh. revision 0 is the admitted value and the only
    one that counts; a later, different value of the same instant is kept as revision 1, 2, ... with flag CONFLICT.
    flags: ReadingFlag. gateway: who reported it.
    """

    __tablename__ = "reading"
    __table_args__ = BULK
    read_instant_utc_s: int = Field(primary_key=True, sa_type=BigInteger)
    meter: int = Field(primary_key=True)
    channel: int = Field(primary_key=True, sa_type=SmallInteger)
    revision: int = Field(primary_key=True, sa_type=SmallInteger)
    value: int = Field(sa_type=BigInteger)
    flags: int = Field(sa_type=SmallInteger)
    gateway: int


class QuarantineRow(SQLModel, table=True):
    """One thing that was refused, once for each distinct content; a repeat raises `count` and last_seen only.

    refusal_id: hex digest of device, kind, reason and content. kind: RefusedKind. device: the name in the topic.
    about: meter id or order id; for a whole message, what is wrong with it. at_utc_s: the reading's instant or the
    start of the order's interval, None if the payload says none. first_seen, last_seen: the hub's time (virtual in a
    run in virtual time).
    excerpt: at most 200 characters of the payload or value.
    """

    __tablename__ = "quarantine"
    refusal_id: str = Field(sa_type=Text, primary_key=True)
    kind: int = Field(sa_type=SmallInteger)
    reason: str = Field(sa_type=Text)
    device: str = Field(sa_type=Text)
    about: str = Field(sa_type=Text)
    at_utc_s: int | None = Field(default=None, sa_type=BigInteger)
    first_seen_utc_s: int = Field(sa_type=BigInteger, index=True)
    last_seen_utc_s: int = Field(sa_type=BigInteger)
    excerpt: str = Field(sa_type=Text)
    count: int = Field(sa_type=BigInteger)


class MessageCursorRow(SQLModel, table=True):
    """How far the messages of one boot of a gateway are committed without a gap (what a receipt says).

    ahead: JSON list of committed sequence numbers behind a gap, above upto + 1.
    """

    __tablename__ = "message_cursor"
    gateway: int = Field(primary_key=True)
    boot: str = Field(sa_type=Text, primary_key=True)
    upto: int = Field(sa_type=BigInteger)
    ahead: str = Field(sa_type=Text)


class GatewayStatusRow(SQLModel, table=True):
    """The last birth or last will of a gateway ("online" or "offline"). Not part of the result hash."""

    __tablename__ = "gateway_status"
    gateway: int = Field(primary_key=True, sa_column_kwargs=GIVEN)
    state: str = Field(sa_type=Text)
    boot: str = Field(sa_type=Text)


class MeterStatusRow(SQLModel, table=True):
    """The oldest and the newest instant with an admitted reading of a meter; no row if there is none yet."""

    __tablename__ = "meter_status"
    __table_args__ = BULK
    meter: int = Field(primary_key=True, sa_column_kwargs=GIVEN)
    first_read_instant_utc_s: int = Field(sa_type=BigInteger)
    last_read_instant_utc_s: int = Field(sa_type=BigInteger)


class CounterRow(SQLModel, table=True):
    """A running total, raised in the transaction of what it counts. Not part of the result hash (repeats count too)."""

    __tablename__ = "counter"
    name: str = Field(sa_type=Text, primary_key=True)
    value: int = Field(sa_type=BigInteger)


# --- market ---------------------------------------------------------------------------------------------------------


class OrderRow(SQLModel, table=True):
    """One submitted order, accepted or rejected, or one order of a supply book or the province (always accepted).

    order_id: gateway/interval/meter/n with ids, not positions. gateway, meter, unit: positions; -1 for books, for the
    province and where a rejected order names an unknown meter. side, party: trades.TradeSide, trades.Party.
    status: OrderStatus; reason: empty if accepted.
    """

    __tablename__ = "order"
    __table_args__ = BULK
    interval: int = Field(primary_key=True, sa_type=BigInteger)
    order_id: str = Field(sa_type=Text, primary_key=True)
    gateway: int
    meter: int
    unit: int
    number: int = Field(sa_type=BigInteger)
    side: int = Field(sa_type=SmallInteger)
    party: int = Field(sa_type=SmallInteger)
    energy_wh: int = Field(sa_type=BigInteger)
    price_uyuan_per_kwh: int = Field(sa_type=BigInteger)
    clean: bool
    submitted_utc_s: int = Field(sa_type=BigInteger)
    status: int = Field(sa_type=SmallInteger)
    reason: str = Field(sa_type=Text)


class FillRow(SQLModel, table=True):
    """What one accepted order got: cleared_wh by the last clearing round, filled_wh after curtailment (what settles).

    price: of the order's unit. The other columns repeat the order, so that settlement reads one table.
    """

    __tablename__ = "fill"
    __table_args__ = BULK
    interval: int = Field(primary_key=True, sa_type=BigInteger)
    order_id: str = Field(sa_type=Text, primary_key=True)
    meter: int
    unit: int
    side: int = Field(sa_type=SmallInteger)
    party: int = Field(sa_type=SmallInteger)
    cleared_wh: int = Field(sa_type=BigInteger)
    filled_wh: int = Field(sa_type=BigInteger)
    price_uyuan_per_kwh: int = Field(sa_type=BigInteger)


class UnitPriceRow(SQLModel, table=True):
    """The clearing result at one balance unit. basis: sum of shadow prices from the root. binding: Binding.

    flow_up_wh: net energy up the edge to the parent, for the root to the province; negative: it comes down.
    """

    __tablename__ = "unit_price"
    __table_args__ = BULK
    interval: int = Field(primary_key=True, sa_type=BigInteger)
    unit: int = Field(primary_key=True)
    price_uyuan_per_kwh: int = Field(sa_type=BigInteger)
    shadow_uyuan_per_kwh: int = Field(sa_type=BigInteger)
    basis_uyuan_per_kwh: int = Field(sa_type=BigInteger)
    flow_up_wh: int = Field(sa_type=BigInteger)
    binding: int = Field(sa_type=SmallInteger)


class PairRow(SQLModel, table=True):
    """Who sold to whom, in the fixed order of trades.Pairs (seq from 0). mode: 1, 2, 3 or 0 for the province.

    seller, buyer: meter positions, -1 for books and the province; *_order_id joins to order and fill.
    """

    __tablename__ = "pair"
    __table_args__ = BULK
    interval: int = Field(primary_key=True, sa_type=BigInteger)
    seq: int = Field(primary_key=True)
    seller_order_id: str = Field(sa_type=Text)
    buyer_order_id: str = Field(sa_type=Text)
    seller: int
    buyer: int
    seller_party: int = Field(sa_type=SmallInteger)
    buyer_party: int = Field(sa_type=SmallInteger)
    apex: int
    mode: int = Field(sa_type=SmallInteger)
    energy_wh: int = Field(sa_type=BigInteger)
    price_paid_uyuan_per_kwh: int = Field(sa_type=BigInteger)
    price_received_uyuan_per_kwh: int = Field(sa_type=BigInteger)
    network_charge_uyuan_per_kwh: int = Field(sa_type=BigInteger)
    upstream_loss_uyuan_per_kwh: int = Field(sa_type=BigInteger)


class SetpointRow(SQLModel, table=True):
    """A limit of net export at one metering point in one interval.

    cause: why, for example "export-limit" or "voltage". setpoints_id: of the message that carries it. outcome: what the
    gateway answered ("ok" or a reason), None until it did.
    """

    __tablename__ = "setpoint"
    __table_args__ = BULK
    interval: int = Field(primary_key=True, sa_type=BigInteger)
    meter: int = Field(primary_key=True)
    gateway: int
    export_limit_w: int = Field(sa_type=BigInteger)
    export_limit_wh: int = Field(sa_type=BigInteger)
    cause: str = Field(sa_type=Text)
    setpoints_id: str = Field(sa_type=Text)
    outcome: str | None = Field(default=None, sa_type=Text)


class ClearingRunRow(SQLModel, table=True):
    """How one interval was cleared. violations: of the expected physical state before any round and after the last.

    vm: volts per volt of nominal in micro-pu; loading: thousandths of a percent; of the state after the last round,
    None if the AC power flow did not converge. wall_us: time it took, never part of the result hash.
    """

    __tablename__ = "clearing_run"
    interval: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs=GIVEN)
    rounds: int
    violations_before: int
    violations_after: int
    price_rule: str = Field(sa_type=Text)
    method: str = Field(sa_type=Text)
    vm_min_upu: int | None = None
    vm_max_upu: int | None = None
    loading_max_mpercent: int | None = None
    wall_us: int = Field(sa_type=BigInteger)


class CurtailmentRow(SQLModel, table=True):
    """Energy by which a fill was lowered after the last clearing round, and why."""

    __tablename__ = "curtailment"
    __table_args__ = BULK
    interval: int = Field(primary_key=True, sa_type=BigInteger)
    order_id: str = Field(sa_type=Text, primary_key=True)
    meter: int
    unit: int
    curtailed_wh: int = Field(sa_type=BigInteger)
    cause: str = Field(sa_type=Text)


class ProvincePriceRow(SQLModel, table=True):
    """The province's prices of one interval: day-ahead P_DA, indicative r, real-time P_RT; None until published."""

    __tablename__ = "province_price"
    interval: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs=GIVEN)
    day_ahead_uyuan_per_kwh: int | None = Field(default=None, sa_type=BigInteger)
    indicative_uyuan_per_kwh: int | None = Field(default=None, sa_type=BigInteger)
    real_time_uyuan_per_kwh: int | None = Field(default=None, sa_type=BigInteger)


class ExchangeScheduleRow(SQLModel, table=True):
    """The exchange with the province: what was scheduled, and what the province says it settled (None until it did)."""

    __tablename__ = "exchange_schedule"
    interval: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs=GIVEN)
    import_wh: int = Field(sa_type=BigInteger)
    export_wh: int = Field(sa_type=BigInteger)
    settled_import_wh: int | None = Field(default=None, sa_type=BigInteger)
    settled_export_wh: int | None = Field(default=None, sa_type=BigInteger)
    settled_nano_yuan: int | None = Field(default=None, sa_type=BigInteger)


# --- settlement -----------------------------------------------------------------------------------------------------


class AccountRow(SQLModel, table=True):
    """One account of the ledger. account_id: a participant id or "D_sup", "D_net", "congestion", ...

    participant: position, -1 for an account that is no participant's.
    """

    __tablename__ = "account"
    position: int = Field(primary_key=True, sa_column_kwargs=GIVEN)
    account_id: str = Field(sa_type=Text, unique=True)
    participant: int


class SettlementRunRow(SQLModel, table=True):
    """One settlement of one interval; run 0 is the first, a re-settlement posts corrections under run 1, 2, ...

    rule_version: of the price parameters. input_hash: SHA-256 hex over everything that the settlement read.
    """

    __tablename__ = "settlement_run"
    interval: int = Field(primary_key=True, sa_type=BigInteger)
    run: int = Field(primary_key=True, sa_type=SmallInteger)
    rule_version: str = Field(sa_type=Text)
    input_hash: str = Field(sa_type=Text)


class PostingRow(SQLModel, table=True):
    """One transfer from account `debit` to account `credit` (positions); append-only by trigger. Id: interval, seq.

    A negative amount flows the other way. meter: whose energy it is, -1 none. energy_wh x price = amount where there is
    a price, else price is None. run: of settlement_run, where rule version and input hash stand.
    """

    __tablename__ = "posting"
    __table_args__ = BULK
    interval: int = Field(primary_key=True, sa_type=BigInteger)
    seq: int = Field(primary_key=True)
    run: int = Field(sa_type=SmallInteger)
    kind: str = Field(sa_type=Text)
    debit: int
    credit: int
    amount_nano_yuan: int = Field(sa_type=BigInteger)
    meter: int
    energy_wh: int = Field(sa_type=BigInteger)
    price_uyuan_per_kwh: int | None = Field(default=None, sa_type=BigInteger)


class AccountTotalRow(SQLModel, table=True):
    """What an account received less what it paid in one interval: by the ledger, and computed on its own."""

    __tablename__ = "account_total"
    __table_args__ = BULK
    interval: int = Field(primary_key=True, sa_type=BigInteger)
    account: int = Field(primary_key=True)
    ledger_nano_yuan: int = Field(sa_type=BigInteger)
    independent_nano_yuan: int = Field(sa_type=BigInteger)


class StatementRow(SQLModel, table=True):
    """The statement of one account for one operating day (YYYY-MM-DD), intervals first..last inclusive.

    total_fen: the sum of its lines. ledger: the exact sum; rounding = total_fen - ledger, to the rounding account.
    """

    __tablename__ = "statement"
    day: str = Field(sa_type=Text, primary_key=True)
    account: int = Field(primary_key=True)
    first_interval: int = Field(sa_type=BigInteger)
    last_interval: int = Field(sa_type=BigInteger)
    total_fen: int = Field(sa_type=BigInteger)
    ledger_nano_yuan: int = Field(sa_type=BigInteger)
    rounding_nano_yuan: int = Field(sa_type=BigInteger)


class StatementLineRow(SQLModel, table=True):
    """One line of a statement, rounded once: amount_fen of exact_nano_yuan. input_hash: over the run hashes it sums."""

    __tablename__ = "statement_line"
    __table_args__ = BULK
    day: str = Field(sa_type=Text, primary_key=True)
    account: int = Field(primary_key=True)
    line: int = Field(primary_key=True, sa_type=SmallInteger)
    kind: str = Field(sa_type=Text)
    energy_wh: int = Field(sa_type=BigInteger)
    amount_fen: int = Field(sa_type=BigInteger)
    exact_nano_yuan: int = Field(sa_type=BigInteger)
    rule_version: str = Field(sa_type=Text)
    input_hash: str = Field(sa_type=Text)


class SubstitutionRow(SQLModel, table=True):
    """Interval energy that stands in for a missing reading, and the name of the rule that made it."""

    __tablename__ = "substitution"
    __table_args__ = BULK
    interval: int = Field(primary_key=True, sa_type=BigInteger)
    meter: int = Field(primary_key=True)
    channel: int = Field(primary_key=True, sa_type=SmallInteger)
    energy_wh: int = Field(sa_type=BigInteger)
    rule: str = Field(sa_type=Text)


class LossRow(SQLModel, table=True):
    """The loss inside one balance unit (its edge included) by registers; None where a register is missing."""

    __tablename__ = "loss"
    __table_args__ = BULK
    interval: int = Field(primary_key=True, sa_type=BigInteger)
    unit: int = Field(primary_key=True)
    loss_wh: int | None = Field(default=None, sa_type=BigInteger)


class MeteredStateRow(SQLModel, table=True):
    """The AC state computed from metered energy: worst values and where, and how many limits are violated.

    vm in micro-pu of nominal, loading in thousandths of a percent; None if the power flow did not converge.
    loss_wh: AC-computed loss of the interval.
    """

    __tablename__ = "metered_state"
    interval: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs=GIVEN)
    vm_min_upu: int | None = None
    vm_min_bus: str = Field(sa_type=Text)
    vm_max_upu: int | None = None
    vm_max_bus: str = Field(sa_type=Text)
    loading_max_mpercent: int | None = None
    loading_max_element: str = Field(sa_type=Text)
    violations: int
    loss_wh: int | None = Field(default=None, sa_type=BigInteger)


# --- running --------------------------------------------------------------------------------------------------------


class JobDoneRow(SQLModel, table=True):
    """The job `job` that was due at utc_s is done; written in the job's own transaction."""

    __tablename__ = "job_done"
    job: str = Field(sa_type=Text, primary_key=True)
    utc_s: int = Field(sa_type=BigInteger, primary_key=True)


class LawViolationRow(SQLModel, table=True):
    """One breach of a law of DESIGN 4 in an interval. seq from 0. place: unit, order or account; what: in words."""

    __tablename__ = "law_violation"
    interval: int = Field(primary_key=True, sa_type=BigInteger)
    law: int = Field(primary_key=True, sa_type=SmallInteger)
    seq: int = Field(primary_key=True)
    place: str = Field(sa_type=Text)
    what: str = Field(sa_type=Text)


class LimitViolationRow(SQLModel, table=True):
    """One breached network limit. stage: "expected" (without any control), "cleared" (after clearing, setpoints and
    curtailment) or "metered". value, limit: mV, mA or W by kind; worst first by seq.
    """

    __tablename__ = "limit_violation"
    __table_args__ = BULK
    interval: int = Field(primary_key=True, sa_type=BigInteger)
    stage: str = Field(primary_key=True, sa_type=Text)
    seq: int = Field(primary_key=True)
    kind: str = Field(sa_type=Text)
    element: str = Field(sa_type=Text)
    unit: int
    direction: str = Field(sa_type=Text)
    value: int = Field(sa_type=BigInteger)
    limit: int = Field(sa_type=BigInteger)
    excess_per_mille: int
