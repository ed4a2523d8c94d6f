"""`microbalance grid explain`: who loads a line or transformer."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from grid_models.command_line import Json, NetworkArgument, opened_model, refusals, show
from grid_models.grid_documents import ExplainDocument
from grid_models.simbench_profiles import network_profiles
from grid_models.who_loads import explain_nominal, explain_row


def explain(
    network: NetworkArgument,
    *,
    element: Annotated[str, typer.Option(help="A line or transformer.")],
    row: Annotated[
        int | None, typer.Option(min=0, help="One quarter-hour of the profiles, by its row; else the nominal state.")
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many of the largest contributions to list.")] = 20,
    as_json: Json = False,
) -> None:
    """Say who loads a line or transformer: each load's and plant's part of its flow, and the losses."""
    with refusals():
        power_flow = opened_model(network, None)
        if row is None:
            document = explain_nominal(power_flow, element, top)
        else:
            document = explain_row(power_flow, network_profiles(power_flow.network), element, row, top)
    show(document, show_explanation, as_json=as_json)


def show_explanation(document: ExplainDocument, console: Console) -> None:
    """Print the flow and who makes it."""
    when = "nominal state" if document.at is None else document.at
    loading = "" if document.loading_percent is None else f", {document.loading_percent:.1f} % of its rating"
    console.print(
        f"{document.network}, {when}: {document.element} carries {document.flow_mw:.6f} MW ({document.direction})"
        f"{loading}; contributions {document.net_mw:.6f} MW, losses {document.losses_mw:.6f} MW ({document.method})",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    table = Table("", "kind", "bus")
    for head in ("MW into the network", "MW of the flow", "% of the flow"):
        table.add_column(head, justify="right")
    for point in document.points:
        share = "-" if point.share_percent is None else f"{point.share_percent:.2f}"
        cells = (point.point, point.kind, point.bus, f"{point.p_mw:.6f}", f"{point.contribution_mw:.6f}", share)
        table.add_row(*(cell.replace("[", r"\[") for cell in cells))
    if document.n_others:
        table.add_row(f"{document.n_others:,} others", "", "", "", f"{document.others_mw:.6f}", "")
    console.print(table, highlight=False)
