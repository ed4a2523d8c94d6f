"""`microbalance clear`: clear a market case from a file, with the hub's own clearing; no server needed.

A case of one interval, or a horizon that names `intervals`: with storage, block and linked orders and meshed limits.
"""

from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer

from edge.contract.energy import kwh_text_from_wh
from hub.case_command import Answered, answer_case, table_lines
from hub.market.clear_case import CaseError, ClearResult, OrderRow, UnitRow, clear_case, decode_case
from hub.market.clear_horizon import (
    BlockRow,
    HorizonInterval,
    HorizonOrderRow,
    HorizonResult,
    StorageRow,
    clear_horizon,
    decode_horizon,
    is_horizon,
)

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_UNIT_HEADER = ("unit", "yuan/kWh", "up kWh", "shadow", "fee yuan", "rent yuan", "binding")
_ORDER_HEADER = ("order", "unit", "side", "kWh", "filled", "limit", "price", "reason")


@app.command()
def clear(
    case: Annotated[
        Path,
        typer.Argument(help="A JSON file; `microbalance schema clear` or `schema clear-horizon` says what is in it."),
    ],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Clear a market case: fills, prices, flows, rents, and for every order why it filled or did not."""
    answer_case("clear", case, _cleared, refusal=CaseError, text=_text, as_json=as_json)


def _cleared(content: bytes) -> Answered[ClearResult | HorizonResult]:
    return clear_horizon(decode_horizon(content)) if is_horizon(content) else clear_case(decode_case(content))


def _text(result: ClearResult | HorizonResult) -> str:
    return _horizon_text(result) if isinstance(result, HorizonResult) else _case_text(result)


def _case_text(result: ClearResult) -> str:
    counts = result.counts
    outcomes = {
        "filled": counts.filled,
        "partly": counts.partly_filled,
        "not": counts.not_filled,
        "rejected": counts.rejected,
    }
    energies = {
        "sold": result.sold_wh,
        "bought": result.bought_wh,
        "imported": result.imported_wh,
        "exported": result.exported_wh,
    }
    amounts = {
        "welfare": result.welfare_nano_yuan,
        "fees": result.fee_nano_yuan,
        "congestion rent": result.congestion_rent_nano_yuan,
    }
    lines = [
        f"{counts.submitted} orders: " + ", ".join(f"{count} {what}" for what, count in outcomes.items()),
        "kWh: " + ", ".join(f"{what} {kwh_text_from_wh(energy)}" for what, energy in energies.items()),
        "yuan: " + ", ".join(f"{what} {_yuan(amount)}" for what, amount in amounts.items()),
        "",
        *table_lines(_UNIT_HEADER, map(_unit_cells, result.units)),
        "",
        *table_lines(_ORDER_HEADER, map(_order_cells, result.orders)),
    ]
    lines += [f"rejected {row.order} (number {row.position + 1}): {row.reason.value}" for row in result.rejected]
    return "\n".join(lines)


def _horizon_text(result: HorizonResult) -> str:
    yuan = {"welfare": result.welfare_nano_yuan, "before rounding to Wh": result.bound_nano_yuan}
    lines = [
        f"{len(result.intervals)} intervals; yuan: " + ", ".join(f"{what} {_yuan(one)}" for what, one in yuan.items()),
        f"blocks: {result.selection.value}, {result.cuts} sets without prices",
    ]
    for interval in result.intervals:
        lines += ["", *_interval_lines(interval)]
    for storage in result.storages:
        lines += ["", f"storage {storage.storage}", *_storage_lines(storage)]
    if result.blocks:
        lines += ["", *table_lines(("block", "outcome", "ratio %", "filled kWh"), map(_block_cells, result.blocks))]
    lines += [f"rejected {row.block} (block number {row.position + 1}): {row.reason}" for row in result.rejected_blocks]
    for limit in result.meshed_limits:
        prices = ", ".join(_price(micro // 1_000_000) for micro in limit.price_micro)
        lines.append(f"limit {limit.limit}: yuan/kWh by interval {prices}")
    return "\n".join(lines)


def _interval_lines(interval: HorizonInterval) -> list[str]:
    exchange = {"imported": interval.imported_wh, "exported": interval.exported_wh}
    kwh = ", ".join(f"{what} {kwh_text_from_wh(energy)}" for what, energy in exchange.items())
    return [
        f"interval {interval.interval}: {interval.route.value}, {interval.price_rule}; kWh: {kwh}",
        *table_lines(_UNIT_HEADER, map(_unit_cells, interval.units)),
        *table_lines(_ORDER_HEADER, map(_order_cells, interval.orders)),
        *(f"rejected {row.order} (number {row.position + 1}): {row.reason.value}" for row in interval.rejected),
    ]


def _storage_lines(storage: StorageRow) -> list[str]:
    columns = zip(
        storage.charge_wh,
        storage.discharge_wh,
        storage.stored_micro_wh,
        storage.stored_value_uyuan_per_kwh,
        strict=True,
    )
    rows = [
        (
            str(number),
            kwh_text_from_wh(charge),
            kwh_text_from_wh(discharge),
            kwh_text_from_wh(stored // 1_000_000),
            _price(value),
        )
        for number, (charge, discharge, stored, value) in enumerate(columns)
    ]
    return table_lines(("interval", "charge kWh", "discharge", "stored", "worth yuan/kWh"), rows)


def _block_cells(row: BlockRow) -> tuple[str, ...]:
    ratio = f"{Decimal(row.ratio_micro_ppm).scaleb(-10).normalize():f}"
    return (row.block, row.outcome.value, ratio, " ".join(map(kwh_text_from_wh, row.filled_wh)))


def _unit_cells(row: UnitRow) -> tuple[str, ...]:
    return (
        row.unit,
        _price(row.price_uyuan_per_kwh),
        kwh_text_from_wh(row.flow_up_wh),
        _price(row.shadow_uyuan_per_kwh),
        _yuan(row.fee_nano_yuan),
        _yuan(row.congestion_rent_nano_yuan),
        row.binding or "",
    )


def _order_cells(row: OrderRow | HorizonOrderRow) -> tuple[str, ...]:
    reason = row.reason.value if isinstance(row, HorizonOrderRow) else _reason_text(row)
    return (
        row.order,
        row.unit,
        row.side.value,
        kwh_text_from_wh(row.energy_wh),
        kwh_text_from_wh(row.filled_wh),
        _price(row.price_uyuan_per_kwh),
        _price(row.unit_price_uyuan_per_kwh),
        reason,
    )


def _reason_text(row: OrderRow) -> str:
    return row.reason if row.limit_unit is None else f"{row.reason} ({row.limit_unit})"


def _price(uyuan_per_kwh: int) -> str:
    return f"{Decimal(uyuan_per_kwh).scaleb(-6):.6f}"


def _yuan(nano_yuan: int) -> str:
    return f"{Decimal(nano_yuan).scaleb(-9).normalize():f}"
