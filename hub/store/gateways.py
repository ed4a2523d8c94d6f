"""What gateways say about themselves: birth and last will."""

from collections.abc import Mapping

from sqlmodel import Session, select

from hub.store.bulk import OnConflict, insert_rows
from hub.store.tables import GatewayStatusRow


def save_gateway_states(session: Session, states: Mapping[int, tuple[str, str]]) -> None:
    """Write the last (state, boot) of gateways by position."""
    rows = [(gateway, state, boot) for gateway, (state, boot) in sorted(states.items())]
    insert_rows(session, GatewayStatusRow, ("gateway", "state", "boot"), rows, OnConflict.REPLACE)


def load_gateway_states(session: Session) -> dict[int, tuple[str, str]]:
    """Return the last (state, boot) of every gateway that said one, by position."""
    rows = session.exec(select(GatewayStatusRow.gateway, GatewayStatusRow.state, GatewayStatusRow.boot)).all()
    return {gateway: (state, boot) for gateway, state, boot in rows}
