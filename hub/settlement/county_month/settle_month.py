"""From a county's metered month to the lines of all bills: one pass over classes, kinds of period and contracts.

Points of a class in which the same kinds of period have energy have bills of one form (line_forms.py); a form's amounts
are columns. What single points have besides (traded energy, charges of other rules, corrections) is added row by row.
Sources: requirements rows 2, 79, 94, 99, 101 to 103, 189.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from edge.contract.registry import SupplyMode
from hub.market.trades import Int64Array
from hub.settlement.bills.bill import BillComponent, BillError, LinePosting
from hub.settlement.bills.bill_case import ChargeRow
from hub.settlement.bills.class_month import ClassMonth
from hub.settlement.bills.issue import accounts_of_components
from hub.settlement.county_month.line_forms import energy_forms, package_forms, package_lines
from hub.settlement.county_month.month_energy import MonthEnergy
from hub.settlement.county_month.points import NONE, BillingPoints, CountyMonthError, Election, check_points
from hub.settlement.county_month.settled_month import PERIODS, CountyMonth, LineBlock, lines_of_blocks
from hub.settlement.exact_shares import PPM
from hub.settlement.money import INT64_MAX, divide_half_up, exact_sum, magnitude_max, sum_by_group
from hub.settlement.provinces.keys import Component, PeriodKind, TariffType
from hub.settlement.retail.package_charges import RetailPrices
from hub.settlement.tariffs.basic_charge import allowed_tariff_types

_TRADED_RANK, _ENERGY_RANK, _BASIC_RANK, _CHARGE_RANK, _CORRECTION_RANK = 0, 1_000, 2_000, 3_000, 10_000


def settle_county_month(
    points: BillingPoints,
    energy: MonthEnergy,
    prices: Sequence[ClassMonth],
    retail: RetailPrices | None = None,
) -> CountyMonth:
    """Return the month's lines, what each point pays, and what each payee receives.

    :param prices: of each of the points' classes
    :param retail: what packages are settled with; needed where a point has one
    :raises CountyMonthError: if a point lacks what its bill needs, or an amount leaves 64 bits
    :raises hub.settlement.prices.ParameterError: if a price is missing
    """
    check_points(points)
    work = _Work(points, energy)
    for number, one in enumerate(prices):
        of_class = np.flatnonzero(points.user_class == number)
        _add_energy(work, one, of_class)
        _add_basic_charge(work, one, of_class)
        if one.of.supply_mode is SupplyMode.DIRECT and one.table is not None:
            _add_interval_prices(work, of_class)
        if one.of.supply_mode is SupplyMode.RETAIL and one.table is not None:
            _add_packages(work, of_class, retail or RetailPrices())
    _add_rows(work)
    _check_traded(work, prices)
    return work.settled()


class _Work:
    """Blocks of lines and what payees receive, as they are found."""

    def __init__(self, points: BillingPoints, energy: MonthEnergy) -> None:
        self.points, self.energy = points, energy
        self.energy_wh = energy.energy_wh
        self.where = f"on {energy.month:%Y-%m}"
        has = (energy.by_kind_wh > 0).astype(np.int64)
        self.kinds = np.asarray((has << np.arange(len(PeriodKind))[:, np.newaxis]).sum(axis=0), dtype=np.int64)
        self.blocks: list[LineBlock] = []
        self.received: defaultdict[str, int] = defaultdict(int)

    def of_kinds_wh(self, kinds: int, held: Int64Array) -> Int64Array:
        """Return the energy of some kinds of period (bits) of some points."""
        chosen = [int(kind) for kind in PeriodKind if kinds >> kind & 1]
        return np.asarray(self.energy.by_kind_wh[np.ix_(np.array(chosen, np.int64), held)].sum(axis=0), dtype=np.int64)

    def charge(
        self, block_of: tuple[int, BillComponent, str], held: Int64Array, quantity: Int64Array, price: Int64Array | int
    ) -> Int64Array:
        """Add a line of quantity x price to each of the points, and return the amounts.

        :param block_of: rank, component and period
        """
        rank, component, period = block_of
        bound = magnitude_max(quantity) * (abs(price) if isinstance(price, int) else magnitude_max(price))
        if bound > INT64_MAX:
            name = self.points.metering_point[int(held[np.abs(quantity).argmax()])]
            raise CountyMonthError(
                f"row 189 {self.where}: {component.value} of {name} leaves 64 bits; "
                "load the quantity and price again, with their units"
            )
        amount = np.asarray(quantity * price, dtype=np.int64)
        self.blocks.append(
            LineBlock(held, rank, component, quantity, amount, price, period if period in PERIODS else "")
        )
        return amount

    def settled(self) -> CountyMonth:
        """Return the month with its lines in order and each point's sums."""
        lines, n_points = lines_of_blocks(self.blocks), len(self.points)
        try:
            exact = sum_by_group(lines.amount_nano_yuan, lines.point, n_points)
        except OverflowError as error:
            raise CountyMonthError(
                f"row 189 {self.where}: {error}; load the quantities and prices again, with their units"
            ) from None
        return CountyMonth(
            points=self.points,
            lines=lines,
            energy_wh=self.energy_wh,
            exact_nano_yuan=exact,
            total_fen=sum_by_group(lines.amount_fen, lines.point, n_points),
            received_nano_yuan=dict(self.received),
        )


