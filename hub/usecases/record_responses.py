"""Record responses: what gateways answered to the setpoints that the hub sent them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

import msgspec
from sqlmodel import Session

from edge.contract.interval import start_utc_s
from edge.contract.messages import Acknowledgement, ResponseMessage
from hub.store.counters import add_to_counters
from hub.store.quarantine import Refusal, save_refusals
from hub.store.setpoints import save_outcomes, sent_setpoints
from hub.store.tables import RefusedKind
from hub.usecases.moment import Moment


class ResponseRefusal(Enum):
    """Why an answer was refused."""

    UNKNOWN_SETPOINTS = "unknown-setpoints"
    UNKNOWN_METER = "unknown-meter"
    UNKNOWN_NOTICE = "unknown-notice"


@dataclass(frozen=True)
class GatewayResponse:
    """One response. gateway: position; gateway_id: the device in the topic."""

    gateway: int
    gateway_id: str
    response: ResponseMessage


@dataclass(frozen=True)
class Recorded:
    """The answers to known setpoints stand. complete: every setpoint of the message has an answer now.

    refused: answers that name a meter for which the message held no setpoint.
    """

    gateway: int
    setpoints_id: str
    complete: bool
    refused: tuple[Acknowledgement, ...]


@dataclass(frozen=True)
class RefusedResponse:
    """The gateway answers setpoints that it was never sent."""

    gateway: int
    reason: ResponseRefusal


ResponseOutcome: TypeAlias = Recorded | RefusedResponse


def record_responses(
    session: Session, meter_position: Mapping[str, int], responses: Sequence[GatewayResponse], moment: Moment
) -> list[ResponseOutcome]:
    """Write what the gateways answered and return one outcome a response; the first answer to a setpoint stands.

    :param meter_position: position of every metering point by id
    """
    outcomes = [_record(session, meter_position, given) for given in responses]
    refusals = [
        refusal for given, outcome in zip(responses, outcomes, strict=True) for refusal in _refusals(given, outcome)
    ]
    save_refusals(session, refusals, moment.now_utc_s)
    recorded = sum(isinstance(outcome, Recorded) for outcome in outcomes)
    add_to_counters(session, {"responses_recorded": recorded, "responses_refused": len(outcomes) - recorded})
    return outcomes


def _record(session: Session, meter_position: Mapping[str, int], given: GatewayResponse) -> ResponseOutcome:
    response = given.response
    sent = sent_setpoints(session, response.interval, given.gateway, response.setpoints_id)
    if not sent:
        return RefusedResponse(given.gateway, ResponseRefusal.UNKNOWN_SETPOINTS)
    answered: dict[int, str] = {}
    refused = []
    for answer in response.a:
        meter = meter_position.get(answer.meter)
        if meter is None or meter not in sent:
            refused.append(answer)
        else:
            answered[meter] = answer.outcome
    save_outcomes(session, response.interval, answered)
    complete = all(outcome is not None or meter in answered for meter, outcome in sent.items())
    return Recorded(given.gateway, response.setpoints_id, complete, tuple(refused))


def _refusals(given: GatewayResponse, outcome: ResponseOutcome) -> list[Refusal]:
    at_utc_s = start_utc_s(given.response.interval)
    if isinstance(outcome, RefusedResponse):
        content = msgspec.json.encode(given.response)
        return [Refusal(RefusedKind.RESPONSE, outcome.reason.value, given.gateway_id, "", at_utc_s, content)]
    reason = ResponseRefusal.UNKNOWN_METER.value
    return [
        Refusal(RefusedKind.RESPONSE, reason, given.gateway_id, answer.meter, at_utc_s, msgspec.json.encode(answer))
        for answer in outcome.refused
    ]
