"""What a day report shows, as frozen values: integers with their units, nothing worded and nothing rounded."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from grid_models.capacity_list import CapacityEntry
from hub.market.registry.published_results import OperatorStamp
from hub.market.trades import Party
from hub.reports.reason_figures import GreenFigures, IntervalReason

MODES = (1, 2, 3, 0)
"""The trading modes in the order of the report; 0 is what the province sells to the county."""

STAGES = ("expected", "cleared", "metered")
"""The checked states, as LimitViolationRow names them: without control, after clearing and control, as metered."""


@dataclass(frozen=True)
class VoltageLimits:
    """The band of permitted voltages, micro-pu of nominal, to be drawn beside the values."""

    vm_min_upu: int
    vm_max_upu: int


@dataclass(frozen=True)
class IntervalFigures:
    """One interval; None is "no data". Its fields, in this order, are the columns of the table of intervals.

    Prices micro-yuan/kWh, energy Wh, vm micro-pu of nominal, loading thousandths of a percent of the rating.
    import, export: at the county gateway, as metered and settled. mode_*: cleared pairs; mode_0: sold by the province;
    exported: of all pairs, what the province bought. loss: by registers, ac_loss: by AC power flow on metered energy.
    *_expected: without any control, *_cleared: after clearing, setpoints and curtailment, *_metered: by metered energy.
    *_excess: how far the worst voltage, current or power of an edge lies outside its limit, per mille of the limit;
    0: all are inside.
    account_sum: over all accounts, by the ledger.
    """

    interval: int
    label: str
    root_price_uyuan_per_kwh: int | None
    indicative_uyuan_per_kwh: int | None
    real_time_uyuan_per_kwh: int | None
    scheduled_import_wh: int | None
    scheduled_export_wh: int | None
    import_wh: int | None
    export_wh: int | None
    mode_1_wh: int
    mode_2_wh: int
    mode_3_wh: int
    mode_0_wh: int
    exported_wh: int
    loss_wh: int | None
    ac_loss_wh: int | None
    setpoints: int
    curtailed_wh: int
    substituted: int
    violations_expected: int | None
    violations_cleared: int | None
    violations_metered: int | None
    voltage_excess_expected_per_mille: int | None
    voltage_excess_cleared_per_mille: int | None
    voltage_excess_metered_per_mille: int | None
    current_excess_expected_per_mille: int | None
    current_excess_cleared_per_mille: int | None
    current_excess_metered_per_mille: int | None
    power_excess_expected_per_mille: int | None
    power_excess_cleared_per_mille: int | None
    power_excess_metered_per_mille: int | None
    vm_min_cleared_upu: int | None
    vm_max_cleared_upu: int | None
    loading_cleared_mpercent: int | None
    vm_min_metered_upu: int | None
    vm_max_metered_upu: int | None
    loading_metered_mpercent: int | None
    account_sum_nano_yuan: int | None


@dataclass(frozen=True)
class PairSums:
    """All pairs of one interval and mode that the same kind of party bought. paid, received: energy x price."""

    interval: int
    mode: int
    buyer_party: Party
    pairs: int
    energy_wh: int
    paid_nano_yuan: int
    received_nano_yuan: int


@dataclass(frozen=True)
class ModeFigures:
    """Volume of one mode. exported: of that, bought by the province. paid, received: sums of energy x price."""

    mode: int
    pairs: int
    energy_wh: int
    exported_wh: int
    paid_nano_yuan: int
    received_nano_yuan: int


@dataclass(frozen=True)
class AccountTotal:
    """One account of the ledger and the group under which it is shown: received less paid, two computations."""

    account: str
    group: str
    ledger_nano_yuan: int
    independent_nano_yuan: int


@dataclass(frozen=True)
class AccountFigures:
    """One account, or a group of participants' accounts. ledger, independent: received less paid, two computations.

    statement_fen, rounding_nano_yuan: of the day's statements, None if none were issued.
    """

    name: str
    accounts: int
    ledger_nano_yuan: int
    independent_nano_yuan: int
    statement_fen: int | None
    rounding_nano_yuan: int | None


@dataclass(frozen=True)
class FlowFigures:
    """What was paid for one kind of transfer (TransferKind name) over all accounts; negative: net the other way."""

    kind: str
    energy_wh: int
    amount_nano_yuan: int


@dataclass(frozen=True)
class ProvinceFigures:
    """The exchange with the province, three times: scheduled, metered, and the money by the province and by us.

    money: what the province receives less what it pays for the metered exchange; None where it is not known.
    """

    scheduled_import_wh: int
    scheduled_export_wh: int
    import_wh: int
    export_wh: int
    province_nano_yuan: int | None
    ledger_nano_yuan: int | None


@dataclass(frozen=True)
class OrderFigures:
    """Orders of gateways on one side (trades.TradeSide name). filled: after curtailment, of the accepted ones."""

    side: str
    accepted: int
    rejected: int
    offered_wh: int
    filled_wh: int


@dataclass(frozen=True)
class LimitedSeller:
    """A seller whom limits hit. participant_class: seller class, "" for none. curtailed: taken after the last round.

    unsold_wh: offered by direct sale in intervals with a setpoint and not cleared; what was curtailed is not in it.
    """

    participant: str
    participant_class: str
    meter: str
    unit: str
    setpoints: int
    unsold_wh: int
    curtailed_wh: int


@dataclass(frozen=True)
class SetpointFigures:
    """Setpoints of one cause. ok: carried out; refused: answered otherwise; open: without an answer."""

    cause: str
    setpoints: int
    ok: int
    refused: int
    open: int


@dataclass(frozen=True)
class CurtailmentFigures:
    """Curtailment of one cause: rows, intervals, metering points and energy."""

    cause: str
    cuts: int
    intervals: int
    meters: int
    curtailed_wh: int


@dataclass(frozen=True)
class BindingEdge:
    """A balance unit whose edge to its parent carried its limit. shadow: the strongest of the day, signed."""

    unit: str
    kind: str
    intervals: int
    flow_max_wh: int
    shadow_uyuan_per_kwh: int


@dataclass(frozen=True)
class ViolationFigures:
    """Violations of one stage and kind of limit. excess: of the worst one, per mille of the limit."""

    stage: str
    kind: str
    violations: int
    intervals: int
    excess_per_mille: int


@dataclass(frozen=True)
class ViolatedElement:
    """A bus, line, transformer or edge outside its limit by metered energy, and in how many intervals."""

    element: str
    unit: str
    kind: str
    intervals: int
    excess_per_mille: int


@dataclass(frozen=True)
class RefusedFigures:
    """What was refused for one reason (RefusedKind name). distinct: without repeats of the same content."""

    kind: str
    reason: str
    distinct: int
    times: int


@dataclass(frozen=True)
class GapFigures:
    """Registers estimated at the meters of one gateway, or by one rule: in how many intervals and meters."""

    name: str
    registers: int
    meters: int
    intervals: int
    energy_wh: int


@dataclass(frozen=True)
class LawFigures:
    """One law of DESIGN 4. checked: how often since the books were opened.

    breaches: in these intervals, as (interval, place, what) in words.
    """

    law: int
    checked: int
    breaches: tuple[tuple[int, str, str], ...]


@dataclass(frozen=True)
class HostingFigures:
    """The newest list of hosting capacity at the day's end, as published: the county first, a unit before those below.

    units: empty if there is no list yet. omitted: why this day, which was to give one, did not; "" if it was not to.
    """

    units: tuple[CapacityEntry, ...]
    omitted: str


@dataclass(frozen=True)
class Provenance:
    """What the figures rest on.

    input_hash: SHA-256 over the input hashes of the settled intervals, the same as on the day's statements.
    """

    registry_sha256: str
    price_rules: tuple[str, ...]
    methods: tuple[str, ...]
    rule_versions: tuple[str, ...]
    input_hash: str


@dataclass(frozen=True)
class DayFigures:
    """All that the report shows of the intervals first..last (inclusive) of one operating day.

    published_by: who ran the platform on the day (row 19), None where the registry names nobody.
    settled: how many of them are settled. meters_unread: metering points that lack a register at the first or at the
    last instant, which the energy balance leaves out.
    """

    day: date
    county: str
    published_by: OperatorStamp | None
    first: int
    last: int
    settled: int
    metering_points: int
    gateways: int
    participants: int
    meters_unread: int
    intervals: tuple[IntervalFigures, ...]
    pairs: tuple[PairSums, ...]
    modes: tuple[ModeFigures, ...]
    energy_wh: Mapping[str, int]
    province: ProvinceFigures
    account_totals: tuple[AccountTotal, ...]
    accounts: tuple[AccountFigures, ...]
    flows: tuple[FlowFigures, ...]
    orders: tuple[OrderFigures, ...]
    limited: tuple[LimitedSeller, ...]
    setpoints: tuple[SetpointFigures, ...]
    curtailments: tuple[CurtailmentFigures, ...]
    binding: tuple[BindingEdge, ...]
    violations: tuple[ViolationFigures, ...]
    violated: tuple[ViolatedElement, ...]
    refused: tuple[RefusedFigures, ...]
    gap_rules: tuple[GapFigures, ...]
    gap_gateways: tuple[GapFigures, ...]
    laws: tuple[LawFigures, ...]
    hosting: HostingFigures
    reasons: tuple[IntervalReason, ...]
    green: GreenFigures
    provenance: Provenance

    @property
    def residual_nano_yuan(self) -> int:
        """Return the sum of all accounts, which must be 0."""
        return sum(account.ledger_nano_yuan for account in self.accounts)
