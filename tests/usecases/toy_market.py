"""The hub over the toy county without MQTT: readings and orders go to the use cases, the jobs run by their table."""

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

from sqlalchemy import select, text
from sqlmodel import Session, SQLModel

from edge.contract.interval import first_interval_of_day, start_utc_s
from edge.contract.messages import Order, Reading
from hub.jobs import HubJobs, Span
from hub.market.order_rules import SessionParameters
from hub.province import ProvinceSettlement
from hub.schedule import Job, JobTable
from hub.store.engine import open_engine
from hub.store.parameters import save_parameters
from hub.store.registry import positions_of
from hub.usecases.admit_readings import GatewayReadings, RegisterMemory, admit_readings
from hub.usecases.load_county import County, CountyModel
from hub.usecases.measure_energy import EnergyMeasurement
from hub.usecases.moment import Moment
from hub.usecases.open_accounts import open_accounts
from hub.usecases.prepare_county import load_county
from hub.usecases.record_prices import record_indicative_price
from hub.usecases.run_gate import run_gate
from hub.usecases.secured_interval import ClearedInterval
from hub.usecases.submit_orders import GatewayOrders, OrderMemory, submit_orders

SESSION_PARAMETERS = {
    "price_floor_uyuan_per_kwh": 0,
    "price_cap_uyuan_per_kwh": 1_500_000,
    "price_tick_uyuan_per_kwh": 1_000,
    "lot_wh": 10,
}

GREEN_PARAMETERS = {"wh_per_certificate": 50_000, "validity_months": 24}
"""A certificate of the toy county is of 50 kWh, so that its plants earn some within a few quarter-hours."""

TIMETABLE_PARAMETERS = {
    "order_gate_lead_intervals": 1,
    "order_open_intervals": 4,
    "exchange_gate_lead_intervals": 0,
    "market_stage": 6,
    "is_sub_market": 1,
}

HOSTING_PARAMETERS = {
    "edition_year": 2025,
    "tau_max_per_mille": 800,
    "power_factor_per_mille": 950,
    "plant_power_factor_per_mille": 1000,
    "noon_from_minute": 10 * 60 + 15,
    "noon_until_minute": 10 * 60 + 45,
    "intervals_min": 3,
    "read_min_per_mille": 900,
    "critical_intervals_max": 2,
}
"""The typical noon of the toy day is its second and third interval."""


class FixedProvince:
    """A province with prices that follow from the interval; remembers schedules and settles at the real-time price."""

    def __init__(self) -> None:
        self.schedules: dict[int, tuple[int, int]] = {}
        self.settled: dict[int, ProvinceSettlement] = {}

    def indicative_price(self, interval: int) -> int:
        return 300_000 + interval % 7 * 1_010

    def real_time_price(self, interval: int) -> int:
        return 350_000 - interval % 5 * 2_030

    def day_ahead_prices(self, day: str) -> list[int]:
        return [320_000 + len(day) + number for number in range(96)]

    def submit_schedule(self, interval: int, import_wh: int, export_wh: int) -> None:
        self.schedules[interval] = (import_wh, export_wh)

    def settle(self, interval: int, import_wh: int, export_wh: int) -> ProvinceSettlement:
        price = self.real_time_price(interval)
        settled = ProvinceSettlement(0, 0, import_wh, export_wh, 0, price, import_wh * price, export_wh * price)
        assert self.settled.setdefault(interval, settled) == settled, "settled again on other energy"
        return settled


class Quiet:
    """A publisher that remembers what it was asked to say."""

    def __init__(self) -> None:
        self.results: list[int] = []
        self.sessions: list[int] = []
        self.reports: list[tuple[int, int]] = []

    def publish_results(self, _session: Session, interval: int) -> None:
        self.results.append(interval)

    def publish_session(self, _session: Session, open_from_interval: int) -> None:
        self.sessions.append(open_from_interval)

    def write_report(self, _session: Session, first: int, last: int) -> None:
        self.reports.append((first, last))


