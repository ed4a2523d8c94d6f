"""Read why each interval's price is what it is, and the day's green energy; what the store does not hold is None."""

from collections.abc import Mapping

from sqlalchemy import text
from sqlmodel import Session

from edge.contract.interval import day_of_interval, label_of_interval
from hub.market.price_reason import PriceReason, ProvinceOrder, price_reason
from hub.market.trades import Party, TradeSide
from hub.reports.read_intervals import Span
from hub.reports.reason_figures import AskedElement, GreenFigures, IntervalReason
from hub.store.green import PlantEnergy, read_green_volumes, read_plant_days, read_plant_energies

_ROOTS = text(
    "SELECT p.interval, p.price_uyuan_per_kwh, c.price_rule, c.method, c.rounds FROM unit_price p "
    "JOIN clearing_run c ON c.interval = p.interval WHERE p.unit = 0 AND p.interval BETWEEN :first AND :last"
)
_PROVINCE = text(
    'SELECT o.interval, o.side, o.price_uyuan_per_kwh, o.energy_wh, f.cleared_wh FROM "order" o '
    "JOIN fill f ON f.interval = o.interval AND f.order_id = o.order_id "
    "WHERE o.party = :province AND o.interval BETWEEN :first AND :last"
)
_APART = text(
    "SELECT interval, count(*), min(shadow_uyuan_per_kwh), max(shadow_uyuan_per_kwh) FROM unit_price "
    "WHERE unit > 0 AND shadow_uyuan_per_kwh <> 0 AND interval BETWEEN :first AND :last GROUP BY interval"
)
_ASKED = text(
    "SELECT interval, element, coverage, min(seq) FROM asked_limit WHERE interval BETWEEN :first AND :last "
    "GROUP BY interval, element, coverage"
)


def read_reasons(session: Session, span: Span) -> tuple[IntervalReason, ...]:
    """Return every interval of the span in order, also those that were never cleared."""
    roots = {int(row[0]): row for row in session.execute(_ROOTS, span.bounds)}
    orders = _province_orders(session, span)
    apart = {int(row[0]): (int(row[1]), int(row[2]), int(row[3])) for row in session.execute(_APART, span.bounds)}
    asked: dict[int, list[tuple[int, AskedElement]]] = {}
    for interval, element, coverage, seq in session.execute(_ASKED, span.bounds):
        asked.setdefault(int(interval), []).append((int(seq), AskedElement(str(element), str(coverage))))
    found = []
    for interval in range(span.first, span.last + 1):
        root = roots.get(interval)
        price = None if root is None else int(root[1])
        units, low, high = apart.get(interval, (0, 0, 0))
        found.append(
            IntervalReason(
                interval=interval,
                label=label_of_interval(interval),
                root_price_uyuan_per_kwh=price,
                reason=_reason(price, orders.get(interval, {})),
                price_rule="" if root is None else str(root[2]),
                method="" if root is None else str(root[3]),
                rounds=None if root is None else int(root[4]),
                units_apart=units,
                shadow_uyuan_per_kwh=(low if -low >= high else high) if units else None,
                asked=tuple(element for _, element in sorted(asked.get(interval, []), key=lambda pair: pair[0])),
            )
        )
    return tuple(found)


def read_green(session: Session, span: Span) -> GreenFigures:
    """Return the day's green energy; the accounts are there once the day is closed."""
    energies = read_plant_energies(session, first=span.first, last=span.last).values()
    return GreenFigures(
        energy=PlantEnergy(
            sum(one.generation_wh for one in energies),
            sum(one.bound_wh for one in energies),
            sum(one.delivered_wh for one in energies),
        ),
        volumes=tuple(read_green_volumes(session, first=span.first, last=span.last)),
        plants=tuple(read_plant_days(session, day_of_interval(span.last).isoformat())),
    )


def _province_orders(session: Session, span: Span) -> dict[int, dict[int, ProvinceOrder]]:
    orders: dict[int, dict[int, ProvinceOrder]] = {}
    for interval, side, *numbers in session.execute(_PROVINCE, {**span.bounds, "province": Party.PROVINCE.value}):
        orders.setdefault(int(interval), {})[int(side)] = ProvinceOrder(*(int(number) for number in numbers))
    return orders


def _reason(price: int | None, orders: Mapping[int, ProvinceOrder]) -> PriceReason | None:
    if price is None or not orders:
        return None
    return price_reason(price, imported=orders.get(TradeSide.SELL), exported=orders.get(TradeSide.BUY))
