"""The hub's wiring: the only file that knows every part. Nothing here decides anything."""

import logging
import os
import queue
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import msgspec
import uvicorn
from fastapi import FastAPI
from sqlmodel import Session

from edge.contract.control import Advance, Ask, FromProcess, Stop
from edge.contract.interval import day_of_interval, first_interval_of_day, interval_from_utc_s, start_utc_s
from hub.api.app import create_app
from hub.api.callers import read_access_keys
from hub.api.context import NetworkLimits
from hub.api.events import EventStream
from hub.broker import LOOPBACK, EmbeddedBroker, choose_port, write_mosquitto_files, write_nats_configuration
from hub.control import ControlChannel, ControlClosedError
from hub.engine import HubClock, HubEngine, announce_failure
from hub.jobs import HubJobs, Span
from hub.month_jobs import MonthJobs
from hub.mqtt import HubConnection, Ingest, SetpointSender
from hub.province import ProvinceClient
from hub.publishing import HubPublisher
from hub.repeated_sending import NoticeSender
from hub.reports.bill_report import bill_pdf
from hub.reports.bill_workbook import bill_workbook
from hub.reports.day_figures import VoltageLimits
from hub.reports.day_report import report_files, write_day_report
from hub.schedule import Job, JobTable, missed_instants, wall_clock_scheduler
from hub.settings import Address, Settings
from hub.store.engine import open_engine
from hub.store.jobs import last_job_utc_s
from hub.store.parameters import save_parameters
from hub.store.registry import load_registry
from hub.store.schema import migrate
from hub.usecases.green_parameters import KIND as GREEN_KIND
from hub.usecases.hosting_parameters import KIND as HOSTING_KIND
from hub.usecases.load_county import County
from hub.usecases.month_terms import MonthTermsFile
from hub.usecases.open_accounts import open_accounts
from hub.usecases.prepare_county import HUB_USER, check_unused, issue_credentials, load_county, read_credential
from hub.usecases.summarise_run import summarise_run
from hub.usecases.tell_modes import ModeNotices
from hub.usecases.timetable_parameters import KIND as TIMETABLE_KIND

logger = logging.getLogger(__name__)

CONSOLE_FILES = Path(__file__).parent / "console" / "static"
SESSION_VERSION = "session-demo-1"
# Price limits, tick and lot of a session: parameters of the illustrative county, in force from the start of 2016.
SESSION_PARAMETERS = {
    "price_floor_uyuan_per_kwh": 0,
    "price_cap_uyuan_per_kwh": 1_500_000,
    "price_tick_uyuan_per_kwh": 1_000,
    "lot_wh": 10,
}
HOSTING_VERSION = "hosting-demo-2"
# What the illustrative county sets for its lists of hosting capacity, in force as long: noon is 11:30 to 12:30, and a
# day of 23 hours is whole. tau_max: over the year of its profiles the plants reach 28.47 MW at most, of the 42.12 MW
# that are installed. The power factors are examples of the field.
HOSTING_PARAMETERS = {
    "edition_year": 2025,
    "tau_max_per_mille": 676,
    "power_factor_per_mille": 950,
    "plant_power_factor_per_mille": 1000,
    "noon_from_minute": 690,
    "noon_until_minute": 750,
    "intervals_min": 92,
    "read_min_per_mille": 950,
    "critical_intervals_max": 12,
}
GREEN_VERSION = "green-demo-1"
# A certificate is a MWh and valid for two years (rules of green certificates, outside rules 11).
GREEN_PARAMETERS = {"wh_per_certificate": 1_000_000, "validity_months": 24}
TIMETABLE_VERSION = "timetable-demo-1"
# Orders freeze one interval ahead (docs/decisions/0001), the exchange when its interval begins; the illustrative county
# is a sub-market of a province in formal operation, so that its schedules bind with the province's acknowledgement.
TIMETABLE_PARAMETERS = {
    "order_gate_lead_intervals": 1,
    "order_open_intervals": 96,
    "exchange_gate_lead_intervals": 0,
    "market_stage": 6,
    "is_sub_market": 1,
}
NETWORK_LIMITS = NetworkLimits(vm_min_upu=930_000, vm_max_upu=1_070_000, loading_max_mpercent=100_000)


@dataclass(frozen=True)
class Prepared:
    """What `hub prepare` made."""

    county: str
    gateways: int
    metering_points: int
    broker: str
    credentials: Path


