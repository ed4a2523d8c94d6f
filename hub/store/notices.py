"""Notices to gateways in the database: written before they are told, told until they are answered."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import text
from sqlmodel import Session, col, func, select

from edge.contract.codec import decode_down, encode
from edge.contract.messages import ModesFrom, ModesMessage, Notice, WithdrawalsMessage
from hub.store.notice_tables import GatewayNoticeRow

MODES, WITHDRAWALS = "cfg", "wdr"
UNNUMBERED = 0
"""The number in a notice that add_notices has not numbered yet."""

_ANSWER = text(
    "UPDATE gateway_notice SET answered_utc_s = :now WHERE gateway = :gateway AND notice = :notice "
    "AND answered_utc_s IS NULL"
)
_ASK_AGAIN = text("UPDATE gateway_notice SET answered_utc_s = NULL WHERE gateway = :gateway AND kind = :kind")


@dataclass(frozen=True)
class NoticeForGateway:
    """One notice and the position of the gateway that it goes to."""

    gateway: int
    kind: str
    message: Notice


def add_notices(session: Session, notices: Sequence[tuple[int, Notice]], made_utc_s: int) -> list[NoticeForGateway]:
    """Write notices into the session's transaction and return them with the numbers that their gateways count.

    :param notices: (position of the gateway, message); the message's own number is replaced
    """
    last: dict[int, int] = {}
    added = []
    for gateway, unnumbered in notices:
        if gateway not in last:
            query = select(func.max(GatewayNoticeRow.notice)).where(GatewayNoticeRow.gateway == gateway)
            last[gateway] = session.exec(query).one() or 0
        last[gateway] += 1
        message: Notice = msgspec.structs.replace(unnumbered, notice=last[gateway])
        kind = MODES if isinstance(message, ModesMessage) else WITHDRAWALS
        session.add(
            GatewayNoticeRow(
                gateway=gateway,
                notice=message.notice,
                kind=kind,
                content=encode(message).decode(),
                made_utc_s=made_utc_s,
            )
        )
        added.append(NoticeForGateway(gateway, kind, message))
    session.flush()
    return added


def notices_without_answer(session: Session) -> list[NoticeForGateway]:
    """Return every notice that its gateway has not answered, by gateway and number: what is to be told."""
    query = select(GatewayNoticeRow).where(col(GatewayNoticeRow.answered_utc_s).is_(None))
    rows = session.exec(query.order_by(col(GatewayNoticeRow.gateway), col(GatewayNoticeRow.notice)))
    return [NoticeForGateway(row.gateway, row.kind, _message(row)) for row in rows]


def is_known_notice(session: Session, gateway: int, notice: int) -> bool:
    """Tell whether the gateway was ever told this notice."""
    return session.get(GatewayNoticeRow, (gateway, notice)) is not None


def save_notice_answer(session: Session, gateway: int, notice: int, now_utc_s: int) -> None:
    """Note that the gateway keeps the notice; the first answer stands."""
    session.execute(_ANSWER, {"gateway": gateway, "notice": notice, "now": now_utc_s})


def ask_again_for_modes(session: Session, gateways: Collection[int]) -> None:
    """Let gateways that start anew be told all modes again, in case they have lost what they knew."""
    rows = [{"gateway": gateway, "kind": MODES} for gateway in sorted(gateways)]
    if rows:
        session.execute(_ASK_AGAIN, rows)


def told_modes(session: Session) -> Mapping[str, tuple[ModesFrom, ...]]:
    """Return what was told last of each meter's modes, by meter; a meter of which nothing was told is left out."""
    query = select(GatewayNoticeRow).where(GatewayNoticeRow.kind == MODES)
    told: dict[str, tuple[ModesFrom, ...]] = {}
    for row in session.exec(query.order_by(col(GatewayNoticeRow.gateway), col(GatewayNoticeRow.notice))):
        message = _message(row)
        assert isinstance(message, ModesMessage)
        told |= {one.meter: one.modes for one in message.m}
    return told


def _message(row: GatewayNoticeRow) -> Notice:
    message = decode_down(row.kind, row.content.encode())
    assert isinstance(message, ModesMessage | WithdrawalsMessage)
    return message
