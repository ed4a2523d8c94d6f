"""`microbalance settle`: settle one interval from a file, with the hub's own settlement; no server needed."""

from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer

from edge.contract.energy import kwh_text_from_wh
from hub.case_command import answer_case, table_lines
from hub.settlement.case.documents import SettleCaseError, SettleResult, decode_settle_case
from hub.settlement.case.settling import settle_case
from hub.settlement.money import yuan_text_from_fen, yuan_text_from_nano_yuan

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def settle(
    case: Annotated[Path, typer.Argument(help="A JSON file; `microbalance schema settle` says what is in it.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Settle an interval: every transfer with its rule, the accounts computed twice, the statements to the fen."""
    answer_case(
        "settle",
        case,
        lambda content: settle_case(decode_settle_case(content)),
        refusal=SettleCaseError,
        text=_text,
        as_json=as_json,
    )


def _text(result: SettleResult) -> str:
    transfers = (
        (
            row.kind,
            row.payer,
            row.payee,
            row.unit or "",
            kwh_text_from_wh(row.quantity_wh),
            f"{Decimal(row.price_uyuan_per_kwh).scaleb(-6):.6f}",
            _yuan(row.amount_nano_yuan),
            row.rule,
        )
        for row in result.transfers
    )
    fen = {row.account: row.total_fen for row in result.statements}
    accounts = (
        (
            row.account,
            _yuan(row.ledger_nano_yuan),
            _yuan(row.independent_nano_yuan),
            yuan_text_from_fen(fen[row.account]),
        )
        for row in result.accounts
    )
    loss, balance = kwh_text_from_wh(result.measured_loss_wh), _yuan(result.balance_nano_yuan)
    lines = [
        f"{result.day} {result.label}, interval {result.interval}: loss {loss} kWh, all accounts sum to {balance} yuan",
        "",
        *table_lines(("transfer", "from", "to", "unit", "kWh", "yuan/kWh", "yuan", "rule"), transfers),
        "",
        *table_lines(("account", "yuan", "on its own", "statement"), accounts),
    ]
    lines += [f"provisional: {meter} has substituted energy" for meter in result.substituted_meters]
    return "\n".join([*lines, f"inputs {result.input_hash}"])


def _yuan(nano_yuan: int) -> str:
    return yuan_text_from_nano_yuan(nano_yuan)
