"""`microbalance month`: bill a month of the hub's database, issue its basis, take objections, close it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.exc import OperationalError
from sqlmodel import Session

from hub.settlement.accounts import SystemAccount
from hub.settlement.bills.bill import BillError
from hub.settlement.calendar.deadlines import DeadlineError
from hub.settlement.calendar.month_cycle import PartEvent
from hub.settlement.calendar.rules import CalendarRuleError
from hub.settlement.county_month.points import CountyMonthError
from hub.settlement.money import MoneyTextError, nano_yuan_from_text, yuan_text_from_fen, yuan_text_from_nano_yuan
from hub.settlement.prices import ParameterError
from hub.settlement.substitution.rules import SubstitutionRuleError
from hub.settlement.tariffs.basic_charge import BasicChargeError
from hub.settlement.tariffs.tou_prices import TouPriceError
from hub.store.bills import month_number
from hub.store.engine import StoreUrlError, open_engine
from hub.usecases.close_month import (
    MonthNotClosableError,
    answer_month_basis,
    close_billed_month,
    issue_month_basis,
)
from hub.usecases.issue_bills import MonthClosedError, MonthOrder, issue_bills
from hub.usecases.metered_month import MeteredMonthError
from hub.usecases.month_terms import LoadedTerms, MonthTermsError, read_month_terms

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Bill and close months of a hub's database.")

LAW_BROKEN, USAGE_ERROR = 1, 2
_KNOWN_ERRORS = (
    *(MonthTermsError, MonthClosedError, MonthNotClosableError, MeteredMonthError, CountyMonthError, BillError),
    *(ParameterError, CalendarRuleError, DeadlineError, SubstitutionRuleError, BasicChargeError, TouPriceError),
    *(MoneyTextError, StoreUrlError, OperationalError),
)

DatabaseOption = Annotated[str, typer.Option("--database", help="sqlite:///FILE or postgresql://...")]
TermsOption = Annotated[Path, typer.Option("--terms", help="JSON: prices, settlement calendar, business days.")]
MonthArgument = Annotated[str, typer.Argument(help="YYYY-MM.")]
OnOption = Annotated[str, typer.Option("--on", help="The day on which it is done, YYYY-MM-DD.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command("issue")
def issue_command(
    month: MonthArgument, *, database: DatabaseOption, terms: TermsOption, as_json: JsonOption = False
) -> None:
    """Bill a month: all of its bills or, if anything is missing, none; again: what changed is a new version."""
    with _one_line_errors():
        first = _first_day(month)
        held = read_month_terms(terms, first)
        order = MonthOrder(
            month=first,
            province=held.province,
            library=held.library,
            look_back_months=held.calendar.rules.look_back_months,
        )
        with _session(database) as session:
            issued = issue_bills(session, order)
    _print(
        {
            "month": issued.month,
            "issued": issued.issued,
            "replaced": issued.replaced,
            "unchanged": issued.unchanged,
            "total_yuan": yuan_text_from_fen(issued.total_fen),
            "rounding_account_yuan": yuan_text_from_nano_yuan(issued.rounding_account_nano_yuan),
        },
        as_json=as_json,
    )
    for violation in issued.violations:
        typer.echo(f"law {violation.law}: {violation.where} {violation.what}", err=True)
    if issued.violations:
        raise typer.Exit(LAW_BROKEN)


@app.command("basis")
def basis_command(
    month: MonthArgument, *, database: DatabaseOption, terms: TermsOption, on: OnOption, as_json: JsonOption = False
) -> None:
    """Issue the settlement basis of a billed month to its accounts."""
    with _one_line_errors():
        number, held = _number(month), read_month_terms(terms, _first_day(month))
        with _session(database) as session:
            cycle = issue_month_basis(session, number, _day(on), held.calendar)
    refused = [one.reason.value for one in cycle.refused]
    _print({"month": number, "accounts": len(cycle.parts), "refused": sorted(set(refused))}, as_json=as_json)


@app.command("object")
def object_command(
    month: MonthArgument,
    account: Annotated[str, typer.Argument(help="The account that objects to its part.")],
    *,
    database: DatabaseOption,
    terms: TermsOption,
    on: OnOption,
    as_json: JsonOption = False,
) -> None:
    """Take an objection within its window; it moves the account's part to the next month's cycle."""
    with _one_line_errors():
        number, held = _number(month), read_month_terms(terms, _first_day(month))
        with _session(database) as session:
            cycle = answer_month_basis(
                session,
                number,
                held.calendar,
                account=account,
                settled_month=number,
                event=PartEvent.OBJECT,
                on=_day(on),
            )
    refused = [one.reason.value for one in cycle.refused]
    _print({"month": number, "account": account, "refused": sorted(set(refused))}, as_json=as_json)


@app.command("close")
def close_command(
    month: MonthArgument,
    *,
    database: DatabaseOption,
    terms: TermsOption,
    on: OnOption,
    remitted_system: Annotated[str, typer.Option(help="Yuan passed on for system operation.")] = "0",
    remitted_funds: Annotated[str, typer.Option(help="Yuan passed on of government funds.")] = "0",
    remitted_loss: Annotated[str, typer.Option(help="Yuan passed on for losses.")] = "0",
    as_json: JsonOption = False,
) -> None:
    """Close a month after its objection window; its bills stay as they are from then on."""
    with _one_line_errors():
        held: LoadedTerms = read_month_terms(terms, _first_day(month))
        remitted = {
            SystemAccount.SYSTEM_ITEMS: nano_yuan_from_text(remitted_system),
            SystemAccount.GOVERNMENT_FUNDS: nano_yuan_from_text(remitted_funds),
            SystemAccount.LOSS_FUND: nano_yuan_from_text(remitted_loss),
        }
        with _session(database) as session:
            closed = close_billed_month(session, _number(month), _day(on), held.calendar, remitted)
    carried = {one.item: yuan_text_from_nano_yuan(one.carried_out_nano_yuan) for one in closed.pass_through}
    _print(
        {
            "month": closed.month,
            "bills": closed.bills,
            "total_yuan": yuan_text_from_fen(closed.total_fen),
            "rounding_account_yuan": yuan_text_from_nano_yuan(closed.rounding_nano_yuan),
            "disputed": closed.disputed,
            "carried_yuan": carried,
            "was_closed": closed.was_closed,
        },
        as_json=as_json,
    )


@contextmanager
def _session(database: str) -> Iterator[Session]:
    """Give a session; what was done in it is committed at the end, and nothing if it was refused."""
    engine = open_engine(database)
    try:
        with Session(engine) as session:
            yield session
            session.commit()
    finally:
        engine.dispose()


def _first_day(month: str) -> date:
    try:
        return date.fromisoformat(f"{month}-01")
    except ValueError:
        raise MonthTermsError(f"{month!r} is not a month; write YYYY-MM") from None


def _number(month: str) -> int:
    return month_number(_first_day(month))


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise MonthTermsError(f"{text!r} is not a day; write YYYY-MM-DD") from None


@contextmanager
def _one_line_errors() -> Iterator[None]:
    try:
        yield
    except _KNOWN_ERRORS as error:
        typer.echo(f"microbalance month: {' '.join(str(error).split())}", err=True)
        raise typer.Exit(USAGE_ERROR) from None


def _print(document: dict[str, object], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(document))
        return
    for name, value in document.items():
        typer.echo(f"{name.replace('_', ' ')}: {value}")
