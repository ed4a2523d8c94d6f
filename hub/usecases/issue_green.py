"""Green certificates at day close: every plant's account by then; a month that is over is entered in the register.

An account is whole certificates of what the plant has fed in so far, the rest carried in Wh; only a month that is over
is entered, once, so that no MWh is certified twice (row 148).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from types import MappingProxyType

from sqlmodel import Session

from hub.market.green.certificates import (
    CertificateLot,
    CertificateRegister,
    CertificateRules,
    CertificatesChanged,
    CertificateStatus,
    PlantMonth,
    check_certificates,
    issue,
)
from hub.market.trades import Violation
from hub.store.green import (
    EnteredMonth,
    PlantEnergy,
    read_entered_months,
    read_month_generation_wh,
    read_open_months,
    read_plant_energies,
    save_entered_months,
    save_plant_days,
)
from hub.usecases.green_parameters import load_certificate_rules
from hub.usecases.load_county import CountyModel

_END_OF_DAYS = "9999-12-31"
_NOTHING = PlantEnergy(0, 0, 0)


@dataclass(frozen=True)
class _Account:
    """A plant's register with one more month in it."""

    register: CertificateRegister
    carried_in_wh: int
    certificates: int
    carried_wh: int


def issue_green(session: Session, county: CountyModel, *, day: date, first: int, last: int) -> list[Violation]:
    """Write the accounts at the close of a day whose settled intervals are first..last; return breaches of law 2.

    Months before the day's that were never entered, and the day's own on its last day, are entered in the register.

    :raises hub.store.parameters.NoParametersError: if no rules of certificates hold
    """
    rules = load_certificate_rules(session, last)
    month = month_of(day)
    violations = []
    for open_month in read_open_months(session, before_month=month):
        violations += _enter(session, county, rules, open_month)
    energies = read_plant_energies(session, first=first, last=last)
    so_far_wh = read_month_generation_wh(session, month, before_day=day.isoformat())
    accounts = _Accounts(county, rules, read_entered_months(session))
    rows = []
    for meter in sorted(energies.keys() | so_far_wh.keys()):
        energy = energies.get(meter, _NOTHING)
        month_wh = so_far_wh.get(meter, 0) + energy.generation_wh
        account = accounts.with_month(meter, month, month_wh)
        violations += check_certificates(account.register)
        rows.append(
            {
                "meter": meter,
                "generation_wh": energy.generation_wh,
                "bound_wh": energy.bound_wh,
                "delivered_wh": energy.delivered_wh,
                "month_generation_wh": month_wh,
                "carried_in_wh": account.carried_in_wh,
                "certificates": account.certificates,
                "carried_out_wh": account.carried_wh,
            }
        )
    save_plant_days(session, day.isoformat(), month, rows)
    if month_of(day + timedelta(days=1)) != month:
        violations += _enter(session, county, rules, month)
    return violations


def month_of(day: date) -> int:
    """Return year x 100 + month."""
    return day.year * 100 + day.month


def _enter(session: Session, county: CountyModel, rules: CertificateRules, month: int) -> list[Violation]:
    """Enter a month that is over in the register of certificates."""
    accounts = _Accounts(county, rules, read_entered_months(session))
    owner_at = {one.participant_id: row for row, one in enumerate(county.registry.participants)}
    violations, new = [], []
    for meter, energy_wh in read_month_generation_wh(session, month, before_day=_END_OF_DAYS).items():
        account = accounts.with_month(meter, month, energy_wh)
        violations += check_certificates(account.register)
        owner = owner_at[county.registry.metering_points[meter].participant_id]
        new.append(
            EnteredMonth(meter, month, owner, energy_wh, 0, account.certificates, account.carried_wh, rules.document)
        )
    save_entered_months(session, new)
    return violations


@dataclass(frozen=True)
class _Accounts:
    """The accounts of all plants, each a register of its own, as they do not touch. entered: by meter."""

    county: CountyModel
    rules: CertificateRules
    entered: Mapping[int, list[EnteredMonth]]

    def with_month(self, meter: int, month: int, energy_wh: int) -> _Account:
        """Return a plant's account with a month's energy in it, as the register itself issues it."""
        plant = self.county.points.meter_id[meter]
        owner = self.county.registry.metering_points[meter].participant_id
        before = self._register(plant, owner, self.entered.get(meter, []))
        entry = PlantMonth(plant, month, owner, is_clean=True, generation_wh=energy_wh, mechanism_wh=0)
        outcome = issue(before, entry)
        assert isinstance(outcome, CertificatesChanged), f"{plant}: month {month} is entered once, and clean"
        return _Account(
            register=outcome.register,
            carried_in_wh=before.carried_wh.get(plant, 0),
            certificates=sum(lot.count for lot in outcome.lots),
            carried_wh=outcome.register.carried_wh[plant],
        )

    def _register(self, plant: str, owner: str, entered: list[EnteredMonth]) -> CertificateRegister:
        months = {
            (plant, one.month): PlantMonth(
                plant, one.month, owner, is_clean=True, generation_wh=one.generation_wh, mechanism_wh=one.mechanism_wh
            )
            for one in entered
        }
        lots = tuple(
            CertificateLot(plant, one.month, 1, one.certificates, owner, CertificateStatus.ISSUED)
            for one in entered
            if one.certificates
        )
        carried = MappingProxyType({plant: entered[-1].carried_wh} if entered else {})
        return CertificateRegister(self.rules, MappingProxyType(months), carried, lots)
