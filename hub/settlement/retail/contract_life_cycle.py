"""The life of a retail contract on the platform: offered, signed, amended, ended, never changed backwards (row 92).

All states and legal transitions stand in one table. A version holds from a first of month on; what holds in a month can
be changed until the cut-off before it, so no amendment reaches a month that has begun.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import Enum
from types import MappingProxyType
from typing import assert_never

import msgspec

from hub.market.registry.periods import Period, is_first_of_month
from hub.market.trades import Violation
from hub.settlement.retail.contract_terms import RetailTerms
from hub.settlement.retail.retail_rules import (
    AcknowledgementNeeded,
    RiskWarning,
    TermsAdmitted,
    TermsFault,
    TermsOutcome,
    TermsRefused,
)


class ContractState(Enum):
    """Where a contract stands."""

    OFFERED = "offered"
    WARNED = "warned"
    SIGNED = "signed"
    IN_FORCE = "in-force"
    ENDING = "ending"
    ENDED = "ended"
    WITHDRAWN = "withdrawn"


class ContractTrigger(Enum):
    """What makes the state change. WARN: signing with warnings that are not acknowledged yet."""

    SIGN = "sign"
    WARN = "warn"
    WITHDRAW = "withdraw"
    AMEND = "amend"
    TERMINATE = "terminate"
    BEGIN = "begin"
    END = "end"


TRANSITIONS: Mapping[tuple[ContractState, ContractTrigger], ContractState] = MappingProxyType(
    {
        (ContractState.OFFERED, ContractTrigger.SIGN): ContractState.SIGNED,
        (ContractState.OFFERED, ContractTrigger.WARN): ContractState.WARNED,
        (ContractState.OFFERED, ContractTrigger.WITHDRAW): ContractState.WITHDRAWN,
        (ContractState.WARNED, ContractTrigger.SIGN): ContractState.SIGNED,
        (ContractState.WARNED, ContractTrigger.WARN): ContractState.WARNED,
        (ContractState.WARNED, ContractTrigger.WITHDRAW): ContractState.WITHDRAWN,
        (ContractState.SIGNED, ContractTrigger.AMEND): ContractState.SIGNED,
        (ContractState.SIGNED, ContractTrigger.BEGIN): ContractState.IN_FORCE,
        (ContractState.SIGNED, ContractTrigger.TERMINATE): ContractState.SIGNED,
        (ContractState.SIGNED, ContractTrigger.WITHDRAW): ContractState.WITHDRAWN,
        (ContractState.IN_FORCE, ContractTrigger.AMEND): ContractState.IN_FORCE,
        (ContractState.IN_FORCE, ContractTrigger.TERMINATE): ContractState.ENDING,
        (ContractState.IN_FORCE, ContractTrigger.END): ContractState.ENDED,
        (ContractState.ENDING, ContractTrigger.END): ContractState.ENDED,
    }
)


class LifeCycleRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Until when a month can be changed: up to and with `cut_off_days` days before its first day (row 92), >= 1."""

    version_id: str
    province: str
    period: Period
    document: str
    cut_off_days: int


class LifeCycleRefusal(Enum):
    """Why an event changed nothing."""

    NOT_IN_THIS_STATE = "not-in-this-state"
    OUT_OF_ORDER = "out-of-order"
    NOT_FIRST_OF_MONTH = "not-first-of-month"
    RETROACTIVE = "retroactive"
    AFTER_CUT_OFF = "after-cut-off"
    TERMS = "terms"
    NOT_ACKNOWLEDGED = "not-acknowledged"
    ANOTHER_CONTRACT = "another-contract"
    OUTSIDE_CONTRACT = "outside-contract"


@dataclass(frozen=True)
class Sign:
    """Both sides sign the offer for the months of a period. outcome: `admit_terms` of the offered terms."""

    recorded_on: date
    outcome: TermsOutcome


@dataclass(frozen=True)
class Amend:
    """Both sides agree other terms from a first of month on."""

    recorded_on: date
    from_day: date
    terms: RetailTerms
    outcome: TermsOutcome


