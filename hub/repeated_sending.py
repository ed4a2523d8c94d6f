"""What the hub says to one gateway until the gateway has answered: after 0.5 s, then ever later. Setpoints, notices.

The broker's word counts for nothing here: one that loses everything costs a repeat. Moments are on the monotonic clock.
"""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from edge.contract.messages import DownMessage
from edge.contract.registry import Gateway, Registry
from hub.store.notices import NoticeForGateway

REPEAT_FIRST_S = 0.5
NOTICE_REPEAT_MAX_S = 60.0
"""Live, a gateway may be away for weeks; one that comes back need not hear of an election within seconds."""

KeyT = TypeVar("KeyT", bound=Hashable)


class Connection(Protocol):
    """The hub's MQTT client, as far as it is needed here."""

    @property
    def is_subscribed(self) -> bool:
        """Tell whether answers can come in at the moment."""
        ...

    def publish_down(self, gateway: Gateway, kind: str, message: DownMessage) -> None:
        """Send a message to one gateway."""
        ...


@dataclass
class _Waiting:
    gateway: int
    kind: str
    message: DownMessage
    due_s: float
    pause_s: float


class RepeatedSender(Generic[KeyT]):
    """Messages by a key, each sent again and again until somebody forgets it."""

    def __init__(self, connection: Connection, registry: Registry, pause_max_s: float) -> None:
        self._connection = connection
        self._gateways = registry.gateways
        self._pause_max_s = pause_max_s
        self._waiting: dict[KeyT, _Waiting] = {}

    @property
    def pending(self) -> int:
        """Return how many messages wait for their answer."""
        return len(self._waiting)

    def put(self, key: KeyT, gateway: int, kind: str, message: DownMessage, now_s: float) -> None:
        """Let a message be sent from now on; one that waits already is not sent twice."""
        self._waiting.setdefault(key, _Waiting(gateway, kind, message, now_s, REPEAT_FIRST_S))

    def send_due(self, now_s: float) -> None:
        """Send what is due; without a connection it stays due."""
        if not self._connection.is_subscribed:
            return
        for waiting in self._waiting.values():
            if waiting.due_s <= now_s:
                self._connection.publish_down(self._gateways[waiting.gateway], waiting.kind, waiting.message)
                waiting.due_s = now_s + waiting.pause_s
                waiting.pause_s = min(2 * waiting.pause_s, self._pause_max_s)

    def forget(self, is_over: Callable[[KeyT], bool]) -> None:
        """Stop sending what is over."""
        self._waiting = {key: waiting for key, waiting in self._waiting.items() if not is_over(key)}


class NoticeSender:
    """Sends notices and repeats them until the gateway has answered each, after 0.5 s, then ever later up to 60 s."""

    def __init__(self, connection: Connection, registry: Registry) -> None:
        self._sender: RepeatedSender[tuple[int, int]] = RepeatedSender(connection, registry, NOTICE_REPEAT_MAX_S)

    @property
    def pending(self) -> int:
        """Return how many notices wait for their answer."""
        return self._sender.pending

    def send(self, notices: Iterable[NoticeForGateway], now_s: float) -> None:
        """Send the notices at once, and again until they are answered."""
        for one in notices:
            self._sender.put((one.gateway, one.message.notice), one.gateway, one.kind, one.message, now_s)
        self._sender.send_due(now_s)

    def send_due(self, now_s: float) -> None:
        """Send what is due at now_s."""
        self._sender.send_due(now_s)

    def answered(self, gateway: int, notice: int) -> None:
        """Stop sending a notice that its gateway keeps."""
        self._sender.forget(lambda key: key == (gateway, notice))
