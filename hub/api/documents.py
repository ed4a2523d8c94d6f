"""The documents of the API. Each number's unit is the last part of its name; money is exact decimal yuan as text."""

from typing import Annotated

from pydantic import BaseModel, Field

from hub.api.amounts import yuan_text_from_fen, yuan_text_from_nano_yuan
from hub.api.context import NetworkLimits
from hub.store.read_days import (
    Exchange,
    ExpectedState,
    IntervalSummary,
    Limitation,
    MeteredState,
    ModeVolume,
    OrderCounts,
    Prices,
)
from hub.store.read_market import CurvePoint, UnitResult
from hub.store.read_money import AccountTotal, Statement, StatementHead, StatementMeter
from hub.store.read_running import GatewayState, RefusalReason, RefusalView, RegistryCounts

Yuan = Annotated[str, Field(pattern=r"^-?\d+\.\d{9}$", examples=["-0.700000000"], description="Exact yuan.")]
YuanFen = Annotated[str, Field(pattern=r"^-?\d+\.\d{2}$", examples=["12.34"], description="Yuan, rounded to fen.")]


class IntervalName(BaseModel):
    """An interval and its label, which names its end."""

    interval: int = Field(examples=[1625632])
    label: str = Field(examples=["12:15"])
    starts_at: str = Field(examples=["2016-05-17T12:00:00+08:00"])
    ends_at: str = Field(examples=["2016-05-17T12:15:00+08:00"])


class Interval(IntervalName):
    """One trading interval. stage: none, open, cleared or settled. account_sum_yuan: over all accounts, must be 0."""

    day: str = Field(examples=["2016-05-17"])
    stage: str = Field(examples=["settled"])
    orders: OrderCounts
    prices: Prices
    exchange: Exchange
    modes: list[ModeVolume]
    limitation: Limitation
    expected: ExpectedState | None
    metered: MeteredState | None
    loss_wh: int | None
    substitutions: int
    law_violations: int
    account_sum_yuan: Yuan | None


class PlatformOperator(BaseModel):
    """Who runs the platform: hosted by the provincial exchange or by a distribution company. key_id: that signs."""

    operator_id: str = Field(examples=["DSO-1"])
    hosting: str = Field(examples=["DSO_COUNTY"])
    key_id: str


class OperatorStampDocument(BaseModel):
    """Who ran the county's platform on the day of a result; a later operator does not change it (row 19)."""

    county: str
    day: str = Field(examples=["2016-05-17"])
    operator: PlatformOperator


class IntervalResult(Interval):
    """One trading interval with the result of its clearing by unit and the offered curves.

    published_by: null where the registry names no operator of that day.
    """

    published_by: OperatorStampDocument | None
    units: list[UnitResult]
    supply: list[CurvePoint]
    demand: list[CurvePoint]


class Series(BaseModel):
    """The day in columns, one value an interval; null where there is none (yet)."""

    interval: list[int]
    label: list[str]
    stage: list[str]
    root_uyuan_per_kwh: list[int | None]
    indicative_uyuan_per_kwh: list[int | None]
    real_time_uyuan_per_kwh: list[int | None]
    scheduled_import_wh: list[int | None]
    scheduled_export_wh: list[int | None]
    metered_import_wh: list[int | None]
    metered_export_wh: list[int | None]
    deviation_wh: list[int | None]
    vm_min_upu: list[int | None]
    vm_max_upu: list[int | None]
    loading_max_mpercent: list[int | None]
    violations_before: list[int | None]
    violations_after: list[int | None]
    metered_violations: list[int | None]
    curtailed_wh: list[int]
    binding_edges: list[int]
    law_violations: list[int]


class DayTotals(BaseModel):
    """Sums over the day so far. account_sum_yuan: null before the first settled interval."""

    cleared_intervals: int
    settled_intervals: int
    import_wh: int
    export_wh: int
    loss_wh: int | None
    curtailed_wh: int
    violations_before: int
    violations_after: int
    metered_violations: int
    law_violations: int
    substitutions: int
    setpoints: int
    modes: list[ModeVolume]
    account_sum_yuan: Yuan | None


class DataState(BaseModel):
    """How fresh the data is. missing: gateways that are silent for longer than limit_s, offline or never heard of."""

    limit_s: int
    gateways: int
    metering_points: int
    meters_never_read: int
    newest_reading_utc_s: int | None
    age_s: int | None = Field(description="Age of the newest reading of all; null if there is none: an alarm.")
    missing: list[GatewayState]


class Overview(BaseModel):
    """What the first screen shows. current: null if the hub's time lies outside the day that is shown."""

    county: str | None
    day: str
    now_utc_s: int
    now: str
    current: IntervalName | None
    last_cleared: Interval | None
    last_settled: Interval | None
    series: Series
    totals: DayTotals
    limits: NetworkLimits
    data: DataState
    refused: list[RefusalReason]
    counters: dict[str, int]
    registry: RegistryCounts


