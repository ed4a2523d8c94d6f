"""The command `microbalance edge`: checks its values, opens what they name, runs one edge process."""

import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from typer.core import TyperCommand

from edge.agent import Assignment, assignments_of
from edge.contract.registry import Registry, RegistryError, decode_registry
from edge.contract.topics import is_name
from edge.control import ConductorLostError
from edge.drivers.driver import DriverError
from edge.drivers.simulated import SimulatedDriver
from edge.main import EdgeProcess, EdgeSettings
from edge.mqtt import CredentialError, read_credential
from edge.outbox import Outbox, OutboxError

FAILED = 1
WRONG_COMMAND_LINE = 2


class OneLineCommand(TyperCommand):
    """A command whose refusals are one line on stderr, without the usage text."""

    def main(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        """Run the command; see TyperCommand."""
        try:
            return super().main(*args, **{**kwargs, "standalone_mode": False})
        except typer.TyperException as error:
            typer.echo(f"microbalance edge: {' '.join(error.format_message().split())}", err=True)
            raise SystemExit(WRONG_COMMAND_LINE) from None


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(cls=OneLineCommand)
def edge(
    *,
    county: Annotated[Path, typer.Option(help="Folder with the county's registry.json.")],
    credentials: Annotated[Path, typer.Option(help="Folder with one credential per gateway, G0001.json ...")],
    state: Annotated[Path, typer.Option(help="State file of this process; made if it is not there.")],
    gateways: Annotated[str, typer.Option(help="Gateway ids with commas between them, or @file with one a line.")],
    world: Annotated[str, typer.Option(help="HOST:PORT of the simulated devices.")],
    control: Annotated[str, typer.Option(help="HOST:PORT of a conductor; without it the wall clock rules.")] = "",
    name: Annotated[str, typer.Option(help="Name of this process; by default that of the state file.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object at the end.")] = False,
) -> None:
    """Run the edge agents of some gateways: read, publish, place orders, carry out setpoints; until SIGTERM or Stop."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(name)s %(message)s")
    outbox: Outbox | None = None
    try:
        world_host, world_port = _address(world, "--world")
        gateway_ids = _gateway_ids(gateways)
        settings = EdgeSettings(
            name=name or state.stem,
            process_id=os.getpid(),
            assignments=_assignments(_registry(county / "registry.json"), gateway_ids),
            credentials={gateway_id: read_credential(credentials / f"{gateway_id}.json") for gateway_id in gateway_ids},
            control=_address(control, "--control") if control else None,
        )
        outbox = Outbox(state)
        process = EdgeProcess(settings, outbox, SimulatedDriver(world_host, world_port))
    except (CredentialError, OutboxError) as error:
        if outbox is not None:
            outbox.close()
        raise typer.BadParameter(str(error)) from None
    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: process.stop())
        process.run()
        _print(process.summary(), as_json=as_json)
    except (OutboxError, DriverError, ConductorLostError) as error:
        typer.echo(f"microbalance edge: {error}", err=True)
        raise SystemExit(FAILED) from None
    finally:
        outbox.close()


def _print(summary: dict[str, object], *, as_json: bool) -> None:
    if as_json:
        typer.echo(msgspec.json.encode(summary).decode())
        return
    table = Table("", "")
    for key, value in summary.items():
        for label, number in value.items() if isinstance(value, dict) else [(key, value)]:
            table.add_row(str(label), str(number))
    Console().print(table)


def _address(text: str, option: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not (host and colon and port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise typer.BadParameter(f"{option} {text!r} is not HOST:PORT")
    return host, int(port)


def _gateway_ids(text: str) -> list[str]:
    if text.startswith("@"):
        try:
            listed = Path(text[1:]).read_text(encoding="utf8")
        except (OSError, UnicodeDecodeError) as error:
            raise typer.BadParameter(f"--gateways {text}: {error}") from None
    else:
        listed = text
    gateway_ids = listed.replace(",", " ").split()
    if not gateway_ids:
        raise typer.BadParameter(f"--gateways {text!r} names no gateway")
    for gateway_id in gateway_ids:
        if not is_name(gateway_id):
            raise typer.BadParameter(f"--gateways: {gateway_id!r} is no gateway id")
    if len(set(gateway_ids)) != len(gateway_ids):
        raise typer.BadParameter("--gateways names a gateway twice")
    return gateway_ids


def _registry(path: Path) -> Registry:
    try:
        return decode_registry(path.read_bytes())
    except OSError as error:
        raise typer.BadParameter(f"registry {path}: {error.strerror}") from None
    except RegistryError as error:
        raise typer.BadParameter(f"registry {path}: {error}") from None


def _assignments(registry: Registry, gateway_ids: Sequence[str]) -> dict[str, Assignment]:
    assignments = assignments_of(registry, gateway_ids)
    unknown = [gateway_id for gateway_id in gateway_ids if gateway_id not in assignments]
    if unknown:
        raise typer.BadParameter(f"--gateways: the registry has no gateway {', '.join(unknown)}")
    return assignments
