"""Both ledgers together: what a bill stands for is reversed in the intervals' ledger, and nobody pays twice."""

import importlib.util
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from edge.contract.interval import first_interval_of_day
from edge.contract.messages import CHANNELS, IMPORT
from edge.contract.registry import Registry, SupplyMode
from hub.market.registry.periods import next_month
from hub.settlement.accounts import AccountTableError, account_table
from hub.settlement.county_month.points import CountyMonthError
from hub.settlement.joined_ledger import (
    BILLED_KINDS,
    DISPOSITIONS,
    THROUGH_MARKET_KINDS,
    Disposition,
    JoinKind,
    agency_network_nano_yuan,
    check_account_names,
    check_emptied,
    check_joined_balance,
    check_point_payments,
    check_receipts_unchanged,
    disposition_of,
)
from hub.settlement.transfers import TransferKind
from hub.store.bill_tables import BillRow, MonthCloseRow, SettledEnergyRow
from hub.store.bills import read_bill
from hub.store.engine import open_engine, sqlite_url
from hub.store.trial_balance import month_balance_nano_yuan, read_trial_balance
from hub.usecases.recorded_modes import recorded_supply_modes
from hub.usecases.resettle_interval import resettle_interval

CASE = Path(__file__).resolve().parents[1] / "golden" / "settlement" / "joined_direct_month" / "case.json"


