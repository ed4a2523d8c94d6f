"""Who ran the platform on a day, for the documents of published results (requirements row 19)."""

from datetime import date

from sqlmodel import Session

from hub.api.context import ApiContext
from hub.api.documents import OperatorStampDocument, PlatformOperator
from hub.api.registry_routes import broken_log
from hub.market.registry.published_results import OperatorStamp, only_stamp
from hub.store.registry import county_of
from hub.usecases.event_log import EventLogError


def stamp_of(context: ApiContext, session: Session, day: date) -> OperatorStamp | None:
    """Return the stamp of a result of the day, None where the county's registry names no operator for it.

    :raises ProblemError: if the stored registry is not what was written
    """
    known = county_of(session)
    if known is None:
        return None
    try:
        return only_stamp(context.registers.read(session, known[0]).register, day)
    except EventLogError as error:
        raise broken_log(error) from None


def stamp_document(context: ApiContext, session: Session, day: date) -> OperatorStampDocument | None:
    """Return the same as a document of the market's results.

    :raises ProblemError: if the stored registry is not what was written
    """
    stamp = stamp_of(context, session, day)
    if stamp is None:
        return None
    who = stamp.operator
    operator = PlatformOperator(operator_id=who.operator_id, hosting=who.hosting.value, key_id=who.key_id)
    return OperatorStampDocument(county=stamp.county, day=stamp.day.isoformat(), operator=operator)
