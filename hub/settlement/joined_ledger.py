"""How a month's bills and the ledger of its intervals are one ledger: what a bill supersedes is taken back (红冲).

Intervals charge a user as they are settled; the month's bill charges the same energy again, by published components or
by what was traded. So when a month is billed, what its bill stands for is reversed, aggregated by metering point, kind,
payer and payee; what sellers, the congestion account and D_sup were paid for traded energy is paid to them by the
account `market`, which the bill fills. Postings are only added: booked is the difference to what was booked before.

The laws (DESIGN 4, laws 5 to 7): all accounts of both ledgers sum to zero; `market` is empty, point by point; a point
has paid its bill and nothing else; who was paid by intervals for traded energy has the same as before.
A retail user's bill pays its retailer for energy by its package; what the retailer pays for that energy in intervals is
its own cost, not the user's charge, and stands. Network and losses, which the bill charges the user, are reversed.
Sources: requirements rows 24 to 26, 79, 94 to 96, 99, 107, 110, 111, 189; outside rules, section 9; worked-interval.md.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import NamedTuple

from edge.contract.registry import SupplyMode
from hub.market.trades import Int64Array, Violation
from hub.settlement.transfers import TransferKind

JOIN_RULE = "month-join-1"
NO_METER = -1


class Disposition(Enum):
    """What becomes of an interval's charge to a user once its month is billed.

    STANDS: no bill is about it. SUPERSEDED: reversed; the bill pays whom it concerns. THROUGH_MARKET: reversed, and
    `market` pays the payee the same. BY_SUPPLIER: reversed, and D_sup pays the payee the same out of an all-in price.
    """

    STANDS = "stands"
    SUPERSEDED = "superseded"
    THROUGH_MARKET = "through-market"
    BY_SUPPLIER = "by-supplier"


_STANDS, _SUPERSEDED, _MARKET = Disposition.STANDS, Disposition.SUPERSEDED, Disposition.THROUGH_MARKET
DISPOSITIONS: Mapping[TransferKind, tuple[Disposition, str]] = MappingProxyType(
    {
        TransferKind.ENERGY: (_MARKET, "rows 24, 94: the energy component of a direct user is what it traded"),
        TransferKind.CONGESTION_RENT: (_MARKET, "row 24: part of the node price that a direct user's energy cost"),
        TransferKind.UPSTREAM_LOSS: (_SUPERSEDED, "row 110: the month's table charges the upstream loss"),
        TransferKind.REPLACED_ENERGY: (_MARKET, "rows 24, 27: D_sup delivers in the seller's stead at the same price"),
        TransferKind.REPLACEMENT_COST: (_STANDS, "row 27: between the congestion account and D_sup"),
        TransferKind.LISTING_DIFFERENCE: (_MARKET, "row 52: the contract's difference is the price of its energy"),
        TransferKind.EXPORT_DEVIATION: (_STANDS, "row 50: what a seller earns; a bill is about what is used"),
        TransferKind.EXPORT_BASIS: (_STANDS, "row 50: what a seller earns; a bill is about what is used"),
        TransferKind.IMPORT_DEVIATION: (_MARKET, "rows 50, 52: metered energy beyond trades is energy of the month"),
        TransferKind.IMPORT_BASIS: (_MARKET, "rows 50, 52: metered energy beyond trades is energy of the month"),
        TransferKind.EXCESS_EXPORT: (_STANDS, "row 27: between D_sup and the congestion account"),
        TransferKind.ON_GRID_PURCHASE: (_STANDS, "row 26: what a seller earns"),
        TransferKind.COMMISSION_REMITTANCE: (_STANDS, "row 25: what a seller earns"),
        TransferKind.AGENCY_BILL: (_SUPERSEDED, "row 94: the month's five components stand for it"),
        TransferKind.GUARANTEED_BILL: (_SUPERSEDED, "row 96: the month's all-in price stands for it"),
        TransferKind.NETWORK_COVERED: (_SUPERSEDED, "rows 24, 94: the month's network, less what local trades spare"),
        TransferKind.NETWORK_UNCOVERED: (_SUPERSEDED, "row 94: the month's network component"),
        TransferKind.NETWORK_CAPTIVE: (
            _SUPERSEDED,
            "rows 94, 107: agency bills pay D_net themselves; of an all-in price D_sup passes it on, which stands",
        ),
        TransferKind.NETWORK_COMMISSION: (_STANDS, "row 25: of energy served by mode 2 D_net keeps w, not T"),
        TransferKind.LOSS_FEE: (_SUPERSEDED, "rows 94, 111: the month's loss component; an all-in price holds it"),
        TransferKind.MEASURED_LOSS: (_STANDS, "row 111: the cost that fees are held against"),
        TransferKind.GATEWAY_IMPORT: (_STANDS, "row 27: between D_sup and the province"),
        TransferKind.GATEWAY_EXPORT: (_STANDS, "row 27: between D_sup and the province"),
        TransferKind.DAY_AHEAD_IMPORT: (_STANDS, "row 52: between D_sup and the province"),
        TransferKind.DAY_AHEAD_EXPORT: (_STANDS, "row 52: between D_sup and the province"),
        TransferKind.GATEWAY_LOSS: (_STANDS, "row 110: between D_sup and the province"),
        TransferKind.GATEWAY_TARIFF: (_STANDS, "row 107: between D_net and the upper grid"),
        TransferKind.STATEMENT_ROUNDING: (
            _SUPERSEDED,
            "rows 99, 189: of statements' lines that a bill stands for; a bill is rounded itself",
        ),
    }
)
"""What a month's bill does to each kind of transfer, and by which row."""
assert set(DISPOSITIONS) == set(TransferKind)

