"""One metering point's bill out of a county's month: its case, composed by the one-bill path with prices looked up.

The bill of a point is the bill of the case that its columns say, so nothing about a bill is written twice. The columns
and the bill are computed apart and compared (check_point_bill).
"""

from collections.abc import Sequence

from hub.market.trades import Violation
from hub.settlement.bills.bill import Bill, BillComponent, PriceSource
from hub.settlement.bills.bill_case import BillCase, CapacityRow, ChargeRow, EnergyRow, QuantityRow, SupplyRow
from hub.settlement.bills.class_month import ClassMonth
from hub.settlement.bills.issue import bill_of_case
from hub.settlement.county_month.line_forms import package_lines
from hub.settlement.county_month.month_energy import MonthEnergy
from hub.settlement.county_month.points import NONE, BillingPoints, Election
from hub.settlement.county_month.settled_month import CountyMonth
from hub.settlement.provinces.keys import PeriodKind, TariffType
from hub.settlement.retail.package_charges import RetailPrices
from hub.settlement.rule_lines import QuantityUnit
from hub.settlement.tariffs.basic_charge import BasicChargeMode

INTERVAL_PRICE_RULE = "interval-price-energy-1"
LAW = 7


def bill_id_of(metering_point: str, month: int, version: int = 1) -> str:
    """Return the id of a metering point's bill of a month, year x 100 + month."""
    return f"{metering_point}/{month // 100}-{month % 100:02d}/{version}"


def case_of_point(
    points: BillingPoints,
    energy: MonthEnergy,
    point: int,
    *,
    meter_data_hash: str,
    user_name: str = "",
    version: int = 1,
    retail: RetailPrices | None = None,
) -> BillCase:
    """Return the case of one metering point's month.

    :param user_name: as printed; the user's id where there is none
    :param meter_data_hash: of its metered energy, sha256, hex
    :param version: of the bill; a correction is a new one
    """
    of, name, month = points.class_of(point), points.metering_point[point], energy.month
    election = Election(int(points.election[point]))
    is_two_part = of.tariff_type is TariffType.TWO_PART
    capacity = CapacityRow(quantity=str(int(points.capacity_va[point])), unit="VA")
    demand = QuantityRow(quantity=str(int(energy.demand_w[point])), unit="W")
    by_kind = [(kind, int(energy.by_kind_wh[kind, point])) for kind in PeriodKind]
    return BillCase(
        bill_id=bill_id_of(name, month.year * 100 + month.month, version),
        user_id=points.user_id[point],
        user_name=user_name or points.user_id[point],
        metering_point=name,
        province=of.province,
        month=month,
        category=of.category,
        voltage_class=of.voltage_class,
        tariff_type=of.tariff_type,
        supply=(SupplyRow(supply_mode=of.supply_mode, from_day=month),),
        energy=tuple(EnergyRow(period=kind.name, quantity=str(wh), unit="Wh") for kind, wh in by_kind if wh),
        meter_data_hash=meter_data_hash,
        user_class=of.user_class,
        supplier=points.supplier,
        election=None if election is Election.NONE else BasicChargeMode[election.name],
        capacities=(capacity,) if is_two_part else (),
        demand=demand if election is Election.DEMAND else None,
        market_energy=_traded(points, energy, point, retail or RetailPrices()),
        charges=points.charges.get(point, ()),
        corrections=points.corrections.get(point, ()),
    )


def bill_of_point(case: BillCase, points: BillingPoints, point: int, prices: Sequence[ClassMonth]) -> Bill:
    """Return the bill of a point's case, with what was looked up for its class.

    :raises hub.settlement.bills.bill.BillError: if something is missing or out of range
    """
    return bill_of_case(case, prices=prices[int(points.user_class[point])])


def check_point_bill(month: CountyMonth, point: int, bill: Bill) -> list[Violation]:
    """Law 7: the bill that was composed for a point is the one that its columns say, exact and in fen."""
    where = f"bill {bill.head.bill_id}"
    pairs = (
        ("energy, Wh", bill.energy_wh, int(month.energy_wh[point])),
        ("exact, nano-yuan", bill.exact_nano_yuan, int(month.exact_nano_yuan[point])),
        ("total, fen", bill.total_fen, int(month.total_fen[point])),
    )
    return [
        Violation(LAW, where, f"{name}: {own}, the county's month says {said}")
        for name, own, said in pairs
        if own != said
    ]


def _traded(points: BillingPoints, energy: MonthEnergy, point: int, retail: RetailPrices) -> tuple[ChargeRow, ...]:
    rows: list[ChargeRow] = []
    total_wh = int(energy.by_kind_wh[:, point].sum())
    if points.price_zone[point] != NONE and total_wh:
        rows.append(
            ChargeRow(
                component=BillComponent.ENERGY,
                payee=points.supplier,
                rule_version=INTERVAL_PRICE_RULE,
                detail="interval-prices",
                quantity=total_wh,
                unit=QuantityUnit.WATT_HOUR,
                amount_nano_yuan=int(energy.at_interval_prices_nano_yuan[point]),
                prices=(_source(energy.price_version, "interval prices"),),
            )
        )
    package = int(points.package[point])
    if package != NONE and total_wh:
        wh = {kind.name: int(energy.by_kind_wh[kind, point]) for kind in PeriodKind}
        lines = package_lines(points.packages[package], retail, {name: one for name, one in wh.items() if one})
        rows += [
            ChargeRow(
                component=BillComponent.ENERGY,
                payee=line.to_account,
                rule_version=line.rule_version,
                period=line.detail if line.detail in PeriodKind.__members__ else "",
                detail=line.detail,
                quantity=line.quantity,
                unit=line.unit,
                price_uyuan=line.price_uyuan,
                amount_nano_yuan=line.amount_nano_yuan if line.price_uyuan is None else None,
                prices=tuple(_source(version, "retail contract") for version in line.price_versions),
            )
            for line in lines
        ]
    return (*rows, *points.traded.get(point, ()))


def _source(version_id: str, what: str) -> PriceSource:
    return PriceSource(version_id, what, "", version_id, "", "source")
