from types import ModuleType

import pytest
from sqlalchemy import text
from sqlmodel import Session

from hub.market.trades import Party
from hub.reports.day_figures import CurtailmentFigures, DayFigures, OrderFigures, RefusedFigures, SetpointFigures
from hub.reports.read_day import read_day_figures
from hub.store.engine import open_engine
from hub.usecases.load_county import CountyModel
from hub.usecases.summarise_run import money_by_account_nano_yuan, summarise_run


def test_both_databases_give_the_same_figures(
    postgresql_url: str, figures: DayFigures, county: CountyModel, filled_day: ModuleType
) -> None:
    engine = open_engine(postgresql_url)
    with Session(engine) as session:
        filled_day.fill_day(session, filled_day.registry())
        found = read_day_figures(session, county, first=filled_day.FIRST, last=filled_day.LAST)
    engine.dispose()
    assert found == figures


def test_every_interval_balances_and_says_what_was_metered(figures: DayFigures, filled_day: ModuleType) -> None:
    assert len(figures.intervals) == figures.settled == 96
    for one in figures.intervals:
        gateway = filled_day.energies(one.interval)[filled_day.GATEWAY_METER]
        assert (one.import_wh, one.export_wh) == (gateway.imported, gateway.exported)
        assert one.loss_wh == filled_day.loss_wh(one.interval)
        assert one.ac_loss_wh == one.loss_wh + 1
        assert one.account_sum_nano_yuan == 0
    energy = figures.energy_wh
    assert energy["loss_wh"] == sum(one.loss_wh for one in figures.intervals)
    assert energy["generation_wh"] == 28 * 3 * (5_000 + 8_000)
    assert energy["charge_wh"] == 28 * 3 * 400
    assert figures.meters_unread == 0


def test_the_report_and_the_summary_have_the_same_numbers(
    figures: DayFigures, session: Session, county: CountyModel, filled_day: ModuleType
) -> None:
    span = {"first": filled_day.FIRST, "last": filled_day.LAST}
    summary = summarise_run(session, county, **span, report={})
    assert {one.name: one.ledger_nano_yuan for one in figures.accounts} == summary["money_nano_yuan"]
    assert summary["money_nano_yuan"] == money_by_account_nano_yuan(session, county, **span)
    assert figures.residual_nano_yuan == summary["residual_nano_yuan"] == 0
    volumes = {f"mode_{one.mode}": one.energy_wh for one in figures.modes if one.mode}
    assert volumes.items() <= summary["traded_wh"].items()
    assert sum(one.exported_wh for one in figures.modes) == summary["traded_wh"]["province_export"]
    assert sum(one.accepted for one in figures.orders) == summary["orders"]["accepted"]
    assert sum(one.violations for one in figures.violations) == sum(summary["violations"].values())
    assert sum(one.curtailed_wh for one in figures.limited) == summary["curtailed_wh"]


def test_modes_have_their_volumes_and_exact_sums(figures: DayFigures, filled_day: ModuleType) -> None:
    direct = next(one for one in figures.modes if one.mode == 1)
    assert (direct.pairs, direct.energy_wh, direct.exported_wh) == (56, 28 * 14_000, 28 * 5_000)
    assert direct.paid_nano_yuan == 28 * (9_000 * 180_010 + 5_000 * 120_010)
    assert direct.received_nano_yuan == 28 * (9_000 * 140_010 + 5_000 * 110_010)
    province = next(one for one in figures.modes if one.mode == 0)
    assert (province.pairs, province.energy_wh) == (68, 68 * 7_001)
    noon = [one for one in figures.pairs if one.interval == filled_day.FIRST + 32]
    assert [(one.mode, one.buyer_party) for one in noon] == [
        (1, Party.DIRECT), (1, Party.PROVINCE), (2, Party.SUPPLY), (3, Party.PROVINCE)
    ]  # fmt: skip


def test_accounts_have_statements_and_rounding(figures: DayFigures) -> None:
    assert sum(one.accounts for one in figures.accounts) == len(figures.account_totals) == 23
    for one in figures.accounts:
        assert one.independent_nano_yuan == one.ledger_nano_yuan
        assert one.statement_fen * 10_000_000 == one.ledger_nano_yuan + one.rounding_nano_yuan
    assert [flow.kind for flow in figures.flows] == ["GATEWAY_IMPORT", "GATEWAY_EXPORT"]
    assert figures.province.province_nano_yuan == figures.province.ledger_nano_yuan


