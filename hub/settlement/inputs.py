"""What the settlement of one interval is computed from: frozen columns, integers only.

Metering points, balance units, accounts and voltage classes are numbered by position: meters as in
`MeteringStanding.meter_id`, units as in `BalanceTree.unit_id`, accounts as in `AccountTable`, classes as in
`SettlementParameters.voltage_class`. -1 means "none". Energy Wh, price micro-yuan/kWh, money nano-yuan, int64.
Everything here is assembled by our own use case: a wrong shape is a bug and asserted, a contradiction between the
data themselves becomes a `Violation` (checks.py) or a `SettlementInputError`.
"""

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from edge.contract.registry import MeterKind, Registry, SaleMode, SupplyMode
from hub.market.trades import BalanceTree, BoolArray, ClearingResult, Int8Array, Int64Array, OrderBatch, Pairs
from hub.settlement.accounts import AccountTable
from hub.settlement.input_hash import LATER_FIELD
from hub.settlement.prices import SettlementParameters


class SettlementInputError(ValueError):
    """The inputs contradict themselves so that no settlement can be computed from them."""


class Supply(IntEnum):
    """How a meter's imports are bought, as a column code; the names are those of registry.SupplyMode."""

    DIRECT = 0
    RETAIL = 1
    AGENCY = 2
    GUARANTEED = 3
    NONE = 4


class Sale(IntEnum):
    """How a meter's exports are sold, as a column code; the names are those of registry.SaleMode."""

    DIRECT = 0
    COMMISSION = 1
    PURCHASE = 2
    NONE = 3


class SessionKind(IntEnum):
    """A day-ahead session settles with the province at P_DA; a rolling session clears at the indicative price r."""

    DAY_AHEAD = 0
    ROLLING = 1


MARKET_METER_KINDS = frozenset(
    {MeterKind.LOAD, MeterKind.GENERATOR, MeterKind.PROSUMER, MeterKind.MICROGRID_GATEWAY},
)


@dataclass(frozen=True)
class MeteringStanding:
    """What a metering point is, for as long as the registry does not change. Shape (n_meters,) each.

    unit: balance unit; supply, sale: codes of `Supply` and `Sale`; voltage_class: tariff class;
    account: the participant's account; is_market: settled by the county (not a summary, gateway or internal meter).
    retailer_account: of a user in supply mode RETAIL the account of its retailer, else -1; None if there is none.
    """

    meter_id: tuple[str, ...]
    unit: Int64Array
    supply: Int8Array
    sale: Int8Array
    voltage_class: Int64Array
    account: Int64Array
    is_market: BoolArray
    retailer_account: Int64Array | None = field(default=None, metadata=LATER_FIELD)

    def __post_init__(self) -> None:
        shape = (len(self.meter_id),)
        assert self.retailer_account is None or self.retailer_account.shape == shape
        assert self.unit.shape == self.supply.shape == self.sale.shape == shape
        assert self.voltage_class.shape == self.account.shape == self.is_market.shape == shape

    @property
    def buys_in_market(self) -> BoolArray:
        """Whether the energy of a meter's imports is bought in the market, not from D_sup: DIRECT and RETAIL."""
        return np.asarray((self.supply == Supply.DIRECT) | (self.supply == Supply.RETAIL), dtype=np.bool_)

    @property
    def lacks_retailer(self) -> BoolArray:
        """Whether a meter is in supply mode RETAIL and no retailer answers for its energy."""
        without = True if self.retailer_account is None else self.retailer_account < 0
        return np.asarray((self.supply == Supply.RETAIL) & without, dtype=np.bool_)

    @property
    def energy_account(self) -> Int64Array:
        """Return who answers for the energy of each meter's imports: of RETAIL the retailer, else the participant."""
        if self.retailer_account is None:
            return self.account
        served = (self.supply == Supply.RETAIL) & (self.retailer_account >= 0)
        return np.asarray(np.where(served, self.retailer_account, self.account), dtype=np.int64)


@dataclass(frozen=True)
class MeteredEnergy:
    """Interval energy of every meter, shape (n_meters,), Wh >= 0 (metering.py); import and export are never netted.

    substituted: the energy was estimated by a named rule, so what is settled on it is provisional.
    Rows of meters that are not market meters are ignored.
    """

    import_wh: Int64Array
    export_wh: Int64Array
    substituted: BoolArray


@dataclass(frozen=True)
class GatewayEnergy:
    """Exchange with the province: metered at the county gateway, and scheduled in the day-ahead session (Wh, >= 0)."""

    import_wh: int
    export_wh: int
    day_ahead_import_wh: int = 0
    day_ahead_export_wh: int = 0


