"""A register for the toy county: its province's rules, its units, and parties behind chosen meters."""

from collections.abc import Iterable
from datetime import date
from typing import Any

import msgspec
from sqlalchemy import Engine

from edge.contract.interval import first_interval_of_day, start_utc_s
from hub.market.registry.events import Event
from hub.usecases.registry_event import Appended, LoadedRegister, RegistrySubmission, submit_event

COUNTY = "toy"
SUPPLY_NOTICE_DAYS, SALE_NOTICE_DAYS = 10, 5


def noon(day: date) -> int:
    return start_utc_s(first_interval_of_day(day) + 48)


def take(engine: Engine, events: Iterable[dict[str, Any]], day: date) -> list[RegistrySubmission]:
    """Let the events be recorded on the day; return what became of each."""
    loaded, said = LoadedRegister(COUNTY), []
    for row in events:
        event = msgspec.convert({"recorded_on": "0001-01-01"} | row, Event)
        loaded, submission = submit_event(engine, loaded, event, actor="operator", now=lambda: noon(day))
        said.append(submission)
    return said


def stand(engine: Engine, events: Iterable[dict[str, Any]], day: date) -> None:
    """The same, of which none is refused."""
    for submission in take(engine, events, day):
        assert isinstance(submission, Appended)
        assert submission.record.outcomes.outcome == "recorded", submission.record.outcomes


def rules() -> list[dict[str, Any]]:
    """Defaults: AGENCY for business, GUARANTEED for households, PURCHASE for sellers; notice of ten and five days."""
    band = {"voltage_max_v": 35_000, "capacity_above_w": 0, "capacity_max_w": 20_000_000}
    band |= {"nets_own_load": True, "needs_local_consumption": False}
    business = {"category": "COMMERCIAL_INDUSTRIAL", "default": "AGENCY", "allowed": ["AGENCY", "DIRECT", "RETAIL"]}
    households = {"category": "RESIDENTIAL", "default": "GUARANTEED", "allowed": ["GUARANTEED"]}
    seller = {"default": "PURCHASE", "allowed": ["PURCHASE", "COMMISSION", "DIRECT"]}
    found = [
        {"rule": "GenerationEligibility", "bands": [band]},
        {"rule": "WholesaleAccess", "threshold_wh": None, "is_inclusive": True},
        {"rule": "SupplyChoice"} | business,
        {"rule": "SupplyChoice"} | households,
        {"rule": "SaleChoice", "seller_class": "INDEPENDENT_DG_DEVELOPER"} | seller,
        {"rule": "ElectionNotice", "supply_days": SUPPLY_NOTICE_DAYS, "sale_days": SALE_NOTICE_DAYS},
    ]
    period = {"from_day": "2016-01-01"}
    common = {"province": "P", "period": period, "document": "toy rules", "source": "made up"}
    versions = [common | {"version_id": f"v{number}", "rule": one} for number, one in enumerate(found)]
    events = [{"event": "RuleEnacted", "event_id": one["version_id"], "version": one} for one in versions]
    for unit_id, parent, kind in (("toy", None, "COUNTY"), ("A002", "toy", "AREA")):
        events.append(
            {"event": "UnitEstablished", "event_id": f"unit-{unit_id}", "unit_id": unit_id, "parent_id": parent}
            | {"kind": kind, "province": None if parent else "P", "operating_mode": "INDEPENDENT"}
            | {"effective_from": "2016-01-01"}
        )
    element = {"element": "A2", "superior": None, "room_kw": 10_000, "grade": "green"}
    capacity = {
        "event": "CapacityPublished",
        "event_id": "capacity",
        "assessed_on": "2016-01-01",
        "elements": [element],
    }
    return [*events, capacity]


def party(name: str, participant_class: str) -> list[dict[str, Any]]:
    """Somebody who applied and was admitted on 1 May."""
    identity = {"kind": "LEGAL_PERSON", "name": name, "legal_id": f"L-{name}"}
    dated = {"participant_id": name, "effective_from": "2016-05-01"}
    applied = {"event": "ParticipantApplied", "event_id": f"{name}-applied", "participant_class": participant_class}
    applied |= {"identity": identity, "settlement_account": f"acc-{name}", "certificate_account": None}
    admitted = {"event": "ParticipantAdmitted", "event_id": f"{name}-admitted"}
    return [applied | {"utility_id": None} | dated, admitted | dated]


def plant(name: str, meter_id: str) -> dict[str, Any]:
    """A plant of the party behind a meter of area A002."""
    event = {"event": "ProjectApplied", "event_id": f"{name}-plant", "project_id": name, "participant_id": name}
    event |= {"meter_ids": [meter_id], "unit_id": "A002", "transformer_area": "A2", "element": "A2", "voltage_v": 400}
    event |= {"installed_capacity_w": 160_000, "own_load_max_w": 0, "is_consumed_within_level": True}
    event |= {"technology": "SOLAR", "is_self_use": False, "commercial_operation_on": None}
    return event | {"effective_from": "2016-05-01"}


def user_point(name: str, meter_id: str) -> dict[str, Any]:
    """A business's metering point in area A002."""
    event = {"event": "UserPointRegistered", "event_id": f"{name}-point", "participant_id": name, "meter_id": meter_id}
    event |= {"unit_id": "A002", "transformer_area": "A2", "voltage_v": 400, "contracted_capacity_va": 50_000}
    event |= {"category": "COMMERCIAL_INDUSTRIAL", "tariff": "SINGLE_PART", "annual_consumption_wh": 10**9}
    return event | {"effective_from": "2016-05-01"}


def sale_elected(name: str, meter_id: str, mode: str, from_day: date) -> dict[str, Any]:
    election = {"event": "SaleElected", "event_id": name, "election_id": name, "meter_id": meter_id, "mode": mode}
    return election | {"surplus_mode": None, "period": {"from_day": from_day.isoformat()}}


def supply_elected(name: str, meter_id: str, mode: str, from_day: date) -> dict[str, Any]:
    election = {"event": "SupplyElected", "event_id": name, "election_id": name, "meter_id": meter_id, "mode": mode}
    return election | {"retailer_id": None, "period": {"from_day": from_day.isoformat()}}