def _sibling(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


of_month = _sibling("joined_month")
Joined, Row = of_month.Joined, of_month.Row
USER, SHOP, HOME, WORKS, FARM, PROSUMER, SELLER, SERVED = range(8)
prepare, registry_of, only_user_uses = of_month.prepare, of_month.registry_of, of_month.only_user_uses
captive_rows, direct_rows, booked, earned = (
    of_month.captive_rows,
    of_month.direct_rows,
    of_month.booked,
    of_month.earned,
)
retail_rows = of_month.retail_rows
NO_LATER = {"look_back_months": 6}


@pytest.fixture(scope="session")
def read_months(
    billed: ModuleType, make_registry: Callable[..., Registry], sqlite_template: Path, tmp_path_factory: Any
) -> tuple[Path, Joined]:
    """The file of a county of users whose January and February are read, to be copied."""
    path = tmp_path_factory.mktemp("joined") / "hub.db"
    shutil.copy(sqlite_template, path)
    engine = open_engine(sqlite_url(path))
    registry = registry_of(make_registry(areas=2, meters=4))
    prepare(engine, registry)
    county = billed.BilledMonth(engine, registry, np.full(len(registry.metering_points), 1_000_000))
    reads = {month: county.read(month) for month in (billed.JANUARY, billed.FEBRUARY)}
    accounts = dict(county.rows("SELECT account_id, position FROM account"))
    engine.dispose()
    return path, Joined(billed, county, accounts, [one.participant_id for one in registry.metering_points], reads)


@contextmanager
def copied(read_months: tuple[Path, Joined], folder: Path, name: str) -> Iterator[Joined]:
    path, made = read_months
    shutil.copy(path, folder / name)
    engine = open_engine(sqlite_url(folder / name))
    county = made.billed.BilledMonth(engine, made.county.registry, made.county.start_wh)
    try:
        yield Joined(made.billed, county, made.accounts, made.names, made.reads)
    finally:
        engine.dispose()
        (folder / name).unlink()


@pytest.fixture
def joined(read_months: tuple[Path, Joined], tmp_path: Path) -> Iterator[Joined]:
    with copied(read_months, tmp_path, "joined.db") as one:
        yield one


def test_a_direct_users_month_is_the_one_worked_by_hand(joined: Joined) -> None:
    case = json.loads(CASE.read_text("utf-8"))
    whose: dict[str, str | int] = {"user": USER, "seller": SELLER}
    rows: list[Row] = [
        (kind, whose.get(payer, payer), whose.get(payee, payee), USER, wh, price)
        for kind, payer, payee, wh, price in case["intervals"]
    ]
    interval = first_interval_of_day(joined.billed.JANUARY) + 40
    joined.post(interval, rows)
    only_user_uses(joined, case["metered_wh"])
    named = {joined.names[meter]: name for name, meter in (("user", USER), ("seller", SELLER))}
    with Session(joined.county.engine) as session:
        before = month_balance_nano_yuan(session, 202601)
        of_interval = read_trial_balance(session, first=interval, last=interval)
    expected = case["expected"]
    assert {named.get(name, name): rest for name, rest in before.items()} == expected["interval_balance_nano_yuan"]
    assert sum(one.balance_nano_yuan for one in of_interval) == 0
    assert {one.account: one.intervals_nano_yuan for one in of_interval}["congestion"] == 8_510_000_000
    assert joined.county.issue(joined.billed.JANUARY).violations == ()
    with Session(joined.county.engine) as session:
        bill = read_bill(session, 202601, USER)
    assert bill is not None
    lines: dict[str, dict[str, int]] = {}
    for line in bill.lines:
        lines.setdefault(line.component.value, {})[line.detail] = line.amount_fen
    assert lines == expected["line_fen"]
    assert (bill.exact_nano_yuan, bill.total_fen) == (expected["exact_nano_yuan"], expected["total_fen"])
    assert joined.laws(202601) == []
    after = joined.balance(202601)
    shown = {named.get(name, name): rest for name, rest in after.items() if rest or name in ("market", "unbilled")}
    assert {"market": 0, "unbilled": 0} | shown == expected["joined_balance_nano_yuan"]


def test_captive_users_pay_their_bills_only_and_the_network_is_paid_once(joined: Joined) -> None:
    """By hand: of T = 0.20 on 10 + 30 kWh and 0.18 on 20 + 5 kWh, agency users' 10 and 20 kWh are D_net's by bill."""
    first = first_interval_of_day(joined.billed.JANUARY)
    joined.post(first, captive_rows({SHOP: 10_000, HOME: 30_000, WORKS: 20_000, FARM: 5_000}, served_wh=4_000))
    joined.post(first + 7, captive_rows({HOME: 1_000, WORKS: 2_000}))
    for user in (USER, PROSUMER):
        joined.post(first + 9 + user, [("ENERGY", user, "D_sup", user, 1_000, 300_000)])
    assert joined.county.issue(joined.billed.JANUARY).violations == ()
    found = joined.assert_joined(202601, {})
    of_homes = 30_000 * 200_000 + 5_000 * 180_000 + 1_000 * 200_000
    mode_2 = 4_000 * (20_000 - 200_000)
    assert found["D_net"] == booked(joined, "D_net") + of_homes + mode_2
    # An all-in price holds the loss fee: D_sup pays it to the fund out of what it is paid.
    all_in_loss = (30_000 + 5_000 + 1_000) * 10_000
    assert found["loss_fund"] == booked(joined, "loss_fund") + all_in_loss
    assert found["D_sup"] == booked(joined, "D_sup") - of_homes - mode_2 - all_in_loss + 2_000 * 300_000


def test_a_retail_user_pays_its_bill_only_and_its_retailer_keeps_what_the_energy_cost(joined: Joined) -> None:
    """By hand: the retailer buys 30 kWh at 0.25 and 15 at 0.29, rent 35 x 0.23, deviation 7 x 0.35: 22.35 yuan."""
    first = first_interval_of_day(joined.billed.JANUARY)
    rows = [*retail_rows(1_000), *direct_rows(1), *direct_rows(1, PROSUMER)]
    joined.post(first, rows)
    assert joined.county.issue(joined.billed.JANUARY).violations == ()
    found = joined.assert_joined(202601, earned(rows))
    with Session(joined.county.engine) as session:
        bill = read_bill(session, 202601, SERVED)
    assert bill is not None
    charged = {(line.component.value, line.detail): line.amount_fen for line in bill.lines}
    wh = int(joined.reads[joined.billed.JANUARY][:, SERVED].sum())
    package = wh * of_month.PACKAGE_PRICE
    assert sum(fen for (part, _), fen in charged.items() if part == "energy") == (package + 5 * 10**6) // 10**7
    assert found["retailer-1"] == package - 22_350_000_000
    # D_net: the month's T on all energy, less T - w on the 30 kWh of a local trade; by direct users' trades as before.
    assert found["D_net"] == booked(joined, "D_net")
    spared = [fen for (part, detail), fen in charged.items() if (part, detail) == ("network", "network-covered")]
    assert len(spared) == 1
    assert spared[0] < 0
    assert found["congestion"] == (1_000 + 1 + 1) * 35 * 230_000


def test_what_daily_statements_rounded_is_taken_back_with_their_lines(joined: Joined) -> None:
    """A statement's line of a charge that a bill stands for moved 3 nano-yuan; a line that stands moved 5."""
    joined.post(first_interval_of_day(joined.billed.JANUARY), direct_rows(1, USER))
    joined.post(first_interval_of_day(joined.billed.JANUARY) + 1, direct_rows(1, PROSUMER))
    user, rounding = joined.accounts[joined.names[USER]], joined.accounts["rounding"]
    with joined.county.engine.begin() as connection:
        for line, kind, moved in ((0, "ENERGY.paid", 3), (1, "EXPORT_DEVIATION.received", 5)):
            connection.exec_driver_sql(
                "INSERT INTO statement_line (day, account, line, kind, energy_wh, amount_fen, exact_nano_yuan, "
                "rule_version, input_hash) VALUES ('2026-01-01', ?, ?, ?, 0, -7, ?, '', '')",
                (user, line, kind, -70_000_000 + moved),
            )
        connection.exec_driver_sql(
            "INSERT INTO posting (interval, seq, run, kind, debit, credit, amount_nano_yuan, meter, energy_wh) "
            "VALUES (?, 99, 0, 'STATEMENT_ROUNDING', ?, ?, 8, -1, 0)",
            (first_interval_of_day(joined.billed.JANUARY) + 95, user, rounding),
        )
    assert joined.county.issue(joined.billed.JANUARY).violations == ()
    assert joined.balance(202601)[joined.names[USER]] == -joined.total_fen(202601, USER) * 10**7 - 5


def test_the_month_is_joined_once_and_a_new_version_of_a_bill_keeps_it(joined: Joined) -> None:
    interval, rows = first_interval_of_day(joined.billed.JANUARY), [*direct_rows(3), *direct_rows(2, PROSUMER)]
    joined.post(interval, rows)
    joined.county.issue(joined.billed.JANUARY)
    first = joined.assert_joined(202601, earned(rows))
    ((n_joined,),) = joined.county.rows("SELECT count(*) FROM month_posting")
    assert {kind for (kind,) in joined.county.rows("SELECT DISTINCT rule_version FROM month_posting")} == {
        "month-join-1"
    }
    cheaper = joined.billed.library(date(2025, 12, 1), joined.billed.JANUARY, less=10_000)
    assert joined.county.issue(joined.billed.JANUARY, library=cheaper).replaced == 2
    second = joined.assert_joined(202601, earned(rows))
    assert joined.county.rows("SELECT count(*) FROM month_posting") == [(n_joined,)]
    assert second["congestion"] == first["congestion"] == (3 + 2) * 35 * 230_000


def test_what_is_settled_again_after_billing_waits_for_the_next_bill(joined: Joined) -> None:
    interval, rows = first_interval_of_day(joined.billed.JANUARY), direct_rows(3)
    joined.post(interval, rows)
    joined.post(interval + 1, direct_rows(1, PROSUMER))
    joined.county.issue(joined.billed.JANUARY)
    owed = joined.total_fen(202601, USER) * 10**7
    again = direct_rows(5)
    joined.settle_again(interval, rows, again, posting_month=202601)
    waiting = joined.balance(202601)
    assert waiting[joined.names[USER]] == -owed
    assert waiting["market"] == 0
    traded = 2 * (30 * 250_000 + 35 * 230_000 - 2 * 350_000)
    assert waiting["unbilled"] == -traded
    assert waiting[joined.names[SELLER]] == sum(
        amounts.get(SELLER, 0) for amounts in (earned(again), earned(direct_rows(1, PROSUMER)))
    )
    assert joined.laws(202601) == []
    issued = joined.county.issue(joined.billed.JANUARY)
    assert (issued.replaced, issued.violations) == (1, ())
    joined.assert_joined(202601, {SELLER: waiting[joined.names[SELLER]]})
    assert joined.total_fen(202601, USER) * 10**7 > owed


def test_a_month_that_is_open_still_is_billed_again_after_its_intervals_were_corrected_in_the_next(
    joined: Joined,
) -> None:
    """Provisional results of late January come in February: sellers are paid in that month, the bill is January's."""
    interval, rows, again = first_interval_of_day(joined.billed.JANUARY), direct_rows(3), direct_rows(5)
    joined.post(interval, rows)
    joined.post(interval + 1, direct_rows(1, PROSUMER))
    joined.county.issue(joined.billed.JANUARY)
    before = joined.balance(202601)
    joined.settle_again(interval, rows, again, posting_month=202602)
    assert joined.balance(202601) == before
    assert joined.county.issue(joined.billed.JANUARY).violations == ()
    january, february = joined.balance(202601), joined.balance(202602)
    user, seller = joined.names[USER], joined.names[SELLER]
    assert (january[user], february[user]) == (-joined.total_fen(202601, USER) * 10**7, 0)
    assert january[seller] == before[seller]
    assert february[seller] == earned(again)[SELLER] - earned(rows)[SELLER]
    assert january["market"] == 0
    assert january["unbilled"] == -february["unbilled"] != 0
    assert joined.laws(202601) == joined.laws(202602) == []


def test_a_closed_month_stays_and_its_difference_is_joined_where_it_is_billed(joined: Joined) -> None:
    billed, interval = joined.billed, first_interval_of_day(joined.billed.JANUARY)
    for month, shift in ((billed.JANUARY, 0), (billed.FEBRUARY, 50)):
        start = first_interval_of_day(month)
        joined.post(start + shift, direct_rows(3))
        joined.post(start + shift + 1, direct_rows(1, PROSUMER))
    joined.county.issue(billed.JANUARY)
    january = joined.balance(202601)
    with Session(joined.county.engine) as session:
        session.add(
            MonthCloseRow(
                month=202601, closed_on="2026-02-09", bills=6, total_fen=0, rounding_nano_yuan=0, bills_sha256=""
            )
        )
        wh = int(joined.reads[billed.JANUARY][0, USER]) + 2_000
        channel = CHANNELS.index(IMPORT)
        session.add(SettledEnergyRow(interval=interval, run=1, meter=USER, channel=channel, energy_wh=wh, rule=""))
        session.commit()
    again = direct_rows(5)
    joined.settle_again(interval, direct_rows(3), again, posting_month=202602)
    issued = joined.county.issue(billed.FEBRUARY, **NO_LATER)
    assert issued.violations == ()
    difference = earned(again)[SELLER] - earned(direct_rows(3))[SELLER]
    in_february = earned(direct_rows(3))[SELLER] + earned(direct_rows(1, PROSUMER))[SELLER]
    joined.assert_joined(202602, {SELLER: in_february + difference})
    assert joined.balance(202601) == january
    ((n_joined,),) = joined.county.rows("SELECT count(*) FROM month_posting")
    assert joined.county.issue(billed.FEBRUARY, **NO_LATER).unchanged == len(of_month.POINTS) - 1
    assert joined.county.rows("SELECT count(*) FROM month_posting") == [(n_joined,)]


def test_a_posting_that_joins_cannot_be_changed(joined: Joined) -> None:
    joined.post(first_interval_of_day(joined.billed.JANUARY), [*direct_rows(1), *direct_rows(1, PROSUMER)])
    joined.county.issue(joined.billed.JANUARY)
    for change in ("UPDATE month_posting SET amount_nano_yuan = 0", "DELETE FROM month_posting"):
        with pytest.raises(DBAPIError, match="append-only"), joined.county.engine.begin() as connection:
            connection.exec_driver_sql(change)


def test_money_left_in_the_market_or_a_name_that_is_no_account_breaks_a_law(joined: Joined) -> None:
    joined.post(first_interval_of_day(joined.billed.JANUARY), [*direct_rows(1), *direct_rows(1, PROSUMER)])
    joined.county.issue(joined.billed.JANUARY)
    with joined.county.engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO bill_posting (posting_month, meter, version, seq, payer, payee, kind, amount_nano_yuan) "
            "VALUES (202601, 0, 1, 99, ?, 'market', 'x', 7), (202601, 0, 1, 98, 'nobody', 'D_net', 'x', 5)",
            (joined.names[USER],),
        )
    found = [(one.law, one.where, one.what) for one in joined.laws(202601)]
    assert (5, "month 202601", "account 'nobody' is not one of the ledger's") in found
    assert (6, "month 202601, M000001", "account market holds 7 nano-yuan") in found
    assert [law for law, where, _ in found if where == "month 202601, by its bill, M000001"] == [7]


