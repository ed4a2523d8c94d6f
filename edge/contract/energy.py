"""Energy as integers: text in kWh to Wh, and interval energy as the difference of two register readings."""

import re

_KWH = re.compile(r"(\d{1,15})(?:\.(\d{1,3}))?\Z", re.ASCII)


class EnergyTextError(ValueError):
    """A text that is not a non-negative number of kWh with at most three decimals."""


def wh_from_kwh_text(text: str) -> int:
    """Return the Wh written as kWh with at most three decimals, for example "123.456" -> 123456.

    :raises EnergyTextError: if the text is anything else (signs, exponents and more decimals included)
    """
    match = _KWH.match(text)
    if match is None:
        raise EnergyTextError(f"{text!r} is not a number of kWh with at most three decimals")
    whole, decimals = match.group(1), match.group(2) or ""
    return int(whole) * 1000 + int(decimals.ljust(3, "0"))


def kwh_text_from_wh(energy_wh: int) -> str:
    """Return Wh as kWh text with three decimals, for example 123456 -> "123.456"; a sign is kept."""
    sign = "-" if energy_wh < 0 else ""
    return f"{sign}{abs(energy_wh) // 1000}.{abs(energy_wh) % 1000:03d}"


def register_difference_wh(start_wh: int, end_wh: int) -> int | None:
    """Return the interval energy R(end) - R(start), or None if the register runs backwards."""
    return end_wh - start_wh if end_wh >= start_wh else None
