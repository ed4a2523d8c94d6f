"""The network, charged once, on metered energy: w where a mode 1 trade covers it, T(V_user) otherwise.

Sources: DESIGN 5 "Network fee"; requirements rows 24, 28, 97, 107; worked-interval.md.
"""

from dataclasses import dataclass

import numpy as np

from hub.market.trades import Int64Array
from hub.settlement.accounts import SystemAccount
from hub.settlement.inputs import Sale, SettlementInputs, Supply
from hub.settlement.money import allocate_by_largest_remainder, exact_sum, sum_by_group
from hub.settlement.positions import Positions
from hub.settlement.transfers import TransferBlock, TransferKind, block

DIRECT_MODE = 1


@dataclass(frozen=True)
class CoveredEnergy:
    """Direct users' metered energy that mode 1 trades cover, sorted by (meter, apex). Shape (n_rows,) each.

    pair_charge_uyuan_per_kwh: what the market said the network costs on these trades ("N"), to compare with w.
    """

    meter: Int64Array
    apex: Int64Array
    energy_wh: Int64Array
    pair_charge_uyuan_per_kwh: Int64Array


def network_transfers(inputs: SettlementInputs, positions: Positions) -> list[TransferBlock]:
    """Return what direct and retail users pay D_net, and what D_sup passes on to it for captive users.

    Direct or retail user: covered Wh x w(apex) = max(0, T(V_user) - g(apex)), the rest of import x T(V_user). D_sup:
    captive users' import x T(V_user), except the energy served by mode 2, of which D_net keeps w (modes.py).
    """
    standing, parameters = inputs.standing, inputs.parameters
    d_net = inputs.accounts.position(SystemAccount.D_NET)
    versions = tuple(price.version_id for price in parameters.network_tariff)
    tariff = parameters.network_tariff_uyuan_per_kwh
    rows = covered_energy(inputs, positions)
    row_class = standing.voltage_class[rows.meter]
    covered = block(
        TransferKind.NETWORK_COVERED,
        payer=standing.account[rows.meter],
        payee=d_net,
        payer_meter=rows.meter,
        unit=rows.apex,
        quantity_wh=rows.energy_wh,
        price_uyuan_per_kwh=np.maximum(tariff[row_class] - inputs.unit_tariff_uyuan_per_kwh[rows.apex], 0),
        rule=row_class,
        rule_version=versions,
    )
    n_meters = len(standing.meter_id)
    uncovered = block(
        TransferKind.NETWORK_UNCOVERED,
        payer=standing.account,
        payee=d_net,
        payer_meter=np.arange(n_meters),
        unit=standing.unit,
        quantity_wh=positions.import_wh - sum_by_group(rows.energy_wh, rows.meter, n_meters),
        price_uyuan_per_kwh=tariff[standing.voltage_class],
        rule=standing.voltage_class,
        rule_version=versions,
        where=standing.buys_in_market,
    )
    captive_wh, served_wh = captive_energy(inputs, positions)
    captive = block(
        TransferKind.NETWORK_CAPTIVE,
        payer=inputs.accounts.position(SystemAccount.D_SUP),
        payee=d_net,
        quantity_wh=captive_wh - served_wh,
        price_uyuan_per_kwh=tariff,
        rule=np.arange(len(versions)),
        rule_version=versions,
    )
    return [covered, uncovered, captive]


def covered_energy(inputs: SettlementInputs, positions: Positions) -> CoveredEnergy:
    """Return each direct user's covered energy by apex.

    The energy of its mode 1 pairs of all sessions; if the meter shows less than all of them together, what it shows,
    split pro rata by largest remainder.
    """
    n_meters, n_units = len(inputs.standing.meter_id), len(inputs.tree.unit_id)
    empty = np.empty(0, np.int64)
    keys, energies, charges = [empty], [empty], [empty]
    for trades in positions.trades:
        pairs = trades.session.pairs
        covers = trades.buyer_is_direct & (pairs.mode == DIRECT_MODE)
        keys.append(trades.buyer_meter[covers] * n_units + pairs.apex[covers])
        energies.append(trades.taken_wh[covers])
        charges.append(pairs.network_charge_uyuan_per_kwh[covers])
    key, first, row = np.unique(np.concatenate(keys), return_index=True, return_inverse=True)
    traded = sum_by_group(np.concatenate(energies), np.asarray(row, dtype=np.int64), key.size)
    meter, apex = key // n_units, key % n_units
    covered = np.minimum(sum_by_group(traded, meter, n_meters), positions.import_wh)
    return CoveredEnergy(
        meter=meter,
        apex=apex,
        energy_wh=allocate_by_largest_remainder(covered, traded, meter),
        pair_charge_uyuan_per_kwh=np.concatenate(charges)[first],
    )


def captive_energy(inputs: SettlementInputs, positions: Positions) -> tuple[Int64Array, Int64Array]:
    """Return captive users' import by voltage class, and of it what mode 2 serves: shape (n_classes,) each.

    Mode 2 serves min(mode 2 metered, captive metered), spread over the classes pro rata by largest remainder.
    """
    standing = inputs.standing
    n_classes = len(inputs.parameters.voltage_class)
    captive = (standing.supply == Supply.AGENCY) | (standing.supply == Supply.GUARANTEED)
    energy = sum_by_group(positions.import_wh[captive], standing.voltage_class[captive], n_classes)
    commission = exact_sum(positions.paid_export_wh[standing.sale == Sale.COMMISSION])
    served = np.array([min(commission, exact_sum(energy))], np.int64)
    return energy, allocate_by_largest_remainder(served, energy, np.zeros(n_classes, np.int64))
