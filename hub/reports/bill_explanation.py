"""How a line of a bill came about, step by step with its numbers, so that a user can do it again by hand."""

from hub.reports.bill_document import factor_text, line_name, price_name, price_text, quantity_text, say
from hub.reports.number_text import decimal_text
from hub.reports.wording import price, yuan_of_fen
from hub.settlement.bills.bill import Bill, BillComponent, BillError, BillLine, LinePosting
from hub.settlement.money import NANO_YUAN_PER_FEN
from hub.settlement.rule_lines import QuantityUnit, RuleLine
from hub.settlement.tariffs.tou_prices import RULE_VERSION_FLOATING


def explain_line(bill: Bill, number: int, language: str) -> list[str]:
    """Return the steps of a line: quantity, price and its source, product, rounding, who is paid, rule and inputs.

    :param number: of the line, from 1
    :raises BillError: if the bill has no such line
    """
    if not 1 <= number <= len(bill.lines):
        raise BillError(f"bill {bill.head.bill_id} has lines 1 to {len(bill.lines)}, no line {number}")
    line = bill.lines[number - 1]
    steps = [
        say(language, "explainLine", number=number, name=line_name(language, line), month=f"{bill.head.month:%Y-%m}"),
        *_quantity(bill, line, language),
        *_price(bill, line, language),
        *_amount(line, language),
        *_payees(bill, line, language),
        say(language, "explainRule", rule=line.rule_version, hash=line.input_hash),
    ]
    return [steps[0], *(f"{position}. {step}" for position, step in enumerate(steps[1:], start=1))]


def _quantity(bill: Bill, line: BillLine, language: str) -> list[str]:
    if line.posting is LinePosting.REVERSAL:
        return [say(language, "explainReversal", line=line.corrects, reason=line.reason)]
    if line.posting is LinePosting.RESTATED:
        return [say(language, "explainRestated", line=line.corrects, reason=line.reason)]
    if line.unit is QuantityUnit.AMOUNT:
        return [say(language, "explainAmountOnly", rule=line.rule_version)]
    head = bill.head
    if line.unit is not QuantityUnit.WATT_HOUR:
        return [say(language, "explainPower", quantity=quantity_text(line), point=head.metering_point)]
    steps = [
        say(
            language,
            "explainEnergy",
            quantity=quantity_text(line),
            point=head.metering_point,
            hash=head.meter_data_hash,
        )
    ]
    if line.period and head.calendar_versions:
        name = say(language, f"period.{line.period}")
        steps.append(say(language, "explainCalendar", period=name, calendar=", ".join(head.calendar_versions)))
    return steps


def _price(bill: Bill, line: BillLine, language: str) -> list[str]:
    if line.price_uyuan is None:
        return []
    steps = [say(language, "explainPrice", price=price_text(line, language))]
    if line.factor_ppm is not None and line.base_price_uyuan is not None:
        steps.append(
            say(
                language,
                "explainFactor",
                base=price(line.base_price_uyuan),
                factor=factor_text(line.factor_ppm),
                price=price(line.price_uyuan),
            )
        )
    elif line.component is BillComponent.ENERGY and line.rule_version == RULE_VERSION_FLOATING:
        steps.append(say(language, "explainRest"))
    sources = {one.version_id: one for one in bill.prices}
    for version in line.price_versions:
        if version not in sources:
            steps.append(say(language, "explainVersion", version=version))
            continue
        one = sources[version]
        steps.append(
            say(
                language,
                "explainSource",
                version=version,
                what=price_name(language, one),
                text=one.text,
                document=one.document,
                source=one.source,
            )
        )
    return steps


def _amount(line: BillLine, language: str) -> list[str]:
    exact = decimal_text(line.amount_nano_yuan, scale=1_000_000_000, digits=9)
    rounding = line.amount_nano_yuan - line.amount_fen * NANO_YUAN_PER_FEN
    steps = []
    if line.price_uyuan is not None:
        steps.append(
            say(
                language,
                "explainProduct",
                quantity=quantity_text(line),
                price=price_text(line, language),
                exact=exact,
            )
        )
    steps.append(
        say(
            language,
            "explainRounding",
            exact=exact,
            amount=yuan_of_fen(line.amount_fen),
            rest=decimal_text(rounding, scale=1_000_000_000, digits=9),
        )
    )
    return steps


def _payees(bill: Bill, line: BillLine, language: str) -> list[str]:
    """Return who is paid: of a published period price, each component's account with its part."""
    if line.posting is not LinePosting.CHARGE:
        return []
    postings = [one for one in bill.postings if one.detail == line.period and line.period]
    if line.component is not BillComponent.PERIOD or not postings:
        return []
    parts = [_part(one, language) for one in postings if one.component.startswith("tariff-")]
    return [say(language, "explainParts", parts="; ".join(parts))]


def _part(posting: RuleLine, language: str) -> str:
    name = say(language, f"line.{posting.component.removeprefix('tariff-')}")
    exact = decimal_text(posting.amount_nano_yuan, scale=1_000_000_000, digits=9)
    return say(
        language, "explainPart", name=name, price=price(posting.price_uyuan), amount=exact, to=posting.to_account
    )