@dataclass(frozen=True)
class Terminate:
    """The contract is to end before its time; until_day: the first of month that is out."""

    recorded_on: date
    until_day: date


@dataclass(frozen=True)
class Withdraw:
    """The offer, or a contract whose first month can still be changed, is taken back."""

    recorded_on: date


@dataclass(frozen=True)
class DayBegins:
    """A day has come: a signed contract's first one, or one after the last of a contract in force."""

    recorded_on: date


ContractEvent = Sign | Amend | Terminate | Withdraw | DayBegins


@dataclass(frozen=True)
class TermsVersion:
    """Terms from a day on. acknowledged: the warnings that the user has confirmed for them (row 85)."""

    from_day: date
    terms: RetailTerms
    signed_on: date
    acknowledged: tuple[RiskWarning, ...]


@dataclass(frozen=True)
class RetailContract:
    """One contract with all its versions, by first day. period: the months it is for, until_day out or open."""

    contract_id: str
    offered: RetailTerms
    period: Period
    state: ContractState
    recorded_on: date
    versions: tuple[TermsVersion, ...] = ()

    def terms_on(self, day: date) -> RetailTerms | None:
        """Return the terms of a day, None outside the contract, before it was signed or if it was withdrawn."""
        if not self.period.holds(day) or self.state is ContractState.WITHDRAWN:
            return None
        return next((one.terms for one in reversed(self.versions) if one.from_day <= day), None)


@dataclass(frozen=True)
class ContractChanged:
    """The contract after the event; it may be as it was (a day on which nothing begins or ends)."""

    contract: RetailContract


@dataclass(frozen=True)
class ContractRefused:
    """Nothing changed. faults: of the terms, where they are the reason."""

    reason: LifeCycleRefusal
    faults: tuple[TermsFault, ...] = ()


ContractOutcome = ContractChanged | ContractRefused


def offer(terms: RetailTerms, period: Period, *, recorded_on: date) -> RetailContract:
    """Return a contract that waits to be signed.

    :raises ValueError: if the period is empty or does not begin on a first of month
    """
    if period.is_empty() or not is_first_of_month(period.from_day):
        raise ValueError(f"row 92, {terms.contract_id}: a contract is for whole months, not from {period.from_day}")
    return RetailContract(terms.contract_id, terms, period, ContractState.OFFERED, recorded_on)


def step(contract: RetailContract, event: ContractEvent, rules: LifeCycleRules) -> ContractOutcome:
    """Return the contract after an event, or why it stays as it is."""
    if event.recorded_on < contract.recorded_on:
        return ContractRefused(LifeCycleRefusal.OUT_OF_ORDER)
    match event:
        case Sign():
            return _signed(contract, event, rules)
        case Amend():
            return _amended(contract, event, rules)
        case Terminate():
            return _terminated(contract, event, rules)
        case Withdraw():
            return _withdrawn(contract, event.recorded_on, rules)
        case DayBegins():
            return _on_day(contract, event.recorded_on)
        case _:
            assert_never(event)


def check_not_retroactive(before: RetailContract, after: RetailContract, *, recorded_on: date) -> list[Violation]:
    """Row 92: whatever an event did, terms of days up to its own are what they were."""
    days = {recorded_on, *(one.from_day for one in (*before.versions, *after.versions) if one.from_day <= recorded_on)}
    return [
        Violation(5, f"{before.contract_id}, {day}", "terms of a day that has begun were changed")
        for day in sorted(days)
        if before.versions and before.terms_on(day) != after.terms_on(day)
    ]


def _signed(contract: RetailContract, event: Sign, rules: LifeCycleRules) -> ContractOutcome:
    match event.outcome:
        case TermsRefused():
            return ContractRefused(LifeCycleRefusal.TERMS, event.outcome.faults)
        case AcknowledgementNeeded():
            return _moved(contract, ContractTrigger.WARN, event.recorded_on)
        case TermsAdmitted():
            reason = _too_late(contract.period.from_day, event.recorded_on, rules)
            if reason is not None:
                return ContractRefused(reason)
            first = TermsVersion(
                contract.period.from_day, contract.offered, event.recorded_on, event.outcome.acknowledged
            )
            return _moved(replace(contract, versions=(first,)), ContractTrigger.SIGN, event.recorded_on)
        case _:
            assert_never(event.outcome)


