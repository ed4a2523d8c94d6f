"""The named keys by which provinces tell their parameters apart, and the marks of how well a value is known."""

from enum import Enum, IntEnum, IntFlag


class PeriodKind(IntEnum):
    """The five kinds of time-of-use period (requirements row 65), by their number in a calendar's columns."""

    SHARP = 0
    PEAK = 1
    FLAT = 2
    VALLEY = 3
    DEEP_VALLEY = 4


class TariffType(Enum):
    """Single tariff (energy only) or two-part tariff (energy, and capacity or demand), row 101."""

    SINGLE = "SINGLE"
    TWO_PART = "TWO_PART"


class Component(IntFlag):
    """The five volumetric components of a user's price (row 94), as a mask of what floats with the period (row 67)."""

    ENERGY = 1
    LOSS = 2
    NETWORK = 4
    SYSTEM = 8
    FUNDS = 16


class DayType(Enum):
    """What kind of day a calendar tells apart (row 65)."""

    WORKDAY = "WORKDAY"
    WEEKEND = "WEEKEND"
    HOLIDAY = "HOLIDAY"


class Holiday(Enum):
    """The public holidays that provinces name in overlays (row 71)."""

    SPRING_FESTIVAL = "SPRING_FESTIVAL"
    LABOUR_DAY = "LABOUR_DAY"
    NATIONAL_DAY = "NATIONAL_DAY"


class Mark(Enum):
    """How a value was found: read at its source, restated by a third party, or not checked (outside rules)."""

    SOURCE = "source"
    SECONDARY = "secondary"
    UNVERIFIED = "unverified"


class DateBasis(Enum):
    """What the effective dates are: as published, or the days for which the source vouches for the value."""

    PUBLISHED = "published"
    AS_OF_SOURCE = "as-of-source"
