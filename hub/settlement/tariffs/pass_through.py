"""Accounts that earn nothing: what is collected and not yet passed on is carried, shown, and given back later.

Sources: requirements rows 111 (loss account), 119 (system operation items). One account a sub-item and month; the law
collected + carried in - remitted - carried out = 0 holds for each, and a month carries in what the last carried out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import pairwise

from hub.market.registry.periods import next_month
from hub.market.trades import Violation

LAW = 6


@dataclass(frozen=True)
class PassThroughMonth:
    """One item's account of a month, nano-yuan, signed. month: its first day."""

    item: str
    month: date
    carried_in_nano_yuan: int
    collected_nano_yuan: int
    remitted_nano_yuan: int
    carried_out_nano_yuan: int


def close_pass_through(
    item: str, month: date, *, carried_in_nano_yuan: int, collected_nano_yuan: int, remitted_nano_yuan: int
) -> PassThroughMonth:
    """Return the closed month of an item; what is neither remitted nor refunded is carried out (rows 111, 119).

    For losses, collected is the fee income and remitted the cost of the measured loss at the gateway's price.
    """
    carried_out = carried_in_nano_yuan + collected_nano_yuan - remitted_nano_yuan
    return PassThroughMonth(item, month, carried_in_nano_yuan, collected_nano_yuan, remitted_nano_yuan, carried_out)


def next_pass_through(
    closed: PassThroughMonth, *, collected_nano_yuan: int, remitted_nano_yuan: int
) -> PassThroughMonth:
    """Return the month after a closed one, which carries in what that one carried out."""
    opened = replace(closed, month=next_month(closed.month), carried_in_nano_yuan=closed.carried_out_nano_yuan)
    return close_pass_through(
        opened.item,
        opened.month,
        carried_in_nano_yuan=opened.carried_in_nano_yuan,
        collected_nano_yuan=collected_nano_yuan,
        remitted_nano_yuan=remitted_nano_yuan,
    )


def check_pass_through(months: Sequence[PassThroughMonth]) -> list[Violation]:
    """Law 6, row 119: each month of each item nets to zero with its carry, and carries in what the last carried out.

    :param months: of any items, each item's months in order
    """
    found = []
    for one in months:
        rest = one.carried_in_nano_yuan + one.collected_nano_yuan - one.remitted_nano_yuan - one.carried_out_nano_yuan
        if rest:
            found.append(Violation(LAW, f"{one.item} {one.month:%Y-%m}", f"{rest} nano-yuan went nowhere"))
    for item in dict.fromkeys(one.item for one in months):
        for earlier, later in pairwise([one for one in months if one.item == item]):
            if later.month != next_month(earlier.month):
                found.append(Violation(LAW, f"{item} {later.month:%Y-%m}", f"does not follow {earlier.month:%Y-%m}"))
            elif later.carried_in_nano_yuan != earlier.carried_out_nano_yuan:
                found.append(
                    Violation(
                        LAW,
                        f"{item} {later.month:%Y-%m}",
                        f"carries in {later.carried_in_nano_yuan}, not {earlier.carried_out_nano_yuan} nano-yuan",
                    )
                )
    return found
