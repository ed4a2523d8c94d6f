"""The command `microbalance`: finds each package's own cli.py, and only when one of its commands is called."""

import importlib
import importlib.metadata
import sys
from collections.abc import Mapping

import typer

PROGRAM = "microbalance"

# command -> (module whose `app` is a Typer application, one line of help); imported only when it is called.
COMMANDS: Mapping[str, tuple[str, str]] = {
    "demo": ("simulators.demo.cli", "Run one operating day of the demo county, everything included."),
    "county": ("simulators.county.cli", "Write the demo county: network, registry, profiles."),
    "world": ("simulators.world.cli", "Run the simulated devices of a county."),
    "province": ("simulators.provincial_market.cli", "Run the simulated provincial market."),
    "edge": ("edge.cli", "Run the edge agents of some gateways."),
    "hub": ("hub.cli", "Prepare, run and inspect the county hub."),
    "run": ("hub.run_cli", "Run the county hub on the wall clock."),
}


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
        raise SystemExit(2)
    module = importlib.import_module(COMMANDS[name][0])
    module.app(args=rest, prog_name=f"{PROGRAM} {name}")


def _overview() -> str:
    width = max(len(name) for name in COMMANDS)
    rows = "\n".join(f"  {name:<{width}}  {text}" for name, (_, text) in sorted(COMMANDS.items()))
    usage = f"Usage: {PROGRAM} COMMAND [OPTIONS]\n       {PROGRAM} --version"
    return f"{usage}\n\nCommands:\n{rows}\n\nEach command has --help and --json."


if __name__ == "__main__":
    main()
