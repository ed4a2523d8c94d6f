"""How a change of periods becomes effective: draft, filed, publicised, effective (requirements rows 72, 163).

All states and transitions are the table below. A calendar never becomes effective without a record of its publicity,
nor for a day that is already settled: settled intervals are not priced again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import Enum
from types import MappingProxyType

import msgspec

from hub.settlement.provinces.documents import CalendarRow


class FilingState(Enum):
    """Where a change of periods stands."""

    DRAFT = "draft"
    FILED = "filed"
    PUBLICISED = "publicised"
    EFFECTIVE = "effective"
    WITHDRAWN = "withdrawn"


class FilingAction(Enum):
    """What can happen to it. ENACT: the last step, by which its first day is fixed."""

    FILE = "file"
    PUBLICISE = "publicise"
    ENACT = "enact"
    WITHDRAW = "withdraw"


TRANSITIONS: Mapping[tuple[FilingState, FilingAction], FilingState] = MappingProxyType(
    {
        (FilingState.DRAFT, FilingAction.FILE): FilingState.FILED,
        (FilingState.DRAFT, FilingAction.WITHDRAW): FilingState.WITHDRAWN,
        (FilingState.FILED, FilingAction.PUBLICISE): FilingState.PUBLICISED,
        (FilingState.FILED, FilingAction.WITHDRAW): FilingState.WITHDRAWN,
        (FilingState.PUBLICISED, FilingAction.ENACT): FilingState.EFFECTIVE,
        (FilingState.PUBLICISED, FilingAction.WITHDRAW): FilingState.WITHDRAWN,
    }
)
"""What is not here is refused; an effective calendar is ended by a later one, never taken back."""


class FilingRefusal(Enum):
    """Why a step was refused."""

    WRONG_STATE = "wrong-state"
    NO_RECORD = "no-record"
    TIME_RUNS_BACK = "time-runs-back"
    BEFORE_PUBLICITY = "before-publicity"
    ALREADY_SETTLED = "already-settled"


@dataclass(frozen=True)
class CalendarFiling:
    """A calendar on its way. last_step_on: day of the newest step, None for a fresh draft."""

    calendar: CalendarRow
    state: FilingState = FilingState.DRAFT
    last_step_on: date | None = None


@dataclass(frozen=True)
class FilingStep:
    """Something that happened on a day. record: number of the filing or of the public notice."""

    action: FilingAction
    on: date
    record: str = ""


@dataclass(frozen=True)
class StepTaken:
    """The step was taken; this is the filing now."""

    filing: CalendarFiling


@dataclass(frozen=True)
class StepRefused:
    """The step was refused; the filing is as before."""

    filing: CalendarFiling
    step: FilingStep
    reason: FilingRefusal


def take_step(filing: CalendarFiling, step: FilingStep, *, first_unsettled_day: date) -> StepTaken | StepRefused:
    """Return the filing after a step, or why the step was refused.

    :param first_unsettled_day: earlier days are settled; a calendar cannot become effective on one of them (row 72)
    """
    calendar = filing.calendar
    following = TRANSITIONS.get((filing.state, step.action))
    needs_record = step.action in (FilingAction.FILE, FilingAction.PUBLICISE)
    enacts = step.action is FilingAction.ENACT
    publicised_on = calendar.publicised_on
    checks = (
        (following is None, FilingRefusal.WRONG_STATE),
        (filing.last_step_on is not None and step.on < filing.last_step_on, FilingRefusal.TIME_RUNS_BACK),
        (needs_record and not step.record.strip(), FilingRefusal.NO_RECORD),
        (
            enacts and (publicised_on is None or calendar.effective_from < publicised_on),
            FilingRefusal.BEFORE_PUBLICITY,
        ),
        (enacts and calendar.effective_from < first_unsettled_day, FilingRefusal.ALREADY_SETTLED),
    )
    reason = next((reason for is_broken, reason in checks if is_broken), None)
    if reason is not None or following is None:
        return StepRefused(filing, step, reason or FilingRefusal.WRONG_STATE)
    if step.action is FilingAction.FILE:
        calendar = msgspec.structs.replace(calendar, filed_on=step.on, filed_as=step.record)
    if step.action is FilingAction.PUBLICISE:
        calendar = msgspec.structs.replace(calendar, publicised_on=step.on, publicised_as=step.record)
    return StepTaken(CalendarFiling(calendar, following, step.on))
