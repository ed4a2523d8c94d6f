"""Route of the trial balance over both ledgers together: of an interval, of a day, of a month."""

from datetime import date
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from edge.contract.interval import day_of_interval
from hub.api.amounts import yuan_text_from_nano_yuan
from hub.api.conditional import json_response
from hub.api.context import ReadSession
from hub.api.documents import Yuan
from hub.api.problems import RESPONSES, ProblemError
from hub.store.bills import is_month_closed
from hub.store.read_days import intervals_of_day
from hub.store.trial_balance import AccountBalance, read_month_trial_balance, read_trial_balance

router = APIRouter(tags=["settlement"], responses=RESPONSES)


class AccountBalanceDocument(BaseModel):
    """Balance of an account or group of accounts, received less paid: three parts and their sum.

    joined_yuan: what takes interval charges back that bills stand for, and pays sellers out of the account `market`.
    """

    account: str = Field(examples=["D_sup"])
    group: bool
    accounts: int
    intervals_yuan: Yuan
    joined_yuan: Yuan
    bills_yuan: Yuan
    balance_yuan: Yuan


class TrialBalance(BaseModel):
    """The balances of all accounts; sum_yuan must be 0. Of month, day and interval the one that was asked for is set.

    An interval and a day are of the intervals' ledger alone: bills are of months.
    """

    month: str | None = Field(examples=["2026-01"])
    day: str | None
    interval: int | None
    accounts: list[AccountBalanceDocument]
    sum_yuan: Yuan


@router.get("/trial-balance", response_model=TrialBalance)
def get_trial_balance(
    request: Request,
    session: ReadSession,
    month: Annotated[
        str | None, Query(pattern=r"^[12]\d{3}-(0[1-9]|1[0-2])$", description="A month.", examples=["2026-01"])
    ] = None,
    day: Annotated[date | None, Query(description="Or an operating day (UTC+8).")] = None,
    interval: Annotated[int | None, Query(ge=0, le=10**9, description="Or one interval.")] = None,
) -> Response:
    """Return the balance of every account by ledger, and the sum, which is zero.

    Participants stand in groups by seller class; each one's own figures are in its statements and bills.
    """
    if sum(one is not None for one in (month, day, interval)) != 1:
        raise ProblemError(
            HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-request", "name a month, a day or an interval, one of them"
        )
    closed = False
    if month is not None:
        first_day = date.fromisoformat(f"{month}-01")
        balances = read_month_trial_balance(session, first_day)
        closed = is_month_closed(session, first_day.year * 100 + first_day.month)
    elif interval is not None:
        balances = read_trial_balance(session, first=interval, last=interval)
        day = day_of_interval(interval)
    else:
        assert day is not None
        wanted = intervals_of_day(day)
        balances = read_trial_balance(session, first=wanted[0], last=wanted[-1])
    document = TrialBalance(
        month=month,
        day=None if day is None else day.isoformat(),
        interval=interval,
        accounts=[_document(one) for one in balances],
        sum_yuan=yuan_text_from_nano_yuan(sum(one.balance_nano_yuan for one in balances)),
    )
    return json_response(request, document, closed=closed)


def _document(balance: AccountBalance) -> AccountBalanceDocument:
    return AccountBalanceDocument(
        account=balance.account,
        group=balance.group,
        accounts=balance.accounts,
        intervals_yuan=yuan_text_from_nano_yuan(balance.intervals_nano_yuan),
        joined_yuan=yuan_text_from_nano_yuan(balance.joined_nano_yuan),
        bills_yuan=yuan_text_from_nano_yuan(balance.bills_nano_yuan),
        balance_yuan=yuan_text_from_nano_yuan(balance.balance_nano_yuan),
    )
