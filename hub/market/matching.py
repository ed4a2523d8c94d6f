"""Meet groups of sellers with groups of buyers, pro rata on both sides, in whole Wh."""

from collections.abc import Iterator
from dataclasses import dataclass

from hub.market.pro_rata import largest_remainder, largest_remainder_of_list
from hub.market.trades import Int64Array


@dataclass
class Group:
    """Orders of one origin unit, party and side: rows of the batch by order id, what each and all have left.

    tie: shape (n,), who is served first of equal remainders.
    """

    rows: Int64Array
    left_wh: Int64Array
    tie: Int64Array
    total_wh: int


@dataclass
class Matches:
    """Rows found so far: seller and buyer as positions in the batch, energy > 0."""

    seller: list[int]
    buyer: list[int]
    energy_wh: list[int]


def meet(sellers: list[Group], buyers: list[Group], found: Matches) -> None:
    """Let the groups trade all they can with each other: append rows to `found`, lower what the groups have left.

    The shorter side trades all it has, the longer side pro rata; each seller group's energy meets the buyer groups pro
    rata; each member has its pro rata share of its group's energy, all by largest remainder. Inside a matched pair of
    groups the members meet one after another, in order-id order.
    """
    total_wh = min(sum(group.total_wh for group in sellers), sum(group.total_wh for group in buyers))
    if total_wh == 0:
        return
    sold, bought = _traded_by_group(sellers, total_wh), _traded_by_group(buyers, total_wh)
    selling = [_Line(group, energy) for group, energy in zip(sellers, sold, strict=True)]
    buying = [_Line(group, energy) for group, energy in zip(buyers, bought, strict=True)]
    for row, column, energy in _cells(sold, bought):
        _meet_members(selling[row], buying[column], energy, found)


class _Line:
    """The members of a group and what each trades now, laid end to end; `at` and `rest_wh` tell how much has met."""

    def __init__(self, group: Group, energy_wh: int) -> None:
        share = largest_remainder(energy_wh, group.left_wh, group.tie)
        group.left_wh = group.left_wh - share
        group.total_wh -= energy_wh
        self.rows: list[int] = group.rows.tolist()
        self.share_wh: list[int] = share.tolist()
        self.at = 0
        self.rest_wh = self.share_wh[0]


def _meet_members(seller: _Line, buyer: _Line, energy_wh: int, found: Matches) -> None:
    """Let the next members of two groups meet until `energy_wh` is traded."""
    while energy_wh:
        met = min(seller.rest_wh, buyer.rest_wh, energy_wh)
        if met:
            found.seller.append(seller.rows[seller.at])
            found.buyer.append(buyer.rows[buyer.at])
            found.energy_wh.append(met)
            energy_wh -= met
            seller.rest_wh -= met
            buyer.rest_wh -= met
        for line in (seller, buyer):
            if not line.rest_wh and energy_wh:
                line.at += 1
                line.rest_wh = line.share_wh[line.at]


def _traded_by_group(groups: list[Group], total_wh: int) -> list[int]:
    energy = [group.total_wh for group in groups]
    return energy if total_wh == sum(energy) else largest_remainder_of_list(total_wh, energy)


def _cells(sold_wh: list[int], bought_wh: list[int]) -> Iterator[tuple[int, int, int]]:
    """Yield (seller group, buyer group, Wh > 0) with both margins exact.

    Seller group by seller group, its energy is shared over what each buyer group still lacks.
    """
    lacking = list(bought_wh)
    for row, energy in enumerate(sold_wh):
        for column, share in enumerate(largest_remainder_of_list(energy, lacking)):
            if share:
                lacking[column] -= share
                yield row, column, share