def prepare_hub(settings: Settings, *, must_be_unused: bool = False) -> Prepared:
    """Make the schema, load the registry, issue credentials and write the broker's configuration; may be repeated.

    :param must_be_unused: whether to refuse a database on which a run has begun
    :raises hub.usecases.prepare_county.PrepareError: if the county or the folder cannot be used
    """
    settings.run.mkdir(mode=0o700, parents=True, exist_ok=True)
    migrate(settings.database_url)
    engine = open_engine(settings.database_url)
    try:
        registry = load_county(engine, settings.county / "registry.json")
        if must_be_unused:
            check_unused(engine)
        with Session(engine) as session:
            open_accounts(session, registry)
            for kind, version_id, values in (
                ("session", SESSION_VERSION, SESSION_PARAMETERS),
                (HOSTING_KIND, HOSTING_VERSION, HOSTING_PARAMETERS),
                (GREEN_KIND, GREEN_VERSION, GREEN_PARAMETERS),
                (TIMETABLE_KIND, TIMETABLE_VERSION, TIMETABLE_PARAMETERS),
            ):
                save_parameters(
                    session,
                    kind=kind,
                    version_id=version_id,
                    effective_from_interval=first_interval_of_day(date(2016, 1, 1)),
                    values=values,
                )
            session.commit()
    finally:
        engine.dispose()
    host, port = LOOPBACK, 0
    if settings.broker is None:
        port = choose_port(settings.broker_folder)
    else:
        host, port = settings.broker.host, settings.broker.port
    users = [HUB_USER, *(gateway.gateway_id for gateway in registry.gateways)]
    credentials = issue_credentials(settings.credentials_folder, users, host, port)
    if settings.broker is None:
        write_nats_configuration(
            settings.broker_folder,
            county=registry.county,
            gateways=registry.gateways,
            credentials=credentials,
            port=port,
        )
    else:
        folder = settings.run / "mosquitto"
        write_mosquitto_files(folder, county=registry.county, credentials=credentials, host=host, port=port)
    return Prepared(
        county=registry.county,
        gateways=len(registry.gateways),
        metering_points=len(registry.metering_points),
        broker=f"mqtt://{host}:{port}",
        credentials=settings.credentials_folder,
    )


def serve(settings: Settings, *, span: Span, out: Path, delay_s: int = 30) -> None:
    """Run the hub until it is told to stop, by the conductor or by a signal that the caller turns into an exception.

    :param span: the intervals that a run in virtual time clears and settles; live it is without end
    :param out: where reports are written
    :param delay_s: live, how long after a quarter-hour its jobs begin
    """
    with ExitStack() as stack:
        hub = _Hub(settings, span, out, stack)
        if settings.control is not None:
            control = ControlChannel(settings.control.host, settings.control.port, "hub", os.getpid())
            stack.callback(control.close)
            try:
                hub.run(control.commands, control.send)
            except ControlClosedError as error:
                logger.warning("%s", error)
            except Exception as error:
                logger.exception("the hub ends")
                announce_failure(control.send, error)
                raise
            return
        commands: queue.SimpleQueue[Advance | Ask | Stop] = queue.SimpleQueue()
        for utc_s in missed_instants(hub.last_job_utc_s(), int(time.time()), delay_s):
            commands.put(Advance(utc_s))
        scheduler = wall_clock_scheduler(lambda utc_s: commands.put(Advance(utc_s)), delay_s)
        scheduler.start()
        stack.callback(scheduler.shutdown, wait=False)
        hub.run(commands, _nobody)


class WebServerError(RuntimeError):
    """The console and the API cannot be served; the message is one line."""


