"""The provincial market's rules and memory: what is visible when, exchange schedules, settlements.

No clock: every question carries the instant at which it is asked. Interval j starts at T_j = 900 j; its county gate
closes at T_(j-1). Import is energy that the county takes from the province; import and export are never netted.
"""

from dataclasses import dataclass
from typing import Final

from edge.contract.interval import day_of_interval, end_utc_s, first_interval_of_day, start_utc_s
from simulators.provincial_market.prices import PriceSeries

# The day-ahead session of operating day D closes, and P_DA is published, at 17:30 of D-1 (26 intervals before 00:00).
DAY_AHEAD_LEAD_INTERVALS: Final = 26
# r of interval j is published one interval before its gate closure, which is one interval before its start.
INDICATIVE_LEAD_INTERVALS: Final = 2


@dataclass(frozen=True)
class Published:
    """The price can be seen."""

    price_uyuan_per_kwh: int


@dataclass(frozen=True)
class TooEarly:
    """What was asked for is not there before the instant."""

    visible_from_utc_s: int


@dataclass(frozen=True)
class Exchange:
    """Energy of one interval over the county's tie, both >= 0."""

    import_wh: int
    export_wh: int


@dataclass(frozen=True)
class ScheduleTaken:
    """The schedule stands; `changed` tells whether it differs from what stood before."""

    exchange: Exchange
    changed: bool


@dataclass(frozen=True)
class ScheduleClosed:
    """The interval has started: `standing` (None: nothing was scheduled) does not change any more (row 57)."""

    standing: Exchange | None
    closed_since_utc_s: int


@dataclass(frozen=True)
class Settlement:
    """What the province settles for one interval (row 52): day-ahead energy at P_DA, the metered difference at P_RT.

    amounts: the county pays import_amount and receives export_amount; each may be negative, as prices may.
    """

    interval: int
    scheduled: Exchange
    day_ahead: Exchange
    metered: Exchange
    day_ahead_price_uyuan_per_kwh: int
    real_time_price_uyuan_per_kwh: int
    import_amount_nano_yuan: int
    export_amount_nano_yuan: int


@dataclass(frozen=True)
class SettlementConflict:
    """The interval was settled on other metered energy; what stands does not change."""

    standing: Settlement


class ProvincialMarket:
    """Schedules and settlements of one county; all methods are idempotent."""

    def __init__(self, prices: PriceSeries) -> None:
        self._prices = prices
        self._schedules: dict[int, Exchange] = {}
        self._day_ahead_schedules: dict[int, Exchange] = {}
        self._settlements: dict[int, Settlement] = {}

    def day_ahead_price(self, interval: int, now_utc_s: int) -> Published | TooEarly:
        """Return P_DA of the interval if its day-ahead session is over."""
        visible_from_utc_s = day_ahead_closes_utc_s(interval)
        if now_utc_s < visible_from_utc_s:
            return TooEarly(visible_from_utc_s)
        return Published(self._prices.day_ahead_uyuan_per_kwh(interval))

    def indicative_price(self, interval: int, now_utc_s: int) -> Published | TooEarly:
        """Return r of the interval if it is published."""
        visible_from_utc_s = start_utc_s(interval - INDICATIVE_LEAD_INTERVALS)
        if now_utc_s < visible_from_utc_s:
            return TooEarly(visible_from_utc_s)
        return Published(self._prices.indicative_uyuan_per_kwh(interval))

    def real_time_price(self, interval: int, now_utc_s: int) -> Published | TooEarly:
        """Return P_RT of the interval if the interval is over."""
        if now_utc_s < end_utc_s(interval):
            return TooEarly(end_utc_s(interval))
        return Published(self._prices.real_time_uyuan_per_kwh(interval))

    def schedule(self, interval: int, exchange: Exchange, now_utc_s: int) -> ScheduleTaken | ScheduleClosed:
        """Take the county's exchange schedule; until the day-ahead session closes it is also the day-ahead quantity."""
        standing = self._schedules.get(interval)
        if standing == exchange:
            return ScheduleTaken(exchange, changed=False)
        if now_utc_s >= start_utc_s(interval):
            return ScheduleClosed(standing, start_utc_s(interval))
        self._schedules[interval] = exchange
        if now_utc_s < day_ahead_closes_utc_s(interval):
            self._day_ahead_schedules[interval] = exchange
        return ScheduleTaken(exchange, changed=True)

    def standing_schedule(self, interval: int) -> Exchange | None:
        """Return the schedule that stands, None where none was sent."""
        return self._schedules.get(interval)

    def settle(self, interval: int, metered: Exchange, now_utc_s: int) -> Settlement | TooEarly | SettlementConflict:
        """Settle the interval on the gateway's metered energy."""
        if now_utc_s < end_utc_s(interval):
            return TooEarly(end_utc_s(interval))
        standing = self._settlements.get(interval)
        if standing is None:
            standing = self._settlements[interval] = self._settlement(interval, metered)
        return standing if standing.metered == metered else SettlementConflict(standing)

    def settlements(self) -> list[Settlement]:
        """Return every settlement, by interval."""
        return [self._settlements[interval] for interval in sorted(self._settlements)]

    def _settlement(self, interval: int, metered: Exchange) -> Settlement:
        day_ahead = self._day_ahead_schedules.get(interval, Exchange(0, 0))
        day_ahead_price = self._prices.day_ahead_uyuan_per_kwh(interval)
        real_time_price = self._prices.real_time_uyuan_per_kwh(interval)

        def amount_nano_yuan(day_ahead_wh: int, metered_wh: int) -> int:
            return day_ahead_wh * day_ahead_price + (metered_wh - day_ahead_wh) * real_time_price

        return Settlement(
            interval=interval,
            scheduled=self._schedules.get(interval, Exchange(0, 0)),
            day_ahead=day_ahead,
            metered=metered,
            day_ahead_price_uyuan_per_kwh=day_ahead_price,
            real_time_price_uyuan_per_kwh=real_time_price,
            import_amount_nano_yuan=amount_nano_yuan(day_ahead.import_wh, metered.import_wh),
            export_amount_nano_yuan=amount_nano_yuan(day_ahead.export_wh, metered.export_wh),
        )


def day_ahead_closes_utc_s(interval: int) -> int:
    """Return the instant at which the day-ahead session of the interval's operating day closes."""
    first = first_interval_of_day(day_of_interval(interval))
    return start_utc_s(first - DAY_AHEAD_LEAD_INTERVALS)