THROUGH_MARKET_KINDS: tuple[TransferKind, ...] = tuple(
    kind for kind, (found, _) in DISPOSITIONS.items() if found is Disposition.THROUGH_MARKET
)
BILLED_KINDS: frozenset[TransferKind] = frozenset(
    kind for kind, (found, _) in DISPOSITIONS.items() if found is not Disposition.STANDS
) - {TransferKind.NETWORK_CAPTIVE, TransferKind.STATEMENT_ROUNDING}
"""Kinds that charge a metering point itself; the other two superseded ones are the county's and an account's."""


def disposition_of(kind: TransferKind, mode: SupplyMode) -> Disposition:
    """Return what a bill of a user in this supply mode does to a charge of its metering point.

    An all-in price holds the loss fee, and the loss fund needs it (row 111): D_sup, who is paid all in, pays it.
    What a retailer pays for traded energy its package's price covers (rows 79, 80): it stands.
    """
    if mode is SupplyMode.RETAIL and DISPOSITIONS[kind][0] is Disposition.THROUGH_MARKET:
        return Disposition.STANDS
    if kind is TransferKind.LOSS_FEE and mode is SupplyMode.GUARANTEED:
        return Disposition.BY_SUPPLIER
    return DISPOSITIONS[kind][0] if kind in BILLED_KINDS else Disposition.STANDS


class JoinKind(Enum):
    """What a posting that joins the ledgers does. UNBILLED: in the place of THROUGH_MARKET, until a bill charges it."""

    REVERSAL = "reversal"
    THROUGH_MARKET = "through-market"
    BY_SUPPLIER = "by-supplier"
    UNBILLED = "unbilled"


class JoinKey(NamedTuple):
    """What a posting is about. meter: -1 for none; of_kind: name of the TransferKind; payer, payee: positions."""

    kind: str
    meter: int
    of_kind: str
    payer: int
    payee: int


@dataclass(frozen=True)
class IntervalCharges:
    """What intervals charge users, shape (n_rows,) each: one row a metering point, kind, payer and payee.

    payer: always the account of the point's participant. All runs of an interval count, reversals with them.
    """

    meter: Int64Array
    kind: Int64Array
    payer: Int64Array
    payee: Int64Array
    energy_wh: Int64Array
    amount_nano_yuan: Int64Array


@dataclass(frozen=True)
class JoinAccounts:
    """Positions of the accounts that pay in a user's stead. market: or `unbilled`, before a bill has charged it."""

    market: int
    supplier: int
    is_unbilled: bool = False


def joined_amounts(
    charges: IntervalCharges, mode_of_meter: Mapping[int, SupplyMode], accounts: JoinAccounts
) -> dict[JoinKey, int]:
    """Return what joins the charges of billed points to their bills, by posting, nano-yuan.

    :param mode_of_meter: of the points that are billed; what others are charged stands
    """
    found: dict[JoinKey, int] = {}
    columns = (charges.meter, charges.kind, charges.payer, charges.payee, charges.amount_nano_yuan)
    for meter, code, payer, payee, amount in zip(*(column.tolist() for column in columns), strict=True):
        mode, kind = mode_of_meter.get(meter), TransferKind(code)
        disposition = Disposition.STANDS if mode is None else disposition_of(kind, mode)
        if disposition is Disposition.STANDS or not amount:
            continue
        _add(found, JoinKey(JoinKind.REVERSAL.value, meter, kind.name, payer, payee), -amount)
        if disposition is Disposition.THROUGH_MARKET:
            step = JoinKind.UNBILLED if accounts.is_unbilled else JoinKind.THROUGH_MARKET
            _add(found, JoinKey(step.value, meter, kind.name, accounts.market, payee), amount)
        elif disposition is Disposition.BY_SUPPLIER:
            _add(found, JoinKey(JoinKind.BY_SUPPLIER.value, meter, kind.name, accounts.supplier, payee), amount)
    return found


