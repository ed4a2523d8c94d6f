"""Contracts as the registry holds them: direct, commission, retail, and what listing sessions made (rows 24, 25)."""

import msgspec

from hub.market.registry.participant_classes import ContractKind, SettlementMethod
from hub.market.registry.periods import Period


class Contract(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One contract. Energy Wh, price micro-yuan/kWh (signed).

    seller_meter_id, buyer_meter_id: None where a side stands for many meters (a retailer, the supply arm).
    curve_wh: the energy's shape, one value a part of the period; the parts sum to the energy.
    """

    contract_id: str
    kind: ContractKind
    seller_id: str
    buyer_id: str
    seller_meter_id: str | None
    buyer_meter_id: str | None
    period: Period
    energy_wh: int
    price_uyuan_per_kwh: int
    curve_wh: tuple[int, ...]
    settlement: SettlementMethod
