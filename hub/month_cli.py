"""`microbalance month`: billing terms, the bills of a month of the hub's database, its basis, objections, its close."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from sqlalchemy.exc import OperationalError
from sqlmodel import Session

from edge.contract.interval import day_of_interval
from hub.settlement.accounts import SystemAccount
from hub.settlement.bills.bill import BillError
from hub.settlement.bills.billing_terms import ROW_OF_REFUSAL, BillingTerms
from hub.settlement.calendar.deadlines import DeadlineError
from hub.settlement.calendar.month_cycle import PartEvent
from hub.settlement.calendar.rules import CalendarRuleError
from hub.settlement.county_month.points import CountyMonthError
from hub.settlement.inputs import SettlementInputError
from hub.settlement.money import MoneyTextError, nano_yuan_from_text, yuan_text_from_fen, yuan_text_from_nano_yuan
from hub.settlement.prices import ParameterError
from hub.settlement.retail.month_prices import MonthPriceError
from hub.settlement.substitution.rules import SubstitutionRuleError
from hub.settlement.tariffs.basic_charge import BasicChargeError
from hub.settlement.tariffs.tou_prices import TouPriceError
from hub.store.bills import month_number
from hub.store.clearing import NotClearedError
from hub.store.engine import StoreUrlError, open_engine
from hub.store.trial_balance import AccountBalance, read_month_trial_balance
from hub.usecases.close_month import (
    MonthNotClosableError,
    answer_month_basis,
    close_billed_month,
    issue_month_basis,
)
from hub.usecases.event_log import EventLogError
from hub.usecases.issue_bills import LawsBrokenError, MonthClosedError, MonthOrder, issue_lawful_bills
from hub.usecases.join_ledgers import check_joined_month
from hub.usecases.load_billing_terms import ChangedTerms, TermsChange, load_billing_terms, terms_in_force
from hub.usecases.metered_month import MeteredMonthError
from hub.usecases.month_terms import LoadedTerms, MonthTermsError, read_month_terms, read_province
from hub.usecases.prepare_county import PrepareError

if TYPE_CHECKING:
    from hub.usecases.load_county import CountyModel

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Bill and close months of a hub's database.")

LAW_BROKEN, USAGE_ERROR = 1, 2
_KNOWN_ERRORS = (
    *(MonthTermsError, MonthClosedError, MonthNotClosableError, MeteredMonthError, CountyMonthError, BillError),
    *(ParameterError, CalendarRuleError, DeadlineError, SubstitutionRuleError, BasicChargeError, TouPriceError),
    *(MonthPriceError, MoneyTextError, StoreUrlError, OperationalError, NotClearedError),
    *(SettlementInputError, EventLogError),
)

DatabaseOption = Annotated[str, typer.Option("--database", help="sqlite:///FILE or postgresql://...")]
TermsOption = Annotated[Path, typer.Option("--terms", help="JSON: prices, settlement calendar, business days.")]
MonthArgument = Annotated[str, typer.Argument(help="YYYY-MM.")]
OnOption = Annotated[str, typer.Option("--on", help="The day on which it is done, YYYY-MM-DD.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
RunOption = Annotated[Path | None, typer.Option("--run", help="The hub's run folder, which knows both of them.")]
CountyOption = Annotated[Path, typer.Option("--county", help="Folder with network.json and registry.json.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only say what would move.")]
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
    """Bill a month: all of its bills or, if anything is missing, none; again: what changed is a new version.

    A month that breaks a law is not written either: status 1, and a line for each violation.
    """
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
            issued = issue_lawful_bills(session, order)
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


@app.command("balance")
def balance_command(
    month: MonthArgument,
    *,
    run: RunOption = None,
    database: Annotated[str | None, typer.Option("--database", help="sqlite:///FILE or postgresql://...")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the trial balance of a month over both ledgers, and check its laws.

    What a month booked: its intervals, what joins them to its bills, and the bills. Status 1 if a law is broken.
    """
    with _one_line_errors():
        first = _first_day(month)
        with _session(_database_url(run, database)) as session:
            shown = read_month_trial_balance(session, first)
            violations = check_joined_month(session, month_number(first))
    rows = [_balance_row(one) for one in shown]
    total = yuan_text_from_nano_yuan(sum(one.balance_nano_yuan for one in shown))
    lines = [f"law {one.law}: {one.where}: {one.what}" for one in violations]
    if as_json:
        whole = {"month": month_number(first), "accounts": rows, "sum_yuan": total, "violations": lines}
        typer.echo(json.dumps(whole, ensure_ascii=False))
    else:
        typer.echo(_table(("account", "intervals", "joined", "bills", "balance"), rows))
        typer.echo(f"sum of all accounts: {total} yuan")
        for line in lines:
            typer.echo(f"microbalance month: {line}", err=True)
    if violations:
        raise typer.Exit(LAW_BROKEN)