@dataclass(frozen=True)
class Session:
    """One cleared session of this interval.

    clearing: with the fills before curtailment; pairs: of those fills.
    province_price_uyuan_per_kwh: P_DA of a day-ahead session, r of a rolling one.
    curtailed_wh: shape (n_pairs,), what curtailment after the last round took from the seller of each pair.
    """

    kind: SessionKind
    orders: OrderBatch
    clearing: ClearingResult
    pairs: Pairs
    curtailed_wh: Int64Array
    province_price_uyuan_per_kwh: int

    def __post_init__(self) -> None:
        assert self.curtailed_wh.shape == self.pairs.energy_wh.shape
        assert self.clearing.filled_wh.shape == self.orders.energy_wh.shape


@dataclass(frozen=True)
class ListingContracts:
    """Listing contracts that deliver in this interval, financial: the buyer pays Q_L (P_L - P_ref). Shape (n,) each.

    seller_meter, buyer_meter: the metering points whose participants are bound.
    """

    contract_id: tuple[str, ...]
    seller_meter: Int64Array
    buyer_meter: Int64Array
    energy_wh: Int64Array
    price_uyuan_per_kwh: Int64Array


NO_LISTING = ListingContracts(
    (), np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int64)
)


@dataclass(frozen=True)
class ProvincePrices:
    """Provincial prices of the interval: real-time, day-ahead, and P_ref, the root's day-ahead price (listing)."""

    real_time_uyuan_per_kwh: int
    day_ahead_uyuan_per_kwh: int = 0
    reference_uyuan_per_kwh: int = 0


@dataclass(frozen=True)
class SettlementInputs:
    """Everything that one interval's settlement depends on.

    unit_tariff_uyuan_per_kwh: shape (n_units,), g(n) = T(up(V_n, k_n)) (market.network_fee).
    deviation_basis_uyuan_per_kwh: shape (n_units,), the basis of the last session's clearing (zeros without one).
    setpoint_wh: shape (n_meters,), the limit of net export in this interval; -1: none.
    loss_wh: shape (n_units,), measured loss by unit (metering.loss_by_unit).
    """

    interval: int
    tree: BalanceTree
    unit_tariff_uyuan_per_kwh: Int64Array
    accounts: AccountTable
    standing: MeteringStanding
    metered: MeteredEnergy
    gateway: GatewayEnergy
    sessions: tuple[Session, ...]
    deviation_basis_uyuan_per_kwh: Int64Array
    setpoint_wh: Int64Array
    loss_wh: Int64Array
    prices: ProvincePrices
    parameters: SettlementParameters
    listing: ListingContracts = NO_LISTING

    def __post_init__(self) -> None:
        n_meters, n_units = len(self.standing.meter_id), len(self.tree.unit_id)
        assert self.metered.import_wh.shape == self.metered.export_wh.shape == (n_meters,)
        assert self.metered.substituted.shape == self.setpoint_wh.shape == (n_meters,)
        assert self.unit_tariff_uyuan_per_kwh.shape == self.loss_wh.shape == (n_units,)
        assert self.deviation_basis_uyuan_per_kwh.shape == (n_units,)
        assert all(session.orders.interval == self.interval for session in self.sessions)


def standing_from_registry(
    registry: Registry, unit_id: tuple[str, ...], voltage_class: tuple[str, ...], accounts: AccountTable
) -> MeteringStanding:
    """Return the standing columns of all metering points, in the registry's order.

    :param unit_id: units in the order of the balance tree
    :param voltage_class: tariff classes in the order of the settlement parameters
    :raises SettlementInputError: naming a meter whose unit, class or participant has no position
    """
    units = {name: position for position, name in enumerate(unit_id)}
    classes = {name: position for position, name in enumerate(voltage_class)}
    participants = {name: position for position, name in enumerate(accounts.participant_id)}
    points = registry.metering_points
    for point in points:
        if point.unit_id not in units:
            raise SettlementInputError(f"meter {point.meter_id}: unit {point.unit_id} is not in the balance tree")
        if point.voltage_class not in classes:
            raise SettlementInputError(f"meter {point.meter_id}: no tariff class {point.voltage_class}")
        if point.participant_id not in participants:
            raise SettlementInputError(f"meter {point.meter_id}: participant {point.participant_id} has no account")
    return MeteringStanding(
        meter_id=tuple(point.meter_id for point in points),
        unit=np.array([units[point.unit_id] for point in points], np.int64),
        supply=np.array([_SUPPLY_CODE[point.supply_mode] for point in points], np.int8),
        sale=np.array([_SALE_CODE[point.sale_mode] for point in points], np.int8),
        voltage_class=np.array([classes[point.voltage_class] for point in points], np.int64),
        account=np.array([participants[point.participant_id] for point in points], np.int64),
        is_market=np.array([point.kind in MARKET_METER_KINDS for point in points], np.bool_),
    )


_SUPPLY_CODE = {mode: Supply[mode.name] for mode in SupplyMode}
_SALE_CODE = {mode: Sale[mode.name] for mode in SaleMode}
