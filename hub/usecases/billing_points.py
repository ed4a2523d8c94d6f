"""The metering points that a month bills, with their classes, terms and what the ledger says that they traded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

import msgspec
import numpy as np
from sqlmodel import Session, col, select

from edge.contract.messages import IMPORT
from edge.contract.registry import SupplyMode, UserCategory
from hub.market.registry.periods import next_month
from hub.market.trades import Int64Array
from hub.settlement.accounts import MARKET_ACCOUNT
from hub.settlement.bills.bill import BillComponent
from hub.settlement.bills.bill_case import ChargeRow
from hub.settlement.bills.class_month import ClassMonth, UserClass
from hub.settlement.bills.issue import accounts_of_components
from hub.settlement.county_month.points import NONE, BillingPoints, CountyMonthError, Election, class_positions
from hub.settlement.joined_ledger import THROUGH_MARKET_KINDS, IntervalCharges
from hub.settlement.provinces.keys import Component, TariffType
from hub.settlement.provinces.library import Library
from hub.settlement.retail.contract_terms import RetailTerms
from hub.settlement.rule_lines import QuantityUnit
from hub.settlement.transfers import INTERVAL_RULES, TransferKind
from hub.store.bill_tables import BillingTermRow
from hub.store.joined_ledger import intervals_of_month, read_interval_charges
from hub.store.tables import AccountRow, MeteringPointRow
from hub.usecases.recorded_modes import recorded_supply_modes


@dataclass(frozen=True)
class BilledCounty:
    """The points of a month. meters, accounts: positions, shape (n_points,); meter_ids: of all, by position.

    charges: what the month's intervals charged all metering points.
    """

    points: BillingPoints
    meters: Int64Array
    accounts: Int64Array
    meter_ids: tuple[str, ...]
    prices: tuple[ClassMonth, ...]
    charges: IntervalCharges


def load_billed_county(session: Session, *, library: Library, province: str, month: date) -> BilledCounty:
    """Return the points that import energy and have a supply mode, by position; modes are those of the registry's log.

    :raises CountyMonthError: if a point lacks a category or billing terms, or they or its mode change within the month
    :raises hub.usecases.event_log.EventLogError: if the county's registry log is not what was written
    :raises hub.settlement.prices.ParameterError: if a class has no prices in the month
    """
    rows = session.exec(
        select(MeteringPointRow, AccountRow.position, AccountRow.account_id)
        .join(AccountRow, col(AccountRow.participant) == col(MeteringPointRow.participant))
        .order_by(col(MeteringPointRow.position))
    ).all()
    meter_ids = tuple(row.meter_id for row, _, _ in rows)
    billed = [one for one in rows if one[0].supply_mode != SupplyMode.NONE.value and IMPORT in one[0].channels.split()]
    terms = _terms_by_meter(session, month, {row.position: row.meter_id for row, _, _ in billed})
    recorded = recorded_supply_modes(session, month)
    modes = [recorded.get(row.meter_id, SupplyMode(row.supply_mode)) for row, _, _ in billed]
    classes = [
        _class_of(row, mode, terms.get(row.position), province, month)
        for (row, _, _), mode in zip(billed, modes, strict=True)
    ]
    distinct, position = class_positions(library, classes)
    packages = [_package_of(terms.get(row.position)) for row, _, _ in billed]
    given = [one for one in packages if one is not None]
    numbers = iter(range(len(given)))
    points = BillingPoints(
        metering_point=tuple(row.meter_id for row, _, _ in billed),
        user_id=tuple(account for _, _, account in billed),
        user_class=np.array(position, np.int64),
        classes=distinct,
        election=np.array([_election_of(terms.get(row.position)) for row, _, _ in billed], np.int8),
        capacity_va=np.array([one.capacity_va for one in classes], np.int64),
        price_zone=np.full(len(billed), NONE, np.int64),
        package=np.array([NONE if one is None else next(numbers) for one in packages], np.int64),
        packages=tuple(given),
    )
    prices = tuple(ClassMonth(library, month, one) for one in distinct)
    meters = np.array([row.position for row, _, _ in billed], np.int64)
    charges = read_interval_charges(session, *intervals_of_month(month))
    return BilledCounty(
        points=_with_trades(points, meters, prices, charges),
        meters=meters,
        accounts=np.array([account for _, account, _ in billed], np.int64),
        meter_ids=meter_ids,
        prices=prices,
        charges=charges,
    )


def _terms_by_meter(session: Session, month: date, meter_ids: Mapping[int, str]) -> dict[int, BillingTermRow]:
    found: dict[int, BillingTermRow] = {}
    last = next_month(month) - timedelta(days=1)
    rows = session.exec(
        select(BillingTermRow)
        .where(BillingTermRow.effective_from <= last.isoformat())
        .order_by(col(BillingTermRow.effective_from))
    )
    for row in rows:
        if row.meter in found and row.effective_from > month.isoformat() and row.meter in meter_ids:
            raise CountyMonthError(
                f"row 101 on {row.effective_from}: the billing terms of {meter_ids[row.meter]} change within the "
                "month; load them from the first of a month"
            )
        found[row.meter] = row
    return found


def _class_of(
    row: MeteringPointRow, mode: SupplyMode, terms: BillingTermRow | None, province: str, month: date
) -> UserClass:
    if row.category is None:
        raise CountyMonthError(f"row 96 on {month:%Y-%m}: {row.meter_id} has no user category; load it in the registry")
    category = UserCategory(row.category)
    if terms is None and category is UserCategory.COMMERCIAL_INDUSTRIAL:
        raise CountyMonthError(
            f"row 101 on {month:%Y-%m}: {row.meter_id} has no billing terms; "
            "load its tariff type, capacity and election"
        )
    return UserClass(
        province=province,
        category=category,
        voltage_class=row.voltage_class,
        tariff_type=TariffType.SINGLE if terms is None else TariffType(terms.tariff_type),
        user_class="" if terms is None else terms.user_class,
        capacity_va=0 if terms is None else terms.capacity_va,
        supply_mode=mode,
    )


def _election_of(terms: BillingTermRow | None) -> int:
    return Election[terms.election] if terms is not None and terms.election else Election.NONE


def _package_of(terms: BillingTermRow | None) -> RetailTerms | None:
    if terms is None or terms.package is None:
        return None
    return msgspec.json.decode(terms.package, type=RetailTerms)


def _with_trades(
    points: BillingPoints, meters: Int64Array, prices: Sequence[ClassMonth], charges: IntervalCharges
) -> BillingPoints:
    """Add what the interval ledger says: direct users' traded energy, and the network that local trades spare.

    A retail user's energy is its package's; local trades of its retailer spare its network like a direct user's.
    """
    position = {meter: point for point, meter in enumerate(meters.tolist())}
    traded: dict[int, tuple[ChargeRow, ...]] = {}
    spared: dict[int, tuple[ChargeRow, ...]] = {}
    for (meter, code), (energy_wh, amount) in _by_point_and_kind(charges).items():
        point, kind = position.get(meter), TransferKind(code)
        mode = None if point is None else points.class_of(point).supply_mode
        if point is None or mode not in (SupplyMode.DIRECT, SupplyMode.RETAIL):
            continue
        own = prices[int(points.user_class[point])]
        if kind in THROUGH_MARKET_KINDS and mode is SupplyMode.DIRECT:
            row = _ledger_row(kind, energy_wh, amount, component=BillComponent.ENERGY, payee=MARKET_ACCOUNT)
            traded[point] = (*traded.get(point, ()), row)
        elif kind is TransferKind.NETWORK_COVERED and own.table is not None:
            tariff = own.table.component[Component.NETWORK]
            payee = accounts_of_components(points.supplier)[Component.NETWORK]
            less = amount - energy_wh * tariff.value
            row = _ledger_row(kind, energy_wh, less, component=BillComponent.NETWORK, payee=payee)
            row = msgspec.structs.replace(row, prices=(own.sources[tariff.version_id],))
            spared[point] = (*spared.get(point, ()), row)
    return replace(points, traded=traded, charges=spared)


def _by_point_and_kind(charges: IntervalCharges) -> dict[tuple[int, int], tuple[int, int]]:
    """Return energy and money by metering point and kind, payers and payees added up."""
    found: dict[tuple[int, int], tuple[int, int]] = {}
    columns = (charges.meter, charges.kind, charges.energy_wh, charges.amount_nano_yuan)
    for meter, kind, energy_wh, amount in zip(*(column.tolist() for column in columns), strict=True):
        before = found.get((meter, kind), (0, 0))
        found[meter, kind] = before[0] + energy_wh, before[1] + amount
    return found


def _ledger_row(
    kind: TransferKind, energy_wh: int, amount_nano_yuan: int, *, component: BillComponent, payee: str
) -> ChargeRow:
    return ChargeRow(
        component=component,
        payee=payee,
        rule_version=INTERVAL_RULES,
        detail=kind.name.lower().replace("_", "-"),
        quantity=energy_wh,
        unit=QuantityUnit.WATT_HOUR,
        amount_nano_yuan=amount_nano_yuan,
    )
