"""How much green energy of a month counts: settled in whole MWh, the rest carried (rows 146, 150, 153; outside 11).

Settled is min(contract, generation without mechanism energy, consumption); where a plant has several buyers, what it
generated is shared in proportion. Mechanism energy has been paid for its environment already and counts for nobody.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import msgspec
import numpy as np

from hub.market.pro_rata import largest_remainder_of_list
from hub.market.registry.participant_classes import Technology
from hub.market.registry.periods import Period
from hub.market.trades import Int64Array, Violation


class SettlementPeriod(Enum):
    """Over what the minimum is taken: the month's sums, or each interval's energies (parameter, outside rules 11)."""

    MONTHLY = "MONTHLY"
    INTERVAL = "INTERVAL"


@dataclass(frozen=True)
class GreenContract:
    """One buyer's contract with a plant in a month, shape (n_intervals,) each; carried_wh: from earlier months."""

    contract_id: str
    contract_wh: Int64Array
    consumption_wh: Int64Array
    carried_wh: int


@dataclass(frozen=True)
class SettledContract:
    """What a contract settles: whole certificates' worth, and what is carried into the next month (< 1 certificate).

    buyer_short_wh: by how much consumption fell short of the contract; seller_short_wh: what the buyer would have taken
    and the plant did not give. The one at fault compensates; what is carried is no shortfall.
    """

    contract_id: str
    certificates: int
    carried_wh: int
    matched_wh: int
    seller_short_wh: int
    buyer_short_wh: int


def settle_contracts(
    contracts: Sequence[GreenContract],
    *,
    generation_wh: Int64Array,
    mechanism_wh: Int64Array,
    period: SettlementPeriod,
    wh_per_certificate: int,
) -> tuple[SettledContract, ...]:
    """Return what each contract of a plant settles in a month.

    :param generation_wh, mechanism_wh: shape (n_intervals,), fed in, and how much of it stands under a mechanism price
    """
    assert bool(((mechanism_wh >= 0) & (mechanism_wh <= generation_wh)).all())
    is_monthly = period is SettlementPeriod.MONTHLY

    def periods(energy_wh: Int64Array) -> list[int]:
        return [int(energy_wh.sum())] if is_monthly else energy_wh.tolist()

    available = periods(generation_wh - mechanism_wh)
    wanted = [
        [min(pair) for pair in zip(periods(one.contract_wh), periods(one.consumption_wh), strict=True)]
        for one in contracts
    ]
    matched = [[0] * len(available) for _ in contracts]
    for number, energy in enumerate(available):
        weights = [row[number] for row in wanted]
        shares = largest_remainder_of_list(min(energy, sum(weights)), weights)
        for row, share in enumerate(shares):
            matched[row][number] = share
    return tuple(
        _settled(one, sum(wanted[row]), sum(matched[row]), wh_per_certificate) for row, one in enumerate(contracts)
    )


def environmental_fee_nano_yuan(certificates: int, environmental_uyuan_per_kwh: int, *, wh_per_certificate: int) -> int:
    """Return Fee_env = Q_env [whole MWh] x P_env: a stream of its own, apart from the energy's (row 146)."""
    return certificates * wh_per_certificate * environmental_uyuan_per_kwh


@dataclass(frozen=True)
class SubscriptionCharge:
    """What a subscribed agency user pays, in two streams, nano-yuan (row 150)."""

    energy_nano_yuan: int
    environmental_nano_yuan: int


class SubscriptionRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether users outside the market may subscribe to environmental value in a province (row 150)."""

    province: str
    period: Period
    document: str
    is_open: bool


class SubscriptionClosedError(ValueError):
    """The province has no subscription for users outside the market."""


def subscription_charge(
    rules: SubscriptionRules,
    *,
    energy_wh: int,
    certificates: int,
    agency_uyuan_per_kwh: int,
    environmental_uyuan_per_kwh: int,
    wh_per_certificate: int,
) -> SubscriptionCharge:
    """Return Q x P_agency and Q_env x P_env: the energy stays at the agency price (row 150).

    :raises SubscriptionClosedError: if the province has none
    """
    if not rules.is_open:
        raise SubscriptionClosedError(f"{rules.province} has no subscription by {rules.document}")
    return SubscriptionCharge(
        energy_wh * agency_uyuan_per_kwh,
        environmental_fee_nano_yuan(certificates, environmental_uyuan_per_kwh, wh_per_certificate=wh_per_certificate),
    )


class AnnualCeiling(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Most green energy that a plant of a technology may trade in a year, as full-load hours (row 153)."""

    province: str
    period: Period
    document: str
    technology: Technology
    hours: int


@dataclass(frozen=True)
class WithinCeiling:
    """The contract stands; so much may still be traded this year."""

    left_wh: int


@dataclass(frozen=True)
class BeyondCeiling:
    """The contract is refused whole; so much could have been traded."""

    left_wh: int


def admit_contract(
    ceiling: AnnualCeiling, *, capacity_w: int, traded_wh: int, contract_wh: int
) -> WithinCeiling | BeyondCeiling:
    """Return whether a contract keeps Q_year <= hours x capacity (row 153).

    :param traded_wh: what the plant has traded in the year before it
    """
    left = ceiling.hours * capacity_w - traded_wh
    return WithinCeiling(left - contract_wh) if contract_wh <= left else BeyondCeiling(left)


def check_settled(
    contracts: Sequence[GreenContract],
    settled: Sequence[SettledContract],
    *,
    generation_wh: Int64Array,
    mechanism_wh: Int64Array,
    wh_per_certificate: int,
) -> list[Violation]:
    """Law 2 for green contracts: no Wh is matched twice or under a mechanism, none is lost between certificates and
    carry, and nobody settles beyond contract or consumption.
    """
    found = []
    available = int((generation_wh - mechanism_wh).sum())
    if sum(one.matched_wh for one in settled) > available:
        found.append(Violation(2, "plant", f"contracts settle more than {available} Wh"))
    for contract, one in zip(contracts, settled, strict=True):
        most = min(int(contract.contract_wh.sum()), int(contract.consumption_wh.sum()))
        whole = one.certificates * wh_per_certificate + one.carried_wh
        faults = (
            (contract.contract_id != one.contract_id, "another contract's result"),
            (not 0 <= one.matched_wh <= most, f"settles {one.matched_wh} Wh of at most {most}"),
            (whole != contract.carried_wh + one.matched_wh, "certificates and carry are not what was matched"),
            (not 0 <= one.carried_wh < wh_per_certificate, f"carries {one.carried_wh} Wh"),
        )
        found += [Violation(2, contract.contract_id, what) for is_breach, what in faults if is_breach]
    return found


def _settled(one: GreenContract, wanted: int, matched: int, wh_per_certificate: int) -> SettledContract:
    certificates, carried = divmod(one.carried_wh + matched, wh_per_certificate)
    contract = int(np.sum(one.contract_wh))
    return SettledContract(
        one.contract_id,
        certificates,
        carried,
        matched,
        seller_short_wh=wanted - matched,
        buyer_short_wh=contract - wanted,
    )
