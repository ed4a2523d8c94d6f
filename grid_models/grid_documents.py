"""What `microbalance grid` prints: one document a command, as structs from which the JSON Schemas are made.

Power MW, energy MWh, voltages per unit of the bus's vn_kv or in volts line to line, loading in percent of the rating.
None stands where there is no number: nothing binds, there is no rating, there was no solution. Times are local, of the
profile year.
"""

from collections.abc import Mapping

import msgspec

from grid_models.capacity_list import CapacityEntry


class ProblemRow(msgspec.Struct, frozen=True):
    """A problem. severity: "error" or "warning". element: its name."""

    severity: str
    element: str
    what: str


class CheckDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with a network. counts: elements of each kind."""

    network: str
    counts: dict[str, int]
    errors: int
    warnings: int
    problems: list[ProblemRow]


class FailureRow(msgspec.Struct, frozen=True):
    """A state without a solution. at: its time, None for the nominal state. bus: the largest power mismatch."""

    at: str | None
    bus: str
    reason: str


class VoltageRow(msgspec.Struct, frozen=True):
    """A bus's voltage. margin_percent: to the nearer limit, of the nominal voltage; negative: outside the band."""

    bus: str
    vm_pu: float
    v_v: float
    v_min_v: float
    v_max_v: float
    margin_percent: float


class LoadingRow(msgspec.Struct, frozen=True):
    """A line's or transformer's loading, the higher of its ends."""

    element: str
    loading_percent: float


class LossRow(msgspec.Struct, frozen=True):
    """Energy lost in a line or transformer."""

    element: str
    loss_mwh: float


class PowerFlowDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The nominal state. source_*: what the feeding points deliver. voltages, loadings: the worst, the worst first.

    buses_below, buses_above: outside their bands. overloaded: lines and transformers above their rating. without_limit:
    those that have none and are never overloaded.
    """

    network: str
    engine: str
    load_scale: float
    generation_scale: float
    converged: bool
    failures: list[FailureRow]
    load_mw: float
    generation_mw: float
    source_p_mw: float | None
    source_q_mvar: float | None
    loss_mw: float | None
    buses_below: int
    buses_above: int
    overloaded: int
    without_limit: int
    voltages: list[VoltageRow]
    loadings: list[LoadingRow]


class VoltageRangeRow(msgspec.Struct, frozen=True, kw_only=True):
    """A bus's voltages over the period; percentiles_pu: by percent, None unless asked for."""

    bus: str
    v_min_pu: float
    v_min_at: str
    v_max_pu: float
    v_max_at: str
    margin_percent: float
    hours_below: float
    hours_above: float
    percentiles_pu: dict[str, float] | None


class LoadingRangeRow(msgspec.Struct, frozen=True, kw_only=True):
    """A line's or transformer's loading over the period; percentiles_percent: by percent, None unless asked for."""

    element: str
    loading_max_percent: float
    at: str
    hours_overloaded: float
    percentiles_percent: dict[str, float] | None


class PeriodDocument(msgspec.Struct, frozen=True, kw_only=True):
    """AC power flows of every quarter-hour from `start` until `end`. failures: quarter-hours without a solution.

    buses_below, buses_above, overloaded: how many ever were; *_hours_*: the hours of all of them added up. voltages,
    loadings, losses: the worst first.
    """

    network: str
    engine: str
    load_scale: float
    generation_scale: float
    start: str
    end: str
    quarter_hours: int
    solved: int
    failures: list[FailureRow]
    loss_mwh: float
    buses_below: int
    buses_above: int
    overloaded: int
    bus_hours_below: float
    bus_hours_above: float
    element_hours_overloaded: float
    voltages: list[VoltageRangeRow]
    loadings: list[LoadingRangeRow]
    losses: list[LossRow]


class HostingRow(msgspec.Struct, frozen=True, kw_only=True):
    """Capacity of a bus for a new plant, None: nothing binds. limit in limit_unit, "V" or "kA". at: hour that binds.

    certified: a full AC power flow confirms the figure in that hour. proven: no hour is lower, by full AC power flows
    of every hour; None where there is one state only. with_registered_*: once the registered plants feed in too;
    with_storage_*: once storage charges on top of that; None where none are given.
    """

    bus: str
    capacity_mw: float | None
    kind: str
    element: str
    limit: float | None
    limit_unit: str
    at: str | None
    certified: bool
    proven: bool | None
    with_registered_mw: float | None
    with_registered_kind: str | None
    with_storage_mw: float | None
    with_storage_kind: str | None


class KindTotal(msgspec.Struct, frozen=True, kw_only=True):
    """Buses whose capacity one kind of limit binds; their least, middle and largest capacity."""

    kind: str
    buses: int
    min_mw: float | None
    median_mw: float | None
    max_mw: float | None


class BreachRow(msgspec.Struct, frozen=True):
    """What was outside its limit before any plant: pu of vn_kv, or share of the rating. at: its hour."""

    element: str
    kind: str
    value: float
    limit: float
    at: str | None


