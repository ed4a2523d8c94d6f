"""The form of a bill's lines: what the one-bill rules charge a class for, with energies left open.

The forms are not written a second time: the rules of hub.settlement.bills are asked to charge a made-up month in which
each kind of period has its own bit as energy, so the quantity of a line tells which kinds it adds up. Their charges are
products of such sums and prices, so any other energies go in later, as columns.
Sources: those of hub/settlement/bills/charges.py and hub/settlement/retail/package_charges.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from edge.contract.registry import SupplyMode
from hub.settlement.bills.bill import BillComponent
from hub.settlement.bills.charges import ChargedEnergy, agency_energy, guaranteed_energy, market_energy
from hub.settlement.bills.class_month import ClassMonth
from hub.settlement.bills.issue import accounts_of_components
from hub.settlement.county_month.points import CountyMonthError
from hub.settlement.provinces.keys import PeriodKind
from hub.settlement.retail.contract_terms import Fixed, PerPeriodPrice, RetailTerms
from hub.settlement.retail.package_charges import RetailPriceMissingError, RetailPrices, package_charges
from hub.settlement.rule_lines import RuleLine

_PAYER = "payer"


@dataclass(frozen=True)
class LineForm:
    """One line: the energy of `kinds` (bits by PeriodKind) times the price, paid to `payee`."""

    component: BillComponent
    detail: str
    kinds: int
    price_uyuan: int
    rule_version: str
    price_versions: tuple[str, ...]
    payee: str


@dataclass(frozen=True)
class EnergyForms:
    """What a class is charged for its energy: lines as the user reads them, postings by payee; the same money."""

    lines: tuple[LineForm, ...]
    postings: tuple[LineForm, ...]


def energy_forms(prices: ClassMonth, kinds: int, supplier: str) -> EnergyForms:
    """Return what a class is charged in a month in which these kinds of period have energy, traded energy apart.

    :param kinds: bits by PeriodKind
    :raises hub.settlement.prices.ParameterError: if a price is missing
    """
    energy = {kind: 1 << kind for kind in PeriodKind if kinds >> kind & 1}
    charged = _charged(prices, energy, supplier)
    return EnergyForms(
        tuple(_form(one.component, one.line) for one in charged.charges),
        tuple(_form(BillComponent.OTHER, one) for one in charged.postings),
    )


def package_forms(terms: RetailTerms, retail: RetailPrices, kinds: int) -> tuple[LineForm, ...] | None:
    """Return the lines of a retail package by kind of period; None if they are no products of energy and price.

    A linked share is split over the periods by largest remainder and a ceiling depends on the month's whole amount:
    such packages are charged point by point.

    :raises CountyMonthError: if the package needs a price that is not given, or has none for a kind of period
    """
    package = terms.package
    if terms.ceiling is not None or (isinstance(package, Fixed) and package.linked is not None):
        return None
    energy = {kind.name: 1 << kind for kind in PeriodKind if kinds >> kind & 1}
    return tuple(_form(BillComponent.ENERGY, one) for one in package_lines(terms, retail, energy))


def package_lines(terms: RetailTerms, retail: RetailPrices, energy_wh: Mapping[str, int]) -> tuple[RuleLine, ...]:
    """Return the lines of a retail package without its environmental value, which is settled apart (row 91).

    :raises CountyMonthError: if the package needs a price that is not given, or has none for a kind of period
    """
    if isinstance(terms.tou, PerPeriodPrice):
        missing = [name for name in energy_wh if name not in terms.tou.price_uyuan_per_kwh]
        if missing:
            raise CountyMonthError(f"row 89: {terms.contract_id} has no price of {missing[0]}; load the contract again")
    try:
        return package_charges(terms, energy_wh=energy_wh, prices=retail).lines
    except RetailPriceMissingError as error:
        raise CountyMonthError(str(error)) from None


def _charged(prices: ClassMonth, energy: Mapping[PeriodKind, int], supplier: str) -> ChargedEnergy:
    table, account_of = prices.table, accounts_of_components(supplier)
    if table is None:
        return guaranteed_energy(prices.guaranteed_price, energy, payer=_PAYER, payee=supplier)
    if prices.of.supply_mode in (SupplyMode.DIRECT, SupplyMode.RETAIL):
        return market_energy(table, energy, (), curve=prices.curve, payer=_PAYER, account_of=account_of)
    return agency_energy(table, energy, payer=_PAYER, account_of=account_of)


def _form(component: BillComponent, line: RuleLine) -> LineForm:
    assert line.price_uyuan is not None
    assert 0 <= line.quantity < 1 << len(PeriodKind)
    return LineForm(
        component,
        line.detail,
        line.quantity,
        line.price_uyuan,
        line.rule_version,
        line.price_versions,
        line.to_account,
    )
