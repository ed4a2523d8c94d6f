"""The laws on random small counties: several sessions, congestion, curtailment, all modes, signed prices."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.market.trades import BalanceTree, ClearingResult, Int64Array, OrderBatch, Pairs, Party, TradeSide
from hub.settlement.accounts import AccountTable, SystemAccount
from hub.settlement.checks import (
    check_postings,
    check_reversal,
    check_statements,
    check_trial_balance,
)
from hub.settlement.input_hash import input_hash
from hub.settlement.inputs import (
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
from hub.settlement.interval_settlement import settle_interval
from hub.settlement.ledger import post_transfers, reverse_batch, trial_balance
from hub.settlement.prices import Price, SettlementParameters
from hub.settlement.statements import add_lines, close_day, interval_lines, post_rounding
from hub.settlement.transfers import TransferKind

INTERVAL = 1_626_192
ENERGY = st.integers(0, 12)
PRICE = st.integers(-4, 6)
LIMIT = 2**62
N_CLASSES = 3
# Drawing a county takes long on a busy machine; that says nothing about the county.
SLOW = (HealthCheck.too_slow,)
ACCOUNTS = AccountTable(tuple(f"P{number}" for number in range(4)), ("retailer",))
"""Of every county that is drawn: four participants, and an account that was opened later."""


def column(values: Any, dtype: Any = np.int64) -> Any:
    return np.array(list(values), dtype)


@dataclass(frozen=True)
class Skeleton:
    """What sessions are drawn for."""

    n_units: int
    standing: MeteringStanding
    tariff: Any
    unit_tariff: Any


@st.composite
def parameters(draw: st.DrawFn) -> SettlementParameters:
    def price(name: str) -> Price:
        return Price(draw(st.integers(0, 6)), name)

    return SettlementParameters(
        province="random",
        day=date(2016, 5, 17),
        voltage_class=("low", "medium", "high"),
        gateway_class=2,
        network_tariff=tuple(price(f"T{number}") for number in range(N_CLASSES)),
        upstream_loss=price("u"),
        loss_fee=price("fee"),
        agency_energy=price("agency"),
        guaranteed_price=price("guaranteed"),
        on_grid_price=price("on-grid"),
        comprehensive_price=price("comprehensive"),
        comprehensive_class=0,
    )


@st.composite
def standings(draw: st.DrawFn, n_units: int, n_participants: int) -> MeteringStanding:
    n = draw(st.integers(2, 7))
    supplies = st.sampled_from([Supply.DIRECT, Supply.RETAIL, Supply.AGENCY, Supply.GUARANTEED])
    sales = st.sampled_from([Sale.DIRECT, Sale.DIRECT, Sale.COMMISSION, Sale.PURCHASE])
    # Another participant, or an account that was opened later than those of the system.
    retailers = st.integers(0, n_participants - 1) | st.just(len(ACCOUNTS) - 1)
    return MeteringStanding(
        meter_id=tuple(f"M{number}" for number in range(n)),
        unit=column(draw(st.integers(0, n_units - 1)) for _ in range(n)),
        supply=column((draw(supplies) for _ in range(n)), np.int8),
        sale=column((draw(sales) for _ in range(n)), np.int8),
        voltage_class=column(draw(st.integers(0, N_CLASSES - 1)) for _ in range(n)),
        account=column(draw(st.integers(0, n_participants - 1)) for _ in range(n)),
        is_market=column((draw(st.integers(0, 5)) > 0 for _ in range(n)), np.bool_),
        retailer_account=column(draw(retailers) for _ in range(n)),
    )


def order_rows(skeleton: Skeleton) -> list[tuple[TradeSide, Party, int, int]]:
    """(side, party, unit, meter): two orders of each direct role, every book of every unit, both of the province."""
    standing, rows = skeleton.standing, []
    for meter in np.flatnonzero(standing.is_market).tolist():
        unit = int(standing.unit[meter])
        if standing.sale[meter] == Sale.DIRECT:
            rows += [(TradeSide.SELL, Party.DIRECT, unit, meter)] * 2
        if standing.buys_in_market[meter]:
            rows += [(TradeSide.BUY, Party.DIRECT, unit, meter)] * 2
    for unit in range(skeleton.n_units):
        rows += [(TradeSide.SELL, party, unit, -1) for party in (Party.PURCHASE, Party.COMMISSION)]
        rows += [(TradeSide.BUY, party, unit, -1) for party in (Party.SUPPLY, Party.LOSS)]
    return [*rows, (TradeSide.SELL, Party.PROVINCE, 0, -1), (TradeSide.BUY, Party.PROVINCE, 0, -1)]


def drawn_pairs(draw: st.DrawFn, skeleton: Skeleton, basis: Int64Array, price: int) -> Int64Array:
    """Return a session's pairs, a row each: seller, buyer, energy, apex, mode, prices, charges, curtailed."""
    rows = order_rows(skeleton)
    sellers = [number for number, row in enumerate(rows) if row[0] is TradeSide.SELL]
    buyers = [number for number, row in enumerate(rows) if row[0] is TradeSide.BUY]
    drawn: list[tuple[int, ...]] = []
    for _ in range(draw(st.integers(0, 7))):
        seller, buyer = draw(st.sampled_from(sellers)), draw(st.sampled_from(buyers))
        _, seller_party, seller_unit, _ = rows[seller]
        _, buyer_party, buyer_unit, buyer_meter = rows[buyer]
        if seller_party is Party.PROVINCE and buyer_party is Party.PROVINCE:
            continue
        energy, received = draw(ENERGY), draw(PRICE)
        at_seller = 0 if seller_party is Party.PROVINCE else int(basis[seller_unit])
        at_buyer = 0 if buyer_party is Party.PROVINCE else int(basis[buyer_unit])
        apex = 0 if Party.PROVINCE in (seller_party, buyer_party) else draw(st.integers(0, skeleton.n_units - 1))
        charge = 0
        if buyer_party is Party.DIRECT:
            full = int(skeleton.tariff[skeleton.standing.voltage_class[buyer_meter]])
            charge = max(0, full - int(skeleton.unit_tariff[apex])) if seller_party is Party.DIRECT else full
        mode = {Party.DIRECT: 1, Party.COMMISSION: 2, Party.PURCHASE: 3, Party.PROVINCE: 0}[seller_party]
        upstream = draw(st.integers(0, 3)) if seller_party is Party.PROVINCE else 0
        curtailed = 0 if seller_party is Party.PROVINCE else draw(st.integers(0, energy))
        if seller_party is Party.PROVINCE:
            received = price
        elif buyer_party is Party.PROVINCE:
            received = price + at_seller
        paid = received + at_buyer - at_seller
        drawn.append((seller, buyer, energy, apex, mode, paid, received, charge, upstream, curtailed))
    return np.array(drawn, np.int64).reshape(-1, 10)