class SearchedHours(msgspec.Struct, frozen=True, kw_only=True):
    """How the least of many hours was found. searched: hours in which capacities were searched; searches: in all.

    missed: hours that the screening had not chosen and a proof found lower. proven: buses proven over every hour.
    """

    screened: bool
    searched: int
    searches: int
    missed: list[str]
    proven: int


class ShortCircuitRow(msgspec.Struct, frozen=True, kw_only=True):
    """Maximum three-phase I_k'' (IEC 60909) at a station, with the plant of `bus` at its hosting capacity.

    without_ka: as the network is. with_plants_ka: with that plant and those registered. outcome: "passed" or "failed".
    """

    station: str
    bus: str
    plant_mva: float
    without_ka: float
    with_plants_ka: float
    breaker_ka: float
    outcome: str


class HostingQuestionDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What every answer about hosting begins with. registered_mw, storage_mw: plants and charging that were added."""

    network: str
    engine: str
    load_scale: float
    generation_scale: float
    power_factor: float
    absorbs_reactive: bool
    quarter_hours: int
    start: str | None
    end: str | None
    registered_mw: float
    storage_mw: float


class HostingDocument(HostingQuestionDocument, frozen=True, kw_only=True):
    """Hosting capacity of buses, each alone; over several quarter-hours the least.

    breaches: of each hour; of screened hours each once, at its worst. short_circuits: None unless asked for.
    """

    hours: SearchedHours | None
    totals: list[KindTotal]
    breaches: list[BreachRow]
    buses: list[HostingRow]
    short_circuits: list[ShortCircuitRow] | None


class PlacementQuantile(msgspec.Struct, frozen=True, kw_only=True):
    """percent of the draws take mw or less; draws: how many do."""

    percent: int
    mw: float
    draws: int


class PlacementBinding(msgspec.Struct, frozen=True, kw_only=True):
    """What stopped so many draws, and the median capacity of those."""

    kind: str
    element: str
    draws: int
    median_mw: float


class PlacementDraw(msgspec.Struct, frozen=True, kw_only=True):
    """One draw: what fitted, and what the next plant would have breached. at: the hour that binds."""

    mw: float
    plants: int
    kind: str
    element: str
    at: str | None


class PlacementDocument(HostingQuestionDocument, frozen=True, kw_only=True):
    """Random placement of plants of size_min_mw to size_max_mw at `sites` buses until the first limit binds.

    draws: in their order; the same seed gives the same. bindings: the most frequent first.
    """

    seed: int
    size_min_mw: float
    size_max_mw: float
    sites: int
    quantiles: list[PlacementQuantile]
    bindings: list[PlacementBinding]
    draws: list[PlacementDraw]


class RegionPoint(msgspec.Struct, frozen=True, kw_only=True):
    """A point of the boundary; None: nothing binds. outside: a breach is certified at this factor on both plants."""

    angle_degree: float
    first_mw: float | None
    second_mw: float | None
    kind: str
    element: str
    at: str | None
    outside: float | None


class RegionDocument(HostingQuestionDocument, frozen=True, kw_only=True):
    """How much two buses take together: the boundary from all at the first bus to all at the second."""

    first: str
    second: str
    points: list[RegionPoint]


class GradeDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The list by DL/T 2041. parameters: all that were applied. unverified: what no primary source confirms."""

    network: str
    edition: str
    parameters: dict[str, float | str | None]
    unverified: list[str]
    grades: dict[str, int]
    entries: list[CapacityEntry]


class ContributionRow(msgspec.Struct, frozen=True):
    """What one load or plant contributes.

    kind: "load" or "plant". p_mw: into the network. contribution_mw: to the flow, positive where it adds to it,
    negative where it relieves the branch. share_percent: of the flow net of losses; None where that is nothing.
    """

    point: str
    kind: str
    bus: str
    p_mw: float
    contribution_mw: float
    share_percent: float | None


class ExplainDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Who loads a line or transformer in one state.

    at: time of the profiles' row, None for the nominal state. method: "path" or "current-divider" (meshed part).
    direction: "export" towards the feeding points, "import" away from them. flow_mw: at the end nearer to them, >= 0.
    loading_percent: of the rated current; None without a rating. net_mw: the sum of all contributions; losses_mw: what
    the flow differs from it, so that flow = net + losses where power comes down and flow = net - losses where it goes
    up; in a meshed part, what circulates is among it. points: the largest contributions, `others_mw` those of the
    `n_others` not listed; relieving ones stand last.
    """

    network: str
    element: str
    at: str | None
    method: str
    direction: str
    flow_mw: float
    loading_percent: float | None
    net_mw: float
    losses_mw: float
    points: list[ContributionRow]
    n_others: int
    others_mw: float


DOCUMENTS: Mapping[str, type[msgspec.Struct]] = {
    "grid-check": CheckDocument,
    "grid-powerflow": PowerFlowDocument,
    "grid-powerflow-profiles": PeriodDocument,
    "grid-hosting": HostingDocument,
    "grid-hosting-placement": PlacementDocument,
    "grid-hosting-region": RegionDocument,
    "grid-grade": GradeDocument,
    "grid-explain": ExplainDocument,
}
"""Name of each output, as `microbalance schema` knows it, and its document."""
