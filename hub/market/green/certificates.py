"""The register of green certificates: one for each MWh of clean energy fed in, none twice (rows 148, 154; outside 11).

Each plant has one account; a month is entered once: its energy without what stands under a mechanism price is added to
what is carried, whole MWh become certificates, the rest is carried on in Wh. Certificates of a plant and month are
numbered from 1 and kept as lots of consecutive numbers with one owner. They may go to any province; nothing that was
issued changes when meters are corrected later.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from enum import Enum
from types import MappingProxyType

import msgspec

from hub.market.registry.periods import Period
from hub.market.trades import Violation


class CertificateRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What certificates are: energy of one, validity from the month of generation on, and who issues them."""

    period: Period
    document: str
    issuer: str
    wh_per_certificate: int
    validity_months: int


class CertificateStatus(Enum):
    """Where a certificate stands. CANCELLED: used as proof of consumption; it cannot be sold again."""

    ISSUED = "issued"
    TRANSFERRED = "transferred"
    CANCELLED = "cancelled"


class CertificateRefusal(Enum):
    """Why nothing was issued, transferred or cancelled."""

    MONTH_STANDS = "month-stands"
    NOT_CLEAN = "not-clean"
    MECHANISM_BEYOND_GENERATION = "mechanism-beyond-generation"
    UNKNOWN_CERTIFICATE = "unknown-certificate"
    NOT_ITS_OWNER = "not-its-owner"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    TOO_FEW = "too-few"
    REPEATED_ID = "repeated-id"


@dataclass(frozen=True)
class PlantMonth:
    """What a plant fed in in a month, as metered. month: year x 100 + month. plant_id: of the register's project."""

    plant_id: str
    month: int
    owner_id: str
    is_clean: bool
    generation_wh: int
    mechanism_wh: int


@dataclass(frozen=True)
class CertificateLot:
    """Certificates first..first + count - 1 of a plant and month with one owner and status."""

    plant_id: str
    month: int
    first: int
    count: int
    owner_id: str
    status: CertificateStatus

    def certificate_id(self, number: int) -> str:
        """Return the unique id of one of them: plant/month/number."""
        assert self.first <= number < self.first + self.count
        return f"{self.plant_id}/{self.month}/{number:06d}"


@dataclass(frozen=True)
class Delivery:
    """Certificates that change hands for a settled trade; the provinces are recorded and limit nothing (row 154)."""

    delivery_id: str
    seller_id: str
    buyer_id: str
    seller_province: str
    buyer_province: str
    count: int


@dataclass(frozen=True)
class CertificateRegister:
    """All accounts. months: what was entered, by (plant, month); carried_wh: by plant; lots: by plant, month, number.

    deliveries: by id, with the lots that went.
    """

    rules: CertificateRules
    months: Mapping[tuple[str, int], PlantMonth] = field(default_factory=lambda: MappingProxyType({}))
    carried_wh: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    lots: tuple[CertificateLot, ...] = ()
    deliveries: Mapping[str, tuple[Delivery, tuple[CertificateLot, ...]]] = field(
        default_factory=lambda: MappingProxyType({})
    )


@dataclass(frozen=True)
class CertificatesChanged:
    """The register with the change; lots: what was issued, transferred or cancelled, empty for a repeat."""

    register: CertificateRegister
    lots: tuple[CertificateLot, ...]


@dataclass(frozen=True)
class CertificatesRefused:
    """Nothing changed."""

    reason: CertificateRefusal


CertificateOutcome = CertificatesChanged | CertificatesRefused


def issue(register: CertificateRegister, entry: PlantMonth) -> CertificateOutcome:
    """Enter a plant's month: certificates for whole MWh, the rest carried. The same entry again changes nothing."""
    key = (entry.plant_id, entry.month)
    stands = register.months.get(key)
    if stands == entry:
        return CertificatesChanged(register, ())
    checks = (
        (stands is not None, CertificateRefusal.MONTH_STANDS),
        (not entry.is_clean, CertificateRefusal.NOT_CLEAN),
        (not 0 <= entry.mechanism_wh <= entry.generation_wh, CertificateRefusal.MECHANISM_BEYOND_GENERATION),
    )
    for is_broken, reason in checks:
        if is_broken:
            return CertificatesRefused(reason)
    before = register.carried_wh.get(entry.plant_id, 0)
    eligible = before + entry.generation_wh - entry.mechanism_wh
    count, carried = divmod(eligible, register.rules.wh_per_certificate)
    lot = CertificateLot(entry.plant_id, entry.month, 1, count, entry.owner_id, CertificateStatus.ISSUED)
    new = (lot,) if count else ()
    changed = replace(
        register,
        months=MappingProxyType({**register.months, key: entry}),
        carried_wh=MappingProxyType({**register.carried_wh, entry.plant_id: carried}),
        lots=_sorted((*register.lots, *new)),
    )
    return CertificatesChanged(changed, new)


def transfer(
    register: CertificateRegister, lot: CertificateLot, *, seller_id: str, buyer_id: str, day: date
) -> CertificateOutcome:
    """Let the numbered certificates go from seller to buyer; a second sale by the same seller is refused (row 148).

    :param lot: which ones: plant, month, first, count; owner and status are not read
    """
    return _moved(register, lot, holder_id=seller_id, owner_id=buyer_id, status=CertificateStatus.TRANSFERRED, day=day)


