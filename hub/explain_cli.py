"""`microbalance explain`: how one line of a bill came about, step by step; the bill is checked before."""

import json
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from hub.bill_cli import USAGE_ERROR, Language, read_bill
from hub.reports.bill_explanation import explain_line
from hub.settlement.bills.bill import BillError

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def explain(
    bill: Annotated[Path, typer.Argument(help="A bill as `microbalance bill --json` prints it.")],
    line: Annotated[int, typer.Argument(help="The number of the line, from 1.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    language: Annotated[Language, typer.Option(help="Of the explanation.")] = Language.CHINESE,
) -> None:
    """Explain a line of a bill with its numbers, so that it can be computed again by hand."""
    try:
        steps = explain_line(read_bill(bill), line, language.value)
    except OSError as error:
        _fail(f"{bill}: {error.strerror}")
    except BillError as error:
        _fail(f"{bill}: {error}")
    document = {"line": line, "title": steps[0], "steps": steps[1:]}
    typer.echo(json.dumps(document, ensure_ascii=False) if as_json else "\n".join(steps))


def _fail(what: str) -> NoReturn:
    typer.echo(f"microbalance explain: {' '.join(what.split())}", err=True)
    raise typer.Exit(USAGE_ERROR)
