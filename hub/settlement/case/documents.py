"""The documents of `microbalance settle`: one interval to be settled, and its settlement row by row.

The case names what was cleared (pairs with their prices), what was metered and the prices loaded; settling.py settles
it. Energy Wh, price micro-yuan/kWh, money nano-yuan. The documented example is the worked interval
(tests/golden/settlement/settle_worked_interval).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Final

import msgspec

from edge.contract.registry import SaleMode, SupplyMode

# A thousand GWh in an interval and a billion yuan/kWh: far beyond any county, and their sums stay inside 64 bits.
_ENERGY_MAX_WH: Final = 10**12
_PRICE_MAX: Final = 10**15
_LAST_INTERVAL: Final = 250_000_000
Energy = Annotated[int, msgspec.Meta(ge=0, le=_ENERGY_MAX_WH)]
SignedEnergy = Annotated[int, msgspec.Meta(ge=-_ENERGY_MAX_WH, le=_ENERGY_MAX_WH)]
Price = Annotated[int, msgspec.Meta(ge=-_PRICE_MAX, le=_PRICE_MAX)]
Fee = Annotated[int, msgspec.Meta(ge=0, le=_PRICE_MAX)]
Name = Annotated[str, msgspec.Meta(min_length=1)]


class SettleCaseError(ValueError):
    """The case cannot be settled; the message says in one line what, where and why."""


class SettleUnit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A balance unit; a parent stands before its children, the first unit is the root.

    levels_up: k of the network fee, g(n) = T of the class so many levels above the unit's (row 28).
    loss_wh: what the registers of the unit's boundary say was lost in it; negative only by rounding of registers.
    """

    unit: Name
    parent: Name | None = None
    voltage_class: Name
    levels_up: Annotated[int, msgspec.Meta(ge=0, le=9)] = 0
    loss_wh: SignedEnergy = 0


class SettleMeter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A metering point with its modes and what it metered. voltage_class: null for that of its unit.

    setpoint_wh: limit of net export in this interval; export above it earns nothing. substituted: the energy was
    estimated by a named rule, so its settlement is provisional. retailer: account of who supplies a RETAIL user.
    """

    meter: Name
    account: Name
    unit: Name
    supply: SupplyMode = SupplyMode.NONE
    sale: SaleMode = SaleMode.NONE
    voltage_class: Name | None = None
    import_wh: Energy = 0
    export_wh: Energy = 0
    setpoint_wh: Energy | None = None
    substituted: bool = False
    retailer: Name | None = None


class SettlePair(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A pair of one session.

    seller, buyer: a meter (its utility's book where its mode is not DIRECT), "province", or as buyer "LOSS:" and the
    unit whose forecast loss is bought. mode: 1, 2 or 3 of the seller, 0 for the province. curtailed_wh: taken from the
    seller after clearing; the utility delivers it.
    """

    seller: Name
    buyer: Name
    energy_wh: Energy
    apex: Name
    mode: Annotated[int, msgspec.Meta(ge=0, le=3)]
    price_paid_uyuan_per_kwh: Price
    price_received_uyuan_per_kwh: Price
    network_charge_uyuan_per_kwh: Fee = 0
    upstream_loss_uyuan_per_kwh: Fee = 0
    curtailed_wh: Energy = 0