def test_a_month_is_joined_on_either_database(
    billed: ModuleType, make_registry: Callable[..., Registry], engine: Engine
) -> None:
    registry = registry_of(make_registry(areas=2, meters=4))
    prepare(engine, registry)
    county = billed.BilledMonth(engine, registry, np.full(len(registry.metering_points), 1_000_000))
    reads = {billed.JANUARY: county.read(billed.JANUARY)}
    accounts = dict(county.rows("SELECT account_id, position FROM account"))
    joined = Joined(billed, county, accounts, [one.participant_id for one in registry.metering_points], reads)
    interval = first_interval_of_day(billed.JANUARY)
    joined.post(interval, direct_rows(3))
    joined.post(interval + 1, [*direct_rows(1, PROSUMER), *captive_rows({SHOP: 10, HOME: 20, WORKS: 5})])
    assert county.issue(billed.JANUARY).violations == ()
    again = direct_rows(4)
    joined.settle_again(interval, direct_rows(3), again, posting_month=202601)
    assert joined.laws(202601) == []
    assert county.issue(billed.JANUARY).violations == ()
    both = earned([*again, *direct_rows(1, PROSUMER)])
    assert joined.assert_joined(202601, both)["D_net"] == booked(joined, "D_net") + 20 * 200_000


def test_an_interval_of_a_billed_month_is_joined_as_it_is_settled_again(market: Any) -> None:
    """The toy county's intervals, settled for real; half of its users have a bill of the month."""
    market.whole_run()
    points = market.registry.metering_points
    users = [number for number, point in enumerate(points) if point.supply_mode is not SupplyMode.NONE]
    billed = users[::2]
    month = market.toy.DAY.year * 100 + market.toy.DAY.month
    with Session(market.engine) as session:
        for meter in billed:
            session.add(
                BillRow(
                    month=month, meter=meter, version=1, posting_month=month, bill_id=f"b{meter}", account=0,
                    energy_wh=0, total_fen=0, exact_nano_yuan=0, rounding_nano_yuan=0, sha256="", document=b"",
                )
            )  # fmt: skip
        for meter in billed:
            channel = CHANNELS.index(IMPORT)
            session.add(
                SettledEnergyRow(interval=market.first, run=1, meter=meter, channel=channel, energy_wh=900, rule="x")
            )
        session.flush()
        again = resettle_interval(session, market.model, market.first, posting_day=market.toy.DAY, look_back_months=6)
        session.commit()
    assert again.run == 1
    names = {kind.name for kind in BILLED_KINDS}
    posted = market.rows(
        "SELECT p.meter, p.kind, sum(p.amount_nano_yuan) FROM posting p JOIN metering_point m ON m.position = p.meter "
        "JOIN account a ON a.participant = m.participant AND a.position = p.debit WHERE p.run = 1 "
        "GROUP BY p.meter, p.kind"
    )
    expected = {(meter, kind): -int(rest) for meter, kind, rest in posted if rest and kind in names}
    reversed_ = market.rows(
        "SELECT meter, of_kind, sum(amount_nano_yuan) FROM month_posting WHERE kind = 'reversal' GROUP BY 1, 2"
    )
    of_billed = {key: rest for key, rest in expected.items() if key[0] in billed}
    assert {(meter, kind): int(rest) for meter, kind, rest in reversed_ if rest} == of_billed
    assert len({kind for _, kind in of_billed}) >= 4
    waiting = market.rows(
        "SELECT a.account_id, p.of_kind, sum(p.amount_nano_yuan) FROM month_posting p "
        "JOIN account a ON a.position = p.payer WHERE p.kind = 'unbilled' GROUP BY 1, 2"
    )
    through = {kind.name for kind, (found, _) in DISPOSITIONS.items() if found is Disposition.THROUGH_MARKET}
    assert {account for account, _, _ in waiting} == {"unbilled"}
    assert {kind: int(rest) for _, kind, rest in waiting} == {
        kind: -sum(rest for (_, one), rest in of_billed.items() if one == kind)
        for kind in {kind for _, kind in of_billed} & through
    }


