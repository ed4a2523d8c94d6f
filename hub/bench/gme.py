"""The benchmark `gme`: the hub's own clearing against the prices that the Italian market published.

The data is a folder given by `--data` and no part of this repository: the order books of the day-ahead market (MGP) of
April 2025, the limits of its links, and the prices that its operator published, prepared by the OpenEUPHEMIA project.
The seven Italian zones are a tree. Each border is closed as a price taker: at the border zone's published price Italy
may buy up to the link's limit into it, and sell up to the limit out of it. Every published price of the seven zones
must come out of `hub.market.tree_clearing` exactly; one that differs is an error.
"""

import csv
import gzip
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np

from grid_models.bench.machine import versions_of
from grid_models.bench.measuring import BenchError, Comparison, Contender, Outcome, Show, Workbench, time_in_turn
from hub.market.trades import NO_LIMIT_WH, BalanceTree, Int64Array, OrderBatch, Party, TradeSide
from hub.market.tree_clearing import clear

NEEDS_DATA: Final = True
"""`bench` runs this one only with `--data`."""

BOOKS, LINKS, PRICES = "bid-curves.csv.gz", "transfer-capacities.csv.gz", "published-prices.csv.gz"
ZONES: Final = ("CSUD", "CNOR", "SARD", "SUD", "NORD", "CALA", "SICI")
PARENT: Final = (-1, 0, 0, 0, 1, 3, 5)
WH_PER_MWH: Final = 1_000_000
PRICE_DECIMALS: Final = 5
"""Prices are whole numbers of 0.00001 EUR/MWh, the finest that was published; the rule is the midpoint, any tick."""

_SIDES: Final = {"supply": TradeSide.SELL, "demand": TradeSide.BUY}
_SHOWN: Final = 3
_Row: TypeAlias = Mapping[str, str]


class GmeDataError(BenchError):
    """The folder is not what it should be; the message names file, line and reason."""


@dataclass
class Hour:
    """One hour's market as the files give it; prices in 0.00001 EUR/MWh, energies in Wh.

    orders: zone, side, energy, price. links: from zone, to zone, least and greatest flow. price: by zone, also abroad.
    """

    orders: list[tuple[int, int, int, int]] = field(default_factory=list)
    links: list[tuple[str, str, int, int]] = field(default_factory=list)
    price: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Market:
    """One hour's market as clearing takes it, and the prices that were published, shape (7,)."""

    timestamp: str
    tree: BalanceTree
    orders: OrderBatch
    published: Int64Array


def measure(workbench: Workbench) -> Outcome:
    """Clear every hour of the folder and compare every price with the published one.

    :raises BenchError: if there is no folder, it cannot be read, or one price differs
    """
    if workbench.data is None:
        raise BenchError("--data FOLDER is needed: the folder with " + ", ".join((BOOKS, LINKS, PRICES)))
    started = time.perf_counter()
    hours = read_hours(workbench.data)
    markets = [market_of(timestamp, hour) for timestamp, hour in sorted(hours.items())]
    reading_s = time.perf_counter() - started
    n_equal = require_published_prices(markets)
    work = partial(_clear_all, markets)
    n_orders = sum(one.orders.energy_wh.size for one in markets)
    ours, _ = time_in_turn(
        Contender("tree clearing", lambda _run: work, len(markets)), None, runs=workbench.few_runs, peer_runs=1
    )
    what = f"clear {len(markets):,} hours of {len(ZONES)} zones, {n_orders:,} orders"
    agreed = f"{n_equal:,} of {n_equal:,} published zone prices"
    return Outcome(
        (Comparison(what, Show.MILLISECONDS, "hours", ours, None, agreed),),
        versions_of(("numpy",)),
        (f"The time is that of one hour. Reading the files took {reading_s:.1f} s.",),
    )


