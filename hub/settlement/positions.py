"""What everybody traded and what of the metered energy is paid for, computed once from pairs and meters.

Trades of all sessions add up (DESIGN 5: "several sessions", fills count in sum). Curtailment takes energy from the
seller of a pair; the buyer keeps its energy, except the province, whose purchase shrinks. Export above a setpoint is
metered but not paid.
"""

from dataclasses import dataclass

import numpy as np

from hub.market.trades import BoolArray, Int8Array, Int64Array, Party, TradeSide
from hub.settlement.accounts import SystemAccount
from hub.settlement.inputs import Sale, Session, SettlementInputError, SettlementInputs
from hub.settlement.money import sum_by_group

N_PARTIES = len(Party)


@dataclass(frozen=True)
class SessionTrades:
    """The pairs of one session with their parties, shape (n_pairs,) each.

    seller_account, buyer_account: D_sup for its books and for the province, whose only counterparty it is; a retailer
    for its users. user_account: whom the buying meter belongs to, for what is charged besides energy.
    delivered_wh: what the seller still sells; taken_wh: what the buyer still buys; replaced_wh: of that, what D_sup
    delivers in the place of a curtailed seller.
    """

    session: Session
    seller_unit: Int64Array
    buyer_unit: Int64Array
    seller_meter: Int64Array
    buyer_meter: Int64Array
    seller_party: Int8Array
    buyer_party: Int8Array
    seller_account: Int64Array
    buyer_account: Int64Array
    user_account: Int64Array
    delivered_wh: Int64Array
    taken_wh: Int64Array
    replaced_wh: Int64Array

    @property
    def seller_is_direct(self) -> BoolArray:
        """Whether the seller is a direct party."""
        return np.asarray(self.seller_party == Party.DIRECT, dtype=np.bool_)

    @property
    def buyer_is_direct(self) -> BoolArray:
        """Whether the buyer is a direct party, or a retailer for one of its users."""
        return np.asarray(self.buyer_party == Party.DIRECT, dtype=np.bool_)


@dataclass(frozen=True)
class Positions:
    """Traded and payable energy of one interval.

    sold_wh, bought_wh: shape (n_meters,), of direct parties and retail users, all sessions. book_wh: shape (n_units,
    n_parties), traded by each book. paid_export_wh, excess_export_wh: shape (n_meters,), metered export up to and above
    the setpoint. import_wh: shape (n_meters,). All are 0 for meters that are not market meters.
    """

    trades: tuple[SessionTrades, ...]
    sold_wh: Int64Array
    bought_wh: Int64Array
    book_wh: Int64Array
    import_wh: Int64Array
    paid_export_wh: Int64Array
    excess_export_wh: Int64Array


def positions(inputs: SettlementInputs) -> Positions:
    """Return the positions of the interval.

    :raises SettlementInputError: if a direct trade belongs to a meter that does not trade, or no retailer answers for
        the energy of a RETAIL meter
    """
    standing = inputs.standing
    n_meters, n_units = len(standing.meter_id), len(inputs.tree.unit_id)
    trades = tuple(_session_trades(inputs, session) for session in inputs.sessions)
    sold, bought = np.zeros(n_meters, np.int64), np.zeros(n_meters, np.int64)
    book = np.zeros(n_units * N_PARTIES, np.int64)
    for trade in trades:
        by_seller, by_buyer = trade.seller_is_direct, trade.buyer_is_direct
        sold += sum_by_group(trade.delivered_wh[by_seller], trade.seller_meter[by_seller], n_meters)
        bought += sum_by_group(trade.taken_wh[by_buyer], trade.buyer_meter[by_buyer], n_meters)
        seller_book = trade.seller_unit * N_PARTIES + trade.seller_party
        buyer_book = trade.buyer_unit * N_PARTIES + trade.buyer_party
        book += sum_by_group(trade.delivered_wh[~by_seller], seller_book[~by_seller], book.size)
        book += sum_by_group(trade.taken_wh[~by_buyer], buyer_book[~by_buyer], book.size)
    import_wh = np.where(standing.is_market, inputs.metered.import_wh, 0)
    export_wh = np.where(standing.is_market, inputs.metered.export_wh, 0)
    limited = inputs.setpoint_wh >= 0
    paid = np.where(limited, np.minimum(export_wh, inputs.setpoint_wh), export_wh)
    _refuse(inputs, (sold != 0) & (standing.sale != Sale.DIRECT), "sold energy itself, but its sale mode is not DIRECT")
    _refuse(inputs, (bought != 0) & ~standing.buys_in_market, "bought energy, but its supply is not DIRECT or RETAIL")
    contracted = np.isin(np.arange(n_meters), inputs.listing.buyer_meter)
    used = (import_wh != 0) | (bought != 0) | contracted
    _refuse(
        inputs, standing.lacks_retailer & used, "is supplied by RETAIL and has no retailer (row 79): load its package"
    )
    return Positions(
        trades=trades,
        sold_wh=sold,
        bought_wh=bought,
        book_wh=book.reshape(n_units, N_PARTIES),
        import_wh=import_wh,
        paid_export_wh=paid,
        excess_export_wh=export_wh - paid,
    )


def _session_trades(inputs: SettlementInputs, session: Session) -> SessionTrades:
    orders, pairs, account = session.orders, session.pairs, inputs.standing.account
    assert np.all(orders.side[pairs.seller] == TradeSide.SELL)
    assert np.all(orders.side[pairs.buyer] == TradeSide.BUY)
    d_sup = inputs.accounts.position(SystemAccount.D_SUP)
    is_direct = orders.party == Party.DIRECT
    assert np.all(orders.meter[is_direct] >= 0)
    order_account = np.full(orders.meter.shape, d_sup, np.int64)
    order_account[is_direct] = account[orders.meter[is_direct]]
    user_account = order_account.copy()
    buys = is_direct & (orders.side == TradeSide.BUY)
    order_account[buys] = inputs.standing.energy_account[orders.meter[buys]]
    curtailed = session.curtailed_wh
    if np.any((curtailed < 0) | (curtailed > pairs.energy_wh)):
        raise SettlementInputError(f"interval {inputs.interval}: a pair is curtailed by more than it holds")
    to_province = orders.party[pairs.buyer] == Party.PROVINCE
    if np.any((orders.party[pairs.seller] == Party.PROVINCE) & ((curtailed > 0) | to_province)):
        raise SettlementInputError(f"interval {inputs.interval}: the province is curtailed or sells to itself")
    return SessionTrades(
        session=session,
        seller_unit=orders.unit[pairs.seller],
        buyer_unit=orders.unit[pairs.buyer],
        seller_meter=orders.meter[pairs.seller],
        buyer_meter=orders.meter[pairs.buyer],
        seller_party=orders.party[pairs.seller],
        buyer_party=orders.party[pairs.buyer],
        seller_account=order_account[pairs.seller],
        buyer_account=order_account[pairs.buyer],
        user_account=user_account[pairs.buyer],
        delivered_wh=pairs.energy_wh - curtailed,
        taken_wh=np.where(to_province, pairs.energy_wh - curtailed, pairs.energy_wh),
        replaced_wh=np.where(to_province, 0, curtailed),
    )


def _refuse(inputs: SettlementInputs, wrong: BoolArray, what: str) -> None:
    if np.any(wrong):
        meter = inputs.standing.meter_id[int(np.argmax(wrong))]
        raise SettlementInputError(f"interval {inputs.interval}: meter {meter} {what}")
