"""The state of the registry and what it says of a day. It is written by fold.py alone; all values in it are frozen."""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from datetime import date

from edge.contract.registry import UnitKind
from hub.market.registry.contracts import Contract
from hub.market.registry.events import (
    Event,
    ProjectApplied,
    SaleElected,
    StorageRegistered,
    SupplyElected,
    UserPointRegistered,
)
from hub.market.registry.identities import LegalIdentity, Operator
from hub.market.registry.outcomes import Refusal, RefusedError
from hub.market.registry.participant_classes import (
    BiddingMode,
    OperatingMode,
    ParticipantClass,
    ParticipantStatus,
)
from hub.market.registry.periods import Period, Timeline
from hub.market.registry.provincial_rules import RuleVersion


@dataclass(frozen=True)
class Unit:
    """A balance unit. province: None below a county. operating_mode and operator belong to a county."""

    unit_id: str
    parent_id: str | None
    kind: UnitKind
    province: str | None
    from_day: date
    operating_mode: Timeline[OperatingMode]
    operator: Timeline[Operator]


@dataclass(frozen=True)
class Participant:
    """Who takes part. utility_id: whose arm it is, None for others. bidding: what it has chosen."""

    participant_id: str
    participant_class: ParticipantClass
    identity: LegalIdentity
    settlement_account: str
    certificate_account: str | None
    utility_id: str | None
    status: Timeline[ParticipantStatus]
    bidding: Timeline[BiddingMode]


@dataclass(frozen=True)
class Project:
    """A plant that was granted its connection. granted_on: when; period: from then until it is closed."""

    application: ProjectApplied
    granted_on: date
    period: Period


@dataclass(frozen=True)
class Element:
    """A network element with accessible capacity: room_kw is what is left of C2 now, listed_kw what the list said."""

    element: str
    superior: str | None
    grade: str
    listed_kw: int
    room_kw: int


@dataclass(frozen=True)
class Register:
    """The registry after some events. Tables by id; `waiting` in order of application; `events`: all that stand.

    territory: by (utility, unit). account_holders: who first had a settlement account. contracts: a contract assigned
    to another buyer stands once for each of its buyers, with adjoining periods.
    """

    rules: dict[str, RuleVersion] = field(default_factory=dict)
    utilities: dict[str, LegalIdentity] = field(default_factory=dict)
    units: dict[str, Unit] = field(default_factory=dict)
    territory: dict[tuple[str, str], tuple[Period, ...]] = field(default_factory=dict)
    participants: dict[str, Participant] = field(default_factory=dict)
    account_holders: dict[str, str] = field(default_factory=dict)
    user_points: dict[str, UserPointRegistered] = field(default_factory=dict)
    projects: dict[str, Project] = field(default_factory=dict)
    projects_of_meter: dict[str, tuple[str, ...]] = field(default_factory=dict)
    waiting: dict[str, ProjectApplied] = field(default_factory=dict)
    elements: dict[str, Element] = field(default_factory=dict)
    storages: dict[str, StorageRegistered] = field(default_factory=dict)
    virtual_plants: dict[str, Timeline[tuple[str, ...]]] = field(default_factory=dict)
    aggregations: dict[str, Timeline[tuple[str, ...]]] = field(default_factory=dict)
    supply_elections: dict[str, tuple[SupplyElected, ...]] = field(default_factory=dict)
    sale_elections: dict[str, tuple[SaleElected, ...]] = field(default_factory=dict)
    meter_of_election: dict[str, str] = field(default_factory=dict)
    users_of_retailer: dict[str, set[str]] = field(default_factory=dict)
    contracts: dict[str, tuple[Contract, ...]] = field(default_factory=dict)
    events: dict[str, Event] = field(default_factory=dict)

    def copied(self) -> "Register":
        """Return a register with tables of its own and the same values in them."""
        tables = {name.name: dict(getattr(self, name.name)) for name in fields(self)}
        tables["users_of_retailer"] = {name: set(meters) for name, meters in self.users_of_retailer.items()}
        return replace(self, **tables)


def participant_of(register: Register, participant_id: str) -> Participant:
    """Return the participant.

    :raises RefusedError: if there is none
    """
    found = register.participants.get(participant_id)
    if found is None:
        raise RefusedError(Refusal.UNKNOWN_PARTICIPANT, f"no participant {participant_id}")
    return found


