"""Contracts are signed, end and pass to other buyers (requirements rows 13, 22, 24, 25)."""

from datetime import date

import msgspec

from edge.contract.registry import SupplyMode
from hub.market.registry.contracts import Contract
from hub.market.registry.election_periods import supply_on
from hub.market.registry.events import ContractAssigned, ContractEnded, ContractSigned
from hub.market.registry.outcomes import Effect, Refusal, RefusedError
from hub.market.registry.participant_classes import ContractKind, ParticipantClass
from hub.market.registry.periods import Period
from hub.market.registry.register import (
    Participant,
    Register,
    admitted,
    county_of,
    owner_of_meter,
    unit_of_meter,
)
from hub.market.registry.unit_events import refuse_empty, refuse_past

# By kind: which class must sell, which must buy; None where the row leaves it open.
_CLASS_OF_SIDES = {
    ContractKind.DIRECT: (None, None),
    ContractKind.COMMISSION: (None, ParticipantClass.SUPPLY_ARM),
    ContractKind.RETAIL: (ParticipantClass.RETAILER, None),
    ContractKind.LISTING: (None, None),
}


def sign_contract(register: Register, event: ContractSigned) -> Effect:
    """Enter a contract between admitted participants, whose meters are their own and lie in one county (row 22).

    :raises RefusedError: if a side may not sign it, a meter is another's or elsewhere, or the curve does not sum
    """
    contract = event.contract
    if contract.contract_id in register.contracts:
        raise RefusedError(Refusal.TAKEN, f"there is a contract {contract.contract_id} already")
    refuse_empty(contract.period, contract.contract_id)
    start = contract.period.from_day
    if start < event.recorded_on:
        raise RefusedError(Refusal.RETROACTIVE, f"{contract.contract_id} begins before {event.recorded_on}")
    sides = (admitted(register, contract.seller_id, start), admitted(register, contract.buyer_id, start))
    if contract.seller_id == contract.buyer_id:
        raise RefusedError(Refusal.CLASS, f"{contract.contract_id}: {contract.seller_id} on both sides")
    for side, wanted in zip(sides, _CLASS_OF_SIDES[contract.kind], strict=True):
        if wanted is not None and side.participant_class is not wanted:
            raise RefusedError(Refusal.CLASS, f"{contract.contract_id}: {side.participant_id} is no {wanted.value}")
    if contract.energy_wh <= 0 or sum(contract.curve_wh) != contract.energy_wh or min(contract.curve_wh) < 0:
        raise RefusedError(Refusal.CURVE, f"{contract.contract_id}: the curve does not sum to {contract.energy_wh} Wh")
    _refuse_meters(register, contract, sides)
    if contract.kind is ContractKind.DIRECT:
        _refuse_captive_buyer(register, contract)
    register.contracts[contract.contract_id] = (contract,)
    return Effect()


def end_contract(register: Register, event: ContractEnded) -> Effect:
    """End a contract before its time.

    :raises RefusedError: if it is unknown, ends earlier anyway, or the day lies in the past
    """
    parts = _parts_around(register, event.contract_id, event.until_day, event.recorded_on)
    last = parts[-1]
    ended = msgspec.structs.replace(last, period=Period(last.period.from_day, event.until_day))
    register.contracts[event.contract_id] = (*parts[:-1], ended)
    return Effect()


def assign_contract(register: Register, event: ContractAssigned) -> Effect:
    """Let a contract pass to another buyer; what was before stays the former's (row 13).

    :raises RefusedError: if it is unknown, not in force then, the day lies in the past, or the buyer is not admitted
    """
    day = event.effective_from
    parts = _parts_around(register, event.contract_id, day, event.recorded_on)
    buyer = admitted(register, event.buyer_id, day)
    last = parts[-1]
    wanted = _CLASS_OF_SIDES[last.kind][1]
    if wanted is not None and buyer.participant_class is not wanted:
        raise RefusedError(Refusal.CLASS, f"{event.contract_id}: {event.buyer_id} is no {wanted.value}")
    before = msgspec.structs.replace(last, period=Period(last.period.from_day, day))
    after = msgspec.structs.replace(
        last, period=Period(day, last.period.until_day), buyer_id=event.buyer_id, buyer_meter_id=None
    )
    register.contracts[event.contract_id] = (*parts[:-1], before, after)
    return Effect()


def contract_on(register: Register, contract_id: str, day: date) -> Contract | None:
    """Return the contract as it is on the day, with its buyer of that day; None if it is not in force."""
    return next((part for part in register.contracts.get(contract_id, ()) if part.period.holds(day)), None)


def _parts_around(register: Register, contract_id: str, day: date, recorded_on: date) -> tuple[Contract, ...]:
    parts = register.contracts.get(contract_id)
    if parts is None:
        raise RefusedError(Refusal.UNKNOWN_CONTRACT, f"no contract {contract_id}")
    refuse_past(day, recorded_on, None)
    if not parts[-1].period.holds(day) or parts[-1].period.from_day == day:
        raise RefusedError(Refusal.UNKNOWN_CONTRACT, f"{contract_id} does not run over {day}")
    return parts


def _refuse_meters(register: Register, contract: Contract, sides: tuple[Participant, Participant]) -> None:
    counties = set()
    for side, meter_id in zip(sides, (contract.seller_meter_id, contract.buyer_meter_id), strict=True):
        if meter_id is None:
            continue
        if owner_of_meter(register, meter_id) != side.participant_id:
            raise RefusedError(Refusal.NOT_OWNER, f"{contract.contract_id}: {meter_id} is not {side.participant_id}'s")
        counties.add(county_of(register, unit_of_meter(register, meter_id)).unit_id)
    if len(counties) > 1:
        raise RefusedError(
            Refusal.OTHER_UNIT, f"{contract.contract_id}: the meters lie in {' and '.join(sorted(counties))}"
        )


def _refuse_captive_buyer(register: Register, contract: Contract) -> None:
    """Refuse a direct contract for a meter that the utility supplies: the same energy would be bought twice."""
    if contract.buyer_meter_id is None:
        return
    standing = supply_on(register, contract.buyer_meter_id, contract.period.from_day)
    if standing is None or standing.mode is not SupplyMode.DIRECT:
        mode = "not supplied" if standing is None else standing.mode.value
        raise RefusedError(Refusal.MODE_NOT_ALLOWED, f"{contract.contract_id}: {contract.buyer_meter_id} is {mode}")
