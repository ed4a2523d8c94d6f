"""What the in-process driver says to simulated devices over a loopback socket: JSON lines, an answer to each."""

import msgspec

from edge.contract.messages import Acknowledgement, ContractError, Reading, Setpoint


class ReadRegisters(msgspec.Struct, frozen=True, tag="read"):
    """Read every meter of the gateway at the instant; the world must stand at or after it."""

    gateway: str
    instant_utc_s: int


class LimitExport(msgspec.Struct, frozen=True, tag="limit"):
    """Limit net export at the meters of the gateway in one interval; sending it again changes nothing."""

    gateway: str
    interval: int
    setpoints: tuple[Setpoint, ...]


class Registers(msgspec.Struct, frozen=True, tag="registers"):
    """Answer to ReadRegisters."""

    readings: tuple[Reading, ...]


class Limited(msgspec.Struct, frozen=True, tag="limited"):
    """Answer to LimitExport: one outcome for each setpoint."""

    acknowledgements: tuple[Acknowledgement, ...]


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """Answer to a request that cannot be served: an unknown gateway, an instant that is not there yet."""

    reason: str


DriverRequest = ReadRegisters | LimitExport
DriverAnswer = Registers | Limited | Refused

_encoder = msgspec.json.Encoder()
_request = msgspec.json.Decoder(DriverRequest)
_answer = msgspec.json.Decoder(DriverAnswer)


def encode_line(message: DriverRequest | DriverAnswer) -> bytes:
    """Return the message as one JSON line, newline included."""
    return _encoder.encode(message) + b"\n"


def decode_request(line: bytes) -> DriverRequest:
    """Return the request in one line.

    :raises ContractError: if it is none
    """
    try:
        request: DriverRequest = _request.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ContractError(f"driver request: {error}") from None
    return request


def decode_answer(line: bytes) -> DriverAnswer:
    """Return the answer in one line.

    :raises ContractError: if it is none
    """
    try:
        answer: DriverAnswer = _answer.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ContractError(f"driver answer: {error}") from None
    return answer