@app.command("substitute")
def substitute_command(
    day: Annotated[str, typer.Argument(help="The operating day, YYYY-MM-DD.")],
    *,
    county: CountyOption,
    database: DatabaseOption,
    terms: TermsOption,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Replace the energies of a settled day that late registers or the substitution rules move; settles nothing.

    For data that came in after the provisional result of D+6. `resettle` books what it moves.
    """
    from hub.usecases.late_data import substitute_settled_day  # noqa: PLC0415 - it brings the county's network

    with _one_line_errors():
        on, held = _day(day), read_month_terms(terms, _day(day))
        model = _county_on(county, database, on)
        with _session(database, is_dry_run=dry_run) as session:
            found = substitute_settled_day(session, model, held, on)
        if found is None:
            raise MonthTermsError(f"no interval of {day} was settled")
    _print(
        {
            "dry_run": dry_run,
            "day": day,
            "energies_moved": found.moved,
            "left_within_tolerance": found.within_tolerance,
            "intervals_to_settle_again": list(found.intervals),
        },
        as_json=as_json,
    )


@app.command("resettle")
def resettle_command(
    what: Annotated[str, typer.Argument(help="An interval's number, or the settled intervals of a day, YYYY-MM-DD.")],
    *,
    county: CountyOption,
    database: DatabaseOption,
    terms: TermsOption,
    on: OnOption,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Settle intervals again on the energy that holds now; the difference is booked in the month of --on.

    Shown is what each account receives more. What has not changed, or lies beyond the look-back, stays as it is.
    """
    from hub.usecases.late_data import settle_again, settled_intervals  # noqa: PLC0415 - likewise
    from hub.usecases.settle_interval import NotPublishedError  # noqa: PLC0415

    with _one_line_errors():
        day = day_of_interval(int(what)) if what.isdecimal() else _day(what)
        model = _county_on(county, database, day)
        look_back = read_month_terms(terms, _day(on)).calendar.rules.required("look_back_months")
        with _session(database, is_dry_run=dry_run) as session:
            known = [one for one in settled_intervals(session, day) if not what.isdecimal() or one == int(what)]
            if not known:
                raise MonthTermsError(f"{what}: no such interval was settled")
            try:
                found = settle_again(session, model, known, on=_day(on), look_back_months=look_back)
            except NotPublishedError as error:
                raise MonthTermsError(str(error)) from None
    moved: dict[str, int] = {}
    for one in found:
        for name, amount in one.moved_nano_yuan.items():
            moved[name] = moved.get(name, 0) + amount
    _print(
        {
            "dry_run": dry_run,
            "settled_again": [one.interval for one in found if one.run is not None],
            "unchanged": sum(one.run is None and not one.refused for one in found),
            "refused": {str(one.interval): one.refused for one in found if one.refused},
            "moved_yuan": {name: yuan_text_from_nano_yuan(amount) for name, amount in moved.items() if amount},
        },
        as_json=as_json,
    )


def _county_on(folder: Path, database: str, day: date) -> "CountyModel":
    """Return the county with the modes that the database's registry log says of a day."""
    from hub.usecases.load_county import County, CountyFolderError  # noqa: PLC0415

    log = open_engine(database, read_only=True)
    try:
        return County(folder, log=log).on(day)
    except CountyFolderError as error:
        raise MonthTermsError(str(error)) from None
    finally:
        log.dispose()


def _balance_row(one: AccountBalance) -> dict[str, str]:
    """Return the shown columns of a balance, yuan; a group with the number of accounts that it stands for."""
    return {
        "account": f"{one.account} ({one.accounts} accounts)" if one.group else one.account,
        "intervals": yuan_text_from_nano_yuan(one.intervals_nano_yuan),
        "joined": yuan_text_from_nano_yuan(one.joined_nano_yuan),
        "bills": yuan_text_from_nano_yuan(one.bills_nano_yuan),
        "balance": yuan_text_from_nano_yuan(one.balance_nano_yuan),
    }


def _table(names: tuple[str, ...], rows: list[dict[str, str]]) -> str:
    """Return rows under their names: the first column to the left, amounts to the right."""
    cells = [names, *(tuple(row[name] for name in names) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(names))]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0]), *(text.rjust(width) for text, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in cells
    )


@contextmanager
def _session(database: str, *, is_dry_run: bool = False) -> Iterator[Session]:
    """Give a session; what was done in it is committed at the end, and nothing if it was refused or is a dry run."""
    engine = open_engine(database)
    try:
        with Session(engine) as session:
            yield session
            if is_dry_run:
                session.rollback()
            else:
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
    except LawsBrokenError as error:
        for line in error.lines:
            typer.echo(f"microbalance month: {' '.join(line.split())}; nothing was written", err=True)
        raise typer.Exit(LAW_BROKEN) from None
    except _KNOWN_ERRORS as error:
        typer.echo(f"microbalance month: {' '.join(str(error).split())}", err=True)
        raise typer.Exit(USAGE_ERROR) from None


def _print(document: dict[str, object], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(document))
        return
    for name, value in document.items():
        typer.echo(f"{name.replace('_', ' ')}: {value}")