@st.composite
def sessions(draw: st.DrawFn, skeleton: Skeleton, kind: SessionKind, price: int) -> Session:
    rows = order_rows(skeleton)
    basis = column(draw(PRICE) for _ in range(skeleton.n_units))
    table = drawn_pairs(draw, skeleton, basis, price)
    filled = np.zeros(len(rows), np.int64)
    np.add.at(filled, table[:, 0], table[:, 2])
    np.add.at(filled, table[:, 1], table[:, 2])
    zeros = np.zeros(len(rows), np.int64)
    return Session(
        kind=kind,
        orders=OrderBatch(
            interval=INTERVAL,
            order_id=tuple(f"{kind.name}-{number}" for number in range(len(rows))),
            unit=column(row[2] for row in rows),
            meter=column(row[3] for row in rows),
            side=column((row[0] for row in rows), np.int8),
            party=column((row[1] for row in rows), np.int8),
            energy_wh=filled,
            price_uyuan_per_kwh=zeros,
            clean=zeros.astype(np.bool_),
            submitted_utc_s=zeros,
        ),
        clearing=ClearingResult(
            filled_wh=filled,
            price_uyuan_per_kwh=column(draw(PRICE) for _ in range(skeleton.n_units)),
            flow_up_wh=np.zeros(skeleton.n_units, np.int64),
            shadow_uyuan_per_kwh=np.zeros(skeleton.n_units, np.int64),
            basis_uyuan_per_kwh=basis,
            binding_export=np.zeros(skeleton.n_units, np.bool_),
            binding_import=np.zeros(skeleton.n_units, np.bool_),
            price_rule="random",
        ),
        pairs=Pairs(
            seller=table[:, 0],
            buyer=table[:, 1],
            energy_wh=table[:, 2],
            apex=table[:, 3],
            mode=table[:, 4].astype(np.int8),
            price_paid_uyuan_per_kwh=table[:, 5],
            price_received_uyuan_per_kwh=table[:, 6],
            network_charge_uyuan_per_kwh=table[:, 7],
            upstream_loss_uyuan_per_kwh=table[:, 8],
        ),
        curtailed_wh=table[:, 9],
        province_price_uyuan_per_kwh=price,
    )


