"""What the agent needs of its devices: read all registers of a gateway's meters, and limit their net export."""

from typing import Protocol

from edge.contract.messages import Acknowledgement, Reading, Setpoint


class DriverError(Exception):
    """The devices cannot be reached, do not answer, or refuse. Raised by drivers only."""


class Driver(Protocol):
    """The devices of one or more gateways."""

    def read_registers(self, gateway_id: str, instant_utc_s: int) -> tuple[Reading, ...]:
        """Return the cumulative registers (Wh, varh) of every meter of the gateway as they stood at the instant.

        :raises DriverError: if they cannot be read
        """
        ...

    def limit_export(
        self, gateway_id: str, interval: int, setpoints: tuple[Setpoint, ...]
    ) -> tuple[Acknowledgement, ...]:
        """Limit net export (W) at the meters of the gateway in one interval; doing it again changes nothing.

        :returns: one outcome for each setpoint, "ok" or a reason
        :raises DriverError: if the devices cannot be told
        """
        ...

    def close(self) -> None:
        """Let go of the devices."""
        ...
