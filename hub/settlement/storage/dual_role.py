"""Storage sells as a generator and buys as a user: two linked settlement units of one participant (rows 128, 129).

Columns have one row an interval, shape (n_intervals,); energy Wh, price micro-yuan/kWh, money nano-yuan.
"""

from dataclasses import dataclass
from enum import Enum

import numpy as np

from hub.market.trades import Int64Array, Violation
from hub.settlement.money import total_charge_nano_yuan
from hub.settlement.rule_lines import RuleLine, amount_line

STORAGE_RULE = "storage-dual-role-1"


class PriceSource(Enum):
    """Whose price a direction takes: the node's, the time-of-use tariff's, or the unified settlement point's."""

    NODE = "NODE"
    TOU = "TOU"
    UNIFIED = "UNIFIED"


@dataclass(frozen=True)
class StoragePriceRules:
    """A province's price sources for both directions on a day (row 129)."""

    province: str
    versions: tuple[str, ...]
    charge: PriceSource
    discharge: PriceSource


@dataclass(frozen=True)
class StoragePrices:
    """The prices that there are, micro-yuan/kWh; None: that source has none here."""

    node: Int64Array | None
    tou: Int64Array | None
    unified: Int64Array | None


@dataclass(frozen=True)
class StorageCash:
    """A period's money by settlement unit, nano-yuan: + receives, - pays (row 128)."""

    discharge_nano_yuan: int
    charge_nano_yuan: int
    fees_nano_yuan: int

    @property
    def total_nano_yuan(self) -> int:
        """Return what the participant receives on balance."""
        return self.discharge_nano_yuan + self.charge_nano_yuan + self.fees_nano_yuan


class StoragePriceMissingError(LookupError):
    """The rules name a price source of which no price is given; the text says which."""


def direction_prices(rules: StoragePriceRules, prices: StoragePrices) -> tuple[Int64Array, Int64Array]:
    """Return the prices of charging and of discharging by the province's sources (row 129).

    :raises StoragePriceMissingError: if a source has no prices
    """
    by_source = {PriceSource.NODE: prices.node, PriceSource.TOU: prices.tou, PriceSource.UNIFIED: prices.unified}
    charge, discharge = by_source[rules.charge], by_source[rules.discharge]
    if charge is None or discharge is None:
        missing = rules.charge if charge is None else rules.discharge
        raise StoragePriceMissingError(f"row 129: {rules.province} settles storage at {missing.value}; load its prices")
    return charge, discharge


def storage_cash(
    *,
    charged_wh: Int64Array,
    discharged_wh: Int64Array,
    charge_uyuan_per_kwh: Int64Array,
    discharge_uyuan_per_kwh: Int64Array,
    fee_uyuan_per_kwh: Int64Array,
) -> StorageCash:
    """Return Cash = sum Dis P_dis - sum Ch P_ch - fees(Ch) (row 128); prices may be negative, fees fall on charging.

    :raises OverflowError: if a product could leave int64
    """
    return StorageCash(
        total_charge_nano_yuan(discharged_wh, discharge_uyuan_per_kwh),
        -total_charge_nano_yuan(charged_wh, charge_uyuan_per_kwh),
        -total_charge_nano_yuan(charged_wh, fee_uyuan_per_kwh),
    )


def storage_lines(
    cash: StorageCash, *, storage: str, market: str, network: str, rules: StoragePriceRules
) -> list[RuleLine]:
    """Return a line a settlement unit: discharge as a generator, charge as a user, fees on charging (row 128)."""
    rows = (
        ("storage-discharge", market, storage, cash.discharge_nano_yuan),
        ("storage-charge", storage, market, -cash.charge_nano_yuan),
        ("storage-charge-fees", storage, network, -cash.fees_nano_yuan),
    )
    return [
        amount_line(
            component,
            payer=payer,
            payee=payee,
            amount_nano_yuan=amount,
            rule_version=STORAGE_RULE,
            price_versions=rules.versions,
        )
        for component, payer, payee, amount in rows
    ]


def from_net_register(net_wh: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Return charge and discharge of a storage with one net register: drawn and fed in, each >= 0 (row 128).

    :param net_wh: drawn less fed in, by interval
    """
    return np.maximum(net_wh, 0), np.maximum(-net_wh, 0)


def check_storage_energy(
    where: str, *, charged_wh: Int64Array, discharged_wh: Int64Array, power_w: int, minutes: int
) -> list[Violation]:
    """Law 2: both registers are non-negative, and what an interval charges and discharges fits its time at full power.

    :param minutes: length of an interval
    """
    most = power_w * minutes // 60
    found = [
        Violation(2, f"{where}, interval {row}", "a register ran backwards")
        for row in np.flatnonzero((charged_wh < 0) | (discharged_wh < 0)).tolist()
    ]
    found += [
        Violation(2, f"{where}, interval {row}", f"charged and discharged more than {most} Wh together")
        for row in np.flatnonzero(charged_wh + discharged_wh > most).tolist()
    ]
    return found