def read_hours(folder: Path) -> dict[str, Hour]:
    """Return the hours of a folder, by timestamp.

    :raises GmeDataError: if a file is missing, cannot be read or is not complete
    """
    hours: dict[str, Hour] = {}
    for number, row in _rows(folder, PRICES, ("timestamp", "zone", "price_eur_per_mwh")):
        hour = hours.setdefault(row["timestamp"], Hour())
        hour.price[row["zone"]] = _price(row["price_eur_per_mwh"], PRICES, number)
    for number, row in _rows(folder, LINKS, ("timestamp", "from_zone", "to_zone", "min_flow_mwh", "max_flow_mwh")):
        flows = (_energy_wh(row[name], LINKS, number) for name in ("min_flow_mwh", "max_flow_mwh"))
        least, greatest = flows
        if least > 0 or greatest < 0:
            raise GmeDataError(f"{LINKS}, line {number}: flows from {least} to {greatest} Wh leave out 0")
        _hour_of(hours, row, LINKS, number).links.append((row["from_zone"], row["to_zone"], least, greatest))
    columns = ("timestamp", "zone", "side", "price_eur_per_mwh", "quantity_mwh")
    for number, row in _rows(folder, BOOKS, columns):
        if row["zone"] not in ZONES or row["side"] not in _SIDES:
            raise GmeDataError(f"{BOOKS}, line {number}: no zone {row['zone']!r} or no side {row['side']!r}")
        energy = _energy_wh(row["quantity_mwh"], BOOKS, number)
        if energy < 0:
            raise GmeDataError(f"{BOOKS}, line {number}: {row['quantity_mwh']} MWh is negative")
        price = _price(row["price_eur_per_mwh"], BOOKS, number)
        order = (ZONES.index(row["zone"]), int(_SIDES[row["side"]]), energy, price)
        _hour_of(hours, row, BOOKS, number).orders.append(order)
    if not hours:
        raise GmeDataError(f"{PRICES}: no price in it")
    return hours


def market_of(timestamp: str, hour: Hour) -> Market:
    """Return one hour as a tree and its orders, borders as price takers.

    :raises GmeDataError: if a link, a price or all orders are missing
    """
    export_limit, import_limit = [NO_LIMIT_WH] * len(ZONES), [NO_LIMIT_WH] * len(ZONES)
    rows, linked = list(hour.orders), set()
    if not rows:
        raise GmeDataError(f"{BOOKS}: no orders at {timestamp}")
    for zone in ZONES:
        if zone not in hour.price:
            raise GmeDataError(f"{PRICES}: no price of {zone} at {timestamp}")
    for from_zone, to_zone, least, greatest in hour.links:
        ends = [ZONES.index(zone) if zone in ZONES else -1 for zone in (from_zone, to_zone)]
        if ends == [-1, -1]:
            continue
        if -1 not in ends:
            is_up = PARENT[ends[0]] == ends[1]
            child = ends[0] if is_up else ends[1]
            if PARENT[child] not in ends:
                raise GmeDataError(f"{LINKS}: {from_zone}-{to_zone} at {timestamp} is no edge of the tree")
            export_limit[child], import_limit[child] = (greatest, -least) if is_up else (-least, greatest)
            linked.add(child)
            continue
        abroad = to_zone if ends[1] == -1 else from_zone
        if abroad not in hour.price:
            raise GmeDataError(f"{PRICES}: no price of {abroad} at {timestamp}")
        zone_number, out_wh, in_wh = max(ends), *((greatest, -least) if abroad == to_zone else (-least, greatest))
        rows.append((zone_number, int(TradeSide.SELL), in_wh, hour.price[abroad]))
        rows.append((zone_number, int(TradeSide.BUY), out_wh, hour.price[abroad]))
    lost = [zone for number, zone in enumerate(ZONES) if number and number not in linked]
    if lost:
        raise GmeDataError(f"{LINKS}: no link of {lost[0]} at {timestamp}")
    zeros = np.zeros(len(ZONES), np.int64)
    limits = np.array(export_limit, np.int64), np.array(import_limit, np.int64)
    tree = BalanceTree(ZONES, np.array(PARENT, np.int64), *limits, zeros)
    published = np.array([hour.price[zone] for zone in ZONES], np.int64)
    return Market(timestamp, tree, _order_batch(rows), published)


