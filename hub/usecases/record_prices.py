"""Keep what the province published: its prices of an interval, and what it settled."""

from sqlmodel import Session

from hub.store.tables import ExchangeScheduleRow, ProvincePriceRow


class PriceChangedError(ValueError):
    """The province published another price for an interval than before; the first one stands."""


def record_indicative_price(session: Session, interval: int, price_uyuan_per_kwh: int) -> None:
    """Keep r, which was published before the interval's gate closure.

    :raises PriceChangedError: if another one is kept already
    """
    row = _row(session, interval)
    _same(interval, "indicative", row.indicative_uyuan_per_kwh, price_uyuan_per_kwh)
    row.indicative_uyuan_per_kwh = price_uyuan_per_kwh
    session.flush()


def record_real_time_price(session: Session, interval: int, price_uyuan_per_kwh: int) -> None:
    """Keep P_RT of an interval that is over.

    :raises PriceChangedError: if another one is kept already
    """
    row = _row(session, interval)
    _same(interval, "real-time", row.real_time_uyuan_per_kwh, price_uyuan_per_kwh)
    row.real_time_uyuan_per_kwh = price_uyuan_per_kwh
    session.flush()


def record_day_ahead_prices(session: Session, first_interval: int, price_uyuan_per_kwh: list[int]) -> None:
    """Keep P_DA of consecutive intervals.

    :raises PriceChangedError: if another one is kept already
    """
    for interval, price in enumerate(price_uyuan_per_kwh, first_interval):
        row = _row(session, interval)
        _same(interval, "day-ahead", row.day_ahead_uyuan_per_kwh, price)
        row.day_ahead_uyuan_per_kwh = price
    session.flush()


def record_province_settlement(
    session: Session, interval: int, *, import_wh: int, export_wh: int, nano_yuan: int
) -> None:
    """Keep what the province says it settled; nano_yuan: what it receives less what it pays."""
    row = session.get(ExchangeScheduleRow, interval)
    assert row is not None, f"interval {interval} has no exchange schedule"
    row.settled_import_wh, row.settled_export_wh, row.settled_nano_yuan = import_wh, export_wh, nano_yuan
    session.add(row)
    session.flush()


def prices_of(session: Session, interval: int) -> ProvincePriceRow:
    """Return the row of an interval's provincial prices; prices that are not published yet are None."""
    row = session.get(ProvincePriceRow, interval)
    return row if row is not None else ProvincePriceRow(interval=interval)


def _row(session: Session, interval: int) -> ProvincePriceRow:
    row = session.get(ProvincePriceRow, interval)
    if row is None:
        row = ProvincePriceRow(interval=interval)
    session.add(row)
    return row


def _same(interval: int, kind: str, kept: int | None, published: int) -> None:
    if kept is not None and kept != published:
        raise PriceChangedError(f"{kind} price of interval {interval}: {published} now, {kept} before")