def cancel(register: CertificateRegister, lot: CertificateLot, *, owner_id: str, day: date) -> CertificateOutcome:
    """Use the numbered certificates up as proof of consumption."""
    return _moved(register, lot, holder_id=owner_id, owner_id=owner_id, status=CertificateStatus.CANCELLED, day=day)


def deliver(register: CertificateRegister, delivery: Delivery, *, day: date) -> CertificateOutcome:
    """Hand over a settled trade's certificates: the seller's oldest valid ones, to a buyer in any province (row 154).

    The same delivery again changes nothing; another one under its id is refused.
    """
    stands = register.deliveries.get(delivery.delivery_id)
    if stands is not None:
        is_same = stands[0] == delivery
        return CertificatesChanged(register, ()) if is_same else CertificatesRefused(CertificateRefusal.REPEATED_ID)
    taken: list[CertificateLot] = []
    missing = delivery.count
    for lot in sorted(register.lots, key=lambda one: (one.month, one.plant_id, one.first)):
        is_held = lot.owner_id == delivery.seller_id and lot.status is not CertificateStatus.CANCELLED
        if missing and is_held and not _is_expired(register.rules, lot.month, day):
            taken.append(replace(lot, count=min(lot.count, missing)))
            missing -= taken[-1].count
    if missing:
        return CertificatesRefused(CertificateRefusal.TOO_FEW)
    for lot in taken:
        outcome = transfer(register, lot, seller_id=delivery.seller_id, buyer_id=delivery.buyer_id, day=day)
        assert isinstance(outcome, CertificatesChanged), "the lot was found with its seller"
        register = outcome.register
    gone = tuple(replace(lot, owner_id=delivery.buyer_id, status=CertificateStatus.TRANSFERRED) for lot in taken)
    deliveries = MappingProxyType({**register.deliveries, delivery.delivery_id: (delivery, gone)})
    return CertificatesChanged(replace(register, deliveries=deliveries), gone)


def held(register: CertificateRegister, owner_id: str) -> int:
    """Return how many certificates an owner holds that are not cancelled."""
    return sum(
        lot.count for lot in register.lots if lot.owner_id == owner_id and lot.status is not CertificateStatus.CANCELLED
    )


def check_certificates(register: CertificateRegister) -> list[Violation]:
    """Row 148: certificates of a plant = floor(its energy so far / 1 MWh), the rest carried, no number twice."""
    found = []
    unit = register.rules.wh_per_certificate
    for plant in sorted({plant for plant, _ in register.months}):
        entries = [entry for (name, _), entry in register.months.items() if name == plant]
        eligible = sum(entry.generation_wh - entry.mechanism_wh for entry in entries)
        count = sum(lot.count for lot in register.lots if lot.plant_id == plant)
        if (count, register.carried_wh.get(plant, 0)) != divmod(eligible, unit):
            found.append(Violation(2, plant, f"{count} certificates for {eligible} Wh"))
        if any(not entry.is_clean for entry in entries):
            found.append(Violation(2, plant, "certificates for energy that is not clean"))
    following: dict[tuple[str, int], int] = {}
    for lot in _sorted(register.lots):
        key = (lot.plant_id, lot.month)
        if lot.first != following.get(key, 1) or lot.count <= 0 or key not in register.months:
            found.append(Violation(2, f"{lot.plant_id}/{lot.month}", f"number {lot.first} stands twice or is missing"))
        following[key] = lot.first + lot.count
    return found


def _moved(
    register: CertificateRegister,
    lot: CertificateLot,
    *,
    holder_id: str,
    owner_id: str,
    status: CertificateStatus,
    day: date,
) -> CertificateOutcome:
    """Give numbered certificates another owner or status, or say why not: each must be the holder's and valid."""
    end = lot.first + lot.count
    touched = [one for one in register.lots if _overlap(one, lot)]
    covered = sum(min(one.first + one.count, end) - max(one.first, lot.first) for one in touched)
    checks = (
        (lot.count <= 0 or covered != lot.count, CertificateRefusal.UNKNOWN_CERTIFICATE),
        (any(one.owner_id != holder_id for one in touched), CertificateRefusal.NOT_ITS_OWNER),
        (any(one.status is CertificateStatus.CANCELLED for one in touched), CertificateRefusal.CANCELLED),
        (_is_expired(register.rules, lot.month, day), CertificateRefusal.EXPIRED),
    )
    for is_broken, reason in checks:
        if is_broken:
            return CertificatesRefused(reason)
    kept = [one for one in register.lots if not _overlap(one, lot)]
    for one in touched:
        before, after = lot.first - one.first, one.first + one.count - end
        if before > 0:
            kept.append(replace(one, count=before))
        if after > 0:
            kept.append(replace(one, first=end, count=after))
    moved = CertificateLot(lot.plant_id, lot.month, lot.first, lot.count, owner_id, status)
    return CertificatesChanged(replace(register, lots=_sorted((*kept, moved))), (moved,))


def _overlap(one: CertificateLot, other: CertificateLot) -> bool:
    is_same = (one.plant_id, one.month) == (other.plant_id, other.month)
    return is_same and one.first < other.first + other.count and other.first < one.first + one.count


def _is_expired(rules: CertificateRules, month: int, day: date) -> bool:
    """Return whether certificates of a month are no longer valid: months count from the month of generation."""
    elapsed = day.year * 12 + day.month - (month // 100 * 12 + month % 100)
    return elapsed > rules.validity_months


def _sorted(lots: tuple[CertificateLot, ...]) -> tuple[CertificateLot, ...]:
    return tuple(sorted(lots, key=lambda lot: (lot.plant_id, lot.month, lot.first)))
