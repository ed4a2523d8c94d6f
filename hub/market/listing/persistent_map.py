"""A mapping that is never changed: `put` returns another one and shares almost everything with the old.

The state of the listing market is a value, so that a step that does not commit leaves nothing behind, and any earlier
state can be kept for comparison. Copying a plain dict at each of 100,000 takes would cost seconds; here a step copies
one bucket and the list of buckets.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Generic, Protocol, TypeVar


class _Ordered(Protocol):
    """A key: hashable, and sortable among its kind."""

    def __hash__(self) -> int: ...

    def __lt__(self, other: Any, /) -> bool: ...  # noqa: ANN401 - as typeshed's


KeyT = TypeVar("KeyT", bound=_Ordered)
ValueT = TypeVar("ValueT")

_BUCKETS = 256


class PersistentMap(Generic[KeyT, ValueT]):
    """Key -> value; iterates in ascending order of keys, so no result depends on how keys hash."""

    __slots__ = ("_buckets", "_size")

    def __init__(self) -> None:
        self._buckets: tuple[Mapping[KeyT, ValueT], ...] = ({},) * _BUCKETS
        self._size = 0

    def get(self, key: KeyT) -> ValueT | None:
        """Return the value of the key, None if it has none."""
        return self._buckets[hash(key) % _BUCKETS].get(key)

    def __getitem__(self, key: KeyT) -> ValueT:
        return self._buckets[hash(key) % _BUCKETS][key]

    def __contains__(self, key: KeyT) -> bool:
        return key in self._buckets[hash(key) % _BUCKETS]

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[KeyT]:
        return iter(sorted(key for bucket in self._buckets for key in bucket))

    def values(self) -> Iterator[ValueT]:
        """Yield the values in ascending order of their keys."""
        return (self[key] for key in self)

    def put(self, key: KeyT, value: ValueT) -> "PersistentMap[KeyT, ValueT]":
        """Return the mapping with this value for the key; `self` stays as it is."""
        number = hash(key) % _BUCKETS
        bucket = {**self._buckets[number], key: value}
        other: PersistentMap[KeyT, ValueT] = PersistentMap.__new__(PersistentMap)
        other._buckets = (*self._buckets[:number], bucket, *self._buckets[number + 1 :])
        other._size = self._size + (key not in self._buckets[number])
        return other