@pytest.fixture
def register() -> ModuleType:
    """Events of a register for the county of these tests, which is called otherwise."""
    module = _sibling("toy_register")
    del sys.modules["toy_register"]
    vars(module)["COUNTY"] = "c1"
    return module


def founded(
    joined: Joined,
    register: ModuleType,
    meter_id: str,
    *,
    from_day: str = "2016-05-01",
    recorded_on: date = date(2016, 5, 1),
) -> None:
    point = register.user_point("shop", meter_id) | {"effective_from": from_day}
    events = [*register.rules(), *register.party("shop", "POWER_USER"), point]
    register.stand(joined.county.engine, events, recorded_on)


def test_the_mode_of_a_bill_is_the_one_that_the_registry_recorded(joined: Joined, register: ModuleType) -> None:
    """By the prepared registry the shop buys by agency; it elected direct supply from the first of February."""
    founded(joined, register, "M000002")
    election = register.supply_elected("to-direct", "M000002", "DIRECT", joined.billed.FEBRUARY)
    register.stand(joined.county.engine, [election], date(2026, 1, 10))
    for month in (joined.billed.JANUARY, joined.billed.FEBRUARY):
        joined.post(first_interval_of_day(month), [*direct_rows(1), *direct_rows(1, PROSUMER)])
    joined.post(first_interval_of_day(joined.billed.FEBRUARY) + 1, direct_rows(1, SHOP))
    modes = []
    for month, number in ((joined.billed.JANUARY, 202601), (joined.billed.FEBRUARY, 202602)):
        assert joined.county.issue(month).violations == ()
        with Session(joined.county.engine) as session:
            bill = read_bill(session, number, SHOP)
        assert bill is not None
        modes.append(bill.head.supply_mode)
    assert modes == [SupplyMode.AGENCY, SupplyMode.DIRECT]
    receipts = earned([*direct_rows(1), *direct_rows(1, PROSUMER), *direct_rows(1, SHOP)])
    joined.assert_joined(202602, receipts)


