"""Who answers for the energy of retail users on a day: the retailer of the package in force, with its account.

A package holds by whole months and is signed before them (row 92), so the retailer of a day is the one that the
month's bill pays: the billing terms say both. Where no package is loaded yet, the retailer that the user elected (row
10) answers, so that a day can be settled; its bill waits for the package. A retailer's account is opened behind those
that intervals know, when the first interval needs it, in the caller's transaction.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date

import msgspec
import numpy as np
from sqlmodel import Session, col, select

from edge.contract.interval import day_of_interval
from hub.market.registry.election_periods import supply_on
from hub.market.trades import Int64Array
from hub.settlement.accounts import AccountTable
from hub.settlement.inputs import MeteringStanding, Supply
from hub.store.bill_tables import BillingTermRow
from hub.store.joined_ledger import open_month_accounts
from hub.store.tables import NONE, AccountRow
from hub.usecases.load_county import CountyModel
from hub.usecases.registry_event import LoadedRegister, load_register


class _NamesRetailer(msgspec.Struct, frozen=True):
    """Of a package only whose it is."""

    retailer_id: str


def standing_with_retailers(
    session: Session, county: CountyModel, interval: int
) -> tuple[MeteringStanding, AccountTable]:
    """Return the county's standing and accounts with the retailers of its retail users; as they are without any.

    A retail user with neither a package nor an election gets none: settlement refuses its energy, naming the meter.

    :raises hub.usecases.event_log.EventLogError: if the stored log of the registry is not what was written
    """
    retail = np.flatnonzero((county.standing.supply == Supply.RETAIL) & county.standing.is_market)
    if not retail.size:
        return county.standing, county.accounts
    day, meters = day_of_interval(interval), retail.tolist()
    named = _retailers_on(session, day)
    unnamed = [meter for meter in meters if meter not in named]
    if unnamed:
        named |= _elected_on(session, county, unnamed, day)
    served = {meter: named[meter] for meter in meters if meter in named}
    known = open_month_accounts(session, sorted(set(served.values())))
    account: Int64Array = np.full(county.standing.account.shape, NONE, np.int64)
    for meter, retailer in served.items():
        account[meter] = known[retailer]
    return replace(county.standing, retailer_account=account), accounts_as_opened(session, county.accounts)


def _elected_on(session: Session, county: CountyModel, meters: Iterable[int], day: date) -> dict[int, str]:
    """Return the retailer that each metering point has elected for a day, of those that have."""
    register = load_register(session, LoadedRegister(county.registry.county), recorded_before=day).register
    found = {}
    for meter in meters:
        supply = supply_on(register, county.registry.metering_points[meter].meter_id, day)
        if supply is not None and supply.retailer_id is not None:
            found[meter] = supply.retailer_id
    return found


def accounts_as_opened(session: Session, accounts: AccountTable) -> AccountTable:
    """Return the accounts with those that were opened behind them since: retailers and the month's own."""
    rows = session.exec(
        select(AccountRow.position, AccountRow.account_id)
        .where(AccountRow.position >= len(accounts))
        .order_by(col(AccountRow.position))
    ).all()
    assert [position for position, _ in rows] == list(range(len(accounts), len(accounts) + len(rows)))
    return replace(accounts, opened_later=(*accounts.opened_later, *(name for _, name in rows)))


def _retailers_on(session: Session, day: date) -> dict[int, str]:
    """Return the retailer of each metering point whose terms in force on a day have a package."""
    rows = session.exec(
        select(BillingTermRow.meter, BillingTermRow.package)
        .where(BillingTermRow.effective_from <= day.isoformat())
        .order_by(col(BillingTermRow.effective_from))
    )
    newest = dict(rows.all())
    return {
        meter: msgspec.json.decode(package, type=_NamesRetailer).retailer_id
        for meter, package in newest.items()
        if package is not None
    }
