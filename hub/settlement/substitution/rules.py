"""Which rules fill a gap in meter data, in which order and up to which limits: dated versions, loaded as data.

Source: outside-rules section 9 (电量拟合: interpolation for at most two missing points, PV by default only in daylight,
retroactive adjustment beyond a tolerance; secondary). What a province has not published is left empty and refused where
it is needed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum, IntEnum

from hub.settlement.exact_shares import PPM


class SubstitutionRuleError(ValueError):
    """The rules cannot be used; the message names province, date and what to load."""


class GapRule(IntEnum):
    """How the energy of an interval was found, as a column code.

    MEASURED: by two registers. INTERPOLATION: on the line between the energies before and after the gap. SIMILAR_DAY:
    as in the same interval of a similar day. PV_DARK: a PV channel outside daylight has 0. AREA_BALANCE: what the
    area's other meters, its boundary and its usual loss leave. SAME_AREA_OUTPUT: PV by the area's other plants.
    EVEN_SPLIT: no rule knows the shape, the register difference is spread evenly. NOT_FOUND: nothing to estimate from.
    """

    MEASURED = 0
    INTERPOLATION = 1
    SIMILAR_DAY = 2
    PV_DARK = 3
    AREA_BALANCE = 4
    SAME_AREA_OUTPUT = 5
    EVEN_SPLIT = 6
    NOT_FOUND = 7


CHOSEN = (
    GapRule.INTERPOLATION,
    GapRule.SIMILAR_DAY,
    GapRule.PV_DARK,
    GapRule.AREA_BALANCE,
    GapRule.SAME_AREA_OUTPUT,
)
"""The rules that a version puts in order; the others say that none was needed or none applied."""

# Version of the formulas as built here; the version id of the parameters stands behind it in a flag.
FORMULA_VERSION = 1


@dataclass(frozen=True)
class SubstitutionRules:
    """One version of a province's rules, in force on effective_from <= day < effective_to (None: until further notice).

    order: rules of `CHOSEN`, the first that can estimate an interval does. missing_points_max: the longest run of
    missing readings that is interpolated. daylight_from, daylight_until: positions in the day (0..96) of the first
    interval in daylight and the first after it. tolerance_ppm: a closed gap is corrected by late readings where these
    move more than this share of its energy; 0: always. history_days: how many days back a similar day is looked for.
    usual_loss_ppm: what an area's balance counts as lost of what flows in or out, by the id of the area's unit.
    """

    version_id: str
    province: str
    effective_from: date
    effective_to: date | None
    document: str
    order: tuple[GapRule, ...]
    missing_points_max: int | None = None
    daylight_from: int | None = None
    daylight_until: int | None = None
    tolerance_ppm: int | None = None
    history_days: int | None = None
    usual_loss_ppm: Mapping[str, int] | None = None

    def __post_init__(self) -> None:
        """Check the version by itself.

        :raises SubstitutionRuleError: if the version contradicts itself or lacks what a rule of its order needs
        """
        where = f"substitution rules {self.version_id!r} of province {self.province!r}"
        if not (self.version_id and self.document):
            raise SubstitutionRuleError(f"{where}: load them with version id and document")
        if self.effective_to is not None and self.effective_to <= self.effective_from:
            raise SubstitutionRuleError(f"{where}: they end on {self.effective_to}, before they begin")
        if len(set(self.order)) != len(self.order) or not set(self.order) <= set(CHOSEN):
            raise SubstitutionRuleError(f"{where}: the order names a rule twice or one that is never chosen")
        points = self.missing_points_max
        if GapRule.INTERPOLATION in self.order and (points is None or points < 1):
            raise SubstitutionRuleError(f"{where}: load missing_points_max for interpolation, at least 1")
        dawn, dusk = self.daylight_from, self.daylight_until
        if GapRule.PV_DARK in self.order and (dawn is None or dusk is None or not 0 <= dawn < dusk <= _POSITIONS):
            raise SubstitutionRuleError(f"{where}: load daylight_from < daylight_until, positions in the day")
        if GapRule.SIMILAR_DAY in self.order and (self.history_days is None or self.history_days < 1):
            raise SubstitutionRuleError(f"{where}: load history_days for similar days, at least 1")
        if GapRule.AREA_BALANCE in self.order and self.usual_loss_ppm is None:
            raise SubstitutionRuleError(f"{where}: load usual_loss_ppm of the areas for their balance")
        if any(not 0 <= one <= PPM for one in (self.usual_loss_ppm or {}).values()):
            raise SubstitutionRuleError(f"{where}: a usual loss is a share, 0 to {PPM} ppm")
        if self.tolerance_ppm is not None and self.tolerance_ppm < 0:
            raise SubstitutionRuleError(f"{where}: the tolerance {self.tolerance_ppm} ppm is negative")

    def flag(self, rule: GapRule) -> str:
        """Return the name and version that a substituted energy carries: "substitution-similar-day-1+<version id>"."""
        return f"substitution-{slug_of(rule)}-{FORMULA_VERSION}+{self.version_id}"


_POSITIONS = 96


class DayKind(Enum):
    """What a similar day must share with the day of the gap."""

    WORKDAY = "WORKDAY"
    WEEKEND = "WEEKEND"
    HOLIDAY = "HOLIDAY"


def slug_of(rule: GapRule) -> str:
    """Return the published name of a rule, "similar-day"."""
    return rule.name.lower().replace("_", "-")


def rules_in_force(versions: Sequence[SubstitutionRules], *, province: str, day: date) -> SubstitutionRules:
    """Return the province's rules of the day.

    :raises SubstitutionRuleError: if no version is in force, or two are
    """
    found = [
        one
        for one in versions
        if one.province == province
        and one.effective_from <= day
        and (one.effective_to is None or day < one.effective_to)
    ]
    if len(found) == 1:
        return found[0]
    if not found:
        raise SubstitutionRuleError(f"{day}: no substitution rules of province {province!r}; load the version in force")
    names = " and ".join(repr(one.version_id) for one in found)
    raise SubstitutionRuleError(f"{day}: province {province!r} has two substitution rules in force, {names}")
