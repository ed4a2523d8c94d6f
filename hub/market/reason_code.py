"""What the market's enumerations of outcomes have in common: a number for columns, a slug for the borders."""

from enum import IntEnum


class ReasonCode(IntEnum):
    """A reason or an outcome that is kept as a number in a column; `slug` is its code at the borders."""

    @property
    def slug(self) -> str:
        """Return the code: the name in small letters with hyphens."""
        return self.name.lower().replace("_", "-")