def test_it_is_known_whom_limits_hit(figures: DayFigures) -> None:
    hit = {one.meter: one for one in figures.limited}
    assert list(hit) == ["M000002", "M000001", "M000006"]
    assert (hit["M000002"].setpoints, hit["M000002"].unsold_wh, hit["M000002"].curtailed_wh) == (8, 8_000, 4 * 101)
    assert (hit["M000006"].setpoints, hit["M000006"].unsold_wh, hit["M000006"].curtailed_wh) == (0, 0, 4 * 30)
    assert hit["M000006"].participant_class == "DSO_OWN_GENERATION"
    assert figures.setpoints == (
        SetpointFigures("curtailment", 8, ok=7, refused=0, open=1),
        SetpointFigures("export-limit", 8, ok=8, refused=0, open=0),
    )
    assert figures.curtailments == (CurtailmentFigures("pro-rata-available", 12, 4, 3, 4 * 231),)
    (edge,) = figures.binding
    assert (edge.unit, edge.intervals, edge.flow_max_wh, edge.shadow_uyuan_per_kwh) == ("A001", 8, 30_047, -80_047)


def test_violations_are_counted_by_stage(figures: DayFigures) -> None:
    counts = {
        (one.stage, one.kind): (one.violations, one.intervals, one.excess_per_mille) for one in figures.violations
    }
    assert counts[("expected", "current")] == (8, 8, 402)
    assert counts[("metered", "current")] == (8, 8, 42)
    assert not [key for key in counts if key[0] == "cleared"]
    congested, calm = figures.intervals[40], figures.intervals[0]
    assert congested.current_excess_expected_per_mille == 402
    assert congested.voltage_excess_expected_per_mille == 20
    assert congested.current_excess_cleared_per_mille == 0
    assert calm.current_excess_expected_per_mille == 0
    assert [one.element for one in figures.violated] == ["trafo A001"]


def test_refused_things_and_gaps_are_those_of_the_day(figures: DayFigures) -> None:
    assert figures.refused == (
        RefusedFigures("MALFORMED", "malformed", 1, 2),
        RefusedFigures("READING", "backwards", 1, 1),
        RefusedFigures("READING", "no-such-reason", 1, 1),
        RefusedFigures("ORDER", "off-lot", 1, 1),
    )
    assert [(one.name, one.registers, one.meters, one.intervals) for one in figures.gap_rules] == [
        ("remainder", 2, 2, 1), ("similar-interval", 2, 2, 1)
    ]  # fmt: skip
    assert [(one.name, one.registers) for one in figures.gap_gateways] == [("G0001", 4)]
    sell, buy = figures.orders
    assert sell == OrderFigures("SELL", 28 * 4, 0, 28 * 16_000, 28 * 16_000 - 16_000 - 4 * 201)
    assert (buy.accepted, buy.rejected, buy.offered_wh) == (96 * 3, 96, 96 * 12_000)


EMPTIED = (
    *("clearing_run", "province_price", "metered_state", "settlement_run", "unit_price", "pair", "loss"),
    *("exchange_schedule", "account_total"),
)
UNSOLVED = text(
    "UPDATE clearing_run SET violations_before = 1, violations_after = 1, vm_max_upu = NULL, "
    "loading_max_mpercent = NULL WHERE interval = :interval"
)


@pytest.fixture
def damaged(migrated_sqlite_url: str, filled_day: ModuleType) -> Session:
    """Four intervals; nothing is there of the second one, and the expected states of the third have no solution."""
    engine = open_engine(migrated_sqlite_url)
    with Session(engine) as session:
        filled_day.fill_day(session, filled_day.registry(), last=filled_day.FIRST + 3)
        lost, unsolved = {"interval": filled_day.FIRST + 1}, {"interval": filled_day.FIRST + 2}
        for table in EMPTIED:
            session.execute(text(f"DELETE FROM {table} WHERE interval = :interval"), lost)  # noqa: S608
        session.execute(UNSOLVED, unsolved)
        session.execute(text("UPDATE loss SET loss_wh = NULL WHERE interval = :interval"), unsolved)
        session.execute(text("UPDATE exchange_schedule SET settled_nano_yuan = NULL"))
        session.commit()
        yield session
    engine.dispose()


def test_what_is_not_there_is_none_and_not_zero(damaged: Session, county: CountyModel, filled_day: ModuleType) -> None:
    figures = read_day_figures(damaged, county, first=filled_day.FIRST, last=filled_day.FIRST + 3)
    whole, lost, unsolved, _ = figures.intervals
    assert figures.settled == 3
    assert (lost.root_price_uyuan_per_kwh, lost.import_wh, lost.loss_wh, lost.account_sum_nano_yuan) == (None,) * 4
    assert (lost.violations_expected, lost.voltage_excess_expected_per_mille) == (None, None)
    assert (unsolved.violations_expected, unsolved.current_excess_expected_per_mille) == (1, None)
    assert (unsolved.loss_wh, unsolved.ac_loss_wh) == (None, 153)
    assert (whole.violations_expected, whole.current_excess_expected_per_mille, whole.loss_wh) == (0, 0, 150)
    assert figures.province.province_nano_yuan is None


def test_a_meter_without_a_last_register_is_counted(
    session: Session, county: CountyModel, filled_day: ModuleType
) -> None:
    figures = read_day_figures(session, county, first=filled_day.FIRST, last=filled_day.LAST + 1)
    assert figures.meters_unread == 13
