"""A bill as a document in one language: facts, tables and notes, all figures as text.

The PDF, the terminal and the workbook take their texts and numbers from here, so that they agree. Requirements rows
94, 95, 99, 100, 117.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from hub.market.registry.periods import next_month
from hub.reports.glyphs import printable_text
from hub.reports.number_text import decimal_text
from hub.reports.wording import NO_DATA, Cell, exact_yuan, kwh, price, yuan_of_fen
from hub.settlement.bills.bill import (
    Bill,
    BillChange,
    BillComponent,
    BillLine,
    ComponentAmount,
    LinePosting,
    PriceSource,
)
from hub.settlement.exact_shares import PPM
from hub.settlement.rule_lines import QuantityUnit
from hub.texts import load_texts, text

_REGION = {"zh-CN": ("zh", "cn"), "en": ("en", "gb")}


def say(language: str, key: str, **values: object) -> str:
    """Return a text of the area "bill"."""
    return text(language, f"bill.{key}", **values)


def named(language: str, area: str, code: str) -> str:
    """Return the name of a code (an item, a parameter), or the code where the catalogue has none."""
    return say(language, f"{area}.{code}") if _has(language, area, code) else printable_text(code)


def line_name(language: str, line: BillLine) -> str:
    """Return what a line is for, with its period or detail, and the mark of a correction."""
    name = text(language, line.text_key)
    if line.period:
        name = say(language, "of", name=name, detail=say(language, f"period.{line.period}"))
    elif line.detail:
        kinds = line.detail.split(" ")
        known = all(kind in _PERIODS for kind in kinds)
        detail = " ".join(say(language, f"period.{kind}") for kind in kinds) if known else printable_text(line.detail)
        name = say(language, "of", name=name, detail=detail)
    if line.posting is LinePosting.CHARGE:
        return name
    key = "reversal" if line.posting is LinePosting.REVERSAL else "restated"
    return say(language, key, name=name, line=printable_text(line.corrects), reason=printable_text(line.reason))


def quantity_text(line: BillLine) -> str:
    """Return the quantity in kWh, kW or kVA with three decimals, which is exact."""
    if line.unit is QuantityUnit.AMOUNT:
        return NO_DATA
    return f"{kwh(line.quantity)} {_UNIT[line.unit]}"


def price_text(line: BillLine, language: str) -> str:
    """Return the price as it was used, six decimals at most, with its unit."""
    if line.price_uyuan is None:
        return NO_DATA
    return f"{price(line.price_uyuan)} {say(language, 'perUnit', unit=_UNIT[line.unit])}"


def price_name(language: str, source: PriceSource) -> str:
    """Return what a price is, with the period, voltage class, tariff type or item that it is for."""
    names = [named(language, "parameters", source.what)]
    for key in source.keys:
        area = next((one for one in ("period", "tariffType", "items") if _has(language, one, key)), "")
        names.append(named(language, area, key) if area else printable_text(key))
    return " · ".join(names)


def share_text(share_bp: int | None) -> str:
    """Return a share in per cent with two decimals, as it is kept, so that the column sums to 100.00."""
    return NO_DATA if share_bp is None else decimal_text(share_bp, scale=100, digits=2)


def factor_text(factor_ppm: int) -> str:
    """Return a factor with as many decimals as it has, at least one."""
    digits = next(digits for digits in range(1, 7) if factor_ppm % 10 ** (6 - digits) == 0)
    return decimal_text(factor_ppm, scale=PPM, digits=digits)


def bill_document(bill: Bill, language: str) -> dict[str, Any]:
    """Return the bill's document: what the template prints."""
    head = bill.head
    last = next_month(head.month) - timedelta(days=1)
    lang, region = _REGION[language]
    tables = [_lines(bill, language), _components(bill, language)]
    if bill.change is not None:
        tables += _change(bill.change, language)
    return {
        "language": lang,
        "region": region,
        "title": say(language, "title"),
        "month": f"{head.month:%Y-%m}",
        "date": [last.year, last.month, last.day],
        "running": f"{printable_text(head.user_id)} · {head.month:%Y-%m}",
        "facts": _facts(bill, language),
        "figures": _figures(bill, language),
        "tables": [*tables, _prices(bill, language)],
        "footer": say(language, "footer", bill=printable_text(head.bill_id)),
        "notes": [
            say(language, "roundingNote", rounding=_whole_yuan(bill.rounding_nano_yuan)),
            say(language, "recomputeNote"),
            say(language, "hashNote", hash=printable_text(head.meter_data_hash)),
        ],
    }


