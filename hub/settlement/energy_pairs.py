"""Energy of the pairs: the buyer pays the seller, the congestion rent of the path, and the upstream loss."""

import numpy as np

from hub.settlement.accounts import SystemAccount
from hub.settlement.inputs import SettlementInputs
from hub.settlement.positions import Positions, SessionTrades
from hub.settlement.transfers import TransferBlock, TransferKind, block, without_zero_price


def energy_pair_transfers(inputs: SettlementInputs, positions: Positions) -> list[TransferBlock]:
    """Return the transfers of all sessions' pairs (worked-interval.md; requirements rows 24, 54, 110).

    Energy: delivered Wh x price received, buyer to seller; between two of D_sup's own orders no money moves.
    Rent: taken Wh x (price paid - price received), buyer to congestion, for every pair.
    Upstream loss: taken Wh x the upstream loss in the buyer's node price, direct buyer to D_sup. For a retail user its
    retailer pays energy and rent; the upstream loss, which the month's bill charges the user, is the user's (row 110).
    """
    return [rows for trades in positions.trades for rows in _session_transfers(inputs, trades)]


def _session_transfers(inputs: SettlementInputs, trades: SessionTrades) -> list[TransferBlock]:
    pairs = trades.session.pairs
    d_sup = inputs.accounts.position(SystemAccount.D_SUP)
    energy = block(
        TransferKind.ENERGY,
        payer=trades.buyer_account,
        payee=trades.seller_account,
        payer_meter=trades.buyer_meter,
        payee_meter=trades.seller_meter,
        unit=pairs.apex,
        quantity_wh=trades.delivered_wh,
        price_uyuan_per_kwh=pairs.price_received_uyuan_per_kwh,
        where=trades.seller_is_direct | trades.buyer_is_direct,
    )
    rent = block(
        TransferKind.CONGESTION_RENT,
        payer=trades.buyer_account,
        payee=inputs.accounts.position(SystemAccount.CONGESTION),
        payer_meter=trades.buyer_meter,
        unit=pairs.apex,
        quantity_wh=trades.taken_wh,
        price_uyuan_per_kwh=pairs.price_paid_uyuan_per_kwh - pairs.price_received_uyuan_per_kwh,
    )
    upstream_loss = block(
        TransferKind.UPSTREAM_LOSS,
        payer=trades.user_account,
        payee=d_sup,
        payer_meter=trades.buyer_meter,
        unit=pairs.apex,
        quantity_wh=trades.taken_wh,
        price_uyuan_per_kwh=pairs.upstream_loss_uyuan_per_kwh,
        rule_version=(inputs.parameters.upstream_loss.version_id,),
        where=np.asarray(trades.buyer_is_direct, dtype=np.bool_),
    )
    return [energy, without_zero_price(rent), without_zero_price(upstream_loss)]
