"""`microbalance schema`: the JSON Schema of what the other commands read and print."""

import importlib
import json
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def schema(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A document's name; without it they are listed.")] = "",
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print on one line; the list as an object.")] = False,
) -> None:
    """Print the JSON Schema of a document that a command reads or prints."""
    modules: Mapping[str, str] = context.obj
    if not name:
        typer.echo(json.dumps({"documents": list(modules)}) if as_json else "\n".join(modules))
        return
    if name not in modules:
        raise typer.BadParameter(f"no document {name!r}; one of {', '.join(modules)}")
    typer.echo(json.dumps(_schema_of(modules[name], name), indent=None if as_json else 2, ensure_ascii=False))


def _schema_of(module: str, name: str) -> dict[str, Any]:
    """Return the schema of a type, or what is one already, in the module's DOCUMENTS."""
    documents: Mapping[str, Any] = importlib.import_module(module).DOCUMENTS
    document = documents[name]
    return document if isinstance(document, dict) else msgspec.json.schema(document)
