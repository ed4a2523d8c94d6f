"""Record that gateways keep what they were told: modes of their meters, orders that were withdrawn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
from sqlmodel import Session

from edge.contract.messages import NoticeAnswer
from hub.store.counters import add_to_counters
from hub.store.gateways import load_gateway_states
from hub.store.notices import ask_again_for_modes, is_known_notice, save_notice_answer
from hub.store.quarantine import Refusal, save_refusals
from hub.store.tables import RefusedKind
from hub.usecases.moment import Moment
from hub.usecases.record_responses import ResponseRefusal


@dataclass(frozen=True)
class GatewayAnswer:
    """One answer. gateway: position; gateway_id: the device in the topic."""

    gateway: int
    gateway_id: str
    answer: NoticeAnswer


def record_notice_answers(session: Session, answers: Sequence[GatewayAnswer], moment: Moment) -> list[bool]:
    """Write which notices are kept; tell for each answer whether the notice was ever made, else it is refused."""
    known = [is_known_notice(session, given.gateway, given.answer.notice) for given in answers]
    refusals = []
    for given, is_known in zip(answers, known, strict=True):
        if is_known:
            save_notice_answer(session, given.gateway, given.answer.notice, moment.now_utc_s)
        else:
            content = msgspec.json.encode(given.answer)
            reason = ResponseRefusal.UNKNOWN_NOTICE.value
            refusals.append(Refusal(RefusedKind.RESPONSE, reason, given.gateway_id, "", None, content))
    save_refusals(session, refusals, moment.now_utc_s)
    add_to_counters(session, {"notices_answered": sum(known), "notice_answers_refused": len(refusals)})
    return known


def tell_reborn_gateways(session: Session, states: Mapping[int, tuple[str, str]]) -> None:
    """Let gateways that say another boot than they last said be told all modes again: they may have lost them.

    :param states: (state, boot) by position of the gateway, before they are saved
    """
    if not states:
        return
    before = load_gateway_states(session)
    reborn = [gateway for gateway, (_, boot) in states.items() if gateway in before and before[gateway][1] != boot]
    ask_again_for_modes(session, reborn)