def _add_energy(work: _Work, prices: ClassMonth, of_class: Int64Array) -> None:
    for kinds in np.unique(work.kinds[of_class]).tolist():
        held = of_class[work.kinds[of_class] == kinds]
        forms = energy_forms(prices, kinds, work.points.supplier)
        for rank, form in enumerate(forms.lines, start=_ENERGY_RANK):
            work.charge((rank, form.component, form.detail), held, work.of_kinds_wh(form.kinds, held), form.price_uyuan)
        total_wh = {kind: exact_sum(work.energy.by_kind_wh[kind, held]) for kind in PeriodKind}
        for form in forms.postings:
            energy = sum(total_wh[kind] for kind in PeriodKind if form.kinds >> kind & 1)
            work.received[form.payee] += energy * form.price_uyuan


def _add_basic_charge(work: _Work, prices: ClassMonth, of_class: Int64Array) -> None:
    """Add the capacity or demand charge as elected (rows 101 to 103)."""
    points, table = work.points, prices.table
    election = points.election[of_class]
    if table is None or prices.of.tariff_type is TariffType.SINGLE:
        if bool((election != Election.NONE).any()):
            name = points.metering_point[int(of_class[(election != Election.NONE).argmax()])]
            raise CountyMonthError(
                f"row 101 {work.where}: {name} has an election, but only the two-part tariff has one; load no election"
            )
        return
    _check_capacities(work, prices, of_class)
    payee = accounts_of_components(points.supplier)[Component.NETWORK]
    assert table.capacity_price is not None
    assert table.demand_price is not None
    by_capacity = of_class[election == Election.CAPACITY]
    if by_capacity.size:
        place = (_BASIC_RANK, BillComponent.CAPACITY, "")
        amount = work.charge(place, by_capacity, points.capacity_va[by_capacity], table.capacity_price.value)
        work.received[payee] += exact_sum(amount)
    by_demand = of_class[election == Election.DEMAND]
    if not by_demand.size:
        return
    price, rebate = np.full(by_demand.size, table.demand_price.value, np.int64), prices.rebate
    if rebate is not None:
        reached = work.energy_wh[by_demand] >= rebate.threshold_wh_per_va * points.capacity_va[by_demand]
        price[reached] = divide_half_up(table.demand_price.value * rebate.factor_ppm, PPM)
    place = (_BASIC_RANK, BillComponent.DEMAND, "")
    demand_w = work.energy.demand_w[by_demand]
    if bool((demand_w < 0).any()):
        name = points.metering_point[int(by_demand[(demand_w < 0).argmax()])]
        raise CountyMonthError(
            f"row 103 {work.where}: the demand of {name} is {int(demand_w.min())} W, which is negative; "
            "load the metered one"
        )
    work.received[payee] += exact_sum(work.charge(place, by_demand, demand_w, price))


def _check_capacities(work: _Work, prices: ClassMonth, of_class: Int64Array) -> None:
    points = work.points
    capacity, election = points.capacity_va[of_class], points.election[of_class]
    missing = (election == Election.NONE) | (capacity <= 0)
    if bool(missing.any()):
        name = points.metering_point[int(of_class[missing.argmax()])]
        raise CountyMonthError(
            f"row 101 {work.where}: no election or capacity of {name}; "
            "load the user's election and its capacity or demand"
        )
    for capacity_va in np.unique(capacity).tolist():
        if prices.of.tariff_type not in allowed_tariff_types(capacity_va, prices.thresholds):
            name = points.metering_point[int(of_class[(capacity == capacity_va).argmax()])]
            raise CountyMonthError(
                f"row 101 {work.where}: {name} has {capacity_va} VA and no {prices.of.tariff_type.value} tariff; "
                "load its tariff type"
            )


def _add_interval_prices(work: _Work, of_class: Int64Array) -> None:
    """Add the metered energy of direct users at the price of each interval, one amount a month (row 52)."""
    held = of_class[(work.points.price_zone[of_class] != NONE) & (work.energy_wh[of_class] > 0)]
    amount = work.energy.at_interval_prices_nano_yuan[held]
    work.blocks.append(LineBlock(held, _TRADED_RANK, BillComponent.ENERGY, work.energy_wh[held], amount))
    work.received[work.points.supplier] += exact_sum(amount)


