"""A bill as XLSX: every line, component, change and price source, numbers as numbers; a rerun gives the same bytes."""

import io
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from hub.reports.bill_document import component_name, line_name, named, price_name, say
from hub.settlement.bills.bill import Bill
from hub.settlement.rule_lines import QuantityUnit

_UNIT = {QuantityUnit.WATT_HOUR: "kWh", QuantityUnit.WATT: "kW", QuantityUnit.VOLT_AMPERE: "kVA"}
_Row = Sequence["str | int | Decimal | None"]


def bill_workbook(bill: Bill, language: str) -> bytes:
    """Return the bill's workbook: sheets of lines, components, changes where there are any, and price sources."""
    file = io.BytesIO()
    book = xlsxwriter.Workbook(file, {"constant_memory": True})
    month = bill.head.month
    created = datetime(month.year, month.month, month.day, tzinfo=UTC).replace(tzinfo=None)
    book.set_properties({"title": say(language, "title"), "created": created})
    bold = book.add_format({"bold": True, "bottom": 1})
    for name, header, rows in _sheets(bill, language):
        sheet = book.add_worksheet(say(language, name))
        sheet.freeze_panes(1, 0)
        sheet.set_column(0, len(header) - 1, 18)
        _write(sheet, 0, [say(language, key) for key in header], bold)
        for number, row in enumerate(rows, start=1):
            _write(sheet, number, row, None)
    book.close()
    return file.getvalue()


def _write(sheet: Worksheet, number: int, row: _Row, form: Format | None) -> None:
    for column, value in enumerate(row):
        if isinstance(value, str):
            sheet.write_string(number, column, value, form)
        elif value is not None:
            sheet.write_number(number, column, value, form)


def _sheets(bill: Bill, language: str) -> list[tuple[str, tuple[str, ...], list[_Row]]]:
    lines: list[_Row] = [
        (
            line.number,
            line_name(language, line),
            None if line.unit is QuantityUnit.AMOUNT else _scaled(line.quantity, 3),
            _UNIT.get(line.unit, ""),
            None if line.price_uyuan is None else _scaled(line.price_uyuan, 6),
            _scaled(line.amount_nano_yuan, 9),
            _scaled(line.amount_fen, 2),
            line.rule_version,
            " ".join(line.price_versions),
            line.input_hash,
        )
        for line in bill.lines
    ]
    lines.append((None, say(language, "total"), None, "", None, None, _scaled(bill.total_fen, 2), "", "", ""))
    components: list[_Row] = []
    for one in bill.components:
        share = None if one.share_bp is None else _scaled(one.share_bp, 2)
        components.append((component_name(language, one), "", None, _scaled(one.amount_nano_yuan, 9), share))
        for item in one.items:
            listed = None if item.price_uyuan_per_kwh is None else _scaled(item.price_uyuan_per_kwh, 6)
            name = named(language, "items", item.item)
            components.append((component_name(language, one), name, listed, _scaled(item.amount_nano_yuan, 9), None))
    prices: list[_Row] = [
        (
            one.version_id,
            price_name(language, one),
            one.text,
            "" if one.effective_from is None else one.effective_from.isoformat(),
            "" if one.effective_to is None else one.effective_to.isoformat(),
            one.document,
            one.source,
            one.mark,
        )
        for one in bill.prices
    ]
    line_columns = ("number", "item", "quantity", "unit", "price", "exactAmount", "amount", "rule", "versions", "hash")
    price_columns = ("versions", "priceName", "asWritten", "since", "until", "document", "source", "mark")
    sheets = [
        ("lines", line_columns, lines),
        ("components", ("component", "item", "listedPrice", "exactAmount", "share"), components),
        ("prices", price_columns, prices),
    ]
    if bill.change is not None:
        changes: list[_Row] = [
            (
                say(language, f"line.{row.component.value}"),
                row.period or row.detail,
                *(
                    _scaled(amount, 9)
                    for amount in (
                        row.before_nano_yuan,
                        row.after_nano_yuan,
                        row.quantity_nano_yuan,
                        row.price_nano_yuan,
                        row.rule_nano_yuan,
                        row.other_nano_yuan,
                    )
                ),
            )
            for row in bill.change.rows
        ]
        effects = ("before", "after", "byQuantity", "byPrice", "byRule", "byOther")
        sheets.insert(2, ("change", ("component", "item", *effects), changes))
    return sheets


def _scaled(value: int, decimals: int) -> Decimal:
    return Decimal(value).scaleb(-decimals)