@st.composite
def listings(draw: st.DrawFn, standing: MeteringStanding) -> ListingContracts:
    n, meter = draw(st.integers(0, 2)), st.integers(0, len(standing.meter_id) - 1)
    return ListingContracts(
        contract_id=tuple(f"L{number}" for number in range(n)),
        seller_meter=column(draw(meter) for _ in range(n)),
        buyer_meter=column(draw(meter) for _ in range(n)),
        energy_wh=column(draw(ENERGY) for _ in range(n)),
        price_uyuan_per_kwh=column(draw(PRICE) for _ in range(n)),
    )


def gateway_of(drawn: list[Session], net_wh: int, extra_wh: int) -> GatewayEnergy:
    """The gateway's registers that agree with the county's balance, and the schedule of the day-ahead session."""
    schedule = {TradeSide.SELL: 0, TradeSide.BUY: 0}
    for session in drawn:
        for side in schedule:
            own = (session.orders.party == Party.PROVINCE) & (session.orders.side == side)
            if session.kind is SessionKind.DAY_AHEAD:
                schedule[side] += int(session.clearing.filled_wh[own].sum())
    return GatewayEnergy(
        import_wh=max(net_wh, 0) + extra_wh,
        export_wh=max(-net_wh, 0) + extra_wh,
        day_ahead_import_wh=schedule[TradeSide.SELL],
        day_ahead_export_wh=schedule[TradeSide.BUY],
    )


@st.composite
def counties(draw: st.DrawFn) -> SettlementInputs:
    n_units, n_participants = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    loaded = draw(parameters())
    unit_class = column(draw(st.integers(0, N_CLASSES - 1)) for _ in range(n_units))
    standing = draw(standings(n_units, n_participants))
    n = len(standing.meter_id)
    skeleton = Skeleton(n_units, standing, loaded.network_tariff_uyuan_per_kwh, None)
    skeleton = replace(skeleton, unit_tariff=skeleton.tariff[unit_class])
    kinds = draw(st.lists(st.sampled_from(list(SessionKind)), max_size=3))
    prices = ProvincePrices(draw(PRICE), draw(PRICE), draw(PRICE))
    at = {SessionKind.DAY_AHEAD: prices.day_ahead_uyuan_per_kwh, SessionKind.ROLLING: draw(PRICE)}
    drawn = [draw(sessions(skeleton, kind, at[kind])) for kind in sorted(kinds)]
    import_wh = column(draw(ENERGY) for _ in range(n))
    export_wh = column(draw(ENERGY) for _ in range(n))
    loss_wh = column(draw(ENERGY) for _ in range(n_units))
    net_wh = int(loss_wh.sum() + (import_wh - export_wh)[standing.is_market].sum())
    basis = drawn[-1].clearing.basis_uyuan_per_kwh if drawn else column(draw(PRICE) for _ in range(n_units))
    return SettlementInputs(
        interval=INTERVAL,
        tree=BalanceTree(
            unit_id=tuple(f"U{number}" for number in range(n_units)),
            parent=column(draw(st.integers(0, u - 1)) if u else -1 for u in range(n_units)),
            export_limit_wh=np.full(n_units, LIMIT),
            import_limit_wh=np.full(n_units, LIMIT),
            fee_uyuan_per_kwh=np.zeros(n_units, np.int64),
        ),
        unit_tariff_uyuan_per_kwh=skeleton.unit_tariff,
        accounts=ACCOUNTS,
        standing=standing,
        metered=MeteredEnergy(import_wh, export_wh, np.zeros(n, np.bool_)),
        gateway=gateway_of(drawn, net_wh, draw(ENERGY)),
        sessions=tuple(drawn),
        deviation_basis_uyuan_per_kwh=basis,
        setpoint_wh=column(draw(st.integers(-1, 12)) for _ in range(n)),
        loss_wh=loss_wh,
        prices=prices,
        parameters=loaded,
        listing=draw(listings(standing)),
    )


