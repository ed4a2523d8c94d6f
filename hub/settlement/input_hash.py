"""The hash of what a settlement was computed from: sha256 over a canonical walk of the frozen inputs."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import date
from enum import Enum
from functools import lru_cache
from operator import attrgetter
from types import MappingProxyType

import numpy as np

_LEFT_OUT_IF_EMPTY = "left out of the input hash if empty"
LATER_FIELD: Mapping[str, bool] = MappingProxyType({_LEFT_OUT_IF_EMPTY: True})
"""Metadata of a field that came after hashes were stored: while it is None or an empty tuple, it is not hashed."""


@dataclass(frozen=True)
class Canonical:
    """The canonical bytes of a value (no single text) that many inputs share; in an input it reads as the value."""

    data: bytes

    @classmethod
    def of(cls, value: object) -> "Canonical":
        """Return a value walked once.

        :raises TypeError: as input_hash does
        """
        parts: list[bytes] = []
        _append(parts, value)
        return cls(b"".join(parts))


def input_hash(inputs: object) -> str:
    """Return the sha256, in hex, of a frozen dataclass of columns, texts, numbers, dates and such dataclasses.

    Every value is preceded by its field name, type and size, so that no two different inputs read the same. Columns
    count by their dtype, shape and little-endian bytes. A later field counts only if it holds something.

    :raises TypeError: for a value of any other type, which has no canonical bytes
    """
    parts: list[bytes] = []
    _append(parts, inputs)
    return hashlib.sha256(b"".join(parts)).hexdigest()


_Encoder = Callable[[list[bytes], object], None]


def _append(parts: list[bytes], value: object) -> None:
    """Append the canonical bytes of a value. A bill's lines hash some ten values each, so common types go first."""
    kind = type(value)
    if kind is str:
        parts.append(_text(value))
    elif kind is int:
        parts.append(f"int {value};".encode())
    else:
        (_ENCODERS.get(kind) or _encoder_of(value))(parts, value)


@lru_cache(maxsize=4096)
def _text(value: str) -> bytes:
    encoded = value.encode()
    return b"text %d:" % len(encoded) + encoded


def _encoder_of(value: object) -> _Encoder:
    """Return how values of a type are encoded; it is made once a type."""
    kind = type(value)
    if isinstance(value, tuple):
        found: _Encoder = _append_tuple
    elif isinstance(value, Enum):
        found = _member_encoder()
    elif isinstance(value, np.ndarray):
        found = _append_column
    elif value is None or isinstance(value, bool | int | date):
        found = _append_plain
    elif isinstance(value, Canonical):
        found = _append_canonical
    elif is_dataclass(value):
        found = _dataclass_encoder(kind)
    else:
        raise TypeError(f"{kind.__name__} has no canonical bytes")
    return _ENCODERS.setdefault(kind, found)


_ENCODERS: dict[type, _Encoder] = {}
_ONLY_TEXTS = {str}


def _append_plain(parts: list[bytes], value: object) -> None:
    parts.append(f"{type(value).__name__} {value};".encode())


def _append_canonical(parts: list[bytes], value: object) -> None:
    assert isinstance(value, Canonical)
    parts.append(value.data)


def _append_column(parts: list[bytes], value: object) -> None:
    assert isinstance(value, np.ndarray)
    column = np.ascontiguousarray(value.astype(value.dtype.newbyteorder("<"), copy=False))
    parts += (f"column {column.dtype.str} {column.shape}:".encode(), column.tobytes())


def _append_tuple(parts: list[bytes], value: object) -> None:
    assert isinstance(value, tuple)
    parts.append(b"tuple %d:" % len(value))
    if set(map(type, value)) <= _ONLY_TEXTS:
        texts = [item.encode() for item in value]
        parts.append(("texts " + ",".join(map(str, map(len, texts))) + ":").encode() + b"".join(texts))
        return
    for item in value:
        _append(parts, item)


def _member_encoder() -> _Encoder:
    """Return the encoder of one enumeration; the bytes of a member, of which there is only one, are made once."""
    known: dict[int, bytes] = {}

    def encode(parts: list[bytes], value: object) -> None:
        found = known.get(id(value))
        if found is None:
            assert isinstance(value, Enum)
            found = known[id(value)] = f"enum {type(value).__name__}.{value.name};".encode()
        parts.append(found)

    return encode


def _dataclass_encoder(kind: type) -> _Encoder:
    """Return the encoder of one dataclass; its header and the prefixes of its fields are made once."""
    assert is_dataclass(kind)
    header = f"{kind.__name__}:".encode()
    names = [one.name for one in fields(kind)]
    later = frozenset(number for number, one in enumerate(fields(kind)) if _LEFT_OUT_IF_EMPTY in one.metadata)
    prefixes = [f"field {name}:".encode() for name in names]
    # The getter of several fields gives them all at once, as a tuple; of one it gives that one alone.
    values_of = attrgetter(*names, names[0]) if names else _no_fields

    def encode(parts: list[bytes], value: object) -> None:
        parts.append(header)
        for number, (prefix, item) in enumerate(zip(prefixes, values_of(value), strict=False)):
            if number in later and (item is None or (type(item) is tuple and not item)):
                continue
            parts.append(prefix)
            if type(item) is str:
                parts.append(_text(item))
            else:
                _append(parts, item)

    return encode


def _no_fields(_value: object) -> tuple[object, ...]:
    return ()
