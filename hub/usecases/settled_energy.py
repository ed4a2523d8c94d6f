"""The energy that an interval is settled on now: registers, what was substituted, and what replaced either later."""

import numpy as np
from sqlalchemy import text
from sqlmodel import Session, col, func, select

from edge.contract.interval import end_utc_s, start_utc_s
from hub.market.trades import BoolArray, Int64Array
from hub.settlement.metering import MISSING, IntervalEnergy, Outcome, SubstitutionRule
from hub.store.bill_tables import SettledEnergyRow
from hub.store.bulk import fetch_rows
from hub.store.readings import registers_at
from hub.store.tables import ReadingFlag
from hub.usecases.load_county import CountyModel
from hub.usecases.measure_energy import EXPORT_COLUMN, IMPORT_COLUMN, MeasuredInterval

_LATE = text(
    "SELECT meter, channel FROM reading WHERE read_instant_utc_s = :instant AND revision = 0 AND (flags & :late) <> 0"
)


def registers_wh(session: Session, utc_s: int, present: BoolArray, *, with_late: bool) -> Int64Array:
    """Return all registers at an instant, shape of `present`, -1 where there is none.

    :param with_late: believe also what came in after its interval was settled
    """
    registers = registers_at(session, utc_s, present.shape[0])
    known = registers.present & present
    if not with_late:
        for meter, channel in session.execute(_LATE, {"instant": utc_s, "late": ReadingFlag.LATE.value}):
            known[meter, channel] = False
    return np.asarray(np.where(known, registers.values, MISSING), dtype=np.int64)


def energy_as_settled(session: Session, county: CountyModel, interval: int) -> MeasuredInterval:
    """Return the energy of an interval as the next settlement takes it; what is estimated is marked.

    An energy that neither registers nor an estimate say is 0 and counts as substituted by rule ZERO.
    """
    present = county.channel_present
    start, end = (
        registers_wh(session, utc_s, present, with_late=False) for utc_s in (start_utc_s(interval), end_utc_s(interval))
    )
    measured = (start != MISSING) & (end >= start)
    energy = np.where(measured, end - start, 0)
    rule = np.where(measured | ~present, SubstitutionRule.NONE, SubstitutionRule.ZERO).astype(np.int8)
    for meter, channel, wh in fetch_rows(
        session,
        f"SELECT meter, channel, energy_wh FROM substitution WHERE interval = {interval:d}",  # noqa: S608
    ):
        energy[meter, channel], rule[meter, channel] = wh, SubstitutionRule.REMAINDER
    replaced = session.exec(
        select(SettledEnergyRow).where(SettledEnergyRow.interval == interval).order_by(col(SettledEnergyRow.run))
    )
    for row in replaced:
        energy[row.meter, row.channel] = row.energy_wh
        rule[row.meter, row.channel] = SubstitutionRule.REMAINDER if row.rule else SubstitutionRule.NONE
    outcome = np.where(present, np.where(measured, Outcome.MEASURED, Outcome.GAP), Outcome.ABSENT).astype(np.int8)
    net_export = energy[:, EXPORT_COLUMN] - energy[:, IMPORT_COLUMN]
    return MeasuredInterval(interval, IntervalEnergy(energy, outcome, rule), np.asarray(net_export, dtype=np.int64))


def last_energy_run(session: Session, interval: int) -> int:
    """Return the highest run that replaced energies of an interval, 0 if none did."""
    query = select(func.max(SettledEnergyRow.run)).where(SettledEnergyRow.interval == interval)
    return session.exec(query).one() or 0