def permuted(inputs: SettlementInputs, order: list[int]) -> SettlementInputs:
    """The same county with its meters in another order."""
    old = np.array(order, np.int64)
    new = np.empty_like(old)
    new[old] = np.arange(old.size)

    def moved(meter: Any) -> Any:
        return np.where(meter >= 0, new[meter], -1)

    standing, metered = inputs.standing, inputs.metered
    return replace(
        inputs,
        standing=MeteringStanding(
            meter_id=tuple(standing.meter_id[meter] for meter in order),
            unit=standing.unit[old],
            supply=standing.supply[old],
            sale=standing.sale[old],
            voltage_class=standing.voltage_class[old],
            account=standing.account[old],
            is_market=standing.is_market[old],
            retailer_account=None if standing.retailer_account is None else standing.retailer_account[old],
        ),
        metered=MeteredEnergy(metered.import_wh[old], metered.export_wh[old], metered.substituted[old]),
        setpoint_wh=inputs.setpoint_wh[old],
        sessions=tuple(
            replace(session, orders=replace(session.orders, meter=moved(session.orders.meter)))
            for session in inputs.sessions
        ),
        listing=replace(
            inputs.listing,
            seller_meter=moved(inputs.listing.seller_meter),
            buyer_meter=moved(inputs.listing.buyer_meter),
        ),
    )


@settings(max_examples=200, deadline=None, suppress_health_check=SLOW)
@given(counties())
def test_every_law_holds_on_random_counties(inputs: SettlementInputs) -> None:
    settlement = settle_interval(inputs)
    assert settlement.violations == ()
    assert settlement.ledger_nano_yuan.tolist() == settlement.independent_nano_yuan.tolist()
    assert settlement.ledger_nano_yuan.sum() == 0
    rows = settlement.transfers
    assert rows.amount_nano_yuan.tolist() == (rows.quantity_wh * rows.price_uyuan_per_kwh).tolist()


OF_THE_GRID = (
    *(TransferKind.NETWORK_COVERED, TransferKind.NETWORK_UNCOVERED, TransferKind.LOSS_FEE, TransferKind.UPSTREAM_LOSS),
)


@settings(max_examples=40, deadline=None, suppress_health_check=SLOW)
@given(counties())
def test_a_retailer_answers_for_its_users_energy_and_they_for_the_grid(inputs: SettlementInputs) -> None:
    """Each payment for a metering point's imports has the payer that rows 79, 94 and 110 name, and the payee of a
    direct user's: with every RETAIL user made a DIRECT one, no payee gets more or less.
    """
    standing, rows = inputs.standing, settle_interval(inputs).transfers
    assert standing.retailer_account is not None
    bought = (rows.from_meter >= 0) & ~np.isin(rows.kind, [TransferKind.EXCESS_EXPORT])
    for row in np.flatnonzero(bought).tolist():
        meter = int(rows.from_meter[row])
        is_energy = standing.supply[meter] == Supply.RETAIL and rows.kind[row] not in OF_THE_GRID
        payer = standing.retailer_account if is_energy else standing.account
        assert rows.from_account[row] == payer[meter]
    supply = np.where(standing.supply == Supply.RETAIL, Supply.DIRECT, standing.supply).astype(np.int8)
    direct = settle_interval(replace(inputs, standing=replace(standing, supply=supply))).transfers
    assert direct.to_account.tolist() == rows.to_account.tolist()
    assert direct.amount_nano_yuan.tolist() == rows.amount_nano_yuan.tolist()


@settings(max_examples=50, deadline=None, suppress_health_check=SLOW)
@given(counties(), st.randoms(use_true_random=False))
def test_the_order_of_meters_is_irrelevant(inputs: SettlementInputs, chance: Any) -> None:
    order = list(range(len(inputs.standing.meter_id)))
    chance.shuffle(order)
    once, again = settle_interval(inputs), settle_interval(permuted(inputs, order))
    assert once.ledger_nano_yuan.tolist() == again.ledger_nano_yuan.tolist()
    assert again.violations == ()


