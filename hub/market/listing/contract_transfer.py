"""The money of a generation-side contract transfer: rows 166, 167. The user's side of the contract does not change.

In words the transferor "sells" its contract; in money it buys replacement energy at the transfer price, so its position
shrinks by a purchase and the transferee's grows by a sale. nano-yuan, + receives, - pays.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class TransferCash:
    """What each side receives for the transferred energy; the three sum to zero (row 167)."""

    user_nano_yuan: int
    transferor_nano_yuan: int
    transferee_nano_yuan: int


def loss_without_transfer_nano_yuan(
    contract_wh: int, generated_wh: int, *, spot_uyuan_per_kwh: int, contract_uyuan_per_kwh: int
) -> int:
    """Return (Q_c - Q_act) x (P_spot - P_c): what a generator loses on energy that it buys at spot (row 166)."""
    return (contract_wh - generated_wh) * (spot_uyuan_per_kwh - contract_uyuan_per_kwh)


def transfer_cash(energy_wh: int, *, contract_uyuan_per_kwh: int, transfer_uyuan_per_kwh: int) -> TransferCash:
    """Return A: +Q P_c - Q P_tr, B: +Q P_tr, user: -Q P_c (row 167)."""
    contract_nano_yuan = energy_wh * contract_uyuan_per_kwh
    transfer_nano_yuan = energy_wh * transfer_uyuan_per_kwh
    return TransferCash(
        user_nano_yuan=-contract_nano_yuan,
        transferor_nano_yuan=contract_nano_yuan - transfer_nano_yuan,
        transferee_nano_yuan=transfer_nano_yuan,
    )
