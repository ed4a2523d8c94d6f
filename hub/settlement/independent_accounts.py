"""Every account computed on its own, by another way than the transfers, to be compared with the ledger (law 6).

Direct parties follow method one (差价结算): metered x pi_n + sum of (Q_s p_s - Q_s pi_n) + Q_L (P_L - P_ref), with the
fills of the clearing, where the transfers go pair by pair and deviation by deviation. D_sup is written from its own
books in the same form, without direct parties' meters, the gateway's or the loss: that it agrees with the ledger proves
the measured loss. The congestion account is nodal: basis x energy at each node. D_net is all users at full tariff less
what trades take off. A retailer is method one of its users, without upstream loss, which is the users' own (rows 79,
110). No account is the remainder of the others; their sum is zero only if every one is right.
"""

import numpy as np

from hub.market.trades import Int64Array, Party, TradeSide
from hub.settlement.accounts import SystemAccount
from hub.settlement.columns import read_only
from hub.settlement.deviation import SettledPositions, settle_by_difference
from hub.settlement.inputs import Sale, SettlementInputs, Supply
from hub.settlement.modes import commission_shares
from hub.settlement.money import (
    charge_nano_yuan,
    exact_sum,
    sum_by_group,
    sum_columns,
    total_charge_nano_yuan,
)
from hub.settlement.network_charge import captive_energy, covered_energy
from hub.settlement.positions import Positions, SessionTrades


def independent_accounts(inputs: SettlementInputs, positions: Positions) -> Int64Array:
    """Return the total of every account, shape (n_accounts,), nano-yuan.

    :raises OverflowError: if a total could leave int64
    """
    n_accounts, standing = len(inputs.accounts), inputs.standing
    retail_loss = _retail_upstream_loss(inputs, positions)
    bought = sum_columns(-settle_by_difference(direct_buyers(inputs, positions)), retail_loss)
    own = sum_columns(
        settle_by_difference(direct_sellers(inputs, positions)),
        -retail_loss,
        _captive_sales(inputs, positions),
        -_captive_bills(inputs, positions),
        -_network_and_loss_fee(inputs, positions),
    )
    system = {
        SystemAccount.D_NET: _d_net(inputs, positions),
        SystemAccount.D_SUP: _d_sup(inputs, positions),
        SystemAccount.OPERATOR: 0,
        SystemAccount.PROVINCE: _province(inputs),
        SystemAccount.UPPER_GRID: inputs.gateway.import_wh * inputs.parameters.gateway_tariff.value_uyuan_per_kwh,
        SystemAccount.LOSS_FUND: _loss_fund(inputs, positions),
        SystemAccount.CONGESTION: _congestion(inputs, positions),
        SystemAccount.ROUNDING: 0,
        # What bills collect for a month; an interval charges neither.
        SystemAccount.SYSTEM_ITEMS: 0,
        SystemAccount.GOVERNMENT_FUNDS: 0,
    }
    totals = sum_columns(
        sum_by_group(own, standing.account, n_accounts), sum_by_group(bought, standing.energy_account, n_accounts)
    )
    for account in SystemAccount:
        totals[inputs.accounts.position(account)] = system[account]
    return read_only(totals)


def direct_sellers(inputs: SettlementInputs, positions: Positions) -> SettledPositions:
    """Return by meter what direct sellers' energy and listing contracts are settled from, generator sign."""
    standing = inputs.standing
    filled, value = _by_session(inputs), _by_session(inputs)
    for number, trades in enumerate(positions.trades):
        direct = trades.seller_is_direct
        money = charge_nano_yuan(trades.delivered_wh, trades.session.pairs.price_received_uyuan_per_kwh)
        filled[number] = _filled_by_meter(trades, TradeSide.SELL, standing.unit.size)
        value[number] = sum_by_group(money[direct], trades.seller_meter[direct], standing.unit.size)
    return _settled(
        inputs,
        metered_wh=np.where(standing.sale == Sale.DIRECT, positions.paid_export_wh, 0),
        traded_wh=filled,
        traded_nano_yuan=value,
        contract_meter=inputs.listing.seller_meter,
    )


def direct_buyers(inputs: SettlementInputs, positions: Positions) -> SettledPositions:
    """Return the same for direct and retail users, user sign: energy, rent, upstream loss; no network, no fees."""
    standing = inputs.standing
    filled, value = _by_session(inputs), _by_session(inputs)
    for number, trades in enumerate(positions.trades):
        pairs, direct = trades.session.pairs, trades.buyer_is_direct
        money = charge_nano_yuan(pairs.energy_wh, pairs.price_paid_uyuan_per_kwh + pairs.upstream_loss_uyuan_per_kwh)
        filled[number] = _filled_by_meter(trades, TradeSide.BUY, standing.unit.size)
        value[number] = sum_by_group(money[direct], trades.buyer_meter[direct], standing.unit.size)
    return _settled(
        inputs,
        metered_wh=np.where(standing.buys_in_market, positions.import_wh, 0),
        traded_wh=filled,
        traded_nano_yuan=value,
        contract_meter=inputs.listing.buyer_meter,
    )


