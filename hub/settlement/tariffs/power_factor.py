"""The power-factor adjustment of 1983, an optional bill line that is off unless a province's rule is loaded.

Source: outside rules, section 12 (secondary): 0.5 % for each 0.01 below the standard down to 0.70, 1 % down to 0.65,
2 % below; -0.15 % for each 0.01 above it up to 0.95. On which amounts it is taken is local and not verified, so the
base is given by the caller.
"""

from dataclasses import dataclass
from datetime import date

from hub.settlement.exact_shares import PPM
from hub.settlement.money import divide_half_up
from hub.settlement.provinces.catalogue import ProvincialParameter
from hub.settlement.provinces.library import Library

RULE_VERSION = "power-factor-1"
_PPM_PER_POINT = PPM // 100


class PowerFactorError(ValueError):
    """Energies or steps that give no power factor or adjustment."""


@dataclass(frozen=True)
class PowerFactorRule:
    """Points are hundredths. down, up: (last point of the band, ppm per point), going away from the standard."""

    standard_points: int
    down: tuple[tuple[int, int], ...]
    up: tuple[tuple[int, int], ...]
    version_ids: tuple[str, ...]


def load_power_factor_rule(library: Library, *, province: str, day: date) -> PowerFactorRule:
    """Return the rule in force.

    :raises hub.settlement.provinces.library.LibraryError: if there is none
    :raises PowerFactorError: if its bands do not lead from the standard to 0 and to 100 points
    """
    standard = library.value(ProvincialParameter.POWER_FACTOR_STANDARD, province=province, day=day)
    steps = library.values_by("item", ProvincialParameter.POWER_FACTOR_STEP, province=province, day=day)
    bands: dict[str, list[tuple[int, int]]] = {"down": [], "up": []}
    for item, loaded in steps.items():
        way, _, point = item.partition("-to-")
        if way not in bands or not point.isdigit():
            raise PowerFactorError(f"outside rules on {day}: no band {item!r}; load bands such as down-to-70")
        bands[way].append((int(point), loaded.value))
    down, up = sorted(bands["down"], reverse=True), sorted(bands["up"])
    if not down or not up or down[-1][0] != 0 or up[-1][0] != 100:
        raise PowerFactorError(f"outside rules on {day}: the bands do not reach 0 and 100 points; load all of them")
    ids = tuple(sorted({standard.version_id, *(loaded.version_id for loaded in steps.values())}))
    return PowerFactorRule(standard.value // _PPM_PER_POINT, tuple(down), tuple(up), ids)


def power_factor_points(active_wh: int, reactive_varh: int) -> int:
    """Return P / sqrt(P^2 + Q^2) in hundredths, rounded half-up, exact.

    :raises PowerFactorError: if an energy is negative or the active one is zero
    """
    if active_wh <= 0 or reactive_varh < 0:
        raise PowerFactorError(f"outside rules: no power factor of {active_wh} Wh and {reactive_varh} varh")
    apparent_squared = active_wh**2 + reactive_varh**2
    # the largest n with n - 1/2 <= 100 P / S, that is (2 n - 1)^2 S^2 <= (200 P)^2
    return max(n for n in range(101) if n == 0 or (2 * n - 1) ** 2 * apparent_squared <= (200 * active_wh) ** 2)


def adjustment_ppm(points: int, rule: PowerFactorRule) -> int:
    """Return the adjustment of a power factor: positive is a surcharge, the bands add up from the standard."""
    bands = rule.down if points < rule.standard_points else rule.up
    position, total = rule.standard_points, 0
    for last, per_point in bands:
        reached = max(last, points) if points < rule.standard_points else min(last, points)
        total += abs(reached - position) * per_point
        position = reached
    return total


def adjustment_nano_yuan(base_nano_yuan: int, points: int, rule: PowerFactorRule) -> int:
    """Return the adjustment of the amounts that the local rule names, rounded half-up once to the nano-yuan."""
    return divide_half_up(base_nano_yuan * adjustment_ppm(points, rule), PPM)
