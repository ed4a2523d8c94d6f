"""Meet groups of sellers with groups of buyers, pro rata on both sides, in whole Wh, and then their members.

Groups meet at all units of one depth at once. Who of a group's members met whom is worked out afterwards, for all
meetings together: every group's part in a meeting is a line on which its members' shares lie end to end, and pairs are
where the lines of both sides overlap.
"""

from dataclasses import dataclass

import numpy as np

from hub.market.pro_rata import largest_remainder_by_group, largest_remainder_of_list
from hub.market.sorting import ranges, sorted_rows
from hub.market.trades import Int64Array

_FEW = 4
_WIDE = 12
_PACKED_BITS_MAX = 62


@dataclass(frozen=True)
class Groups:
    """Orders that trade alike: one origin unit, party and side. Members of a group stand together, by order id.

    row, energy_wh, tie: shape (n_members,): position in the batch, what is to be traded, who is served first of equal
    remainders. first: shape (n_groups + 1,), where each group's members start.
    """

    row: Int64Array
    energy_wh: Int64Array
    tie: Int64Array
    first: Int64Array


@dataclass(frozen=True)
class Matches:
    """Who met whom, shape (n,): seller and buyer as positions in the batch, energy > 0, and where they met."""

    seller: Int64Array
    buyer: Int64Array
    energy_wh: Int64Array
    place: Int64Array


@dataclass(frozen=True)
class _Cells:
    """Matched pairs of groups: rows of the sellers, rows of the buyers, energy > 0."""

    seller: Int64Array
    buyer: Int64Array
    energy_wh: Int64Array


@dataclass(frozen=True)
class _Meeting:
    """What was traded in one meeting. Parts: group, energy, how many parts the group had before, where it stood."""

    seller: "_Parts"
    buyer: "_Parts"
    cells: _Cells


@dataclass(frozen=True)
class _Parts:
    """One side's parts in a meeting, shape (n_parts,) each, by place."""

    group: Int64Array
    energy_wh: Int64Array
    earlier: Int64Array
    place: Int64Array


class Meetings:
    """The meetings of groups so far, and what each group has left. left_wh: shape (n_groups,)."""

    def __init__(self, groups: Groups) -> None:
        self._groups = groups
        total = np.zeros(groups.energy_wh.size + 1, np.int64)
        groups.energy_wh.cumsum(out=total[1:])
        self.left_wh = total[groups.first[1:]] - total[groups.first[:-1]]
        self._n_parts = np.zeros(self.left_wh.size, np.int64)
        self._meetings: list[_Meeting] = []

    def meet(self, sellers: Int64Array, buyers: Int64Array, place: Int64Array) -> None:
        """Let the groups that stand in one place trade all they can with each other, in every place at once.

        The shorter side trades all it has, the longer side pro rata; each seller group's energy meets the buyer groups
        pro rata; each member has its pro rata share of its group's energy, all by largest remainder. Inside a matched
        pair of groups the members meet one after another, in order-id order.

        :param sellers, buyers: numbers of groups, by place, in the order in which they are served
        :param place: where each group stands, by group
        """
        if not sellers.size or not buyers.size:
            return
        first = int(min(place[sellers[0]], place[buyers[0]]))
        seller_at, buyer_at = place[sellers] - first, place[buyers] - first
        supply_wh = np.zeros(int(max(seller_at[-1], buyer_at[-1])) + 1, np.int64)
        demand_wh = supply_wh.copy()
        np.add.at(supply_wh, seller_at, self.left_wh[sellers])
        np.add.at(demand_wh, buyer_at, self.left_wh[buyers])
        total_wh = np.minimum(supply_wh, demand_wh)
        if not np.count_nonzero(total_wh):
            return
        seller = self._part(sellers, seller_at, total_wh, first)
        buyer = self._part(buyers, buyer_at, total_wh, first)
        cells = _cells(seller, buyer, total_wh.size, first)
        self._meetings.append(_Meeting(seller, buyer, cells))

    def members(self, turn: Int64Array) -> Matches:
        """Return who met whom, place by place in their `turn`, there by meeting, a seller group's buyers in order."""
        if not self._meetings:
            none = np.zeros(0, np.int64)
            return Matches(none, none, none, none)
        sold, bought = _joined([one.seller for one in self._meetings]), _joined([one.buyer for one in self._meetings])
        cells = _joined_cells(self._meetings)
        # Meetings in one place were held in the order in which they stand here.
        _, by_turn = sorted_rows(turn[sold.place], key_bits=turn.size.bit_length())
        rank = np.empty_like(by_turn)
        rank[by_turn] = np.arange(by_turn.size)
        n_bought = bought.group.size
        key_bits = (by_turn.size * n_bought).bit_length()
        _, order = sorted_rows(rank[cells.seller] * n_bought + cells.buyer, key_bits=key_bits)
        sold = _Parts(sold.group[by_turn], sold.energy_wh[by_turn], sold.earlier[by_turn], sold.place[by_turn])
        cells = _Cells(rank[cells.seller[order]], cells.buyer[order], cells.energy_wh[order])
        seller_line = _laid_end_to_end(self._groups, sold)
        buyer_line = _laid_end_to_end(self._groups, bought)
        return _overlaps(self._groups, seller_line, buyer_line, cells, sold.place[cells.seller])

    def _part(self, groups: Int64Array, at: Int64Array, total_wh: Int64Array, first: int) -> _Parts:
        """Take from each group what it trades; return the parts of those that trade anything."""
        energy_wh = largest_remainder_by_group(total_wh, self.left_wh[groups], at, np.arange(groups.size))
        trading = energy_wh.nonzero()[0]
        groups, energy_wh = groups[trading], energy_wh[trading]
        self.left_wh[groups] -= energy_wh
        earlier = self._n_parts[groups]
        self._n_parts[groups] += 1
        return _Parts(groups, energy_wh, earlier, at[trading] + first)


