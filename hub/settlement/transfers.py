"""Transfers as columns: who pays whom how much for what, at which price and by which version of which rule.

A leg of the interval (energy_pairs.py, deviation.py, ...) returns blocks of rows; `join_blocks` puts them together and
computes every amount in one place: amount = quantity x price, exactly, for every row. A negative amount flows the
other way. Energy Wh, price micro-yuan/kWh, money nano-yuan.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np

from hub.market.trades import BoolArray, Int8Array, Int64Array
from hub.settlement.columns import read_only
from hub.settlement.money import charge_nano_yuan

# Version of the rules of worked-interval.md as built here; a row at a cleared or provincial price carries it.
INTERVAL_RULES = "interval-rules-1"


class TransferKind(IntEnum):
    """What a transfer pays for. The first account named pays where amount is positive.

    ENERGY buyer to seller, CONGESTION_RENT buyer to congestion, UPSTREAM_LOSS direct buyer to D_sup;
    REPLACED_ENERGY buyer to D_sup and REPLACEMENT_COST congestion to D_sup after curtailment;
    LISTING_DIFFERENCE buyer to seller of a listing contract, Q_L (P_L - P_ref);
    EXPORT_DEVIATION D_sup to seller and EXPORT_BASIS congestion to seller, IMPORT_DEVIATION buyer to D_sup and
    IMPORT_BASIS buyer to congestion (D_sup's own books: the basis only); EXCESS_EXPORT D_sup to congestion;
    ON_GRID_PURCHASE (mode 3) and COMMISSION_REMITTANCE (mode 2) D_sup to seller;
    AGENCY_BILL, GUARANTEED_BILL user to D_sup; NETWORK_COVERED (w), NETWORK_UNCOVERED (T) direct user to D_net;
    NETWORK_CAPTIVE (T of captive users), NETWORK_COMMISSION (w of mode 2) D_sup to D_net;
    LOSS_FEE user to loss fund, MEASURED_LOSS loss fund to D_sup;
    GATEWAY_IMPORT D_sup to province and GATEWAY_EXPORT province to D_sup at P_RT, DAY_AHEAD_IMPORT and
    DAY_AHEAD_EXPORT likewise at P_DA; GATEWAY_LOSS D_sup to province; GATEWAY_TARIFF D_net to upper grid;
    STATEMENT_ROUNDING account to rounding account, at the end of a day.
    """

    ENERGY = 0
    CONGESTION_RENT = 1
    UPSTREAM_LOSS = 2
    REPLACED_ENERGY = 3
    REPLACEMENT_COST = 4
    LISTING_DIFFERENCE = 5
    EXPORT_DEVIATION = 6
    EXPORT_BASIS = 7
    IMPORT_DEVIATION = 8
    IMPORT_BASIS = 9
    EXCESS_EXPORT = 10
    ON_GRID_PURCHASE = 11
    COMMISSION_REMITTANCE = 12
    AGENCY_BILL = 13
    GUARANTEED_BILL = 14
    NETWORK_COVERED = 15
    NETWORK_UNCOVERED = 16
    NETWORK_CAPTIVE = 17
    NETWORK_COMMISSION = 18
    LOSS_FEE = 19
    MEASURED_LOSS = 20
    GATEWAY_IMPORT = 21
    GATEWAY_EXPORT = 22
    DAY_AHEAD_IMPORT = 23
    DAY_AHEAD_EXPORT = 24
    GATEWAY_LOSS = 25
    GATEWAY_TARIFF = 26
    STATEMENT_ROUNDING = 27


@dataclass(frozen=True)
class TransferBlock:
    """Rows of one kind before their amounts are computed, shape (n_rows,) each. rule: position in `rule_version`."""

    kind: TransferKind
    from_account: Int64Array
    to_account: Int64Array
    from_meter: Int64Array
    to_meter: Int64Array
    unit: Int64Array
    quantity_wh: Int64Array
    price_uyuan_per_kwh: Int64Array
    rule: Int64Array
    rule_version: tuple[str, ...]


@dataclass(frozen=True)
class Transfers:
    """All transfers of one interval, shape (n_rows,) each, in the fixed order of legs and inputs.

    from_account pays to_account `amount_nano_yuan` = quantity_wh x price_uyuan_per_kwh (the other way if negative).
    from_meter, to_meter: the metering point on whose behalf each side pays or receives, -1 for none.
    unit: the balance unit concerned (apex of a pair, unit of a deviation), -1 for none.
    rule: position in `rule_version`, the sorted texts that name the rule and the price version.
    """

    kind: Int8Array
    from_account: Int64Array
    to_account: Int64Array
    from_meter: Int64Array
    to_meter: Int64Array
    unit: Int64Array
    quantity_wh: Int64Array
    price_uyuan_per_kwh: Int64Array
    amount_nano_yuan: Int64Array
    rule: Int64Array
    rule_version: tuple[str, ...]


Column = Int64Array | int


def block(
    kind: TransferKind,
    *,
    payer: Column,
    payee: Column,
    quantity_wh: Column,
    price_uyuan_per_kwh: Column,
    payer_meter: Column = -1,
    payee_meter: Column = -1,
    unit: Column = -1,
    rule: Column = 0,
    rule_version: tuple[str, ...] = (INTERVAL_RULES,),
    where: BoolArray | None = None,
) -> TransferBlock:
    """Return the rows of a leg; scalars hold for every row. Rows without energy carry no money and are left out.

    :param where: keep only these rows (a boolean column)
    """
    columns = np.broadcast_arrays(
        np.atleast_1d(np.asarray(payer, dtype=np.int64)),
        payee,
        payer_meter,
        payee_meter,
        unit,
        quantity_wh,
        price_uyuan_per_kwh,
        rule,
    )
    keep = columns[5] != 0
    if where is not None:
        keep = keep & where
    kept = [np.asarray(column[keep], dtype=np.int64) for column in columns]
    return TransferBlock(
        kind=kind,
        from_account=kept[0],
        to_account=kept[1],
        from_meter=kept[2],
        to_meter=kept[3],
        unit=kept[4],
        quantity_wh=kept[5],
        price_uyuan_per_kwh=kept[6],
        rule=kept[7],
        rule_version=rule_version,
    )


def without_zero_price(rows: TransferBlock) -> TransferBlock:
    """Return the block without rows at price 0: a rent or a basis of 0 is no rent and no basis."""
    keep = rows.price_uyuan_per_kwh != 0
    return replace(
        rows,
        from_account=rows.from_account[keep],
        to_account=rows.to_account[keep],
        from_meter=rows.from_meter[keep],
        to_meter=rows.to_meter[keep],
        unit=rows.unit[keep],
        quantity_wh=rows.quantity_wh[keep],
        price_uyuan_per_kwh=rows.price_uyuan_per_kwh[keep],
        rule=rows.rule[keep],
    )


def join_blocks(blocks: Sequence[TransferBlock]) -> Transfers:
    """Return all blocks as one set of columns, in their order, with amounts.

    :raises OverflowError: if an amount could leave int64
    """
    names = tuple(sorted({name for rows in blocks for name in rows.rule_version}))
    position = {name: number for number, name in enumerate(names)}

    def column(name: str) -> Int64Array:
        parts = [getattr(rows, name) for rows in blocks]
        return read_only(np.concatenate(parts) if parts else np.empty(0, np.int64))

    rule = [np.array([position[name] for name in rows.rule_version], np.int64)[rows.rule] for rows in blocks]
    sizes = [rows.quantity_wh.size for rows in blocks]
    quantity_wh, price = column("quantity_wh"), column("price_uyuan_per_kwh")
    return Transfers(
        kind=read_only(np.repeat(np.array([rows.kind for rows in blocks], np.int8), sizes)),
        from_account=column("from_account"),
        to_account=column("to_account"),
        from_meter=column("from_meter"),
        to_meter=column("to_meter"),
        unit=column("unit"),
        quantity_wh=quantity_wh,
        price_uyuan_per_kwh=price,
        amount_nano_yuan=read_only(charge_nano_yuan(quantity_wh, price)),
        rule=read_only(np.concatenate(rule) if rule else np.empty(0, np.int64)),
        rule_version=names,
    )
