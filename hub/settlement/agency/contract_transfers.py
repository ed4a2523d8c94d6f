"""The money of generation-side contract transfers, and of a shortfall without one (requirements rows 166, 167).

The user's payment does not change: it pays the contract's price as before. The transferor passes the transfer price on
to the transferee, who has the obligation to deliver from then on. Energy Wh, price micro-yuan/kWh, money nano-yuan.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from hub.market.listing.contract_transfer import transfer_cash
from hub.market.trades import Violation
from hub.settlement.rule_lines import RuleLine, account_totals_nano_yuan, priced_line

TRANSFER_RULE = "contract-transfer-1"
SHORTFALL_RULE = "contract-shortfall-1"


@dataclass(frozen=True)
class ContractTransfer:
    """One published transfer of a part of a contract in a month. publication: hash of the result that it stands in."""

    contract_id: str
    user: str
    transferor: str
    transferee: str
    energy_wh: int
    contract_uyuan_per_kwh: int
    transfer_uyuan_per_kwh: int
    publication: str


def transfer_lines(one: ContractTransfer) -> list[RuleLine]:
    """Return user -> A: Q P_c and A -> B: Q P_tr (row 167)."""
    rows = (
        ("contract-energy", one.user, one.transferor, one.contract_uyuan_per_kwh, one.contract_id),
        ("contract-transfer", one.transferor, one.transferee, one.transfer_uyuan_per_kwh, one.publication),
    )
    return [
        priced_line(
            component,
            detail=one.contract_id,
            payer=payer,
            payee=payee,
            quantity=one.energy_wh,
            price_uyuan=price,
            rule_version=TRANSFER_RULE,
            price_versions=(version,),
        )
        for component, payer, payee, price, version in rows
    ]


def obligations_wh(contract_wh: Mapping[str, int], transfers: list[ContractTransfer]) -> Mapping[str, int]:
    """Return what each generator must deliver after the transfers; the sum stays what it was (row 167)."""
    left = dict(contract_wh)
    for one in transfers:
        left[one.transferor] = left.get(one.transferor, 0) - one.energy_wh
        left[one.transferee] = left.get(one.transferee, 0) + one.energy_wh
    return left


def shortfall_line(
    *, generator: str, d_sup: str, obligation_wh: int, generated_wh: int, spot_uyuan_per_kwh: int, version: str
) -> RuleLine:
    """Return what a generator pays for obligation that it did not generate, bought at spot (row 166); 0 without any.

    Its loss is that price less the contract's, which it receives for the same energy.
    """
    return priced_line(
        "contract-shortfall",
        payer=generator,
        payee=d_sup,
        quantity=max(0, obligation_wh - generated_wh),
        price_uyuan=spot_uyuan_per_kwh,
        rule_version=SHORTFALL_RULE,
        price_versions=(version,),
    )


def check_transfer(one: ContractTransfer, lines: list[RuleLine]) -> list[Violation]:
    """Row 167: each of the three sides gets what the market's rule says, which sums to 0; the user pays as before."""
    cash = transfer_cash(
        one.energy_wh,
        contract_uyuan_per_kwh=one.contract_uyuan_per_kwh,
        transfer_uyuan_per_kwh=one.transfer_uyuan_per_kwh,
    )
    due = {
        one.user: cash.user_nano_yuan,
        one.transferor: cash.transferor_nano_yuan,
        one.transferee: cash.transferee_nano_yuan,
    }
    totals = account_totals_nano_yuan(lines)
    return [
        Violation(6, f"{one.contract_id}, {name}", f"{totals.get(name, 0)} nano-yuan, due {amount}")
        for name, amount in due.items()
        if totals.get(name, 0) != amount
    ]
