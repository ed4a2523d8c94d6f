"""Deviation of metered from traded energy, and the two settlement methods that must agree (requirements rows 50-52).

The transfers follow method two (偏差结算): trades at their prices, then the deviation at pi_n = P_RT + basis of the
node, P_RT with D_sup and the basis with the congestion account. independent_accounts.py follows method one (差价结算).
"""

from dataclasses import dataclass

import numpy as np

from hub.market.trades import Int64Array, Party
from hub.settlement.accounts import SystemAccount
from hub.settlement.inputs import Sale, SettlementInputs, Supply
from hub.settlement.money import charge_nano_yuan, sum_by_group, sum_columns
from hub.settlement.positions import Positions
from hub.settlement.transfers import TransferBlock, TransferKind, block, without_zero_price


def deviation_transfers(inputs: SettlementInputs, positions: Positions) -> list[TransferBlock]:
    """Return the deviation and basis of direct parties, both roles apart, and the basis of D_sup's own books.

    Seller: (paid export - sold) x P_RT from D_sup and x basis from congestion. Buyer: (import - bought) x P_RT to D_sup
    and x basis to congestion; of a retail user the retailer pays. D_sup's books bear the basis only
    (worked-interval.md, rules of pairing and price).
    """
    standing, accounts = inputs.standing, inputs.accounts
    d_sup, congestion = accounts.position(SystemAccount.D_SUP), accounts.position(SystemAccount.CONGESTION)
    meter = np.arange(len(standing.meter_id))
    basis = inputs.deviation_basis_uyuan_per_kwh[standing.unit]
    export = (positions.paid_export_wh - positions.sold_wh, standing.sale == Sale.DIRECT)
    imports = (positions.import_wh - positions.bought_wh, standing.buys_in_market)
    blocks = []
    for kind, payer, price in (
        (TransferKind.EXPORT_DEVIATION, d_sup, inputs.prices.real_time_uyuan_per_kwh),
        (TransferKind.EXPORT_BASIS, congestion, basis),
    ):
        rows = block(
            kind,
            payer=payer,
            payee=standing.account,
            payee_meter=meter,
            unit=standing.unit,
            quantity_wh=export[0],
            price_uyuan_per_kwh=price,
            where=export[1],
        )
        blocks.append(rows if kind is TransferKind.EXPORT_DEVIATION else without_zero_price(rows))
    for kind, payee, price in (
        (TransferKind.IMPORT_DEVIATION, d_sup, inputs.prices.real_time_uyuan_per_kwh),
        (TransferKind.IMPORT_BASIS, congestion, basis),
    ):
        rows = block(
            kind,
            payer=standing.energy_account,
            payee=payee,
            payer_meter=meter,
            unit=standing.unit,
            quantity_wh=imports[0],
            price_uyuan_per_kwh=price,
            where=imports[1],
        )
        blocks.append(rows if kind is TransferKind.IMPORT_DEVIATION else without_zero_price(rows))
    return blocks + _book_basis(inputs, positions)


@dataclass(frozen=True)
class SettledPositions:
    """What the two methods are computed from; generator sign, shape (n,) each, sessions on a leading axis.

    deviation_price: pi_n. traded_wh, traded_nano_yuan: Q_s and Q_s p_s, shape (n_sessions, n), first session first.
    first_price: the node's price in the first session. contract_wh, contract_nano_yuan: Q_c and Q_c P_c of listing
    contracts; reference_price: P_ref.
    """

    metered_wh: Int64Array
    deviation_price_uyuan_per_kwh: Int64Array
    traded_wh: Int64Array
    traded_nano_yuan: Int64Array
    first_price_uyuan_per_kwh: Int64Array
    contract_wh: Int64Array
    contract_nano_yuan: Int64Array
    reference_price_uyuan_per_kwh: Int64Array


def settle_by_difference(positions: SettledPositions) -> Int64Array:
    """Return method one (差价结算, row 50; row 52 with several sessions), nano-yuan.

    metered x pi + sum over sessions (Q_s p_s - Q_s pi) + Q_c (P_c - P_ref)

    :raises OverflowError: if a result could leave int64
    """
    price = positions.deviation_price_uyuan_per_kwh
    differences = (
        traded_nano_yuan - charge_nano_yuan(traded_wh, price)
        for traded_wh, traded_nano_yuan in zip(positions.traded_wh, positions.traded_nano_yuan, strict=True)
    )
    return sum_columns(
        charge_nano_yuan(positions.metered_wh, price),
        *differences,
        positions.contract_nano_yuan,
        -charge_nano_yuan(positions.contract_wh, positions.reference_price_uyuan_per_kwh),
    )


def settle_by_deviation(positions: SettledPositions) -> Int64Array:
    """Return method two with its second step (偏差结算, row 51; row 52 with several sessions), nano-yuan.

    Q_c P_c + (Q_1 p_1 - Q_c p_1) + sum of later sessions Q_s p_s + (metered - sum Q_s) pi, then Q_c (p_1 - P_ref): the
    contract counts towards the first session, and the second step pays for the place at which it is settled.

    :raises OverflowError: if a result could leave int64
    """
    contract_wh, first_price = positions.contract_wh, positions.first_price_uyuan_per_kwh
    deviation_wh = sum_columns(positions.metered_wh, *(-traded_wh for traded_wh in positions.traded_wh))
    step_one = sum_columns(
        positions.contract_nano_yuan,
        -charge_nano_yuan(contract_wh, first_price),
        *positions.traded_nano_yuan,
        charge_nano_yuan(deviation_wh, positions.deviation_price_uyuan_per_kwh),
    )
    step_two = charge_nano_yuan(contract_wh, first_price - positions.reference_price_uyuan_per_kwh)
    return sum_columns(step_one, step_two)


def _book_basis(inputs: SettlementInputs, positions: Positions) -> list[TransferBlock]:
    """Return the basis that D_sup's books bear on metered less traded energy, one row a unit and book."""
    standing, basis = inputs.standing, inputs.deviation_basis_uyuan_per_kwh
    d_sup = inputs.accounts.position(SystemAccount.D_SUP)
    congestion = inputs.accounts.position(SystemAccount.CONGESTION)
    n_units = len(inputs.tree.unit_id)
    by_party: dict[Party, Int64Array] = {Party.LOSS: inputs.loss_wh}
    for party, sale in ((Party.PURCHASE, Sale.PURCHASE), (Party.COMMISSION, Sale.COMMISSION)):
        member = standing.sale == sale
        by_party[party] = sum_by_group(positions.paid_export_wh[member], standing.unit[member], n_units)
    captive = (standing.supply == Supply.AGENCY) | (standing.supply == Supply.GUARANTEED)
    by_party[Party.SUPPLY] = sum_by_group(positions.import_wh[captive], standing.unit[captive], n_units)
    blocks = []
    for party in (Party.PURCHASE, Party.COMMISSION, Party.SUPPLY, Party.LOSS):
        sells = party in (Party.PURCHASE, Party.COMMISSION)
        rows = block(
            TransferKind.EXPORT_BASIS if sells else TransferKind.IMPORT_BASIS,
            payer=congestion if sells else d_sup,
            payee=d_sup if sells else congestion,
            unit=np.arange(n_units),
            quantity_wh=by_party[party] - positions.book_wh[:, party],
            price_uyuan_per_kwh=basis,
        )
        blocks.append(without_zero_price(rows))
    return blocks
