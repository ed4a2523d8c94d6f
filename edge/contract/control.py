"""The loopback control channel of a run in virtual time: JSON lines between the conductor and each process.

A process connects, says Hello, and answers each Advance with Quiet. Advance is idempotent: a restarted process says
Hello again and gets the same Advance again. Progress tells how far it is; the conductor may ignore it.
"""

import msgspec

from edge.contract.messages import ContractError


class Hello(msgspec.Struct, frozen=True, tag="hello"):
    """A process announces itself. role: "world", "edge", "hub" or "province"; name: unique among the processes."""

    role: str
    name: str
    pid: int


class Advance(msgspec.Struct, frozen=True, tag="advance"):
    """Do all that is due by the instant `utc_s`, then answer Quiet."""

    utc_s: int


class Progress(msgspec.Struct, frozen=True, tag="progress"):
    """Work is under way at `utc_s`; `pending` things (messages without receipt, setpoints without response) are left.

    children: process ids that this process started and keeps, by name (for the hub: {"broker": pid}).
    """

    utc_s: int
    pending: int
    children: dict[str, int] = {}


class Quiet(msgspec.Struct, frozen=True, tag="quiet"):
    """All that was due by `utc_s` is done and committed. counts: totals since this process's data began."""

    utc_s: int
    counts: dict[str, int] = {}
    seconds: dict[str, float] = {}


class Ask(msgspec.Struct, frozen=True, tag="ask"):
    """The conductor asks for a named thing, for example "summary"."""

    what: str


class Answer(msgspec.Struct, frozen=True, tag="answer"):
    """The answer to Ask: a JSON document."""

    what: str
    document: msgspec.Raw


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The process cannot go on; the conductor ends the run and shows the reason."""

    reason: str


class Stop(msgspec.Struct, frozen=True, tag="stop"):
    """End now, in good order."""


FromConductor = Advance | Ask | Stop
FromProcess = Hello | Progress | Quiet | Answer | Failed

_encoder = msgspec.json.Encoder()
_from_conductor = msgspec.json.Decoder(FromConductor)
_from_process = msgspec.json.Decoder(FromProcess)


def encode_line(message: FromConductor | FromProcess) -> bytes:
    """Return the message as one JSON line, newline included."""
    return _encoder.encode(message) + b"\n"


def decode_from_conductor(line: bytes) -> FromConductor:
    """Return the message in one line from the conductor.

    :raises ContractError: if it is none
    """
    try:
        message: FromConductor = _from_conductor.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ContractError(f"control line from the conductor: {error}") from None
    return message


def decode_from_process(line: bytes) -> FromProcess:
    """Return the message in one line from a process.

    :raises ContractError: if it is none
    """
    try:
        message: FromProcess = _from_process.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ContractError(f"control line from a process: {error}") from None
    return message
