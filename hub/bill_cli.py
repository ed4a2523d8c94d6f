"""`microbalance bill`: one user's month from a file to a bill: text, JSON, PDF, XLSX; no server needed."""

from enum import Enum
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.cells import cell_len

from hub.reports.bill_document import bill_document, say
from hub.reports.bill_report import bill_pdf
from hub.reports.number_text import decimal_text
from hub.reports.wording import Cell, price, yuan_of_fen
from hub.settlement.bills.bill import Bill, BillError
from hub.settlement.bills.bill_case import decode_bill, decode_bill_case, encode_bill
from hub.settlement.bills.checks import check_bill
from hub.settlement.bills.issue import bill_of_case

app = typer.Typer(add_completion=False, rich_markup_mode=None)

USAGE_ERROR = 2


class Language(Enum):
    """The languages of hub.texts."""

    CHINESE = "zh-CN"
    ENGLISH = "en"


@app.command()
def bill(
    case: Annotated[Path, typer.Argument(help="A JSON file; `microbalance schema bill` says what is in it.")],
    *,
    previous: Annotated[Path | None, typer.Option(help="An earlier bill of the user as JSON: why it changed.")] = None,
    pdf: Annotated[Path | None, typer.Option(help="Write the bill as PDF.")] = None,
    xlsx: Annotated[Path | None, typer.Option(help="Write the bill as XLSX.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    language: Annotated[Language, typer.Option(help="Of texts, PDF and XLSX.")] = Language.CHINESE,
) -> None:
    """Bill a user's month: lines that sum to the fen, what they consist of, and why the bill changed."""
    try:
        issued = bill_of_case(
            decode_bill_case(case.read_bytes()), previous=None if previous is None else read_bill(previous)
        )
    except OSError as error:
        _fail(f"{error.filename}: {error.strerror}")
    except BillError as error:
        _fail(f"{case}: {error}")
    files = {}
    if pdf is not None:
        files[pdf] = bill_pdf(issued, language.value)
    if xlsx is not None:
        from hub.reports.bill_workbook import bill_workbook  # noqa: PLC0415 - only where a workbook is wanted

        files[xlsx] = bill_workbook(issued, language.value)
    try:
        for path, content in files.items():
            part = path.with_name(path.name + ".part")
            part.write_bytes(content)
            part.replace(path)
    except OSError as error:
        _fail(f"{error.filename}: {error.strerror}")
    typer.echo(encode_bill(issued).decode() if as_json else _text(issued, language.value))


def read_bill(path: Path) -> Bill:
    """Return the bill in a file, with its sums checked.

    :raises BillError: if it is none, or its numbers do not agree
    :raises OSError: if it cannot be read
    """
    found = decode_bill(path.read_bytes())
    violations = check_bill(found)
    if violations:
        first = violations[0]
        raise BillError(f"{path}: law {first.law}, {first.where}: {first.what}; load the bill as it was issued")
    return found


def _fail(what: str) -> NoReturn:
    typer.echo(f"microbalance bill: {' '.join(what.split())}", err=True)
    raise typer.Exit(USAGE_ERROR)


def _text(issued: Bill, language: str) -> str:
    document = bill_document(issued, language)
    lines = [f"{document['title']} {document['month']}", *(f"{label}: {value}" for label, value in document["facts"])]
    for table in document["tables"]:
        header = [column["name"] for column in table["columns"]]
        right = [column["right"] for column in table["columns"]]
        rows = [header, *([_plain(cell) for cell in row] for row in table["rows"])]
        width = [max(cell_len(row[column]) for row in rows) for column in range(len(header))]
        lines += ["", table["title"]]
        for row in rows:
            cells = (
                f"{' ' * (width[at] - cell_len(cell))}{cell}"
                if right[at]
                else f"{cell}{' ' * (width[at] - cell_len(cell))}"
                for at, cell in enumerate(row)
            )
            lines.append("  ".join(cells).rstrip())
    rounding = decimal_text(issued.rounding_nano_yuan, scale=1_000_000_000, digits=9)
    average = price(issued.average_price_uyuan_per_kwh)
    total = yuan_of_fen(issued.total_fen)
    return "\n".join([*lines, "", say(language, "textTotal", total=total, average=average, rounding=rounding)])


def _plain(cell: Cell) -> str:
    return cell if isinstance(cell, str) else cell["text"] + cell.get("fine", "")
