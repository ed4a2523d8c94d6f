"""Who published a result, and when it is final (requirements rows 18, 19)."""

from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import assert_never

from hub.market.registry.identities import Operator
from hub.market.registry.participant_classes import OperatingMode
from hub.market.registry.register import Register, county_of, only_county, operator_of


@dataclass(frozen=True)
class OperatorStamp:
    """What every published result carries: the county, the day it is of, and who ran the platform then."""

    county: str
    day: date
    operator: Operator


class Finality(Enum):
    """Whether a result binds."""

    FINAL = "final"
    AWAITS_PROVINCE = "awaits-province"
    REFUSED = "refused"


class NoOperatorError(LookupError):
    """A county has no platform operator on the day, so nothing can be published for it."""


def operator_stamp(register: Register, unit_id: str, day: date) -> OperatorStamp:
    """Return the stamp of a result of the unit's day; a later change of operator does not change it.

    :raises NoOperatorError: if nobody operates the county's platform then
    """
    operator = operator_of(register, unit_id, day)
    if operator is None:
        raise NoOperatorError(f"nobody operates the platform of {unit_id} on {day}")
    return OperatorStamp(county_of(register, unit_id).unit_id, day, operator)


def only_stamp(register: Register, day: date) -> OperatorStamp | None:
    """Return the stamp of a result of the register's one county, None if it has not one, or nobody operates it then."""
    unit_id = only_county(register)
    if unit_id is None:
        return None
    try:
        return operator_stamp(register, unit_id, day)
    except NoOperatorError:
        return None


def finality(mode: OperatingMode, *, is_checked: bool, is_acknowledged: bool | None) -> Finality:
    """Return whether a deal binds: in a sub-market after the province's acknowledgement, else after the local check.

    :param is_acknowledged: what the province answered, None: nothing yet
    """
    if not is_checked:
        return Finality.REFUSED
    match mode:
        case OperatingMode.INDEPENDENT:
            return Finality.FINAL
        case OperatingMode.SUB_MARKET:
            if is_acknowledged is None:
                return Finality.AWAITS_PROVINCE
            return Finality.FINAL if is_acknowledged else Finality.REFUSED
        case _:
            assert_never(mode)