def test_what_is_recorded_after_the_month_does_not_change_its_mode(joined: Joined, register: ModuleType) -> None:
    founded(joined, register, "M000001")
    assert recorded(joined, joined.billed.JANUARY) == {"M000001": SupplyMode.AGENCY}
    election = register.supply_elected("later", "M000001", "DIRECT", date(2026, 3, 1))
    register.stand(joined.county.engine, [election], date(2026, 2, 10))
    assert recorded(joined, joined.billed.FEBRUARY) == {"M000001": SupplyMode.AGENCY}
    assert recorded(joined, date(2026, 3, 1)) == {"M000001": SupplyMode.DIRECT}


def test_a_mode_that_changes_within_the_month_is_refused_with_meter_and_day(
    joined: Joined, register: ModuleType
) -> None:
    """The prepared registry says DIRECT; from the tenth the register knows the point, with the default AGENCY."""
    founded(joined, register, "M000001", from_day="2026-01-10")
    words = "row 2 on 2026-01-10: the supply mode of M000001 changes within the month from DIRECT to AGENCY; record"
    with pytest.raises(CountyMonthError, match=words):
        joined.county.issue(joined.billed.JANUARY)
    assert joined.county.rows("SELECT count(*) FROM bill") == [(0,)]
    assert recorded(joined, joined.billed.FEBRUARY) == {"M000001": SupplyMode.AGENCY}