@dataclass(frozen=True)
class _Line:
    """The members of parts laid end to end: member (position in Groups.row), and where its share ends, Wh."""

    member: Int64Array
    end_wh: Int64Array


def _overlaps(groups: Groups, seller_line: _Line, buyer_line: _Line, cells: _Cells, place: Int64Array) -> Matches:
    """Return where members of both sides overlap; cells lie on the sellers' line in their own order, on the buyers'
    line by part. place: of each cell.
    """
    end = cells.energy_wh.cumsum()
    by_buyer = np.argsort(cells.buyer, kind="stable")
    end_by_buyer = cells.energy_wh[by_buyer].cumsum()
    behind = np.empty_like(end)
    behind[by_buyer] = end[by_buyer] - end_by_buyer
    cell = by_buyer[end_by_buyer.searchsorted(buyer_line.end_wh)]
    stops = np.concatenate((end, seller_line.end_wh, buyer_line.end_wh + behind[cell]))
    stops.sort()
    width = np.diff(stops, prepend=0)
    at = width.nonzero()[0]
    stops = stops[at]
    cell = end.searchsorted(stops)
    seller = seller_line.end_wh.searchsorted(stops)
    buyer = buyer_line.end_wh.searchsorted(stops - behind[cell])
    return Matches(
        seller=groups.row[seller_line.member[seller]],
        buyer=groups.row[buyer_line.member[buyer]],
        energy_wh=width[at],
        place=place[cell],
    )


def _joined(parts: list[_Parts]) -> _Parts:
    return _Parts(
        np.concatenate([each.group for each in parts]),
        np.concatenate([each.energy_wh for each in parts]),
        np.concatenate([each.earlier for each in parts]),
        np.concatenate([each.place for each in parts]),
    )


def _joined_cells(meetings: list[_Meeting]) -> _Cells:
    """Return the cells of all meetings, their rows counted through."""
    sellers, buyers, seller_first, buyer_first = [], [], 0, 0
    for one in meetings:
        sellers.append(one.cells.seller + seller_first)
        buyers.append(one.cells.buyer + buyer_first)
        seller_first += one.seller.group.size
        buyer_first += one.buyer.group.size
    energy_wh = np.concatenate([one.cells.energy_wh for one in meetings])
    return _Cells(np.concatenate(sellers), np.concatenate(buyers), energy_wh)


def _laid_end_to_end(groups: Groups, parts: _Parts) -> _Line:
    """Share each part's energy over the members' energy that earlier parts left."""
    first, size = groups.first[parts.group], groups.first[parts.group + 1] - groups.first[parts.group]
    member = ranges(first, first + size)
    slot_first = size.cumsum() - size
    share, left_wh = np.empty(member.size, np.int64), groups.energy_wh.copy()
    for number in range(int(parts.earlier.max()) + 1):
        now = (parts.earlier == number).nonzero()[0]
        slot = ranges(slot_first[now], (slot_first + size)[now])
        rows = member[slot]
        of_now = np.arange(now.size).repeat(size[now])
        shares = largest_remainder_by_group(parts.energy_wh[now], left_wh[rows], of_now, groups.tie[rows])
        left_wh[rows] -= shares
        share[slot] = shares
    return _Line(member, share.cumsum())


