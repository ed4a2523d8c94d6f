"""Chance that is fixed by a seed and a name: hash draws without running state, the same on every machine.

A draw does not depend on how many were made before it, so adding a metering point changes no other one.
"""

import hashlib


def draw_below(limit: int, seed: int, *labels: str | int) -> int:
    """Return an integer in [0, limit), fixed by seed and labels; as good as uniform for limit < 2**48."""
    assert 0 < limit < 1 << 48
    text = "/".join(str(part) for part in (seed, *labels))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") % limit


def happens(chance_per_mille: int, seed: int, *labels: str | int) -> bool:
    """Return True with the given chance, fixed by seed and labels."""
    return draw_below(1000, seed, *labels) < chance_per_mille