class ToyMarket:
    """One run of the toy county: `at` lets time pass to an instant and does all that is due there."""

    def __init__(
        self,
        toy: ModuleType,
        url: str,
        folder: Path,
        county: County,
        *,
        intervals: int = 3,
        hosting: Mapping[str, int] | None = HOSTING_PARAMETERS,
        timetable: Mapping[str, int] | None = TIMETABLE_PARAMETERS,
    ) -> None:
        self.toy = toy
        self.county = county
        self.first: int = toy.FIRST
        self.last: int = toy.FIRST + intervals - 1
        self.engine = open_engine(url)
        self.registry = load_county(self.engine, folder / "registry.json")
        with Session(self.engine) as session:
            open_accounts(session, self.registry)
            for kind, values in (
                ("session", SESSION_PARAMETERS),
                ("green", GREEN_PARAMETERS),
                ("timetable", timetable),
            ):
                if values is not None:
                    save_parameters(
                        session,
                        kind=kind,
                        version_id=kind,
                        effective_from_interval=first_interval_of_day(toy.DAY),
                        values=values,
                    )
            if hosting is not None:
                self.save_hosting(session, "hosting", toy.DAY, hosting)
            session.commit()
        self.physics: Any = toy.Physics(folder, self.first - 2)
        self.province = FixedProvince()
        self.publisher = Quiet()
        self.settled_through_utc_s = 0
        self.restart()

    @property
    def model(self) -> CountyModel:
        """The county on the toy day."""
        return self.county.on(self.toy.DAY)

    @staticmethod
    def save_hosting(session: Session, version_id: str, day: date, values: Mapping[str, int]) -> None:
        """Set the parameters of assessments from the day on."""
        save_parameters(
            session,
            kind="hosting",
            version_id=version_id,
            effective_from_interval=first_interval_of_day(day),
            values=values,
        )

    def restart(self) -> None:
        """Forget what a process holds in memory."""
        self.table = JobTable(self.engine, self.jobs())

    def jobs(self) -> tuple[Job, ...]:
        """Return a table of jobs with a memory of its own."""
        province: Any = self.province
        return HubJobs(self.county, province, self.publisher, Span(self.first, self.last)).table()

    def at(self, interval: int, **how: Any) -> None:
        """Let time pass to the start of the interval, take in readings and orders, and run the jobs."""
        self.take_in(interval, **how)
        self.run_jobs(interval)

    def take_in(
        self,
        interval: int,
        *,
        weather: object = None,
        missing: frozenset[str] = frozenset(),
        orders: Callable[..., Mapping[str, tuple[Order, ...]]] | None = None,
    ) -> None:
        """Read every meter but the missing ones at the start of the interval; orders are for the interval after it."""
        while self.physics.now < interval:
            self.physics.run(weather)
        readings = {
            gateway.gateway_id: [
                one for one in self.physics.readings(interval, gateway.gateway_id) if one.meter not in missing
            ]
            for gateway in self.registry.gateways
        }
        self.admit(interval, readings)
        if interval > self.first - 2:
            self.submit((orders or self.toy.orders_at)(self.physics, interval + 1), interval)

    def admit(self, interval: int, readings: Mapping[str, Iterable[Reading]]) -> list[Any]:
        """Admit readings as the ingest does while the hub stands just before the start of the interval."""
        gateways = positions_of(self.registry).gateway
        messages = [GatewayReadings(gateways[name], name, tuple(some)) for name, some in sorted(readings.items())]
        moment = Moment(start_utc_s(interval), start_utc_s(interval + 1), self.settled_through_utc_s)
        with Session(self.engine) as session:
            outcomes = admit_readings(session, RegisterMemory(session, self.registry), messages, moment)
            session.commit()
        return [outcome for decided in outcomes for outcome in decided]

    def submit(self, orders: Mapping[str, tuple[Order, ...]], interval: int) -> list[Any]:
        """Submit orders while the gates up to the interval are closed."""
        gateways = positions_of(self.registry).gateway
        messages = [GatewayOrders(gateways[name], name, some) for name, some in sorted(orders.items())]
        moment = Moment(start_utc_s(interval), start_utc_s(interval + 1), 0)
        limits = {name: value for name, value in SESSION_PARAMETERS.items() if name != "lot_wh"}
        session_rules = SessionParameters(interval + 1, interval + 97, lot_wh=10, **limits)
        with Session(self.engine) as session:
            memory = OrderMemory(session, self.registry, interval + 1, self.county.registry_on, self.county.bidding_on)
            outcomes = submit_orders(session, memory, messages, session_rules, moment)
            session.commit()
        return [outcome for decided in outcomes for outcome in decided]

    def gate(self, interval: int) -> ClearedInterval:
        """Close the gate of the interval as its job does, and commit."""
        with Session(self.engine) as session:
            record_indicative_price(session, interval, self.province.indicative_price(interval))
            cleared = run_gate(session, self.county, EnergyMeasurement(), interval)
            session.commit()
        return cleared

    def run_jobs(self, interval: int) -> None:
        """Run what is due at the start of the interval; setpoints of what was cleared reach the inverters."""
        self.table.run_due(start_utc_s(interval))
        self.settled_through_utc_s = start_utc_s(interval)
        query = "SELECT meter, export_limit_w FROM setpoint WHERE interval = :interval"
        for position, limit_w in self.rows(query, interval=interval + 1):
            self.physics.limits[interval + 1, self.toy.meter_id(position)] = limit_w

    def whole_run(self, **how: Any) -> "ToyMarket":
        """Run from the warm-up to the end of the last interval."""
        for interval in range(self.first - 2, self.last + 2):
            self.at(interval, **how)
        return self

    def rows(self, query: str, **parameters: int | str) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        with Session(self.engine) as session:
            return [tuple(row) for row in session.execute(text(query), parameters)]

    def everything(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return every table of the store, sorted; the time that clearing took is left out."""
        found = {}
        for name, table in sorted(SQLModel.metadata.tables.items()):
            columns = [column for column in table.columns if column.name != "wall_us"]
            with Session(self.engine) as session:
                found[name] = sorted((tuple(row) for row in session.execute(select(*columns))), key=repr)
        return found

    def close(self) -> None:
        """Close the database."""
        self.engine.dispose()
