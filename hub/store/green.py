"""Green attributes, what was delivered of them, accounts of certificates: bulk writes, and sums by the database."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import text
from sqlmodel import Session

from hub.market.green.deliveries import BoundAttributes
from hub.market.green.green_trades import GreenTrades
from hub.market.trades import Int64Array
from hub.store.bulk import OnConflict, insert_columns
from hub.store.green_tables import GreenIntervalRow, GreenPlantDayRow, GreenPlantMonthRow, GreenTradeRow

_TRADES = text("SELECT seq, pair, plant, energy_wh FROM green_trade WHERE interval = :interval ORDER BY seq")
_DAY = text(
    "SELECT meter, sum(generation_wh), sum(bound_wh), sum(delivered_wh) FROM green_interval "
    "WHERE interval BETWEEN :first AND :last GROUP BY meter ORDER BY meter"
)
_MONTH = text(
    "SELECT meter, sum(generation_wh) FROM green_plant_day WHERE month = :month AND day < :before "
    "GROUP BY meter ORDER BY meter"
)
_OPEN_MONTHS = text(
    "SELECT DISTINCT d.month FROM green_plant_day d WHERE d.month < :month AND NOT EXISTS "
    "(SELECT 1 FROM green_plant_month m WHERE m.month = d.month) ORDER BY d.month"
)
_ENTERED = text(
    "SELECT meter, month, owner, generation_wh, mechanism_wh, certificates, carried_wh, rule_version "
    "FROM green_plant_month ORDER BY meter, month"
)


@dataclass(frozen=True)
class PlantEnergy:
    """What a plant fed in, what of it was bound and what delivered, Wh."""

    generation_wh: int
    bound_wh: int
    delivered_wh: int


@dataclass(frozen=True)
class EnteredMonth:
    """A plant's month in the register: see GreenPlantMonthRow."""

    meter: int
    month: int
    owner: int
    generation_wh: int
    mechanism_wh: int
    certificates: int
    carried_wh: int
    rule_version: str


def save_green_trades(session: Session, trades: GreenTrades) -> None:
    """Write the attributes that were bound when an interval was cleared; they are written once."""
    if trades.pair.size:
        insert_columns(
            session,
            GreenTradeRow,
            {
                "interval": trades.interval,
                "seq": np.arange(trades.pair.size),
                "pair": trades.pair,
                "plant": trades.plant,
                "energy_wh": trades.energy_wh,
                "delivered_wh": None,
            },
        )


def bound_attributes(session: Session, interval: int) -> tuple[BoundAttributes, Int64Array]:
    """Return the attributes of an interval in their order, and the pair of each."""
    rows = session.execute(_TRADES, {"interval": interval}).all()
    columns = np.array([tuple(row) for row in rows], dtype=np.int64).reshape(len(rows), 4)
    return BoundAttributes(interval, columns[:, 2].copy(), columns[:, 3].copy()), columns[:, 1].copy()


def save_deliveries(session: Session, bound: BoundAttributes, pair: Int64Array, delivered_wh: Int64Array) -> None:
    """Write what was delivered of each attribute of an interval."""
    if pair.size:
        insert_columns(
            session,
            GreenTradeRow,
            {
                "interval": bound.interval,
                "seq": np.arange(pair.size),
                "pair": pair,
                "plant": bound.plant,
                "energy_wh": bound.energy_wh,
                "delivered_wh": delivered_wh,
            },
            OnConflict.REPLACE,
        )


def save_green_interval(
    session: Session, interval: int, *, generation_wh: Int64Array, bound_wh: Int64Array, delivered_wh: Int64Array
) -> None:
    """Write an interval's energies of every plant that fed in or sold something, shape (n_meters,) each."""
    meters = np.flatnonzero((generation_wh > 0) | (bound_wh > 0))
    if meters.size:
        columns = {"generation_wh": generation_wh, "bound_wh": bound_wh, "delivered_wh": delivered_wh}
        insert_columns(
            session,
            GreenIntervalRow,
            {"interval": interval, "meter": meters, **{name: column[meters] for name, column in columns.items()}},
        )


def read_plant_energies(session: Session, *, first: int, last: int) -> dict[int, PlantEnergy]:
    """Return each plant's energies of the intervals first..last, by meter."""
    rows = session.execute(_DAY, {"first": first, "last": last})
    return {int(row[0]): PlantEnergy(*(int(value) for value in row[1:])) for row in rows}


