"""The checks that DL/T 2041 asks of an element beside its load: short circuit, voltage deviation, harmonics.

A check has three outcomes, one of which is that it was not assessed: without a measurement nothing is passed. The
values to check are given; this module holds limits and comparisons only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias, assert_never

_TOLERANCE = 1e-9


class Check(Enum):
    """What is checked, and so the unit of value and limit: kA, fraction of nominal, fraction of the fundamental."""

    SHORT_CIRCUIT = "short_circuit"
    VOLTAGE_DEVIATION = "voltage_deviation"
    HARMONICS = "harmonics"


@dataclass(frozen=True)
class CheckPassed:
    """The value is within the limit, both in the check's unit."""

    check: Check
    value: float
    limit: float


@dataclass(frozen=True)
class CheckFailed:
    """The value is beyond the limit, both in the check's unit. place: name of the bus or element where it is."""

    check: Check
    value: float
    limit: float
    place: str


@dataclass(frozen=True)
class CheckNotAssessed:
    """Nobody looked, or there is no limit to compare with; why, in words."""

    check: Check
    why: str


CheckOutcome: TypeAlias = CheckPassed | CheckFailed | CheckNotAssessed


@dataclass(frozen=True)
class VoltageDeviationLimits:
    """GB/T 12325, deviation from the nominal voltage as fractions.

    single_phase_*: below single_phase_below_kv (220 V). medium_*: below high_from_kv (20 kV and below, three-phase).
    high_span: from high_from_kv (35 kV), the sum of the absolute values of both deviations.
    """

    single_phase_below_kv: float = 0.3
    single_phase_low: float = -0.10
    single_phase_high: float = 0.07
    medium_low: float = -0.07
    medium_high: float = 0.07
    high_from_kv: float = 35.0
    high_span: float = 0.10


@dataclass(frozen=True)
class DistortionLimit:
    """Permitted total harmonic distortion of the voltage (fraction) at the nominal voltages low_kv..high_kv."""

    low_kv: float
    high_kv: float
    thd: float


GB_T_14549_LIMITS = (DistortionLimit(0.38, 0.4, 0.05),)
"""GB/T 14549: 5 % at 0.38 kV. Limits of other voltages are given by the caller; without one nothing is assessed."""


def every_check(outcomes: Sequence[CheckOutcome]) -> tuple[CheckOutcome, ...]:
    """Return the outcomes, and that it was not assessed for each check that is not among them."""
    given = {outcome.check for outcome in outcomes}
    missing = (CheckNotAssessed(check, "nobody made this check") for check in Check if check not in given)
    return (*outcomes, *missing)


def check_word(outcome: CheckOutcome) -> str:
    """Return the outcome in one word: "passed", "failed" or "not_assessed"."""
    match outcome:
        case CheckPassed():
            return "passed"
        case CheckFailed():
            return "failed"
        case CheckNotAssessed():
            return "not_assessed"
    assert_never(outcome)


def check_short_circuit(*, i_xz_ka: float, i_m_ka: float, place: str) -> CheckPassed | CheckFailed:
    """Check I_xz <= I_m.

    I_xz: short-circuit current with the generation that is to be added. I_m: what the breaker can break.
    """
    return _judged(Check.SHORT_CIRCUIT, i_xz_ka, i_m_ka, place)


def check_voltage_deviation(
    *, nominal_kv: float, lowest: float, highest: float, place: str, limits: VoltageDeviationLimits | None = None
) -> CheckPassed | CheckFailed:
    """Check the voltages of an element's area against GB/T 12325 and name the deviation that comes nearest its limit.

    From 35 kV the limit is on the sum of the absolute values; if both deviations lie on one side of the nominal
    voltage, GB/T 12325 takes the larger of them instead.

    :param lowest, highest: least and greatest deviation from the nominal voltage, fractions
    """
    assert lowest <= highest, "the deviations are exchanged"
    limits = limits or VoltageDeviationLimits()
    if nominal_kv >= limits.high_from_kv:
        span = highest - lowest if lowest < 0 < highest else max(abs(lowest), abs(highest))
        return _judged(Check.VOLTAGE_DEVIATION, span, limits.high_span, place)
    single_phase = nominal_kv < limits.single_phase_below_kv
    low = limits.single_phase_low if single_phase else limits.medium_low
    high = limits.single_phase_high if single_phase else limits.medium_high
    if lowest / low > highest / high:
        return _judged(Check.VOLTAGE_DEVIATION, -lowest, -low, place)
    return _judged(Check.VOLTAGE_DEVIATION, highest, high, place)


def check_harmonics(
    *, nominal_kv: float, thd: float, place: str, limits: Sequence[DistortionLimit] = GB_T_14549_LIMITS
) -> CheckOutcome:
    """Check the total harmonic distortion of the voltage (fraction); not assessed where no limit is given."""
    limit = next((one.thd for one in limits if one.low_kv <= nominal_kv <= one.high_kv), None)
    if limit is None:
        return CheckNotAssessed(Check.HARMONICS, f"no limit is given for {nominal_kv:g} kV")
    return _judged(Check.HARMONICS, thd, limit, place)


def _judged(check: Check, value: float, limit: float, place: str) -> CheckPassed | CheckFailed:
    if value <= limit + _TOLERANCE:
        return CheckPassed(check, value, limit)
    return CheckFailed(check, value, limit, place)
