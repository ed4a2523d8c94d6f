"""Curtailment: D_sup delivers what a curtailed seller does not, at the cost of the congestion account."""

import numpy as np

from hub.settlement.accounts import SystemAccount
from hub.settlement.inputs import SettlementInputs
from hub.settlement.positions import Positions
from hub.settlement.transfers import TransferBlock, TransferKind, block


def curtailment_transfers(inputs: SettlementInputs, positions: Positions) -> list[TransferBlock]:
    """Return the transfers of replaced energy and of export above a setpoint (DESIGN 5 "Network check").

    Replaced energy: a direct buyer pays D_sup the price that the seller would have received; the congestion account
    pays D_sup P_RT less that price, so D_sup gets P_RT for what it buys at the gateway. The rent stays.
    Excess export: unpaid; D_sup, which uses the energy at the gateway, pays it at P_RT to the congestion account.
    """
    d_sup = inputs.accounts.position(SystemAccount.D_SUP)
    congestion = inputs.accounts.position(SystemAccount.CONGESTION)
    real_time = inputs.prices.real_time_uyuan_per_kwh
    blocks = []
    for trades in positions.trades:
        pairs = trades.session.pairs
        blocks.append(
            block(
                TransferKind.REPLACED_ENERGY,
                payer=trades.buyer_account,
                payee=d_sup,
                payer_meter=trades.buyer_meter,
                unit=pairs.apex,
                quantity_wh=trades.replaced_wh,
                price_uyuan_per_kwh=pairs.price_received_uyuan_per_kwh,
                where=trades.buyer_is_direct,
            )
        )
        blocks.append(
            block(
                TransferKind.REPLACEMENT_COST,
                payer=congestion,
                payee=d_sup,
                unit=trades.seller_unit,
                quantity_wh=trades.replaced_wh,
                price_uyuan_per_kwh=real_time - pairs.price_received_uyuan_per_kwh,
            )
        )
    blocks.append(
        block(
            TransferKind.EXCESS_EXPORT,
            payer=d_sup,
            payee=congestion,
            payer_meter=np.arange(len(inputs.standing.meter_id)),
            unit=inputs.standing.unit,
            quantity_wh=positions.excess_export_wh,
            price_uyuan_per_kwh=real_time,
        )
    )
    return blocks
