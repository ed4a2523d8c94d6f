"""The summary of a day, pure: what hub, edges, world and province say, put together and checked against each other.

The hub answers Ask "summary" with a HubSummary. What one process says is never believed where another one says it too:
readings published (edges) against admitted (hub), the exchange with the province in the hub's ledger against the
province's own settlement, the county gateway's energy by the hub's registers against the world's physics.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from simulators.demo.bad_input import MALFORMED, OffenceOutcome
from simulators.demo.kills import Kill
from simulators.demo.memory import MemoryPeak

LAWS = ("1", "2", "3", "4", "5", "6", "7", "8")


class SummaryError(Exception):
    """A process answered with a document that is not what was agreed."""


class ReadingCounts(msgspec.Struct, frozen=True):
    """Readings by outcome, warm-up included: admitted are unique (meter, instant)."""

    admitted: int
    duplicate: int
    quarantined: int


class OrderCounts(msgspec.Struct, frozen=True):
    """Orders by outcome, unique order ids."""

    accepted: int
    rejected: int


class EnergyTotals(msgspec.Struct, frozen=True):
    """Metered energy of the settled intervals, Wh, from registers."""

    gateway_import_wh: int
    gateway_export_wh: int
    generation_wh: int
    load_wh: int
    charge_wh: int
    discharge_wh: int
    loss_wh: int


class ProvinceLegs(msgspec.Struct, frozen=True):
    """The exchange with the province as the hub's ledger has it, over the settled intervals, never netted."""

    import_wh: int
    export_wh: int
    import_amount_nano_yuan: int
    export_amount_nano_yuan: int


class LawResult(msgspec.Struct, frozen=True):
    """How often a law of DESIGN 4 was checked, and what broke it (in words)."""

    checked: int
    violations: list[str]


class HubSummary(msgspec.Struct, frozen=True):
    """The hub's answer to "summary".

    intervals: how many were settled. refused: refusals of readings, orders and messages by reason. traded_wh: by mode
    ("mode_1", "mode_2", "mode_3", "province_import", "province_export"). money_nano_yuan: by account; groups of
    accounts may be one entry, the sum must be the sum of all. violations: "expected_before", "expected_after",
    "metered". report: what -> file.
    """

    metering_points: int
    intervals: int
    readings: ReadingCounts
    orders: OrderCounts
    refused: dict[str, int]
    traded_wh: dict[str, int]
    energy: EnergyTotals
    money_nano_yuan: dict[str, int]
    residual_nano_yuan: int
    province: ProvinceLegs
    violations: dict[str, int]
    setpoints: int
    curtailed_wh: int
    laws: dict[str, LawResult]
    result_hash: str
    report: dict[str, str] = {}


class WorldEnergy(msgspec.Struct, frozen=True):
    """Physical energies of the settled intervals, Wh, rounded once from exact sums."""

    gateway_import: int
    gateway_export: int
    generation: int
    curtailed: int
    load: int
    loss: int
    loss_inside_microgrids: int


class WorstCase(msgspec.Struct, frozen=True):
    """The element that was worst off. value: per unit for a voltage, and of the rating for a loading (1.4 = 140 %)."""

    element: str
    interval: int
    value: float


class WorldStress(msgspec.Struct, frozen=True):
    """How often limits were broken, summed over intervals, in how many intervals any was, and the worst of all."""

    violating_intervals: int
    highest_voltage: WorstCase
    worst_transformer: WorstCase
    buses_too_high: int
    buses_too_low: int
    transformers_overloaded: int
    transformers_reversed: int
    lines_overloaded: int

    @property
    def violations(self) -> int:
        """Broken limits, summed over elements and intervals."""
        overloaded = self.transformers_overloaded + self.transformers_reversed + self.lines_overloaded
        return self.buses_too_high + self.buses_too_low + overloaded


class WorldSummary(msgspec.Struct, frozen=True):
    """What is compared of the world's answer to "world/FROM/TO": the same weather with setpoints and without."""

    intervals: int
    energy_wh: WorldEnergy
    with_control: WorldStress
    without_control: WorldStress


class ProvinceSettlement(msgspec.Struct, frozen=True):
    """One interval of the province's own settlement (its HTTP API)."""

    interval: int
    metered_import_wh: int
    metered_export_wh: int
    import_amount_nano_yuan: int
    export_amount_nano_yuan: int


class ProvinceSettlements(msgspec.Struct, frozen=True):
    """The province's answer to GET /v1/settlements."""

    settlements: list[ProvinceSettlement]


