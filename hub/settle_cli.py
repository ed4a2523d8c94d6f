"""`microbalance settle`: settle one interval from a file, with the hub's own settlement; no server needed."""

from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Annotated, NoReturn

import msgspec
import typer

from edge.contract.energy import kwh_text_from_wh
from hub.settlement.case.documents import SettleCaseError, SettleResult, decode_settle_case
from hub.settlement.case.settling import settle_case
from hub.settlement.money import yuan_text_from_fen, yuan_text_from_nano_yuan

app = typer.Typer(add_completion=False, rich_markup_mode=None)

USAGE_ERROR = 2
LAW_BROKEN = 1


@app.command()
def settle(
    case: Annotated[Path, typer.Argument(help="A JSON file; `microbalance schema settle` says what is in it.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Settle an interval: every transfer with its rule, the accounts computed twice, the statements to the fen."""
    try:
        settled = settle_case(decode_settle_case(case.read_bytes()))
    except OSError as error:
        _fail(f"{case}: {error.strerror}")
    except SettleCaseError as error:
        _fail(f"{case}: {error}")
    typer.echo(msgspec.json.encode(settled.result).decode() if as_json else _text(settled.result))
    for violation in settled.violations:
        typer.echo(f"law {violation.law}: {violation.where} {violation.what}", err=True)
    if settled.violations:
        raise typer.Exit(LAW_BROKEN)


def _fail(what: str) -> NoReturn:
    typer.echo(f"microbalance settle: {' '.join(what.split())}", err=True)
    raise typer.Exit(USAGE_ERROR)


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
        *_table(("transfer", "from", "to", "unit", "kWh", "yuan/kWh", "yuan", "rule"), transfers),
        "",
        *_table(("account", "yuan", "on its own", "statement"), accounts),
    ]
    lines += [f"provisional: {meter} has substituted energy" for meter in result.substituted_meters]
    return "\n".join([*lines, f"inputs {result.input_hash}"])


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    table = [header, *rows]
    width = [max(len(row[column]) for row in table) for column in range(len(header))]
    return ["  ".join(cell.ljust(width[at]) for at, cell in enumerate(row)).rstrip() for row in table]


def _yuan(nano_yuan: int) -> str:
    return yuan_text_from_nano_yuan(nano_yuan)
