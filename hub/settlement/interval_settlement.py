"""The settlement of one interval: inputs to transfers, account totals two ways, and the laws checked."""

from dataclasses import dataclass

import numpy as np

from hub.market.trades import Int64Array, Violation
from hub.settlement.checks import (
    check_accounts,
    check_metered_balance,
    check_province_prices,
    check_settled_energy,
    check_traded,
    check_two_methods,
)
from hub.settlement.columns import read_only
from hub.settlement.curtailment import curtailment_transfers
from hub.settlement.deviation import deviation_transfers
from hub.settlement.energy_pairs import energy_pair_transfers
from hub.settlement.independent_accounts import direct_buyers, direct_sellers, independent_accounts
from hub.settlement.input_hash import input_hash
from hub.settlement.inputs import SettlementInputs
from hub.settlement.ledger import account_totals
from hub.settlement.listing import listing_transfers
from hub.settlement.loss import loss_transfers, measured_loss_wh
from hub.settlement.modes import captive_sale_transfers, captive_supply_transfers
from hub.settlement.network_charge import network_transfers
from hub.settlement.positions import Positions, positions
from hub.settlement.province import province_transfers
from hub.settlement.transfers import Transfers, join_blocks


@dataclass(frozen=True)
class IntervalSettlement:
    """What one settlement run found.

    ledger_nano_yuan: shape (n_accounts,), from the transfers; independent_nano_yuan: every account computed on its own
    (independent_accounts.py). violations: of laws 2, 4 and 6; none means both agree and sum to zero.
    substituted_meters: positions of market meters whose energy was estimated; the settlement is provisional for them.
    input_hash: sha256 of the inputs.
    """

    interval: int
    transfers: Transfers
    ledger_nano_yuan: Int64Array
    independent_nano_yuan: Int64Array
    measured_loss_wh: int
    substituted_meters: Int64Array
    violations: tuple[Violation, ...]
    input_hash: str


def settle_interval(inputs: SettlementInputs) -> IntervalSettlement:
    """Return the settlement of one interval (DESIGN 5 "Money of an interval"; worked-interval.md is the golden case).

    :raises SettlementInputError: if the inputs contradict themselves
    :raises OverflowError: if an amount or a total could leave int64
    """
    held = positions(inputs)
    transfers = interval_transfers(inputs, held)
    ledger = account_totals(transfers, len(inputs.accounts))
    independent = independent_accounts(inputs, held)
    where = f"interval {inputs.interval}"
    substituted = inputs.metered.substituted & inputs.standing.is_market
    return IntervalSettlement(
        interval=inputs.interval,
        transfers=transfers,
        ledger_nano_yuan=ledger,
        independent_nano_yuan=independent,
        measured_loss_wh=measured_loss_wh(inputs, held),
        substituted_meters=read_only(np.asarray(np.flatnonzero(substituted), dtype=np.int64)),
        violations=(
            *check_traded(inputs),
            *check_province_prices(inputs),
            *check_metered_balance(inputs, held),
            *check_settled_energy(inputs, held),
            *check_accounts(ledger, independent, inputs.accounts, where),
            *check_two_methods(direct_sellers(inputs, held), inputs.standing.meter_id, where),
            *check_two_methods(direct_buyers(inputs, held), inputs.standing.meter_id, where),
        ),
        input_hash=input_hash(inputs),
    )


def interval_transfers(inputs: SettlementInputs, held: Positions) -> Transfers:
    """Return all transfers of the interval, leg by leg in a fixed order. A new leg is one line here."""
    return join_blocks(
        [
            *energy_pair_transfers(inputs, held),
            *curtailment_transfers(inputs, held),
            *listing_transfers(inputs),
            *deviation_transfers(inputs, held),
            *captive_sale_transfers(inputs, held),
            *captive_supply_transfers(inputs, held),
            *network_transfers(inputs, held),
            *loss_transfers(inputs, held),
            *province_transfers(inputs),
        ]
    )
