"""Lines of rules: what accounts get of them, and that a line is its quantity times its price."""

from dataclasses import replace

from hub.settlement.rule_lines import (
    QuantityUnit,
    account_totals_nano_yuan,
    amount_line,
    check_rule_lines,
    priced_line,
    priced_lines,
    share_lines,
    total_nano_yuan,
)

ENERGY = priced_line("energy", payer="u", payee="r", quantity=1_500, price_uyuan=400_000, rule_version="e-1")
REFUND = amount_line("refund", payer="u", payee="r", amount_nano_yuan=-7, rule_version="f-1")


def test_who_is_named_first_pays_and_a_negative_amount_flows_back() -> None:
    assert (ENERGY.amount_nano_yuan, ENERGY.unit) == (600_000_000, QuantityUnit.WATT_HOUR)
    assert account_totals_nano_yuan([ENERGY]) == {"u": -600_000_000, "r": 600_000_000}
    assert account_totals_nano_yuan([REFUND]) == {"u": 7, "r": -7}
    both = [ENERGY, REFUND]
    assert account_totals_nano_yuan(both)["r"] == total_nano_yuan(both) == 599_999_993


def test_lines_of_rows_and_shares_leave_nothing_out_but_zeros() -> None:
    rows = [("a", "u", "r", 2, -3), ("b", "u", "r", 0, 9)]
    assert [(line.component, line.amount_nano_yuan) for line in priced_lines(rows, rule_version="x-1")] == [("a", -6)]
    lines = share_lines("c", {"u": 5, "v": 0, "w": -2}, account="pool", rule_version="x-1", price_versions=("p",))
    assert account_totals_nano_yuan(lines) == {"u": -5, "w": 2, "pool": 3}
    assert {line.price_versions for line in lines} == {("p",)}


def test_the_law_sees_a_wrong_product_an_own_payment_and_a_rule_without_a_version() -> None:
    assert check_rule_lines([ENERGY, REFUND]) == []
    for wrong in (
        replace(ENERGY, amount_nano_yuan=ENERGY.amount_nano_yuan + 1),
        replace(ENERGY, to_account="u"),
        replace(REFUND, rule_version=""),
    ):
        assert len(check_rule_lines([wrong])) == 1
