"""Who bears the cost of ancillary services, exactly (requirements rows 124, 127; outside rules section 12).

With continuous spot: users by consumption and generation outside the market by on-grid energy, together or by a ratio
of the province; without it: the generation side alone. Distributed generation is a member by voltage and project type.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from hub.market.registry.participant_classes import MarketStage
from hub.market.registry.provincial_rules import trades_continuously
from hub.market.trades import Violation
from hub.settlement.exact_shares import share_half_up, split_exactly
from hub.settlement.money import divide_half_up
from hub.settlement.rule_lines import RuleLine, share_lines

ALLOCATION_RULE = "ancillary-allocation-1"


class MemberKind(Enum):
    """What a member's energy is: consumption, or on-grid energy inside or outside the energy market."""

    USER = "USER"
    MARKET_GENERATION = "MARKET_GENERATION"
    NON_MARKET_GENERATION = "NON_MARKET_GENERATION"


class Exclusion(Enum):
    """Why somebody bears nothing."""

    SIDE_DOES_NOT_PAY = "side-does-not-pay"
    BELOW_VOLTAGE = "below-voltage"
    POVERTY_ALLEVIATION = "poverty-alleviation"


@dataclass(frozen=True)
class AllocationRules:
    """A province's rules of sharing. user_share_ppm: of the cost, None: by energy (row 124).

    distributed_min_v: distributed generation below this voltage bears nothing (row 127), None: none of it does.
    """

    province: str
    versions: tuple[str, ...]
    user_share_ppm: int | None
    distributed_min_v: int | None


@dataclass(frozen=True)
class Member:
    """Somebody who may bear a part: an account, its energy of the month, and what decides whether it does."""

    account: str
    kind: MemberKind
    energy_wh: int
    voltage_v: int
    is_distributed: bool = False
    is_poverty_alleviation: bool = False


@dataclass(frozen=True)
class CostAllocation:
    """Shares sum to the cost. rate: cost over members' energy, for display, 0 where a ratio splits it.

    excluded: everybody who bears nothing, with the reason.
    """

    share_nano_yuan: Mapping[str, int]
    excluded: Mapping[str, Exclusion]
    rate_uyuan_per_kwh: int


class RepeatedMemberError(ValueError):
    """An account stands twice among the members, so its energy would count twice."""


def exclusion_of(member: Member, rules: AllocationRules, stage: MarketStage) -> Exclusion | None:
    """Return why a member bears nothing, None if it does (rows 124, 127)."""
    paying = (
        {MemberKind.USER, MemberKind.NON_MARKET_GENERATION}
        if trades_continuously(stage)
        else {MemberKind.MARKET_GENERATION, MemberKind.NON_MARKET_GENERATION}
    )
    if member.kind not in paying:
        return Exclusion.SIDE_DOES_NOT_PAY
    if member.is_poverty_alleviation:
        return Exclusion.POVERTY_ALLEVIATION
    limit = rules.distributed_min_v
    if member.is_distributed and (limit is None or member.voltage_v < limit):
        return Exclusion.BELOW_VOLTAGE
    return None


def allocate_cost(
    cost_nano_yuan: int, members: Sequence[Member], rules: AllocationRules, *, stage: MarketStage
) -> CostAllocation:
    """Return each member's share of the cost, by largest remainder in nano-yuan (rows 124, 127).

    :raises ShareError: if there is a cost and nobody, or nobody of a side with a ratio, has energy to bear it
    :raises RepeatedMemberError: if an account stands twice
    """
    if len({member.account for member in members}) != len(members):
        raise RepeatedMemberError(f"{len(members)} members, some of them the same account")
    reasons = {member.account: exclusion_of(member, rules, stage) for member in members}
    bearing = [member for member in members if reasons[member.account] is None]
    excluded = {account: reason for account, reason in reasons.items() if reason is not None}
    ratio = rules.user_share_ppm if trades_continuously(stage) else None
    if ratio is None:
        shares = dict(_split(cost_nano_yuan, bearing))
    else:
        of_users = share_half_up(cost_nano_yuan, ratio)
        users = [member for member in bearing if member.kind is MemberKind.USER]
        others = [member for member in bearing if member.kind is not MemberKind.USER]
        shares = dict(_split(of_users, users)) | dict(_split(cost_nano_yuan - of_users, others))
    energy = sum(member.energy_wh for member in bearing)
    rate = divide_half_up(cost_nano_yuan, energy) if energy and ratio is None else 0
    return CostAllocation(shares, excluded, rate)


def allocation_lines(allocation: CostAllocation, rules: AllocationRules, *, account: str) -> list[RuleLine]:
    """Return what each member pays to the pass-through account of ancillary services."""
    return share_lines(
        "ancillary-share",
        allocation.share_nano_yuan,
        account=account,
        rule_version=ALLOCATION_RULE,
        price_versions=rules.versions,
    )


def check_allocation(cost_nano_yuan: int, members: Sequence[Member], allocation: CostAllocation) -> list[Violation]:
    """Laws 1 and 6: shares sum to the cost, and each member either bears or is excluded with a reason."""
    found = []
    if sum(allocation.share_nano_yuan.values()) != cost_nano_yuan:
        found.append(Violation(6, "ancillary cost", f"shares do not sum to {cost_nano_yuan} nano-yuan"))
    found += [
        Violation(1, member.account, "neither bears a share nor is excluded, or both")
        for member in members
        if (member.account in allocation.share_nano_yuan) == (member.account in allocation.excluded)
    ]
    return found


def _split(total: int, members: Sequence[Member]) -> list[tuple[str, int]]:
    parts = split_exactly(total, [member.energy_wh for member in members])
    return [(member.account, part) for member, part in zip(members, parts, strict=True)]
