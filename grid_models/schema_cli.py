"""`microbalance schema`: the JSON Schema of each output of `microbalance grid`."""

import json
from typing import Annotated

import msgspec
import typer

from grid_models.grid_documents import DOCUMENTS

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def schema(
    name: Annotated[str, typer.Argument(help="An output's name; without it they are listed.")] = "",
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print on one line; the list as an object.")] = False,
) -> None:
    """Print the JSON Schema of an output."""
    if not name:
        typer.echo(json.dumps({"outputs": list(DOCUMENTS)}) if as_json else "\n".join(DOCUMENTS))
        return
    if name not in DOCUMENTS:
        raise typer.BadParameter(f"no output {name!r}; one of {', '.join(DOCUMENTS)}")
    typer.echo(json.dumps(msgspec.json.schema(DOCUMENTS[name]), indent=None if as_json else 2))