@dataclass(frozen=True)
class RunFacts:
    """What the conductor itself knows. from_interval, to_interval: half-open range of settled intervals.

    edge_counts: last counts of each edge process. seconds: wall time by stage of the run. hub_seconds: by the hub's own
    stages, as it reported them.
    """

    day: str
    seed: int
    from_interval: int
    to_interval: int
    edge_counts: Mapping[str, Mapping[str, int]]
    seconds: Mapping[str, float]
    hub_seconds: Mapping[str, float]
    memory: MemoryPeak
    kills: Sequence[Kill] = ()
    bad_input: Sequence[OffenceOutcome] = ()
    restarts: Mapping[str, int] = field(default_factory=dict)

    @property
    def published_readings(self) -> int:
        """Readings that the edges put into their outboxes, unique by meter and instant."""
        return _sum_of(self.edge_counts, "published_readings")

    @property
    def published_orders(self) -> int:
        """Orders that the edges put into their outboxes, unique by order id."""
        return _sum_of(self.edge_counts, "published_orders")


@dataclass(frozen=True)
class Check:
    """One comparison across processes."""

    name: str
    holds: bool
    what: str

    def document(self) -> dict[str, object]:
        """Return the check as a row of the summary."""
        return {"name": self.name, "holds": self.holds, "what": self.what}


@dataclass(frozen=True)
class Summary:
    """The whole summary: the JSON document, what it was made of, and the checks that it names."""

    document: dict[str, object]
    facts: RunFacts
    hub: HubSummary
    world: WorldSummary
    checks: tuple[Check, ...]

    @property
    def holds(self) -> bool:
        """Tell whether every check holds."""
        return not self.failed_checks

    @property
    def failed_checks(self) -> tuple[Check, ...]:
        """The checks that do not hold."""
        return tuple(check for check in self.checks if not check.holds)


def decode_hub_summary(document: bytes) -> HubSummary:
    """Return the hub's summary.

    :raises SummaryError: if the document is none
    """
    try:
        return msgspec.json.decode(document, type=HubSummary)
    except msgspec.DecodeError as error:
        raise SummaryError(f"the hub's summary: {error}") from None


def decode_world_summary(document: bytes) -> WorldSummary:
    """Return what is compared of the world's answer.

    :raises SummaryError: if the document is none
    """
    try:
        return msgspec.json.decode(document, type=WorldSummary)
    except msgspec.DecodeError as error:
        raise SummaryError(f"the world's summary: {error}") from None


def decode_province_settlements(document: bytes) -> tuple[ProvinceSettlement, ...]:
    """Return the province's settlements.

    :raises SummaryError: if the document holds none
    """
    try:
        return tuple(msgspec.json.decode(document, type=ProvinceSettlements).settlements)
    except msgspec.DecodeError as error:
        raise SummaryError(f"the province's settlements: {error}") from None


def summarise(
    facts: RunFacts, hub: HubSummary, world_document: bytes, settlements: Iterable[ProvinceSettlement]
) -> Summary:
    """Return the summary of the run; nothing in it is computed twice in different ways without being compared.

    :param world_document: the world's answer; it stands whole in the summary, beside what is compared of it
    :raises SummaryError: if the world's answer is none
    """
    world = decode_world_summary(world_document)
    settled = tuple(row for row in settlements if facts.from_interval <= row.interval < facts.to_interval)
    checks = (
        *_count_checks(facts, hub),
        *_energy_checks(facts, hub, world),
        *_money_checks(facts, hub, settled),
        *_law_checks(hub),
        *_disturbance_checks(facts, hub),
    )
    document: dict[str, object] = {
        "ok": all(check.holds for check in checks),
        "day": facts.day,
        "seed": facts.seed,
        "intervals": hub.intervals,
        "metering_points": hub.metering_points,
        "readings": {"published": facts.published_readings, **msgspec.structs.asdict(hub.readings)},
        "orders": msgspec.structs.asdict(hub.orders),
        "refused": dict(sorted(hub.refused.items())),
        "traded_wh": hub.traded_wh,
        "energy_wh": {name.removesuffix("_wh"): amount for name, amount in msgspec.structs.asdict(hub.energy).items()},
        "money_nano_yuan": hub.money_nano_yuan,
        "residual_nano_yuan": hub.residual_nano_yuan,
        "violations": {
            "uncontrolled": world.without_control.violations,
            **hub.violations,
            "world": world.with_control.violations,
        },
        "setpoints": hub.setpoints,
        "curtailed_wh": hub.curtailed_wh,
        "held_back_wh": world.energy_wh.curtailed,
        "laws": {law: msgspec.to_builtins(result) for law, result in sorted(hub.laws.items())},
        "province": {"hub": msgspec.to_builtins(hub.province), "province": msgspec.to_builtins(_legs(settled))},
        "world": msgspec.json.decode(world_document),
        "kills": [kill.document() for kill in facts.kills],
        "bad_input": [
            {"what": outcome.what, "reason": outcome.reason, "told": list(outcome.told)} for outcome in facts.bad_input
        ],
        "restarts": dict(facts.restarts),
        "checks": [check.document() for check in checks],
        "seconds": {name: round(seconds, 3) for name, seconds in facts.seconds.items()},
        "hub_seconds": {name: round(seconds, 3) for name, seconds in facts.hub_seconds.items()},
        "peak_pss_bytes": facts.memory.pss_bytes,
        "peak_pss_by_process_bytes": dict(sorted(facts.memory.by_process_bytes.items())),
        "report": hub.report,
        "result_hash": hub.result_hash,
    }
    return Summary(document, facts, hub, world, checks)


