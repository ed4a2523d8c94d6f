"""Modes 2 and 3 and captive supply: what D_sup pays captive sellers and what captive users pay D_sup.

Mode 1 is direct trade: see energy_pairs.py. Sources: requirements rows 25, 26, 28, 29, 96; worked-interval.md.
"""

from dataclasses import dataclass

import numpy as np

from hub.market.trades import Int64Array, Party
from hub.settlement.accounts import SystemAccount
from hub.settlement.inputs import Sale, SettlementInputs, Supply
from hub.settlement.money import allocate_by_largest_remainder, sum_by_group
from hub.settlement.positions import Positions
from hub.settlement.transfers import TransferBlock, TransferKind, block


@dataclass(frozen=True)
class CommissionShares:
    """Mode 2 energy by meter and apex, sorted by (meter, apex). Shape (n_rows,) each.

    network_charge: w of each row, micro-yuan/kWh, max(0, T(class of P_comp) - g(apex)) (row 28).
    """

    meter: Int64Array
    apex: Int64Array
    energy_wh: Int64Array
    network_charge_uyuan_per_kwh: Int64Array


def captive_sale_transfers(inputs: SettlementInputs, positions: Positions) -> list[TransferBlock]:
    """Return mode 3 purchases (row 26) and mode 2 remittances with the network charge kept by D_net (row 25).

    Mode 3: paid export x P_ongrid. Mode 2: paid export x (P_comp - w) to the seller and x w to D_net.
    """
    standing, parameters = inputs.standing, inputs.parameters
    d_sup, d_net = inputs.accounts.position(SystemAccount.D_SUP), inputs.accounts.position(SystemAccount.D_NET)
    purchase = block(
        TransferKind.ON_GRID_PURCHASE,
        payer=d_sup,
        payee=standing.account,
        payee_meter=np.arange(len(standing.meter_id)),
        unit=standing.unit,
        quantity_wh=positions.paid_export_wh,
        price_uyuan_per_kwh=parameters.on_grid_price.value_uyuan_per_kwh,
        rule_version=(parameters.on_grid_price.version_id,),
        where=standing.sale == Sale.PURCHASE,
    )
    shares = commission_shares(inputs, positions)
    comprehensive = parameters.comprehensive_price
    tariff = parameters.network_tariff[parameters.comprehensive_class]
    version = f"{comprehensive.version_id}+{tariff.version_id}"
    remittance = block(
        TransferKind.COMMISSION_REMITTANCE,
        payer=d_sup,
        payee=standing.account[shares.meter],
        payee_meter=shares.meter,
        unit=shares.apex,
        quantity_wh=shares.energy_wh,
        price_uyuan_per_kwh=comprehensive.value_uyuan_per_kwh - shares.network_charge_uyuan_per_kwh,
        rule_version=(version,),
    )
    n_units = len(inputs.tree.unit_id)
    network = block(
        TransferKind.NETWORK_COMMISSION,
        payer=d_sup,
        payee=d_net,
        unit=np.arange(n_units),
        quantity_wh=sum_by_group(shares.energy_wh, shares.apex, n_units),
        price_uyuan_per_kwh=commission_charge(inputs),
        rule_version=(tariff.version_id,),
    )
    return [purchase, remittance, network]


def captive_supply_transfers(inputs: SettlementInputs, positions: Positions) -> list[TransferBlock]:
    """Return the energy bills of captive users, user to D_sup (row 96: guaranteed and agency pools are apart).

    AGENCY: import x (agency energy price + T(V_user)). GUARANTEED: import x the guaranteed all-in price.
    """
    standing, parameters = inputs.standing, inputs.parameters
    d_sup = inputs.accounts.position(SystemAccount.D_SUP)
    meter = np.arange(len(standing.meter_id))
    tariff = parameters.network_tariff_uyuan_per_kwh[standing.voltage_class]
    agency = block(
        TransferKind.AGENCY_BILL,
        payer=standing.account,
        payee=d_sup,
        payer_meter=meter,
        unit=standing.unit,
        quantity_wh=positions.import_wh,
        price_uyuan_per_kwh=parameters.agency_energy.value_uyuan_per_kwh + tariff,
        rule=standing.voltage_class,
        rule_version=tuple(
            f"{parameters.agency_energy.version_id}+{price.version_id}" for price in parameters.network_tariff
        ),
        where=standing.supply == Supply.AGENCY,
    )
    guaranteed = block(
        TransferKind.GUARANTEED_BILL,
        payer=standing.account,
        payee=d_sup,
        payer_meter=meter,
        unit=standing.unit,
        quantity_wh=positions.import_wh,
        price_uyuan_per_kwh=parameters.guaranteed_price.value_uyuan_per_kwh,
        rule_version=(parameters.guaranteed_price.version_id,),
        where=standing.supply == Supply.GUARANTEED,
    )
    return [agency, guaranteed]


def commission_charge(inputs: SettlementInputs) -> Int64Array:
    """Return w of mode 2 for every unit as apex: max(0, T(class of P_comp) - g(n)), shape (n_units,)."""
    parameters = inputs.parameters
    tariff = parameters.network_tariff_uyuan_per_kwh[parameters.comprehensive_class]
    return np.asarray(np.maximum(tariff - inputs.unit_tariff_uyuan_per_kwh, 0), dtype=np.int64)


def commission_shares(inputs: SettlementInputs, positions: Positions) -> CommissionShares:
    """Return each mode 2 meter's paid export split over the apexes of its unit's COMMISSION pairs.

    Pro rata to the pairs' energy by largest remainder; a unit without such pairs counts as its own apex.
    """
    standing = inputs.standing
    meter = np.flatnonzero((standing.sale == Sale.COMMISSION) & (positions.paid_export_wh > 0))
    unit, apex, weight = _commission_apexes(inputs, positions)
    first = np.searchsorted(unit, np.arange(len(inputs.tree.unit_id) + 1))
    n_apexes = (first[1:] - first[:-1])[standing.unit[meter]]
    group = np.repeat(np.arange(meter.size), n_apexes)
    offset = np.arange(group.size) - np.repeat(np.cumsum(n_apexes) - n_apexes, n_apexes)
    row = first[standing.unit[meter]][group] + offset
    energy = allocate_by_largest_remainder(positions.paid_export_wh[meter], weight[row], group)
    return CommissionShares(
        meter=np.asarray(meter[group], dtype=np.int64),
        apex=apex[row],
        energy_wh=energy,
        network_charge_uyuan_per_kwh=commission_charge(inputs)[apex[row]],
    )


def _commission_apexes(inputs: SettlementInputs, positions: Positions) -> tuple[Int64Array, Int64Array, Int64Array]:
    """Return (unit, apex, Wh) of all COMMISSION pairs, sorted; a unit without any stands once, with itself."""
    n_units = len(inputs.tree.unit_id)
    energy = np.zeros(n_units * n_units, np.int64)
    for trades in positions.trades:
        sold = trades.seller_party == Party.COMMISSION
        key = trades.seller_unit[sold] * n_units + trades.session.pairs.apex[sold]
        energy += sum_by_group(trades.delivered_wh[sold], key, energy.size)
    table = energy.reshape(n_units, n_units)
    table[np.diag_indices(n_units)] += table.sum(axis=1) == 0
    unit, apex = np.nonzero(table)
    return np.asarray(unit, dtype=np.int64), np.asarray(apex, dtype=np.int64), table[unit, apex]