def _cells(seller: _Parts, buyer: _Parts, n_places: int, first: int) -> _Cells:
    """Return which parts met and how much, in every place a matrix with both margins exact; in no particular order.

    Seller group by seller group, its energy is shared over what each buyer group still lacks.
    """
    seller_at, buyer_at = seller.place - first, buyer.place - first
    n_rows, n_columns = (np.bincount(at, minlength=n_places) for at in (seller_at, buyer_at))
    first_row, first_column = n_rows.cumsum() - n_rows, n_columns.cumsum() - n_columns
    one_seller = (n_rows[buyer_at] == 1).nonzero()[0]
    one_buyer = ((n_columns[seller_at] == 1) & (n_rows[seller_at] > 1)).nonzero()[0]
    rows = [first_row[buyer_at[one_seller]], one_buyer]
    columns = [one_seller, first_column[seller_at[one_buyer]]]
    energies = [buyer.energy_wh[one_seller], seller.energy_wh[one_buyer]]
    lacking = buyer.energy_wh.copy()
    here = ((n_rows > 1) & (n_columns > 1)).nonzero()[0]
    done = 0
    while here.size > _FEW:
        row, size = first_row[here] + done, n_columns[here]
        column = ranges(first_column[here], first_column[here] + size)
        of_here = np.arange(here.size).repeat(size)
        share = largest_remainder_by_group(seller.energy_wh[row], lacking[column], of_here, column)
        lacking[column] -= share
        met = share.nonzero()[0]
        rows.append(row[of_here[met]])
        columns.append(column[met])
        energies.append(share[met])
        done += 1
        here = here[n_rows[here] > done]
    for place in here.tolist():
        row_slice = slice(int(first_row[place]) + done, int(first_row[place] + n_rows[place]))
        column_slice = slice(int(first_column[place]), int(first_column[place] + n_columns[place]))
        row, column, energy_wh = _matrix(seller.energy_wh[row_slice], lacking[column_slice])
        rows.append(row + row_slice.start)
        columns.append(column + column_slice.start)
        energies.append(energy_wh)
    return _Cells(np.concatenate(rows), np.concatenate(columns), np.concatenate(energies))


def _matrix(sold_wh: Int64Array, bought_wh: Int64Array) -> tuple[Int64Array, Int64Array, Int64Array]:
    """Return row, column and energy of the cells of one place.

    :param sold_wh, bought_wh: >= 0, with equal sums
    """
    column_bits = bought_wh.size.bit_length()
    total_wh = int(bought_wh.sum())
    bits = total_wh.bit_length() + max(int(bought_wh.max()).bit_length(), column_bits)
    if bought_wh.size > _WIDE and bits <= _PACKED_BITS_MAX:
        shares = _wide_matrix(sold_wh, bought_wh, column_bits)
    else:
        lacking = bought_wh.tolist()
        matrix: list[list[int]] = []
        for energy in sold_wh.tolist():
            row = largest_remainder_of_list(energy, lacking)
            lacking = [had - got for had, got in zip(lacking, row, strict=True)]
            matrix.append(row)
        shares = np.array(matrix, np.int64)
    row_of, column_of = shares.nonzero()
    return row_of, column_of, shares[row_of, column_of]


def _wide_matrix(sold_wh: Int64Array, bought_wh: Int64Array, column_bits: int) -> Int64Array:
    """Return the shares of each seller over what the buyers still lack, shape (n_sellers, n_buyers)."""
    shares = np.empty((sold_wh.size, bought_wh.size), np.int64)
    lacking, lacking_wh = bought_wh.copy(), int(bought_wh.sum())
    # Of equal remainders the earlier column is served first; remainder and column share one number.
    turn = np.arange(bought_wh.size - 1, -1, -1)
    remainder = np.empty_like(lacking)
    for row, energy in enumerate(sold_wh.tolist()):
        share = shares[row]
        np.divmod(lacking * energy, lacking_wh, out=(share, remainder))
        spare = energy - int(share.sum())
        if spare:
            remainder <<= column_bits
            remainder |= turn
            np.add(share, remainder >= np.partition(remainder, -spare)[-spare], out=share)
        lacking -= share
        lacking_wh -= energy
    return shares