class DayResults(BaseModel):
    """The table of a day. closed: its statements are written. published_by: null where the registry names nobody."""

    day: str
    closed: bool
    published_by: OperatorStampDocument | None
    intervals: list[Interval]
    totals: DayTotals


class Account(BaseModel):
    """Total of one account or group of accounts. difference_yuan: ledger less independent computation, must be 0."""

    account: str = Field(examples=["D_sup"])
    group: bool
    accounts: int
    ledger_yuan: Yuan
    independent_yuan: Yuan
    difference_yuan: Yuan


class Accounts(BaseModel):
    """Account totals of a day or an interval. sum_yuan and independent_sum_yuan must both be 0."""

    day: str
    interval: int | None
    settled_intervals: int
    accounts: list[Account]
    sum_yuan: Yuan
    independent_sum_yuan: Yuan


class StatementSummary(BaseModel):
    """One statement of a day. seller_class: null for a pure user and for accounts that are no participant's."""

    account: str = Field(examples=["P00001"])
    seller_class: str | None
    meters: int
    total_yuan: YuanFen
    ledger_yuan: Yuan
    rounding_yuan: Yuan


class StatementLineDocument(BaseModel):
    """One line, rounded once. exact_yuan: before rounding. rule_version, input_hash: what it was computed from."""

    line: int
    kind: str
    energy_wh: int
    amount_yuan: YuanFen
    exact_yuan: Yuan
    rule_version: str
    input_hash: str


class StatementDocument(StatementSummary):
    """A statement with its lines, which add up to the total."""

    day: str
    first_interval: int
    last_interval: int
    metering_points: list[StatementMeter]
    lines: list[StatementLineDocument]


class StatementDays(BaseModel):
    """The operating days that have statements, newest first."""

    days: list[str]


class Quarantine(BaseModel):
    """What was refused. reasons: all of it, by kind and reason; items: one page of single things, newest first."""

    reasons: list[RefusalReason]
    items: list[RefusalView]
    next_cursor: str | None


class Health(BaseModel):
    """The hub answers. last_job_utc_s: the newest instant whose jobs are done; null before the first."""

    status: str = Field(examples=["ok"])
    version: str
    now_utc_s: int
    last_job_utc_s: int | None


def interval_document(summary: IntervalSummary) -> Interval:
    """Return the document of one interval."""
    return Interval.model_validate(_interval_fields(summary))


def interval_result_document(
    summary: IntervalSummary,
    units: list[UnitResult],
    supply: list[CurvePoint],
    demand: list[CurvePoint],
    published_by: OperatorStampDocument | None,
) -> IntervalResult:
    """Return the document of one interval with its clearing."""
    result = {"units": units, "supply": supply, "demand": demand, "published_by": published_by}
    return IntervalResult.model_validate(_interval_fields(summary) | result)


def account_document(total: AccountTotal) -> Account:
    """Return the document of one account total."""
    return Account(
        account=total.account,
        group=total.group,
        accounts=total.accounts,
        ledger_yuan=yuan_text_from_nano_yuan(total.ledger_nano_yuan),
        independent_yuan=yuan_text_from_nano_yuan(total.independent_nano_yuan),
        difference_yuan=yuan_text_from_nano_yuan(total.ledger_nano_yuan - total.independent_nano_yuan),
    )


def statement_summary(head: StatementHead) -> StatementSummary:
    """Return the document of one statement without its lines."""
    return StatementSummary(
        account=head.account,
        seller_class=head.seller_class,
        meters=head.meters,
        total_yuan=yuan_text_from_fen(head.total_fen),
        ledger_yuan=yuan_text_from_nano_yuan(head.ledger_nano_yuan),
        rounding_yuan=yuan_text_from_nano_yuan(head.rounding_nano_yuan),
    )


def statement_document(statement: Statement) -> StatementDocument:
    """Return the document of one statement with its lines."""
    return StatementDocument(
        **statement_summary(statement.head).model_dump(),
        day=statement.day,
        first_interval=statement.first_interval,
        last_interval=statement.last_interval,
        metering_points=list(statement.meters),
        lines=[
            StatementLineDocument(
                line=line.line,
                kind=line.kind,
                energy_wh=line.energy_wh,
                amount_yuan=yuan_text_from_fen(line.amount_fen),
                exact_yuan=yuan_text_from_nano_yuan(line.exact_nano_yuan),
                rule_version=line.rule_version,
                input_hash=line.input_hash,
            )
            for line in statement.lines
        ],
    )


def _interval_fields(summary: IntervalSummary) -> dict[str, object]:
    fields = dict(vars(summary))
    total = fields.pop("account_sum_nano_yuan")
    fields["modes"] = list(summary.modes)
    fields["account_sum_yuan"] = None if total is None else yuan_text_from_nano_yuan(total)
    return fields
