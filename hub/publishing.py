"""What the hub says once an interval is cleared: to gateways over MQTT, to people as reports. It may be said again."""

import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import text
from sqlmodel import Session

from edge.contract.messages import Fill, PriceMessage, SessionMessage, TradesMessage
from edge.contract.registry import Registry
from hub.mqtt import HubConnection, SetpointSender
from hub.store.parameters import load_parameters
from hub.store.setpoints import setpoints_without_answer
from hub.usecases.record_prices import prices_of

_FILLS = text(
    'SELECT o.gateway, m.meter_id, o.number, f.filled_wh, f.price_uyuan_per_kwh FROM fill f JOIN "order" o '
    "ON o.interval = f.interval AND o.order_id = f.order_id JOIN metering_point m ON m.position = f.meter "
    "WHERE f.interval = :interval AND f.meter >= 0 ORDER BY o.gateway, m.meter_id, o.number"
)
_PRICES = text(
    "SELECT b.unit_id, p.price_uyuan_per_kwh FROM unit_price p JOIN balance_unit b ON b.position = p.unit "
    "WHERE p.interval = :interval ORDER BY p.unit"
)

DELIVERY_TIMEOUT_S = 5.0

ReportWriter = Callable[[Session, int, int, Path], dict[str, str]]


class HubPublisher:
    """The jobs' voice."""

    def __init__(
        self,
        *,
        connection: HubConnection,
        setpoints: SetpointSender,
        registry: Registry,
        write_report: ReportWriter,
        out: Path,
    ) -> None:
        self._connection = connection
        self._setpoints = setpoints
        self._registry = registry
        self._write_report = write_report
        self._out = out

    def publish_results(self, session: Session, interval: int) -> None:
        """Send trades to each gateway, prices to all, and the setpoints until each is answered."""
        self._setpoints.drop_before(interval)
        self._setpoints.send(setpoints_without_answer(session, interval), time.monotonic())
        by_gateway: dict[int, list[Fill]] = {}
        for gateway, meter, number, filled_wh, price in session.execute(_FILLS, {"interval": interval}):
            by_gateway.setdefault(gateway, []).append(Fill(meter, number, filled_wh, price))
        for gateway, fills in by_gateway.items():
            self._connection.publish_trades(self._registry.gateways[gateway], TradesMessage(interval, tuple(fills)))
        units = {str(unit): int(price) for unit, price in session.execute(_PRICES, {"interval": interval})}
        indicative = prices_of(session, interval).indicative_uyuan_per_kwh or 0
        self._connection.publish_broadcast(PriceMessage(interval, indicative, units))
        self.publish_session(session, interval + 1)

    def publish_session(self, session: Session, open_from_interval: int) -> None:
        """Tell all gateways which intervals are open, and the limits of orders."""
        _, values = load_parameters(session, "session", open_from_interval)
        self._connection.publish_broadcast(
            SessionMessage(
                open_from_interval=open_from_interval,
                price_floor_uyuan_per_kwh=values["price_floor_uyuan_per_kwh"],
                price_cap_uyuan_per_kwh=values["price_cap_uyuan_per_kwh"],
                price_tick_uyuan_per_kwh=values["price_tick_uyuan_per_kwh"],
                lot_wh=values["lot_wh"],
            )
        )
        # Only then is the job done: a hub that dies before says it again.
        self._connection.wait_until_delivered(DELIVERY_TIMEOUT_S)

    def write_report(self, session: Session, first: int, last: int) -> None:
        """Write the reports of the settled intervals first..last of one operating day."""
        self._write_report(session, first, last, self._out)
