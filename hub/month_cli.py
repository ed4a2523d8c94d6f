"""`microbalance month`: billing terms, the bills of a month of the hub's database, its basis, objections, its close."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from sqlalchemy.exc import OperationalError
from sqlmodel import Session

from hub.settlement.accounts import SystemAccount
from hub.settlement.bills.bill import BillError
from hub.settlement.bills.billing_terms import ROW_OF_REFUSAL, BillingTerms
from hub.settlement.calendar.deadlines import DeadlineError
from hub.settlement.calendar.month_cycle import PartEvent
from hub.settlement.calendar.rules import CalendarRuleError
from hub.settlement.county_month.points import CountyMonthError
from hub.settlement.money import MoneyTextError, nano_yuan_from_text, yuan_text_from_fen, yuan_text_from_nano_yuan
from hub.settlement.prices import ParameterError
from hub.settlement.retail.month_prices import MonthPriceError
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
from hub.usecases.load_billing_terms import ChangedTerms, TermsChange, load_billing_terms, terms_in_force
from hub.usecases.metered_month import MeteredMonthError
from hub.usecases.month_terms import LoadedTerms, MonthTermsError, read_month_terms, read_province
from hub.usecases.prepare_county import PrepareError

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Bill and close months of a hub's database.")

LAW_BROKEN, USAGE_ERROR = 1, 2
_KNOWN_ERRORS = (
    *(MonthTermsError, MonthClosedError, MonthNotClosableError, MeteredMonthError, CountyMonthError, BillError),
    *(ParameterError, CalendarRuleError, DeadlineError, SubstitutionRuleError, BasicChargeError, TouPriceError),
    *(MonthPriceError, MoneyTextError, StoreUrlError, OperationalError),
)

DatabaseOption = Annotated[str, typer.Option("--database", help="sqlite:///FILE or postgresql://...")]
TermsOption = Annotated[Path, typer.Option("--terms", help="JSON: prices, settlement calendar, business days.")]
MonthArgument = Annotated[str, typer.Argument(help="YYYY-MM.")]
OnOption = Annotated[str, typer.Option("--on", help="The day on which it is done, YYYY-MM-DD.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
RunOption = Annotated[Path | None, typer.Option("--run", help="The hub's run folder, which knows both of them.")]
TERMS_FILE = "month-terms.json"


@app.command("terms")
def terms_command(
    file: Annotated[
        Path | None,
        typer.Argument(help="One JSON object a line; `microbalance schema billing-terms` says what is in it."),
    ] = None,
    *,
    run: RunOption = None,
    database: Annotated[str | None, typer.Option("--database", help="sqlite:///FILE or postgresql://...")] = None,
    terms: Annotated[Path | None, typer.Option("--terms", help="JSON: by what the months are settled.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    on: Annotated[str | None, typer.Option("--on", help="Without FILE: the day whose terms are shown.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Load billing terms (tariff type, capacity, election, package) by metering point and first of month; whole or not.

    Without FILE it shows the terms in force on a day, or every version.
    """
    with _one_line_errors():
        url = _database_url(run, database)
        if file is None:
            with _session(url) as session:
                _print_terms(terms_in_force(session, None if on is None else _day(on)), as_json=as_json)
            return
        if terms is None and run is None:
            raise MonthTermsError("say --run FOLDER or --terms FILE: tariff types and packages go by the province")
        data = _bytes_of(file)
        held = read_province(terms or (run or Path()) / TERMS_FILE)
        with _session(url) as session:
            found = load_billing_terms(session, data, library=held.library, province=held.province, is_dry_run=dry_run)
    counts = {one.value: found.count(one) for one in TermsChange}
    changes = [_change_document(one) for one in found.changes if one.change is not TermsChange.UNCHANGED]
    refused = [
        {"line": one.line, "meter": one.meter, "row": ROW_OF_REFUSAL[one.reason], "reason": one.reason.value,
         "what": one.what}
        for one in found.refused
    ]  # fmt: skip
    if as_json:
        whole = {"dry_run": dry_run, "written": not (dry_run or refused), **counts}
        typer.echo(json.dumps(whole | {"changes": changes, "refused": refused}, ensure_ascii=False))
    elif not refused:
        _print({"dry_run": dry_run, **counts}, as_json=False)
        for change in changes:
            typer.echo(_change_text(change))
    for one in found.refused:
        typer.echo(f"microbalance month: {one.text}", err=True)
    if refused:
        raise typer.Exit(USAGE_ERROR)


