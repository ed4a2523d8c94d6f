"""The account table: every participant, and the accounts of the utility, the province and the funds.

Settlement names an account by its position in this table. A positive balance has received, a negative one has paid
(requirements, conventions). The accounts of the utility's arms are kept apart (DESIGN 5, requirements row 4): D_net is
the wires, D_sup the supply arm; D_gen, the utility's own plants, are participants like every other seller.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum

from hub.settlement.input_hash import LATER_FIELD


class SystemAccount(IntEnum):
    """Accounts that are no participant, by their offset behind the participants.

    SYSTEM_ITEMS and GOVERNMENT_FUNDS earn nothing: what bills collect for system operation (row 119) and for funds is
    passed on, with a carry from month to month.
    """

    D_NET = 0
    D_SUP = 1
    OPERATOR = 2
    PROVINCE = 3
    UPPER_GRID = 4
    LOSS_FUND = 5
    CONGESTION = 6
    ROUNDING = 7
    SYSTEM_ITEMS = 8
    GOVERNMENT_FUNDS = 9


SYSTEM_ACCOUNT_NAMES: tuple[str, ...] = (
    "D_net",
    "D_sup",
    "operator",
    "province",
    "upper_grid",
    "loss_fund",
    "congestion",
    "rounding",
    "system-items",
    "government-funds",
)
assert len(SYSTEM_ACCOUNT_NAMES) == len(SystemAccount)

MARKET_ACCOUNT = "market"
"""Whom a direct user's bill pays for traded energy, and who pays the sellers for it; empty once a month is billed."""
UNBILLED_ACCOUNT = "unbilled"
"""Who pays the sellers what a re-settlement changed after a month was billed, until a bill charges it."""
MONTH_ACCOUNT_NAMES: tuple[str, ...] = (MARKET_ACCOUNT, UNBILLED_ACCOUNT)
"""Accounts of the month's ledger only, which no interval uses. With participants, system accounts and retailers they
are all accounts there are.
"""


class AccountTableError(ValueError):
    """The participants cannot be numbered: an id stands twice or is the name of a system account."""


@dataclass(frozen=True)
class AccountTable:
    """Participants first, in the order given, then the system accounts in the order of `SystemAccount`.

    opened_later: accounts behind them, in the order in which they were opened: retailers and the month's own.
    """

    participant_id: tuple[str, ...]
    opened_later: tuple[str, ...] = field(default=(), metadata=LATER_FIELD)

    def __len__(self) -> int:
        """Return the number of accounts."""
        return len(self.participant_id) + len(SYSTEM_ACCOUNT_NAMES) + len(self.opened_later)

    def position(self, account: SystemAccount) -> int:
        """Return the position of a system account."""
        return len(self.participant_id) + int(account)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all accounts by position: participant ids, then "D_net", "D_sup" and so on, then later ones."""
        return self.participant_id + SYSTEM_ACCOUNT_NAMES + self.opened_later


def account_table(participant_ids: Iterable[str]) -> AccountTable:
    """Return the table for these participants, in their order.

    :raises AccountTableError: if an id stands twice or is the name of a system account
    """
    ids = tuple(participant_ids)
    seen: set[str] = {*SYSTEM_ACCOUNT_NAMES, *MONTH_ACCOUNT_NAMES}
    for participant_id in ids:
        if participant_id in seen:
            raise AccountTableError(f"account {participant_id!r} would stand twice")
        seen.add(participant_id)
    return AccountTable(ids)