@settings(max_examples=40, deadline=None, suppress_health_check=SLOW)
@given(st.lists(counties(), min_size=1, max_size=3))
def test_postings_and_statements_book_the_ledger(drawn: list[SettlementInputs]) -> None:
    accounts = ACCOUNTS
    # scaled up so that amounts straddle fen borders
    settlements = [settle_interval(scaled(replace(inputs, accounts=accounts), 77_777)) for inputs in drawn]
    n = len(accounts)
    batches = [
        post_transfers(s.transfers, batch_id=f"b{number}", interval=s.interval, input_hash=s.input_hash)
        for number, s in enumerate(settlements)
    ]
    for batch, settlement in zip(batches, settlements, strict=True):
        assert check_postings(batch, settlement.transfers, n) == []
        assert trial_balance([batch], n).balance_nano_yuan == tuple(settlement.ledger_nano_yuan.tolist())
    balance = trial_balance(batches, n)
    assert check_trial_balance(balance, "day") == []
    statements = close_day(
        date(2016, 5, 17),
        add_lines([interval_lines(s.transfers) for s in settlements]),
        accounts,
        rule_version=(),
        input_hash=(),
    )
    assert check_statements(statements, balance) == []
    rounding = post_rounding(statements, accounts, batch_id="r", interval=INTERVAL, input_hash="")
    rounded = trial_balance([*batches, rounding], n).balance_nano_yuan
    fund = accounts.position(SystemAccount.ROUNDING)
    for account in range(n):
        if account != fund:
            assert rounded[account] == statements.total_nano_yuan[account]
    others = sum(rounded) - rounded[fund]
    assert rounded[fund] == -others == int(statements.rounding_nano_yuan.sum())


def scaled(inputs: SettlementInputs, factor: int) -> SettlementInputs:
    """The county with all prices times `factor`, which keeps every law."""

    def price(loaded: Price) -> Price:
        return Price(loaded.value_uyuan_per_kwh * factor, loaded.version_id)

    p = inputs.parameters
    return replace(
        inputs,
        unit_tariff_uyuan_per_kwh=inputs.unit_tariff_uyuan_per_kwh * factor,
        deviation_basis_uyuan_per_kwh=inputs.deviation_basis_uyuan_per_kwh * factor,
        prices=ProvincePrices(
            inputs.prices.real_time_uyuan_per_kwh * factor,
            inputs.prices.day_ahead_uyuan_per_kwh * factor,
            inputs.prices.reference_uyuan_per_kwh * factor,
        ),
        parameters=replace(
            p,
            network_tariff=tuple(price(loaded) for loaded in p.network_tariff),
            upstream_loss=price(p.upstream_loss),
            loss_fee=price(p.loss_fee),
            agency_energy=price(p.agency_energy),
            guaranteed_price=price(p.guaranteed_price),
            on_grid_price=price(p.on_grid_price),
            comprehensive_price=price(p.comprehensive_price),
        ),
        listing=replace(inputs.listing, price_uyuan_per_kwh=inputs.listing.price_uyuan_per_kwh * factor),
        sessions=tuple(
            replace(
                session,
                province_price_uyuan_per_kwh=session.province_price_uyuan_per_kwh * factor,
                clearing=replace(
                    session.clearing,
                    price_uyuan_per_kwh=session.clearing.price_uyuan_per_kwh * factor,
                    basis_uyuan_per_kwh=session.clearing.basis_uyuan_per_kwh * factor,
                ),
                pairs=replace(
                    session.pairs,
                    price_paid_uyuan_per_kwh=session.pairs.price_paid_uyuan_per_kwh * factor,
                    price_received_uyuan_per_kwh=session.pairs.price_received_uyuan_per_kwh * factor,
                    network_charge_uyuan_per_kwh=session.pairs.network_charge_uyuan_per_kwh * factor,
                    upstream_loss_uyuan_per_kwh=session.pairs.upstream_loss_uyuan_per_kwh * factor,
                ),
            )
            for session in inputs.sessions
        ),
    )


@settings(max_examples=20, deadline=None, suppress_health_check=SLOW)
@given(counties())
def test_a_reversal_undoes_its_batch(inputs: SettlementInputs) -> None:
    settlement = settle_interval(inputs)
    batch = post_transfers(settlement.transfers, batch_id="b", interval=INTERVAL, input_hash=settlement.input_hash)
    reversal = reverse_batch(batch, batch_id="b-reversed")
    assert check_reversal(batch, reversal) == []
    assert set(trial_balance([batch, reversal], len(inputs.accounts)).balance_nano_yuan) == {0}


