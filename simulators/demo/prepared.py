"""A run folder that was prepared ahead of the run: a county, and perhaps a hub.

That is how another broker than the embedded one learns its users: `microbalance county --out RUN/county`, then
`microbalance hub prepare --county RUN/county --run RUN/hub --broker URL` writes the broker's files, the broker is
started with them, and `microbalance demo --run RUN --broker URL` finds everything in place.
"""

from datetime import date
from pathlib import Path

import msgspec

PARTS = ("county", "hub")
_WORLD_FILE = "world.json"
_LAST_FILE = "profiles.npz"


class PreparedError(ValueError):
    """The run folder cannot be used; the message says why in one line."""


class _Made(msgspec.Struct, frozen=True):
    """What a county's world.json says of its making."""

    day: str
    seed: int


def check_prepared(run: Path, day: date, seed: int) -> None:
    """Check that the run folder holds nothing but what was prepared for this day and seed.

    :raises PreparedError: if it holds anything else
    :raises OSError: if it cannot be read
    """
    found = {path.name for path in run.iterdir()}
    strange = sorted(found - set(PARTS))
    if strange:
        what = f'the folder is not empty, it holds "{strange[0]}"'
        raise PreparedError(f"{what}; a run starts from nothing, or from a county and a hub that were prepared for it")
    if "hub" in found and not has_county(run / "county"):
        raise PreparedError("the folder holds a prepared hub, but not its county")
    if not has_county(run / "county"):
        return
    path = run / "county" / _WORLD_FILE
    try:
        made = msgspec.json.decode(path.read_bytes(), type=_Made)
    except msgspec.DecodeError as error:
        raise PreparedError(f"{path}: {error}") from None
    if (made.day, made.seed) != (day.isoformat(), seed):
        raise PreparedError(f"its county was made for {made.day}, seed {made.seed}, not for {day}, seed {seed}")


def has_county(county: Path) -> bool:
    """Tell whether the county folder was written already, to its last file."""
    return (county / _LAST_FILE).exists()
