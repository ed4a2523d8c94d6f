"""Issue the bills of a month: metered energy to columns, a bill a metering point, written in the caller's transaction.

Everything that can be refused is refused before the first row is written, and the caller commits, so a month is billed
whole or not at all. Issuing again changes nothing; a bill that came out otherwise in an open month is a new version,
which takes back what the one before booked. A closed month stays what it was: what it should have been is charged as
corrections on the bills of the month that is issued now (look-back of six months, parameter of the calendar), and kept
as a version booked in that month. PDF and workbook are made when somebody asks for them. With the bills, what they
stand for is reversed in the ledger of the intervals (join_ledgers.py), so both ledgers are one.
Sources: requirements rows 99, 189; outside rules, section 9; DESIGN 4 laws 5 to 7.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date

from sqlmodel import Session

from hub.market.trades import Violation
from hub.settlement.bills.bill import Bill
from hub.settlement.bills.bill_case import CorrectionRow, encode_bill
from hub.settlement.bills.change import explain_change
from hub.settlement.bills.corrections import correction_rows
from hub.settlement.county_month.checks import check_county_month
from hub.settlement.county_month.month_energy import MeterDataHashes, MonthEnergy, MonthEnergyCount
from hub.settlement.county_month.point_bills import bill_of_point, case_of_point, check_point_bill
from hub.settlement.county_month.settle_month import settle_county_month
from hub.settlement.county_month.settled_month import CountyMonth
from hub.settlement.provinces.library import Library
from hub.settlement.resettlement import months_between
from hub.settlement.retail.package_charges import RetailPrices
from hub.settlement.rule_lines import QuantityUnit, RuleLine
from hub.store.bills import (
    BillVersion,
    bill_postings,
    bill_sha256,
    has_settled_energy,
    is_month_closed,
    ledger_lines,
    month_number,
    newest_versions,
    read_bill,
    save_bills,
)
from hub.usecases.billing_points import BilledCounty, load_billed_county
from hub.usecases.join_ledgers import check_joined_month, join_month
from hub.usecases.metered_month import metered_days

BILLS_AT_ONCE = 500
"""How many bills are in memory at a time."""

REVERSAL = "reversal "
LATE_DATA = "late data"
"""Why a closed month is corrected, as a bill says it."""


class MonthClosedError(ValueError):
    """The month is closed: its bills stay as they are."""


class LawsBrokenError(ValueError):
    """What was about to be written breaks laws; whoever holds the transaction must not commit it."""

    def __init__(self, violations: Iterable[Violation]) -> None:
        self.violations = tuple(violations)
        super().__init__("; ".join(self.lines))

    @property
    def lines(self) -> tuple[str, ...]:
        """Return one line a violation."""
        return tuple(f"law {one.law}: {one.where}: {one.what}" for one in self.violations)


@dataclass(frozen=True)
class IssuedMonth:
    """What issuing did. issued: first versions; replaced: further ones; unchanged: bills that stood already.

    total_fen, rounding_account_nano_yuan: of all bills of the month, whether written now or before.
    """

    month: int
    issued: int
    replaced: int
    unchanged: int
    total_fen: int
    rounding_account_nano_yuan: int
    violations: tuple[Violation, ...]


@dataclass(frozen=True)
class MonthOrder:
    """What is to be billed and by which values. retail: what retail packages are settled with.

    look_back_months: how far back a closed month is corrected; None where the calendar does not say: then none is.
    """

    month: date
    province: str
    library: Library
    retail: RetailPrices | None = None
    look_back_months: int | None = None


def issue_lawful_bills(session: Session, order: MonthOrder) -> IssuedMonth:
    """Write the bills of a month as `issue_bills` does, for a caller that commits them if nothing is raised.

    :raises LawsBrokenError: if the month breaks a law; the caller rolls back
    """
    issued = issue_bills(session, order)
    if issued.violations:
        raise LawsBrokenError(issued.violations)
    return issued


@dataclass(frozen=True)
class _Computed:
    """A month of the county, from its metered energy to columns."""

    county: BilledCounty
    energy: MonthEnergy
    settled: CountyMonth
    retail: RetailPrices | None
    hashes: tuple[str, ...]

    def bill(self, point: int, version: int) -> Bill:
        """Return the bill of a point, which must be the one that the columns say."""
        points = self.county.points
        case = case_of_point(
            points,
            self.energy,
            point,
            meter_data_hash=self.hashes[point],
            version=version,
            retail=self.retail,
        )
        return bill_of_point(case, points, point, self.county.prices)


def issue_bills(session: Session, order: MonthOrder) -> IssuedMonth:
    """Write the bills of a month that is still open.

    :raises MonthClosedError: if the month is closed
    :raises hub.usecases.metered_month.MeteredMonthError: if an energy is missing
    :raises hub.settlement.county_month.points.CountyMonthError: if a point lacks what its bill needs
    :raises hub.settlement.bills.bill.BillError: likewise
    :raises hub.settlement.prices.ParameterError: if a price or a calendar is missing
    """
    month = month_number(order.month)
    if is_month_closed(session, month):
        raise MonthClosedError(f"{month} is closed and stays as it is; its corrections belong to a later month")
    county = load_billed_county(session, library=order.library, province=order.province, month=order.month)
    corrected, restated, closed = _correct_closed_months(session, order)
    position = {meter: point for point, meter in enumerate(county.meters.tolist())}
    corrections = {position[meter]: rows for meter, rows in corrected.items() if meter in position}
    assert len(corrections) == len(corrected), "who is corrected is billed still"
    county = replace(county, points=replace(county.points, corrections=corrections))
    computed = _compute(session, county, order)
    violations = [*check_county_month(computed.settled)]
    counts = {"issued": 0, "replaced": 0, "unchanged": 0}
    for versions in _batches(_versions(session, computed, month, counts, violations)):
        save_bills(session, versions)
    save_bills(session, restated)
    for one, of_month in ((county, order.month), *closed):
        violations += join_month(session, one, of_month, posting_month=month)
    violations += check_joined_month(session, month, with_intervals=False)
    return IssuedMonth(
        month=month,
        issued=counts["issued"],
        replaced=counts["replaced"],
        unchanged=counts["unchanged"],
        total_fen=sum(computed.settled.total_fen.tolist()),
        rounding_account_nano_yuan=computed.settled.rounding_account_nano_yuan,
        violations=tuple(violations),
    )


def _compute(session: Session, county: BilledCounty, order: MonthOrder) -> _Computed:
    count = MonthEnergyCount(county.points, county.prices, order.month)
    hashes = MeterDataHashes(len(county.points))
    for day, energy_wh in metered_days(session, order.month, county.meters, county.meter_ids):
        count.add_day(day, energy_wh)
        hashes.add_day(energy_wh)
    energy = count.close()
    settled = settle_county_month(county.points, energy, county.prices, order.retail)
    return _Computed(county, energy, settled, order.retail, hashes.close())


def _versions(
    session: Session, computed: _Computed, month: int, counts: dict[str, int], violations: list[Violation]
) -> Iterator[BillVersion]:
    """Yield the versions that are to be written, and count what happens to each bill."""
    county, standing = computed.county, newest_versions(session, month)
    earlier = _Earlier.of(session, computed.energy.month)
    for point, meter in enumerate(county.meters.tolist()):
        version, digest = standing.get(meter, (0, ""))
        bill = _explained(session, computed.bill(point, max(version, 1)), earlier, meter)
        document = encode_bill(bill)
        if version and bill_sha256(document) == digest:
            counts["unchanged"] += 1
            continue
        taken_back: tuple[RuleLine, ...] = ()
        if version:
            bill = _explained(session, computed.bill(point, version + 1), earlier, meter)
            document, taken_back = encode_bill(bill), _reversal(session, meter, version, month)
        counts["replaced" if version else "issued"] += 1
        violations += check_point_bill(computed.settled, point, bill)
        yield BillVersion(
            meter=meter,
            version=version + 1,
            account=int(county.accounts[point]),
            posting_month=month,
            bill=bill,
            document=document,
            postings=(*taken_back, *ledger_lines(bill)),
        )


@dataclass(frozen=True)
class _Earlier:
    """The month before, with the version of each bill that was booked before this month; by meter."""

    month: int
    versions: Mapping[int, tuple[int, str]]

    @classmethod
    def of(cls, session: Session, month: date) -> "_Earlier":
        earlier = month_number(month_before(month))
        return cls(earlier, newest_versions(session, earlier, booked_before=month_number(month)))


def _explained(session: Session, bill: Bill, earlier: _Earlier, meter: int) -> Bill:
    """Return the bill with why it changed, where the month before has one."""
    if meter not in earlier.versions:
        return bill
    before = read_bill(session, earlier.month, meter, earlier.versions[meter][0])
    assert before is not None
    return replace(bill, change=explain_change(before, bill))


def _reversal(session: Session, meter: int, version: int, month: int) -> tuple[RuleLine, ...]:
    """Return the reversal of what a version booked itself; what it took back in turn stays taken back."""
    return tuple(
        RuleLine(
            REVERSAL + row.kind, "", row.payer, row.payee, 0, QuantityUnit.AMOUNT, None, -row.amount_nano_yuan, "", ()
        )
        for row in bill_postings(session, meter, version, posting_month=month)
        if not row.kind.startswith(REVERSAL)
    )


def _correct_closed_months(
    session: Session, order: MonthOrder
) -> tuple[Mapping[int, tuple[CorrectionRow, ...]], list[BillVersion], list[tuple[BilledCounty, date]]]:
    """Return what re-settled energy changes in closed months: corrections by meter, and the bills as they should be.

    Last the months that were looked at, with their points and what their intervals charge by now.

    A bill is compared with what was booked of it before this month, so issuing again finds the same corrections.
    """
    rows: dict[int, tuple[CorrectionRow, ...]] = {}
    restated: list[BillVersion] = []
    looked_at: list[tuple[BilledCounty, date]] = []
    posting_month = month_number(order.month)
    for month in _closed_months(session, order):
        if not has_settled_energy(session, month):
            continue
        county = load_billed_county(session, library=order.library, province=order.province, month=month)
        looked_at.append((county, month))
        computed = _compute(session, county, replace(order, month=month))
        standing = newest_versions(session, month_number(month))
        booked = newest_versions(session, month_number(month), booked_before=posting_month)
        for point, meter in enumerate(county.meters.tolist()):
            if meter not in booked:
                continue
            before = read_bill(session, month_number(month), meter, booked[meter][0])
            assert before is not None
            version, digest = standing[meter]
            after = computed.bill(point, max(version, booked[meter][0] + 1))
            found = correction_rows(before, after, reason=LATE_DATA)
            if found:
                rows[meter] = (*rows.get(meter, ()), *found)
            if found and bill_sha256(encode_bill(after)) != digest:
                corrected = computed.bill(point, version + 1)
                restated.append(
                    BillVersion(
                        meter=meter,
                        version=version + 1,
                        account=int(county.accounts[point]),
                        posting_month=posting_month,
                        bill=corrected,
                        document=encode_bill(corrected),
                        postings=(),
                    )
                )
    return rows, restated, looked_at


def _closed_months(session: Session, order: MonthOrder) -> list[date]:
    found: list[date] = []
    if order.look_back_months is None:
        return found
    month = month_before(order.month)
    while months_between(month_number(month), month_number(order.month)) <= order.look_back_months:
        if is_month_closed(session, month_number(month)):
            found.append(month)
        month = month_before(month)
    return found


def _batches(versions: Iterable[BillVersion]) -> Iterator[list[BillVersion]]:
    batch: list[BillVersion] = []
    for one in versions:
        batch.append(one)
        if len(batch) == BILLS_AT_ONCE:
            yield batch
            batch = []
    yield batch


def month_before(month: date) -> date:
    """Return the first day of the month before, from that of a month."""
    return date(month.year - (month.month == 1), (month.month - 2) % 12 + 1, 1)