def test_a_day_rests_on_what_was_recorded_before_it(joined: Joined, register: ModuleType) -> None:
    """Until the fifteenth nobody knew that the point is in the register, so those days were settled as prepared."""
    founded(joined, register, "M000001", from_day="2026-01-01", recorded_on=date(2026, 1, 15))
    with pytest.raises(CountyMonthError, match="row 2 on 2026-01-16: the supply mode of M000001 changes within"):
        recorded(joined, joined.billed.JANUARY)


def recorded(joined: Joined, month: date) -> dict[str, SupplyMode]:
    with Session(joined.county.engine) as session:
        return dict(recorded_supply_modes(session, month))


SHARES = st.integers(-60, 60)
PRICES = st.integers(-400_000, 900_000)
DIRECT_KINDS = (
    ("ENERGY", SELLER), ("ENERGY", PROSUMER), ("ENERGY", "D_sup"), ("CONGESTION_RENT", "congestion"),
    ("UPSTREAM_LOSS", "D_sup"), ("REPLACED_ENERGY", "D_sup"), ("LISTING_DIFFERENCE", SELLER),
    ("IMPORT_DEVIATION", "D_sup"), ("IMPORT_BASIS", "congestion"), ("NETWORK_COVERED", "D_net"),
    ("NETWORK_UNCOVERED", "D_net"), ("LOSS_FEE", "loss_fund"),
)  # fmt: skip
OTHER_ROWS = (
    ("EXPORT_DEVIATION", "D_sup", SELLER, SELLER), ("EXPORT_BASIS", "congestion", PROSUMER, PROSUMER),
    ("REPLACEMENT_COST", "congestion", "D_sup", -1), ("ON_GRID_PURCHASE", "D_sup", PROSUMER, PROSUMER),
    ("ENERGY", "D_sup", SELLER, SELLER), ("GATEWAY_IMPORT", "D_sup", "province", -1),
    ("MEASURED_LOSS", "loss_fund", "D_sup", -1), ("GATEWAY_TARIFF", "D_net", "upper_grid", -1),
)  # fmt: skip


