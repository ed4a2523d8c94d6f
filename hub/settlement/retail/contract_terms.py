"""What a retail contract says: one of exactly four package kinds, and modifiers (requirements rows 79 to 81, 84 to 91).

Terms are documents: `msgspec` reads and writes them as they stand here. Periods of the day are named by the province's
calendar. Price micro-yuan/kWh, shares and factors in millionths, energy Wh.
"""

from datetime import date
from enum import Enum

import msgspec

from hub.settlement.exact_shares import PPM


class PublishedIndex(Enum):
    """The official monthly series that a linked price may follow (row 80); no other series is accepted."""

    ANNUAL_CONTRACT_MEAN = "annual-contract-mean"
    MONTHLY_CONTRACT_MEAN = "monthly-contract-mean"
    SPOT_MEAN = "spot-mean"
    AGENCY_PRICE = "agency-price"


class _Terms(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind"):
    """A part of a contract; in a document its kind stands in the field `kind`."""


class LinkedPart(_Terms, frozen=True):
    """The linked part of a fixed-price contract: share x of the energy at index + service fee (row 81)."""

    share_ppm: int
    index: PublishedIndex
    service_fee_uyuan_per_kwh: int = 0


class Fixed(_Terms, frozen=True, tag="FIXED"):
    """C = Q P_fix. price: None where every period has its own price (`PerPeriodPrice`)."""

    price_uyuan_per_kwh: int | None
    linked: LinkedPart | None = None


class Linked(_Terms, frozen=True, tag="LINKED"):
    """C = Q (P_mkt + s): a published index and a service fee."""

    index: PublishedIndex
    service_fee_uyuan_per_kwh: int


class PassThrough(_Terms, frozen=True, tag="PASS_THROUGH"):
    """C = Q (P_wh_avg + s): the retailer's own weighted wholesale mean and a service fee."""

    service_fee_uyuan_per_kwh: int


class Spread(_Terms, frozen=True, tag="SPREAD"):
    """C = Q [P_ref - K (P_ref - P_real)]: the user has the share K of what the retailer gains or loses.

    reference: an agreed price or a published index. P_real is the retailer's own weighted wholesale mean.
    """

    reference: int | PublishedIndex
    user_share_ppm: int


Package = Fixed | Linked | PassThrough | Spread


class FlatPlusRatio(_Terms, frozen=True, tag="FLAT_PLUS_RATIO"):
    """P_s = P_flat k_s: one price, and a factor for each period (row 89).

    shapes_linked_part: whether the factors hold for the linked part of a fixed-price contract too.
    """

    factor_ppm: dict[str, int]
    shapes_linked_part: bool


class PerPeriodPrice(_Terms, frozen=True, tag="PER_PERIOD_PRICE"):
    """A price of its own for each period (row 89), of a FIXED package whose own price is None."""

    price_uyuan_per_kwh: dict[str, int]


class CoalLink(_Terms, frozen=True):
    """P = P_0 + beta (I_coal - I_0) on a fixed price (row 90). beta: micro-yuan/kWh for each yuan/t."""

    index_name: str
    beta_uyuan_per_kwh_per_yuan_per_t: int
    base_index_fen_per_t: int


class Ceiling(_Terms, frozen=True):
    """An agreed monthly ceiling, the province's base price raised by u (row 84)."""

    uplift_ppm: int


class GreenTerms(_Terms, frozen=True):
    """Green energy of a month, its environmental value apart from the energy's price (rows 91, 144)."""

    energy_wh: int
    environmental_uyuan_per_kwh: int


class DeviationTerms(_Terms, frozen=True):
    """What deviation costs the user: energy beyond the tolerance r x Q_c at a price (row 86)."""

    tolerance_ppm: int
    price_uyuan_per_kwh: int


class RetailTerms(_Terms, frozen=True):
    """Everything that one version of a contract says.

    model_text: which version of the model contract was signed (row 92). has_deviation_clause: None leaves it to the
    province's default by voltage (row 86). signed_on: when this version was signed, where a file says it (row 92).
    """

    contract_id: str
    user_id: str
    retailer_id: str
    voltage_v: int
    model_text: str
    package: Package
    tou: FlatPlusRatio | PerPeriodPrice | None = None
    coal: CoalLink | None = None
    ceiling: Ceiling | None = None
    green: GreenTerms | None = None
    has_deviation_clause: bool | None = None
    deviation: DeviationTerms | None = None
    signed_on: date | None = None


def market_share_ppm(package: Package) -> int:
    """Return what part of a package's price moves with the market, in millionths (rows 81, 85).

    A fixed price: its linked part. A spread around an agreed price: the user's share of it. All else: all of it.
    """
    match package:
        case Fixed():
            return 0 if package.linked is None else package.linked.share_ppm
        case Spread():
            return PPM if isinstance(package.reference, PublishedIndex) else package.user_share_ppm
        case Linked() | PassThrough():
            return PPM


def indices_of(package: Package) -> frozenset[PublishedIndex]:
    """Return the published indices that a package needs to be settled."""
    match package:
        case Fixed():
            return frozenset() if package.linked is None else frozenset({package.linked.index})
        case Linked():
            return frozenset({package.index})
        case Spread():
            return frozenset({package.reference} if isinstance(package.reference, PublishedIndex) else ())
        case PassThrough():
            return frozenset()