def _retail_upstream_loss(inputs: SettlementInputs, positions: Positions) -> Int64Array:
    """Return by meter the upstream loss of what retailers bought for their users (row 110)."""
    n_meters, retail = inputs.standing.unit.size, inputs.standing.supply == Supply.RETAIL
    total = np.zeros(n_meters, np.int64)
    for trades in positions.trades:
        pairs, served = trades.session.pairs, trades.buyer_is_direct & retail[trades.buyer_meter]
        loss = charge_nano_yuan(pairs.energy_wh[served], pairs.upstream_loss_uyuan_per_kwh[served])
        total = sum_columns(total, sum_by_group(loss, trades.buyer_meter[served], n_meters))
    return total


def _by_session(inputs: SettlementInputs) -> Int64Array:
    return np.zeros((len(inputs.sessions), inputs.standing.unit.size), np.int64)


def _settled(
    inputs: SettlementInputs,
    *,
    metered_wh: Int64Array,
    traded_wh: Int64Array,
    traded_nano_yuan: Int64Array,
    contract_meter: Int64Array,
) -> SettledPositions:
    listing, unit = inputs.listing, inputs.standing.unit
    contract_nano_yuan = charge_nano_yuan(listing.energy_wh, listing.price_uyuan_per_kwh)
    price = inputs.prices.real_time_uyuan_per_kwh + inputs.deviation_basis_uyuan_per_kwh[unit]
    first = inputs.sessions[0].clearing.price_uyuan_per_kwh[unit] if inputs.sessions else price
    return SettledPositions(
        metered_wh=metered_wh,
        deviation_price_uyuan_per_kwh=price,
        traded_wh=traded_wh,
        traded_nano_yuan=traded_nano_yuan,
        first_price_uyuan_per_kwh=first,
        contract_wh=sum_by_group(listing.energy_wh, contract_meter, unit.size),
        contract_nano_yuan=sum_by_group(contract_nano_yuan, contract_meter, unit.size),
        reference_price_uyuan_per_kwh=np.full(unit.size, inputs.prices.reference_uyuan_per_kwh, np.int64),
    )


def _captive_sales(inputs: SettlementInputs, positions: Positions) -> Int64Array:
    """Return by meter what mode 3 and mode 2 sellers receive: all at one price, less w of mode 2."""
    standing, parameters = inputs.standing, inputs.parameters
    price = np.zeros(standing.unit.shape, np.int64)
    price[standing.sale == Sale.PURCHASE] = parameters.on_grid_price.value_uyuan_per_kwh
    price[standing.sale == Sale.COMMISSION] = parameters.comprehensive_price.value_uyuan_per_kwh
    shares = commission_shares(inputs, positions)
    kept = charge_nano_yuan(shares.energy_wh, shares.network_charge_uyuan_per_kwh)
    return sum_columns(
        charge_nano_yuan(positions.paid_export_wh, price), -sum_by_group(kept, shares.meter, standing.unit.size)
    )


def _captive_bills(inputs: SettlementInputs, positions: Positions) -> Int64Array:
    """Return by meter what captive users pay D_sup."""
    standing, parameters = inputs.standing, inputs.parameters
    tariff = parameters.network_tariff_uyuan_per_kwh[standing.voltage_class]
    agency = (standing.supply == Supply.AGENCY) * (parameters.agency_energy.value_uyuan_per_kwh + tariff)
    guaranteed = (standing.supply == Supply.GUARANTEED) * np.int64(parameters.guaranteed_price.value_uyuan_per_kwh)
    return charge_nano_yuan(positions.import_wh, np.asarray(agency + guaranteed, dtype=np.int64))


def _network_and_loss_fee(inputs: SettlementInputs, positions: Positions) -> Int64Array:
    """Return by meter the network of direct and retail users, less what trades take off, and all users' loss fee."""
    standing, parameters = inputs.standing, inputs.parameters
    tariff = parameters.network_tariff_uyuan_per_kwh[standing.voltage_class]
    fee = (standing.supply != Supply.NONE) * np.int64(parameters.loss_fee.value_uyuan_per_kwh)
    full = np.where(standing.buys_in_market, tariff, 0)
    covered = covered_energy(inputs, positions)
    discount = charge_nano_yuan(covered.energy_wh, tariff[covered.meter] - covered.pair_charge_uyuan_per_kwh)
    return sum_columns(
        charge_nano_yuan(positions.import_wh, np.asarray(full + fee, dtype=np.int64)),
        -sum_by_group(discount, covered.meter, standing.unit.size),
    )


