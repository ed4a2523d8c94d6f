"""A bill of a month for one user, as a value: lines, components with their shares, ledger postings, price sources.

Sources: requirements rows 94, 95, 99, 100, 189; DESIGN 3 "rounding", 4 law 7. Energy is Wh, power W or VA, a price
micro-yuan per kWh, kW or kVA, so that quantity x price is nano-yuan; each line is rounded once, half-up, to fen.
A bill is also what `microbalance bill` prints and `microbalance explain` reads, so every field has a plain type.
"""

from dataclasses import dataclass
from datetime import date
from enum import Enum

from edge.contract.registry import SupplyMode, UserCategory
from hub.settlement.provinces.keys import TariffType
from hub.settlement.rule_lines import QuantityUnit, RuleLine

ROUNDING_RULE = "bill-rounding-1"
SHARES_TOTAL_BP = 10_000
RESIDUAL = "residual"
"""The item that shows what a component's listed items do not explain (row 95)."""


class BillError(ValueError):
    """A bill that cannot be made or read; the text says in one line the row, the date and what to load."""


class BillComponent(Enum):
    """What a line is for. PERIOD: a period's published price, which holds all five volumetric components.

    GUARANTEED: the all-in price of residents and agriculture. PUBLISHED_DIFFERENCE is no line: in the breakdown, what
    published period prices have over the coefficients.
    """

    PERIOD = "period"
    GUARANTEED = "guaranteed"
    ENERGY = "energy"
    LOSS = "loss"
    NETWORK = "network"
    SYSTEM = "system"
    FUNDS = "funds"
    PUBLISHED_DIFFERENCE = "published-difference"
    CAPACITY = "capacity"
    DEMAND = "demand"
    POWER_FACTOR = "power-factor"
    GREEN = "green"
    OTHER = "other"


class LinePosting(Enum):
    """A charge of the bill's own month, or a correction: the reversal of an earlier line and what replaces it."""

    CHARGE = "charge"
    REVERSAL = "reversal"
    RESTATED = "restated"


@dataclass(frozen=True)
class BillLine:
    """One line. number: from 1; period: name of a kind of period or ""; detail: a contract, a cause, or "".

    price_uyuan: micro-yuan per kWh, kW or kVA, None where the amount is no product of one quantity and one price;
    base_price_uyuan x factor_ppm, rounded half-up to 1 micro-yuan, is the price where a factor is given.
    corrects: "bill/line" that a correction is about; reason: why. input_hash: sha256 of what the line was made from.
    """

    number: int
    component: BillComponent
    period: str
    detail: str
    text_key: str
    quantity: int
    unit: QuantityUnit
    base_price_uyuan: int | None
    factor_ppm: int | None
    price_uyuan: int | None
    amount_nano_yuan: int
    amount_fen: int
    posting: LinePosting
    corrects: str
    reason: str
    rule_version: str
    price_versions: tuple[str, ...]
    input_hash: str


@dataclass(frozen=True)
class ItemAmount:
    """One item of a component; price_uyuan_per_kwh as listed, None for a residual that is only an amount."""

    item: str
    price_uyuan_per_kwh: int | None
    amount_nano_yuan: int


@dataclass(frozen=True)
class ComponentAmount:
    """What the month's charges come to by component, exact; share_bp: in 1/10,000, None where there is no share."""

    component: BillComponent
    amount_nano_yuan: int
    share_bp: int | None
    items: tuple[ItemAmount, ...] = ()


@dataclass(frozen=True)
class PriceSource:
    """Where a price version comes from: what it is, as written, by which document, in force from when to when.

    what: a parameter of the provincial catalogue, or words; keys: the voltage class, tariff type, period or item.
    """

    version_id: str
    what: str
    text: str
    document: str
    source: str
    mark: str
    keys: tuple[str, ...] = ()
    effective_from: date | None = None
    effective_to: date | None = None


@dataclass(frozen=True)
class SystemFee:
    """What a system operation item's rate was made of in the month: fee / commercial energy (row 115)."""

    item: str
    fee_nano_yuan: int
    energy_wh: int


@dataclass(frozen=True)
class ChangeRow:
    """One component's change between two bills: quantity + price + rule + other = after - before, nano-yuan."""

    component: BillComponent
    period: str
    detail: str
    before_nano_yuan: int
    after_nano_yuan: int
    quantity_nano_yuan: int
    price_nano_yuan: int
    rule_nano_yuan: int
    other_nano_yuan: int


@dataclass(frozen=True)
class ItemRateChange:
    """Why a system operation item's rate changed: fee effect + energy effect = change, micro-yuan/kWh (row 117)."""

    item: str
    rate_before_uyuan_per_kwh: int
    rate_after_uyuan_per_kwh: int
    fee_effect_uyuan_per_kwh: int
    energy_effect_uyuan_per_kwh: int


@dataclass(frozen=True)
class BillChange:
    """Why a bill differs from an earlier one; the effects and the rounding sum to after - before exactly.

    corrections and amounts without a price are `other`. rounding: change of what rounding to fen moves.
    is_estimated: the calendar changed and nobody said what the energy by period is under the earlier one.
    """

    before_bill_id: str
    before_month: date
    before_fen: int
    after_fen: int
    quantity_nano_yuan: int
    price_nano_yuan: int
    rule_nano_yuan: int
    other_nano_yuan: int
    rounding_nano_yuan: int
    is_estimated: bool
    rows: tuple[ChangeRow, ...]
    rates: tuple[ItemRateChange, ...]


@dataclass(frozen=True)
class BillHead:
    """Whose bill of which month it is, and from which data. month: its first day.

    calendar_versions: by which the energy was split into periods; meter_data_hash: of the metered energy, hex.
    """

    bill_id: str
    user_id: str
    user_name: str
    metering_point: str
    province: str
    month: date
    category: UserCategory
    voltage_class: str
    tariff_type: TariffType
    supply_mode: SupplyMode
    calendar_versions: tuple[str, ...]
    meter_data_hash: str


@dataclass(frozen=True)
class Bill:
    """A bill. exact_nano_yuan: what the postings say the user pays; total_fen: the sum of the lines.

    rounding_nano_yuan = exact - total, the rounding account's part; current_fen: of the month itself, corrections_fen:
    of earlier months, total = current + corrections. average_price: current / energy, rounded half-up to the
    micro-yuan, None without energy. postings: what the ledger books, by payee, the rounding left out.
    """

    head: BillHead
    energy_wh: int
    lines: tuple[BillLine, ...]
    current_fen: int
    corrections_fen: int
    total_fen: int
    exact_nano_yuan: int
    rounding_nano_yuan: int
    average_price_uyuan_per_kwh: int | None
    components: tuple[ComponentAmount, ...]
    postings: tuple[RuleLine, ...]
    prices: tuple[PriceSource, ...]
    system_fees: tuple[SystemFee, ...] = ()
    change: BillChange | None = None
