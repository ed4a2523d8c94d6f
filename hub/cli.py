"""`microbalance hub`: prepare a hub's data, and serve it in a run in virtual time."""

import json
import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from sqlalchemy.exc import OperationalError

from edge.contract.registry import RegistryError
from hub.api.access_keys import issue_key, revoke_key
from hub.broker import BrokerError
from hub.control import ControlClosedError
from hub.jobs import Span
from hub.main import WebServerError, prepare_hub, serve
from hub.market.registry.access import Role
from hub.mqtt import HubConnectionError
from hub.province import ProvinceUrlError
from hub.settings import Settings, SettingsError, read_settings
from hub.settlement.accounts import AccountTableError
from hub.settlement.calendar.rules import CalendarRuleError
from hub.settlement.money import MoneyTextError
from hub.settlement.prices import ParameterError
from hub.settlement.retail.month_prices import MonthPriceError
from hub.settlement.substitution.rules import SubstitutionRuleError
from hub.store.engine import StoreUrlError
from hub.store.parameters import ParametersChangedError
from hub.store.registry import NoCountyError
from hub.usecases.event_log import EventLogError
from hub.usecases.load_county import CountyFolderError
from hub.usecases.month_terms import MonthTermsError
from hub.usecases.prepare_county import PrepareError, write_private_file

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Prepare and run the county hub.")

USAGE_ERROR = 2
KNOWN_ERRORS = (
    SettingsError,
    StoreUrlError,
    PrepareError,
    ParametersChangedError,
    NoCountyError,
    CountyFolderError,
    EventLogError,
    RegistryError,
    AccountTableError,
    BrokerError,
    HubConnectionError,
    ProvinceUrlError,
    ControlClosedError,
    WebServerError,
    OperationalError,
    MonthTermsError,
    CalendarRuleError,
    ParameterError,
    SubstitutionRuleError,
    MonthPriceError,
    MoneyTextError,
)

CountyOption = Annotated[Path, typer.Option("--county", help="Folder with network.json and registry.json.")]
RunOption = Annotated[
    Path, typer.Option("--run", help="Folder of what is the hub's own: database, credentials, broker.")
]
DatabaseOption = Annotated[
    str | None,
    typer.Option("--database", help="sqlite:///FILE or postgresql://...; default: hub.db in the run folder."),
]
BrokerOption = Annotated[
    str | None, typer.Option("--broker", help="mqtt://HOST:PORT of another broker; default: the embedded one.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


@app.command()
def prepare(
    *,
    county: CountyOption,
    run: RunOption,
    database: DatabaseOption = None,
    broker: BrokerOption = None,
    new: Annotated[bool, typer.Option("--new", help="Refuse a database on which a run has begun.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make the schema, load the registry, issue a credential for every gateway, configure the broker."""
    with one_line_errors():
        settings = read_settings(os.environ, county=county, run=run, database=database, broker=broker)
        try:
            prepared = prepare_hub(settings, must_be_unused=new)
            _remember(settings, broker)
        except OSError as error:
            raise PrepareError(f"{error.filename or run}: {error.strerror}") from None
    document = {
        "county": prepared.county,
        "gateways": prepared.gateways,
        "metering_points": prepared.metering_points,
        "broker": prepared.broker,
        "credentials": str(prepared.credentials),
    }
    if as_json:
        typer.echo(json.dumps(document))
    else:
        typer.echo(
            f"county {prepared.county}: {prepared.metering_points} metering points, {prepared.gateways} gateways; "
            f"credentials in {prepared.credentials}; broker {prepared.broker}"
        )


@app.command("key")
def key_command(
    name: Annotated[str, typer.Argument(help="Who shall have the key, or loses it.")],
    *,
    run: RunOption,
    role: Annotated[Role, typer.Option(help="As whom.")] = Role.OPERATOR,
    participant: Annotated[str | None, typer.Option(help="For which participant, where the role is one's.")] = None,
    revoke: Annotated[bool, typer.Option("--revoke", help="Take the key away.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Issue a key to the API, shown once, or revoke one; a serving hub takes it in when it starts again."""
    with one_line_errors():
        remembered(run)
        path = read_settings(os.environ, county=run, run=run).access_keys_file
        if revoke:
            revoke_key(path, name)
            typer.echo(json.dumps({"name": name, "revoked": True}) if as_json else f"{name} has no key any more")
            return
        key = issue_key(path, name=name, role=role, participant_id=participant)
    typer.echo(json.dumps({"name": name, "role": role.value, "key": key}) if as_json else key)


@app.command("serve")
def serve_command(
    *,
    county: CountyOption,
    run: RunOption,
    province: Annotated[str, typer.Option(help="URL of the provincial market's API.")],
    control: Annotated[str, typer.Option(help="HOST:PORT of the conductor of a run in virtual time.")],
    first_interval: Annotated[int, typer.Option(help="First interval that is cleared and settled.")],
    last_interval: Annotated[int, typer.Option(help="Last interval that is cleared and settled.")],
    http: Annotated[str, typer.Option(help="HOST:PORT of the console and the API.")] = "127.0.0.1:8000",
    out: Annotated[Path, typer.Option(help="Folder for reports.")] = Path("out"),
    database: DatabaseOption = None,
    broker: BrokerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Serve a run in virtual time under a conductor (see `microbalance demo`)."""
    del as_json  # everything that this command has to say goes to the conductor and to the log
    if first_interval > last_interval:
        fail(f"--first-interval {first_interval} lies behind --last-interval {last_interval}")
    log_to_stderr()
    with one_line_errors(), ended_by_signal():
        settings = read_settings(
            os.environ,
            county=county,
            run=run,
            database=database or remembered(run).get("database"),
            broker=broker or remembered(run).get("broker"),
            province=province,
            api=http,
            control=control,
        )
        serve(settings, span=Span(first_interval, last_interval), out=out)


def remembered(run: Path) -> dict[str, str]:
    """Return database URL and broker as `hub prepare` was given them, so that they need not be said again.

    :raises PrepareError: if the run folder was not prepared
    """
    path = run / "prepared.json"
    try:
        return {name: value for name, value in json.loads(path.read_text()).items() if value}
    except FileNotFoundError:
        raise PrepareError(f"{run} is not prepared; run `microbalance hub prepare` first") from None
    except (OSError, ValueError, AttributeError):
        raise PrepareError(f"{path} cannot be read; run `microbalance hub prepare` again") from None


def log_to_stderr() -> None:
    """Log what an operator must know, with the time, to stderr."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.getLogger("apscheduler").setLevel(logging.WARNING)


def fail(what: str) -> None:
    """Say in one line what is wrong with the command line or a file, and end with status 2."""
    typer.echo(f"microbalance hub: {what}", err=True)
    raise typer.Exit(USAGE_ERROR)


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Turn an error that the operator can mend into one line and status 2."""
    try:
        yield
    except KNOWN_ERRORS as error:
        fail(str(error).partition("\n")[0])


class Terminated(BaseException):  # like KeyboardInterrupt: no error of the program
    """SIGTERM came."""


@contextmanager
def ended_by_signal() -> Iterator[None]:
    """Let SIGTERM and Ctrl-C end what runs inside in good order: transactions, broker and connections."""

    def terminate(_signal: int, _frame: FrameType | None) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    except (KeyboardInterrupt, Terminated):
        typer.echo("ended", err=True)
    finally:
        signal.signal(signal.SIGTERM, before)


def _remember(settings: Settings, broker: str | None) -> None:
    document = json.dumps({"database": settings.database_url, "broker": broker})
    write_private_file(settings.run / "prepared.json", document.encode())
