"""Re-settlement as reversal plus new posting, and the close of a month: closed months stay what they were."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.contract.interval import first_interval_of_day
from hub.settlement.accounts import AccountTable, SystemAccount, account_table
from hub.settlement.inputs import SettlementInputs
from hub.settlement.interval_settlement import settle_interval
from hub.settlement.ledger import BatchKind, exact_totals, post_transfers, reverse_batch
from hub.settlement.month import Arm, check_month, check_wires_apart, close_month, month_of_accounts
from hub.settlement.resettlement import (
    BookedBatch,
    NotResettled,
    Resettled,
    ResettlementOutcome,
    ResettlementRefusal,
    Unchanged,
    check_recomputed,
    check_resettlement,
    month_of_interval,
    months_between,
    resettle,
    standing_batch,
)
from hub.settlement.transfers import TransferKind, Transfers, block, join_blocks

JUNE = first_interval_of_day(date(2026, 6, 15))
N_ACCOUNTS = 4


def moved(*rows: tuple[int, int, int], rule: str = "rule-1") -> Transfers:
    """Transfers (payer, payee, Wh) at 1 micro-yuan/kWh."""
    payer, payee, wh = (np.array(values, np.int64) for values in zip(*rows, strict=True))
    return join_blocks(
        [
            block(
                TransferKind.ENERGY,
                payer=payer,
                payee=payee,
                quantity_wh=wh,
                price_uyuan_per_kwh=1,
                rule_version=(rule,),
            )
        ]
    )


def booked(transfers: Transfers, interval: int = JUNE) -> BookedBatch:
    batch = post_transfers(transfers, batch_id=f"settle/{interval}", interval=interval, input_hash="first")
    return BookedBatch(batch, month_of_interval(interval))


def again(books: list[BookedBatch], transfers: Transfers, interval: int = JUNE, **changes: Any) -> ResettlementOutcome:
    given: dict[str, Any] = {
        "input_hash": "second",
        "posting_day": date(2026, 8, 3),
        "closed_through": 202607,
        "look_back_months": 6,
    }
    return resettle(books, transfers, interval=interval, **(given | changes))


def test_a_closed_month_gets_a_separate_line_of_the_current_one() -> None:
    books = [booked(moved((0, 1, 500), (2, 1, 40)))]
    outcome = again(books, moved((0, 1, 470), (2, 1, 40), (3, 0, 5)))
    assert isinstance(outcome, Resettled)
    assert {outcome.reversal.posting_month, outcome.replacement.posting_month} == {202608}
    assert outcome.reversal.batch.reverses == f"settle/{JUNE}"
    assert (outcome.replacement.batch.interval, outcome.replacement.batch.input_hash) == (JUNE, "second")
    assert [(line.account, line.amount_nano_yuan) for line in outcome.lines] == [(0, 35), (1, -30), (3, -5)]
    assert {(line.corrected_month, line.posting_month, line.rule_version) for line in outcome.lines} == {
        (202606, 202608, "re-settlement-1")
    }
    after = [*books, outcome.reversal, outcome.replacement]
    assert check_resettlement(books, after, closed_through=202607, n_accounts=N_ACCOUNTS) == []
    assert standing_batch(after, JUNE) == outcome.replacement.batch


def test_what_settles_to_the_same_is_not_booked_again() -> None:
    books = [booked(moved((0, 1, 500)))]
    assert again(books, moved((0, 1, 500))) == Unchanged(f"settle/{JUNE}")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"closed_through": 202608}, ResettlementRefusal.POSTING_MONTH_CLOSED),
        ({"posting_day": date(2026, 5, 31), "closed_through": 202604}, ResettlementRefusal.BEFORE_ITS_INTERVAL),
        ({"look_back_months": 1}, ResettlementRefusal.BEYOND_LOOK_BACK),
        ({"posting_day": date(2027, 1, 1), "closed_through": 202612}, ResettlementRefusal.BEYOND_LOOK_BACK),
        ({"interval": JUNE + 1}, ResettlementRefusal.NEVER_SETTLED),
    ],
)
def test_what_may_not_be_settled_again_stands(changes: dict[str, Any], reason: ResettlementRefusal) -> None:
    books = [booked(moved((0, 1, 500)))]
    interval = changes.pop("interval", JUNE)
    assert again(books, moved((0, 1, 400)), interval, **changes) == NotResettled(interval, reason)


def test_the_look_back_counts_months_to_the_last_one_included() -> None:
    books = [booked(moved((0, 1, 500)))]
    outcome = again(books, moved((0, 1, 400)), posting_day=date(2026, 12, 31), closed_through=202611)
    assert isinstance(outcome, Resettled)
    assert months_between(202606, 202612) == 6
    assert months_between(202611, 202702) == 3


def test_settled_environmental_value_is_not_reopened() -> None:
    value = "environmental-value-1"
    rows = [moved((0, 1, 500)), moved((2, 3, 90), rule=value)]
    both = post_transfers(rows[0], batch_id="settle/x", interval=JUNE, input_hash="first")
    settled_value = post_transfers(rows[1], batch_id="y", interval=JUNE, input_hash="first")
    joined = replace(
        both,
        **{
            name: np.concatenate((getattr(both, name), getattr(settled_value, name)))
            for name in ("debit", "credit", "amount_nano_yuan", "kind", "transfer")
        },
        rule=np.array([0, 1]),
        rule_version=("rule-1", value),
    )
    books = [BookedBatch(joined, 202606)]
    new = join_blocks(
        [
            block(TransferKind.ENERGY, payer=0, payee=1, quantity_wh=450, price_uyuan_per_kwh=1, rule_version=("r",)),
            block(TransferKind.ENERGY, payer=2, payee=3, quantity_wh=70, price_uyuan_per_kwh=1, rule_version=(value,)),
        ]
    )
    outcome = again(books, new, settled_once=("environmental-value",))
    assert isinstance(outcome, Resettled)
    assert outcome.not_reopened == 1
    assert [(line.account, line.amount_nano_yuan) for line in outcome.lines] == [(0, 50), (1, -50)]
    batch = outcome.replacement.batch
    names = [batch.rule_version[rule] for rule in batch.rule.tolist()]
    assert list(zip(batch.amount_nano_yuan.tolist(), names, strict=True)) == [(450, "r"), (90, value)]


def test_an_edited_lost_or_smuggled_batch_is_found() -> None:
    one, other = booked(moved((0, 1, 500))), booked(moved((0, 1, 7)), JUNE + 1)
    books = [one, other]

    def laws(after: list[BookedBatch]) -> list[str]:
        return [v.what for v in check_resettlement(books, after, closed_through=202606, n_accounts=N_ACCOUNTS)]

    edited = replace(one, batch=replace(one.batch, amount_nano_yuan=one.batch.amount_nano_yuan + 1))
    assert laws([edited, other]) == ["it was edited or is gone"]
    assert laws([other]) == ["it was edited or is gone"]
    assert laws([replace(one, posting_month=202607), other]) == ["it was edited or is gone"]
    late = BookedBatch(replace(other.batch, batch_id="late"), 202606)
    assert laws([*books, late]) == ["booked in 202606, closed"]
    half = reverse_batch(replace(one.batch, amount_nano_yuan=one.batch.amount_nano_yuan - 1), batch_id="half")
    assert laws([*books, BookedBatch(half, 202607)]) == [f"does not undo settle/{JUNE}"]
    stray = reverse_batch(replace(one.batch, batch_id="stray"), batch_id="r")
    assert laws([*books, BookedBatch(stray, 202607)]) == ["reverses 'stray', which is not booked"]
    assert laws([*books, late, late])[0] == "a batch id stands twice"


rows = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(-50, 50)).filter(lambda row: row[0] != row[1]),
    min_size=1,
    max_size=5,
)


@settings(max_examples=60, deadline=None)
@given(first=st.lists(rows, min_size=1, max_size=3), later=st.lists(st.tuples(st.integers(0, 2), rows), max_size=6))
def test_after_any_corrections_the_ledger_is_the_recomputed_one(
    first: list[list[tuple[int, int, int]]], later: list[tuple[int, list[tuple[int, int, int]]]]
) -> None:
    last = {JUNE + number: moved(*transfers) for number, transfers in enumerate(first)}
    books = [booked(transfers, interval) for interval, transfers in last.items()]
    june = list(books)
    month = 202607
    for number, transfers in later:
        interval = JUNE + number % len(first)
        outcome = again(
            books, moved(*transfers), interval, posting_day=date(2026, month % 100, 9), closed_through=month - 1
        )
        before = list(books)
        if isinstance(outcome, Resettled):
            books += [outcome.reversal, outcome.replacement]
            assert sum(line.amount_nano_yuan for line in outcome.lines) == 0
            last[interval] = moved(*transfers)
        else:
            assert isinstance(outcome, Unchanged)
        assert check_resettlement(before, books, closed_through=month - 1, n_accounts=N_ACCOUNTS) == []
        month += month < 202612
    recomputed = [
        post_transfers(transfers, batch_id=str(interval), interval=interval, input_hash="h")
        for interval, transfers in last.items()
    ]
    assert check_recomputed(books, recomputed, N_ACCOUNTS) == []
    assert [one for one in books if one.posting_month == 202606] == june
    if len(recomputed) > 1 and recomputed[0].amount_nano_yuan.size:
        shown = check_recomputed(books, recomputed[1:], N_ACCOUNTS)
        assert shown == [] or {v.law for v in shown} == {5}


# --- the close of a month ---


def county(golden_case: Callable[[str], Any], case_inputs: Callable[[Any], SettlementInputs]) -> SettlementInputs:
    return case_inputs(golden_case("worked_interval"))


def month_of_two(inputs: SettlementInputs) -> tuple[list[BookedBatch], list[Any], AccountTable]:
    """Two settled intervals of two days of one month."""
    books, own = [], []
    for interval in (inputs.interval, inputs.interval + 96):
        sessions = tuple(
            replace(session, orders=replace(session.orders, interval=interval)) for session in inputs.sessions
        )
        settlement = settle_interval(replace(inputs, interval=interval, sessions=sessions))
        books.append(booked(settlement.transfers, interval))
        own.append(settlement.independent_nano_yuan)
    return books, own, inputs.accounts


def test_a_month_closes_to_zero_with_the_arms_apart(
    golden_case: Callable[[str], Any], case_inputs: Callable[[Any], SettlementInputs]
) -> None:
    books, own, accounts = month_of_two(county(golden_case, case_inputs))
    close = close_month(201605, books, accounts, d_gen=("S3",))
    assert list(close.by_interval.values()) == list(close.by_day.values()) == [0, 0]
    # twice the worked interval: D_net 10.06, D_sup 1.89, S3 5.40 as the utility's own plant
    assert close.arm_nano_yuan == {
        Arm.D_GEN: 10_800_000_000,
        Arm.D_NET: 20_120_000_000,
        Arm.D_SUP: 3_780_000_000,
        Arm.OPERATOR: 0,
        Arm.OTHERS: -34_700_000_000,
    }
    assert check_month(close, month_of_accounts(own, len(accounts)), accounts) == []
    assert check_wires_apart(books, 201605, accounts) == []
    assert close_month(201606, books, accounts).by_interval == {}


def test_a_month_that_does_not_follow_its_accounts_or_misuses_the_wires_is_found(
    golden_case: Callable[[str], Any], case_inputs: Callable[[Any], SettlementInputs]
) -> None:
    books, own, accounts = month_of_two(county(golden_case, case_inputs))
    close = close_month(201605, books[:1], accounts)
    found = check_month(close, month_of_accounts(own, len(accounts)), accounts)
    assert any(v.where == "month 201605, account D_net" for v in found)
    assert {v.law for v in found} == {6}
    d_net, congestion = accounts.position(SystemAccount.D_NET), accounts.position(SystemAccount.CONGESTION)
    batch = books[0].batch
    rent = replace(batch, credit=np.where(batch.credit == congestion, d_net, batch.credit))
    wrong = check_wires_apart([replace(books[0], batch=rent)], 201605, accounts)
    assert {v.what.split()[0] for v in wrong} == {"CONGESTION_RENT", "IMPORT_BASIS"}
    broken = replace(close, by_day={date(2016, 5, 18): 5})
    assert check_month(broken, own[0].tolist(), accounts)[0].what == "balances sum to 0.000000005 yuan"


def test_a_correction_counts_to_the_month_that_it_is_booked_in(
    golden_case: Callable[[str], Any], case_inputs: Callable[[Any], SettlementInputs]
) -> None:
    inputs = county(golden_case, case_inputs)
    books, own, accounts = month_of_two(inputs)
    metered = inputs.metered.import_wh.copy()
    metered[1] += 1_000  # U1 used 1 kWh more, all of it loss before
    loss = inputs.loss_wh.copy()
    loss[1] -= 1_000
    corrected = settle_interval(replace(inputs, metered=replace(inputs.metered, import_wh=metered), loss_wh=loss))
    assert corrected.violations == ()
    outcome = again(
        books,
        corrected.transfers,
        inputs.interval,
        posting_day=date(2016, 7, 4),
        closed_through=201606,
    )
    assert isinstance(outcome, Resettled)
    closed = close_month(201605, books, accounts)
    after = [*books, outcome.reversal, outcome.replacement]
    assert close_month(201605, after, accounts) == closed
    july = close_month(201607, after, accounts)
    difference = corrected.independent_nano_yuan - own[0]
    assert check_month(july, difference.tolist(), accounts) == []
    # U1 pays 1 kWh x (0.35 - 0.23 + 0.20 + 0.01); D_net gets 0.20, the loss fund 0.01 and 0.35 less loss
    lines = {accounts.names[line.account]: line.amount_nano_yuan for line in outcome.lines}
    assert lines == {"U1": -330_000_000, "D_net": 200_000_000, "loss_fund": 360_000_000, "congestion": -230_000_000}


def test_a_months_sums_are_exact_beyond_64_bits() -> None:
    column = np.array([2**62, -(2**62), 3], np.int64)
    assert exact_totals([column] * 5, 3) == (5 * 2**62, -5 * 2**62, 15)
    assert exact_totals([], 2) == (0, 0)


def test_accounts_of_a_table_have_one_arm_each() -> None:
    accounts = account_table(["plant", "user"])
    close = close_month(202606, [booked(moved((1, 0, 9)))], accounts, d_gen=("plant",))
    assert close.arm_nano_yuan[Arm.D_GEN] == 9
    assert close.balance.debit_nano_yuan[1] == 9
    assert BatchKind.SETTLEMENT is booked(moved((1, 0, 9))).batch.kind_of_batch
