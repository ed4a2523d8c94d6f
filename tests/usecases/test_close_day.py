"""The end of a day: statements of every account, and the rounding that is shown."""

from sqlmodel import Session

from hub.settlement.accounts import SystemAccount
from hub.usecases.close_day import close_operating_day

NANO_YUAN_PER_FEN = 10_000_000


def test_statements_add_up_from_postings_to_fen(undisturbed):
    market = undisturbed
    model = market.model
    ledger = dict(market.rows("SELECT account, sum(ledger_nano_yuan) FROM account_total GROUP BY account"))
    statements = market.rows(
        "SELECT account, total_fen, ledger_nano_yuan, rounding_nano_yuan, first_interval, last_interval FROM statement"
    )
    assert {row[0]: row[2] for row in statements} == {account: amount for account, amount in ledger.items() if amount}
    for account, total_fen, exact, rounding, first, last in statements:
        assert total_fen * NANO_YUAN_PER_FEN == exact + rounding
        assert (first, last) == (market.first, market.last)
        lines = market.rows(
            "SELECT line, kind, amount_fen, exact_nano_yuan FROM statement_line WHERE account = :a ORDER BY line",
            a=account,
        )
        assert [line for line, *_ in lines] == list(range(len(lines)))
        assert len({kind for _, kind, _, _ in lines}) == len(lines)
        assert sum(fen for *_, fen, _ in lines) == total_fen
        assert sum(nano for *_, nano in lines) == exact
        for *_, fen, nano in lines:
            # Half up, once: the line lies within half a fen of its exact amount.
            assert -NANO_YUAN_PER_FEN < 2 * (fen * NANO_YUAN_PER_FEN - nano) <= NANO_YUAN_PER_FEN
    assert sum(row[3] for row in statements) == -sum(
        exact - total * NANO_YUAN_PER_FEN for _, total, exact, *_ in statements
    )
    rounding_account = model.accounts.position(SystemAccount.ROUNDING)
    booked = {}
    for debit, credit, amount in market.rows("SELECT debit, credit, amount_nano_yuan FROM posting"):
        booked[debit] = booked.get(debit, 0) - amount
        booked[credit] = booked.get(credit, 0) + amount
    assert sum(booked.values()) == 0
    totals = {account: fen * NANO_YUAN_PER_FEN for account, fen, *_ in statements}
    rounding = booked.pop(rounding_account)
    assert {account: amount for account, amount in booked.items() if amount} == {
        account: amount for account, amount in totals.items() if amount
    }
    assert rounding == -sum(totals.values()) != 0


def test_the_rounding_postings_follow_the_days_own(undisturbed):
    market = undisturbed
    rows = market.rows("SELECT interval, seq, kind, amount_nano_yuan FROM posting ORDER BY interval, seq")
    for interval in range(market.first, market.last + 1):
        assert [seq for at, seq, *_ in rows if at == interval] == list(range(sum(at == interval for at, *_ in rows)))
    roundings = [row for row in rows if row[2] == "STATEMENT_ROUNDING"]
    assert roundings == rows[-len(roundings) :]
    assert all(amount > 0 for *_, amount in roundings)
    assert {interval for interval, *_ in roundings} == {market.last}


def test_law_7_finds_a_statement_that_does_not_fit_the_ledger(market, monkeypatch):
    """The trial balance is taken from the postings themselves, so a line that was left out is seen."""
    for interval in range(market.first - 2, market.last + 1):
        market.at(interval)
    monkeypatch.setattr(
        "hub.usecases.close_day._SIDE",
        "SELECT {account}, kind, sum(energy_wh), sum(amount_nano_yuan) FROM posting "
        "WHERE interval BETWEEN :first AND :last AND kind <> 'LOSS_FEE' GROUP BY {account}, kind",
    )
    with Session(market.engine) as session:
        closed = close_operating_day(
            session, market.model, day=market.toy.DAY, first=market.first, last=market.last - 2
        )
    assert {violation.law for violation in closed.violations} == {7}


def test_a_day_without_postings_closes_empty(market):
    with Session(market.engine) as session:
        closed = close_operating_day(session, market.model, day=market.toy.DAY, first=market.first, last=market.last)
        session.commit()
    assert closed.violations == ()
    assert market.rows("SELECT count(*) FROM statement") == [(0,)]