def _add_packages(work: _Work, of_class: Int64Array, retail: RetailPrices) -> None:
    """Add the energy of retail users as their packages charge it (row 79)."""
    points = work.points
    groups: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    chosen = of_class[points.package[of_class] != NONE]
    for point, package, kinds in zip(
        chosen.tolist(), points.package[chosen].tolist(), work.kinds[chosen].tolist(), strict=True
    ):
        groups[package, kinds].append(point)
    payees = list(dict.fromkeys(terms.retailer_id for terms in points.packages))
    rows_of: defaultdict[tuple[int, str, int], list[tuple[int, int, int]]] = defaultdict(list)
    for (package, kinds), held in groups.items():
        terms = points.packages[package]
        forms = package_forms(terms, retail, kinds) if kinds else ()
        if forms is None:
            for point in held:
                _add_package_of_point(work, point, retail)
            continue
        for rank, form in enumerate(forms, start=_TRADED_RANK + 1):
            payee = payees.index(form.payee)
            rows_of[rank, form.detail, form.kinds] += [(point, form.price_uyuan, payee) for point in held]
    for (rank, period, kinds), rows in rows_of.items():
        point, price, payee_of = (np.array(values, np.int64) for values in zip(*rows, strict=True))
        amount = work.charge((rank, BillComponent.ENERGY, period), point, work.of_kinds_wh(kinds, point), price)
        for payee, name in enumerate(payees):
            work.received[name] += exact_sum(amount[payee_of == payee])


def _add_package_of_point(work: _Work, point: int, retail: RetailPrices) -> None:
    terms = work.points.packages[int(work.points.package[point])]
    energy = {kind.name: int(work.energy.by_kind_wh[kind, point]) for kind in PeriodKind}
    lines = package_lines(terms, retail, {name: wh for name, wh in energy.items() if wh})
    for rank, line in enumerate(lines, start=_TRADED_RANK + 1):
        row = ChargeRow(
            component=BillComponent.ENERGY,
            payee=line.to_account,
            rule_version=line.rule_version,
            period=line.detail,
            quantity=line.quantity,
            unit=line.unit,
            price_uyuan=line.price_uyuan,
            amount_nano_yuan=line.amount_nano_yuan if line.price_uyuan is None else None,
        )
        _add_row(work, point, rank, row)


def _add_rows(work: _Work) -> None:
    """Add what single points have besides."""
    first_traded = _TRADED_RANK + _ENERGY_RANK // 2
    for rows_by_point, first in ((work.points.traded, first_traded), (work.points.charges, _CHARGE_RANK)):
        for point, rows in rows_by_point.items():
            for rank, row in enumerate(rows, start=first):
                _add_row(work, point, rank, row)
    for point, corrections in work.points.corrections.items():
        for rank, one in enumerate(corrections):
            at = _CORRECTION_RANK + 2 * rank
            _add_row(work, point, at, one.reversed_charge, LinePosting.REVERSAL)
            _add_row(work, point, at + 1, one.restated_charge, LinePosting.RESTATED)


def _add_row(work: _Work, point: int, rank: int, row: ChargeRow, posting: LinePosting = LinePosting.CHARGE) -> None:
    sign = -1 if posting is LinePosting.REVERSAL else 1
    amount = row.amount_nano_yuan if row.price_uyuan is None else row.quantity * row.price_uyuan
    if amount is None or max(abs(amount), abs(row.quantity)) > INT64_MAX:
        name = work.points.metering_point[point]
        raise CountyMonthError(
            f"row 189 {work.where}: {row.component.value} of {name} has no amount or leaves 64 bits; "
            "load the quantity and price again, with their units"
        )
    work.blocks.append(
        LineBlock(
            np.array([point]),
            rank,
            row.component,
            sign * row.quantity,
            np.array([sign * amount]),
            row.price_uyuan,
            row.period if row.period in PERIODS else "",
            posting,
        )
    )
    work.received[row.payee] += sign * amount


def _check_traded(work: _Work, prices: Sequence[ClassMonth]) -> None:
    """Refuse traded energy without a price, and a price of traded energy without trade (rows 2, 94)."""
    points: BillingPoints = work.points
    traded = np.zeros(len(points), np.bool_)
    traded[list(points.traded)] = True
    modes: Mapping[int, SupplyMode] = {number: one.of.supply_mode for number, one in enumerate(prices)}
    for number, mode in modes.items():
        of_class = points.user_class == number
        is_traded = mode in (SupplyMode.DIRECT, SupplyMode.RETAIL) and prices[number].table is not None
        has = traded | (points.price_zone != NONE) | (points.package != NONE)
        wrong = of_class & (~has & (work.energy_wh > 0) if is_traded else traded)
        if not bool(wrong.any()):
            continue
        name = points.metering_point[int(wrong.argmax())]
        if is_traded:
            raise BillError(
                f"row 94 {work.where}: no energy price of {name}, supplied by {mode.value}; "
                "load the settled energy of its contract or package"
            )
        raise BillError(
            f"row 2 {work.where}: {name} is supplied by {mode.value} and has traded energy; "
            "load one supply mode at a time"
        )