def agency_network_nano_yuan(
    energy_wh: Mapping[tuple[int, str], tuple[int, int]],
    tariffs_uyuan_per_kwh: Mapping[int, Sequence[int]],
) -> tuple[int, tuple[str, ...]]:
    """Return T x metered energy of agency users over intervals, and the voltage classes whose T nothing tells.

    It is what D_sup would pass on to D_net for them and their bills now pay themselves (rows 94, 107). What mode 2
    changes of it, w for T on the energy that it serves, stands. An interval's tariffs stand in the order of its classes
    with captive energy, from the lowest voltage up; one that mode 2 serves whole is left out, then the month's holds.

    :param energy_wh: (interval, voltage class) -> import of all captive users, and of agency users among them
    :param tariffs_uyuan_per_kwh: interval -> T of its NETWORK_CAPTIVE transfers, in their order
    """
    classes: dict[int, list[str]] = {}
    for (interval, name), (captive_wh, _) in energy_wh.items():
        if captive_wh:
            classes.setdefault(interval, []).append(name)
    said: dict[tuple[int, str], int] = {}
    of_month: dict[str, int] = {}
    for interval, names in classes.items():
        tariffs = tariffs_uyuan_per_kwh.get(interval, ())
        if len(tariffs) == len(names):
            for name, tariff in zip(sorted(names, key=_lowest_kv), tariffs, strict=True):
                said[interval, name] = of_month[name] = tariff
    total, untold = 0, set()
    for (interval, name), (_, agency_wh) in energy_wh.items():
        tariff = said.get((interval, name), of_month.get(name, NO_METER))
        if agency_wh and tariff == NO_METER:
            untold.add(name)
        elif agency_wh:
            total += agency_wh * tariff
    return total, tuple(sorted(untold))


def _lowest_kv(voltage_class: str) -> int:
    """Return the number that a class's name begins with: 1 of "<1kV", 10 of "10(20)kV"."""
    digits = ""
    for character in voltage_class:
        if character.isdigit():
            digits += character
        elif digits:
            break
    return int(digits or "0")


def _add(found: dict[JoinKey, int], key: JoinKey, amount: int) -> None:
    found[key] = found.get(key, 0) + amount


def still_to_book(target: Mapping[JoinKey, int], booked: Mapping[JoinKey, int]) -> dict[JoinKey, int]:
    """Return what takes the booked postings to the target, in the order of the keys; nothing where they agree."""
    keys = sorted({*target, *booked})
    return {key: rest for key in keys if (rest := target.get(key, 0) - booked.get(key, 0))}


def check_joined_balance(balance_nano_yuan: Mapping[str, int], where: str) -> list[Violation]:
    """Law 6: the accounts of both ledgers, each summed on its own, come to zero together.

    :param balance_nano_yuan: received less paid by account
    """
    residual = sum(balance_nano_yuan.values())
    return [Violation(6, where, f"the accounts of both ledgers sum to {residual} nano-yuan")] if residual else []


def check_emptied(account: str, held_nano_yuan: Mapping[str, int], where: str) -> list[Violation]:
    """Law 6: an account that only passes money on is empty, metering point by metering point.

    :param held_nano_yuan: received less paid by metering point
    """
    return [
        Violation(6, f"{where}, {point}", f"account {account} holds {held} nano-yuan")
        for point, held in held_nano_yuan.items()
        if held
    ]


def check_point_payments(
    paid_nano_yuan: Mapping[str, int], owed_nano_yuan: Mapping[str, int], where: str
) -> list[Violation]:
    """Law 7: what the joined ledger says that a point paid for its month is its bill, rounding as booked.

    :param paid_nano_yuan: of intervals, their reversals and the bill's postings together, by point
    :param owed_nano_yuan: total of the bill by point
    """
    return [
        Violation(7, f"{where}, {point}", f"the joined ledger says {paid} nano-yuan paid, the bill {owed}")
        for point in sorted({*paid_nano_yuan, *owed_nano_yuan})
        if (paid := paid_nano_yuan.get(point, 0)) != (owed := owed_nano_yuan.get(point, 0))
    ]


def check_receipts_unchanged(joined: Iterable[tuple[str, str, int]], where: str) -> list[Violation]:
    """Law 5: billing changes no receipt for traded energy: what is reversed is paid by `market` (or `unbilled`).

    :param joined: (name of the TransferKind, payee, sum of the joining postings to it); a zero sum is no change
    """
    kept = {kind.name for kind in THROUGH_MARKET_KINDS}
    return [
        Violation(5, f"{where}, {payee}", f"billing changes its {kind} by {amount} nano-yuan")
        for kind, payee, amount in joined
        if amount and kind in kept
    ]


def check_account_names(named: Iterable[str], known: Iterable[str], where: str) -> list[Violation]:
    """Law 5: every account that the month's ledger names is one of the ledger's accounts."""
    return [
        Violation(5, where, f"account {name!r} is not one of the ledger's") for name in sorted(set(named) - set(known))
    ]