def _d_net(inputs: SettlementInputs, positions: Positions) -> int:
    """Return D_net: every user at full tariff, less the reliefs of trades and mode 2, plus its w, less gateway."""
    standing, parameters = inputs.standing, inputs.parameters
    tariff = parameters.network_tariff_uyuan_per_kwh
    user = standing.supply != Supply.NONE
    full = total_charge_nano_yuan(positions.import_wh[user], tariff[standing.voltage_class[user]])
    covered = covered_energy(inputs, positions)
    relief = tariff[standing.voltage_class[covered.meter]] - covered.pair_charge_uyuan_per_kwh
    shares = commission_shares(inputs, positions)
    _, served_wh = captive_energy(inputs, positions)
    gateway = inputs.gateway.import_wh * parameters.gateway_tariff.value_uyuan_per_kwh
    return (
        full
        - total_charge_nano_yuan(covered.energy_wh, relief)
        - total_charge_nano_yuan(served_wh, tariff)
        + total_charge_nano_yuan(shares.energy_wh, shares.network_charge_uyuan_per_kwh)
        - gateway
    )


def _d_sup(inputs: SettlementInputs, positions: Positions) -> int:
    """Return D_sup from its own books, method one.

    (own sellers' export - own users' import) x P_RT, plus sales to direct parties x (price - P_RT), less purchases from
    them x (price - P_RT); replaced energy, rents and basis of its books, day-ahead schedule x (P_RT - P_DA); retail.
    """
    standing, real_time = inputs.standing, inputs.prices.real_time_uyuan_per_kwh
    own_export = positions.paid_export_wh[standing.sale != Sale.DIRECT]
    own_import = positions.import_wh[~standing.buys_in_market]
    total = (exact_sum(own_export) - exact_sum(own_import)) * real_time
    for trades in positions.trades:
        total += _d_sup_trades(trades, real_time)
    total += _d_sup_basis(inputs, positions)
    schedule_wh = inputs.gateway.day_ahead_import_wh - inputs.gateway.day_ahead_export_wh
    total += schedule_wh * (real_time - inputs.prices.day_ahead_uyuan_per_kwh)
    total -= inputs.gateway.import_wh * inputs.parameters.upstream_loss.value_uyuan_per_kwh
    return total + _d_sup_retail(inputs, positions)


def _d_sup_trades(trades: SessionTrades, real_time: int) -> int:
    pairs = trades.session.pairs
    from_direct, to_direct = trades.seller_is_direct, trades.buyer_is_direct
    received = pairs.price_received_uyuan_per_kwh
    sold = np.where(to_direct & ~from_direct, pairs.energy_wh, 0)
    sold += np.where(to_direct & from_direct, trades.replaced_wh, 0)
    bought = np.where(from_direct & ~to_direct, trades.delivered_wh, 0)
    basis = _pair_basis(trades)
    return (
        total_charge_nano_yuan(sold - bought, received - real_time)
        + total_charge_nano_yuan(trades.replaced_wh, real_time - received)
        + total_charge_nano_yuan(np.where(to_direct, pairs.energy_wh, 0), pairs.upstream_loss_uyuan_per_kwh)
        - total_charge_nano_yuan(np.where(to_direct, 0, trades.taken_wh), basis)
    )


def _pair_basis(trades: SessionTrades) -> Int64Array:
    """Return basis at the buyer less basis at the seller, of the session's clearing; the province stands outside."""
    basis = trades.session.clearing.basis_uyuan_per_kwh
    at_buyer = np.where(trades.buyer_party == Party.PROVINCE, 0, basis[trades.buyer_unit])
    at_seller = np.where(trades.seller_party == Party.PROVINCE, 0, basis[trades.seller_unit])
    return np.asarray(at_buyer - at_seller, dtype=np.int64)


def _d_sup_basis(inputs: SettlementInputs, positions: Positions) -> int:
    """Return what D_sup's books receive for basis: metered less cleared energy of each unit, sellers less buyers."""
    standing, n_units = inputs.standing, len(inputs.tree.unit_id)
    sells = (standing.sale == Sale.PURCHASE) | (standing.sale == Sale.COMMISSION)
    buys = (standing.supply == Supply.AGENCY) | (standing.supply == Supply.GUARANTEED)
    net = -inputs.loss_wh
    net = net + sum_by_group(positions.paid_export_wh[sells], standing.unit[sells], n_units)
    net = net - sum_by_group(positions.import_wh[buys], standing.unit[buys], n_units)
    for trades in positions.trades:
        orders = trades.session.orders
        book = (orders.party != Party.DIRECT) & (orders.party != Party.PROVINCE)
        filled = _filled_after_curtailment(trades)
        signed = np.where(orders.side == TradeSide.SELL, filled, -filled)
        net = net - sum_by_group(signed[book], orders.unit[book], n_units)
    return total_charge_nano_yuan(net, inputs.deviation_basis_uyuan_per_kwh)


