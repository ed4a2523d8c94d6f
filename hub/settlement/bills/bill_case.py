"""A month of one user as written in a file: what `microbalance bill` reads.

Quantities are text with a unit, exact ("12000" kWh, "1.2" 万 kWh); prices that a province publishes are not in the
case: they are looked up in the library for the month, to which the case may add documents. Prices of contracts and
amounts that other rules computed stand in the case with their versions.
"""

from collections.abc import Mapping
from datetime import date
from types import MappingProxyType
from typing import Annotated

import msgspec

from edge.contract.registry import SupplyMode, UserCategory
from hub.settlement.bills.bill import Bill, BillComponent, BillError, PriceSource
from hub.settlement.provinces.documents import ProvinceDocument
from hub.settlement.provinces.keys import TariffType
from hub.settlement.rule_lines import QuantityUnit
from hub.settlement.tariffs.basic_charge import BasicChargeMode

Name = Annotated[str, msgspec.Meta(min_length=1)]


class SupplyRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The supply mode and its days; from_day <= day < until_day, null: open-ended."""

    supply_mode: SupplyMode
    from_day: date
    until_day: date | None = None


class QuantityRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A quantity: a number as text, and its unit, such as "12000" and "kWh"."""

    quantity: Name
    unit: Name


class EnergyRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The month's metered energy in one kind of period: SHARP, PEAK, FLAT, VALLEY or DEEP_VALLEY."""

    period: Name
    quantity: Name
    unit: Name


class CapacityRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Transformer capacity in use on days from from_day up to until_day; without days: in the whole month."""

    quantity: Name
    unit: Name
    from_day: date | None = None
    until_day: date | None = None


class ChargeRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A charge that another rule gave. Either quantity, unit and price, or amount_nano_yuan.

    detail: a contract or cause; period: a kind of period. unit: "Wh", "W", "VA" or "amount"; quantity in that unit,
    price in micro-yuan per kWh, kW or kVA. payee: the account that is paid; prices: the versions that it used.
    """

    component: BillComponent
    payee: Name
    rule_version: Name
    detail: str = ""
    period: str = ""
    quantity: int = 0
    unit: QuantityUnit = QuantityUnit.AMOUNT
    price_uyuan: int | None = None
    amount_nano_yuan: int | None = None
    prices: tuple[PriceSource, ...] = ()


class CorrectionRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A line of an earlier bill that is reversed and charged anew."""

    bill_id: Name
    line: Annotated[int, msgspec.Meta(ge=1)]
    reason: Name
    reversed_charge: ChargeRow
    restated_charge: ChargeRow


class SystemFeeRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An item's fee of the month and the commercial energy that it is spread over, for why a rate changed (row 117)."""

    item: Name
    fee_nano_yuan: int
    energy: QuantityRow


class BillCase(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One user's month. month: its first day. user_class: of the province's calendars, such as an industry.

    election, capacities, demand: of the two-part tariff. energy: metered, by period. market_energy: charges of traded
    energy, for the supply modes DIRECT and RETAIL. charges: of green value, power factor and others. supplier: whom
    energy is paid to. documents, confirmed: what is loaded beside the shipped profiles, and unverified versions that
    may be used. energy_under_previous_calendar: if the calendar changed since the previous bill.
    """

    bill_id: Name
    user_id: Name
    user_name: str
    metering_point: Name
    province: Name
    month: date
    category: UserCategory
    voltage_class: Name
    tariff_type: TariffType
    supply: tuple[SupplyRow, ...]
    energy: tuple[EnergyRow, ...]
    meter_data_hash: Name
    user_class: str = ""
    supplier: Name = "D_sup"
    election: BasicChargeMode | None = None
    capacities: tuple[CapacityRow, ...] = ()
    demand: QuantityRow | None = None
    market_energy: tuple[ChargeRow, ...] = ()
    charges: tuple[ChargeRow, ...] = ()
    corrections: tuple[CorrectionRow, ...] = ()
    system_fees: tuple[SystemFeeRow, ...] = ()
    energy_under_previous_calendar: tuple[EnergyRow, ...] = ()
    documents: tuple[ProvinceDocument, ...] = ()
    confirmed: tuple[str, ...] = ()
    source: str = ""


DOCUMENTS: Mapping[str, type] = MappingProxyType({"bill": BillCase, "bill-result": Bill})
"""Name -> type, for `microbalance schema`: the input and the output."""


def decode_bill_case(data: bytes) -> BillCase:
    """Return the case that a JSON text holds.

    :raises BillError: if it is none
    """
    try:
        return msgspec.json.decode(data, type=BillCase)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BillError(f"not a bill case: {error}") from None


def decode_bill(data: bytes) -> Bill:
    """Return the bill that `encode_bill` wrote.

    :raises BillError: if it is none
    """
    try:
        return msgspec.json.decode(data, type=Bill)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BillError(f"not a bill: {error}") from None


def encode_bill(bill: Bill) -> bytes:
    """Return the bill as JSON; the same bill gives the same bytes."""
    return msgspec.json.encode(bill)
