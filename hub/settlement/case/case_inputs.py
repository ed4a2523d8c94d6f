"""From a settle case to the inputs of the interval settlement: names to positions, and what is missing refused.

Orders are those that the pairs imply, filled as the pairs say: one a direct meter, one a book and unit, one a side of
the province.
"""

from collections.abc import Sequence

import numpy as np

from edge.contract.interval import day_of_interval
from edge.contract.registry import SaleMode, SupplyMode
from hub.market.network_fee import NetworkFeeError, level_above
from hub.market.trades import NO_LIMIT_WH, BalanceTree, ClearingResult, Int64Array, OrderBatch, Pairs, Party, TradeSide
from hub.settlement.accounts import account_table
from hub.settlement.case.documents import (
    SettleCase,
    SettleCaseError,
    SettleMeter,
    SettlePair,
    SettlePrices,
    SettleSession,
    SettleUnit,
)
from hub.settlement.inputs import (
    NO_LISTING,
    GatewayEnergy,
    ListingContracts,
    MeteredEnergy,
    MeteringStanding,
    ProvincePrices,
    Sale,
    Session,
    SessionKind,
    SettlementInputs,
    Supply,
)
from hub.settlement.prices import Price, SettlementParameters

PROVINCE = "province"
LOSS_PREFIX = "LOSS:"
_Key = tuple[int, Party, TradeSide, int]


def settlement_inputs(case: SettleCase) -> SettlementInputs:
    """Return the settlement inputs of a case.

    :raises SettleCaseError: if the units are no tree, a name is unknown or stands twice, a price is missing that a
        meter's mode needs, or a session has no price for a unit
    :raises AccountTableError: if an account has the name of a system account
    """
    units = _positions([unit.unit for unit in case.units], "unit")
    meters = _positions([meter.meter for meter in case.meters], "meter")
    tree = _tree(case.units, units)
    for meter in case.meters:
        _require(meter.unit in units, f"meter {meter.meter!r}: no unit {meter.unit!r}")
        _require(meter.meter != PROVINCE and not meter.meter.startswith(LOSS_PREFIX), f"meter {meter.meter!r}: a name")
    scheduled = case.gateway.day_ahead_import_wh or case.gateway.day_ahead_export_wh
    if scheduled or any(session.kind == SessionKind.DAY_AHEAD.name for session in case.sessions):
        known = case.prices.day_ahead_uyuan_per_kwh is not None
        _require(known, f"row 52 on {_day(case)}: load day_ahead_uyuan_per_kwh")
    parameters = _parameters(case)
    standing, accounts = _standing(case, units, parameters.voltage_class)
    sessions = tuple(_session(case, session, units, meters) for session in case.sessions)
    no_basis = np.zeros(len(units), np.int64)
    loss_wh = [unit.loss_wh for unit in case.units]
    return SettlementInputs(
        interval=case.interval,
        tree=tree,
        unit_tariff_uyuan_per_kwh=_unit_tariffs(case),
        accounts=account_table(accounts),
        standing=standing,
        metered=MeteredEnergy(
            import_wh=_column([meter.import_wh for meter in case.meters]),
            export_wh=_column([meter.export_wh for meter in case.meters]),
            substituted=np.array([meter.substituted for meter in case.meters], np.bool_),
        ),
        gateway=GatewayEnergy(
            import_wh=case.gateway.import_wh,
            export_wh=case.gateway.export_wh,
            day_ahead_import_wh=case.gateway.day_ahead_import_wh,
            day_ahead_export_wh=case.gateway.day_ahead_export_wh,
        ),
        sessions=sessions,
        deviation_basis_uyuan_per_kwh=sessions[-1].clearing.basis_uyuan_per_kwh if sessions else no_basis,
        setpoint_wh=_column([-1 if meter.setpoint_wh is None else meter.setpoint_wh for meter in case.meters]),
        loss_wh=_column(loss_wh),
        prices=ProvincePrices(
            real_time_uyuan_per_kwh=case.prices.real_time_uyuan_per_kwh,
            day_ahead_uyuan_per_kwh=case.prices.day_ahead_uyuan_per_kwh or 0,
            reference_uyuan_per_kwh=case.prices.reference_uyuan_per_kwh or 0,
        ),
        parameters=parameters,
        listing=_listing(case, meters),
    )


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise SettleCaseError(what)


