"""Line losses: the fee on users' energy, the measured loss that D_sup buys, and the published upstream rate.

Sources: requirements rows 110, 111; worked-interval.md. The loss fund's residual is carried and disclosed.
"""

from enum import Enum

import numpy as np

from hub.settlement.accounts import SystemAccount
from hub.settlement.inputs import SettlementInputs, Supply
from hub.settlement.money import divide_half_up, exact_sum
from hub.settlement.positions import Positions
from hub.settlement.transfers import TransferBlock, TransferKind, block

PPM = 1_000_000


class LossRateConvention(Enum):
    """What a published comprehensive loss rate refers to (row 110): energy sent in, or energy delivered."""

    INPUT_BASED = "input-based"
    OUTPUT_BASED = "output-based"


def loss_transfers(inputs: SettlementInputs, positions: Positions) -> list[TransferBlock]:
    """Return the loss fee on every user's import, and the measured loss at P_RT, loss fund to D_sup (row 111)."""
    standing, accounts, fee = inputs.standing, inputs.accounts, inputs.parameters.loss_fee
    fund = accounts.position(SystemAccount.LOSS_FUND)
    fees = block(
        TransferKind.LOSS_FEE,
        payer=standing.account,
        payee=fund,
        payer_meter=np.arange(len(standing.meter_id)),
        unit=standing.unit,
        quantity_wh=positions.import_wh,
        price_uyuan_per_kwh=fee.value_uyuan_per_kwh,
        rule_version=(fee.version_id,),
        where=standing.supply != Supply.NONE,
    )
    measured = block(
        TransferKind.MEASURED_LOSS,
        payer=fund,
        payee=accounts.position(SystemAccount.D_SUP),
        quantity_wh=measured_loss_wh(inputs, positions),
        price_uyuan_per_kwh=inputs.prices.real_time_uyuan_per_kwh,
    )
    return [fees, measured]


def measured_loss_wh(inputs: SettlementInputs, positions: Positions) -> int:
    """Return gateway import + exports - gateway export - imports of all market meters, from registers alone."""
    exports = exact_sum(positions.paid_export_wh) + exact_sum(positions.excess_export_wh)
    return inputs.gateway.import_wh + exports - inputs.gateway.export_wh - exact_sum(positions.import_wh)


def upstream_loss_price_uyuan_per_kwh(
    energy_price_uyuan_per_kwh: int, loss_rate_ppm: int, convention: LossRateConvention
) -> int:
    """Return the upstream loss fee of a published rate, rounded half-up to 1 micro-yuan/kWh (row 110).

    INPUT_BASED: P rho / (1 - rho), a user needs 1 / (1 - rho) at the bus. OUTPUT_BASED: P rho.

    :param loss_rate_ppm: rho in millionths, 0 <= rho < 1
    """
    assert 0 <= loss_rate_ppm < PPM
    base = PPM - loss_rate_ppm if convention is LossRateConvention.INPUT_BASED else PPM
    return divide_half_up(energy_price_uyuan_per_kwh * loss_rate_ppm, base)
