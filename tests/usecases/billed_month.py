"""A county of a few users of every kind whose registers are read for whole months; prices of the made-up province."""

from dataclasses import dataclass
from datetime import date
from typing import Any

import msgspec
import numpy as np
from sqlalchemy import Engine
from sqlmodel import Session

from edge.contract.interval import INTERVALS_PER_DAY, first_interval_of_day, start_utc_s
from edge.contract.messages import CHANNELS, IMPORT
from edge.contract.registry import MeterKind, Registry, SaleMode, SupplyMode, UserCategory
from hub.bench.made_up_province import PROVINCE, made_up_province
from hub.market.registry.periods import next_month
from hub.settlement.provinces import shipped_library
from hub.settlement.provinces.library import Library
from hub.settlement.retail.contract_terms import Fixed, RetailTerms
from hub.store.bill_tables import BillingTermRow
from hub.store.readings import insert_readings
from hub.store.registry import save_registry
from hub.usecases.issue_bills import IssuedMonth, MonthOrder, issue_bills
from hub.usecases.open_accounts import open_accounts

JANUARY, FEBRUARY = date(2026, 1, 1), date(2026, 2, 1)
RESIDENT, SHOP, WORKS, DEMAND, RETAIL, FARM = range(6)
USERS = (
    (SupplyMode.GUARANTEED, UserCategory.RESIDENTIAL, "<1kV", None),
    (SupplyMode.AGENCY, UserCategory.COMMERCIAL_INDUSTRIAL, "<1kV", ("SINGLE", 50_000, "")),
    (SupplyMode.AGENCY, UserCategory.COMMERCIAL_INDUSTRIAL, "10(20)kV", ("TWO_PART", 630_000, "CAPACITY")),
    (SupplyMode.AGENCY, UserCategory.COMMERCIAL_INDUSTRIAL, "10(20)kV", ("TWO_PART", 400_000, "DEMAND")),
    (SupplyMode.RETAIL, UserCategory.COMMERCIAL_INDUSTRIAL, "<1kV", ("SINGLE", 90_000, "")),
    (SupplyMode.GUARANTEED, UserCategory.AGRICULTURAL, "10(20)kV", None),
)


def registry_of(made: Registry) -> Registry:
    """The registry with one user of each kind; the other points of the county are internal meters."""
    points = []
    for number, point in enumerate(made.metering_points):
        if number < len(USERS):
            mode, category, voltage, _ = USERS[number]
            given = {"supply_mode": mode, "category": category, "voltage_class": voltage, "kind": MeterKind.LOAD}
        else:
            given = {"supply_mode": SupplyMode.NONE, "category": None, "kind": MeterKind.INTERNAL}
        points.append(msgspec.structs.replace(point, sale_mode=SaleMode.NONE, **given))
    return msgspec.structs.replace(made, metering_points=tuple(points))


def energy_of(month: date, n_meters: int) -> Any:
    """The energy of every interval of a month, shape (n_intervals, n_meters), Wh."""
    n_intervals = (next_month(month) - month).days * INTERVALS_PER_DAY
    draws = np.random.default_rng(month.toordinal())
    return draws.integers(0, 9_000, (n_intervals, n_meters))


def library(*months: date, less: int = 0) -> Library:
    """The shipped profiles and the made-up province."""
    return shipped_library([made_up_province(*(months or (JANUARY, FEBRUARY)), energy_less_uyuan_per_kwh=less)])


@dataclass
class BilledMonth:
    """The county on a database. start_wh: the registers at the beginning of the next month to be read."""

    engine: Engine
    registry: Registry
    start_wh: Any

    def read(self, month: date, *, leave_out: frozenset[tuple[int, int]] = frozenset()) -> Any:
        """Store the registers of a month, first instant included; leave_out: (instant, meter). Return the energies."""
        energy = energy_of(month, len(self.registry.metering_points))
        registers = np.vstack((self.start_wh, self.start_wh + energy.cumsum(axis=0)))
        first = first_interval_of_day(month)
        channel = CHANNELS.index(IMPORT)
        rows = [
            (start_utc_s(first + number), meter, channel, 0, int(value), 0, 0)
            for number, instant in enumerate(registers)
            for meter, value in enumerate(instant)
            if (number, meter) not in leave_out
        ]
        with Session(self.engine) as session:
            insert_readings(session, rows)
            session.commit()
        self.start_wh = registers[-1]
        return energy

    def issue(self, month: date, **given: Any) -> IssuedMonth:
        """Issue the bills of a month and commit."""
        order = MonthOrder(**({"month": month, "province": PROVINCE, "library": library()} | given))
        with Session(self.engine) as session:
            issued = issue_bills(session, order)
            session.commit()
        return issued

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """Return what a query finds."""
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(statement)]


def open_county(engine: Engine, made: Registry) -> BilledMonth:
    """Write registry, accounts and billing terms into an empty database."""
    registry = registry_of(made)
    with Session(engine) as session:
        save_registry(session, registry, "0" * 64)
        open_accounts(session, registry)
        for meter, (_, _, _, terms) in enumerate(USERS):
            if terms is None:
                continue
            tariff, capacity_va, election = terms
            user = registry.metering_points[meter].participant_id
            package = RetailTerms("contract-1", user, "retailer-1", 400, "2025", Fixed(401_234))
            session.add(
                BillingTermRow(
                    meter=meter,
                    effective_from="2025-12-01",
                    tariff_type=tariff,
                    user_class="",
                    capacity_va=capacity_va,
                    election=election,
                    package=msgspec.json.encode(package).decode() if meter == RETAIL else None,
                )
            )
        session.commit()
    return BilledMonth(engine, registry, np.full(len(registry.metering_points), 1_000_000))
