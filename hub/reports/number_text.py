"""Integers as text for people: exact decimals with thousands separators, rounded half-up where digits are left out."""

MINUS = "\N{MINUS SIGN}"


def count_text(count: int) -> str:
    """Return a whole number with thousands separators, for example -12345 -> "−12,345"."""
    return f"{MINUS if count < 0 else ''}{abs(count):,}"


def decimal_text(value: int, *, scale: int, digits: int) -> str:
    """Return value / scale, rounded half-up in magnitude to `digits` decimals, without a float.

    :param scale: a power of ten; the number is exact where 10**digits >= scale
    """
    assert str(scale).strip("0") == "1", f"{scale} is no power of ten"
    shown = 10**digits
    scaled = abs(value) * shown
    rounded = (2 * scaled + scale) // (2 * scale)
    whole, rest = divmod(rounded, shown)
    sign = MINUS if value < 0 and rounded else ""
    return f"{sign}{whole:,}.{rest:0{digits}d}" if digits else f"{sign}{whole:,}"


def mean_rounded(total: int, weight: int) -> int | None:
    """Return total / weight rounded half-up, None where there is no weight."""
    return (2 * total + weight) // (2 * weight) if weight else None
