"""Setpoints: limits of net export that the hub sent, and what the gateways answered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlmodel import Session

from edge.contract.messages import Setpoint, SetpointsMessage
from hub.store.bulk import OnConflict, Row, insert_rows
from hub.store.tables import SetpointRow

SETPOINT_NAMES = (
    "interval",
    "meter",
    "gateway",
    "export_limit_w",
    "export_limit_wh",
    "cause",
    "setpoints_id",
)
"""Order of the columns in the rows of save_setpoints."""

_WITHOUT_ANSWER = text(
    "SELECT s.gateway, s.setpoints_id, m.meter_id, s.export_limit_w FROM setpoint s "
    "JOIN metering_point m ON m.position = s.meter WHERE s.interval = :interval AND s.outcome IS NULL "
    "ORDER BY s.gateway, s.setpoints_id, s.meter"
)
_SENT = text(
    "SELECT meter, outcome FROM setpoint WHERE interval = :interval AND gateway = :gateway AND setpoints_id = :id"
)
_ANSWER = text(
    "UPDATE setpoint SET outcome = :outcome WHERE interval = :interval AND meter = :meter AND outcome IS NULL"
)


@dataclass(frozen=True)
class SetpointsForGateway:
    """One message of setpoints and the position of the gateway that it goes to."""

    gateway: int
    message: SetpointsMessage


def save_setpoints(session: Session, rows: Sequence[Row]) -> None:
    """Write setpoint rows (columns as SETPOINT_NAMES), without an answer yet; an interval's are written once."""
    insert_rows(session, SetpointRow, SETPOINT_NAMES, rows, OnConflict.FAIL)


def setpoints_without_answer(session: Session, interval: int) -> list[SetpointsForGateway]:
    """Return the messages of the interval in which at least one setpoint has no answer, without the answered ones.

    What a hub that restarts goes on sending.
    """
    grouped: dict[tuple[int, str], list[Setpoint]] = {}
    for gateway, setpoints_id, meter_id, limit_w in session.execute(_WITHOUT_ANSWER, {"interval": interval}):
        grouped.setdefault((gateway, setpoints_id), []).append(Setpoint(meter_id, limit_w))
    return [
        SetpointsForGateway(gateway, SetpointsMessage(setpoints_id, interval, tuple(setpoints)))
        for (gateway, setpoints_id), setpoints in grouped.items()
    ]


def sent_setpoints(session: Session, interval: int, gateway: int, setpoints_id: str) -> dict[int, str | None]:
    """Return meter -> outcome so far of the setpoints that were sent under this id; empty if there are none."""
    parameters = {"interval": interval, "gateway": gateway, "id": setpoints_id}
    return {meter: outcome for meter, outcome in session.execute(_SENT, parameters)}  # noqa: C416


def save_outcomes(session: Session, interval: int, outcomes: Mapping[int, str]) -> None:
    """Write what became of the interval's setpoints, by meter position; the first answer stands."""
    rows = [{"interval": interval, "meter": meter, "outcome": outcome} for meter, outcome in sorted(outcomes.items())]
    if rows:
        session.execute(_ANSWER, rows)