def _amended(contract: RetailContract, event: Amend, rules: LifeCycleRules) -> ContractOutcome:
    reason = _too_late(event.from_day, event.recorded_on, rules)
    if reason is not None:
        return ContractRefused(reason)
    if event.terms.contract_id != contract.contract_id:
        return ContractRefused(LifeCycleRefusal.ANOTHER_CONTRACT)
    if not contract.period.holds(event.from_day):
        return ContractRefused(LifeCycleRefusal.OUTSIDE_CONTRACT)
    match event.outcome:
        case TermsRefused():
            return ContractRefused(LifeCycleRefusal.TERMS, event.outcome.faults)
        case AcknowledgementNeeded():
            return ContractRefused(LifeCycleRefusal.NOT_ACKNOWLEDGED)
        case TermsAdmitted():
            kept = [one for one in contract.versions if one.from_day != event.from_day]
            new = TermsVersion(event.from_day, event.terms, event.recorded_on, event.outcome.acknowledged)
            versions = tuple(sorted((*kept, new), key=lambda one: one.from_day))
            return _moved(replace(contract, versions=versions), ContractTrigger.AMEND, event.recorded_on)
        case _:
            assert_never(event.outcome)


def _terminated(contract: RetailContract, event: Terminate, rules: LifeCycleRules) -> ContractOutcome:
    reason = _too_late(event.until_day, event.recorded_on, rules)
    if reason is not None:
        return ContractRefused(reason)
    if not contract.period.holds(event.until_day):
        return ContractRefused(LifeCycleRefusal.OUTSIDE_CONTRACT)
    if event.until_day == contract.period.from_day:
        return _withdrawn(contract, event.recorded_on, rules)
    ended = replace(contract, period=Period(contract.period.from_day, event.until_day))
    return _moved(ended, ContractTrigger.TERMINATE, event.recorded_on)


def _withdrawn(contract: RetailContract, recorded_on: date, rules: LifeCycleRules) -> ContractOutcome:
    is_signed = contract.state is ContractState.SIGNED
    reason = _too_late(contract.period.from_day, recorded_on, rules) if is_signed else None
    if reason is not None:
        return ContractRefused(reason)
    return _moved(contract, ContractTrigger.WITHDRAW, recorded_on)


def _on_day(contract: RetailContract, day: date) -> ContractOutcome:
    """Let the contract begin or end if its day has come; on other days nothing changes but the day itself."""
    begins = contract.state is ContractState.SIGNED and contract.period.from_day <= day
    moved = replace(contract, recorded_on=day)
    if begins:
        moved = replace(moved, state=TRANSITIONS[contract.state, ContractTrigger.BEGIN])
    is_over = contract.period.until_day is not None and contract.period.until_day <= day
    if is_over and (moved.state, ContractTrigger.END) in TRANSITIONS:
        moved = replace(moved, state=TRANSITIONS[moved.state, ContractTrigger.END])
    return ContractChanged(moved)


def _too_late(first_day: date, recorded_on: date, rules: LifeCycleRules) -> LifeCycleRefusal | None:
    assert rules.cut_off_days >= 1, "a month that has begun is closed"
    if not is_first_of_month(first_day):
        return LifeCycleRefusal.NOT_FIRST_OF_MONTH
    if first_day <= recorded_on:
        return LifeCycleRefusal.RETROACTIVE
    is_open = recorded_on <= first_day - timedelta(days=rules.cut_off_days)
    return None if is_open else LifeCycleRefusal.AFTER_CUT_OFF


def _moved(contract: RetailContract, trigger: ContractTrigger, recorded_on: date) -> ContractOutcome:
    following = TRANSITIONS.get((contract.state, trigger))
    if following is None:
        return ContractRefused(LifeCycleRefusal.NOT_IN_THIS_STATE)
    return ContractChanged(replace(contract, state=following, recorded_on=recorded_on))