def read_month_generation_wh(session: Session, month: int, *, before_day: str) -> dict[int, int]:
    """Return what each plant fed in on the month's closed days before a day (YYYY-MM-DD), by meter."""
    rows = session.execute(_MONTH, {"month": month, "before": before_day})
    return {int(meter): int(energy_wh) for meter, energy_wh in rows}


def read_open_months(session: Session, *, before_month: int) -> list[int]:
    """Return the earlier months that have closed days and were not entered in the register, in their order."""
    return [int(month) for (month,) in session.execute(_OPEN_MONTHS, {"month": before_month})]


def read_entered_months(session: Session) -> dict[int, list[EnteredMonth]]:
    """Return the months that stand in the register, by meter, in their order."""
    found: dict[int, list[EnteredMonth]] = {}
    for row in session.execute(_ENTERED):
        meter, month, owner, generation, mechanism, count, carried = (int(value) for value in row[:7])
        entered = EnteredMonth(meter, month, owner, generation, mechanism, count, carried, str(row[7]))
        found.setdefault(entered.meter, []).append(entered)
    return found


def save_plant_days(session: Session, day: str, month: int, rows: Sequence[Mapping[str, int]]) -> None:
    """Write the plants of a day that is closed; the names of a row are the columns of GreenPlantDayRow."""
    if rows:
        columns = {name: [row[name] for row in rows] for name in rows[0]}
        insert_columns(session, GreenPlantDayRow, {"day": day, "month": month, **columns})


def save_entered_months(session: Session, entered: Sequence[EnteredMonth]) -> None:
    """Write months into the register; each is entered once."""
    if entered:
        names = EnteredMonth.__dataclass_fields__
        insert_columns(session, GreenPlantMonthRow, {name: [getattr(one, name) for one in entered] for name in names})


@dataclass(frozen=True)
class PlantDay:
    """A plant of a closed day as it is shown; meter, participant and unit by their ids."""

    meter: str
    participant: str
    unit: str
    generation_wh: int
    bound_wh: int
    delivered_wh: int
    month: int
    month_generation_wh: int
    carried_in_wh: int
    certificates: int
    carried_out_wh: int


_PLANT_DAYS = text(
    "SELECT m.meter_id, p.participant_id, b.unit_id, d.generation_wh, d.bound_wh, d.delivered_wh, d.month, "
    "d.month_generation_wh, d.carried_in_wh, d.certificates, d.carried_out_wh FROM green_plant_day d "
    "JOIN metering_point m ON m.position = d.meter JOIN participant p ON p.position = m.participant "
    "JOIN balance_unit b ON b.position = m.unit WHERE d.day = :day ORDER BY d.meter"
)
_BUYERS = text(
    "SELECT p.mode, p.buyer_party, count(*), sum(g.energy_wh), sum(coalesce(g.delivered_wh, 0)) FROM green_trade g "
    "JOIN pair p ON p.interval = g.interval AND p.seq = g.pair WHERE g.interval BETWEEN :first AND :last "
    "GROUP BY p.mode, p.buyer_party ORDER BY p.mode, p.buyer_party"
)


@dataclass(frozen=True)
class GreenVolume:
    """Attributes that went to one kind of buyer (trades.Party value) in one mode: rows, bound and delivered, Wh."""

    mode: int
    buyer_party: int
    attributes: int
    bound_wh: int
    delivered_wh: int


def read_plant_days(session: Session, day: str) -> Iterator[PlantDay]:
    """Yield the plants of a closed day in the order of the registry; none if it is not closed."""
    for row in session.execute(_PLANT_DAYS, {"day": day}):
        yield PlantDay(str(row[0]), str(row[1]), str(row[2]), *(int(value) for value in row[3:]))


def read_green_volumes(session: Session, *, first: int, last: int) -> list[GreenVolume]:
    """Return what attributes went to whom in the intervals first..last, by mode and buyer."""
    rows = session.execute(_BUYERS, {"first": first, "last": last})
    return [GreenVolume(*(int(value) for value in row)) for row in rows]


_ENTERED_TOTALS = text(
    "SELECT month, count(*), sum(generation_wh), sum(certificates), sum(carried_wh) FROM green_plant_month "
    "GROUP BY month ORDER BY month DESC"
)


@dataclass(frozen=True)
class EnteredTotal:
    """A month in the register of certificates, all plants together."""

    month: int
    plants: int
    generation_wh: int
    certificates: int
    carried_wh: int


def read_entered_totals(session: Session) -> list[EnteredTotal]:
    """Return the months that were entered in the register of certificates, newest first."""
    return [EnteredTotal(*(int(value) for value in row)) for row in session.execute(_ENTERED_TOTALS)]
