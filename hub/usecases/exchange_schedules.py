"""The county's exchange schedule of a day for the provincial document (requirements rows 20, 57)."""

from datetime import date

from sqlmodel import Session, col, select

from edge.contract.interval import INTERVALS_PER_DAY, first_interval_of_day
from hub.market.registry.provincial_schema import DaySchedule
from hub.market.registry.register import Register, only_county
from hub.store.registry import county_of
from hub.store.sessions import read_hand_overs
from hub.store.tables import ExchangeScheduleRow


def exchange_schedules(session: Session, register: Register, county: str, day: date) -> tuple[DaySchedule, ...]:
    """Return the schedule of the day that stands with both levels, import positive; none until every interval has one.

    A county that keeps no hand-overs has the schedules that it said to the province. A hub knows its own county's
    exchange alone: that is the register's only county, or the one of the hub's name.

    :param county: the county of the document, by its unit in the register
    """
    known = county_of(session)
    if known is None or county not in {only_county(register), known[0]}:
        return ()
    first = first_interval_of_day(day)
    last = first + INTERVALS_PER_DAY - 1
    rows = session.exec(select(ExchangeScheduleRow).where(col(ExchangeScheduleRow.interval).between(first, last)))
    scheduled: dict[int, int | None] = {row.interval: row.import_wh - row.export_wh for row in rows}
    for one in read_hand_overs(session, first=first, last=last):
        scheduled[one.row.interval] = one.row.standing_import_wh
    energy_wh = [scheduled.get(interval) for interval in range(first, last + 1)]
    standing = tuple(energy for energy in energy_wh if energy is not None)
    if len(standing) < INTERVALS_PER_DAY:
        return ()
    return (DaySchedule(f"exchange/{county}/{day}", county, day, standing),)