Case = dict[str, Any]


def broken_loss(inputs: SettlementInputs) -> SettlementInputs:
    return replace(inputs, loss_wh=inputs.loss_wh + np.eye(len(inputs.loss_wh), dtype=np.int64)[1])


def broken_gateway(inputs: SettlementInputs) -> SettlementInputs:
    return replace(inputs, gateway=replace(inputs.gateway, import_wh=inputs.gateway.import_wh + 1))


def broken_fill(inputs: SettlementInputs) -> SettlementInputs:
    session = inputs.sessions[0]
    filled = session.clearing.filled_wh.copy()
    filled[0] += 1
    return replace(inputs, sessions=(replace(session, clearing=replace(session.clearing, filled_wh=filled)),))


def broken_pair(field: str, row: int) -> Callable[[SettlementInputs], SettlementInputs]:
    def change(inputs: SettlementInputs) -> SettlementInputs:
        session = inputs.sessions[0]
        values = getattr(session.pairs, field).copy()
        values[row] += 1000
        return replace(inputs, sessions=(replace(session, pairs=replace(session.pairs, **{field: values})),))

    return change


@pytest.mark.parametrize(
    ("change", "laws"),
    [
        (broken_loss, {2, 6}),
        (broken_gateway, {2, 6}),
        (broken_fill, {2, 6}),
        (broken_pair("price_paid_uyuan_per_kwh", 6), {6}),  # rent that is not the basis of the path
        (broken_pair("price_received_uyuan_per_kwh", 7), {6}),  # the province not at its price
        (broken_pair("network_charge_uyuan_per_kwh", 6), {6}),  # w that is not T(V) - g(apex)
    ],
)
def test_a_contradiction_between_sources_is_found(
    change: Callable[[SettlementInputs], SettlementInputs],
    laws: set[int],
    golden_case: Callable[[str], Case],
    case_inputs: Callable[[Case], SettlementInputs],
) -> None:
    inputs = case_inputs(golden_case("worked_interval"))
    assert settle_interval(inputs).violations == ()
    assert {violation.law for violation in settle_interval(change(inputs)).violations} == laws


def test_energy_without_a_mode_is_settled_by_nobody_and_reported(
    golden_case: Callable[[str], Case], case_inputs: Callable[[Case], SettlementInputs]
) -> None:
    inputs = case_inputs(golden_case("worked_interval"))
    meter = inputs.accounts.participant_id.index("S2")
    import_wh = inputs.metered.import_wh.copy()
    import_wh[meter] = 5
    inputs = replace(
        inputs,
        metered=replace(inputs.metered, import_wh=import_wh),
        gateway=replace(inputs.gateway, import_wh=inputs.gateway.import_wh + 5),
    )
    settlement = settle_interval(inputs)
    assert [(v.law, v.what) for v in settlement.violations] == [(4, "imports 5 Wh, supply mode NONE")]
    assert settlement.ledger_nano_yuan[meter] == 11_780_000_000


def test_the_input_hash_sees_every_number(
    golden_case: Callable[[str], Case], case_inputs: Callable[[Case], SettlementInputs]
) -> None:
    inputs = case_inputs(golden_case("worked_interval"))
    first = input_hash(inputs)
    assert first == input_hash(case_inputs(golden_case("worked_interval"))) == settle_interval(inputs).input_hash
    assert first != input_hash(broken_gateway(inputs))
    assert first != input_hash(broken_fill(inputs))
    assert first != input_hash(replace(inputs, prices=replace(inputs.prices, reference_uyuan_per_kwh=1)))
    assert first != input_hash(replace(inputs, parameters=replace(inputs.parameters, province="other")))


def test_d_sup_from_its_books_as_the_worked_interval_lists_them(
    golden_case: Callable[[str], Case], case_inputs: Callable[[Case], SettlementInputs]
) -> None:
    inputs = case_inputs(golden_case("worked_interval"))
    rows = settle_interval(inputs).transfers
    d_sup = inputs.accounts.position(SystemAccount.D_SUP)
    energy = rows.kind == TransferKind.ENERGY
    assert rows.amount_nano_yuan[energy & (rows.to_account == d_sup)].sum() == 4_500_000_000
    assert rows.amount_nano_yuan[energy & (rows.from_account == d_sup)].sum() == 5_000_000_000
