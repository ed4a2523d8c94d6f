"""Driver of simulated devices: JSON lines over a loopback socket, one answer to each request (edge.contract.driver)."""

import socket
from io import BufferedReader
from typing import assert_never

from edge.contract.driver import (
    DriverAnswer,
    DriverRequest,
    Limited,
    LimitExport,
    ReadRegisters,
    Refused,
    Registers,
    decode_answer,
    encode_line,
)
from edge.contract.messages import Acknowledgement, ContractError, Reading, Setpoint
from edge.drivers.driver import DriverError

ANSWER_TIMEOUT_S = 30


class SimulatedDriver:
    """A Driver (see there) that asks the world process. It connects at the first request, and again after a failure."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._connection: tuple[socket.socket, BufferedReader] | None = None

    def read_registers(self, gateway_id: str, instant_utc_s: int) -> tuple[Reading, ...]:
        """Return the registers of every meter of the gateway at the instant.

        :raises DriverError: if the world cannot be reached or refuses
        """
        answer = self._ask(ReadRegisters(gateway_id, instant_utc_s))
        match answer:
            case Registers():
                return answer.readings
            case Refused():
                raise DriverError(f"the world refuses to read gateway {gateway_id} at {instant_utc_s}: {answer.reason}")
            case Limited():
                raise DriverError(f"the world answered a read of gateway {gateway_id} with something else")
            case _:
                assert_never(answer)

    def limit_export(
        self, gateway_id: str, interval: int, setpoints: tuple[Setpoint, ...]
    ) -> tuple[Acknowledgement, ...]:
        """Limit net export at meters of the gateway in the interval.

        :raises DriverError: if the world cannot be reached or refuses
        """
        answer = self._ask(LimitExport(gateway_id, interval, setpoints))
        match answer:
            case Limited():
                return answer.acknowledgements
            case Refused():
                raise DriverError(f"the world refuses setpoints of gateway {gateway_id}: {answer.reason}")
            case Registers():
                raise DriverError(f"the world answered setpoints of gateway {gateway_id} with something else")
            case _:
                assert_never(answer)

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            connected, lines = self._connection
            self._connection = None
            lines.close()
            connected.close()

    def _ask(self, request: DriverRequest) -> DriverAnswer:
        try:
            return decode_answer(self._exchange(encode_line(request)))
        except (OSError, ContractError) as error:
            # After a half-read answer the next line would belong to this request: never reuse the connection.
            self.close()
            raise DriverError(f"the world at {self._host}:{self._port}: {error}") from None

    def _exchange(self, request: bytes) -> bytes:
        connected, lines = self._connected()
        connected.sendall(request)
        answer = lines.readline()
        if not answer.endswith(b"\n"):
            raise ConnectionResetError("it closed the connection")
        return answer

    def _connected(self) -> tuple[socket.socket, BufferedReader]:
        if self._connection is None:
            connected = socket.create_connection((self._host, self._port), timeout=ANSWER_TIMEOUT_S)
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connection = (connected, connected.makefile("rb"))
        return self._connection
