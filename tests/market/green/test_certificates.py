"""The register of certificates under anything that may be asked of it: no MWh twice, each refusal with its reason."""

from dataclasses import replace
from datetime import date

from hypothesis import given, settings
from hypothesis import strategies as st

from hub.market.green.certificates import (
    CertificateLot,
    CertificateOutcome,
    CertificateRefusal,
    CertificateRegister,
    CertificateRules,
    CertificatesChanged,
    CertificatesRefused,
    CertificateStatus,
    Delivery,
    PlantMonth,
    cancel,
    check_certificates,
    deliver,
    held,
    issue,
    transfer,
)
from hub.market.registry.periods import Period

MWH = 1_000_000
RULES = CertificateRules(Period(date(2023, 1, 1)), "outside rules 11", "NEA qualification centre", MWH, 24)
TODAY = date(2026, 5, 1)


def entry(wh: int, *, month: int = 202604, mechanism_wh: int = 0, clean: bool = True) -> PlantMonth:
    return PlantMonth("PV1", month, "plant", clean, wh, mechanism_wh)


def lot(first: int, count: int, *, month: int = 202604) -> CertificateLot:
    return CertificateLot("PV1", month, first, count, "", CertificateStatus.ISSUED)


def ten() -> CertificateRegister:
    return after(issue(CertificateRegister(RULES), entry(10 * MWH + 7)))


def after(outcome: CertificateOutcome) -> CertificateRegister:
    assert isinstance(outcome, CertificatesChanged)
    return outcome.register


def reason(outcome: CertificateOutcome) -> CertificateRefusal:
    assert isinstance(outcome, CertificatesRefused)
    return outcome.reason


def test_each_refusal_has_its_reason() -> None:
    register = ten()
    delivery = Delivery("T", "plant", "X", "A", "B", 4)
    delivered = after(deliver(register, delivery, day=TODAY))
    used = after(cancel(delivered, lot(1, 4), owner_id="X", day=TODAY))
    found = [
        reason(issue(register, entry(11 * MWH))),
        reason(issue(register, entry(1, month=202605, clean=False))),
        reason(issue(register, entry(1, month=202605, mechanism_wh=2))),
        reason(transfer(register, lot(10, 2), seller_id="plant", buyer_id="X", day=TODAY)),
        reason(transfer(register, lot(1, 0), seller_id="plant", buyer_id="X", day=TODAY)),
        reason(transfer(delivered, lot(4, 2), seller_id="plant", buyer_id="X", day=TODAY)),
        reason(transfer(used, lot(2, 1), seller_id="X", buyer_id="Y", day=TODAY)),
        reason(transfer(register, lot(1, 1), seller_id="plant", buyer_id="X", day=date(2028, 5, 1))),
        reason(deliver(register, replace(delivery, count=11), day=TODAY)),
        reason(deliver(delivered, replace(delivery, count=1), day=TODAY)),
        reason(deliver(register, delivery, day=date(2028, 5, 1))),
    ]
    assert found == [
        CertificateRefusal.MONTH_STANDS,
        CertificateRefusal.NOT_CLEAN,
        CertificateRefusal.MECHANISM_BEYOND_GENERATION,
        CertificateRefusal.UNKNOWN_CERTIFICATE,
        CertificateRefusal.UNKNOWN_CERTIFICATE,
        CertificateRefusal.NOT_ITS_OWNER,
        CertificateRefusal.CANCELLED,
        CertificateRefusal.EXPIRED,
        CertificateRefusal.TOO_FEW,
        CertificateRefusal.REPEATED_ID,
        CertificateRefusal.TOO_FEW,
    ]


def test_repeats_change_nothing() -> None:
    register = ten()
    assert issue(register, entry(10 * MWH + 7)) == CertificatesChanged(register, ())
    delivery = Delivery("T", "plant", "X", "A", "B", 4)
    delivered = after(deliver(register, delivery, day=TODAY))
    assert deliver(delivered, delivery, day=TODAY) == CertificatesChanged(delivered, ())
    assert (held(delivered, "X"), held(delivered, "plant")) == (4, 6)


def test_certificates_are_valid_to_the_end_of_their_last_month() -> None:
    assert held(after(deliver(ten(), Delivery("T", "plant", "X", "", "", 1), day=date(2028, 4, 30))), "X") == 1


def test_the_oldest_go_first_and_a_part_of_a_lot_may_go() -> None:
    register = after(issue(ten(), entry(3 * MWH, month=202601)))
    gone = deliver(register, Delivery("T", "plant", "X", "", "", 5), day=TODAY)
    assert isinstance(gone, CertificatesChanged)
    assert [(one.month, one.first, one.count) for one in gone.lots] == [(202601, 1, 3), (202604, 1, 2)]
    assert check_certificates(gone.register) == []


def test_the_check_sees_what_was_forged() -> None:
    register = ten()
    (whole,) = register.lots
    doubled = replace(register, lots=(whole, replace(whole, first=10, count=1)))
    assert len(check_certificates(doubled)) == 2
    assert len(check_certificates(replace(register, carried_wh={"PV1": 8}))) == 1
    assert len(check_certificates(replace(register, lots=(replace(whole, first=2),)))) == 1


step = st.tuples(
    st.sampled_from(["issue", "transfer", "cancel", "deliver"]),
    st.integers(0, 3),
    st.integers(0, 6),
    st.sampled_from(["plant", "X", "Y"]),
    st.sampled_from(["plant", "X", "Y"]),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(step, max_size=14))
def test_whatever_is_asked_no_mwh_is_certified_twice(steps: list[tuple[str, int, int, str, str]]) -> None:
    register, cancelled = CertificateRegister(RULES), 0
    for number, (what, first, count, one, other) in enumerate(steps):
        month = 202601 + first
        outcome: CertificateOutcome
        if what == "issue":
            outcome = issue(register, entry(count * 700_000, month=month, mechanism_wh=count * 100_000))
        elif what == "transfer":
            outcome = transfer(register, lot(count, 2, month=month), seller_id=one, buyer_id=other, day=TODAY)
        elif what == "cancel":
            outcome = cancel(register, lot(count, 1, month=month), owner_id=one, day=TODAY)
            cancelled += isinstance(outcome, CertificatesChanged)
        else:
            outcome = deliver(register, Delivery(str(number), one, other, "A", "B", count), day=TODAY)
        if isinstance(outcome, CertificatesChanged):
            register = outcome.register
        assert check_certificates(register) == []
        everybody = sum(held(register, name) for name in ("plant", "X", "Y"))
        eligible = sum(month.generation_wh - month.mechanism_wh for month in register.months.values())
        assert everybody + cancelled == eligible // MWH