def admitted(register: Register, participant_id: str, day: date) -> Participant:
    """Return the participant, which is admitted on the day (row 3: access, registration, not suspended).

    :raises RefusedError: if it is unknown or not admitted then
    """
    participant = participant_of(register, participant_id)
    status = participant.status.on(day)
    if status is not ParticipantStatus.ADMITTED:
        standing = "unknown" if status is None else status.value
        raise RefusedError(Refusal.NOT_ADMITTED, f"{participant_id} is {standing} on {day}, not admitted")
    return participant


def unit_of(register: Register, unit_id: str) -> Unit:
    """Return the unit.

    :raises RefusedError: if there is none
    """
    found = register.units.get(unit_id)
    if found is None:
        raise RefusedError(Refusal.UNKNOWN_UNIT, f"no balance unit {unit_id}")
    return found


def way_up(register: Register, unit_id: str) -> Iterator[Unit]:
    """Yield the unit and all units that it lies in, the county last."""
    unit: Unit | None = unit_of(register, unit_id)
    while unit is not None:
        yield unit
        unit = None if unit.parent_id is None else register.units[unit.parent_id]


def county_of(register: Register, unit_id: str) -> Unit:
    """Return the one county that the unit lies in (row 14)."""
    *_, county = way_up(register, unit_id)
    assert county.kind is UnitKind.COUNTY, "only a county has no parent"
    return county


def only_county(register: Register) -> str | None:
    """Return the id of the one county of the register, None if it holds none or several."""
    counties = [name for name, unit in register.units.items() if unit.kind is UnitKind.COUNTY]
    return counties[0] if len(counties) == 1 else None


def province_of(register: Register, unit_id: str) -> str:
    """Return the province whose rules hold in the unit."""
    province = county_of(register, unit_id).province
    assert province is not None, "a county states its province"
    return province


def utilities_of(register: Register, unit_id: str, day: date) -> tuple[str, ...]:
    """Return the utilities in whose territory the unit lies on the day, by id (row 16: there may be several)."""
    inside = {unit.unit_id for unit in way_up(register, unit_id)}
    return tuple(
        sorted(
            {
                utility_id
                for (utility_id, served), periods in register.territory.items()
                if served in inside and any(period.holds(day) for period in periods)
            }
        )
    )


def units_of(register: Register, utility_id: str, day: date) -> tuple[str, ...]:
    """Return the units that the utility was granted and serves on the day, by id (row 16)."""
    return tuple(
        sorted(
            unit_id
            for (served_by, unit_id), periods in register.territory.items()
            if served_by == utility_id and any(period.holds(day) for period in periods)
        )
    )


def operator_of(register: Register, unit_id: str, day: date) -> Operator | None:
    """Return who runs the platform of the unit's county on the day; its identity goes on every result (row 19)."""
    return county_of(register, unit_id).operator.on(day)


def operating_mode_of(register: Register, unit_id: str, day: date) -> OperatingMode | None:
    """Return whether the unit's county is a sub-market or independent on the day (row 18)."""
    return county_of(register, unit_id).operating_mode.on(day)


def unit_of_meter(register: Register, meter_id: str) -> str:
    """Return the balance unit of a user's or plant's meter.

    :raises RefusedError: if the meter is unknown
    """
    return _record_of_meter(register, meter_id).unit_id


def owner_of_meter(register: Register, meter_id: str) -> str:
    """Return the participant whose user's or plant's meter it is.

    :raises RefusedError: if the meter is unknown
    """
    return _record_of_meter(register, meter_id).participant_id


def project_on(register: Register, meter_id: str, day: date) -> Project | None:
    """Return the plant behind the meter that stands on the day; there is one at most."""
    projects = (register.projects[project_id] for project_id in register.projects_of_meter.get(meter_id, ()))
    return next((project for project in projects if project.period.holds(day)), None)


def _record_of_meter(register: Register, meter_id: str) -> UserPointRegistered | ProjectApplied:
    """Return what entered the meter: its user's point, else its newest plant."""
    point = register.user_points.get(meter_id)
    if point is not None:
        return point
    projects = register.projects_of_meter.get(meter_id)
    if not projects:
        raise RefusedError(Refusal.UNKNOWN_METER, f"no metering point {meter_id}")
    return register.projects[projects[-1]].application