def _count_checks(facts: RunFacts, hub: HubSummary) -> Iterable[Check]:
    expected = facts.to_interval - facts.from_interval
    yield Check("intervals settled", hub.intervals == expected, f"{hub.intervals} of {expected}")
    published = facts.published_readings
    yield Check(
        "readings published = admitted",
        published == hub.readings.admitted and published > 0,
        f"edges published {published}, the hub admitted {hub.readings.admitted}",
    )
    rogue_orders = sum(outcome.reason in {"off-tick", "above-cap"} for outcome in facts.bad_input)
    submitted = facts.published_orders + rogue_orders
    judged = hub.orders.accepted + hub.orders.rejected
    yield Check(
        "orders submitted = accepted + rejected",
        submitted == judged,
        f"{submitted} submitted, {hub.orders.accepted} accepted, {hub.orders.rejected} rejected",
    )
    if not facts.bad_input:
        quarantined = hub.readings.quarantined
        yield Check("no reading quarantined", quarantined == 0, f"{quarantined} quarantined")


def _energy_checks(facts: RunFacts, hub: HubSummary, world: WorldSummary) -> Iterable[Check]:
    """Compare registers with physics. A register shows whole Wh, so a difference of two is off by less than 1 Wh."""
    physical = world.energy_wh
    intervals = facts.to_interval - facts.from_interval
    yield Check("intervals simulated", world.intervals == intervals, f"{world.intervals} of {intervals}")
    for name, metered_wh, physical_wh, tolerance_wh in (
        ("gateway import", hub.energy.gateway_import_wh, physical.gateway_import, 1),
        ("gateway export", hub.energy.gateway_export_wh, physical.gateway_export, 1),
        ("loss", hub.energy.loss_wh, physical.loss, 2 * hub.metering_points),
    ):
        yield Check(
            f"{name} metered = physical",
            abs(metered_wh - physical_wh) <= tolerance_wh,
            f"registers {metered_wh} Wh, physics {physical_wh} Wh, at most {tolerance_wh} Wh apart",
        )


def _money_checks(facts: RunFacts, hub: HubSummary, settled: Sequence[ProvinceSettlement]) -> Iterable[Check]:
    total = sum(hub.money_nano_yuan.values())
    yield Check(
        "all accounts sum to zero",
        hub.residual_nano_yuan == 0 and total == 0,
        f"residual {hub.residual_nano_yuan} nano-yuan, sum of the accounts shown {total} nano-yuan",
    )
    expected = facts.to_interval - facts.from_interval
    theirs = _legs(settled)
    yield Check(
        "the province settles what our ledger holds",
        theirs == hub.province and len(settled) == expected,
        f"province {len(settled)} of {expected} intervals: {_legs_text(theirs)}; ledger: {_legs_text(hub.province)}",
    )


def _law_checks(hub: HubSummary) -> Iterable[Check]:
    for law in LAWS:
        result = hub.laws.get(law)
        if result is None:
            yield Check(f"law {law}", holds=False, what="the hub did not report it")
            continue
        broken = len(result.violations)
        what = f"checked {result.checked} times, broken {broken} times"
        first = f": {result.violations[0]}" if broken else ""
        yield Check(f"law {law}", result.checked > 0 and broken == 0, what + first)


def _disturbance_checks(facts: RunFacts, hub: HubSummary) -> Iterable[Check]:
    for kill in facts.kills:
        what = f"{kill.unreceipted} messages had no receipt, {kill.tries} tries"
        yield Check(f"kill -9 of {kill.what}", kill.is_done, what)
    for outcome in facts.bad_input:
        counted = hub.refused.get(outcome.reason, 0)
        told = ", ".join(outcome.told) or ("no receipt can name it" if outcome.reason == MALFORMED else "nothing")
        yield Check(
            f"bad input refused as {outcome.reason}",
            outcome.is_refused_as_it_should and counted > 0,
            f"{outcome.what}: the hub said {told}, counted {counted}",
        )


def _legs(settled: Iterable[ProvinceSettlement]) -> ProvinceLegs:
    rows = tuple(settled)
    return ProvinceLegs(
        import_wh=sum(row.metered_import_wh for row in rows),
        export_wh=sum(row.metered_export_wh for row in rows),
        import_amount_nano_yuan=sum(row.import_amount_nano_yuan for row in rows),
        export_amount_nano_yuan=sum(row.export_amount_nano_yuan for row in rows),
    )


def _legs_text(legs: ProvinceLegs) -> str:
    return (
        f"import {legs.import_wh} Wh for {legs.import_amount_nano_yuan} nano-yuan, "
        f"export {legs.export_wh} Wh for {legs.export_amount_nano_yuan} nano-yuan"
    )


def _sum_of(edge_counts: Mapping[str, Mapping[str, int]], name: str) -> int:
    return sum(counts.get(name, 0) for counts in edge_counts.values())
