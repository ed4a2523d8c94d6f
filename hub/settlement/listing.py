"""Listing contracts: financial, settled as the difference to the reference price; the energy trades in sessions."""

from hub.settlement.inputs import SettlementInputs
from hub.settlement.transfers import TransferBlock, TransferKind, block


def listing_transfers(inputs: SettlementInputs) -> list[TransferBlock]:
    """Return Q_L x (P_L - P_ref), buyer to seller (DESIGN 5 "Money of an interval"; requirements row 50).

    A contract for a retail user's metering point binds its retailer (row 3: who buys in a listing is the retailer).
    """
    listing, account = inputs.listing, inputs.standing.account
    return [
        block(
            TransferKind.LISTING_DIFFERENCE,
            payer=inputs.standing.energy_account[listing.buyer_meter],
            payee=account[listing.seller_meter],
            payer_meter=listing.buyer_meter,
            payee_meter=listing.seller_meter,
            quantity_wh=listing.energy_wh,
            price_uyuan_per_kwh=listing.price_uyuan_per_kwh - inputs.prices.reference_uyuan_per_kwh,
        )
    ]
