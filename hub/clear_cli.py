"""`microbalance clear`: clear one market case from a file, with the hub's own clearing; no server needed."""

from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer

from edge.contract.energy import kwh_text_from_wh
from hub.case_command import answer_case, table_lines
from hub.market.clear_case import CaseError, ClearResult, OrderRow, UnitRow, clear_case, decode_case

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def clear(
    case: Annotated[Path, typer.Argument(help="A JSON file; `microbalance schema clear` says what is in it.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Clear a market case: fills, prices, flows, rents, and for every order why it filled or did not."""
    answer_case(
        "clear", case, lambda content: clear_case(decode_case(content)), refusal=CaseError, text=_text, as_json=as_json
    )


def _text(result: ClearResult) -> str:
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
        *table_lines(
            ("unit", "yuan/kWh", "up kWh", "shadow", "fee yuan", "rent yuan", "binding"), map(_unit_cells, result.units)
        ),
        "",
        *table_lines(
            ("order", "unit", "side", "kWh", "filled", "limit", "price", "reason"), map(_order_cells, result.orders)
        ),
    ]
    lines += [f"rejected {row.order} (number {row.position + 1}): {row.reason.value}" for row in result.rejected]
    return "\n".join(lines)


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


def _order_cells(row: OrderRow) -> tuple[str, ...]:
    return (
        row.order,
        row.unit,
        row.side.value,
        kwh_text_from_wh(row.energy_wh),
        kwh_text_from_wh(row.filled_wh),
        _price(row.price_uyuan_per_kwh),
        _price(row.unit_price_uyuan_per_kwh),
        row.reason if row.limit_unit is None else f"{row.reason} ({row.limit_unit})",
    )


def _price(uyuan_per_kwh: int) -> str:
    return f"{Decimal(uyuan_per_kwh).scaleb(-6):.6f}"


def _yuan(nano_yuan: int) -> str:
    return f"{Decimal(nano_yuan).scaleb(-9).normalize():f}"
