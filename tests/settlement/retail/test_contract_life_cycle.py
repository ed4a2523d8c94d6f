"""The life of a retail contract: ways through the table, cut-off, acknowledgement, nothing changed backwards."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.market.registry.periods import Period
from hub.settlement.retail.contract_life_cycle import (
    TRANSITIONS,
    Amend,
    ContractChanged,
    ContractRefused,
    ContractState,
    DayBegins,
    LifeCycleRefusal,
    LifeCycleRules,
    RetailContract,
    Sign,
    Terminate,
    Withdraw,
    check_not_retroactive,
    offer,
    step,
)
from hub.settlement.retail.contract_terms import Fixed, RetailTerms
from hub.settlement.retail.retail_rules import (
    AcknowledgementNeeded,
    RiskWarning,
    TermsAdmitted,
    TermsFault,
    TermsRefused,
)

RULES = LifeCycleRules("cut-off-1", "x", Period(date(2020, 1, 1)), "row 92", cut_off_days=3)
JUNE, JULY, AUGUST, OCTOBER = (date(2026, month, 1) for month in (6, 7, 8, 10))
OK = TermsAdmitted(())


def terms(price: int = 1, contract_id: str = "C") -> RetailTerms:
    return RetailTerms(contract_id, "user", "retailer", 10_000, "model", Fixed(price))


def offered(until: date | None = OCTOBER) -> RetailContract:
    return offer(terms(), Period(JUNE, until), recorded_on=date(2026, 5, 1))


def after(contract: RetailContract, *events: object) -> RetailContract:
    for event in events:
        outcome = step(contract, event, RULES)
        assert isinstance(outcome, ContractChanged), outcome
        contract = outcome.contract
    return contract


def reason(contract: RetailContract, event: object) -> LifeCycleRefusal:
    outcome = step(contract, event, RULES)
    assert isinstance(outcome, ContractRefused)
    return outcome.reason


def signed() -> RetailContract:
    return after(offered(), Sign(date(2026, 5, 20), OK))


def test_a_warned_user_confirms_and_the_confirmation_is_kept() -> None:
    warning = (RiskWarning.FIXED_PRICE_HIGH,)
    warned = after(offered(), Sign(date(2026, 5, 2), AcknowledgementNeeded(warning)))
    assert (warned.state, warned.terms_on(JUNE)) == (ContractState.WARNED, None)
    confirmed = after(warned, Sign(date(2026, 5, 3), TermsAdmitted(warning)))
    assert (confirmed.state, confirmed.versions[0].acknowledged) == (ContractState.SIGNED, warning)
    assert after(warned, Withdraw(date(2026, 5, 3))).state is ContractState.WITHDRAWN


def test_terms_that_are_refused_are_not_signed() -> None:
    refused = step(offered(), Sign(date(2026, 5, 2), TermsRefused((TermsFault.NO_PRICE,))), RULES)
    assert refused == ContractRefused(LifeCycleRefusal.TERMS, (TermsFault.NO_PRICE,))
    needed = AcknowledgementNeeded((RiskWarning.FIXED_PRICE_HIGH,))
    assert reason(signed(), Amend(date(2026, 5, 21), JULY, terms(2), needed)) is LifeCycleRefusal.NOT_ACKNOWLEDGED


def test_the_cut_off_is_a_day() -> None:
    assert after(offered(), Sign(date(2026, 5, 29), OK)).state is ContractState.SIGNED
    assert reason(offered(), Sign(date(2026, 5, 30), OK)) is LifeCycleRefusal.AFTER_CUT_OFF
    assert reason(offered(), Sign(JUNE, OK)) is LifeCycleRefusal.RETROACTIVE
    in_june = after(signed(), DayBegins(JUNE))
    change = Amend(date(2026, 6, 28), JULY, terms(2), OK)
    assert after(in_june, change).terms_on(JULY) == terms(2)
    late = Amend(date(2026, 6, 29), JULY, terms(2), OK)
    assert reason(in_june, late) is LifeCycleRefusal.AFTER_CUT_OFF
    assert (
        reason(in_june, Amend(date(2026, 6, 2), date(2026, 7, 2), terms(), OK)) is LifeCycleRefusal.NOT_FIRST_OF_MONTH
    )
    assert reason(in_june, Amend(date(2026, 5, 31), JULY, terms(), OK)) is LifeCycleRefusal.OUT_OF_ORDER
    assert reason(in_june, Amend(date(2026, 6, 2), OCTOBER, terms(), OK)) is LifeCycleRefusal.OUTSIDE_CONTRACT
    assert reason(in_june, Amend(date(2026, 6, 2), JULY, terms(1, "D"), OK)) is LifeCycleRefusal.ANOTHER_CONTRACT


def test_an_amendment_replaces_its_month_and_keeps_the_others() -> None:
    day = date(2026, 6, 2)
    changes = [Amend(day, AUGUST, terms(4), OK), Amend(day, JULY, terms(2), OK), Amend(day, JULY, terms(3), OK)]
    amended = after(signed(), DayBegins(JUNE), *changes)
    assert [amended.terms_on(month) for month in (JUNE, JULY, AUGUST)] == [terms(), terms(3), terms(4)]


def test_a_contract_ends_by_term_or_before() -> None:
    assert after(signed(), DayBegins(JUNE), DayBegins(OCTOBER)).state is ContractState.ENDED
    in_june = after(signed(), DayBegins(JUNE))
    ending = after(in_june, Terminate(date(2026, 6, 20), AUGUST))
    assert ending.state is ContractState.ENDING
    assert [ending.terms_on(day) is None for day in (JULY, AUGUST)] == [False, True]
    assert reason(ending, Amend(date(2026, 6, 21), JULY, terms(2), OK)) is LifeCycleRefusal.NOT_IN_THIS_STATE
    ended = after(ending, DayBegins(AUGUST))
    assert (ended.state, ended.terms_on(JULY)) == (ContractState.ENDED, terms())
    assert reason(in_june, Terminate(date(2026, 6, 30), JULY)) is LifeCycleRefusal.AFTER_CUT_OFF
    assert reason(in_june, Terminate(date(2026, 6, 3), OCTOBER)) is LifeCycleRefusal.OUTSIDE_CONTRACT


def test_before_it_begins_a_contract_is_shortened_or_withdrawn() -> None:
    shorter = after(signed(), Terminate(date(2026, 5, 21), AUGUST))
    assert (shorter.state, shorter.terms_on(AUGUST), shorter.terms_on(JULY)) == (ContractState.SIGNED, None, terms())
    for event in (Terminate(date(2026, 5, 21), JUNE), Withdraw(date(2026, 5, 21))):
        gone = after(signed(), event)
        assert (gone.state, gone.terms_on(JUNE)) == (ContractState.WITHDRAWN, None)
    assert reason(signed(), Withdraw(date(2026, 5, 30))) is LifeCycleRefusal.AFTER_CUT_OFF
    assert reason(after(signed(), DayBegins(JUNE)), Withdraw(JUNE)) is LifeCycleRefusal.NOT_IN_THIS_STATE


def test_a_contract_is_for_whole_months() -> None:
    for period in (Period(date(2026, 6, 2)), Period(JUNE, JUNE)):
        with pytest.raises(ValueError, match="row 92"):
            offer(terms(), period, recorded_on=date(2026, 5, 1))


def test_the_law_sees_a_change_of_a_day_that_has_begun() -> None:
    before = after(signed(), DayBegins(JUNE))
    rewritten = replace(before, versions=())
    assert check_not_retroactive(before, rewritten, recorded_on=date(2026, 6, 5)) != []


DAYS = st.integers(0, 150).map(lambda days: date(2026, 5, 2) + timedelta(days))
MONTHS = st.sampled_from([JUNE, JULY, AUGUST, OCTOBER, date(2026, 11, 1)])
EVENTS = st.one_of(
    st.builds(Sign, DAYS, st.just(OK)),
    st.builds(Amend, DAYS, MONTHS, st.integers(2, 9).map(terms), st.just(OK)),
    st.builds(Terminate, DAYS, MONTHS),
    st.builds(Withdraw, DAYS),
    st.builds(DayBegins, DAYS),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(EVENTS, max_size=12))
def test_no_event_changes_terms_of_a_day_that_has_begun(events: list) -> None:
    contract = offered()
    for event in sorted(events, key=lambda one: one.recorded_on):
        outcome = step(contract, event, RULES)
        if isinstance(outcome, ContractRefused):
            continue
        assert check_not_retroactive(contract, outcome.contract, recorded_on=event.recorded_on) == []
        steps = {following for (state, _), following in TRANSITIONS.items() if state is contract.state}
        two = {following for (state, _), following in TRANSITIONS.items() if state in steps}
        assert outcome.contract.state in {contract.state} | steps | two
        contract = outcome.contract
