"""Versions of settlement formulas: dated, numbered, never changed for a period that is closed (row 125; row 158).

A version may be added for days whose gate has not closed; the latest number that has begun is in force. What was used
is reported version by version, and a result that used another one is a violation.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import Enum

from hub.market.trades import Violation


@dataclass(frozen=True)
class FormulaVersion:
    """One version. number: 1, 2, ... by formula; text_sha256: of the published formula's text."""

    formula_id: str
    number: int
    from_day: date
    document: str
    text_sha256: str

    @property
    def version_id(self) -> str:
        """Return "formula-number", the form in which results name their rule."""
        return f"{self.formula_id}-{self.number}"


class FormulaRefusal(Enum):
    """Why a version was not activated."""

    PERIOD_CLOSED = "period-closed"
    NOT_THE_NEXT_NUMBER = "not-the-next-number"
    BEFORE_THE_LAST = "before-the-last"
    NO_DOCUMENT = "no-document"


@dataclass(frozen=True)
class FormulaRegister:
    """All versions, by formula and number; refused: every version that was turned away, in order."""

    versions: tuple[FormulaVersion, ...] = ()
    refused: tuple[tuple[FormulaVersion, FormulaRefusal], ...] = ()

    def in_force(self, formula_id: str, day: date) -> FormulaVersion | None:
        """Return the version of a day: of those that have begun the one with the highest number."""
        begun = [one for one in self.versions if one.formula_id == formula_id and one.from_day <= day]
        return max(begun, key=lambda one: one.number, default=None)


@dataclass(frozen=True)
class FormulaActivated:
    """The register with the version."""

    register: FormulaRegister


@dataclass(frozen=True)
class FormulaRefused:
    """The version is not in force; the register keeps it among the refused."""

    register: FormulaRegister
    reason: FormulaRefusal


@dataclass(frozen=True)
class FormulaUse:
    """A result's formula: which version it was computed with, for which operating day, and how many results."""

    version_id: str
    formula_id: str
    day: date
    results: int


@dataclass(frozen=True)
class FormulaReportRow:
    """One version in the supervision report: its first and last day of use and how many results rest on it."""

    version: FormulaVersion
    first_day: date
    last_day: date
    results: int


def activate(
    register: FormulaRegister, version: FormulaVersion, *, first_open_day: date
) -> FormulaActivated | FormulaRefused:
    """Return the register with a version, or why not (row 125).

    :param first_open_day: the first operating day of which no gate has closed
    """
    last = max((one for one in register.versions if one.formula_id == version.formula_id), key=_number, default=None)
    checks = (
        (not version.document.strip(), FormulaRefusal.NO_DOCUMENT),
        (version.from_day < first_open_day, FormulaRefusal.PERIOD_CLOSED),
        (version.number != (1 if last is None else last.number + 1), FormulaRefusal.NOT_THE_NEXT_NUMBER),
        (last is not None and version.from_day < last.from_day, FormulaRefusal.BEFORE_THE_LAST),
    )
    for is_broken, reason in checks:
        if is_broken:
            return FormulaRefused(replace(register, refused=(*register.refused, (version, reason))), reason)
    return FormulaActivated(replace(register, versions=(*register.versions, version)))


def formula_report(register: FormulaRegister, uses: Iterable[FormulaUse]) -> tuple[FormulaReportRow, ...]:
    """Return every version that results rest on, by id (row 125); unknown ones are `check_formula_uses`'s to find."""
    known = {one.version_id: one for one in register.versions}
    rows: dict[str, FormulaReportRow] = {}
    for use in uses:
        version = known.get(use.version_id)
        if version is None:
            continue
        row = rows.get(use.version_id, FormulaReportRow(version, use.day, use.day, 0))
        rows[use.version_id] = FormulaReportRow(
            version, min(row.first_day, use.day), max(row.last_day, use.day), row.results + use.results
        )
    return tuple(rows[name] for name in sorted(rows))


def check_formula_uses(register: FormulaRegister, uses: Sequence[FormulaUse]) -> list[Violation]:
    """Row 125: each result was computed with the version in force on its day."""
    found = []
    for use in uses:
        due = register.in_force(use.formula_id, use.day)
        if due is None or due.version_id != use.version_id:
            name = "none" if due is None else due.version_id
            found.append(Violation(9, f"{use.formula_id}, {use.day}", f"computed with {use.version_id}, due {name}"))
    return found


def _number(version: FormulaVersion) -> int:
    return version.number
