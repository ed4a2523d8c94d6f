"""The command `microbalance`: finds each package's own cli.py, and only when one of its commands is called."""

import importlib
import importlib.metadata
import sys
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import typer

PROGRAM = "microbalance"
FAILED = 1
WRONG_COMMAND_LINE = 2

# command -> (module whose `app` is a Typer application, one line of help); imported only when it is called.
COMMANDS: Mapping[str, tuple[str, str]] = {
    "demo": ("simulators.demo.cli", "Run one operating day of the demo county, everything included."),
    "county": ("simulators.county.cli", "Write the demo county: network, registry, profiles."),
    "world": ("simulators.world.cli", "Run the simulated devices of a county."),
    "province": ("simulators.provincial_market.cli", "Run the simulated provincial market."),
    "edge": ("edge.cli", "Run the edge agents of some gateways."),
    "hub": ("hub.cli", "Prepare, run and inspect the county hub."),
    "run": ("hub.run_cli", "Run the county hub on the wall clock."),
    "clear": ("hub.clear_cli", "Clear a case, one interval or a horizon: a file in, fills, prices, reasons out."),
    "listing": ("hub.listing_cli", "Listing trading from a file of events: deals, refusals, publication."),
    "registry": ("hub.registry_cli", "The register that a file of events makes; a file into a hub's log, and back."),
    "settle": ("hub.settle_cli", "Settle one interval: a file in, transfers, accounts and statements out."),
    "bill": ("hub.bill_cli", "Bill one user's month: lines, components, why it changed."),
    "month": ("hub.month_cli", "Billing terms, a month's bills, its basis and its close, in a hub's database."),
    "explain": ("hub.explain_cli", "How one line of a bill came about, step by step."),
    "grid": ("grid_models.cli", "Check a network, its power flows, hosting capacity and grades."),
    "schema": ("grid_models.schema_cli", "Print the JSON Schema of what the other commands read and print."),
    "bench": ("grid_models.bench.cli", "Measure this program and a peer in one run."),
}

# benchmark -> (module whose `measure` runs it, one line of help). `bench` is handed this table, because no package may
# name all of them; a module is imported only when its benchmark is run.
BENCHES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "store": ("hub.bench.store", "Rows into the database, against SQLModel's add_all."),
        "ingest": ("hub.bench.ingest", "Readings of one county instant, against the same rules row by row."),
        "market": ("hub.bench.market", "Clearing on the tree, against a sparse linear program in HiGHS."),
        "gme": ("hub.bench.gme", "Published zone prices of the Italian market, recomputed; needs --data."),
        "grid": ("grid_models.bench.network_engine", "Power flows, a county's year, its hosting capacities."),
        "network-check": ("grid_models.bench.power_flow", "AC power flows and the network check, against pandapower."),
        "secured": ("hub.bench.secured_day", "A network-secured county day, by stage."),
        "settlement": ("hub.bench.settlement_month", "A county month from metered energy to bills, by stage."),
        "settlement-interval": (
            "hub.bench.settlement_interval",
            "One interval's money, against one bare pass and a ledger by row.",
        ),
        "report": ("hub.bench.report", "A day's report; its figures against SQLModel objects."),
    }
)

_GRID, _CLEAR, _LISTING = "grid_models.grid_documents", "hub.market.clear_case", "hub.market.listing.documents"
_REGISTRY, _PROVINCIAL = "hub.market.registry.register_document", "hub.market.registry.provincial_schema"
_EDGE, _HORIZON = "edge.contract.messages", "hub.market.clear_horizon"
_BILL, _SETTLE = "hub.settlement.bills.bill_case", "hub.settlement.case.documents"

# document -> module whose DOCUMENTS has its type; `schema` is handed this table, as `bench` is the other one.
SCHEMAS: Mapping[str, str] = MappingProxyType(
    {
        "grid-check": _GRID,
        "grid-powerflow": _GRID,
        "grid-powerflow-profiles": _GRID,
        "grid-hosting": _GRID,
        "grid-hosting-placement": _GRID,
        "grid-hosting-region": _GRID,
        "grid-grade": _GRID,
        "grid-explain": _GRID,
        "clear": _CLEAR,
        "clear-result": _CLEAR,
        "clear-horizon": _HORIZON,
        "clear-horizon-result": _HORIZON,
        "listing": _LISTING,
        "listing-result": _LISTING,
        "listing-public": _LISTING,
        "registry": _REGISTRY,
        "registry-result": _REGISTRY,
        "provincial": _PROVINCIAL,
        "edge-readings": _EDGE,
        "edge-orders": _EDGE,
        "edge-response": _EDGE,
        "edge-notice-answer": _EDGE,
        "edge-status": _EDGE,
        "edge-receipt": _EDGE,
        "edge-setpoints": _EDGE,
        "edge-trades": _EDGE,
        "edge-modes": _EDGE,
        "edge-withdrawals": _EDGE,
        "edge-price": _EDGE,
        "edge-session": _EDGE,
        "settle": _SETTLE,
        "settle-result": _SETTLE,
        "bill": _BILL,
        "bill-result": _BILL,
        "billing-terms": "hub.settlement.bills.billing_terms",
        "month-terms": "hub.usecases.month_terms",
    }
)


def main() -> None:
    """Run the command line; the exit status is 0, 1 (the run failed) or 2 (the command line is wrong)."""
    arguments = sys.argv[1:]
    if arguments[:1] in (["--version"], ["-V"]):
        typer.echo(f"{PROGRAM} {importlib.metadata.version('county-microbalance')}")
        return
    if not arguments or arguments[0] in {"--help", "-h"}:
        typer.echo(_overview())
        return
    name, rest = arguments[0], arguments[1:]
    if name not in COMMANDS:
        typer.echo(f"{PROGRAM}: no command {name!r}; one of {', '.join(sorted(COMMANDS))}", err=True)
        raise SystemExit(WRONG_COMMAND_LINE)
    raise SystemExit(_run(name, rest))


def _run(name: str, arguments: Sequence[str]) -> int:
    """Run one command and return its exit status; what is wrong with its command line is one line on stderr."""
    app = importlib.import_module(COMMANDS[name][0]).app
    handed = {"bench": BENCHES, "schema": SCHEMAS}
    given = {"obj": handed[name]} if name in handed else {}
    try:
        status = app(args=list(arguments), prog_name=f"{PROGRAM} {name}", standalone_mode=False, **given)
    except typer.TyperException as error:
        # A group without its command has shown its help by now and has nothing to add.
        what = " ".join(error.format_message().split()) or "a command is missing"
        typer.echo(f"{PROGRAM} {name}: {what}", err=True)
        return error.exit_code
    except typer.Abort:
        return FAILED
    return status if isinstance(status, int) else 0


def _overview() -> str:
    width = max(len(name) for name in COMMANDS)
    rows = "\n".join(f"  {name:<{width}}  {text}" for name, (_, text) in sorted(COMMANDS.items()))
    usage = f"Usage: {PROGRAM} COMMAND [OPTIONS]\n       {PROGRAM} --version"
    return f"{usage}\n\nCommands:\n{rows}\n\nEach command has --help and --json."


if __name__ == "__main__":
    main()