@app.command("issue")
def issue_command(
    month: MonthArgument,
    *,
    database: DatabaseOption,
    terms: TermsOption,
    on: Annotated[
        str | None,
        typer.Option("--on", help="Indices published after this day do not count; default: all in the file do."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Bill a month: all of its bills or, if anything is missing, none; again: what changed is a new version."""
    with _one_line_errors():
        first = _first_day(month)
        held = read_month_terms(terms, first)
        order = MonthOrder(
            month=first,
            province=held.province,
            library=held.library,
            retail=held.retail_prices(first, date.max if on is None else _day(on)),
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
    remitted_system: Annotated[
        str | None, typer.Option(help="Yuan passed on for system operation; default: as the terms say, else 0.")
    ] = None,
    remitted_funds: Annotated[str | None, typer.Option(help="Likewise, of government funds.")] = None,
    remitted_loss: Annotated[str | None, typer.Option(help="Likewise, for losses.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Close a month after its objection window; its bills stay as they are from then on."""
    with _one_line_errors():
        held: LoadedTerms = read_month_terms(terms, _first_day(month))
        said = {
            SystemAccount.SYSTEM_ITEMS: remitted_system,
            SystemAccount.GOVERNMENT_FUNDS: remitted_funds,
            SystemAccount.LOSS_FUND: remitted_loss,
        }
        remitted = {
            **held.remitted_nano_yuan.get(_number(month), {}),
            **{account: nano_yuan_from_text(text) for account, text in said.items() if text is not None},
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


def _database_url(run: Path | None, database: str | None) -> str:
    if database is not None:
        return database
    if run is None:
        raise MonthTermsError("say --run FOLDER or --database URL")
    from hub.cli import remembered  # noqa: PLC0415 - it brings the whole hub, which a database URL does not need

    try:
        return remembered(run)["database"]
    except PrepareError as error:
        raise MonthTermsError(str(error)) from None


def _bytes_of(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise MonthTermsError(f"{file}: {error.strerror}") from None


def _terms_document(terms: BillingTerms | None) -> dict[str, Any] | None:
    found: dict[str, Any] | None = msgspec.to_builtins(terms)
    return found


def _change_document(one: ChangedTerms) -> dict[str, Any]:
    return {
        "change": one.change.value,
        "meter": one.terms.meter,
        "effective_from": one.terms.effective_from.isoformat(),
        "in_force_until_then": _terms_document(one.in_force),
        "replaces": _terms_document(one.before),
        "terms": _terms_document(one.terms),
    }


def _change_text(change: dict[str, Any]) -> str:
    """Return a line that says what differs from the terms that it replaces, else from those in force until then."""
    earlier, later = change["replaces"] or change["in_force_until_then"] or {}, change["terms"]
    differing = [
        f"{name} {_shown(earlier[name])} -> {_shown(value)}" if name in earlier else f"{name} {_shown(value)}"
        for name, value in later.items()
        if name not in _HEAD and (not earlier or earlier[name] != value)
    ]
    what = "; ".join(differing) or "as before"
    return f"{change['change']}: {change['meter']} from {change['effective_from']}: {what}"


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return f"{value['contract_id']} ({value['package']['kind']})"
    return "-" if value in (None, "") else str(value)


def _print_terms(found: tuple[BillingTerms, ...], *, as_json: bool) -> None:
    rows = [_terms_document(one) or {} for one in found]
    if as_json:
        typer.echo(json.dumps({"terms": rows}, ensure_ascii=False))
        return
    for row in rows:
        rest = ", ".join(f"{name} {_shown(value)}" for name, value in row.items() if name not in _HEAD)
        typer.echo(f"{row['meter']} from {row['effective_from']}: {rest}")
    typer.echo(f"terms: {len(rows)}")


_HEAD = ("meter", "effective_from")


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