_PERIODS = ("SHARP", "PEAK", "FLAT", "VALLEY", "DEEP_VALLEY")
_UNIT = {QuantityUnit.WATT_HOUR: "kWh", QuantityUnit.WATT: "kW", QuantityUnit.VOLT_AMPERE: "kVA"}


def _whole_yuan(nano_yuan: int) -> str:
    return decimal_text(nano_yuan, scale=1_000_000_000, digits=9)


def _facts(bill: Bill, language: str) -> list[list[str]]:
    head = bill.head
    calendars = ", ".join(printable_text(one) for one in head.calendar_versions) or NO_DATA
    facts = (
        ("user", f"{printable_text(head.user_name)} ({printable_text(head.user_id)})"),
        ("meteringPoint", printable_text(head.metering_point)),
        ("billId", printable_text(head.bill_id)),
        ("province", named(language, "provinces", head.province)),
        ("categoryName", say(language, f"category.{head.category.value}")),
        ("voltageClass", printable_text(head.voltage_class)),
        ("tariffTypeName", say(language, f"tariffType.{head.tariff_type.value}")),
        ("supplyModeName", say(language, f"supplyMode.{head.supply_mode.value}")),
        ("calendar", calendars),
    )
    return [[say(language, key), value] for key, value in facts]


def _figures(bill: Bill, language: str) -> list[list[str]]:
    """Return the figures at the top: label, number, unit."""
    yuan = say(language, "yuan")
    figures = [
        [say(language, "total"), yuan_of_fen(bill.total_fen), yuan],
        [say(language, "energyUsed"), kwh(bill.energy_wh), "kWh"],
        [say(language, "averagePrice"), price(bill.average_price_uyuan_per_kwh), say(language, "perUnit", unit="kWh")],
    ]
    if bill.corrections_fen or any(line.posting is not LinePosting.CHARGE for line in bill.lines):
        figures.insert(1, [say(language, "corrections"), yuan_of_fen(bill.corrections_fen), yuan])
    return figures


def _table(
    language: str, key: str, columns: Iterable[tuple[str, bool]], rows: list[list[Cell]], *, total: bool
) -> dict[str, Any]:
    """Return a table. columns: (text key, whether it is a column of numbers); total: the last row is a sum."""
    return {
        "title": say(language, key),
        "note": say(language, f"{key}Note"),
        "columns": [{"name": say(language, name), "right": right} for name, right in columns],
        "rows": rows,
        "total": total,
    }


def _lines(bill: Bill, language: str) -> dict[str, Any]:
    source = {one.version_id: number for number, one in enumerate(bill.prices, start=1)}
    rows: list[list[Cell]] = [
        [
            str(line.number),
            line_name(language, line),
            quantity_text(line),
            price_text(line, language),
            yuan_of_fen(line.amount_fen),
            " ".join(f"[{source[one]}]" for one in line.price_versions if one in source) or NO_DATA,
        ]
        for line in bill.lines
    ]
    rows.append(["", say(language, "total"), "", "", yuan_of_fen(bill.total_fen), ""])
    columns = (("number", False), ("item", False), ("quantity", True), ("price", True), ("amount", True))
    return _table(language, "lines", (*columns, ("priceSource", False)), rows, total=True)


