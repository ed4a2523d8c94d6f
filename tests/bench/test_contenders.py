"""The peers' results are ours, on tiny cases, and one that is not would be noticed."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlmodel import Session

from grid_models.bench import power_flow
from grid_models.bench.measuring import BenchError, Workbench
from grid_models.networks import read_network
from grid_models.power_flow import PowerFlow
from hub.bench import auctions, county_interval, ingest, market, report, settlement_interval, store
from hub.bench.databases import postgresql_database, sqlite_database, table_content
from hub.market.tree_clearing import clear
from hub.settlement.interval_settlement import settle_interval


@settings(max_examples=40, deadline=None)
@given(n_orders=st.integers(40, 160), n_edges=st.integers(4, 10))
def test_the_linear_program_reaches_the_welfare_of_the_tree(n_orders: int, n_edges: int) -> None:
    case = market.made_up_market(n_orders, n_edges)
    result = clear(case.tree, case.orders, tick_uyuan_per_kwh=market.TICK_UYUAN_PER_KWH)
    welfare = market.welfare_of(case, result)
    assert welfare == pytest.approx(market.linear_program(case).solve(), rel=market.RELATIVE_TOLERANCE)
    assert int(result.filled_wh.sum()) > 0


def test_the_large_cases_are_congested_and_trade_both_ways() -> None:
    for n_orders, n_edges in market.CASES:
        case = market.made_up_market(n_orders, n_edges)
        assert case.orders.energy_wh.size == n_orders
        assert case.tree.parent.size == n_edges + 1
        assert list(case.orders.order_id) == sorted(case.orders.order_id)
        result = clear(case.tree, case.orders, tick_uyuan_per_kwh=market.TICK_UYUAN_PER_KWH)
        assert result.binding_export.any()
        assert result.binding_import.any()


def test_another_welfare_is_refused(workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(market.LinearProgram, "solve", lambda _self: 1.0)
    with pytest.raises(BenchError, match="welfare"):
        market.measure(workbench)


def test_both_ways_of_calling_highs_reach_the_same_welfare() -> None:
    program = market.linear_program(market.made_up_market(160, 10))
    assert program.solve() == pytest.approx(program.solve_by_scipy(), rel=market.RELATIVE_TOLERANCE)


@settings(max_examples=30, deadline=None)
@given(n_events=st.integers(1, 400))
def test_the_sorted_lists_make_the_books_trades(n_events: int) -> None:
    events = auctions.made_up_events(n_events)
    trades = auctions.run_continuous_book(events).trades
    rows = list(zip(trades.taker.tolist(), trades.listing.tolist(), trades.energy_wh.tolist(), strict=True))
    assert rows == auctions.trades_by_sorted_lists(events)


def test_other_trades_and_other_fills_are_refused(workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(auctions, "trades_by_sorted_lists", lambda _events: [])
        with pytest.raises(BenchError, match="trades"):
            auctions.compare_book(workbench)
    half = auctions.made_up_auction(auctions.SMALL_N_ORDERS // 2)
    monkeypatch.setattr(auctions, "clear", lambda tree, _orders, **given: clear(tree, half, **given))
    with pytest.raises(BenchError, match="fills"):
        auctions.compare_auction(workbench)


def test_the_made_up_interval_breaks_no_law_and_totals_agree(workbench: Workbench) -> None:
    with sqlite_database(workbench.folder, "toy") as database:
        county = county_interval.open_county(database, workbench.county)
        with Session(database.engine) as session:
            settled = county_interval.settle_made_up_interval(session, county)
    assert settled.breaches == 0
    found = settle_interval(settled.inputs)
    assert found.violations == ()
    assert found.transfers.amount_nano_yuan.any()
    n_accounts = len(settled.inputs.accounts)
    expected = found.ledger_nano_yuan.tolist()
    assert settlement_interval.totals_in_one_pass(found.transfers, n_accounts).tolist() == expected
    assert settlement_interval.totals_by_row(found.transfers, n_accounts) == expected
    assert settlement_interval.legs_and_ledger(settled.inputs).tolist() == expected
    assert sum(expected) == 0


def test_a_repeated_interval_stands_in_every_table_and_registers_go_on(workbench: Workbench) -> None:
    with sqlite_database(workbench.folder, "toy") as database:
        county = county_interval.open_county(database, workbench.county)
        with Session(database.engine) as session:
            county_interval.settle_made_up_interval(session, county)
            count = "SELECT interval, count(*) FROM {} GROUP BY interval ORDER BY interval"
            before = {name: session.execute(text(count.format(name))).all() for name in ("pair", "posting", "fill")}
            report.repeat_interval(session, 4)
            for name, rows in before.items():
                ((first, rows_of_one),) = rows
                after = [tuple(row) for row in session.execute(text(count.format(name)))]
                assert after == [(first + later, rows_of_one) for later in range(4)]
            one = report.sums_by_mode(session, county_interval.INTERVAL, county_interval.INTERVAL)
            four = report.sums_by_mode(session, county_interval.INTERVAL, county_interval.INTERVAL + 3)
            assert four == {mode: tuple(4 * each for each in sums) for mode, sums in one.items()}
            energy = text(
                "SELECT sum(CASE WHEN read_instant_utc_s = :end THEN value ELSE -value END) FROM reading "
                "WHERE read_instant_utc_s IN (:start, :end)"
            )
            start = 900 * county_interval.INTERVAL
            first_wh, whole_wh = (
                session.execute(energy, {"start": start, "end": start + 900 * n}).scalar_one() for n in (1, 4)
            )
            assert whole_wh == 4 * first_wh > 0


def test_both_power_flows_agree_and_a_difference_is_refused(toy_folder: Path) -> None:
    network = read_network(toy_folder / "network.json")
    day = power_flow.made_up_day(network, 4)
    peer = power_flow.PandapowerPeer(network, day)
    result = PowerFlow(network).solve(*day.bus_injection(network))
    peer.require_agreement(result)
    shifted = dataclasses.replace(result, vm_pu=result.vm_pu + 1e-6)
    with pytest.raises(BenchError, match="voltages differ"):
        peer.require_agreement(shifted)


def test_the_peer_of_ingest_takes_what_is_in_order_only(workbench: Workbench) -> None:
    registry = ingest.read_registry(workbench.county / "registry.json")
    first, second = (ingest.instant_messages(registry, number) for number in (0, 1))
    with sqlite_database(workbench.folder, "peer") as database:
        with Session(database.engine) as session:
            memory = ingest.RegisterMemory(session, registry)
            ingest.admit_readings(session, memory, first, ingest.moment_of(0))
            session.commit()
        ingest.admit_one_by_one(database.engine, registry, second)
        stored = table_content(database, "reading")
        assert len(stored) == 2 * sum(len(point.channels) for point in registry.metering_points)
        with pytest.raises(BenchError, match="does not admit"):
            ingest.admit_one_by_one(database.engine, registry, second)
        assert table_content(database, "reading") == stored


def test_the_sample_of_the_peer_of_ingest_is_whole_gateways(workbench: Workbench) -> None:
    registry = ingest.read_registry(workbench.county / "registry.json")
    sample = ingest.peer_sample(registry)
    n_meters = sum(len(gateway.meter_ids) for gateway in registry.gateways[: sample.n_gateways])
    assert len(sample.meters) == n_meters >= len(registry.metering_points) / ingest.PEER_SHARE


def test_rows_that_differ_between_the_databases_are_refused(
    workbench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = store.reading_rows

    def one_less(batch: int, n_rows: int, calls: list[int] = []) -> list[tuple[object, ...]]:  # noqa: B006
        calls.append(batch)
        return made(batch, n_rows)[: n_rows - len(calls) // 2]

    readings = dataclasses.replace(store.BULKS[0], make=one_less)
    monkeypatch.setattr(store, "BULKS", (readings,))
    with pytest.raises(BenchError, match="table reading"):
        store.measure(workbench)


def test_postgresql_is_measured_in_a_database_that_is_dropped(
    postgresql_cluster: str, new_workbench: Callable[..., Workbench]
) -> None:
    url = f"{postgresql_cluster}/postgres"

    def databases() -> set[str]:
        with psycopg.connect(url) as connection:
            return {name for (name,) in connection.execute("SELECT datname FROM pg_database")}

    before = databases()
    outcome = store.measure(new_workbench(database=url))
    assert [row.what.split(", ")[1] for row in outcome.comparisons] == ["SQLite", "SQLite", "PostgreSQL", "PostgreSQL"]
    assert "PostgreSQL" in outcome.versions
    assert databases() == before


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("no url", "is no URL"),
        ("sqlite:///x.db", "only PostgreSQL"),
        ("postgresql://nobody@127.0.0.1:1/x", "--database: "),
    ],
)
def test_a_database_that_cannot_be_used_gets_one_line(url: str, words: str) -> None:
    with pytest.raises(BenchError, match=words) as caught, postgresql_database(url):
        pytest.fail("there is no such database")
    assert "\n" not in str(caught.value)


def test_a_county_that_cannot_be_used_gets_one_line(
    tmp_path: Path, new_workbench: Callable[..., Workbench], toy_folder: Path
) -> None:
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "network.json").write_bytes((toy_folder / "network.json").read_bytes())
    (folder / "registry.json").write_text("{}")
    for bench in (ingest, settlement_interval, report):
        with pytest.raises(BenchError, match=r"registry\.json"):
            bench.measure(new_workbench(given_county=folder))
    (folder / "network.json").write_text("{}")
    with pytest.raises(BenchError, match=r"network\.json"):
        power_flow.measure(new_workbench(given_county=folder))


def test_the_made_up_day_is_the_same_every_time(toy_folder: Path) -> None:
    network = read_network(toy_folder / "network.json")
    first, second = (power_flow.made_up_day(network, 5) for _ in range(2))
    for name in ("load_w", "load_var", "plant_w"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