def _column(values: Sequence[int]) -> Int64Array:
    return np.array(values, np.int64)


def _positions(names: Sequence[str], what: str) -> dict[str, int]:
    positions: dict[str, int] = {}
    for name in names:
        _require(name not in positions, f"{what} {name!r} stands twice")
        positions[name] = len(positions)
    return positions


def _tree(units: Sequence[SettleUnit], positions: dict[str, int]) -> BalanceTree:
    parent = []
    for number, unit in enumerate(units):
        if unit.parent is None:
            _require(number == 0, f"unit {unit.unit!r}: only the first unit has no parent")
            parent.append(-1)
            continue
        at = positions.get(unit.parent, len(units))
        _require(at < number, f"unit {unit.unit!r}: no parent {unit.parent!r} before it")
        parent.append(at)
    no_limit = np.full(len(units), NO_LIMIT_WH, np.int64)
    return BalanceTree(tuple(positions), _column(parent), no_limit, no_limit, np.zeros(len(units), np.int64))


def _unit_tariffs(case: SettleCase) -> Int64Array:
    """Return g(n) = T(up(V_n, k_n)) of every unit (row 28)."""
    tariff, values = case.prices.network_tariff_uyuan_per_kwh, []
    for unit in case.units:
        try:
            level = level_above(unit.voltage_class, unit.levels_up)
        except NetworkFeeError as error:
            raise SettleCaseError(f"unit {unit.unit!r}: {error}") from None
        _require(level in tariff, f"row 97 on {_day(case)}: unit {unit.unit!r} needs the network tariff of {level!r}")
        values.append(tariff[level])
    return _column(values)


def _day(case: SettleCase) -> str:
    return day_of_interval(case.interval).isoformat()


def _standing(
    case: SettleCase, units: dict[str, int], classes: tuple[str, ...]
) -> tuple[MeteringStanding, tuple[str, ...]]:
    accounts: dict[str, int] = {}
    class_positions = []
    for meter in case.meters:
        accounts.setdefault(meter.account, len(accounts))
        name = meter.voltage_class or case.units[units[meter.unit]].voltage_class
        _require(name in classes, f"row 97 on {_day(case)}: meter {meter.meter!r} needs the network tariff of {name!r}")
        class_positions.append(classes.index(name))
        is_retail = meter.supply is SupplyMode.RETAIL
        _require(
            is_retail == (meter.retailer is not None),
            f"row 79 on {_day(case)}: meter {meter.meter!r}: supply mode RETAIL, and it alone, names a retailer",
        )
    retailers = [meter.retailer for meter in case.meters]
    for retailer in retailers:
        if retailer is not None:
            accounts.setdefault(retailer, len(accounts))
    of_retailer = _column([-1 if one is None else accounts[one] for one in retailers])
    standing = MeteringStanding(
        meter_id=tuple(meter.meter for meter in case.meters),
        unit=_column([units[meter.unit] for meter in case.meters]),
        supply=np.array([Supply[meter.supply.name] for meter in case.meters], np.int8),
        sale=np.array([Sale[meter.sale.name] for meter in case.meters], np.int8),
        voltage_class=_column(class_positions),
        account=_column([accounts[meter.account] for meter in case.meters]),
        is_market=np.ones(len(case.meters), np.bool_),
        retailer_account=of_retailer if any(retailers) else None,
    )
    return standing, tuple(accounts)


