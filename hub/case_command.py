"""What the commands that answer a case from a file have in common: reading, refusing in one line, printing, laws."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import msgspec
import typer

from hub.market.trades import Violation

USAGE_ERROR = 2
LAW_BROKEN = 1

_ResultT_co = TypeVar("_ResultT_co", bound=msgspec.Struct, covariant=True)


class Answered(Protocol, Generic[_ResultT_co]):
    """A case's result, and what breaks a law in it."""

    @property
    def result(self) -> _ResultT_co:
        """Return what is printed."""
        ...

    @property
    def violations(self) -> Sequence[Violation]:
        """Return the laws that the result breaks."""
        ...


def answer_case(
    command: str,
    case: Path,
    solve: Callable[[bytes], Answered[_ResultT_co]],
    *,
    refusal: type[ValueError],
    text: Callable[[_ResultT_co], str],
    as_json: bool,
) -> None:
    """Read the case, print its result, and every law that it breaks on stderr.

    :param refusal: what `solve` raises for a case that cannot be solved; it becomes one line, exit status 2
    :raises typer.Exit: with 2 for a file or case that is refused, 1 if a law is broken
    """
    try:
        answered = solve(case.read_bytes())
    except OSError as error:
        raise _refused(command, f"{case}: {error.strerror}") from None
    except refusal as error:
        raise _refused(command, f"{case}: {error}") from None
    typer.echo(msgspec.json.encode(answered.result).decode() if as_json else text(answered.result))
    for violation in answered.violations:
        typer.echo(f"law {violation.law}: {violation.where} {violation.what}", err=True)
    if answered.violations:
        raise typer.Exit(LAW_BROKEN)


def table_lines(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Return a table of texts, a line a row, columns two spaces apart."""
    table = [header, *rows]
    width = [max(len(row[column]) for row in table) for column in range(len(header))]
    return ["  ".join(cell.ljust(width[at]) for at, cell in enumerate(row)).rstrip() for row in table]


def _refused(command: str, what: str) -> typer.Exit:
    typer.echo(f"microbalance {command}: {' '.join(what.split())}", err=True)
    return typer.Exit(USAGE_ERROR)
