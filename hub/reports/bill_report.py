"""A bill as PDF in one language; the same bill gives the same bytes: its date is the month's last day."""

from datetime import timedelta

from edge.contract.interval import end_utc_s, first_interval_of_day
from hub.market.registry.periods import next_month
from hub.reports.bill_document import bill_document
from hub.reports.typesetting import TEMPLATES, typeset
from hub.settlement.bills.bill import Bill

TEMPLATE = TEMPLATES / "bill.typ"


def bill_pdf(bill: Bill, language: str) -> bytes:
    """Return the bill's PDF.

    :param language: one of hub.texts.LANGUAGES
    :raises hub.reports.typesetting.ReportError: if the typesetter complains
    :raises hub.reports.glyphs.MissingGlyphError: if a text cannot be printed
    """
    last = next_month(bill.head.month) - timedelta(days=1)
    document = {language: bill_document(bill, language)}
    return typeset(document, TEMPLATE, timestamp_utc_s=end_utc_s(first_interval_of_day(last)))[language]