class SettleSession(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One cleared session. Prices by unit; a unit without a basis has 0. kind: DAY_AHEAD or ROLLING."""

    kind: Annotated[str, msgspec.Meta(pattern="^(DAY_AHEAD|ROLLING)$")]
    province_price_uyuan_per_kwh: Price
    price_uyuan_per_kwh: dict[str, Price]
    basis_uyuan_per_kwh: dict[str, Price] = {}
    pairs: list[SettlePair]


class SettleListing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A listing contract that delivers in this interval: the buyer pays Q_L x (P_L - P_ref). Both ends are meters."""

    contract: Name
    seller: Name
    buyer: Name
    energy_wh: Energy
    price_uyuan_per_kwh: Price


class SettleGateway(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The exchange with the province: metered, and scheduled in the day-ahead session; never netted."""

    import_wh: Energy
    export_wh: Energy
    day_ahead_import_wh: Energy = 0
    day_ahead_export_wh: Energy = 0


class SettlePrices(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Prices of the interval and loaded prices of its day. version: names the loaded ones in every transfer.

    network_tariff_uyuan_per_kwh: T by class, from the lowest voltage to the highest; gateway_class: the county's.
    A price that is left out is refused where a meter's mode, a session or the schedule needs it.
    """

    real_time_uyuan_per_kwh: Price
    day_ahead_uyuan_per_kwh: Price | None = None
    reference_uyuan_per_kwh: Price | None = None
    network_tariff_uyuan_per_kwh: Annotated[dict[str, Fee], msgspec.Meta(min_length=1)]
    gateway_class: Name
    upstream_loss_uyuan_per_kwh: Fee
    loss_fee_uyuan_per_kwh: Fee
    agency_energy_uyuan_per_kwh: Price | None = None
    guaranteed_uyuan_per_kwh: Price | None = None
    on_grid_uyuan_per_kwh: Price | None = None
    comprehensive_uyuan_per_kwh: Price | None = None
    comprehensive_voltage_class: Name | None = None
    version: Name


class SettleCase(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One interval to be settled. interval: UTC seconds // 900. source: where the case comes from, in words."""

    interval: Annotated[int, msgspec.Meta(ge=0, le=_LAST_INTERVAL)]
    units: Annotated[list[SettleUnit], msgspec.Meta(min_length=1)]
    meters: list[SettleMeter]
    sessions: list[SettleSession]
    gateway: SettleGateway
    prices: SettlePrices
    listing: list[SettleListing] = []
    source: str = ""


class TransferRow(msgspec.Struct, frozen=True, kw_only=True):
    """One transfer: `payer` pays `payee` quantity x price, the other way if the amount is negative."""

    kind: str
    payer: str
    payee: str
    payer_meter: str | None
    payee_meter: str | None
    unit: str | None
    quantity_wh: int
    price_uyuan_per_kwh: int
    amount_nano_yuan: int
    rule: str


class AccountRow(msgspec.Struct, frozen=True, kw_only=True):
    """What an account received less what it paid: from the postings, and computed on its own without them."""

    account: str
    ledger_nano_yuan: int
    independent_nano_yuan: int
    debit_nano_yuan: int
    credit_nano_yuan: int


class StatementLineRow(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a statement; positive is received. role: payer or payee of the transfers that it sums."""

    kind: str
    role: str
    energy_wh: int
    amount_nano_yuan: int
    amount_fen: int


class StatementRow(msgspec.Struct, frozen=True, kw_only=True):
    """An account's statement: lines rounded once to fen, their sum, and what rounding leaves in the ledger."""

    account: str
    lines: list[StatementLineRow]
    total_fen: int
    rounding_nano_yuan: int


class SettleResult(msgspec.Struct, frozen=True, kw_only=True):
    """The settlement of the case. day, label: of the interval; balance_nano_yuan: the sum of all accounts, 0."""

    interval: int
    day: str
    label: str
    transfers: list[TransferRow]
    accounts: list[AccountRow]
    statements: list[StatementRow]
    measured_loss_wh: int
    balance_nano_yuan: int
    substituted_meters: list[str]
    input_hash: str


DOCUMENTS: Mapping[str, type[msgspec.Struct]] = MappingProxyType({"settle": SettleCase, "settle-result": SettleResult})
"""Name -> type, for `microbalance schema`: the input and the output."""


def decode_settle_case(text: bytes) -> SettleCase:
    """Return the case that a JSON text holds.

    :raises SettleCaseError: if it is no such case
    """
    try:
        return msgspec.json.decode(text, type=SettleCase)
    except msgspec.MsgspecError as error:
        raise SettleCaseError(str(error)) from None