def _parameters(case: SettleCase) -> SettlementParameters:
    prices, classes = case.prices, tuple(case.prices.network_tariff_uyuan_per_kwh)
    _require(prices.gateway_class in classes, f"row 97 on {_day(case)}: no network tariff of {prices.gateway_class!r}")
    supplies, sales = {meter.supply for meter in case.meters}, {meter.sale for meter in case.meters}
    comprehensive_class = prices.comprehensive_voltage_class
    if SaleMode.COMMISSION in sales:
        known = comprehensive_class in classes
        _require(known, f"row 25 on {_day(case)}: load comprehensive_voltage_class, one of {', '.join(classes)}")

    def loaded(name: str, *, row: int, needed: bool) -> Price:
        value = getattr(prices, name)
        _require(value is not None or not needed, f"row {row} on {_day(case)}: load {name}")
        return Price(value or 0, f"{prices.version}-{name}")

    return SettlementParameters(
        province=prices.version,
        day=day_of_interval(case.interval),
        voltage_class=classes,
        gateway_class=classes.index(prices.gateway_class),
        network_tariff=_tariff_versions(prices),
        upstream_loss=loaded("upstream_loss_uyuan_per_kwh", row=110, needed=True),
        loss_fee=loaded("loss_fee_uyuan_per_kwh", row=111, needed=True),
        agency_energy=loaded("agency_energy_uyuan_per_kwh", row=169, needed=SupplyMode.AGENCY in supplies),
        guaranteed_price=loaded("guaranteed_uyuan_per_kwh", row=96, needed=SupplyMode.GUARANTEED in supplies),
        on_grid_price=loaded("on_grid_uyuan_per_kwh", row=26, needed=SaleMode.PURCHASE in sales),
        comprehensive_price=loaded("comprehensive_uyuan_per_kwh", row=25, needed=SaleMode.COMMISSION in sales),
        comprehensive_class=classes.index(comprehensive_class) if comprehensive_class in classes else 0,
    )


def _tariff_versions(prices: SettlePrices) -> tuple[Price, ...]:
    tariff = prices.network_tariff_uyuan_per_kwh
    return tuple(Price(value, f"{prices.version}-T-{name}") for name, value in tariff.items())


def _listing(case: SettleCase, meters: dict[str, int]) -> ListingContracts:
    if not case.listing:
        return NO_LISTING
    what = f"row 50 on {_day(case)}: load reference_uyuan_per_kwh, the listing contracts are settled against it"
    _require(case.prices.reference_uyuan_per_kwh is not None, what)
    for contract in case.listing:
        for name in (contract.seller, contract.buyer):
            _require(name in meters, f"listing {contract.contract!r}: no meter {name!r}")
    return ListingContracts(
        contract_id=tuple(contract.contract for contract in case.listing),
        seller_meter=_column([meters[contract.seller] for contract in case.listing]),
        buyer_meter=_column([meters[contract.buyer] for contract in case.listing]),
        energy_wh=_column([contract.energy_wh for contract in case.listing]),
        price_uyuan_per_kwh=_column([contract.price_uyuan_per_kwh for contract in case.listing]),
    )


def _session(case: SettleCase, given: SettleSession, units: dict[str, int], meters: dict[str, int]) -> Session:
    for name in (*given.price_uyuan_per_kwh, *given.basis_uyuan_per_kwh, *(pair.apex for pair in given.pairs)):
        _require(name in units, f"{given.kind} session: no unit {name!r}")
    for name in units:
        _require(name in given.price_uyuan_per_kwh, f"{given.kind} session: no price of unit {name!r}")
    orders: dict[_Key, int] = {}
    ends = [
        [
            orders.setdefault(_order_key(case, pair, side, units, meters), len(orders))
            for side in (TradeSide.SELL, TradeSide.BUY)
        ]
        for pair in given.pairs
    ]
    seller, buyer = _column([end[0] for end in ends]), _column([end[1] for end in ends])
    energy_wh = _column([pair.energy_wh for pair in given.pairs])
    filled_wh = np.zeros(len(orders), np.int64)
    np.add.at(filled_wh, seller, energy_wh)
    np.add.at(filled_wh, buyer, energy_wh)
    return Session(
        kind=SessionKind[given.kind],
        orders=_order_batch(case, given, list(orders), filled_wh),
        clearing=_clearing(given, units, filled_wh),
        pairs=Pairs(
            seller=seller,
            buyer=buyer,
            energy_wh=energy_wh,
            apex=_column([units[pair.apex] for pair in given.pairs]),
            mode=np.array([pair.mode for pair in given.pairs], np.int8),
            price_paid_uyuan_per_kwh=_column([pair.price_paid_uyuan_per_kwh for pair in given.pairs]),
            price_received_uyuan_per_kwh=_column([pair.price_received_uyuan_per_kwh for pair in given.pairs]),
            network_charge_uyuan_per_kwh=_column([pair.network_charge_uyuan_per_kwh for pair in given.pairs]),
            upstream_loss_uyuan_per_kwh=_column([pair.upstream_loss_uyuan_per_kwh for pair in given.pairs]),
        ),
        curtailed_wh=_column([pair.curtailed_wh for pair in given.pairs]),
        province_price_uyuan_per_kwh=given.province_price_uyuan_per_kwh,
    )


