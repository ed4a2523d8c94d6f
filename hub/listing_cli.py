"""`microbalance listing`: what a file of events leads to: deals, refusals, quotas, publications; no server needed."""

from decimal import Decimal
from pathlib import Path
from typing import Annotated, NoReturn

import msgspec
import typer

from edge.contract.energy import kwh_text_from_wh
from hub.market.listing.checks import check_market, check_outcome_counts, check_replayed
from hub.market.listing.documents import (
    ListingDocument,
    OperatorDeal,
    OperatorListing,
    OperatorSession,
    PublicDocument,
    PublicResult,
    PublicSession,
    QuotaRow,
)
from hub.market.listing.event_log import run
from hub.market.listing.events import Event, EventError, decode_event
from hub.market.listing.views import listing_document, public_document

app = typer.Typer(add_completion=False, rich_markup_mode=None)

USAGE_ERROR = 2
LAW_BROKEN = 1


@app.command()
def listing(
    events: Annotated[
        Path,
        typer.Argument(help="One event a line, in their order; `microbalance schema listing` says what is in one."),
    ],
    *,
    public: Annotated[bool, typer.Option("--public", help="Print what everyone may see: nobody's name.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Run a file of events through the listing market and print what they led to."""
    submitted = _read_events(events)
    market, records = run(submitted)
    document = public_document(market, records) if public else listing_document(market, records)
    typer.echo(msgspec.json.encode(document).decode() if as_json else _text(document))
    broken = [
        *check_outcome_counts(len(submitted), market),
        *check_market(market),
        *check_replayed(records, market),
    ]
    for violation in broken:
        typer.echo(f"law {violation.law}: {violation.where} {violation.what}", err=True)
    if broken:
        raise typer.Exit(LAW_BROKEN)


def _read_events(path: Path) -> list[Event]:
    """Return all events of the file, or end with one line: nothing is run before every line was read."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        _fail(f"{path}: {error.strerror}")
    events = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            _fail(f"{path}: line {number}: the line is empty")
        try:
            events.append(decode_event(line))
        except EventError as error:
            _fail(f"{path}: line {number}: {error}")
    return events


def _text(document: ListingDocument | PublicDocument) -> str:
    counts = document.counts
    lines = [
        f"{counts.submitted} events: {counts.accepted} accepted, {counts.refused} refused, {counts.repeated} repeated"
    ]
    for session in document.sessions:
        lines += _session_lines(session)
    if isinstance(document, PublicDocument):
        lines += [f"refused {row.count} times: {row.reason.value}" for row in document.refusals]
        return "\n".join(lines)
    lines += [f"refused line {row.line} {row.event} {row.event_id}: {row.reason.value}" for row in document.refusals]
    lines += [_quota_line(row) for row in document.quotas]
    lines.append(f"log {document.log_sha256}")
    return "\n".join(lines)


def _session_lines(session: OperatorSession | PublicSession) -> list[str]:
    terms = session.announcement
    lines = [f"session {session.session_id} {terms.product.value} {terms.trading_code}: {session.state.value}"]
    for row in session.listings:
        who = f" {row.unit_id or row.participant_id}" if isinstance(row, OperatorListing) else ""
        lines.append(
            f"  listing {row.listing}{who} {row.direction.value} {kwh_text_from_wh(row.energy_wh)} kWh at "
            f"{_price(row.price_uyuan_per_kwh)}: taken {kwh_text_from_wh(row.taken_wh)}, open "
            f"{kwh_text_from_wh(row.open_wh)}, released {kwh_text_from_wh(row.released_wh)}"
        )
    for deal in session.deals:
        who = why = ""
        if isinstance(deal, OperatorDeal):
            who = f" {deal.seller_unit_id or deal.seller_id} to {deal.buyer_unit_id or deal.buyer_id}"
            why = f" ({deal.reason.value})" if deal.reason else ""
        lines.append(
            f"  deal {deal.deal} of listing {deal.listing}{who}: {kwh_text_from_wh(deal.energy_wh)} kWh at "
            f"{_price(deal.price_uyuan_per_kwh)}: {deal.state.value}{why}"
        )
    for result in session.results:
        mean = result.mean_price_uyuan_per_kwh
        deals = result.deals if isinstance(result, PublicResult) else len(result.deals)
        lines.append(
            f"  result {result.number}: {deals} deals, {kwh_text_from_wh(result.energy_wh)} kWh, mean price "
            f"{'none' if mean is None else _price(mean)}, sha256 {result.sha256}"
        )
    return lines


def _quota_line(row: QuotaRow) -> str:
    rooms = (row.net_sell_room_wh, row.net_buy_room_wh, row.turnover_room_wh)
    to_sell, to_buy, turnover = ("no limit" if room_wh is None else kwh_text_from_wh(room_wh) for room_wh in rooms)
    return (
        f"quota {row.holder_id} {row.month}: sold {kwh_text_from_wh(row.sold_wh)}, bought "
        f"{kwh_text_from_wh(row.bought_wh)}, open {kwh_text_from_wh(row.open_sell_wh + row.open_buy_wh)} kWh; "
        f"room to sell {to_sell}, to buy {to_buy}, turnover {turnover}"
    )


def _price(price_uyuan_per_kwh: int) -> str:
    return f"{Decimal(price_uyuan_per_kwh).scaleb(-6):f} yuan/kWh"


def _fail(message: str) -> NoReturn:
    typer.echo(f"microbalance listing: {message}", err=True)
    raise typer.Exit(USAGE_ERROR)