class _Hub:
    """All parts of one running hub; the stack ends them in reverse order."""

    def __init__(self, settings: Settings, span: Span, out: Path, stack: ExitStack) -> None:
        self._span = span
        self._out = out
        listener = None if settings.api is None else stack.enter_context(_listen(settings.api))
        self._access_keys = read_access_keys(settings.access_keys_file)
        self._engine = open_engine(settings.database_url)
        stack.callback(self._engine.dispose)
        self._reader = open_engine(settings.database_url, read_only=True)
        stack.callback(self._reader.dispose)
        with Session(self._engine) as session:
            self._registry = load_registry(session)
        self._county = County(settings.county, log=self._reader)
        self._clock = HubClock(now_utc_s=_first_instant(span), is_wall=settings.control is None)
        self._county.on(day_of_interval(interval_from_utc_s(self._clock.read())))
        assert settings.province_url is not None, "the caller checked it"
        self._province = ProvinceClient(settings.province_url)
        stack.callback(self._province.close)
        self._broker = _start_broker(settings, stack)
        credential = read_credential(settings.credentials_folder / f"{HUB_USER}.json")
        self._connection = HubConnection(credential, self._registry.county)
        self._setpoints = SetpointSender(self._connection, self._registry)
        self._notices = NoticeSender(self._connection, self._registry)
        self._events = EventStream(boot=secrets.token_hex(8))
        self._publisher = HubPublisher(
            connection=self._connection,
            setpoints=self._setpoints,
            registry=self._registry,
            write_report=self._write_report,
            out=out,
        )
        jobs = HubJobs(self._county, self._province, self._publisher, span).table()
        self._table = JobTable(self._engine, (*jobs, *month_jobs_of(settings, self._county, span)))
        if listener is not None:
            stack.enter_context(_web_server(self._app(), listener, self._events))
        self._connection.start()
        stack.callback(self._connection.stop)

    def run(self, commands: "queue.SimpleQueue[Advance | Ask | Stop]", send: Callable[[FromProcess], None]) -> None:
        """Work until Stop."""
        ingest = Ingest(
            self._engine,
            self._connection,
            self._registry,
            self._setpoints,
            registry_on=self._county.registry_on,
            bidding_on=self._county.bidding_on,
            notices=self._notices,
        )
        engine = HubEngine(
            engine=self._engine,
            ingest=ingest,
            setpoints=self._setpoints,
            notices=self._notices,
            modes=ModeNotices(self._county),
            table=self._table,
            events=self._events,
            clock=self._clock,
            span=self._span,
            commands=commands,
            send=send,
            children=self._children,
            answer=self._answer,
        )
        with Session(self._engine) as session:
            self._publisher.publish_session(session, engine.open_from_interval)
        engine.announce()
        engine.run()

    def last_job_utc_s(self) -> int | None:
        """Return the last instant at which a job was done, by this process or an earlier one."""
        with Session(self._engine) as session:
            return last_job_utc_s(session)

    def _children(self) -> dict[str, int]:
        return {} if self._broker is None else {"broker": self._broker.process_id}

    def _answer(self, what: str) -> bytes:
        if what != "summary" or self._span.first is None or self._span.last is None:
            return msgspec.json.encode({"error": f"the hub has no answer to {what!r}"})
        model = self._county.on(day_of_interval(self._span.last))
        reports = report_files(self._out, model.day)
        with Session(self._reader) as session:
            document = summarise_run(session, model, first=self._span.first, last=self._span.last, report=reports)
        return msgspec.json.encode(document)

    def _write_report(self, session: Session, first: int, last: int, out: Path) -> dict[str, str]:
        model = self._county.on(day_of_interval(last))
        limits = VoltageLimits(NETWORK_LIMITS.vm_min_upu, NETWORK_LIMITS.vm_max_upu)
        return write_day_report(session, model, first=first, last=last, out=out, voltage_limits=limits)

    def _app(self) -> FastAPI:
        return create_app(
            open_session=lambda: Session(self._reader),
            now_utc_s=self._clock.read,
            events=self._events,
            limits=NETWORK_LIMITS,
            console_files=CONSOLE_FILES if (CONSOLE_FILES / "index.html").exists() else None,
            writer=self._engine,
            access_keys=self._access_keys,
            bill_forms={"xlsx": bill_workbook, "pdf": bill_pdf},
        )


def month_jobs_of(settings: Settings, county: County, span: Span) -> tuple[Job, ...]:
    """Return the jobs of months, none where nobody has said by what months are settled.

    What is added to the file of terms later, such as a month's table, counts from the next day on.

    :raises hub.usecases.month_terms.MonthTermsError: if the file of terms cannot be used
    """
    if not settings.month_terms_file.exists():
        return ()
    begins = interval_from_utc_s(int(time.time())) if span.first is None else span.first
    terms = MonthTermsFile(settings.month_terms_file)
    terms.on(day_of_interval(begins))
    return MonthJobs(county.on, terms.on).table()


def _first_instant(span: Span) -> int:
    """Return the hub's time before its first job is done: the first of the two warm-up instants.

    The readings of the other one are not from the future, also when the hub is killed between the two.
    """
    return start_utc_s(span.first - 2) if span.first is not None else 0


def _start_broker(settings: Settings, stack: ExitStack) -> EmbeddedBroker | None:
    if settings.broker is not None:
        return None
    broker = EmbeddedBroker(settings.broker_folder)
    broker.start()
    stack.callback(broker.stop)
    return broker


def _listen(address: Address) -> socket.socket:
    """Take the port of console and API first, so that a port in use is told before anything else is started."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        return socket.create_server((address.host, address.port), family=family)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise WebServerError(f"the console cannot listen on {address}: {reason}") from None


@contextmanager
def _web_server(app: FastAPI, listener: socket.socket, events: EventStream) -> Iterator[None]:
    """Serve the console and the API in a thread of its own."""
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off", timeout_graceful_shutdown=2))
    thread = threading.Thread(target=server.run, args=([listener],), name="web", daemon=True)
    thread.start()
    while not server.started:
        if not thread.is_alive():
            raise WebServerError("the console cannot be served")
        time.sleep(0.01)
    try:
        yield
    finally:
        events.close()
        server.should_exit = True
        thread.join()


def _nobody(_message: FromProcess) -> None:
    """Live, nobody waits for Quiet."""