def _pair_name(pair: SettlePair) -> str:
    return f"pair {pair.seller!r} to {pair.buyer!r}"


def _order_key(
    case: SettleCase, pair: SettlePair, side: TradeSide, units: dict[str, int], meters: dict[str, int]
) -> _Key:
    """Return (unit, party, side, meter) of the order behind one end of a pair."""
    name = pair.seller if side is TradeSide.SELL else pair.buyer
    if name == PROVINCE:
        return 0, Party.PROVINCE, side, -1
    if side is TradeSide.BUY and name.startswith(LOSS_PREFIX):
        unit = name.removeprefix(LOSS_PREFIX)
        _require(unit in units, f"{_pair_name(pair)}: no unit {unit!r}")
        return units[unit], Party.LOSS, side, -1
    _require(name in meters, f"{_pair_name(pair)}: no meter {name!r}")
    meter = case.meters[meters[name]]
    party = _seller_party(meter, pair) if side is TradeSide.SELL else _buyer_party(meter, pair)
    return units[meter.unit], party, side, meters[name] if party is Party.DIRECT else -1


def _seller_party(meter: SettleMeter, pair: SettlePair) -> Party:
    parties = {SaleMode.DIRECT: Party.DIRECT, SaleMode.COMMISSION: Party.COMMISSION, SaleMode.PURCHASE: Party.PURCHASE}
    _require(meter.sale in parties, f"{_pair_name(pair)}: the seller's sale mode is {meter.sale.value}")
    return parties[meter.sale]


def _buyer_party(meter: SettleMeter, pair: SettlePair) -> Party:
    parties = {
        SupplyMode.DIRECT: Party.DIRECT,
        SupplyMode.RETAIL: Party.DIRECT,
        SupplyMode.AGENCY: Party.SUPPLY,
        SupplyMode.GUARANTEED: Party.SUPPLY,
    }
    _require(meter.supply in parties, f"{_pair_name(pair)}: the buyer's supply mode is {meter.supply.value}")
    return parties[meter.supply]


def _order_batch(
    case: SettleCase,
    given: SettleSession,
    keys: list[_Key],
    filled_wh: Int64Array,
) -> OrderBatch:
    return OrderBatch(
        interval=case.interval,
        order_id=tuple(f"{given.kind}/{number}" for number in range(len(keys))),
        unit=_column([unit for unit, _, _, _ in keys]),
        meter=_column([meter for _, _, _, meter in keys]),
        side=np.array([side for _, _, side, _ in keys], np.int8),
        party=np.array([party for _, party, _, _ in keys], np.int8),
        energy_wh=filled_wh.copy(),
        price_uyuan_per_kwh=np.zeros(len(keys), np.int64),
        clean=np.zeros(len(keys), np.bool_),
        submitted_utc_s=np.zeros(len(keys), np.int64),
    )


def _clearing(given: SettleSession, units: dict[str, int], filled_wh: Int64Array) -> ClearingResult:
    nothing = np.zeros(len(units), np.int64)
    return ClearingResult(
        filled_wh=filled_wh,
        price_uyuan_per_kwh=_column([given.price_uyuan_per_kwh[name] for name in units]),
        flow_up_wh=nothing,
        shadow_uyuan_per_kwh=nothing,
        basis_uyuan_per_kwh=_column([given.basis_uyuan_per_kwh.get(name, 0) for name in units]),
        binding_export=np.zeros(len(units), np.bool_),
        binding_import=np.zeros(len(units), np.bool_),
        price_rule="case",
    )