@st.composite
def interval_rows(draw: st.DrawFn) -> list[Row]:
    """What one interval posts: some of the rows of direct users, of captive ones, and of the others."""
    rows: list[Row] = []
    for user in (USER, PROSUMER):
        # Without any traded energy a direct user's month is refused (row 94).
        chosen = draw(st.lists(st.sampled_from(DIRECT_KINDS), max_size=5, unique=True))
        for kind, payee in (("ENERGY", SELLER), *chosen):
            rows.append((kind, user, payee, user, draw(SHARES), draw(PRICES)))
    rows += retail_rows(draw(st.integers(0, 40)))
    rows += captive_rows(draw(st.dictionaries(st.sampled_from((SHOP, HOME, WORKS, FARM)), st.integers(1, 90))))
    for kind, payer, payee, meter in draw(st.lists(st.sampled_from(OTHER_ROWS), max_size=4)):
        rows.append((kind, payer, payee, meter, draw(SHARES), draw(PRICES)))
    return rows


@given(months=st.lists(interval_rows(), min_size=2, max_size=4), again=interval_rows(), is_closed=st.booleans())
@settings(
    max_examples=6,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    # An example is two months of a hub: it is told as it was found.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
def test_random_months_keep_every_law_when_billed_settled_again_and_billed_again(
    read_months: tuple[Path, Joined], tmp_path: Path, months: list[list[Row]], again: list[Row], *, is_closed: bool
) -> None:
    with copied(read_months, tmp_path, "random.db") as joined:
        first = first_interval_of_day(joined.billed.JANUARY)
        n_intervals = (next_month(joined.billed.JANUARY) - joined.billed.JANUARY).days * 96
        for number, rows in enumerate(months):
            joined.post(first + (number * 997) % n_intervals, rows)
        traded_in_february = [*direct_rows(2), *direct_rows(1, PROSUMER)]
        joined.post(first + n_intervals, traded_in_february)
        assert joined.county.issue(joined.billed.JANUARY).violations == ()
        receipts: dict[int, int] = {}
        for rows in months:
            for meter, amount in earned(rows).items():
                receipts[meter] = receipts.get(meter, 0) + amount
        january = joined.assert_joined(202601, receipts)
        posting_month = 202602 if is_closed else 202601
        joined.settle_again(first, months[0], again, posting_month=posting_month)
        moved = {meter: earned(again).get(meter, 0) - earned(months[0]).get(meter, 0) for meter in (PROSUMER, SELLER)}
        if not is_closed:
            assert joined.county.issue(joined.billed.JANUARY).violations == ()
            joined.assert_joined(202601, {one: receipts.get(one, 0) + moved[one] for one in moved})
            return
        with Session(joined.county.engine) as session:
            session.add(
                MonthCloseRow(
                    month=202601, closed_on="2026-02-09", bills=6, total_fen=0, rounding_nano_yuan=0, bills_sha256=""
                )
            )
            wh, channel = int(joined.reads[joined.billed.JANUARY][0, USER]), CHANNELS.index(IMPORT)
            session.add(SettledEnergyRow(interval=first, run=1, meter=USER, channel=channel, energy_wh=wh, rule=""))
            session.commit()
        assert joined.county.issue(joined.billed.FEBRUARY, **NO_LATER).violations == ()
        own = earned(traded_in_february)
        joined.assert_joined(202602, {one: own.get(one, 0) + moved[one] for one in moved})
        assert joined.balance(202601) == january


def test_every_kind_of_transfer_has_its_place_and_a_row() -> None:
    assert set(DISPOSITIONS) == set(TransferKind)
    assert all(reason.startswith(("row ", "rows ")) for _, reason in DISPOSITIONS.values())
    charged = {kind for kind in TransferKind if disposition_of(kind, SupplyMode.DIRECT) is not Disposition.STANDS}
    assert charged == BILLED_KINDS
    assert disposition_of(TransferKind.LOSS_FEE, SupplyMode.GUARANTEED) is Disposition.BY_SUPPLIER
    of_user = {kind for kind in TransferKind if disposition_of(kind, SupplyMode.RETAIL) is not Disposition.STANDS}
    assert of_user == BILLED_KINDS - set(THROUGH_MARKET_KINDS)
    assert disposition_of(TransferKind.LOSS_FEE, SupplyMode.AGENCY) is Disposition.SUPERSEDED
    assert {kind.value for kind in JoinKind} == {"reversal", "through-market", "by-supplier", "unbilled"}


def test_a_class_that_mode_2_serves_whole_takes_the_tariff_of_the_month() -> None:
    energy = {
        (1, "10(20)kV"): (50, 20), (1, "<1kV"): (80, 30), (2, "<1kV"): (40, 40), (2, "10(20)kV"): (9, 0),
        (1, "35kV"): (7, 7),
    }  # fmt: skip
    tariffs = {1: (200, 180, 150), 2: (180,)}
    assert agency_network_nano_yuan(energy, tariffs) == (20 * 180 + 30 * 200 + 7 * 150 + 40 * 200, ())
    assert agency_network_nano_yuan({(3, "35kV"): (5, 5)}, {}) == (0, ("35kV",))


def test_the_accounts_of_both_ledgers_are_one_list(billed: ModuleType, county: Any) -> None:
    """Retailers and the month's own accounts get their positions behind those that intervals know, once."""
    before = county.rows("SELECT position, account_id FROM account ORDER BY position")
    county.issue(billed.JANUARY)
    after = county.rows("SELECT position, account_id, participant FROM account ORDER BY position")
    assert [row[:2] for row in after[: len(before)]] == before
    own = [(len(before) + number, name, -1) for number, name in enumerate(("market", "unbilled", "retailer-1"))]
    assert after[len(before) :] == own
    county.issue(billed.JANUARY, library=billed.library(date(2025, 12, 1), billed.JANUARY, less=10_000))
    assert county.rows("SELECT position, account_id, participant FROM account ORDER BY position") == after
    with pytest.raises(AccountTableError, match="account 'market' would stand twice"):
        account_table(["P1", "market"])


def test_each_law_says_what_is_wrong_and_nothing_where_it_holds() -> None:
    assert check_joined_balance({"a": 1, "b": -1}, "m") == check_emptied("market", {"p": 0}, "m") == []
    assert [one.law for one in check_joined_balance({"a": 1}, "m")] == [6]
    assert [one.where for one in check_emptied("market", {"p": 0, "q": -1}, "m")] == ["m, q"]
    assert check_point_payments({"p": 5}, {"p": 5}, "m") == []
    assert [one.where for one in check_point_payments({"p": 5}, {"p": 5, "q": 1}, "m")] == ["m, q"]
    assert check_receipts_unchanged([("ENERGY", "a", 0), ("AGENCY_BILL", "D_sup", -9)], "m") == []
    assert [one.law for one in check_receipts_unchanged([("ENERGY", "a", 1)], "m")] == [5]
    assert check_account_names(["a"], ["a", "b"], "m") == []
