"""The balance of a unit: gateway exchange, loss, local consumption, competition space (rows 15, 17, 21, 23, 26).

Columns have one value an interval; energy Wh, power W, all registers >= 0; import and export are never netted.
"""

from dataclasses import dataclass

import numpy as np

from hub.market.indicators import PPM
from hub.market.trades import Int64Array, Violation


@dataclass(frozen=True)
class BalanceSheet:
    """What a unit generated, used, stored, lost and exchanged, shape (n_intervals,) each (row 17)."""

    generation_wh: Int64Array
    discharge_wh: Int64Array
    load_wh: Int64Array
    charge_wh: Int64Array
    loss_wh: Int64Array
    import_wh: Int64Array
    export_wh: Int64Array


def gateway_exchange_wh(
    *, generation_wh: Int64Array, storage_net_wh: Int64Array, load_wh: Int64Array, loss_wh: Int64Array
) -> Int64Array:
    """Return X = load + loss - generation - storage net, negative for export (row 15).

    :param storage_net_wh: discharge less charge
    """
    return load_wh + loss_wh - generation_wh - storage_net_wh


def balance_sheet(
    *,
    generation_wh: Int64Array,
    discharge_wh: Int64Array,
    load_wh: Int64Array,
    charge_wh: Int64Array,
    loss_wh: Int64Array,
) -> BalanceSheet:
    """Return the sheet with the import or export that closes it: one of the two is 0 in each interval (row 17)."""
    exchange = gateway_exchange_wh(
        generation_wh=generation_wh, storage_net_wh=discharge_wh - charge_wh, load_wh=load_wh, loss_wh=loss_wh
    )
    return BalanceSheet(
        generation_wh=generation_wh,
        discharge_wh=discharge_wh,
        load_wh=load_wh,
        charge_wh=charge_wh,
        loss_wh=loss_wh,
        import_wh=np.maximum(exchange, 0),
        export_wh=np.maximum(-exchange, 0),
    )


def check_balance_sheet(sheet: BalanceSheet, where: str) -> list[Violation]:
    """Law 2, metered: Imp + Gen + Dis = Exp + Load + Ch + Loss in every interval, no register and no loss negative."""
    into = sheet.import_wh + sheet.generation_wh + sheet.discharge_wh
    out = sheet.export_wh + sheet.load_wh + sheet.charge_wh + sheet.loss_wh
    columns = (sheet.import_wh, sheet.export_wh, sheet.generation_wh, sheet.discharge_wh, sheet.load_wh)
    is_negative = np.min((*columns, sheet.charge_wh, sheet.loss_wh), axis=0) < 0
    rows = ((into != out, "does not balance"), (is_negative, "has a negative register or loss"))
    return [
        Violation(2, where, f"interval number {number} {what}")
        for is_breach, what in rows
        for number in np.flatnonzero(is_breach).tolist()
    ]


def local_consumption_ppm(*, generation_wh: Int64Array, export_wh: Int64Array) -> int:
    """Return LCR = 1 - sum of export / sum of distributed generation, in millionths, rounded down (row 21).

    The export of an interval counts up to that interval's distributed generation. Without generation: 0.
    """
    generated = int(generation_wh.sum())
    exported = int(np.minimum(export_wh, generation_wh).sum())
    return (generated - exported) * PPM // generated if generated else 0


def competition_space_w(
    *, load_w: Int64Array, scheduled_exchange_w: Int64Array, wind_w: Int64Array, solar_w: Int64Array
) -> Int64Array:
    """Return CS = load - scheduled gateway exchange - wind - solar, signed (row 23)."""
    return load_w - scheduled_exchange_w - wind_w - solar_w


def is_mostly_local(*, purchased_wh: int, exported_wh: int) -> bool:
    """Return whether more than half of what the utility purchased stayed inside its territory (row 26).

    share_local = 1 - exported / purchased; at one half and below it is flagged.
    """
    return 2 * exported_wh < purchased_wh
