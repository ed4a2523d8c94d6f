"""Published and measured loss rates: what a published fee implies, what registers show, and which areas stand out.

Sources: requirements rows 110, 112. The fee of a published rate is hub/settlement/loss.py; the account is
pass_through.py. Rates are ppm, rounded half-up.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import Enum

from hub.settlement.exact_shares import PPM
from hub.settlement.loss import LossRateConvention, upstream_loss_price_uyuan_per_kwh
from hub.settlement.money import divide_half_up
from hub.settlement.provinces.catalogue import ProvincialParameter
from hub.settlement.provinces.library import Library


class LossAlert(Enum):
    """Why a unit or transformer area stands out."""

    NO_INFLOW = "no-inflow"
    NEGATIVE = "negative"
    ABOVE_PUBLISHED = "above-published"


@dataclass(frozen=True)
class AreaEnergy:
    """Metered energy of a unit or transformer area over some time, Wh; loss as it comes from the registers."""

    name: str
    import_wh: int
    generation_wh: int
    export_wh: int
    loss_wh: int


@dataclass(frozen=True)
class LossRate:
    """The measured rate beside the published one. measured_ppm is None where nothing flowed in."""

    name: str
    measured_ppm: int | None
    published_ppm: int
    alert: LossAlert | None


def implied_loss_rate_ppm(
    fee_uyuan_per_kwh: int, energy_price_uyuan_per_kwh: int, convention: LossRateConvention
) -> int:
    """Return the rate rho that a published loss fee implies (row 110): fee / (P + fee), or fee / P.

    :raises ValueError: if the prices give no rate
    """
    base = energy_price_uyuan_per_kwh
    base += fee_uyuan_per_kwh if convention is LossRateConvention.INPUT_BASED else 0
    if base <= 0:
        raise ValueError(f"row 110: no loss rate of a fee of {fee_uyuan_per_kwh} on {energy_price_uyuan_per_kwh}")
    return divide_half_up(fee_uyuan_per_kwh * PPM, base)


def upstream_loss_fee(
    library: Library, *, province: str, day: date, energy_price_uyuan_per_kwh: int
) -> tuple[int, tuple[str, ...]]:
    """Return the upstream line-loss fee of a day and the versions it rests on (row 110).

    The published fee wins; without one it is made of the published rate by the province's convention.

    :raises hub.settlement.provinces.library.LibraryError: if there is neither, or no convention
    """
    published = library.value_if_set(ProvincialParameter.UPSTREAM_LOSS, province=province, day=day)
    if published is not None:
        return published.value, (published.version_id,)
    rate = library.value(ProvincialParameter.UPSTREAM_LOSS_RATE, province=province, day=day)
    how = library.value(ProvincialParameter.LOSS_RATE_CONVENTION, province=province, day=day)
    word = library.word(ProvincialParameter.LOSS_RATE_CONVENTION, province=province, day=day)
    fee = upstream_loss_price_uyuan_per_kwh(energy_price_uyuan_per_kwh, rate.value, LossRateConvention(word))
    return fee, (rate.version_id, how.version_id)


def loss_rates(areas: Iterable[AreaEnergy], *, published_ppm: int, tolerance_ppm: int) -> list[LossRate]:
    """Return each area's rate rho = Loss / (Imp + Gen - Exp) and whether it stands out (row 112).

    :param tolerance_ppm: by how much a measured rate may lie above the published one
    """
    found = []
    for area in areas:
        inflow = area.import_wh + area.generation_wh - area.export_wh
        measured = None if inflow <= 0 else divide_half_up(area.loss_wh * PPM, inflow)
        alert = None
        if measured is None:
            alert = LossAlert.NO_INFLOW if area.loss_wh else None
        elif measured < 0:
            alert = LossAlert.NEGATIVE
        elif measured > published_ppm + tolerance_ppm:
            alert = LossAlert.ABOVE_PUBLISHED
        found.append(LossRate(area.name, measured, published_ppm, alert))
    return found