def _d_sup_retail(inputs: SettlementInputs, positions: Positions) -> int:
    """Return captive users' bills less their network, less what captive sellers are paid and D_net keeps of it."""
    standing, parameters = inputs.standing, inputs.parameters
    commission = positions.paid_export_wh[standing.sale == Sale.COMMISSION]
    purchase = positions.paid_export_wh[standing.sale == Sale.PURCHASE]
    captive_wh, served_wh = captive_energy(inputs, positions)
    return (
        exact_sum(_captive_bills(inputs, positions))
        - exact_sum(commission) * parameters.comprehensive_price.value_uyuan_per_kwh
        - exact_sum(purchase) * parameters.on_grid_price.value_uyuan_per_kwh
        - total_charge_nano_yuan(captive_wh - served_wh, parameters.network_tariff_uyuan_per_kwh)
    )


def _province(inputs: SettlementInputs) -> int:
    """Return the province: net metered exchange at P_RT, net schedule at P_DA - P_RT, and upstream loss on imports."""
    gateway, prices = inputs.gateway, inputs.prices
    schedule_wh = gateway.day_ahead_import_wh - gateway.day_ahead_export_wh
    return (
        (gateway.import_wh - gateway.export_wh) * prices.real_time_uyuan_per_kwh
        + schedule_wh * (prices.day_ahead_uyuan_per_kwh - prices.real_time_uyuan_per_kwh)
        + gateway.import_wh * inputs.parameters.upstream_loss.value_uyuan_per_kwh
    )


def _loss_fund(inputs: SettlementInputs, positions: Positions) -> int:
    """Return the loss fund: fees on all users' energy less the loss of every unit at P_RT (row 111)."""
    users = positions.import_wh[inputs.standing.supply != Supply.NONE]
    fees = exact_sum(users) * inputs.parameters.loss_fee.value_uyuan_per_kwh
    return fees - exact_sum(inputs.loss_wh) * inputs.prices.real_time_uyuan_per_kwh


def _congestion(inputs: SettlementInputs, positions: Positions) -> int:
    """Return the congestion account node by node (row 54).

    Sessions: basis x (bought - sold) at each node. Deviation: basis x (metered - traded), users less sellers. Export
    above setpoints at P_RT, less what replaced energy costs beyond the curtailed sellers' price.
    """
    standing, n_units = inputs.standing, len(inputs.tree.unit_id)
    real_time = inputs.prices.real_time_uyuan_per_kwh
    users, sellers = standing.supply != Supply.NONE, standing.sale != Sale.NONE
    net = inputs.loss_wh + sum_by_group(positions.import_wh[users], standing.unit[users], n_units)
    net = net - sum_by_group(positions.paid_export_wh[sellers], standing.unit[sellers], n_units)
    total = exact_sum(positions.excess_export_wh) * real_time
    for trades in positions.trades:
        orders, clearing, pairs = trades.session.orders, trades.session.clearing, trades.session.pairs
        inside = orders.party != Party.PROVINCE
        sign = np.where(orders.side == TradeSide.BUY, 1, -1)
        to_province = np.where(trades.buyer_party == Party.PROVINCE, trades.session.curtailed_wh, 0)
        unsold = sum_by_group(to_province, pairs.seller, orders.meter.size)
        traded = sum_by_group((sign * (clearing.filled_wh - unsold))[inside], orders.unit[inside], n_units)
        total += total_charge_nano_yuan(traded, clearing.basis_uyuan_per_kwh)
        total -= total_charge_nano_yuan(trades.replaced_wh, real_time - pairs.price_received_uyuan_per_kwh)
        final = (sign * _filled_after_curtailment(trades))[inside]
        net = net - sum_by_group(final, orders.unit[inside], n_units)
    return total + total_charge_nano_yuan(net, inputs.deviation_basis_uyuan_per_kwh)


def _filled_after_curtailment(trades: SessionTrades) -> Int64Array:
    """Return the clearing's fills less what curtailment took from sellers, shape (n_orders,)."""
    session = trades.session
    return session.clearing.filled_wh - sum_by_group(
        session.curtailed_wh, session.pairs.seller, session.orders.meter.size
    )


def _filled_by_meter(trades: SessionTrades, side: TradeSide, n_meters: int) -> Int64Array:
    """Return direct parties' fills of one side by meter, after curtailment, shape (n_meters,)."""
    orders = trades.session.orders
    own = (orders.party == Party.DIRECT) & (orders.side == side)
    return sum_by_group(_filled_after_curtailment(trades)[own], orders.meter[own], n_meters)