def _components(bill: Bill, language: str) -> dict[str, Any]:
    rows: list[list[Cell]] = []
    for one in bill.components:
        rows.append([component_name(language, one), "", exact_yuan(one.amount_nano_yuan), share_text(one.share_bp)])
        for item in one.items:
            name = say(language, "subItem", name=named(language, "items", item.item))
            part: Cell = {"text": name, "indent": "1"}
            rows.append([part, price(item.price_uyuan_per_kwh), exact_yuan(item.amount_nano_yuan), ""])
    whole = sum(one.amount_nano_yuan for one in bill.components)
    has_shares = any(one.share_bp is not None for one in bill.components)
    rows.append([say(language, "total"), "", exact_yuan(whole), "100.00" if has_shares else NO_DATA])
    columns = (("component", False), ("listedPrice", True), ("amount", True), ("share", True))
    return _table(language, "components", columns, rows, total=True)


def component_name(language: str, one: ComponentAmount) -> str:
    """Return the name of a component of the breakdown."""
    return say(language, f"line.{one.component.value}")


def _change(change: BillChange, language: str) -> list[dict[str, Any]]:
    rows: list[list[Cell]] = []
    for row in change.rows:
        name = say(language, f"line.{row.component.value}")
        if row.detail == "corrections" and row.component is BillComponent.OTHER:
            name = say(language, "corrections")
        elif row.period or row.detail:
            detail = say(language, f"period.{row.period}") if row.period else printable_text(row.detail)
            name = say(language, "of", name=name, detail=detail)
        effects = (row.quantity_nano_yuan, row.price_nano_yuan, row.rule_nano_yuan, row.other_nano_yuan)
        amounts = (*effects, row.after_nano_yuan - row.before_nano_yuan)
        rows.append([name, *(exact_yuan(amount) for amount in amounts)])
    if change.rounding_nano_yuan:
        empty = [NO_DATA] * 4
        rows.append([say(language, "rounding"), *empty, exact_yuan(change.rounding_nano_yuan)])
    totals = (
        *(change.quantity_nano_yuan, change.price_nano_yuan, change.rule_nano_yuan, change.other_nano_yuan),
        sum(row.after_nano_yuan - row.before_nano_yuan for row in change.rows) + change.rounding_nano_yuan,
    )
    rows.append([say(language, "total"), *(exact_yuan(amount) for amount in totals)])
    columns = ("byQuantity", "byPrice", "byRule", "byOther", "difference")
    table = _table(language, "change", (("component", False), *((name, True) for name in columns)), rows, total=True)
    table["note"] = say(
        language,
        "changeOf",
        month=f"{change.before_month:%Y-%m}",
        before=yuan_of_fen(change.before_fen),
        after=yuan_of_fen(change.after_fen),
    ) + (say(language, "changeEstimated") if change.is_estimated else table["note"])
    if not change.rates:
        return [table]
    rates: list[list[Cell]] = [
        [
            named(language, "items", one.item),
            price(one.rate_before_uyuan_per_kwh),
            price(one.rate_after_uyuan_per_kwh),
            price(one.fee_effect_uyuan_per_kwh),
            price(one.energy_effect_uyuan_per_kwh),
        ]
        for one in change.rates
    ]
    columns_of_rates = (("item", False), *((name, True) for name in ("before", "after", "byFee", "byEnergy")))
    return [table, _table(language, "rates", columns_of_rates, rates, total=False)]


def _prices(bill: Bill, language: str) -> dict[str, Any]:
    rows: list[list[Cell]] = []
    for number, one in enumerate(bill.prices, start=1):
        rows.append(
            [
                f"[{number}]",
                price_name(language, one),
                printable_text(one.text),
                _in_force(language, one),
                printable_text(one.document),
            ]
        )
    columns = (("number", False), ("priceName", False), ("asWritten", False), ("inForce", False), ("document", False))
    return _table(language, "prices", columns, rows, total=False)


def _in_force(language: str, source: PriceSource) -> str:
    """Return the days of a version; a day that is excluded is printed as the last one that counts."""
    if source.effective_from is None:
        return NO_DATA
    if source.effective_to is None:
        return say(language, "from", since=source.effective_from)
    return say(language, "fromTo", since=source.effective_from, until=source.effective_to - timedelta(days=1))


def _has(language: str, area: str, code: str) -> bool:
    texts = load_texts(language)["bill"]
    names = texts if isinstance(texts, str) else texts[area]
    return not isinstance(names, str) and code in names