def require_published_prices(markets: list[Market]) -> int:
    """Return how many prices were compared and found equal.

    :raises BenchError: naming how many differ and the first of them
    """
    n_prices, different = 0, []
    for market in markets:
        found = clear(market.tree, market.orders, tick_uyuan_per_kwh=1).price_uyuan_per_kwh
        n_prices += found.size
        different += [
            f"{ZONES[zone]} at {market.timestamp}: {_text(int(found[zone]))} for {_text(int(market.published[zone]))}"
            for zone in np.flatnonzero(found != market.published).tolist()
        ]
    if different:
        shown = "; ".join(different[:_SHOWN])
        raise BenchError(f"{len(different):,} of {n_prices:,} published prices differ (EUR/MWh): {shown}")
    return n_prices


def _order_batch(rows: list[tuple[int, int, int, int]]) -> OrderBatch:
    unit, side, energy, price = np.array(rows, np.int64).T
    n_orders = len(rows)
    return OrderBatch(
        interval=0,
        order_id=tuple(f"{number:06d}" for number in range(n_orders)),
        unit=unit,
        meter=np.full(n_orders, -1),
        side=side.astype(np.int8),
        party=np.full(n_orders, Party.DIRECT, np.int8),
        energy_wh=energy,
        price_uyuan_per_kwh=price,
        clean=np.zeros(n_orders, np.bool_),
        submitted_utc_s=np.zeros(n_orders, np.int64),
    )


def _clear_all(markets: list[Market]) -> None:
    for market in markets:
        clear(market.tree, market.orders, tick_uyuan_per_kwh=1)


def _rows(folder: Path, name: str, columns: tuple[str, ...]) -> Iterator[tuple[int, _Row]]:
    """Yield (line number, row) of a compressed table that has these columns."""
    path = folder / name
    if not path.is_file():
        raise GmeDataError(f"--data {folder}: no {name} in it")
    try:
        with gzip.open(path, "rt", encoding="utf8", newline="") as file:
            table = csv.DictReader(file)
            missing = [column for column in columns if column not in (table.fieldnames or ())]
            if missing:
                raise GmeDataError(f"{name}: no column {missing[0]}")
            for number, row in enumerate(table, start=2):
                if None in row.values():
                    raise GmeDataError(f"{name}, line {number}: too few columns")
                yield number, row
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise GmeDataError(f"{name} cannot be read: {error}") from error


def _hour_of(hours: dict[str, Hour], row: _Row, name: str, number: int) -> Hour:
    hour = hours.get(row["timestamp"])
    if hour is None:
        raise GmeDataError(f"{name}, line {number}: no published price at {row['timestamp']!r}")
    return hour


def _price(text: str, name: str, number: int) -> int:
    scaled = _decimal(text, name, number).scaleb(PRICE_DECIMALS)
    if scaled != scaled.to_integral_value():
        raise GmeDataError(f"{name}, line {number}: {text} has more than {PRICE_DECIMALS} decimals")
    return int(scaled)


def _energy_wh(text: str, name: str, number: int) -> int:
    """Return whole Wh; the files hold sums with more decimals than the 0.001 MWh of an order."""
    return int((_decimal(text, name, number) * WH_PER_MWH).to_integral_value())


def _decimal(text: str, name: str, number: int) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise GmeDataError(f"{name}, line {number}: {text!r} is no number") from None
    if not value.is_finite() or abs(value) > WH_PER_MWH:
        raise GmeDataError(f"{name}, line {number}: {text!r} is out of range")
    return value


def _text(price: int) -> str:
    return f"{Decimal(price).scaleb(-PRICE_DECIMALS):f}"
